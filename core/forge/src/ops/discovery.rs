//! `--discovery`: an App Container Image where a web server hands it out, with the page by which
//! rkt finds it (appc 0.8.11, `spec/discovery.md`, "Meta Discovery").
//!
//! The directory becomes what the server shows as `https://HOST/`, HOST being the first part of the
//! image's name:
//!
//! ```text
//! aci/HOST/APP-VERSION-OS-ARCH.aci        and .aci.asc beside it
//! APP/index.html                          says where these are
//! pubkeys.gpg                             the keys that sign
//! ```

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ctr_forge_plugin::{Error, Result};
use serde::Deserialize;

use crate::Forge;
use crate::destination::StagedFile;

/// By which a page of ours is known, which may be written over.
const GENERATOR: &str = "<meta name=\"generator\" content=\"ctr-forge\">";

/// Largest page that is read, in bytes.
const MAX_PAGE: u64 = 1 << 20;

/// What `--discovery` is asked for.
#[derive(Debug)]
pub struct DiscoveryRequest {
    /// A finished ACI.
    pub image: PathBuf,
    /// Its signature.
    pub signature: Option<PathBuf>,
    /// The public key, in armor, of who signed.
    pub public_key: Option<Vec<u8>>,
    /// The directory that a web server shows.
    pub directory: PathBuf,
}

/// What there is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discoverable {
    /// The image, in the directory.
    pub image: PathBuf,
    /// The page.
    pub page: PathBuf,
    /// Where rkt will look for the image.
    pub url: String,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    name: String,
    #[serde(default)]
    labels: Vec<Label>,
}

#[derive(Debug, Deserialize)]
struct Label {
    name: String,
    value: String,
}

/// Puts an image where a web server hands it out, and last the page that leads to it.
///
/// # Errors
///
/// If it is no ACI with a version, or a page of somebody else's is in the way.
pub fn discovery(forge: &Forge, asked: &DiscoveryRequest) -> Result<Discoverable> {
    let image = super::inspect::open(forge, &asked.image, None)?;
    let manifest: Manifest = serde_json::from_slice(&image.config.bytes).map_err(|e| {
        Error::input(format!("{} is no App Container Image", asked.image.display())).because(&e)
    })?;
    if !is_identifier(&manifest.name) {
        let message = format!("\"{}\" is no name for an ACI", manifest.name.escape_debug());
        return Err(Error::input(message).option("discovery"));
    }
    let (host, app) = manifest.name.split_once('/').unwrap_or((&manifest.name, ""));
    let label = |name: &str| {
        let value = manifest.labels.iter().find(|label| label.name == name).map(|label| label.value.as_str());
        let good = |value: &&str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !value.is_empty() && value.chars().all(plain)
        };
        value.filter(good).ok_or_else(|| {
            Error::usage(format!(
                "an image is found by its {name}, and this one has none that fits a file's name"
            ))
            .hint("The version is the tag: --tag example.com/app:1.2")
            .option("discovery")
        })
    };
    let file = format!("{}-{}-{}-{}.aci", manifest.name, label("version")?, label("os")?, label("arch")?);
    let directory = &asked.directory;
    let page = directory.join(app).join("index.html");
    let has_page = has_tags(&page, host, &manifest.name)?;
    let target = directory.join("aci").join(&file);
    copy(&asked.image, &target)?;
    let signature = target.with_extension("aci.asc");
    match &asked.signature {
        Some(signed) => copy(signed, &signature)?,
        // One of an older image of that name would be of no good.
        None => remove(&signature)?,
    }
    if let Some(key) = &asked.public_key {
        add_key(&directory.join("pubkeys.gpg"), key)?;
    }
    if !has_page {
        put(&page, &mut html(host, &manifest.name).as_bytes())?;
    }
    Ok(Discoverable { image: target, page, url: format!("https://{host}/aci/{file}") })
}

/// Whether a name can be one of a directory too: an AC Identifier without a part like `..` (appc
/// `spec/types.md`).
fn is_identifier(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let part = |part: &str| part.bytes().any(plain) && part.bytes().all(|b| plain(b) || b"-._~".contains(&b));
    name.split('/').all(part)
}

/// Adds a key to those that are there: others may sign other versions.
fn add_key(path: &Path, key: &[u8]) -> Result<()> {
    let cannot = |e| Error::io(format!("cannot read {}", path.display()), e);
    let mut keys = Vec::new();
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(cannot(e)),
        Ok(file) => _ = file.take(MAX_PAGE).read_to_end(&mut keys).map_err(cannot)?,
    }
    if key.is_empty() || keys.windows(key.len()).any(|there| there == key) {
        return Ok(());
    }
    keys.extend_from_slice(key);
    put(path, &mut keys.as_slice())
}

fn html(host: &str, name: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html>\n<head>\n{GENERATOR}\n{}\n</head>\n<body>rkt fetch {name}</body>\n</html>\n",
        tags(host, name).join("\n")
    )
}

fn tags(host: &str, name: &str) -> [String; 2] {
    let tag =
        |kind: &str, place: &str| format!("<meta name=\"{kind}\" content=\"{name} https://{host}/{place}\">");
    [
        tag("ac-discovery", "aci/{name}-{version}-{os}-{arch}.{ext}"),
        tag("ac-discovery-pubkeys", "pubkeys.gpg"),
    ]
}

/// Whether there is a page that leads to the image, of whomever it is. One of somebody else's that
/// does not is left as it is, and an error.
fn has_tags(page: &Path, host: &str, name: &str) -> Result<bool> {
    let cannot = |e| Error::io(format!("cannot read {}", page.display()), e);
    let mut text = String::new();
    match File::open(page) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(cannot(e)),
        Ok(file) => file.take(MAX_PAGE).read_to_string(&mut text).map_err(cannot)?,
    };
    let tags = tags(host, name);
    if tags.iter().all(|tag| text.contains(tag)) {
        return Ok(true);
    }
    if text.contains(GENERATOR) {
        return Ok(false);
    }
    let message = format!("{} is there already, and not by ctr-forge", page.display());
    Err(Error::usage(message).hint(format!("Write into its head: {}", tags.join(" "))).option("discovery"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut file = File::open(from).map_err(|e| Error::io(format!("cannot read {}", from.display()), e))?;
    put(to, &mut file)
}

fn put(path: &Path, content: &mut dyn Read) -> Result<()> {
    let cannot = |e| Error::io(format!("cannot write {}", path.display()), e);
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(cannot)?;
    let staged = StagedFile::new(path)?;
    let mut file = staged.file();
    io::copy(content, &mut file).and_then(|_| file.flush()).map_err(cannot)?;
    staged.publish()
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(format!("cannot remove {}", path.display()), e))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_directory() {
        for good in ["a", "example.com/app", "example.com/team/app-1"] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", "/a", "a/", "../a", "a/../../b", "a//b", "A/b", "a/.", "a b", "a/\u{e4}"] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }

    #[test]
    fn keys_of_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pubkeys.gpg");
        for key in ["ann\n", "bob\n", "ann\n"] {
            add_key(&path, key.as_bytes()).unwrap();
        }
        assert_eq!(fs::read(path).unwrap(), b"ann\nbob\n");
    }
}
