//! The pictures, as SVG.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::{self, Section};
use crate::workloads::WORKLOADS;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const OURS: RGBColor = RGBColor(0xc2, 0x41, 0x0c);
const OTHERS: RGBColor = RGBColor(0x94, 0xa3, 0xb8);
const INK: RGBColor = RGBColor(0x1e, 0x29, 0x3b);

/// Of what the table measures: the workload, the column and what a bar says.
const BARS: &[(&str, &str, &str)] = &[
    ("text64", "CPU µs", "64 B echo: CPU µs per message"),
    ("text64x16", "CPU µs", "64 B echo, 16 in flight: CPU µs per message"),
    ("binary1m", "CPU µs", "1 MiB echo: CPU µs per message"),
    ("idle", "after 64 B", "A connection that waits: bytes of memory"),
    ("fanout10k", "CPU µs", "Fan-out to 10,000: CPU µs per delivery"),
    ("info", "CPU µs", "A message from the program: CPU µs"),
];

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

fn words(size: i32, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK).pos(Pos::new(horizontal, VPos::Center))
}

/// Bars, the shorter the better.
pub(crate) fn table() -> io::Result<()> {
    let sections = report::sections("table")?;
    let path = report::folder().join("results.svg");
    let root = SVGBackend::new(&path, (1200, 640)).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    for (area, (key, column, title)) in root.split_evenly((2, 3)).iter().zip(BARS) {
        let workload = WORKLOADS.iter().find(|workload| workload.key == *key);
        let section = sections.iter().find(|section| workload.is_some_and(|of| of.title == section.title));
        let Some(section) = section else { continue };
        let column = section.head.iter().position(|head| head == column).unwrap_or(0);
        let value = |(name, row): &(String, Vec<Option<f64>>)| Some((name.clone(), (*row.get(column)?)?));
        bars(area, title, &section.rows.iter().filter_map(value).collect::<Vec<_>>())?;
    }
    root.present().map_err(failed)
}

fn bars(area: &Area<'_>, title: &str, rows: &[(String, f64)]) -> io::Result<()> {
    let (left, right, top, height) = (165, 330, 52, 22);
    area.draw(&Text::new(title, (16, 26), words(19, HPos::Left))).map_err(failed)?;
    let most = rows.iter().fold(f64::MIN_POSITIVE, |most, (_, value)| most.max(*value));
    for (at, (name, value)) in rows.iter().enumerate() {
        let middle = top + at as i32 * height + height / 2;
        let end = left + (f64::from(right - left) * value / most).round().max(1.0) as i32;
        let color = if name.starts_with("ws-core") { OURS } else { OTHERS };
        let bar = Rectangle::new([(left, middle - 7), (end, middle + 7)], color.filled());
        let label = short(*value);
        area.draw(&Text::new(name.as_str(), (left - 8, middle), words(15, HPos::Right))).map_err(failed)?;
        area.draw(&bar).map_err(failed)?;
        area.draw(&Text::new(label, (end + 5, middle), words(15, HPos::Left))).map_err(failed)?;
    }
    Ok(())
}

/// A number with two digits or more that count.
fn short(value: f64) -> String {
    let digits = [0.1, 10.0, 100.0].iter().filter(|bound| value < **bound).count();
    report::number(value, digits)
}

/// Lines over the number of connections, both on logarithmic scales.
pub(crate) fn growth() -> io::Result<()> {
    let sections = report::sections("growth")?;
    let path = report::folder().join("growth.svg");
    let root = SVGBackend::new(&path, (1200, 460)).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    for (area, section) in root.split_evenly((1, sections.len().max(1))).iter().zip(&sections) {
        lines(area, section).map_err(failed)?;
    }
    root.present().map_err(failed)
}

/// The head of the table has the numbers of connections.
fn lines(area: &Area<'_>, section: &Section) -> Result<(), Box<dyn std::error::Error>> {
    let size = |head: &String| head.replace(',', "").parse::<f64>().unwrap_or(1.0);
    let sizes: Vec<f64> = section.head.iter().map(size).collect();
    let curve = |(name, row): &(String, Vec<Option<f64>>)| {
        let points = sizes.iter().zip(row).filter_map(|(size, value)| Some((*size, (*value)?)));
        (name.clone(), points.collect::<Vec<_>>())
    };
    let curves: Vec<_> = section.rows.iter().map(curve).collect();
    let points = || curves.iter().flat_map(|(_, points)| points);
    let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MAX, f64::min);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MIN_POSITIVE, f64::max);
    let (x, y) = (least(|p| p.0)..most(|p| p.0) * 1.3, least(|p| p.1) * 0.7..most(|p| p.1) * 1.6);
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(section.title.as_str(), words(16, HPos::Left))
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(x.log_scale(), y.log_scale())?;
    let label = |value: &f64| short(*value);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("connections")
        .x_label_formatter(&|value| report::number(*value, 0))
        .y_label_formatter(&label)
        .label_style(words(13, HPos::Left))
        .draw()?;
    for (at, (name, points)) in curves.iter().enumerate() {
        let color =
            if name.starts_with("ws-core") { OURS.to_rgba() } else { Palette99::pick(at + 3).to_rgba() };
        let width = if name == "ws-core" { 3 } else { 1 };
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(width)).point_size(2))?
            .label(name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], color.stroke_width(width)));
    }
    let style = words(13, HPos::Left);
    chart.configure_series_labels().position(SeriesLabelPosition::UpperRight).label_font(style).draw()?;
    Ok(())
}
