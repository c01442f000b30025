//! Owns what happened when: latencies and failures of a run, by intervals of its
//! time. Does not own how they are drawn (`plot`).
//!
//! There are at most [`INTERVALS`] of them. When a run outlasts that, two become
//! one each, so that a run of any length takes the same few megabytes.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Even, so that all have a partner.
const INTERVALS: usize = 128;
const SHORTEST: Duration = Duration::from_millis(50);

/// An interval of a run.
#[derive(Clone, Debug)]
pub struct Interval {
    /// In microseconds, of what was acknowledged in it.
    pub latency: Histogram<u32>,
    pub acknowledged: u64,
    /// Requests and lines that were not acknowledged.
    pub failed: u64,
}

impl Interval {
    /// In which nothing happened.
    pub fn new() -> Self {
        // 1 µs to an hour, two digits: a dot on a picture is no finer.
        let latency =
            Histogram::new_with_bounds(1, 3_600_000_000, 2).expect("the bounds are valid");
        Self { latency, acknowledged: 0, failed: 0 }
    }

    pub fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency).expect("all have the same bounds");
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
    }
}

/// A run, in intervals of the same length.
#[derive(Debug)]
pub struct Timeline {
    begun: Instant,
    pub length: Duration,
    pub intervals: Vec<Interval>,
}

impl Timeline {
    pub fn beginning(begun: Instant) -> Self {
        Self { begun, length: SHORTEST, intervals: Vec::new() }
    }

    pub fn acknowledged(&mut self, at: Instant, micros: u64) {
        let interval = self.interval(at);
        interval.latency.saturating_record(micros);
        interval.acknowledged += 1;
    }

    pub fn failed(&mut self, at: Instant) {
        self.interval(at).failed += 1;
    }

    fn interval(&mut self, at: Instant) -> &mut Interval {
        let since = at.saturating_duration_since(self.begun);
        loop {
            let place = since.as_nanos() / self.length.as_nanos();
            match usize::try_from(place) {
                Ok(place) if place < INTERVALS => {
                    let missing = (place + 1).saturating_sub(self.intervals.len());
                    self.intervals.extend((0..missing).map(|_| Interval::new()));
                    return &mut self.intervals[place];
                }
                _ => self.halve(),
            }
        }
    }

    /// Has two intervals become one each.
    fn halve(&mut self) {
        self.length *= 2;
        let old = std::mem::take(&mut self.intervals);
        let mut old = old.into_iter();
        while let Some(mut first) = old.next() {
            if let Some(second) = old.next() {
                first.add(&second);
            }
            self.intervals.push(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_any_length_keeps_every_count_in_as_many_intervals() {
        let begun = Instant::now();
        let mut timeline = Timeline::beginning(begun);
        for second in 0..100_000 {
            let at = begun + Duration::from_secs(second);
            timeline.acknowledged(at, 1000 + second);
            if second % 10 == 0 {
                timeline.failed(at);
            }
        }
        assert!((INTERVALS / 2..=INTERVALS).contains(&timeline.intervals.len()));
        let sum = |of: fn(&Interval) -> u64| timeline.intervals.iter().map(of).sum::<u64>();
        assert_eq!(sum(|interval| interval.acknowledged), 100_000);
        assert_eq!(sum(|interval| interval.latency.len()), 100_000);
        assert_eq!(sum(|interval| interval.failed), 10_000);
        // What was late stays at its place.
        let medians: Vec<_> =
            timeline.intervals.iter().map(|it| it.latency.value_at_quantile(0.5)).collect();
        assert!(medians.is_sorted() && medians[0] < 2000, "{medians:?}");
    }

    #[test]
    fn what_nothing_happened_in_is_empty() {
        let begun = Instant::now();
        let mut timeline = Timeline::beginning(begun);
        timeline.acknowledged(begun + SHORTEST * 3, 5);
        let counts: Vec<_> = timeline.intervals.iter().map(|it| it.acknowledged).collect();
        assert_eq!(counts, [0, 0, 0, 1]);
    }
}
