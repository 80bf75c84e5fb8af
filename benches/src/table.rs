//! `table`: all workloads over all servers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use crate::options::Options;
use crate::process::{Process, Under, pin_load};
use crate::servers::{Mode, Server};
use crate::workloads::{Session, Workload, workloads};
use crate::{chart, environment, results};

/// Medians of a server, in the order of the workload's columns; `None` if the server lacks the mode.
pub(crate) type Row = (&'static str, Option<Vec<f64>>);

/// Rows by workload and server, in the order of [`workloads`] and of the servers.
pub(crate) struct Results {
    pub(crate) rows: Vec<(&'static Workload, Vec<Row>)>,
}

pub(crate) fn run(options: &Options) -> io::Result<()> {
    pin_load();
    let measured = measure(options)?;
    let text = format_tables(&measured, options.rounds);
    print!("{text}");
    if options.is_complete() {
        results::replace_part("table", &text)?;
        chart::bars()?;
    }
    Ok(())
}

/// Measures all servers for a workload before the next workload, so that other load on the machine affects
/// all servers alike.
fn measure(options: &Options) -> io::Result<Results> {
    let mut samples: BTreeMap<(&str, &str), Vec<Vec<f64>>> = BTreeMap::new();
    let servers: Vec<&'static Server> = options.servers().collect();
    let workloads: Vec<&'static Workload> =
        workloads().filter(|workload| options.wants(workload.key)).collect();
    for round in 1..=options.rounds {
        for workload in workloads.iter().filter(|workload| round == 1 || !workload.runs_once()) {
            for server in servers.iter().filter(|server| server.can(workload.mode)) {
                match once(server, workload, options.quick) {
                    Ok(figures) => {
                        eprintln!(
                            "{round}/{} {} {}: {:.2}",
                            options.rounds, workload.key, server.name, figures[0]
                        );
                        samples.entry((workload.key, server.name)).or_default().push(figures);
                    }
                    Err(error) => eprintln!("{} {}: {error}", workload.key, server.name),
                }
            }
        }
    }
    let rows = workloads.into_iter().map(|workload| {
        let figures = |server: &&'static Server| {
            let samples = samples.get(&(workload.key, server.name));
            (server.name, samples.map(|samples| medians(samples)))
        };
        let belongs = |server: &&&Server| {
            server.can(workload.mode) || (!workload.mode.is_special() && server.can(Mode::Echo))
        };
        (workload, servers.iter().filter(belongs).map(figures).collect())
    });
    Ok(Results { rows: rows.collect() })
}

fn once(server: &Server, workload: &Workload, quick: bool) -> io::Result<Vec<f64>> {
    let process = Process::start(server, workload.mode, Under::Nothing)?;
    let figures = (workload.run)(&Session { process: &process, quick })?;
    process.stop()?;
    Ok(figures)
}

/// Returns the median of each column.
pub(crate) fn medians(samples: &[Vec<f64>]) -> Vec<f64> {
    let column = |at: usize| {
        let mut values: Vec<f64> = samples.iter().map(|figures| figures[at]).collect();
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    (0..samples[0].len()).map(column).collect()
}

/// Formats the results as the part `table` of `RESULTS.md`.
fn format_tables(measured: &Results, rounds: usize) -> String {
    let mut text = format!("{}\nMedians of {rounds} rounds.\n", environment::describe());
    for (workload, rows) in &measured.rows {
        let _ = write!(text, "\n### {}\n\n{}\n\n", workload.title, workload.about);
        let titles = workload.columns.iter().map(|column| column.title);
        text += &results::row(
            ["server"].into_iter().chain([workload.columns[0].title, "× ws-core"]).chain(titles.skip(1)),
        );
        text += &results::rule(workload.columns.len() + 1);
        // The first row of this project: `ws-core`, or for calls its envelope.
        let own = rows
            .iter()
            .find_map(|(name, figures)| name.starts_with("ws-core").then_some(figures.as_ref()?[0]));
        for (name, figures) in rows {
            let cells: Vec<String> = match figures {
                None => vec!["–".into(); workload.columns.len() + 1],
                Some(figures) => {
                    let mut cells: Vec<String> = figures
                        .iter()
                        .zip(workload.columns)
                        .map(|(value, column)| results::number(*value, column.digits))
                        .collect();
                    cells.insert(1, own.map_or("–".into(), |own| format!("{:.2}", figures[0] / own)));
                    cells
                }
            };
            text += &results::row([*name].into_iter().chain(cells.iter().map(String::as_str)));
        }
    }
    text
}
