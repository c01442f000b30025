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
    /// Whether there is no condition.
    admits_all: bool,
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
        let admits_all = selection.filter.is_empty();
        Self { selection, reply, over: None, admits_all, total: 0, kept }
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

    /// Looks at a rocket where it stands: of most that is all, for they do not belong
    /// to the page.
    fn visit(&mut self, slot: Slot, roster: &Roster) {
        let Some(rocket) = roster.candidate(slot) else { return };
        if !(self.admits_all || self.selection.filter.admits(&rocket)) {
            return;
        }
        self.total += 1;
        let sort = self.selection.sort;
        if let Kept::Page { best, limit, more } = &mut self.kept
            && best.len() == *limit
            && let Some(last) = best.peek()
            && sort.compare_rockets(&rocket, &last.rocket).is_gt()
        {
            // It comes after those that are kept, and so after where the page begins.
            *more = true;
        } else if self.selection.begins_before(&rocket) {
            self.kept.add(roster.view_of(&rocket), sort);
        }
    }
}

impl Kept {
    fn add(&mut self, rocket: RocketView, sort: Sort) {
        match self {
            Self::Whole(rockets) => rockets.push(rocket),
            Self::Page { best, limit, more } => {
                best.push(Ranked { sort, rocket });
                if best.len() > *limit {
                    *more = true;
                    best.pop();
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
