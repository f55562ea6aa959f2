//! The benchmarks: what runs, and what the document says of it.

mod alpine;
mod debootstrap;
mod dnf;
mod help;
mod layer;
mod memory;
mod minbase;
mod tar;
mod worker;

use crate::Result;
use crate::record::{Record, Series};
use crate::work::Work;

/// A benchmark.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Its name on the command line, and that of its samples.
    pub(crate) name: &'static str,
    /// Its heading in the document.
    pub(crate) title: &'static str,
    /// What is done, in a paragraph or two.
    pub(crate) text: &'static str,
    /// Tools that run beside ctr-forge.
    pub(crate) tools: &'static [&'static str],
    /// What the table shows of each series.
    pub(crate) columns: &'static [Column],
    /// Measures. Nothing comes out where the machine lacks what it takes.
    pub(crate) run: fn(&Work) -> Result<Vec<Series>>,
    /// What is wanted, and whether it came out.
    pub(crate) goals: fn(&Record) -> Option<Vec<Goal>>,
}

/// Something that a table shows of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Seconds: median, lowest and highest.
    Seconds,
    /// As [`Column::Seconds`], in milliseconds.
    Milliseconds,
    /// Seconds of all processors: median.
    Cpu,
    /// Content by seconds.
    Throughput,
    /// The first subject of the case by this one, by time.
    Time,
    /// The same by processor time.
    CpuTime,
    /// Length of what was made.
    Result,
    /// Most memory.
    Peak,
}

/// What is wanted of a benchmark.
#[derive(Debug)]
pub(crate) struct Goal {
    /// In words, with the bound.
    pub(crate) wanted: String,
    /// In words, with the number.
    pub(crate) found: String,
    /// Whether that is within the bound.
    pub(crate) met: bool,
}

/// All, in the order of the document.
pub(crate) const ALL: &[Bench] = &[
    help::BENCH,
    worker::BENCH,
    tar::BENCH,
    layer::BENCH,
    debootstrap::BENCH,
    minbase::BENCH,
    alpine::BENCH,
    dnf::BENCH,
    memory::BENCH,
];

/// `ours` takes at most `bound` of the time of `theirs`, by the median of the rounds.
fn at_most_of(record: &Record, case: &str, ours: &str, theirs: &str, bound: f64) -> Option<Goal> {
    let (ours, peer) = (record.series(case, ours)?, record.series(case, theirs)?);
    let time = ours.ratio(peer, |sample| sample.wall);
    let cpu = ours.ratio(peer, |sample| sample.cpu);
    Some(Goal {
        wanted: format!("{case}: at most {bound:.2} of the time of {theirs}"),
        found: format!(
            "{:.2} ({:.2}–{:.2}) of its time and {:.2} ({:.2}–{:.2}) of its CPU",
            time.median, time.lowest, time.highest, cpu.median, cpu.lowest, cpu.highest
        ),
        met: time.median <= bound,
    })
}
