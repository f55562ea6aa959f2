//! Where the image's own apt finds packages: sources.list(5), in its newer form.

use ctr_forge_packages::root;
use ctr_forge_plugin::{Result, Rootfs};

use crate::index::Place;
use crate::lock::{Lock, LockedIndex};
use crate::places::key_extension;
use crate::releases;

/// Where apt's keys lie that no package brings.
const KEYRINGS: &str = "etc/apt/keyrings";

/// Files of a root: path, permissions, content.
type Files = Vec<(String, u16, Vec<u8>)>;

/// Writes the repositories of the build, where apt is in the image. URLs are those of the lock:
/// the distribution's own, or the user's; keys that the user gave come along.
pub(crate) fn write(lock: &Lock, places: &[Place], rootfs: &Rootfs<'_>, has_apt: bool) -> Result<()> {
    if !has_apt {
        return Ok(());
    }
    let keyring = format!("/usr/share/keyrings/{}-archive-keyring.gpg", lock.distribution);
    let keyring = rootfs.read(keyring.as_str())?.is_some().then_some(keyring);
    let files = files(lock, places, keyring.as_deref());
    root::put(rootfs, files.iter().map(|(path, mode, content)| (path.clone(), *mode, &content[..])))
}

/// A stanza: one place, whatever its suites.
#[derive(Debug, PartialEq, Eq)]
struct Stanza<'a> {
    url: &'a str,
    components: &'a [String],
    trust: String,
    suites: Vec<&'a str>,
}

fn files(lock: &Lock, places: &[Place], keyring: Option<&str>) -> Files {
    let mut files = Files::new();
    let mut stanzas: Vec<Stanza<'_>> = Vec::new();
    for LockedIndex { url, suite, components, .. } in &lock.indexes {
        let is_place = |place: &&Place| place.repository.url == *url && place.repository.suite == *suite;
        let trust = places.iter().find(is_place).map(|place| trust(lock, place, keyring, &mut files));
        let trust = trust.unwrap_or_default();
        let same = stanzas
            .iter_mut()
            .find(|stanza| (stanza.url, stanza.components, &stanza.trust) == (url, components, &trust));
        match same {
            Some(stanza) => stanza.suites.push(suite),
            None => stanzas.push(Stanza { url, components, trust, suites: vec![suite] }),
        }
    }
    let text = stanzas.iter().map(Stanza::text).collect::<Vec<_>>().join("\n");
    files.push((format!("etc/apt/sources.list.d/{}.sources", lock.distribution), 0o644, text.into_bytes()));
    files
}

/// What says who vouches for a place; keys that it takes are added to `files`.
fn trust(lock: &Lock, place: &Place, keyring: Option<&str>, files: &mut Files) -> String {
    if place.repository.trusted {
        return "Trusted: yes\n".into();
    }
    let are_shipped = place.keys.iter().all(|(name, _)| releases::key(name).is_some());
    match keyring {
        Some(keyring) if are_shipped => return format!("Signed-By: {keyring}\n"),
        // apt has no keys of the distribution's there, or looks for them by itself.
        None if are_shipped => return String::new(),
        _ => {}
    }
    let paths = place.keys.iter().map(|(_, key)| match files.iter().find(|(_, _, other)| other == key) {
        Some((path, ..)) => format!("/{path}"),
        None => {
            let path = format!("{KEYRINGS}/{}-{}.{}", lock.distribution, files.len() + 1, key_extension(key));
            files.push((path.clone(), 0o644, key.clone()));
            format!("/{path}")
        }
    });
    format!("Signed-By: {}\n", paths.collect::<Vec<_>>().join(","))
}

impl Stanza<'_> {
    fn text(&self) -> String {
        let mut text = format!("Types: deb\nURIs: {}\nSuites: {}\n", self.url, self.suites.join(" "));
        if !self.components.is_empty() {
            text += &format!("Components: {}\n", self.components.join(" "));
        }
        text + &self.trust
    }
}
