//! What one process took, and several in turns.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use crate::Result;
use crate::record::{Sample, Series};

/// One of the programs that do the same work in turns.
pub(crate) struct Subject<'a> {
    /// What is measured; the samples are added to it.
    pub(crate) series: Series,
    /// Makes room for a run, and says what to run.
    pub(crate) command: Box<dyn FnMut() -> Result<Command> + 'a>,
    /// After a run: the length in bytes of what it made, if it made something.
    pub(crate) result: Box<dyn FnMut() -> Result<Option<u64>> + 'a>,
}

impl<'a> Subject<'a> {
    /// A subject that makes nothing whose length matters.
    pub(crate) fn new(series: Series, command: impl FnMut() -> Result<Command> + 'a) -> Self {
        Self { series, command: Box::new(command), result: Box::new(|| Ok(None)) }
    }

    /// With a way to learn the length of what it made.
    pub(crate) fn with_result(mut self, result: impl FnMut() -> Result<Option<u64>> + 'a) -> Self {
        self.result = Box::new(result);
        self
    }
}

/// Runs all subjects once, and then `rounds` times in turns, so that what else
/// the machine does falls on all of them. The first run only warms the caches.
pub(crate) fn in_turns(rounds: usize, subjects: Vec<Subject<'_>>) -> Result<Vec<Series>> {
    rounds_of(rounds, true, subjects)
}

/// As [`in_turns`], but without the first run, for what takes minutes.
pub(crate) fn in_turns_cold(rounds: usize, subjects: Vec<Subject<'_>>) -> Result<Vec<Series>> {
    rounds_of(rounds, false, subjects)
}

fn rounds_of(rounds: usize, warm: bool, mut subjects: Vec<Subject<'_>>) -> Result<Vec<Series>> {
    for round in 0..rounds + usize::from(warm) {
        for subject in &mut subjects {
            let sample = measure(&mut (subject.command)()?)?;
            if round > 0 || !warm {
                eprintln!("  {} {}: {sample}", subject.series.case, subject.series.subject);
                subject.series.samples.push(sample);
                subject.series.result = (subject.result)()?;
            }
        }
    }
    Ok(subjects.into_iter().map(|subject| subject.series).collect())
}

/// Runs a command that must succeed.
pub(crate) fn measure(command: &mut Command) -> Result<Sample> {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    // Read to its end first: a full pipe would stop the child.
    let said = child.stderr.take().map(io::read_to_string).transpose()?;
    let (status, usage) = wait(child.id())?;
    let wall = start.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("{command:?}: {status}: {}", said.unwrap_or_default()).into());
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Ok(Sample::new(wall, cpu, usage.ru_maxrss.unsigned_abs() * 1024))
}

/// Waits for a child and learns what it and those that it waited for took.
fn wait(child: u32) -> io::Result<(ExitStatus, libc::rusage)> {
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::zeroed());
    // SAFETY: both pointers are to variables of this function, and the system
    // writes one integer and one rusage.
    if unsafe { libc::wait4(child.cast_signed(), &raw mut status, 0, usage.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, and zeros were a value before: it is integers only.
    Ok((ExitStatus::from_raw(status), unsafe { usage.assume_init() }))
}
