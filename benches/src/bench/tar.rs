//! The tar library by itself, beside GNU tar.

use super::{Bench, Column};
use crate::Result;
use crate::measure::{Subject, in_turns};
use crate::record::Series;
use crate::work::Work;

pub(super) const BENCH: Bench = Bench {
    name: "tar",
    title: "Tar",
    text: "The tree is real: every Nth file of the machine's `/usr/lib` and `/usr/share` in the order of \
           their paths, none above 16 MiB, with N such that there are about 270 MB. Writing is \
           the library's walk, index and writer against `tar --sort=name --xattrs`, both into a file. Reading is \
           the library's reader against `tar -t`, both from a pipe, so that neither can skip content by seeking.",
    tools: &["tar"],
    columns: &[Column::Seconds, Column::Cpu, Column::Throughput, Column::Time, Column::CpuTime, Column::Peak],
    run,
    goals: |_| Some(Vec::new()),
};

const ROUNDS: usize = 9;

fn run(work: &Work) -> Result<Vec<Series>> {
    let input = work.fixture(&["tree", "tree"])?;
    let series = |case, subject| Series::new(case, subject).with_input(input);
    let fresh = |name: &'static str| move || work.remove(name);
    let (fresh_ours, fresh_theirs) = (fresh("ours.tar"), fresh("theirs.tar"));
    let ours = Subject::new(series("write", "library"), move || {
        fresh_ours()?;
        work.child(&["write", "tree", "ours.tar"])
    });
    let theirs = Subject::new(series("write", "GNU tar"), move || {
        fresh_theirs()?;
        Ok(work.script("tar --sort=name --xattrs -cf theirs.tar -C tree ."))
    });
    let mut all = in_turns(ROUNDS, vec![ours, theirs])?;
    let program = std::env::current_exe()?;
    let ours = Subject::new(series("read", "library"), move || {
        let mut command = work.script("cat ours.tar | \"$PROGRAM\" child read");
        command.env("PROGRAM", &program);
        Ok(command)
    });
    let theirs =
        Subject::new(series("read", "GNU tar"), move || Ok(work.script("cat ours.tar | tar -t | tail -n 1")));
    all.extend(in_turns(ROUNDS, vec![ours, theirs])?);
    Ok(all)
}
