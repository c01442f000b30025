//! Throughput and p99 against the number of connections, from the medians of
//! rounds, as SVG. Both axes are logarithmic.

use std::io::{Error, Result};
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::combinators::{BindKeyPoints, IntoLogRange, LogCoord};
use plotters::prelude::*;

use super::rounds::Rounds;

const SIZE: (u32, u32) = (860, 680);
const COLOURS: [RGBColor; 5] = [
    RGBColor(136, 136, 136),
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
];

/// A server's medians, by the number of connections.
type Line = (String, Vec<(f64, f64)>);

pub fn draw(rounds: &Rounds, path: &Path) -> Result<()> {
    let rates = lines(rounds, Rounds::per_second);
    let tails = lines(rounds, Rounds::p99_us);
    let svg = || {
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (upper, lower) = root.split_vertically(SIZE.1 / 2);
        panel(&upper, "Messages a second, one a request", &rates, "")?;
        panel(&lower, "p99 of the answer", &tails, " µs")?;
        root.present()
    };
    svg().map_err(|error: DrawingAreaErrorKind<_>| {
        Error::other(format!("{}: {error}", path.display()))
    })
}

fn lines(rounds: &Rounds, value: fn(&Rounds, &str, usize) -> Option<f64>) -> Vec<Line> {
    let mut connections = rounds.connections();
    connections.sort_unstable();
    let point = |server: &str, at: usize| Some((at as f64, value(rounds, server, at)?));
    let points = |server| connections.iter().filter_map(|&at| point(server, at)).collect();
    rounds.servers().into_iter().map(|server| (server.to_owned(), points(server))).collect()
}

/// From the power of ten below all values to the one above.
fn decades(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (mut least, mut most) = (f64::MAX, 1.0_f64);
    for value in values {
        least = least.min(value.max(1.0));
        most = most.max(value);
    }
    let low = least.min(most).log10().floor();
    let high = most.log10().ceil().max(low + 1.0);
    10_f64.powf(low)..10_f64.powf(high)
}

/// Powers of ten, and in between 2 and 5.
fn steps(range: &Range<f64>) -> Vec<f64> {
    let mut steps = Vec::new();
    let mut decade = range.start;
    while decade <= range.end * 1.01 {
        steps.extend([1.0, 2.0, 5.0].map(|times| times * decade));
        decade *= 10.0;
    }
    steps.retain(|&step| step <= range.end * 1.01);
    steps
}

/// 20000 as 20,000.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> =
    std::result::Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn panel<'a>(area: &Area<'a>, title: &str, lines: &[Line], unit: &str) -> Drawn<'a> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let mut connections: Vec<f64> = points().map(|point| point.0).collect();
    connections.sort_unstable_by(f64::total_cmp);
    connections.dedup();
    let first = connections.first().copied().unwrap_or(1.0);
    // A little room on both sides, which a single number of connections needs.
    let x = first / 1.2..connections.last().copied().unwrap_or(first) * 1.2;
    let y = decades(points().map(|point| point.1));
    let (x_steps, y_steps) = (connections, steps(&y));
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(90)
        .build_cartesian_2d(
            LogCoord::from(x.log_scale()).with_key_points(x_steps),
            LogCoord::from(y.log_scale()).with_key_points(y_steps),
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .label_style(("sans-serif", 12))
        .x_desc("connections")
        .x_label_formatter(&|x| grouped(*x))
        .y_label_formatter(&|y| format!("{}{unit}", grouped(*y)))
        .draw()?;
    for ((server, points), &colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.filled().stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style).point_size(3))?
            .label(server)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .label_font(("sans-serif", 12))
        .background_style(WHITE.mix(0.8))
        .draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_goes_by_decades() {
        assert_eq!(decades([1_200.0, 90_000.0].into_iter()), 1_000.0..100_000.0);
        assert_eq!(decades([100.0].into_iter()), 100.0..1_000.0);
        assert_eq!(decades(std::iter::empty()), 1.0..10.0);
        assert_eq!(steps(&(10.0..100.0)), [10.0, 20.0, 50.0, 100.0]);
        assert_eq!([5.0, 20_000.0, 1e6].map(grouped), ["5", "20,000", "1,000,000"]);
    }

    #[test]
    fn every_server_is_in_the_plot() {
        let rounds = Rounds::parse(
            "server,connections,round,requests,microseconds,per_second,p50_us,p99_us
floor,3,1,100,1000000,100,10,20
memory,3,1,90,1000000,90,11,21
floor,64,1,20000,1000000,20000,13,23
",
        )
        .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plot.svg");
        draw(&rounds, &path).unwrap();
        let svg = std::fs::read_to_string(path).unwrap();
        for text in ["floor", "memory", "64", "20,000", "connections"] {
            assert!(svg.contains(&format!("\n{text}\n")), "{text} is missing in {svg}");
        }
    }
}
