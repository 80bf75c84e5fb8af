//! `RESULTS.md`: the tables that the commands write, and that the charts read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the folder of this crate.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Replaces a part of `RESULTS.md`, which two comments with its name enclose.
pub(crate) fn replace_part(part: &str, text: &str) -> io::Result<()> {
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
    /// A server with the cells of its row; `None` for a dash.
    pub(crate) rows: Vec<(String, Vec<Option<f64>>)>,
}

impl Section {
    /// Returns the servers that have a value in a column, with that value.
    pub(crate) fn column(&self, head: &str) -> Vec<(&str, f64)> {
        let Some(column) = self.head.iter().position(|name| name == head) else { return Vec::new() };
        let rows = self.rows.iter();
        rows.filter_map(|(server, cells)| Some((server.as_str(), (*cells.get(column)?)?))).collect()
    }
}

/// Parses the tables of a part of `RESULTS.md`, so that charts show the committed figures.
pub(crate) fn sections(results: &str, part: &str) -> Vec<Section> {
    let (_, text) = results.split_once(&format!("<!-- {part} -->")).unwrap_or_default();
    let (text, _) = text.split_once(&format!("<!-- end of {part} -->")).unwrap_or_default();
    text.split("\n### ").skip(1).map(section).collect()
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

/// Formats a number with `digits` decimal places and commas between thousands.
pub(crate) fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (integer_part, fraction) =
        text.split_once('.').map_or((&text[..], None), |(integer_part, f)| (integer_part, Some(f)));
    let (sign, integer_part) = integer_part.strip_prefix('-').map_or(("", integer_part), |rest| ("-", rest));
    let mut out = String::from(sign);
    for (at, digit) in integer_part.chars().enumerate() {
        if at > 0 && (integer_part.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    fraction.into_iter().fold(out, |out, fraction| out + "." + fraction)
}

/// Formats a row of a Markdown table.
pub(crate) fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    cells.into_iter().fold(String::from("|"), |row, cell| row + " " + cell + " |") + "\n"
}

/// Formats the line under the head of a table: a name, and right-aligned numbers.
pub(crate) fn rule(numbers: usize) -> String {
    format!("|---|{}\n", "--:|".repeat(numbers))
}
