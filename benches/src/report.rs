//! Markdown: tables, and the file that keeps them.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::table::Results;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Replaces a part of `RESULTS.md`, which stands between two comments with its name.
pub(crate) fn keep(part: &str, text: &str) -> io::Result<()> {
    let path = folder().join("RESULTS.md");
    let old = fs::read_to_string(&path).unwrap_or_default();
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->\n"));
    let (before, rest) = old.split_once(&begin).unwrap_or((&old, ""));
    let after = rest.split_once(&end).map_or("", |(_, after)| after);
    fs::write(path, format!("{before}{begin}\n{text}\n{end}{after}"))
}

/// A table of `RESULTS.md`.
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) head: Vec<String>,
    /// A server, and what is in its row; nothing where there is a dash.
    pub(crate) rows: Vec<(String, Vec<Option<f64>>)>,
}

/// The tables of a part of `RESULTS.md`, so that pictures show what the file says.
pub(crate) fn sections(part: &str) -> io::Result<Vec<Section>> {
    let text = fs::read_to_string(folder().join("RESULTS.md"))?;
    let (_, text) = text.split_once(&format!("<!-- {part} -->")).unwrap_or_default();
    let (text, _) = text.split_once(&format!("<!-- end of {part} -->")).unwrap_or_default();
    Ok(text.split("\n### ").skip(1).map(section).collect())
}

fn section(text: &str) -> Section {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let mut lines = text.lines();
    let title = lines.next().unwrap_or("").to_owned();
    let mut table = lines.filter(|line| line.starts_with('|')).map(cells);
    let head: Vec<String> = table.next().unwrap_or_default();
    let value = |cell: &String| cell.replace(',', "").parse().ok();
    let row = |cells: Vec<String>| (cells[0].clone(), cells[1..].iter().map(value).collect());
    Section { title, head: head[1..].to_vec(), rows: table.skip(1).map(row).collect() }
}

/// A number with as many digits as asked for, and commas between thousands.
pub(crate) fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_once('.').map_or((&text[..], None), |(whole, f)| (whole, Some(f)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |rest| ("-", rest));
    let mut out = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    fraction.into_iter().fold(out, |out, fraction| out + "." + fraction)
}

/// One row of a Markdown table.
pub(crate) fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    cells.into_iter().fold(String::from("|"), |row, cell| row + " " + cell + " |") + "\n"
}

/// The line under the head: a name, and numbers.
pub(crate) fn rule(numbers: usize) -> String {
    format!("|---|{}\n", "--:|".repeat(numbers))
}

pub(crate) fn table(results: &Results, rounds: usize) -> String {
    let mut text = format!("{}\nMedians of {rounds} rounds.\n", crate::machine::described());
    for (workload, rows) in &results.rows {
        let _ = write!(text, "\n### {}\n\n{}\n\n", workload.title, workload.about);
        let titles = workload.columns.iter().map(|column| column.title);
        text +=
            &row(["server"].into_iter().chain([workload.columns[0].title, "× ours"]).chain(titles.skip(1)));
        text += &rule(workload.columns.len() + 1);
        let ours =
            rows.iter().find_map(|(name, figures)| (*name == "ws-core").then_some(figures.as_ref()?[0]));
        for (name, figures) in rows {
            let cells: Vec<String> = match figures {
                None => vec!["–".into(); workload.columns.len() + 1],
                Some(figures) => {
                    let mut cells: Vec<String> = figures
                        .iter()
                        .zip(workload.columns)
                        .map(|(value, column)| number(*value, column.digits))
                        .collect();
                    cells.insert(1, ours.map_or("–".into(), |ours| format!("{:.2}", figures[0] / ours)));
                    cells
                }
            };
            text += &row([*name].into_iter().chain(cells.iter().map(String::as_str)));
        }
    }
    text
}
