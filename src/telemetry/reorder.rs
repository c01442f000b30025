//! Puts one rocket's messages back in order and tells repeats apart.
//!
//! Numbers run from 1 without gaps. What is next passes straight through;
//! what is early waits in a map sorted by number; what was passed or waits already
//! is a repeat, and the first one wins. Holding or releasing one of `b` buffered
//! messages costs O(log b), and takes or gives back memory a few messages at a
//! time: what a rocket takes follows what waits now, whatever waited once. Numbers
//! that do not come may be declared lost: what waits goes on then, and they count
//! as passed, though nothing passed.
//!
//! Bounds are not kept here: whoever feeds this asks [`Reorder::buffered`]
//! before it accepts an early message. Nor is a clock: since when a message is
//! awaited is noted here, beside what waits for it, and said by whoever has one.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::lost::Lost;
use super::{Event, Report, Timestamp};

/// Where a message number stands in a rocket's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The one that is awaited.
    Next,
    /// Beyond the awaited one, and not seen yet.
    Early,
    /// Passed already, or waiting already.
    Known,
}

/// One rocket's place in its stream, and what came early.
#[derive(Debug)]
pub struct Reorder {
    next: u64,
    /// Only there while something waits or if something was lost, since most
    /// rockets have neither.
    aside: Option<Box<Aside>>,
}

/// What a rocket has beside its place. Something waits, or something was lost.
#[derive(Debug)]
struct Aside {
    /// By number. Boxed, since a node of the map has room for eleven.
    early: BTreeMap<u64, Box<Waiting>>,
    /// As [`Reorder::wait_since`] was told.
    since: Timestamp,
    lost: Lost,
}

impl Default for Aside {
    fn default() -> Self {
        Self { early: BTreeMap::new(), since: Timestamp::EPOCH, lost: Lost::default() }
    }
}

impl Aside {
    fn is_blank(&self) -> bool {
        self.early.is_empty() && self.lost.is_empty()
    }
}

/// A [`Report`] without its number.
#[derive(Debug)]
struct Waiting {
    time: Timestamp,
    event: Event,
}

impl Reorder {
    /// Awaits number 1.
    #[must_use]
    pub fn new() -> Self {
        Self { next: 1, aside: None }
    }

    /// Awaits `next`, everything before it having passed but what was `lost`.
    #[must_use]
    pub fn resume(next: u64, lost: Lost) -> Self {
        let aside = (!lost.is_empty()).then(|| Box::new(Aside { lost, ..Aside::default() }));
        Self { next, aside }
    }

    /// The awaited number.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many messages wait for an earlier one.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.early.len())
    }

    /// The lowest number that waits; `None` if nothing does.
    #[must_use]
    pub fn lowest(&self) -> Option<u64> {
        let aside = self.aside.as_ref()?;
        aside.early.first_key_value().map(|(&number, _)| number)
    }

    /// The highest number that waits; `None` if nothing does.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        let aside = self.aside.as_ref()?;
        aside.early.last_key_value().map(|(&number, _)| number)
    }

    /// Since when the awaited number is, with something waiting for it, as it was
    /// noted; `None` if nothing waits.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Timestamp> {
        self.aside.as_ref().filter(|aside| !aside.early.is_empty()).map(|aside| aside.since)
    }

    /// Notes since when the awaited number is. To be called whenever something
    /// waits for another number than before; says nothing if nothing waits.
    pub fn wait_since(&mut self, since: Timestamp) {
        if let Some(aside) = &mut self.aside {
            aside.since = since;
        }
    }

    /// The numbers that were declared lost; `None` if none was.
    #[must_use]
    pub fn lost(&self) -> Option<&Lost> {
        self.aside.as_ref().map(|aside| &aside.lost).filter(|lost| !lost.is_empty())
    }

    /// Whether a number was declared lost, as far as is remembered.
    #[must_use]
    pub fn is_lost(&self, number: u64) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.lost.holds(number))
    }

    /// The messages that wait, in order.
    pub fn waiting(&self) -> impl Iterator<Item = Report> {
        self.aside.iter().flat_map(|aside| aside.early.iter()).map(|(&number, waiting)| {
            let Waiting { time, ref event } = **waiting;
            Report { number, time, event: event.clone() }
        })
    }

    /// What the message with this number says, if it waits.
    #[must_use]
    pub fn waiting_event(&self, number: u64) -> Option<&Event> {
        let aside = self.aside.as_ref().filter(|_| number > self.next)?;
        aside.early.get(&number).map(|waiting| &waiting.event)
    }

    /// Where `number` stands now.
    #[must_use]
    pub fn place(&self, number: u64) -> Place {
        match number.cmp(&self.next) {
            Ordering::Less => Place::Known,
            Ordering::Equal => Place::Next,
            Ordering::Greater => match &self.aside {
                Some(aside) if aside.early.contains_key(&number) => Place::Known,
                _ => Place::Early,
            },
        }
    }

    /// Takes one message in and hands every message that is now in order to
    /// `pass`, in order. Returns where the message stood.
    pub fn offer(&mut self, report: Report, mut pass: impl FnMut(Report)) -> Place {
        let place = self.place(report.number);
        match place {
            Place::Known => {}
            Place::Early => {
                let aside = self.aside.get_or_insert_default();
                let Report { number, time, event } = report;
                aside.early.insert(number, Box::new(Waiting { time, event }));
            }
            Place::Next => {
                self.next += 1;
                pass(report);
                self.pass_waiting(pass);
            }
        }
        place
    }

    /// Declares lost what is missing from `awaited` to the first number that waits,
    /// and hands every message that is in order then to `pass`. Returns the first
    /// and the last of the lost numbers; `None`, and nothing happens, if another
    /// number is awaited or nothing waits for it.
    pub fn skip(&mut self, awaited: u64, pass: impl FnMut(Report)) -> Option<(u64, u64)> {
        let aside = self.aside.as_mut().filter(|_| self.next == awaited)?;
        let (&first, _) = aside.early.first_key_value()?;
        let lost = (awaited, first - 1);
        aside.lost.add(lost.0, lost.1);
        self.next = first;
        self.pass_waiting(pass);
        Some(lost)
    }

    /// Hands everything on that waits and is in order.
    fn pass_waiting(&mut self, mut pass: impl FnMut(Report)) {
        while let Some(report) = self.pop_next() {
            self.next += 1;
            pass(report);
        }
    }

    fn pop_next(&mut self) -> Option<Report> {
        let aside = self.aside.as_mut()?;
        let first = aside.early.first_entry().filter(|first| *first.key() == self.next)?;
        let (number, waiting) = first.remove_entry();
        if aside.is_blank() {
            self.aside = None;
        }
        let Waiting { time, event } = *waiting;
        Some(Report { number, time, event })
    }
}

impl Default for Reorder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn report(number: u64) -> Report {
        Report { number, time: Timestamp::EPOCH, event: Event::SpeedIncreased { by: 1 } }
    }

    fn offer(reorder: &mut Reorder, number: u64) -> (Place, Vec<u64>) {
        let mut passed = Vec::new();
        let place = reorder.offer(report(number), |report| passed.push(report.number));
        (place, passed)
    }

    #[test]
    fn what_is_early_waits_for_the_gap_to_close() {
        let mut reorder = Reorder::new();
        assert_eq!(offer(&mut reorder, 3), (Place::Early, vec![]));
        assert_eq!(offer(&mut reorder, 2), (Place::Early, vec![]));
        assert_eq!(offer(&mut reorder, 5), (Place::Early, vec![]));
        assert_eq!((reorder.buffered(), reorder.highest()), (3, Some(5)));
        assert_eq!(reorder.lowest(), Some(2));
        assert_eq!(offer(&mut reorder, 3), (Place::Known, vec![]));
        assert_eq!(offer(&mut reorder, 1), (Place::Next, vec![1, 2, 3]));
        assert_eq!(reorder.buffered(), 1);
        assert_eq!(offer(&mut reorder, 1), (Place::Known, vec![]));
        assert_eq!(offer(&mut reorder, 4), (Place::Next, vec![4, 5]));
        assert_eq!((reorder.next(), reorder.buffered()), (6, 0));
        assert_eq!((reorder.highest(), reorder.waiting_since()), (None, None));
    }

    #[test]
    fn what_does_not_come_can_be_declared_lost() {
        let mut reorder = Reorder::new();
        let skip = |reorder: &mut Reorder, awaited| {
            let mut passed = Vec::new();
            let lost = reorder.skip(awaited, |report| passed.push(report.number));
            (lost, passed)
        };
        assert_eq!(skip(&mut reorder, 1), (None, vec![]), "nothing waits");
        for number in [3, 4, 7] {
            offer(&mut reorder, number);
        }
        assert_eq!(skip(&mut reorder, 2), (None, vec![]), "another is awaited");
        assert_eq!(skip(&mut reorder, 1), (Some((1, 2)), vec![3, 4]));
        assert_eq!(skip(&mut reorder, 1), (None, vec![]));
        assert_eq!(offer(&mut reorder, 2), (Place::Known, vec![]), "it is late");
        assert_eq!(skip(&mut reorder, 5), (Some((5, 6)), vec![7]));
        assert_eq!((reorder.next(), reorder.buffered(), reorder.waiting_since()), (8, 0, None));
        assert!([1, 2, 5, 6].into_iter().all(|number| reorder.is_lost(number)));
        assert!([3, 4, 7, 8].into_iter().all(|number| !reorder.is_lost(number)));
        assert_eq!(reorder.lost().map(Lost::count), Some(4));
    }

    #[test]
    fn the_highest_number_neither_overflows_nor_passes_early() {
        let mut reorder = Reorder::resume(crate::telemetry::message::MAX_INTEGER, Lost::default());
        let highest = crate::telemetry::message::MAX_INTEGER;
        assert_eq!(offer(&mut reorder, highest), (Place::Next, vec![highest]));
        assert_eq!(offer(&mut reorder, highest), (Place::Known, vec![]));
    }

    proptest! {
        /// Whatever the order and the repeats, each number passes once, in
        /// order, and the rest waits.
        #[test]
        fn every_number_passes_once_and_in_order(arrivals in prop::collection::vec(1u64..60, 0..200)) {
            let mut reorder = Reorder::new();
            let mut passed = Vec::new();
            let mut seen = std::collections::BTreeSet::new();
            for number in arrivals {
                let place = reorder.offer(report(number), |report| passed.push(report.number));
                prop_assert_eq!(place == Place::Known, !seen.insert(number));
                let gap = (1..=60).find(|n| !seen.contains(n)).unwrap();
                prop_assert_eq!(&passed, &(1..gap).collect::<Vec<_>>());
                prop_assert_eq!(reorder.next(), gap);
                let waiting: Vec<_> = reorder.waiting().map(|report| report.number).collect();
                prop_assert_eq!(&waiting, &seen.range(gap..).copied().collect::<Vec<_>>());
                prop_assert_eq!(reorder.buffered(), waiting.len());
            }
        }
    }
}
