//! How long `--help` takes with plugins to read.

use std::fs;

use super::{Bench, Column, Goal};
use crate::Result;
use crate::measure::{Subject, in_turns};
use crate::record::{Record, Series};
use crate::work::Work;

pub(super) const BENCH: Bench = Bench {
    name: "help",
    title: "Help",
    text: "`ctr-forge source --help` lists what every plugin offers, from the manifests in the plugins' \
           files; no code of a plugin runs. The plugins are copies of one that have other names. The time is \
           that of the whole process.",
    tools: &[],
    columns: &[Column::Milliseconds, Column::Cpu, Column::Peak],
    run,
    goals,
};

const NONE: &str = "no plugin";
const TEN: &str = "10 plugins";
const SUBJECT: &str = "ctr-forge source --help";
const ROUNDS: usize = 41;
/// Seconds.
const BOUND: f64 = 0.010;

fn run(work: &Work) -> Result<Vec<Series>> {
    fs::create_dir(work.path("none"))?;
    fs::create_dir(work.path("ten"))?;
    let plugin = fs::read(work.path("plugins/libctr_forge_source_scratch.so"))?;
    for number in 0..10 {
        let copy = renamed(&plugin, b"scratch", format!("scratc{number}").as_bytes());
        fs::write(work.path(&format!("ten/libplugin{number}.so")), copy)?;
    }
    let listed = work.forge_with("ten", &["source", "--help"]).output()?;
    if !String::from_utf8_lossy(&listed.stdout).contains("scratc9") {
        return Err(format!("the copies are no plugins: {}", String::from_utf8_lossy(&listed.stderr)).into());
    }
    let subject = |case, plugins: &'static str| {
        Subject::new(Series::new(case, SUBJECT), move || Ok(work.forge_with(plugins, &["source", "--help"])))
    };
    in_turns(ROUNDS, vec![subject(NONE, "none"), subject(TEN, "ten")])
}

/// `bytes` with another name, as long as the old one, in `name = "…"` and `id = "…"`.
fn renamed(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for key in [&b"name = \""[..], b"id = \""] {
        let (from, to) = ([key, old, b"\""].concat(), [key, new, b"\""].concat());
        for start in 0..bytes.len().saturating_sub(from.len()) {
            if bytes[start..].starts_with(&from) {
                bytes[start..start + to.len()].copy_from_slice(&to);
            }
        }
    }
    bytes
}

fn goals(record: &Record) -> Option<Vec<Goal>> {
    let time = record.series(TEN, SUBJECT)?.spread(|sample| sample.wall).median;
    Some(vec![Goal {
        wanted: format!("{TEN}: less than {:.0} ms", BOUND * 1e3),
        found: format!("{:.1} ms", time * 1e3),
        met: time < BOUND,
    }])
}
