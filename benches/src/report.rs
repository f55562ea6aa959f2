//! The document: from samples alone, so that anyone can make it again.

use crate::bench::{Bench, Column, Goal};
use crate::record::{Record, Sample, Series, Spread};

/// Where it is, below the top of the workspace.
pub(crate) const PLACE: &str = "docs/BENCHMARKS.md";

const HEAD: &str = "# Benchmarks

Made from the samples in `benches/samples`; do not edit. To measure again, and to make this document:

    cargo run --release -p ctr-forge-benches -- run
    cargo run --release -p ctr-forge-benches -- report

After `run` can come the names of some benchmarks; each section has its own. It takes 35 GB of disk in
`/var/tmp`, and with all of them about half an hour.

- Every run is a process of its own, and ctr-forge and its peers run in turns: what else the machine does falls on
  all. Seconds therefore say little by themselves, and a ratio says much: the first line of a case by this
  line, as the median over the rounds. Below 1, ctr-forge takes less.
- Where other jobs keep the processors busy, a program of more processes gets a larger share of them. The ratio of
  CPU shows what it used that share for, and changes less from day to day.
- Where nothing else is said, a number is the median of the runs; in brackets are the lowest and the highest.
- CPU is user and system time of all processes together. Peak is the most memory that any *one* process had in any run.
- MB are 10^6 bytes.
- All input is in the page cache, unless it is larger than memory. Nothing waits for the disk at the end.

No test fails because of what is said here: a shared machine would make it fail for no reason. What is not met is
marked.
";

/// The whole document.
pub(crate) fn render(records: &[(&Bench, Record)]) -> String {
    let sections: Vec<_> = records.iter().map(|(bench, record)| section(bench, record)).collect();
    format!("{HEAD}\n{}", sections.join("\n"))
}

fn section(bench: &Bench, record: &Record) -> String {
    let tools: Vec<_> = record.tools.iter().map(|(tool, version)| format!("{tool} {version}")).collect();
    let machine = &record.machine;
    let load = record.load.map(|load| format!("; load at the start {load:.1}")).unwrap_or_default();
    let date = record.date.as_ref().map(|date| format!("; {date}")).unwrap_or_default();
    format!(
        "## {}\n\n{}\n\n    cargo run --release -p ctr-forge-benches -- run {}\n\n{}; {}, {} cores, Linux {}{load}{date}.\n\n{}{}",
        bench.title,
        bench.text,
        bench.name,
        tools.join(", "),
        machine.cpu,
        machine.cores,
        machine.kernel,
        table(bench, record),
        goals((bench.goals)(record).unwrap_or_default()),
    )
}

fn table(bench: &Bench, record: &Record) -> String {
    let heads: String = bench.columns.iter().map(|column| format!(" {} |", column.head())).collect();
    let rule = " ---: |".repeat(bench.columns.len() + 1);
    let mut table = format!("| case | what ran | runs |{heads}\n| --- | --- |{rule}\n");
    for series in &record.series {
        let first = record.series.iter().find(|other| other.case == series.case).unwrap_or(series);
        let cells: String =
            bench.columns.iter().map(|column| format!(" {} |", column.cell(series, first))).collect();
        table += &format!("| {} | {} | {} |{cells}\n", series.case, series.subject, series.samples.len());
    }
    table
}

fn goals(goals: Vec<Goal>) -> String {
    let line = |goal: &Goal| {
        let mark = if goal.met { "" } else { " **Not met.**" };
        format!("- {}: {}.{mark}\n", goal.wanted, goal.found)
    };
    let lines: String = goals.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::Seconds => "time, s",
            Self::Milliseconds => "time, ms",
            Self::Cpu => "CPU, s",
            Self::Throughput => "MB/s",
            Self::Time => "ratio of time",
            Self::CpuTime => "ratio of CPU",
            Self::Result => "made, MB",
            Self::Peak => "peak, MB",
        }
    }

    /// Of `series`, in a case whose first series is `first`.
    fn cell(self, series: &Series, first: &Series) -> String {
        let wall = |sample: &Sample| sample.wall;
        let cpu = |sample: &Sample| sample.cpu;
        let of_first = |ratio: Spread| match std::ptr::eq(series, first) {
            true => "–".to_owned(),
            false => format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.lowest, ratio.highest),
        };
        match self {
            Self::Seconds => spread(series.spread(wall), 1.0, 2),
            Self::Milliseconds => spread(series.spread(wall), 1e3, 1),
            Self::Cpu => format!("{:.3}", series.spread(cpu).median),
            Self::Throughput => format!("{:.0}", series.content as f64 / 1e6 / series.spread(wall).median),
            Self::Time => of_first(first.ratio(series, wall)),
            Self::CpuTime => of_first(first.ratio(series, cpu)),
            Self::Result => series.result.map_or("–".into(), |bytes| format!("{:.2}", bytes as f64 / 1e6)),
            Self::Peak => format!("{:.1}", series.peak() as f64 / 1e6),
        }
    }
}

fn spread(spread: Spread, scale: f64, digits: usize) -> String {
    let Spread { lowest, median, highest } = spread;
    let [lowest, median, highest] = [lowest, median, highest].map(|value| value * scale);
    format!("{median:.digits$} ({lowest:.digits$}–{highest:.digits$})")
}
