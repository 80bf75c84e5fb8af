//! The charts of `benches`: every row has a bar, nothing overlaps, and nothing leaves the picture.

#[allow(dead_code, reason = "the benches use the rest")]
#[path = "../benches/src/chart.rs"]
mod chart;
#[allow(dead_code, reason = "the benches use the rest")]
#[path = "../benches/src/results.rs"]
mod results;

use std::fs;
use std::path::{Path, PathBuf};

use chart::{BARS, NOT_DRAWN, render_bars};
use results::{Section, sections};

fn benches() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("benches")
}

fn committed() -> Vec<Section> {
    sections(&fs::read_to_string(benches().join("RESULTS.md")).unwrap(), "table")
}

/// A rectangle of the picture: a bar, or the area that a text covers.
#[derive(Clone, Debug)]
struct Shape {
    text: Option<String>,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Shape {
    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn is_level_with(&self, other: &Self) -> bool {
        f64::abs((self.top + self.bottom) - (other.top + other.bottom)) < 4.0
    }
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let (_, rest) = element.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("{name}: {element}"));
    rest.split_once('"').unwrap().0
}

fn length(element: &str, name: &str) -> f64 {
    attribute(element, name).parse().unwrap()
}

/// Returns the size of the picture, and its shapes without the background.
fn shapes(svg: &str) -> (f64, f64, Vec<Shape>) {
    let mut found = Vec::new();
    for element in svg.split('<').skip(1) {
        if element.starts_with("rect ") {
            let (left, top) = (length(element, "x"), length(element, "y"));
            let (right, bottom) = (left + length(element, "width"), top + length(element, "height"));
            found.push(Shape { text: None, left, right, top, bottom });
        } else if element.starts_with("text ") {
            let text = element.split_once('>').unwrap().1.trim().to_owned();
            // Wide enough for any sans-serif font.
            let size = length(element, "font-size");
            let width = text.chars().count() as f64 * size * 0.56;
            let (x, y) = (length(element, "x"), length(element, "y"));
            let left = if attribute(element, "text-anchor") == "end" { x - width } else { x };
            let (top, bottom) = (y - size / 2.0, y + size / 2.0);
            found.push(Shape { text: Some(text), left, right: left + width, top, bottom });
        }
    }
    let background = found.remove(0);
    (background.right, background.bottom, found)
}

#[track_caller]
fn check(sections: &[Section]) {
    let svg = render_bars(sections).unwrap();
    let (width, height, shapes) = shapes(&svg);
    for (at, shape) in shapes.iter().enumerate() {
        let inside = shape.left >= 0.0 && shape.right <= width && shape.top >= 0.0 && shape.bottom <= height;
        assert!(inside, "outside of {width} × {height}: {shape:?}");
        for other in &shapes[at + 1..] {
            assert!(!shape.overlaps(other), "{shape:?} overlaps {other:?}");
        }
    }
    let (bars, texts): (Vec<_>, Vec<_>) = shapes.iter().partition(|shape| shape.text.is_none());
    let mut rows = 0;
    for (title, column, _) in BARS {
        let section = sections.iter().find(|section| section.title == title).unwrap();
        let drawn: Vec<_> =
            section.column(column).into_iter().filter(|(server, _)| !NOT_DRAWN.contains(server)).collect();
        rows += drawn.len();
        for (server, _) in drawn {
            let names = texts.iter().filter(|text| text.text.as_deref() == Some(server));
            for name in names {
                let bar = bars.iter().find(|bar| bar.is_level_with(name) && bar.left > name.right);
                let bar = bar.unwrap_or_else(|| panic!("no bar for {name:?}"));
                assert!(bar.right - bar.left >= 1.0, "{bar:?}");
                let value = |text: &&&Shape| text.is_level_with(bar) && text.left >= bar.right;
                assert!(texts.iter().any(|text| value(&text)), "no value beside {bar:?}");
            }
        }
    }
    assert_eq!(bars.len(), rows);
}

#[test]
fn every_committed_row_has_a_bar() {
    check(&committed());
}

#[test]
fn picture_grows_with_its_rows() {
    let mut sections = committed();
    for section in &mut sections {
        let cells = section.rows[0].1.clone();
        for at in 0..40 {
            section.rows.push((format!("another server {at}"), cells.clone()));
        }
    }
    check(&sections);
}

#[test]
fn charts_that_a_peer_leads_come_first() {
    let svg = render_bars(&committed()).unwrap();
    let at = |title: &str| svg.find(title).unwrap_or_else(|| panic!("{title}"));
    let lead = |(section, column, title): &(&str, &str, &'static str)| {
        let sections = committed();
        let section = sections.iter().find(|found| found.title == *section).unwrap();
        let mut rows = section.column(column);
        rows.retain(|(server, _)| !NOT_DRAWN.contains(server));
        let best = rows.iter().map(|(_, value)| *value).fold(f64::MAX, f64::min);
        let peer = rows.iter().any(|(server, value)| *value == best && !server.starts_with("ws-core"));
        (at(title), peer)
    };
    let mut charts: Vec<(usize, bool)> = BARS.iter().map(lead).collect();
    charts.sort_unstable();
    assert!(charts.is_sorted_by_key(|(_, peer)| !peer), "{charts:?}");
}

#[test]
fn picture_shows_the_committed_results() {
    let committed_picture = fs::read_to_string(benches().join("results.svg")).unwrap();
    assert!(
        render_bars(&committed()).unwrap() == committed_picture,
        "results.svg is stale: run `cargo run -p benches --no-default-features -- charts`"
    );
}
