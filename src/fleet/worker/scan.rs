//! A walk over a roster for a selection that no index answers.
//!
//! It goes on slice by slice, so that the worker can take messages in between.
//! Every rocket is visited once, and seen as it is at that moment. Where an index
//! names all that can meet the conditions, and they are few, only those are visited. Of a page,
//! only as many rockets are kept as it holds; of a whole listing all, as they
//! come. Does not own their order: they are sorted and merged elsewhere
//! (`query/whole`), on a thread that serves nobody.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::fleet::query::{Filter, Part, Selection, Slices, Sort};
use crate::fleet::roster::Roster;
use crate::fleet::roster::slot::Slot;
use crate::fleet::view::RocketView;
use crate::telemetry::Channel;

/// Rockets visited before messages get their turn again: some 0.1 ms of work.
const SLICE: Slot = 1024;

/// The same of rockets that are all over the memory.
const FEW: usize = 512;

/// A walk in progress.
pub(super) struct Scan {
    selection: Arc<Selection>,
    reply: oneshot::Sender<Part>,
    /// Not known before it begins.
    over: Option<Over>,
    total: usize,
    kept: Kept,
}

/// Which rockets are visited.
enum Over {
    /// All, from this slot on.
    All(Slot),
    /// Those whose ID begins so, behind the one that was visited last.
    Ids { prefix: Channel, after: Option<Channel> },
    /// Those that wait: so few that one slice has them all.
    Waiting(Vec<Slot>),
}

impl Over {
    fn least(filter: &Filter, roster: &Roster) -> Self {
        if filter.waiting == Some(true)
            && let Some(slots) = roster.few_waiting(SLICE as usize)
        {
            return Self::Waiting(slots);
        }
        match &filter.id_prefix {
            Some(prefix) if roster.are_few_with(prefix) => {
                Self::Ids { prefix: prefix.clone(), after: None }
            }
            _ => Self::All(0),
        }
    }
}

enum Kept {
    /// The best rockets so far, the last of them on top; at most `limit`.
    Page { best: BinaryHeap<Ranked>, limit: usize, more: bool },
    /// All that were visited.
    Whole(Slices),
}

struct Ranked {
    sort: Sort,
    rocket: RocketView,
}

impl Scan {
    #[must_use]
    pub fn new(selection: Arc<Selection>, reply: oneshot::Sender<Part>) -> Self {
        let kept = match selection.limit {
            Some(limit) => Kept::Page { best: BinaryHeap::new(), limit, more: false },
            None => Kept::Whole(Slices::default()),
        };
        Self { selection, reply, over: None, total: 0, kept }
    }

    /// Visits the next slice. Returns the scan unless it is done: because all
    /// was seen and the part was sent, or because nobody waits for it.
    #[must_use]
    pub fn step(mut self, roster: &Roster) -> Option<Self> {
        if self.reply.is_closed() {
            return None;
        }
        let over = self.over.take().unwrap_or_else(|| Over::least(&self.selection.filter, roster));
        self.over = match over {
            Over::All(next) => {
                let end = roster.slots().min(next.saturating_add(SLICE));
                (next..end).for_each(|slot| self.visit(slot, roster));
                (end < roster.slots()).then_some(Over::All(end))
            }
            Over::Ids { prefix, after } => {
                let slots = roster.some_with(&prefix, after.as_ref(), FEW);
                for &slot in &slots {
                    self.visit(slot, roster);
                }
                let last = slots.last().filter(|_| slots.len() == FEW);
                last.map(|&last| Over::Ids { prefix, after: Some(roster.channel(last).clone()) })
            }
            Over::Waiting(slots) => {
                for slot in slots {
                    self.visit(slot, roster);
                }
                None
            }
        };
        if self.over.is_some() {
            return Some(self);
        }
        let (rockets, more) = match self.kept {
            Kept::Page { best, more, .. } => {
                (best.into_iter().map(|ranked| ranked.rocket).collect(), more)
            }
            Kept::Whole(rockets) => (rockets, false),
        };
        // Whoever asked may be gone by now, and needs no answer then.
        let _ = self.reply.send(Part { rockets, total: self.total, more });
        None
    }

    fn visit(&mut self, slot: Slot, roster: &Roster) {
        if let Some(rocket) = roster.view_if(slot, &self.selection.filter) {
            self.total += 1;
            if self.selection.begins_before(&rocket) {
                self.kept.add(rocket, self.selection.sort);
            }
        }
    }
}

impl Kept {
    fn add(&mut self, rocket: RocketView, sort: Sort) {
        match self {
            Self::Whole(rockets) => rockets.push(rocket),
            Self::Page { best, limit, .. } if best.len() < *limit => {
                best.push(Ranked { sort, rocket });
            }
            Self::Page { best, more, .. } => {
                *more = true;
                let ranked = Ranked { sort, rocket };
                if let Some(mut last) = best.peek_mut()
                    && ranked < *last
                {
                    *last = ranked;
                }
            }
        }
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort.compare_rockets(&self.rocket, &other.rocket)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}
