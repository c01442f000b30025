//! Which rockets of a partition have changed, for the feed: its worker's side. An
//! observer that marks them while somebody listens, and gives them out, a slice at
//! a time, when the feed asks. Does not own what is told of them, nor to whom.
//!
//! A rocket is marked once however often it changes, and is looked at when it is
//! given out: of many changes the latest is told.

use std::collections::VecDeque;
use std::sync::Arc;

use super::bits::Bits;
use super::changed::{Changed, Changes, Lane, Turned};
use super::first::{First, Urgent};
use super::listening::Listening;
use crate::fleet::observer::{Folded, Observer};
use crate::fleet::outcome::{Outcome, Skipped};
use crate::fleet::query::Filter;
use crate::fleet::roster::Roster;
use crate::fleet::roster::slot::Slot;
use crate::fleet::view::RocketView;
use crate::telemetry::Channel;
use crate::telemetry::message::Kind;
use crate::telemetry::rocket::Effect;

/// Most rockets that are looked at before messages get their turn again: some
/// 0.05 ms of work.
pub const SLICE: usize = 256;

/// See the module.
#[derive(Debug)]
pub struct Marks {
    listening: Arc<Listening>,
    lanes: [Marked; Lane::EVERY.len()],
}

/// What has changed and was not given out, for one lane.
#[derive(Debug, Default)]
struct Marked {
    /// Slots that are in the queue and were not given out.
    waiting: Bits,
    /// Those of them whose mission was another.
    moved: Bits,
    /// Those that wait and did not, or the other way round.
    waits: Bits,
    /// Slots in the order in which they were marked; those whose bit is gone do not
    /// count.
    queue: VecDeque<Slot>,
    /// Explosions, and what was forgotten.
    first: First,
}

/// What a message changed, as far as it makes a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Exploded,
    Moved,
    Waits,
    Any,
}

impl Marks {
    /// None yet.
    #[must_use]
    pub fn new(listening: Arc<Listening>) -> Self {
        Self { listening, lanes: Default::default() }
    }

    /// Kept apart, so that those who call it stay small.
    #[cold]
    fn mark(&mut self, slot: Slot, channel: Option<&Channel>, change: Change) {
        let Self { listening, lanes } = self;
        for (lane, marked) in Lane::EVERY.into_iter().zip(lanes) {
            let is_named = || channel.is_none_or(|channel| listening.may_be_named(channel));
            if listening.has(lane) && (lane != Lane::Named || is_named()) {
                let is_news = match change {
                    // Nobody filters there.
                    Change::Moved => lane != Lane::All,
                    Change::Waits => listening.asks_what_waits(lane),
                    Change::Exploded | Change::Any => true,
                };
                marked.mark(slot, if is_news { change } else { Change::Any });
            }
        }
    }

    /// Gives out some of what has changed, at most `limit` rockets; explosions first.
    /// What passes none of `filters`, if there are any, is left out. If nobody listens
    /// any more, forgets all of it.
    pub fn take(
        &mut self,
        (lane, limit): (Lane, usize),
        filters: &[Filter],
        roster: &Roster,
    ) -> Changes {
        let Self { listening, lanes } = self;
        let marked = &mut lanes[lane as usize];
        if !listening.has(lane) {
            // What is marked from when somebody listens again on comes after this.
            *marked = Marked::default();
            return Changes::default();
        }
        let is_wanted = |rocket: &RocketView| match lane {
            Lane::Named => listening.may_be_named(&rocket.id),
            Lane::All | Lane::Filtered => {
                filters.is_empty() || filters.iter().any(|filter| filter.admits(rocket))
            }
        };
        marked.take(limit.min(SLICE), roster, is_wanted)
    }
}

impl Marked {
    fn mark(&mut self, slot: Slot, change: Change) {
        match change {
            Change::Exploded => return self.first.exploded(slot),
            Change::Moved => drop(self.moved.set(slot)),
            Change::Waits => drop(self.waits.set(slot)),
            Change::Any => {}
        }
        if self.waiting.set(slot) {
            self.queue.push_back(slot);
        }
    }

    /// What is to be told of a slot is about to be told.
    fn unmark(&mut self, slot: Slot) -> Turned {
        Turned { moved: self.moved.clear(slot), waits: self.waits.clear(slot) }
    }

    fn take(
        &mut self,
        limit: usize,
        roster: &Roster,
        is_wanted: impl Fn(&RocketView) -> bool,
    ) -> Changes {
        let mut changed = Vec::new();
        while changed.len() < limit
            && let Some(urgent) = self.first.pop()
        {
            match urgent {
                Urgent::Forgotten(channel) => changed.push(Changed::Forgotten(channel)),
                Urgent::Exploded(slot) => {
                    self.waiting.clear(slot);
                    let turned = self.unmark(slot);
                    let exploded = |rocket| Changed::Rocket { rocket, exploded: true, turned };
                    changed.extend(roster.view(slot).map(exploded));
                }
            }
        }
        let mut visited = 0;
        while changed.len() < limit
            && visited < SLICE
            && let Some(slot) = self.queue.pop_front()
        {
            visited += 1;
            if !self.waiting.clear(slot) {
                continue;
            }
            let turned = self.unmark(slot);
            // What was not launched yet is not shown.
            let rocket = roster.view(slot).filter(|rocket| turned.any() || is_wanted(rocket));
            let changed_so = |rocket| Changed::Rocket { rocket, exploded: false, turned };
            changed.extend(rocket.map(changed_so));
        }
        let more = !(self.first.is_empty() && self.queue.is_empty());
        Changes { changed, more, overrun: self.first.take_overrun() }
    }
}

impl Observer for Marks {
    fn folded(&mut self, folded: &Folded<'_>) {
        if self.listening.lanes() != 0 {
            let Folded { slot, channel, kind, effect, .. } = *folded;
            let change = match (kind, effect) {
                (Kind::Exploded, Effect::Updated) => Change::Exploded,
                (Kind::MissionChanged, _) => Change::Moved,
                _ => Change::Any,
            };
            self.mark(slot, Some(channel), change);
        }
    }

    fn taken(&mut self, slot: Slot, _: Kind, outcome: Outcome) {
        // What was applied was folded.
        if outcome == Outcome::Buffered && self.listening.lanes() != 0 {
            self.mark(slot, None, Change::Any);
        }
    }

    fn turned(&mut self, slot: Slot, channel: &Channel) {
        if self.listening.lanes() != 0 {
            self.mark(slot, Some(channel), Change::Waits);
        }
    }

    fn lost(&mut self, slot: Slot, channel: &Channel, _: Skipped) {
        if self.listening.lanes() != 0 {
            self.mark(slot, Some(channel), Change::Any);
        }
    }

    fn conflicting(&mut self, slot: Slot, channel: &Channel, _: u64) {
        if self.listening.lanes() != 0 {
            self.mark(slot, Some(channel), Change::Any);
        }
    }

    fn forgotten(&mut self, slot: Slot, channel: &Channel) {
        let Self { listening, lanes } = self;
        for (lane, marked) in Lane::EVERY.into_iter().zip(lanes) {
            // Nothing is told of whoever has its slot next.
            marked.waiting.clear(slot);
            marked.unmark(slot);
            let is_wanted = lane != Lane::Named || listening.may_be_named(channel);
            let told = (listening.has(lane) && is_wanted).then(|| channel.clone());
            marked.first.forgotten(slot, told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::feed::first::MOST;
    use crate::fleet::limits::{HistoryLimits, Limits, Quotas};
    use crate::fleet::outcome::Cause;
    use crate::fleet::roster::Admission;
    use crate::fleet::view::Status;
    use crate::telemetry::wire;

    fn roster() -> Roster {
        let history = HistoryLimits::NONE;
        let limits = Limits { buffered_per_rocket: 10, buffered: 10, rockets: 100_000, history };
        Roster::new(Arc::new(Quotas::new(limits)))
    }

    fn marks(lanes: &[Lane]) -> Marks {
        let listening = Arc::<Listening>::default();
        for lane in lanes {
            listening.open(*lane);
        }
        Marks::new(listening)
    }

    fn apply(roster: &mut Roster, marks: &mut Marks, id: &str, number: u64, rest: &str) {
        let text = format!(
            r#"{{"metadata":{{"channel":"{id}","messageNumber":{number},
            "messageTime":"2022-02-02T19:39:05Z",{rest}}}"#
        );
        let message = wire::parse(text.as_bytes()).unwrap();
        let Admission::Accepted(ticket) = roster.admit(&message) else { panic!("refused") };
        roster.apply(ticket, message.report, marks);
    }

    const LAUNCH: &str =
        r#""messageType":"RocketLaunched"},"message":{"type":"F","launchSpeed":1,"mission":"M"}"#;
    const FASTER: &str = r#""messageType":"RocketSpeedIncreased"},"message":{"by":1}"#;
    const MOVE: &str = r#""messageType":"RocketMissionChanged"},"message":{"newMission":"N"}"#;
    const EXPLODE: &str = r#""messageType":"RocketExploded"},"message":{"reason":"R"}"#;

    /// In order; with `!` for an explosion, `>` for another mission, `~` if it waits
    /// and did not or the other way round, `-` for a rocket that is gone.
    fn told(changes: &Changes) -> String {
        let of = |changed: &Changed| match changed {
            Changed::Rocket { rocket, exploded, turned } => {
                let marks = [(*exploded, "!"), (turned.moved, ">"), (turned.waits, "~")];
                let marks = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark);
                format!("{}{}", marks.collect::<String>(), rocket.id)
            }
            Changed::Forgotten(id) => format!("-{id}"),
        };
        changes.changed.iter().map(of).collect::<Vec<_>>().join(" ")
    }

    fn take(marks: &mut Marks, lane: Lane, limit: usize, roster: &Roster) -> String {
        told(&marks.take((lane, limit), &[], roster))
    }

    #[test]
    fn nothing_is_marked_while_nobody_listens() {
        let (mut roster, mut marks) = (roster(), marks(&[Lane::Filtered]));
        apply(&mut roster, &mut marks, "a", 1, LAUNCH);
        marks.listening.close(Lane::Filtered);
        apply(&mut roster, &mut marks, "b", 1, LAUNCH);
        apply(&mut roster, &mut marks, "c", 7, FASTER);
        let marked = &marks.lanes[Lane::Filtered as usize];
        assert_eq!((marked.queue.len(), marks.lanes[0].queue.len()), (1, 0));
        // And what was, goes once it is asked for.
        assert_eq!(take(&mut marks, Lane::Filtered, 0, &roster), "");
        assert!(marks.lanes.iter().all(|lane| lane.queue.capacity() == 0));
    }

    #[test]
    fn a_rocket_is_given_out_once_as_it_is_then_and_explosions_first() {
        let (mut roster, mut marks) = (roster(), marks(&[Lane::All]));
        for id in ["a", "b", "c"] {
            apply(&mut roster, &mut marks, id, 1, LAUNCH);
        }
        apply(&mut roster, &mut marks, "a", 2, FASTER);
        apply(&mut roster, &mut marks, "b", 2, MOVE);
        apply(&mut roster, &mut marks, "c", 2, MOVE);
        apply(&mut roster, &mut marks, "c", 3, EXPLODE);
        apply(&mut roster, &mut marks, "d", 2, FASTER);
        let changes = marks.take((Lane::All, 2), &[], &roster);
        assert_eq!((told(&changes), changes.more), ("!c a".to_owned(), true));
        // Marked again, and behind the others.
        apply(&mut roster, &mut marks, "a", 3, FASTER);
        let changes = marks.take((Lane::All, 9), &[], &roster);
        assert_eq!((told(&changes), changes.more), ("b a".to_owned(), false));
        assert_eq!(take(&mut marks, Lane::All, 9, &roster), "");
        // It explodes once, and what was not launched shows when it is.
        apply(&mut roster, &mut marks, "c", 4, EXPLODE);
        apply(&mut roster, &mut marks, "d", 1, LAUNCH);
        assert_eq!(take(&mut marks, Lane::All, 9, &roster), "c d");
    }

    #[test]
    fn each_lane_has_what_it_wants() {
        let (mut roster, mut marks) = (roster(), marks(&Lane::EVERY));
        let wanted = Channel::parse("b").unwrap();
        marks.listening.name(&wanted);
        for id in ["a", "b"] {
            apply(&mut roster, &mut marks, id, 1, LAUNCH);
            apply(&mut roster, &mut marks, id, 3, FASTER);
        }
        assert_eq!(take(&mut marks, Lane::Named, 9, &roster), "b");
        assert_eq!(take(&mut marks, Lane::All, 9, &roster), "a b");
        let exploded = Filter { status: Some(Status::Exploded), ..Filter::default() };
        let filters = [exploded];
        assert_eq!(told(&marks.take((Lane::Filtered, 9), &filters, &roster)), "");
        apply(&mut roster, &mut marks, "a", 2, MOVE);
        assert_eq!(told(&marks.take((Lane::Filtered, 9), &filters, &roster)), ">a");
        marks.listening.unname(&wanted);
        apply(&mut roster, &mut marks, "b", 2, FASTER);
        assert_eq!(take(&mut marks, Lane::Named, 9, &roster), "");
    }

    #[test]
    fn what_begins_and_ceases_to_wait_is_told_to_who_asks_for_that() {
        let (mut roster, mut marks) = (roster(), marks(&Lane::EVERY));
        let filter = Filter { waiting: Some(true), ..Filter::default() };
        let of_filtered = |marks: &mut Marks, roster: &Roster| {
            told(&marks.take((Lane::Filtered, 9), std::slice::from_ref(&filter), roster))
        };
        for id in ["a", "b"] {
            apply(&mut roster, &mut marks, id, 1, LAUNCH);
        }
        apply(&mut roster, &mut marks, "a", 3, FASTER);
        assert_eq!(of_filtered(&mut marks, &roster), "a", "nobody asks for it");
        marks.listening.ask_what_waits(Lane::Filtered.bit());
        apply(&mut roster, &mut marks, "b", 4, FASTER);
        apply(&mut roster, &mut marks, "a", 2, FASTER);
        assert_eq!(of_filtered(&mut marks, &roster), "~b ~a");
        apply(&mut roster, &mut marks, "b", 3, FASTER);
        apply(&mut roster, &mut marks, "a", 4, FASTER);
        assert_eq!(of_filtered(&mut marks, &roster), "b", "it waits still");
        roster.skip(1, 2, &mut marks).unwrap();
        assert_eq!(of_filtered(&mut marks, &roster), "~b");
        assert_eq!(take(&mut marks, Lane::All, 9, &roster), "a b");
    }

    #[test]
    fn what_is_forgotten_is_told_first_and_nothing_else_of_it() {
        let (mut roster, mut marks) = (roster(), marks(&[Lane::All]));
        for id in ["a", "b"] {
            apply(&mut roster, &mut marks, id, 1, LAUNCH);
        }
        marks.forgotten(0, &Channel::parse("a").unwrap());
        assert_eq!(take(&mut marks, Lane::All, 9, &roster), "-a b");
    }

    #[test]
    fn who_comes_after_one_that_exploded_is_told_after_its_end() {
        let (mut roster, mut marks) = (roster(), marks(&[Lane::All]));
        let channel = Channel::parse("a").unwrap();
        for _ in 0..3 {
            apply(&mut roster, &mut marks, "a", 1, LAUNCH);
            apply(&mut roster, &mut marks, "a", 2, EXPLODE);
            assert!(roster.forget(&channel, Cause::Deleted, &mut marks));
        }
        apply(&mut roster, &mut marks, "a", 1, LAUNCH);
        assert_eq!(take(&mut marks, Lane::All, 9, &roster), "-a -a -a a");
        apply(&mut roster, &mut marks, "a", 2, EXPLODE);
        assert_eq!(take(&mut marks, Lane::All, 9, &roster), "!a");
    }

    #[test]
    fn too_much_that_is_urgent_is_said_to_be_lost() {
        let (mut roster, mut marks) = (roster(), marks(&[Lane::All]));
        apply(&mut roster, &mut marks, "a", 1, LAUNCH);
        let channel = Channel::parse("b").unwrap();
        for _ in 0..MOST {
            marks.forgotten(7, &channel);
        }
        assert!(!marks.take((Lane::All, 1), &[], &roster).overrun);
        marks.forgotten(7, &channel);
        marks.forgotten(7, &channel);
        assert!(marks.take((Lane::All, 1), &[], &roster).overrun);
        assert!(!marks.take((Lane::All, 1), &[], &roster).overrun);
    }
}
