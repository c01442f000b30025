//! Digests of the fold at marks of the log, by which nodes find that they do not agree.
//!
//! A mark is the first entry at or beyond each multiple of a stride, so that it is the
//! same for all nodes. Every partition notes its own digest when it has applied the log
//! up to there, and not further; once all have, their sum is the node's. Owns what was
//! noted and compared; not how a digest is made (`roster/digest.rs`), nor how it gets
//! from one node to another (`peers`).
//!
//! Once they differ it stays said until a restart: which node is wrong, only somebody
//! who looks can tell.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tracing::error;

use crate::fleet::roster::DIGEST_FORM;
use crate::fleet::vitals::Vital;
use crate::journal::shared::Offset;

/// Offsets from one mark to the next: an entry is worth some hundred messages under
/// load, and then they are minutes apart.
pub const STRIDE: u64 = 65_536;

/// Most marks of its own that a node remembers, so that it can be compared with one that
/// is far behind.
const REMEMBERED: usize = 64;

/// Most marks that it tells others.
const TOLD: usize = 4;

/// Which entries are marks, for who reads the log.
#[derive(Clone, Copy, Debug)]
pub struct Marking {
    /// Offsets from one to the next; at least 1.
    pub stride: u64,
    /// Up to here nothing is noted: what was stored may be ahead of the log.
    pub from: Offset,
}

impl Marking {
    /// Whether the entry at `offset` is one, which comes right behind `before`.
    #[must_use]
    pub fn is_mark(&self, before: Offset, offset: Offset) -> bool {
        offset > self.from && offset.0 / self.stride > before.0 / self.stride
    }
}

/// The fold of a node, at a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// Where.
    pub offset: u64,
    /// Its digest there.
    pub digest: u64,
}

/// What a node tells of its fold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How digests are made.
    pub form: u32,
    /// Those at the latest marks, oldest first.
    pub marks: Vec<Noted>,
}

/// What is counted of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Marks at which this node was compared with any other.
    pub compared: u64,
    /// Those at which they differed.
    pub differing: u64,
}

/// Shared by the partitions and whoever compares. See the module.
#[derive(Clone, Debug)]
pub struct Digests(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    node: Arc<str>,
    partitions: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Sums of those partitions that have come to a mark, and how many these are.
    /// Partitions are apart by no more than what may wait for one.
    partial: BTreeMap<u64, (usize, u64)>,
    /// Oldest first.
    marks: VecDeque<Mark>,
    agreement: Agreement,
    /// The first difference.
    difference: Option<String>,
}

#[derive(Debug)]
struct Mark {
    noted: Noted,
    compared: bool,
    differs: bool,
}

impl Digests {
    /// Of `node`, which has so many partitions.
    #[must_use]
    pub fn new(node: Arc<str>, partitions: usize) -> Self {
        Self(Arc::new(Shared { node, partitions, state: Mutex::default() }))
    }

    /// A partition has applied the log exactly up to the mark at `offset`. To be called
    /// once for each partition and mark.
    pub fn note(&self, offset: Offset, digest: u64) {
        let mut state = self.lock();
        let (count, sum) = state.partial.entry(offset.0).or_default();
        *count += 1;
        *sum = sum.wrapping_add(digest);
        if *count < self.0.partitions {
            return;
        }
        let noted = Noted { offset: offset.0, digest: *sum };
        state.partial.remove(&offset.0);
        if state.marks.len() == REMEMBERED {
            state.marks.pop_front();
        }
        state.marks.push_back(Mark { noted, compared: false, differs: false });
    }

    /// What others are to be told.
    #[must_use]
    pub fn told(&self) -> Told {
        let state = self.lock();
        let latest = state.marks.iter().skip(state.marks.len().saturating_sub(TOLD));
        Told { form: DIGEST_FORM, marks: latest.map(|mark| mark.noted).collect() }
    }

    /// Compares this node with what others told.
    pub fn compare<'a>(&self, others: impl Iterator<Item = (&'a str, &'a Told)>) -> Agreement {
        let Shared { node, .. } = &*self.0;
        let mut state = self.lock();
        let State { marks, agreement, difference, .. } = &mut *state;
        for (other, told) in others.filter(|(_, told)| told.form == DIGEST_FORM) {
            for theirs in &told.marks {
                let same = |mark: &&mut Mark| mark.noted.offset == theirs.offset;
                let Some(mark) = marks.iter_mut().find(same) else { continue };
                agreement.compared += u64::from(!std::mem::replace(&mut mark.compared, true));
                let Noted { offset, digest } = mark.noted;
                if digest == theirs.digest {
                    continue;
                }
                agreement.differing += u64::from(!std::mem::replace(&mut mark.differs, true));
                if difference.is_some() {
                    continue;
                }
                let (own, its) = (format!("{digest:016x}"), format!("{:016x}", theirs.digest));
                error!(
                    offset,
                    %node,
                    digest = own,
                    %other,
                    other_digest = its,
                    "this node and another have made different fleets of the same log"
                );
                *difference = Some(format!(
                    "this node and node {other} have made different fleets of the same log: at \
                     offset {offset} the digest of {node} is {own}, and that of {other} is {its}"
                ));
            }
        }
        *agreement
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing between two steps panics.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vital for Digests {
    fn name(&self) -> &'static str {
        "agreement with other nodes"
    }

    fn trouble(&self, _now: Instant) -> Option<String> {
        self.lock().difference.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(marks: &[(u64, u64)]) -> Told {
        let marks = marks.iter().map(|&(offset, digest)| Noted { offset, digest }).collect();
        Told { form: DIGEST_FORM, marks }
    }

    #[test]
    fn a_mark_is_the_first_entry_beyond_each_multiple() {
        let marking = Marking { stride: 10, from: Offset(0) };
        let is_mark = |before, offset| marking.is_mark(Offset(before), Offset(offset));
        assert!(!is_mark(0, 9) && is_mark(9, 10) && is_mark(9, 12) && is_mark(0, 35));
        assert!(!is_mark(10, 19) && is_mark(10, 20));
        let later = Marking { from: Offset(12), ..marking };
        assert!(!later.is_mark(Offset(9), Offset(12)) && later.is_mark(Offset(9), Offset(13)));
    }

    #[test]
    fn what_all_partitions_have_noted_is_told_and_the_latest_only() {
        let digests = Digests::new("a".into(), 2);
        digests.note(Offset(10), u64::MAX);
        digests.note(Offset(20), 1);
        assert_eq!(digests.told(), told(&[]));
        digests.note(Offset(10), 5);
        digests.note(Offset(20), 1);
        assert_eq!(digests.told(), told(&[(10, 4), (20, 2)]));
        for offset in 21..=100 {
            digests.note(Offset(offset), offset);
            digests.note(Offset(offset), 0);
        }
        assert_eq!(digests.told(), told(&[(97, 97), (98, 98), (99, 99), (100, 100)]));
        assert_eq!(digests.lock().marks.len(), REMEMBERED);
    }

    #[test]
    fn a_difference_is_said_for_good_and_counted_once_for_a_mark() {
        let digests = Digests::new("a".into(), 1);
        for offset in [10, 20, 30] {
            digests.note(Offset(offset), 7);
        }
        let now = Instant::now();
        let compare = |other: &Told| digests.compare([("b", other)].into_iter());
        let agreed = compare(&told(&[(5, 1), (10, 7), (40, 9)]));
        assert_eq!(agreed, Agreement { compared: 1, differing: 0 });
        let of_another_form = Told { form: DIGEST_FORM + 1, ..told(&[(20, 8)]) };
        assert_eq!(compare(&of_another_form), agreed);
        assert_eq!(digests.trouble(now), None);
        for _ in 0..2 {
            let differed = compare(&told(&[(20, 8), (30, 9)]));
            assert_eq!(differed, Agreement { compared: 3, differing: 2 });
        }
        assert_eq!(compare(&told(&[(30, 7)])), Agreement { compared: 3, differing: 2 });
        let trouble = digests.trouble(now).unwrap();
        assert!(trouble.contains("node b") && trouble.contains("offset 20"), "{trouble}");
        assert!(trouble.contains("0000000000000007, and that of b is 0000000000000008"));
    }
}
