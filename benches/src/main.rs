//! Measures ctr-forge beside other tools, and writes down what came out.
//!
//! | words | what it does |
//! |---|---|
//! | `run [NAME…] [--date DATE]` | measures, and writes `benches/samples/NAME.json` |
//! | `report` | makes `docs/BENCHMARKS.md` from the samples alone |
//! | `child WORD …` | a measured step or the making of a fixture, for `run` |
//!
//! Seconds of two days or two machines cannot be compared, so speed is only
//! ever told as a ratio to a peer that ran in turns with ctr-forge. Every run
//! is a process of its own: the kernel then says what it took (`wait4(2)`).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to whoever runs it")]

mod bench;
mod child;
mod fixture;
mod measure;
mod mirror;
mod record;
mod report;
mod work;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench::{ALL, Bench};
use record::Record;
use work::Work;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: ctr-forge-benches run [NAME…] [--date DATE] | report";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["run", ref rest @ ..] => run(rest),
        ["report"] => write_report(),
        ["child", ref rest @ ..] => child::run(rest),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    let (names, date) = match words {
        [names @ .., "--date", date] => (names, Some(date.to_string())),
        names => (names, None),
    };
    if let Some(name) = names.iter().find(|name| !ALL.iter().any(|bench| bench.name == **name)) {
        let known: Vec<_> = ALL.iter().map(|bench| bench.name).collect();
        return Err(format!("there is no benchmark \"{name}\": expected {}", known.join(", ")).into());
    }
    for bench in ALL.iter().filter(|bench| names.is_empty() || names.contains(&bench.name)) {
        eprintln!("{}", bench.title);
        let work = Work::new()?;
        let load = record::load();
        let series = (bench.run)(&work)?;
        if series.is_empty() {
            eprintln!("  its samples stay as they are");
            continue;
        }
        let record = Record::new(date.clone(), load, bench.tools, series)?;
        let mut json = serde_json::to_string_pretty(&record)?;
        json.push('\n');
        fs::write(samples(bench), json)?;
    }
    Ok(())
}

fn write_report() -> Result<()> {
    Ok(fs::write(workspace().join(report::PLACE), report::render(&records()?))?)
}

/// What was measured, in the order of the document.
fn records() -> Result<Vec<(&'static Bench, Record)>> {
    let read = |bench: &'static Bench| -> Result<_> {
        let json = fs::read(samples(bench)).map_err(|e| format!("no samples of {}: {e}", bench.name))?;
        Ok((bench, serde_json::from_slice(&json)?))
    };
    ALL.iter().map(read).collect()
}

fn samples(bench: &Bench) -> PathBuf {
    workspace().join(format!("benches/samples/{}.json", bench.name))
}

/// The top of the workspace.
fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_what_the_samples_say() {
        let document = fs::read_to_string(workspace().join(report::PLACE)).unwrap();
        let rendered = report::render(&records().unwrap());
        assert!(document == rendered, "run: cargo run -p ctr-forge-benches -- report");
    }
}
