//! What "flat" means: the rules, stated and applied to the samples of one life.

use super::samples::Sample;

/// The first part of a life is left out: caches and buffers fill.
const WARM_UP: f64 = 0.2;

/// Less than that shows no slope, only noise.
const LEAST_SECONDS: f64 = 60.0;

/// What a line through the memory may rise in all: a share of it, and an amount.
const SHARE: f64 = 0.1;
const AMOUNT: f64 = 16.0 * 1024.0 * 1024.0;

/// Descriptors that may be open in addition, once all clients are gone.
pub const MORE_DESCRIPTORS: usize = 4;

/// How often the p99 of the end may be that of the beginning, and how much more.
const SLOWER: f64 = 2.0;
const SLOWER_MS: f64 = 10.0;

pub struct Judged {
    pub well: bool,
    pub text: String,
}

/// Judges one life, which began with `base` descriptors and has `after` now that
/// its clients are gone.
pub fn judge(life: &[Sample], base: usize, after: usize) -> Vec<Judged> {
    let begin = life.first().map_or(0.0, |sample| sample.seconds);
    let end = life.last().map_or(0.0, |sample| sample.seconds);
    let warm = begin + (end - begin) * WARM_UP;
    let life: Vec<&Sample> = life.iter().filter(|sample| sample.seconds >= warm).collect();
    let seconds = end - warm;
    let mut judged = vec![Judged {
        well: after <= base + MORE_DESCRIPTORS,
        text: format!(
            "descriptors: {base} at first, {after} after all clients left (allowed: {MORE_DESCRIPTORS} more)"
        ),
    }];
    if seconds < LEAST_SECONDS {
        let text = format!(
            "memory and p99: {seconds:.0} s are too short to judge; {LEAST_SECONDS} are needed"
        );
        judged.push(Judged { well: true, text });
        return judged;
    }
    let memory: Vec<(f64, f64)> =
        life.iter().map(|sample| (sample.seconds, sample.resident as f64)).collect();
    let (slope, mean) = line(&memory);
    let (risen, allowed) = (slope * seconds, mean * SHARE + AMOUNT);
    let mib = |bytes: f64| bytes / 1024.0 / 1024.0;
    judged.push(Judged {
        well: risen <= allowed,
        text: format!(
            "memory: {:.1} MiB in the mean, a line through it rises by {:.1} MiB in {seconds:.0} s (allowed: 10 % + 16 MiB = {:.1} MiB)",
            mib(mean), mib(risen), mib(allowed)
        ),
    });
    let quarter = life.len() / 4;
    let first = median(life.iter().take(quarter));
    let last = median(life.iter().rev().take(quarter));
    judged.push(Judged {
        well: last <= first * SLOWER + SLOWER_MS,
        text: format!(
            "p99 of posts: {first:.2} ms in the first quarter, {last:.2} ms in the last (medians of seconds; allowed: twice + 10 ms)"
        ),
    });
    judged
}

/// The slope of the line of least squares, and the mean.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let together: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (if spread > 0.0 { together / spread } else { 0.0 }, y)
}

fn median<'a>(samples: impl Iterator<Item = &'a &'a Sample>) -> f64 {
    let mut all: Vec<f64> = samples.map(|sample| sample.p99_ms).collect();
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(resident: impl Fn(u32) -> u64, p99_ms: impl Fn(u32) -> f64) -> Vec<Sample> {
        let sample = |second| Sample {
            seconds: f64::from(second),
            resident: resident(second),
            p99_ms: p99_ms(second),
            ..Sample::default()
        };
        (0..200).map(sample).collect()
    }

    fn wrong(life: &[Sample], after: usize) -> Vec<String> {
        let judged = judge(life, 20, after);
        judged.into_iter().filter(|it| !it.well).map(|it| it.text).collect()
    }

    #[test]
    fn what_rises_is_told_and_what_wavers_is_not() {
        let wavers = |second: u32| 100 << 20 | u64::from(second % 7) << 20;
        assert_eq!(wrong(&life(wavers, |second| f64::from(second % 5)), 24), Vec::<String>::new());
        let rises = |second: u32| wavers(second) + (u64::from(second) << 18);
        assert!(wrong(&life(rises, |_| 1.0), 20)[0].starts_with("memory"));
        assert!(wrong(&life(wavers, f64::from), 20)[0].starts_with("p99"));
        assert!(wrong(&life(wavers, |_| 1.0), 25)[0].starts_with("descriptors"));
        // The start does not count.
        let fills = |second: u32| if second < 40 { 1 << 20 } else { 100 << 20 };
        assert!(wrong(&life(fills, |_| 1.0), 20).is_empty());
    }
}
