//! What can be asked of the rockets that wait for a missing message, and the
//! merge of the parts. Their one order: those that wait longest first, then by
//! ID.

use super::filter::Filter;
use crate::fleet::view::GapView;
use crate::telemetry::{Channel, Timestamp};

/// Which rockets that wait, and how many.
#[derive(Clone, Debug)]
pub struct GapSelection {
    /// As of a listing of rockets; one that is not launched has no mission, type
    /// and status.
    pub filter: Filter,
    /// Whether it is the first message that is missing.
    pub launch_missing: Option<bool>,
    /// Only what comes after this place; `None` from the start.
    pub after: Option<GapPlace>,
    /// At most so many.
    pub limit: usize,
}

/// A rocket's place among those that wait.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GapPlace {
    /// Since when it waits.
    pub since: Timestamp,
    /// Sets rockets that wait equally long apart.
    pub id: Channel,
}

impl GapPlace {
    /// The place of a rocket.
    #[must_use]
    pub fn of(gap: &GapView) -> Self {
        Self { since: gap.waiting_since, id: gap.id.clone() }
    }
}

impl GapSelection {
    /// Whether a partition answers this from an index, of IDs or of waits.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        let any = self.filter.is_empty() && self.launch_missing.is_none();
        any || self.filter.id.is_some()
    }

    /// Whether a rocket comes after where the page begins.
    #[must_use]
    pub fn begins_before(&self, gap: &GapView) -> bool {
        let is_before = |after: &GapPlace| (after.since, &after.id) < (gap.waiting_since, &gap.id);
        self.after.as_ref().is_none_or(is_before)
    }
}

/// One partition's part of the answer.
#[derive(Debug, Default)]
pub struct GapPart {
    /// The first rockets of the selection that this partition owns, in order.
    pub gaps: Vec<GapView>,
    /// How many rockets match, wherever the page starts and ends.
    pub total: usize,
    /// Whether there are rockets in this partition behind these.
    pub more: bool,
}

impl GapPart {
    /// Adds the next rocket in order, if the page has begun and is not full.
    pub fn add(&mut self, gap: GapView, selection: &GapSelection) {
        if !selection.begins_before(&gap) {
            return;
        }
        if self.gaps.len() < selection.limit {
            self.gaps.push(gap);
        } else {
            self.more = true;
        }
    }
}

/// The whole answer.
#[derive(Debug, Default)]
pub struct GapPage {
    /// In order.
    pub gaps: Vec<GapView>,
    /// How many rockets of the fleet match, on this page or not.
    pub total: usize,
    /// Whether there are rockets behind these.
    pub more: bool,
}

impl GapPage {
    /// Merges the parts of all partitions.
    #[must_use]
    pub fn merge(parts: Vec<GapPart>, limit: usize) -> Self {
        let total = parts.iter().map(|part| part.total).sum();
        let mut more = parts.iter().any(|part| part.more);
        let mut gaps: Vec<_> = parts.into_iter().flat_map(|part| part.gaps).collect();
        gaps.sort_unstable_by(|a, b| (a.waiting_since, &a.id).cmp(&(b.waiting_since, &b.id)));
        more |= gaps.len() > limit;
        gaps.truncate(limit);
        Self { gaps, total, more }
    }
}
