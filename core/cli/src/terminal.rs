//! What people and programs see: the only place that prints.
//!
//! Standard output carries data only, standard error everything for people.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use ctr_forge_core::Reporter;
use ctr_forge_plugin::{Error, Level, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Errors alone.
    Quiet,
    /// Warnings and the stretches of work.
    Normal,
    /// What plugins and tools say.
    Verbose,
    /// All there is.
    Debug,
}

/// Text without what could steer a terminal: it may be a file's name or a plugin's word.
fn harmless(text: &str) -> String {
    let harmless = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().map(harmless).collect()
}

/// Writes data to standard output.
pub(crate) fn print(data: &str) -> Result<()> {
    let data = harmless(data);
    let mut stdout = io::stdout().lock();
    match stdout.write_all(data.as_bytes()).and_then(|()| stdout.flush()) {
        // Whoever reads has read enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|e| Error::io("cannot write to standard output", e)),
    }
}

/// Makes sure that whoever reads a tar from standard output gets none that it could accept.
///
/// To many readers no bytes at all are a whole, empty tar: `… | docker import -`
/// would make an empty image of a mistyped option.
pub(crate) fn break_off_tar() {
    if !io::stdout().is_terminal() {
        // A reader that is gone is not misled.
        let _ = ctr_forge_rootfs::Writer::new(io::stdout().lock()).break_off();
    }
}

/// Writes a line for people.
pub(crate) fn say(line: &str) {
    write_line(&harmless(line));
}

fn write_line(line: &str) {
    // Nobody can be told that nobody can be told.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes an error: for people, or as one line of JSON.
pub(crate) fn print_error(error: &Error, json: bool) {
    if json {
        let mut value = serde_json::to_value(error).unwrap_or_default();
        value["exit_code"] = error.kind.exit_code().into();
        return say(&json!({ "error": value }).to_string());
    }
    let [error_word, hint_word] = match colours() {
        true => ["\x1b[1;31merror\x1b[0m", "\x1b[1;36mhint\x1b[0m"],
        false => ["error", "hint"],
    };
    let mut text = format!("{error_word}: {}", harmless(&error.message));
    for cause in &error.causes {
        text += &format!("\n  because: {}", harmless(cause.trim_end()).replace('\n', "\n           "));
    }
    for hint in &error.hints {
        text += &format!("\n{hint_word}: {}", harmless(hint));
    }
    write_line(&text);
}

fn colours() -> bool {
    io::stderr().is_terminal() && !crate::environment::plain()
}

/// Tells the progress of a job: a bar on a terminal, plain lines elsewhere.
pub(crate) struct Console {
    verbosity: Verbosity,
    json: bool,
    bar: Option<ProgressBar>,
    phase: Mutex<String>,
}

impl Console {
    pub(crate) fn new(verbosity: Verbosity, json: bool) -> Self {
        let bar = (verbosity >= Verbosity::Normal && !json && colours()).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { verbosity, json, bar, phase: Mutex::default() }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| write_line(line)),
            None => write_line(line),
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Reporter for Console {
    fn log(&self, level: Level, message: &str) {
        let wanted = if level == Level::Debug { Verbosity::Debug } else { Verbosity::Verbose };
        if self.verbosity >= wanted {
            self.line(&harmless(message));
        }
    }

    fn warning(&self, message: &str, hint: Option<&str>) {
        if self.verbosity < Verbosity::Normal {
            return;
        }
        if self.json {
            return say(&json!({ "warning": { "message": message, "hint": hint } }).to_string());
        }
        let word = if colours() { "\x1b[1;33mwarning\x1b[0m" } else { "warning" };
        self.line(&format!("{word}: {}", harmless(message)));
        if let Some(hint) = hint {
            self.line(&format!("hint: {}", harmless(hint)));
        }
    }

    fn phase(&self, name: &str) {
        let mut phase = self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.verbosity < Verbosity::Normal || self.json || *phase == name {
            return;
        }
        name.clone_into(&mut phase);
        match &self.bar {
            Some(bar) => {
                bar.set_length(0);
                bar.set_style(ProgressStyle::default_spinner());
                bar.set_message(harmless(name));
            }
            None => say(name),
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn progress(&self, done: u64, total: u64, unit: &str) {
        let Some(bar) = &self.bar else { return };
        if bar.length() != Some(total) && total > 0 {
            let counts = if unit == "bytes" { "{bytes}/{total_bytes}" } else { "{pos}/{len}" };
            if let Ok(style) = ProgressStyle::with_template(&format!("{{msg}} [{{bar:30}}] {counts}")) {
                bar.set_style(style);
            }
            bar.set_length(total);
        }
        bar.set_position(done);
    }
}
