//! How memory grows: with entries, never with bytes.

use super::{Bench, Column, Goal};
use crate::Result;
use crate::measure::{Subject, in_turns_cold};
use crate::record::{Record, Series};
use crate::work::Work;

pub(super) const BENCH: Bench = Bench {
    name: "memory",
    title: "Memory",
    text: "Tars with files of 16 MiB, half noise and half zeros, and tars with empty files only. \
           `ctr-forge output oci FILE.tar` makes an image of them, and `ctr-forge source scratch --tar FILE.tar` \
           sends them through a plugin. The peak is that of the largest process: host and worker are two, the \
           kernel tells the larger number, not their sum, and both hold an index of the entries with \
           `source scratch`.",
    tools: &[],
    columns: &[Column::Seconds, Column::Peak],
    run,
    goals,
};

const OUTPUT: &str = "output oci";
const SOURCE: &str = "source scratch";
/// Case, what makes its input, how large that is, and how often it runs.
const CASES: [(&str, &str, &str, usize); 5] = [
    ("100 MB", "content", "100000000", 3),
    ("2 GB", "content", "2000000000", 2),
    ("10 GB", "content", "10000000000", 1),
    ("100 k entries", "entries", "100000", 3),
    ("1 M entries", "entries", "1000000", 3),
];
/// Bytes whatever the input.
const BASE: u64 = 64_000_000;
/// Bytes for each entry.
const EACH: u64 = 300;

fn run(work: &Work) -> Result<Vec<Series>> {
    let mut all = Vec::new();
    for (case, fixture, size, rounds) in CASES {
        let input = work.fixture(&[fixture, "input.tar", size])?;
        let series = |subject| Series::new(case, subject).with_input(input);
        let output = Subject::new(series(OUTPUT), || {
            work.remove("image")?;
            Ok(work.forge(&["-q", "output", "oci", "input.tar", "-o", "image"]))
        });
        // What is made must go before the next run: the disk has to hold the rest.
        let output = output.with_result(|| work.remove("image").map(|()| None));
        let source = Subject::new(series(SOURCE), || {
            Ok(work.forge(&["-q", "source", "scratch", "--tar", "input.tar"]))
        });
        all.extend(in_turns_cold(rounds, vec![output, source])?);
    }
    Ok(all)
}

fn goals(record: &Record) -> Option<Vec<Goal>> {
    let goal = |series: &Series| {
        let bound = BASE + EACH * series.entries;
        Goal {
            wanted: format!("{}, {}: at most {} MB", series.case, series.subject, bound / 1_000_000),
            found: format!("{:.1} MB", series.peak() as f64 / 1e6),
            met: series.peak() <= bound,
        }
    };
    let mut goals: Vec<_> = record.series.iter().map(goal).collect();
    for subject in [OUTPUT, SOURCE] {
        let (few, many) = (record.series("100 k entries", subject)?, record.series("1 M entries", subject)?);
        let each = many.peak().saturating_sub(few.peak()) / (many.entries - few.entries);
        goals.push(Goal {
            wanted: format!("{subject}: at most {EACH} bytes for each entry more"),
            found: format!("{each} bytes"),
            met: each <= EACH,
        });
    }
    Some(goals)
}
