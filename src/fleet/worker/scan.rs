//! A walk over a roster for a selection that no index answers.
//!
//! It goes on slice by slice, so that the worker can take messages in between.
//! Every rocket is visited once, and seen as it is at that moment. Of a page,
//! only as many rockets are kept as it holds.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::fleet::query::{Part, Position, Selection, Sort};
use crate::fleet::roster::Roster;
use crate::fleet::roster::slot::Slot;
use crate::fleet::view::RocketView;

/// Rockets visited before messages get their turn again: some 0.1 ms of work.
const SLICE: Slot = 1024;

/// A walk in progress.
pub(super) struct Scan {
    selection: Arc<Selection>,
    reply: oneshot::Sender<Part>,
    next: Slot,
    total: usize,
    more: bool,
    /// The best rockets so far, the last of them on top.
    best: BinaryHeap<Ranked>,
}

struct Ranked {
    sort: Sort,
    position: Position,
    rocket: RocketView,
}

impl Scan {
    #[must_use]
    pub fn new(selection: Arc<Selection>, reply: oneshot::Sender<Part>) -> Self {
        Self { selection, reply, next: 0, total: 0, more: false, best: BinaryHeap::new() }
    }

    /// Visits the next slice. Returns the scan unless it is done: because all
    /// was seen and the part was sent, or because nobody waits for it.
    #[must_use]
    pub fn step(mut self, roster: &Roster) -> Option<Self> {
        if self.reply.is_closed() {
            return None;
        }
        let end = roster.slots().min(self.next.saturating_add(SLICE));
        for slot in self.next..end {
            if let Some(rocket) = roster.view_if(slot, &self.selection.filter) {
                self.visit(rocket);
            }
        }
        self.next = end;
        if end < roster.slots() {
            return Some(self);
        }
        let rockets = self.best.into_iter().map(|ranked| ranked.rocket).collect();
        // Whoever asked may be gone by now, and needs no answer then.
        let _ = self.reply.send(Part { rockets, total: self.total, more: self.more });
        None
    }

    fn visit(&mut self, rocket: RocketView) {
        self.total += 1;
        let Selection { sort, limit, .. } = *self.selection;
        let position = sort.position(&rocket);
        if !self.selection.begins_before(&position) {
            return;
        }
        let limit = limit.unwrap_or(usize::MAX);
        let ranked = Ranked { sort, position, rocket };
        if self.best.len() < limit {
            self.best.push(ranked);
            return;
        }
        self.more = true;
        if let Some(mut last) = self.best.peek_mut()
            && ranked < *last
        {
            *last = ranked;
        }
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort.compare(&self.position, &other.position)
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
