//! What it costs that a plugin runs in a process of its own.

use std::fs;

use super::{Bench, Column, Goal};
use crate::Result;
use crate::measure::{Subject, in_turns};
use crate::record::{Record, Series};
use crate::work::Work;

pub(super) const BENCH: Bench = Bench {
    name: "worker",
    title: "A plugin's job",
    text: "A source that makes a root filesystem of one small file does hardly anything but the round trip \
           of a job: a worker process starts and shuts itself in, loads the plugin, answers two calls, \
           streams the file and ends. `plugin list` finds the same plugins without running one, so the \
           difference is what the job costs.",
    tools: &[],
    columns: &[Column::Milliseconds, Column::Cpu, Column::Peak],
    run,
    goals,
};

const CASE: &str = "one small file";
const JOB: &str = "ctr-forge source scratch --copy small:/small";
const LIST: &str = "ctr-forge plugin list";
const ROUNDS: usize = 41;

fn run(work: &Work) -> Result<Vec<Series>> {
    fs::write(work.path("small"), "small\n")?;
    let job = ["-q", "source", "scratch", "--copy", "small:/small", "-o", "small.tar"];
    let job = Subject::new(Series::new(CASE, JOB), move || Ok(work.forge(&job)));
    let list = Subject::new(Series::new(CASE, LIST), move || Ok(work.forge(&["plugin", "list"])));
    in_turns(ROUNDS, vec![job, list])
}

fn goals(record: &Record) -> Option<Vec<Goal>> {
    let median = |subject| Some(record.series(CASE, subject)?.spread(|sample| sample.wall).median);
    let trip = median(JOB)? - median(LIST)?;
    Some(vec![Goal {
        wanted: "the round trip of a job, as the difference: no bound".into(),
        found: format!("{:.1} ms", trip * 1e3),
        met: true,
    }])
}
