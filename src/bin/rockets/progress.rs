//! Owns the progress bar. Does not own what is counted (`tally`) or what is told
//! at the end (`report`).

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Instant;

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What of a run is shown.
pub struct SoFar<'a> {
    pub acknowledged: u64,
    /// Messages that wait to be sent again.
    pub waiting: usize,
    /// Of the file, if there is one.
    pub bytes_read: Option<u64>,
    /// In microseconds.
    pub latency: &'a Histogram<u64>,
}

/// How much there is to do, as far as that is known.
#[derive(Clone, Copy)]
pub enum Total {
    Messages(u32),
    /// Of a file; none where it has no end that could be known.
    Bytes(Option<u64>),
}

/// A bar on standard error when that is a terminal, nothing otherwise.
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    pub fn new(total: Total) -> Self {
        let target = ProgressDrawTarget::stderr();
        let (length, template) = match total {
            Total::Messages(messages) => {
                (Some(messages.into()), "{wide_bar} {human_pos}/{human_len} {msg}, eta {eta}")
            }
            Total::Bytes(Some(bytes)) => {
                (Some(bytes), "{wide_bar} {percent}% of the file, {msg}, eta {eta}")
            }
            Total::Bytes(None) => (None, "{spinner} {binary_bytes} read, {msg}, {elapsed}"),
        };
        let bar = ProgressBar::with_draw_target(length, target);
        bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
        Self { bar, begun: Instant::now() }
    }

    /// Says something on standard error, above the bar if there is one.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| {
            // Whoever closed it does not want to hear it.
            let _ = writeln!(io::stderr(), "rockets: {text}");
        });
    }

    pub fn update(&self, so_far: &SoFar<'_>) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(so_far.bytes_read.unwrap_or(so_far.acknowledged));
        self.bar.set_message(line(so_far, self.begun.elapsed().as_secs_f64()));
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn line(so_far: &SoFar<'_>, seconds: f64) -> String {
    let mut line = match so_far.bytes_read {
        Some(_) => format!("{} acknowledged, ", so_far.acknowledged),
        None => String::new(),
    };
    // The bar has nobody to tell of an error, and there is none.
    let _ = write!(line, "{:.0}/s", so_far.acknowledged as f64 / seconds.max(0.001));
    if !so_far.latency.is_empty() {
        let millis = |share| so_far.latency.value_at_quantile(share) as f64 / 1000.0;
        let _ = write!(
            line,
            ", p50 {:.1} p90 {:.1} p99 {:.1} p99.9 {:.1} ms",
            millis(0.5),
            millis(0.9),
            millis(0.99),
            millis(0.999)
        );
    }
    if so_far.waiting > 0 {
        let _ = write!(line, ", {} to be sent again", so_far.waiting);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_fast_it_goes_and_how_long_messages_take() {
        let mut latency = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        let mut so_far =
            SoFar { acknowledged: 0, waiting: 0, bytes_read: None, latency: &latency.clone() };
        assert_eq!(line(&so_far, 0.0), "0/s");
        (1..=1000).for_each(|millis| latency.record(millis * 1000).unwrap());
        so_far.latency = &latency;
        so_far.acknowledged = 1000;
        assert_eq!(line(&so_far, 2.0), "500/s, p50 500.2 p90 900.1 p99 990.2 p99.9 999.4 ms");
        so_far.bytes_read = Some(5);
        so_far.waiting = 3;
        let line = line(&so_far, 2.0);
        assert!(line.starts_with("1000 acknowledged, 500/s, p50"), "{line}");
        assert!(line.ends_with("ms, 3 to be sent again"), "{line}");
    }
}
