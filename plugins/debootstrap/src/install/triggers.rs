//! Triggers: what a package wants to be told of.
//!
//! dpkg keeps the interests of unpacked packages in `/var/lib/dpkg/triggers`: those in paths
//! in `File`, those in names in a file each. What was activated meanwhile it remembers only
//! for packages that are configured: one that is not will look at all there is when it is.
//! So after an unpacking into an empty root nothing is pending; after one into a root with
//! configured packages, `Unincorp` has whose paths were touched and who waits for that.

use std::collections::{BTreeMap, BTreeSet};

use ctr_forge_rootfs::{MAX_NAME, RootPath};

use super::InstallError;
use super::record::Record;

/// An interest of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interest {
    /// A path with a leading slash, or a name.
    trigger: String,
    /// Whether packages that activate it wait until it was processed.
    awaits: bool,
}

/// Files of `/var/lib/dpkg/triggers` that are no trigger's.
const RESERVED: &[&str] = &["File", "Lock", "Unincorp"];

/// Reads `triggers` of `package`: deb-triggers(5).
pub(super) fn parse(package: &str, file: &[u8]) -> Result<Vec<Interest>, InstallError> {
    let mut interests: Vec<Interest> = Vec::new();
    for line in file.split(|&b| b == b'\n') {
        let wrong = |what| InstallError::Line {
            package: package.to_owned(),
            file: "triggers",
            line: line.escape_ascii().to_string(),
            what,
        };
        let text = line.split(|&b| b == b'#').next().unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|_| wrong("is no text"))?;
        let mut words = text.split_ascii_whitespace();
        let awaits = match words.next() {
            None => continue,
            Some("interest" | "interest-await") => Some(true),
            Some("interest-noawait") => Some(false),
            Some("activate" | "activate-await" | "activate-noawait") => None,
            Some(_) => return Err(wrong("is no directive of deb-triggers(5)")),
        };
        let trigger = match (words.next(), words.next()) {
            (Some(trigger), None) if is_trigger(trigger) => trigger.to_owned(),
            _ => return Err(wrong("does not name one trigger")),
        };
        if let Some(awaits) = awaits
            && !interests.iter().any(|interest| interest.trigger == trigger)
        {
            interests.push(Interest { trigger, awaits });
        }
    }
    Ok(interests)
}

fn is_trigger(trigger: &str) -> bool {
    match trigger.strip_prefix('/') {
        Some(path) => path.split('/').all(|name| !matches!(name, "" | "." | "..")),
        None => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
            trigger.len() <= MAX_NAME
                && trigger.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
                && trigger.bytes().all(plain)
                && !RESERVED.contains(&trigger)
        }
    }
}

/// The files of `/var/lib/dpkg/triggers`, by name. The first `known` packages are configured.
pub(super) fn files(records: &[Record], known: usize) -> BTreeMap<String, String> {
    let (configured, unpacked) = records.split_at(known.min(records.len()));
    // dpkg writes this one whether or not there is anything in it.
    let mut files = BTreeMap::from([("Unincorp".to_owned(), activated(configured, unpacked))]);
    for record in records {
        for Interest { trigger, awaits } in &record.interests {
            let option = if *awaits { "" } else { "/noawait" };
            let package = record.full_name();
            let (file, line) = match trigger.starts_with('/') {
                true => ("File", format!("{trigger} {package}{option}\n")),
                false => (trigger.as_str(), format!("{package}{option}\n")),
            };
            files.entry(file.to_owned()).or_default().push_str(&line);
        }
    }
    files
}

/// The triggers in paths that `unpacked` activate for `configured`: `TRIGGER WAITING…` a
/// line, `-` where nobody waits (`lib/dpkg/trigdeferred.c`).
fn activated(configured: &[Record], unpacked: &[Record]) -> String {
    let mut waiting: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let interests = configured.iter().flat_map(|record| &record.interests);
    for Interest { trigger, awaits } in interests {
        let Some(prefix) = trigger.strip_prefix('/') else { continue };
        let Ok(prefix) = RootPath::new(prefix.as_bytes()) else { continue };
        for record in unpacked.iter().filter(|record| record.touches(&prefix)) {
            let waiter = if *awaits { record.full_name() } else { "-".to_owned() };
            waiting.entry(trigger).or_default().insert(waiter);
        }
    }
    let line = |(trigger, mut waiting): (&str, BTreeSet<String>)| {
        if waiting.len() > 1 {
            waiting.remove("-");
        }
        format!("{trigger} {}\n", waiting.into_iter().collect::<Vec<_>>().join(" "))
    };
    waiting.into_iter().map(line).collect()
}

impl Record {
    /// Whether it ships something at or below `prefix`.
    fn touches(&self, prefix: &RootPath) -> bool {
        self.paths.iter().any(|shipped| shipped.path.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives() {
        let file = b"# a comment\n\ninterest-noawait /usr/share/x # why\ninterest ldconfig\nactivate other\n";
        let interest = |trigger: &str, awaits| Interest { trigger: trigger.to_owned(), awaits };
        let expected = [interest("/usr/share/x", false), interest("ldconfig", true)];
        assert_eq!(parse("a", file).unwrap(), expected);
    }

    #[test]
    fn no_file_of_the_database_can_be_named() {
        for line in ["interest File", "interest ../status", "interest /a/../b", "interest /", "inter x"] {
            assert!(parse("a", line.as_bytes()).is_err(), "{line}");
        }
    }
}
