//! From a directory to an image layout.

use std::fs;
use std::time::Duration;

use super::{Bench, Column, Goal, at_most_of};
use crate::Result;
use crate::measure::{Subject, in_turns, in_turns_cold};
use crate::record::{Record, Series};
use crate::work::Work;

pub(super) const BENCH: Bench = Bench {
    name: "layer",
    title: "From a directory to an image",
    text: "`ctr-forge output oci DIR -o image --preserve` makes an OCI image layout with one gzip layer. So do \
           `umoci init`, `umoci new` and `umoci insert` together. `tar --sort=name --xattrs | pigz -p2 | tee | \
           sha256sum` makes the layer alone, with one of the two digests that an image needs. All have two \
           threads. The small tree is that of the section above, the large one is eight copies of it. What was \
           made is the layer's blob. `again` is the same command on the unchanged tree, with what the first run \
           left in the cache; the first runs have none. The trees have been there for a minute, as is needed for \
           files to be known by their times. `zstd` has `--compression zstd`, beside `tar --sort=name \
           --xattrs | zstd -3 -T2`, which makes no digest, and the same with `sha256sum` before and after zstd, \
           which makes those that an image needs.",
    tools: &["umoci", "tar", "pigz", "zstd"],
    columns: &[Column::Seconds, Column::Cpu, Column::Time, Column::CpuTime, Column::Result, Column::Peak],
    run,
    goals,
};

const SMALL: &str = "270 MB";
const LARGE: &str = "2 GB";
const OURS: &str = "ctr-forge";
const UMOCI: &str = "umoci";
const PIGZ: &str = "tar and pigz";
const AGAIN: &str = "ctr-forge, again";
const ZSTD: &str = "ctr-forge, zstd";
const TAR_ZSTD: &str = "tar and zstd";
const DIGESTS: &str = "tar, zstd, digests";
/// Copies of the small tree in the large one.
const COPIES: &str = "8";
/// After this, nothing need be read of a file that is the same inode with the same times.
const SETTLES: Duration = Duration::from_secs(61);
const ROUNDS: usize = 5;
const ROUNDS_LARGE: usize = 3;

fn run(work: &Work) -> Result<Vec<Series>> {
    let small = work.fixture(&["tree", "small"])?;
    std::thread::sleep(SETTLES);
    let mut all = in_turns(ROUNDS, subjects(work, SMALL, "small", small))?;
    let large = work.fixture(&["copies", "small", "large", COPIES])?;
    std::thread::sleep(SETTLES);
    all.extend(in_turns_cold(ROUNDS_LARGE, subjects(work, LARGE, "large", large))?);
    Ok(all)
}

fn subjects<'a>(work: &'a Work, case: &str, tree: &'static str, input: (u64, u64)) -> Vec<Subject<'a>> {
    let series = |subject| Series::new(case, subject).with_input(input);
    let output = |more: &[&str]| {
        work.remove("image")?;
        let words = ["-q", "output", "oci", tree, "-o", "image", "--preserve", "--tag", "image:1"];
        Ok(work.forge(&[&words[..], more].concat()))
    };
    let first = move |more: &[&str]| {
        work.remove(".cache")?;
        output(more)
    };
    let ours = Subject::new(series(OURS), move || first(&[]));
    // Right after the first, which has left its cache.
    let again = Subject::new(series(AGAIN), move || output(&[]));
    let zstd = Subject::new(series(ZSTD), move || first(&["--compression", "zstd"]));
    let tar_zstd = Subject::new(series(TAR_ZSTD), move || {
        work.remove("layer.tar.zst")?;
        Ok(work
            .script(&format!("tar --sort=name --xattrs -cf - -C {tree} . | zstd -q -3 -T2 -o layer.tar.zst")))
    });
    let umoci = Subject::new(series(UMOCI), move || {
        work.remove("umoci")?;
        let script = "umoci init --layout umoci && umoci new --image umoci:1 && umoci insert --image umoci:1";
        Ok(work.script(&format!("{script} {tree} /")))
    });
    let pigz = Subject::new(series(PIGZ), move || {
        work.remove("layer.tar.gz")?;
        let tar = format!("tar --sort=name --xattrs -cf - -C {tree} .");
        Ok(work.script(&format!("{tar} | pigz -p2 | tee layer.tar.gz | sha256sum")))
    });
    let digests = Subject::new(series(DIGESTS), move || {
        work.remove("layer.tar.zst")?;
        let tar = format!("tar --sort=name --xattrs -cf - -C {tree} .");
        Ok(work.script(&format!(
            "{tar} | tee >(sha256sum > diff) | zstd -q -3 -T2 | tee layer.tar.zst | sha256sum"
        )))
    });
    let zst = || Ok(Some(fs::metadata(work.path("layer.tar.zst"))?.len()));
    vec![
        ours.with_result(|| blob(work, "image/blobs/sha256")),
        again.with_result(|| blob(work, "image/blobs/sha256")),
        zstd.with_result(|| blob(work, "image/blobs/sha256")),
        tar_zstd.with_result(zst),
        digests.with_result(zst),
        umoci.with_result(|| blob(work, "umoci/blobs/sha256")),
        pigz.with_result(|| Ok(Some(fs::metadata(work.path("layer.tar.gz"))?.len()))),
    ]
}

/// The length of the layer: nothing else in a layout is as long.
fn blob(work: &Work, directory: &str) -> Result<Option<u64>> {
    let mut longest = None;
    for entry in fs::read_dir(work.path(directory))? {
        longest = longest.max(Some(entry?.metadata()?.len()));
    }
    Ok(longest)
}

fn goals(record: &Record) -> Option<Vec<Goal>> {
    let mut goals = Vec::new();
    for case in [SMALL, LARGE] {
        goals.push(at_most_of(record, case, OURS, UMOCI, 0.85)?);
        goals.push(at_most_of(record, case, OURS, PIGZ, 0.45)?);
        goals.push(at_most_of(record, case, ZSTD, TAR_ZSTD, 0.5)?);
        goals.push(at_most_of(record, case, ZSTD, DIGESTS, 0.5)?);
        goals.push(at_most_of(record, case, AGAIN, OURS, 0.2)?);
        let length = |subject| record.series(case, subject)?.result;
        let ratio = length(OURS)? as f64 / length(UMOCI)? as f64;
        goals.push(Goal {
            wanted: format!("{case}: a blob no longer than that of {UMOCI}"),
            found: format!("{ratio:.3} of it"),
            met: ratio <= 1.0,
        });
    }
    Some(goals)
}
