//! Queries: what is answered at once, and what is walked for.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::walk::Walk;
use super::{MAX_QUERIES, Partition};
use crate::fleet::mailbox::Inbox;
use crate::fleet::query::{Part, Query, Selection};

impl Partition {
    pub(super) fn answer(&mut self, query: Query) {
        // Whoever asked may have given up waiting, and needs no answer then.
        match query {
            Query::Rocket { channel, reply } => drop(reply.send(self.roster.lookup(&channel))),
            Query::Silent { before, limit, reply } => {
                drop(reply.send(self.roster.silent(before, limit)));
            }
            Query::Missions { after, limit, reply } => {
                drop(reply.send(self.roster.missions(after.as_deref(), limit)));
            }
            Query::Mission { wanted, reply } => drop(reply.send(self.roster.mission(&wanted))),
            Query::Rockets { selection, reply } => self.list(selection, reply),
            Query::Gaps { selection, reply } if selection.is_indexed() => {
                drop(reply.send(self.roster.gaps_by_index(&selection)));
            }
            Query::Gaps { selection, reply } => {
                self.walks.push_back(Walk::over_gaps(selection, reply));
            }
            Query::Changes { lane, limit, filters, reply } => {
                let marks = &mut self.observers.0.1;
                drop(reply.send(marks.take((lane, limit), &filters, &self.roster)));
            }
        }
    }

    fn list(&mut self, selection: Arc<Selection>, reply: oneshot::Sender<Part>) {
        let indexed = selection.is_indexed().then(|| self.roster.by_index(&selection)).flatten();
        if let Some(part) = indexed {
            drop(reply.send(part));
            return;
        }
        let by_ids = selection.is_in_order_of_ids() || selection.filter.id_prefix.is_some();
        if by_ids && self.roster.wants_order_of_ids() {
            self.walks.push_back(Walk::OrderOfIds);
        }
        self.walks.push_back(Walk::over_rockets(selection, reply));
    }

    /// Answers some of the queries that wait, and puts walks in line.
    pub(super) fn answer_waiting(&mut self, inbox: &Inbox) {
        for query in inbox.waiting_queries().take(MAX_QUERIES) {
            self.answer(query);
        }
    }

    /// Takes the walk that waited longest one slice further. Whether there was one.
    pub(super) fn step_walk(&mut self) -> bool {
        let Some(walk) = self.walks.pop_front() else { return false };
        self.walks.extend(walk.step(&mut self.roster));
        true
    }
}
