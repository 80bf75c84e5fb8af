//! The charts of `RESULTS.md`, as SVG.

use std::fs;
use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::results::{self, Section};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const OWN: RGBColor = RGBColor(0xc2, 0x41, 0x0c);
const PEERS: RGBColor = RGBColor(0x94, 0xa3, 0xb8);
const INK: RGBColor = RGBColor(0x1e, 0x29, 0x3b);

/// Bar charts: the section of `RESULTS.md`, its column, and the title.
pub(crate) const BARS: [(&str, &str, &str); 12] = [
    ("Echo, 64 bytes of text", "CPU µs", "64 B echo: CPU µs per message"),
    ("Echo, 64 bytes of text, 16 in flight", "CPU µs", "64 B echo, 16 in flight: CPU µs per message"),
    ("Echo, 16 KiB of binary", "CPU µs", "16 KiB echo: CPU µs per message"),
    ("Echo, 1 MiB of binary", "CPU µs", "1 MiB echo: CPU µs per message"),
    ("Echo inside TLS, 64 bytes of text", "CPU µs", "64 B echo inside TLS: CPU µs per message"),
    ("Echo over HTTP/2, 64 bytes of text", "CPU µs", "64 B echo over HTTP/2: CPU µs per message"),
    ("JSON in and out", "CPU µs", "JSON in and out: CPU µs per message"),
    ("Latency beside a neighbor with large messages", "p99.9 µs", "Beside 1 MiB messages: p99.9 µs of 64 B"),
    ("Memory of an idle connection", "after 64 B", "Idle connection: bytes of memory"),
    ("Connections, 5,000 at once", "seconds", "5,000 connections at once: seconds"),
    ("Fan-out to 10,000", "CPU µs", "Fan-out to 10,000: CPU µs per delivery"),
    ("Messages from the rest of the program", "CPU µs", "Message from the program: CPU µs"),
];

/// Rows of this project that are in the tables for comparisons among themselves.
pub(crate) const NOT_DRAWN: [&str; 2] = ["ws-core, workers(1)", "ws-core, owned payload"];

/// Pixels of a bar chart.
const WIDTH: u32 = 1320;
const COLUMNS: usize = 3;
const TITLE_HEIGHT: i32 = 48;
const ROW_HEIGHT: i32 = 24;
const MARGIN: i32 = 20;
/// Height of the line that explains the bars.
const LEGEND_HEIGHT: i32 = 36;
/// Left and right end of the longest bar within a chart.
const BARS_FROM: i32 = 200;
const BARS_TO: i32 = 365;

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

fn text_style(size: i32, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK).pos(Pos::new(horizontal, VPos::Center))
}

/// Returns whether a server is a configuration of this project.
fn is_own(server: &str) -> bool {
    server.starts_with("ws-core")
}

/// Writes `results.svg`.
pub(crate) fn bars() -> io::Result<()> {
    let results = fs::read_to_string(results::folder().join("RESULTS.md"))?;
    fs::write(results::folder().join("results.svg"), render_bars(&results::sections(&results, "table"))?)
}

/// Renders the bar charts. A shorter bar is better. Charts in which a peer is best come first, and among
/// equal values the peer comes first. The height of the picture follows from the number of rows.
pub(crate) fn render_bars(sections: &[Section]) -> io::Result<String> {
    let mut charts = Vec::new();
    for (section, column, title) in BARS {
        let found = sections.iter().find(|found| found.title == section);
        let mut rows = found.map(|found| found.column(column)).unwrap_or_default();
        if rows.is_empty() {
            return Err(failed(format!("RESULTS.md has no column {column:?} in section {section:?}")));
        }
        rows.retain(|(server, _)| !NOT_DRAWN.contains(server));
        rows.sort_by(|(a, x), (b, y)| x.total_cmp(y).then(is_own(a).cmp(&is_own(b))));
        charts.push((title, rows));
    }
    charts.sort_by_key(|(_, rows)| is_own(rows[0].0));

    let heights: Vec<i32> = charts
        .chunks(COLUMNS)
        .map(|line| line.iter().map(|(_, rows)| rows.len() as i32).max().unwrap_or(0))
        .map(|rows| TITLE_HEIGHT + rows * ROW_HEIGHT + MARGIN)
        .collect();
    let mut svg = String::new();
    {
        let height = (heights.iter().sum::<i32>() + LEGEND_HEIGHT) as u32;
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let mut top = 0;
        for (line, height) in charts.chunks(COLUMNS).zip(&heights) {
            for (at, (title, rows)) in line.iter().enumerate() {
                let left = at as i32 * WIDTH as i32 / COLUMNS as i32;
                let area = root.clone().shrink((left, top), (WIDTH / COLUMNS as u32, *height as u32));
                draw_bars(&area, title, rows)?;
            }
            top += height;
        }
        let legend = "Shorter is better. Orange: this project; gray: other servers, in the same run.";
        let at = (MARGIN, top + LEGEND_HEIGHT / 2 - 4);
        root.draw(&Text::new(legend, at, text_style(15, HPos::Left))).map_err(failed)?;
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

fn draw_bars(area: &Area<'_>, title: &str, rows: &[(&str, f64)]) -> io::Result<()> {
    area.draw(&Text::new(title, (MARGIN, TITLE_HEIGHT / 2), text_style(19, HPos::Left))).map_err(failed)?;
    let most = rows.iter().fold(f64::MIN_POSITIVE, |most, (_, value)| most.max(*value));
    for (at, (server, value)) in rows.iter().enumerate() {
        let middle = TITLE_HEIGHT + at as i32 * ROW_HEIGHT + ROW_HEIGHT / 2;
        let end = BARS_FROM + (f64::from(BARS_TO - BARS_FROM) * value / most).round().max(1.0) as i32;
        let color = if is_own(server) { OWN } else { PEERS };
        let bar = Rectangle::new([(BARS_FROM, middle - 8), (end, middle + 8)], color.filled());
        let name = Text::new(*server, (BARS_FROM - 8, middle), text_style(15, HPos::Right));
        let label = Text::new(significant(*value), (end + 5, middle), text_style(15, HPos::Left));
        area.draw(&name).map_err(failed)?;
        area.draw(&bar).map_err(failed)?;
        area.draw(&label).map_err(failed)?;
    }
    Ok(())
}

/// Formats a number with at least two significant digits.
fn significant(value: f64) -> String {
    let digits = [0.1, 10.0, 100.0].iter().filter(|bound| value < **bound).count();
    results::number(value, digits)
}

/// Writes `scaling.svg`: costs over the number of connections, both on logarithmic scales.
pub(crate) fn lines() -> io::Result<()> {
    let results = fs::read_to_string(results::folder().join("RESULTS.md"))?;
    let sections = results::sections(&results, "scaling");
    let path = results::folder().join("scaling.svg");
    let root = SVGBackend::new(&path, (1200, 460)).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    for (area, section) in root.split_evenly((1, sections.len().max(1))).iter().zip(&sections) {
        draw_lines(area, section).map_err(failed)?;
    }
    root.present().map_err(failed)
}

/// Draws a section whose head holds the numbers of connections.
fn draw_lines(area: &Area<'_>, section: &Section) -> Result<(), Box<dyn std::error::Error>> {
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
        .caption(section.title.as_str(), text_style(16, HPos::Left))
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(x.log_scale(), y.log_scale())?;
    let label = |value: &f64| significant(*value);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("connections")
        .x_label_formatter(&|value| results::number(*value, 0))
        .y_label_formatter(&label)
        .label_style(text_style(13, HPos::Left))
        .draw()?;
    for (at, (name, points)) in curves.iter().enumerate() {
        let color = if is_own(name) { OWN.to_rgba() } else { Palette99::pick(at + 3).to_rgba() };
        let width = if name == "ws-core" { 3 } else { 1 };
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(width)).point_size(2))?
            .label(name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], color.stroke_width(width)));
    }
    let style = text_style(13, HPos::Left);
    chart.configure_series_labels().position(SeriesLabelPosition::UpperRight).label_font(style).draw()?;
    Ok(())
}
