//! mmdebstrap(1): apt of the machine chooses, dpkg of the root installs.

use ctr_forge_plugin::sandbox::ROOT_IN_MACHINE;
use ctr_forge_plugin::{Error, Result};

use super::{Command, Task, proxies};
use crate::index::Place;
use crate::options::{Options, Variant};

/// An option that was given and that mmdebstrap has nothing for.
pub(super) fn cannot(options: &Options) -> Option<&'static str> {
    if !options.exclude.is_empty() {
        return Some("exclude");
    }
    // Its hooks for that are files of its own, in places that differ.
    options.merged_usr.as_deref().is_some_and(|word| word != "auto").then_some("merged-usr")
}

/// What it is called with.
pub(super) fn command(task: &Task<'_>) -> Result<Command> {
    let mut argv = vec![task.program.to_owned()];
    let mut word = |text: String| argv.push(text);
    word("--mode=root".into());
    word("--format=directory".into());
    word(format!("--variant={}", variant(task.options.variant)));
    word(format!("--architectures={}", task.arch));
    if let Some(hooks) = merging_hooks(task) {
        word(format!("--hook-dir={hooks}"));
    }
    let packages = task.options.named()?;
    if !packages.is_empty() {
        word(format!("--include={}", packages.join(",")));
    }
    word(task.release.codename.clone());
    word(ROOT_IN_MACHINE.to_owned());
    for (place, keys) in task.places.iter().zip(&task.keys) {
        word(line(place, keys)?);
    }
    Ok(Command { argv, env: proxies(task.places) })
}

fn variant(variant: Variant) -> &'static str {
    match variant {
        Variant::Extract => "extract",
        Variant::Custom => "custom",
        Variant::Essential => "essential",
        Variant::Apt => "apt",
        Variant::Required => "required",
        Variant::Buildd => "buildd",
        Variant::Important => "important",
        Variant::Standard => "standard",
    }
}

/// Hooks by which it merges `/usr`: it does not by itself, and releases that have it merged
/// without bringing the links would come out unmerged.
fn merging_hooks(task: &Task<'_>) -> Option<&'static str> {
    const PLACE: &str = "/usr/share/mmdebstrap/hooks/merged-usr";
    let wanted = task.release.merged_usr == Some(true) && !task.release.links_in_base_files;
    (wanted && std::path::Path::new(PLACE).is_dir()).then_some(PLACE)
}

/// A line of sources.list(5).
fn line(place: &Place, keys: &[String]) -> Result<String> {
    let repository = &place.repository;
    let base = place.bases.first().ok_or_else(|| Error::plugin("a repository has no place"))?;
    let mut options = Vec::new();
    match repository.trusted {
        true => options.push("trusted=yes".to_owned()),
        false => options.push(format!("signed-by={}", keys.join(","))),
    }
    if !repository.check_valid_until {
        options.push("check-valid-until=no".to_owned());
    }
    let components = repository.components.join(" ");
    let line = format!("deb [{}] {} {} {components}", options.join(" "), base.url, repository.suite);
    Ok(line.trim_end().to_owned())
}
