//! Owns the picture of a run: latency over time on a scale of powers of ten, and
//! throughput and failures below it, as SVG. Does not own what happened when
//! (`timeline`).

use std::fmt::Write;

use hdrhistogram::Histogram;

use crate::timeline::{Interval, Timeline};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 540.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 800.0;
/// Of latency, and of throughput: top and bottom.
const UPPER: (f64, f64) = (92.0, 356.0);
const LOWER: (f64, f64) = (396.0, 492.0);

/// What is drawn of an interval, from the top: name, class, share.
const LINES: [(&str, &str, f64); 4] =
    [("max", "max", 1.0), ("p99.9", "p999", 0.999), ("p99", "p99", 0.99), ("p50", "p50", 0.5)];

const STYLE: &str = "
svg{background:#fff;font:13px system-ui,sans-serif;fill:#444}
.title{font-size:16px;font-weight:600;fill:#111}
.grid{stroke:#e4e4e4;stroke-width:1;fill:none}
.grid.fine{stroke:#f2f2f2}
.axis{stroke:#999;stroke-width:1;fill:none}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.max{stroke:#b9b9b9;stroke-width:1.4}
.p999{stroke:#c2410c}
.p99{stroke:#d99a00}
.p50{stroke:#1d64b4;stroke-width:2.4}
.sent{fill:#9cc3a5;stroke:none}
.failed{fill:#b91c1c;stroke:none}
.end{text-anchor:end}
.middle{text-anchor:middle}
.number{font-variant-numeric:tabular-nums}
@media (prefers-color-scheme:dark){
svg{background:#16181c;fill:#b4b8bf}
.title{fill:#f0f0f0}
.grid{stroke:#2b2f36}
.grid.fine{stroke:#202329}
.axis{stroke:#6b7078}
.max{stroke:#70757d}
.p999{stroke:#fb8b5a}
.p99{stroke:#f0c24b}
.p50{stroke:#6aaef5}
.sent{fill:#3f7350}
.failed{fill:#f87171}
}
";

/// Draws a run of so many seconds. `subject` says what was sent where, and `from`
/// since when latency counts.
pub fn draw(timeline: &Timeline, subject: &str, from: &str, seconds: f64) -> String {
    let picture = Picture { timeline, seconds: seconds.max(0.001), out: String::new() };
    picture.drawn(subject, from)
}

struct Picture<'a> {
    timeline: &'a Timeline,
    seconds: f64,
    out: String,
}

impl Picture<'_> {
    fn drawn(mut self, subject: &str, from: &str) -> String {
        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" role=\"img\"><title>{0}</title><style>{STYLE}</style>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"30\">{0}</text>\n",
            escaped(subject)
        ));
        let mut all = Interval::new();
        self.timeline.intervals.iter().for_each(|interval| all.add(interval));
        self.text(
            LEFT,
            52.0,
            "",
            &format!(
                "{} acknowledged in {}, {} a second; {} failed; latency {from}",
                grouped(all.acknowledged),
                time(self.seconds * 1e6),
                grouped_float(all.acknowledged as f64 / self.seconds),
                grouped(all.failed)
            ),
        );
        self.time_axis();
        self.latency(&all.latency);
        self.throughput(all.failed > 0);
        self.out.push_str("</svg>\n");
        self.out
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (seconds / self.seconds).clamp(0.0, 1.0)
    }

    fn length(&self) -> f64 {
        self.timeline.length.as_secs_f64()
    }

    fn time_axis(&mut self) {
        let step = time_step(self.seconds / 9.0);
        let mut at = 0.0;
        while at <= self.seconds * 1.000_001 {
            let x = self.x(at);
            for (top, bottom) in [UPPER, LOWER] {
                self.rule("grid", (x, top), (x, bottom));
            }
            self.text(x, LOWER.1 + 20.0, "middle number", &time_on_axis(at, step));
            at += step;
        }
        self.text(f64::midpoint(LEFT, RIGHT), LOWER.1 + 40.0, "middle", "since the beginning");
    }

    fn latency(&mut self, all: &Histogram<u32>) {
        if all.is_empty() {
            self.text(LEFT + 12.0, UPPER.0 + 24.0, "", "nothing was acknowledged");
            self.frame(UPPER);
            return;
        }
        let lowest = self.timeline.intervals.iter().map(|it| &it.latency);
        let lowest = lowest.filter(|it| !it.is_empty()).map(|it| it.value_at_quantile(0.5)).min();
        let low = (lowest.unwrap_or(1).max(1) as f64).log10().floor();
        let high = (all.max().max(2) as f64).log10().ceil().max(low + 1.0);
        let y = |micros: f64| {
            let share = (micros.max(1.0).log10() - low) / (high - low);
            UPPER.1 - (UPPER.1 - UPPER.0) * share.clamp(0.0, 1.0)
        };
        let is_wide = high - low > 2.5;
        let mut power = low;
        while power <= high {
            for factor in 1..10 {
                let micros = 10_f64.powf(power) * f64::from(factor);
                if micros > 10_f64.powf(high) * 1.000_001 {
                    break;
                }
                let is_named = factor == 1 || (!is_wide && matches!(factor, 2 | 5));
                let class = if factor == 1 { "grid" } else { "grid fine" };
                self.rule(class, (LEFT, y(micros)), (RIGHT, y(micros)));
                if is_named {
                    self.text(LEFT - 8.0, y(micros) + 4.0, "end number", &time(micros));
                }
            }
            power += 1.0;
        }
        for (place, (name, class, share)) in (0_u8..).zip(LINES) {
            let path = self.path(share, y);
            self.put(format_args!("<path class=\"line {class}\" d=\"{path}\"/>\n"));
            let height = UPPER.0 + 10.0 + 22.0 * f64::from(place);
            self.put(format_args!(
                "<path class=\"line {class}\" d=\"M{} {height}h18\"/>\n",
                RIGHT + 14.0
            ));
            self.text(RIGHT + 40.0, height + 4.0, "", name);
            let value = all.value_at_quantile(share) as f64;
            self.text(WIDTH - 14.0, height + 4.0, "end number", &time(value));
        }
        self.text(LEFT, UPPER.0 - 8.0, "", "latency");
        self.frame(UPPER);
    }

    /// A line through the middles of the intervals in which something was
    /// acknowledged, with a gap where there was nothing.
    fn path(&self, share: f64, y: impl Fn(f64) -> f64) -> String {
        let mut path = String::new();
        let mut is_down = false;
        for (place, interval) in (0_u32..).zip(&self.timeline.intervals) {
            if interval.latency.is_empty() {
                is_down = false;
                continue;
            }
            let begin = f64::from(place) * self.length();
            let middle = f64::midpoint(begin, (begin + self.length()).min(self.seconds));
            let value = interval.latency.value_at_quantile(share) as f64;
            let (x, y) = (self.x(middle), y(value));
            // A line of no length is a dot, where the next is a gap.
            let _ = if is_down {
                write!(path, "L{x:.1} {y:.1}")
            } else {
                write!(path, "M{x:.1} {y:.1}h0")
            };
            is_down = true;
        }
        path
    }

    fn throughput(&mut self, has_failures: bool) {
        // The last interval has not gone by; a sliver of it says nothing.
        let bar = |place: u32| {
            let begin = f64::from(place) * self.length();
            (begin, (self.seconds - begin).clamp(self.length() / 4.0, self.length()))
        };
        let rates = |count: fn(&Interval) -> u64| {
            let intervals = (0_u32..).zip(&self.timeline.intervals);
            intervals
                .map(|(place, it)| (bar(place).0, count(it) as f64 / bar(place).1))
                .collect::<Vec<_>>()
        };
        let (sent, failed) = (rates(|it| it.acknowledged), rates(|it| it.failed));
        let most = sent.iter().chain(&failed).map(|(_, rate)| *rate).fold(1.0, f64::max);
        let step = round_step(most / 3.0);
        let top = (most / step).ceil() * step;
        let y = |rate: f64| LOWER.1 - (LOWER.1 - LOWER.0) * (rate / top);
        let mut at = 0.0;
        while at <= top * 1.000_001 {
            self.rule("grid", (LEFT, y(at)), (RIGHT, y(at)));
            self.text(LEFT - 8.0, y(at) + 4.0, "end number", &short(at));
            at += step;
        }
        for (class, rates) in [("sent", &sent), ("failed", &failed)] {
            let mut path = String::new();
            for &(begin, rate) in rates.iter().filter(|(_, rate)| *rate > 0.0) {
                let (x, end) = (self.x(begin), self.x(begin + self.length()));
                // To be seen, however few.
                let height = (LOWER.1 - y(rate)).max(2.0);
                let _ =
                    write!(path, "M{x:.1} {:.1}V{:.1}H{end:.1}V{0:.1}z", LOWER.1, LOWER.1 - height);
            }
            if !path.is_empty() {
                self.put(format_args!("<path class=\"{class}\" d=\"{path}\"/>\n"));
            }
        }
        let keys = [("sent", "acknowledged/s"), ("failed", "failed/s")];
        for (place, (class, name)) in (0_u8..).zip(keys).take(1 + usize::from(has_failures)) {
            let height = LOWER.0 + 2.0 + 22.0 * f64::from(place);
            let x = RIGHT + 16.0;
            self.put(format_args!("<path class=\"{class}\" d=\"M{x} {height}h14v14h-14z\"/>\n"));
            self.text(RIGHT + 40.0, height + 11.0, "", name);
        }
        self.text(LEFT, LOWER.0 - 8.0, "", "throughput");
        self.frame(LOWER);
    }

    fn frame(&mut self, (top, bottom): (f64, f64)) {
        self.put(format_args!("<path class=\"axis\" d=\"M{LEFT} {top}V{bottom}H{RIGHT}\"/>\n"));
    }

    fn rule(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x, y), (to_x, to_y)) = (from, to);
        self.put(format_args!(
            "<path class=\"{class}\" d=\"M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}\"/>\n"
        ));
    }

    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = escaped(text);
        self.put(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>\n"));
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("a text takes whatever is written");
    }
}

/// Fit to stand in XML, whatever it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A step of 1, 2 or 5 and noughts, no smaller than that.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|factor| factor * power);
    steps.into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// The same for seconds, of which sixty are one of the next.
fn time_step(least: f64) -> f64 {
    const STEPS: [f64; 15] = [
        10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0,
        21_600.0, 43_200.0, 86_400.0,
    ];
    if least <= 5.0 {
        return round_step(least);
    }
    STEPS.into_iter().find(|step| *step >= least).unwrap_or_else(|| round_step(least))
}

/// How a time reads beside others that are `step` apart.
fn time_on_axis(seconds: f64, step: f64) -> String {
    let (unit, name) = match step {
        _ if step >= 3600.0 => (3600.0, "h"),
        _ if step >= 60.0 => (60.0, "min"),
        _ => (1.0, "s"),
    };
    // 0.30000000000000004
    format!("{} {name}", (seconds / unit * 1000.0).round() / 1000.0)
}

/// Microseconds with three digits that count.
fn time(micros: f64) -> String {
    let (value, unit) = match micros {
        _ if micros < 1e3 => (micros, "µs"),
        _ if micros < 1e6 => (micros / 1e3, "ms"),
        _ if micros < 6e8 => (micros / 1e6, "s"),
        _ if micros < 3.6e10 => (micros / 6e7, "min"),
        _ => (micros / 3.6e9, "h"),
    };
    let places = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    let text = format!("{value:.places$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} {unit}")
}

fn short(number: f64) -> String {
    match number {
        _ if number >= 1e6 => format!("{}M", number / 1e6),
        _ if number >= 1e3 => format!("{}k", number / 1e3),
        _ => format!("{}", (number * 1000.0).round() / 1000.0),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn grouped_float(number: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is positive, and no machine gets to 2^64"
    )]
    let whole = number.round() as u64;
    grouped(whole)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn numbers_and_times_are_short() {
        let times = [
            (1.0, "1 µs"),
            (500.0, "500 µs"),
            (1000.0, "1 ms"),
            (20_900.0, "20.9 ms"),
            (999_999.0, "1000 ms"),
            (1.5e6, "1.5 s"),
            (6e8, "10 min"),
            (3.6e10, "10 h"),
        ];
        for (micros, text) in times {
            assert_eq!(time(micros), text);
        }
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12), "12");
        assert_eq!(short(2500.0), "2.5k");
        assert_eq!(time_on_axis(0.1 + 0.2, 0.1), "0.3 s");
        assert_eq!(time_on_axis(5400.0, 1800.0), "90 min");
        for (least, step) in [(0.011, 0.02), (0.5, 0.5), (6.0, 10.0), (16.0, 30.0), (1e6, 1e6)] {
            assert!((time_step(least) - step).abs() < 1e-9, "{least}");
        }
    }

    #[test]
    fn a_picture_of_any_run_is_drawn_and_no_text_breaks_out() {
        let begun = Instant::now();
        let empty = Timeline::beginning(begun);
        let mut one = Timeline::beginning(begun);
        one.acknowledged(begun, 0);
        let mut long = Timeline::beginning(begun);
        for second in 0..50_000_u64 {
            long.acknowledged(begun + Duration::from_secs(second), u64::MAX >> (second % 64));
            long.failed(begun + Duration::from_secs(second));
        }
        for (timeline, seconds) in [(&empty, 0.0), (&one, 0.0), (&one, 1e-9), (&long, 50_000.0)] {
            let drawn = draw(timeline, "a\u{0}<b>&\"c\"", "from send", seconds);
            assert!(drawn.contains("a\u{fffd}&lt;b&gt;&amp;&quot;c&quot;"), "{drawn}");
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
            assert!(drawn.len() < 100_000, "{} bytes", drawn.len());
            assert_eq!(drawn.matches("<text").count(), drawn.matches("</text>").count());
        }
    }
}
