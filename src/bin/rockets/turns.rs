//! Owns which of several services is asked next: each in its turn, but for those that
//! failed a moment ago. Does not own the asking (`dispatch`), nor what a failure is
//! (`failure`).

use std::time::{Duration, Instant};

/// How long one that failed is passed over; twice as long after every further failure,
/// up to the last.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(5)];

/// At least one service, by its place among them.
#[derive(Debug)]
pub struct Turns {
    away: Vec<Option<Away>>,
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Away {
    until: Instant,
    pause: Duration,
    /// Whether a request is on its way to see whether it is back.
    is_tried: bool,
}

impl Turns {
    pub fn new(services: usize) -> Self {
        Self { away: vec![None; services], next: 0 }
    }

    /// Who is asked now. One that was away is tried by one request at a time; if all are
    /// away, they have their turns all the same.
    pub fn next(&mut self, now: Instant) -> usize {
        let count = self.away.len();
        let mut order = (0..count).map(|step| (self.next + step) % count);
        let is_there = |service: &usize| self.away[*service].is_none_or(|away| away.until <= now);
        let chosen = order.find(is_there).unwrap_or(self.next);
        if let Some(away) = &mut self.away[chosen]
            && away.until <= now
        {
            away.until = now + away.pause;
            away.is_tried = true;
        }
        self.next = (chosen + 1) % count;
        chosen
    }

    /// It failed: others are asked for a while.
    pub fn failed(&mut self, service: usize, now: Instant) {
        let pause = match self.away[service] {
            // Of requests that were on their way together, the first one counts.
            Some(away) if !away.is_tried => return,
            Some(away) => (away.pause * 2).min(PAUSES[1]),
            None => PAUSES[0],
        };
        self.away[service] = Some(Away { until: now + pause, pause, is_tried: false });
    }

    /// It is there.
    pub fn answered(&mut self, service: usize) {
        self.away[service] = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_but_for_those_that_failed() {
        let start = Instant::now();
        let mut turns = Turns::new(3);
        let take = |turns: &mut Turns, many: usize, now| {
            (0..many).map(|_| turns.next(now)).collect::<Vec<_>>()
        };
        assert_eq!(take(&mut turns, 4, start), [0, 1, 2, 0]);
        turns.failed(1, start);
        assert_eq!(take(&mut turns, 4, start), [2, 0, 2, 0]);
        // One tries it again; for the others it is still away.
        let later = start + PAUSES[0];
        assert_eq!(take(&mut turns, 4, later), [1, 2, 0, 2]);
        turns.answered(1);
        assert_eq!(take(&mut turns, 3, later), [0, 1, 2]);
    }

    #[test]
    fn if_all_are_away_they_have_their_turns() {
        let now = Instant::now();
        let mut turns = Turns::new(2);
        turns.failed(1, now);
        turns.failed(0, now);
        assert_eq!([0; 4].map(|_| turns.next(now)), [0, 1, 0, 1]);
        let mut turns = Turns::new(1);
        turns.failed(0, now);
        assert_eq!(turns.next(now), 0);
    }

    #[test]
    fn who_fails_again_and_again_is_asked_ever_more_seldom() {
        let mut now = Instant::now();
        let mut turns = Turns::new(2);
        turns.failed(0, now);
        let mut last = PAUSES[0];
        for _ in 0..10 {
            now += last;
            let asked = [turns.next(now), turns.next(now)];
            assert!(asked.contains(&0), "{asked:?}");
            turns.failed(0, now);
            last = (last * 2).min(PAUSES[1]);
        }
        let almost = now + PAUSES[1].saturating_sub(Duration::from_millis(1));
        assert_eq!([turns.next(almost), turns.next(almost)], [1, 1]);
    }
}
