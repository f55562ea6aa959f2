//! Samples as they are kept: raw, with what is needed to judge them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Result;

/// All samples of one benchmark.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) machine: Machine,
    /// When, if whoever ran it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) date: Option<String>,
    /// Processes that wanted a processor when it began, on average over a minute:
    /// what else the machine had to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) load: Option<f64>,
    /// Tools and their versions.
    pub(crate) tools: BTreeMap<String, String>,
    pub(crate) series: Vec<Series>,
}

/// Where it ran, as far as it matters.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Model of the processor.
    pub(crate) cpu: String,
    /// Processors that may be used.
    pub(crate) cores: usize,
    /// Major version of the kernel.
    pub(crate) kernel: String,
}

/// The runs of one program at one piece of work.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    /// The piece of work.
    pub(crate) case: String,
    /// The program.
    pub(crate) subject: String,
    /// Bytes of content in the input.
    #[serde(default)]
    pub(crate) content: u64,
    /// Entries in the input.
    #[serde(default)]
    pub(crate) entries: u64,
    /// Length in bytes of what was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<u64>,
    pub(crate) samples: Vec<Sample>,
}

/// One run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of all processors, in the program and for it in the kernel,
    /// children included.
    pub(crate) cpu: f64,
    /// Most memory that any one process of it had, in bytes.
    pub(crate) rss: u64,
}

impl Record {
    /// With the versions of `tools`, as they tell them.
    pub(crate) fn new(
        date: Option<String>,
        load: Option<f64>,
        tools: &[&str],
        series: Vec<Series>,
    ) -> Result<Self> {
        let mut versions = BTreeMap::from([("ctr-forge".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        for tool in tools {
            versions.insert(tool.to_string(), version(tool)?);
        }
        Ok(Self { machine: Machine::this()?, date, load, tools: versions, series })
    }

    /// The series of `subject` at `case`.
    pub(crate) fn series(&self, case: &str, subject: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.case == case && series.subject == subject)
    }
}

impl Machine {
    fn this() -> Result<Self> {
        let info = fs::read_to_string("/proc/cpuinfo")?;
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        Ok(Self {
            cpu: model.map_or("unknown", |(_, model)| model).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: release.split('.').next().unwrap_or_default().to_owned(),
        })
    }
}

impl Series {
    pub(crate) fn new(case: &str, subject: &str) -> Self {
        let (case, subject) = (case.to_owned(), subject.to_owned());
        Self { case, subject, content: 0, entries: 0, result: None, samples: Vec::new() }
    }

    /// With the size of the input: bytes of content, and entries.
    pub(crate) fn with_input(mut self, (content, entries): (u64, u64)) -> Self {
        (self.content, self.entries) = (content, entries);
        self
    }

    /// Lowest, median and highest of something in the samples.
    pub(crate) fn spread(&self, value: impl Fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(value).collect())
    }

    /// This over another series, round by round.
    pub(crate) fn ratio(&self, other: &Series, value: impl Fn(&Sample) -> f64) -> Spread {
        let rounds = self.samples.iter().zip(&other.samples);
        Spread::of(rounds.map(|(ours, theirs)| value(ours) / value(theirs)).collect())
    }

    /// The most memory of all runs, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.samples.iter().map(|sample| sample.rss).max().unwrap_or(0)
    }
}

impl Sample {
    /// Times to a hundredth of a millisecond; more is noise.
    pub(crate) fn new(wall: f64, cpu: f64, rss: u64) -> Self {
        let round = |seconds: f64| (seconds * 1e5).round() / 1e5;
        Self { wall: round(wall), cpu: round(cpu), rss }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s, {:.3} s of CPU, {:.1} MB", self.wall, self.cpu, self.rss as f64 / 1e6)
    }
}

/// The middle of several numbers, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) lowest: f64,
    pub(crate) median: f64,
    pub(crate) highest: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        Self { lowest: at(0), median: (at(last / 2) + at(last.div_ceil(2))) / 2.0, highest: at(last) }
    }
}

/// The load of the machine over the last minute, where the kernel tells it.
pub(crate) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// The number in the first line of what `tool --version` prints.
fn version(tool: &str) -> Result<String> {
    let output =
        Command::new(tool).arg("--version").output().map_err(|e| format!("cannot run {tool}: {e}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    Ok(number.unwrap_or("unknown").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even() {
        let spread = |values: &[f64]| Spread::of(values.to_vec());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Spread { lowest: 1.0, median: 2.0, highest: 3.0 });
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }

    #[test]
    fn ratios_are_of_rounds() {
        let series = |walls: [f64; 3]| Series {
            samples: walls.map(|wall| Sample { wall, cpu: 0.0, rss: 0 }).to_vec(),
            ..Series::new("", "")
        };
        // The second round was slow for both.
        let ratio = series([1.0, 10.0, 1.0]).ratio(&series([2.0, 20.0, 2.0]), |sample| sample.wall);
        assert_eq!(ratio, Spread { lowest: 0.5, median: 0.5, highest: 0.5 });
    }
}
