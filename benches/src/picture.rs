//! The pictures, as SVG.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report;
use crate::table::Results;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const OURS: RGBColor = RGBColor(0xc2, 0x41, 0x0c);
const OTHERS: RGBColor = RGBColor(0x94, 0xa3, 0xb8);
const INK: RGBColor = RGBColor(0x1e, 0x29, 0x3b);

/// Of what the table measures: the workload, the column and what a bar says.
const BARS: &[(&str, usize, &str)] = &[
    ("text64", 0, "64 B echo: CPU µs per message"),
    ("text64x16", 0, "64 B echo, 16 in flight: CPU µs per message"),
    ("deflate1k", 0, "1 KiB JSON, compressed: CPU µs per message"),
    ("idle", 1, "a waiting connection: bytes of memory"),
    ("fanout10k", 0, "fan-out to 10,000: CPU µs per delivery"),
    ("info", 0, "message from the program: CPU µs"),
];

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

fn words(size: i32, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK).pos(Pos::new(horizontal, VPos::Center))
}

/// Bars, the shorter the better.
pub(crate) fn table(results: &Results) -> io::Result<()> {
    let path = report::folder().join("results.svg");
    let root = SVGBackend::new(&path, (1200, 640)).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    for (area, (key, column, title)) in root.split_evenly((2, 3)).iter().zip(BARS) {
        let Some((_, rows)) = results.rows.iter().find(|(workload, _)| workload.key == *key) else {
            continue;
        };
        let rows: Vec<(&str, f64)> =
            rows.iter().filter_map(|(name, figures)| Some((*name, figures.as_ref()?[*column]))).collect();
        bars(area, title, &rows)?;
    }
    root.present().map_err(failed)
}

fn bars(area: &Area<'_>, title: &str, rows: &[(&str, f64)]) -> io::Result<()> {
    let (left, right, top, height) = (150, 330, 52, 22);
    area.draw(&Text::new(title, (16, 26), words(15, HPos::Left))).map_err(failed)?;
    let most = rows.iter().fold(f64::MIN_POSITIVE, |most, (_, value)| most.max(*value));
    for (at, (name, value)) in rows.iter().enumerate() {
        let middle = top + at as i32 * height + height / 2;
        let end = left + (f64::from(right - left) * value / most).round().max(1.0) as i32;
        let color = if name.starts_with("ws-core") { OURS } else { OTHERS };
        let bar = Rectangle::new([(left, middle - 7), (end, middle + 7)], color.filled());
        let digits = if most < 10.0 { 2 } else { usize::from(most < 1000.0) };
        let value = report::number(*value, digits);
        area.draw(&Text::new(*name, (left - 8, middle), words(12, HPos::Right))).map_err(failed)?;
        area.draw(&bar).map_err(failed)?;
        area.draw(&Text::new(value, (end + 5, middle), words(12, HPos::Left))).map_err(failed)?;
    }
    Ok(())
}

/// A figure over a number of connections, for each server.
pub(crate) struct Curves {
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) lines: Vec<(&'static str, Vec<(f64, f64)>)>,
}

/// Lines over the number of connections, both on logarithmic scales.
pub(crate) fn growth(all: &[Curves]) -> io::Result<()> {
    let path = report::folder().join("growth.svg");
    let root = SVGBackend::new(&path, (1200, 420)).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    for (area, curves) in root.split_evenly((1, all.len().max(1))).iter().zip(all) {
        lines(area, curves).map_err(failed)?;
    }
    root.present().map_err(failed)
}

fn lines(area: &Area<'_>, curves: &Curves) -> Result<(), Box<dyn std::error::Error>> {
    let points = || curves.lines.iter().flat_map(|(_, points)| points);
    let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MAX, f64::min);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MIN_POSITIVE, f64::max);
    let (x, y) = (least(|p| p.0)..most(|p| p.0) * 1.3, least(|p| p.1) * 0.7..most(|p| p.1) * 1.6);
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(curves.title, words(14, HPos::Left))
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(x.log_scale(), y.log_scale())?;
    let label = |value: &f64| report::number(*value, usize::from(*value < 10.0));
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("connections")
        .y_desc(curves.unit)
        .x_label_formatter(&|value| report::number(*value, 0))
        .y_label_formatter(&label)
        .label_style(words(11, HPos::Left))
        .draw()?;
    for (at, (name, points)) in curves.lines.iter().enumerate() {
        let color =
            if name.starts_with("ws-core") { OURS.to_rgba() } else { Palette99::pick(at + 3).to_rgba() };
        let width = if *name == "ws-core" { 3 } else { 1 };
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(width)).point_size(2))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], color.stroke_width(width)));
    }
    let style = words(10, HPos::Left);
    chart.configure_series_labels().position(SeriesLabelPosition::UpperRight).label_font(style).draw()?;
    Ok(())
}
