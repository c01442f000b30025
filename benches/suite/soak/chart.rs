//! Memory, descriptors and p99 of a soak over time, as SVG.

use std::io::{Error, Result};
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::samples::{Sample, Samples};

const SIZE: (u32, u32) = (860, 780);
const BLUE: RGBColor = RGBColor(31, 119, 180);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> =
    std::result::Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

pub fn draw(Samples(samples): &Samples, path: &Path) -> Result<()> {
    let svg = || {
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let panels = root.split_evenly((3, 1));
        panel(&panels[0], "Resident memory, MiB", samples, |it| it.resident as f64 / 1_048_576.0)?;
        panel(&panels[1], "Open descriptors", samples, |it| it.descriptors as f64)?;
        panel(&panels[2], "p99 of single posts, ms", samples, |it| it.p99_ms)?;
        root.present()
    };
    svg().map_err(|error: DrawingAreaErrorKind<_>| {
        Error::other(format!("{}: {error}", path.display()))
    })
}

/// A line for each life.
fn panel<'a>(
    area: &Area<'a>,
    title: &str,
    samples: &[Sample],
    value: fn(&Sample) -> f64,
) -> Drawn<'a> {
    let end = samples.last().map_or(1.0, |sample| sample.seconds);
    let most = samples.iter().map(value).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..end, 0.0..most * 1.1)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .label_style(("sans-serif", 12))
        .x_label_formatter(&|x| format!("{x:.0} s"))
        .draw()?;
    for life in samples.chunk_by(|a, b| a.life == b.life) {
        let points = life.iter().map(|sample| (sample.seconds, value(sample)));
        chart.draw_series(LineSeries::new(points, BLUE.stroke_width(2)))?;
    }
    Ok(())
}
