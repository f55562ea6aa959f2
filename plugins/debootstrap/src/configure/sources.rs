//! Where the image's own apt finds packages: sources.list(5), in its newer form.

use std::collections::BTreeMap;

use ctr_forge_plugin::{Result, Rootfs};

use super::{Task, put};
use crate::releases;
use crate::repository::Repository;

/// Writes the repositories of the build, where apt is in the image. URLs are those of the lock:
/// the distribution's own, or the user's.
pub(super) fn write(task: &Task<'_>, rootfs: &Rootfs<'_>) -> Result<()> {
    if !task.lock.packages.iter().any(|package| package.name == "apt") {
        return Ok(());
    }
    let name = format!("etc/apt/sources.list.d/{}.sources", task.lock.distribution);
    let text = text(task, keyring(task, rootfs)?.as_deref());
    put(rootfs, [(name, 0o644, text.as_bytes())].into_iter())
}

/// The distribution's keys, if the image has them.
fn keyring(task: &Task<'_>, rootfs: &Rootfs<'_>) -> Result<Option<String>> {
    let path = format!("/usr/share/keyrings/{}-archive-keyring.gpg", task.lock.distribution);
    Ok(rootfs.read(path.as_str())?.is_some().then_some(path))
}

fn text(task: &Task<'_>, keyring: Option<&str>) -> String {
    let release = releases::find(&task.lock.release);
    let mut by_place: BTreeMap<(usize, &str, String), Vec<&str>> = BTreeMap::new();
    for (order, index) in task.lock.indexes.iter().enumerate() {
        let components = index.components.join(" ");
        let same = by_place.iter_mut().find(|((_, url, parts), _)| *url == index.url && *parts == components);
        match same {
            Some((_, suites)) => suites.push(&index.suite),
            None => _ = by_place.insert((order, &index.url, components), vec![&index.suite]),
        }
    }
    let stanza = |((_, url, components), suites): (&(usize, &str, String), &Vec<&str>)| {
        let mut text = format!("Types: deb\nURIs: {url}\nSuites: {}\n", suites.join(" "));
        if !components.is_empty() {
            text += &format!("Components: {components}\n");
        }
        // Whose keys vouch for others, the user has to say inside too.
        let repository = Repository::new((*url).to_owned(), suites[0].to_owned());
        if let Some(keyring) =
            keyring.filter(|_| release.is_some_and(|release| release.has_mirrors(&repository)))
        {
            text += &format!("Signed-By: {keyring}\n");
        }
        text
    };
    by_place.iter().map(stanza).collect::<Vec<_>>().join("\n")
}
