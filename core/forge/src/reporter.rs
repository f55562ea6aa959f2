//! Progress and messages, as the core tells them: it never prints itself.

use ctr_forge_plugin::Level;

/// Takes what is to be told to whoever waits. Called from the thread that works.
pub trait Reporter: Send + Sync {
    /// A line about the work.
    fn log(&self, level: Level, message: &str);
    /// Something that the user should know of though the work goes on.
    fn warning(&self, message: &str, hint: Option<&str>);
    /// A new stretch of work begins.
    fn phase(&self, name: &str);
    /// How far it is; `total` is 0 where that is not known.
    fn progress(&self, done: u64, total: u64, unit: &str);
    /// The work is over: what shows that it goes on should go away.
    fn finish(&self) {}
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn log(&self, _: Level, _: &str) {}
    fn warning(&self, _: &str, _: Option<&str>) {}
    fn phase(&self, _: &str) {}
    fn progress(&self, _: u64, _: u64, _: &str) {}
}
