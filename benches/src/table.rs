//! `table`: all workloads over all servers.

use std::collections::BTreeMap;
use std::io;

use crate::options::Options;
use crate::process::{Process, Under, pin_load};
use crate::servers::Server;
use crate::workloads::{Session, WORKLOADS, Workload};
use crate::{picture, report};

/// The medians of a server, in the order of the workload's columns; none if it cannot do it.
pub(crate) type Row = (&'static str, Option<Vec<f64>>);

/// By workload and server, in the order of [`WORKLOADS`] and of the servers.
pub(crate) struct Results {
    pub(crate) rows: Vec<(&'static Workload, Vec<Row>)>,
}

pub(crate) fn run(options: &Options) -> io::Result<()> {
    pin_load();
    let results = measure(options)?;
    let text = report::table(&results, options.rounds);
    print!("{text}");
    if options.everything() {
        report::keep("table", &text)?;
        picture::table()?;
    }
    Ok(())
}

/// In every round each workload meets the servers one after the other, so that what else the machine does
/// meets them all.
fn measure(options: &Options) -> io::Result<Results> {
    let mut samples: BTreeMap<(&str, &str), Vec<Vec<f64>>> = BTreeMap::new();
    let servers: Vec<&'static Server> = options.servers().collect();
    let workloads: Vec<&'static Workload> =
        WORKLOADS.iter().filter(|workload| options.wants(workload.key)).collect();
    for round in 1..=options.rounds {
        for workload in &workloads {
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
        (workload, servers.iter().map(figures).collect())
    });
    Ok(Results { rows: rows.collect() })
}

fn once(server: &Server, workload: &Workload, quick: bool) -> io::Result<Vec<f64>> {
    let process = Process::start(server, workload.mode, Under::Nothing)?;
    let figures = (workload.run)(&Session { process: &process, quick })?;
    process.stop()?;
    Ok(figures)
}

/// The median of each column.
fn medians(samples: &[Vec<f64>]) -> Vec<f64> {
    let column = |at: usize| {
        let mut values: Vec<f64> = samples.iter().map(|figures| figures[at]).collect();
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    (0..samples[0].len()).map(column).collect()
}
