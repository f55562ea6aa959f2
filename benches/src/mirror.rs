//! A part of Debian's archive on this machine, so that nobody waits for the network.
//!
//! The files are genuine, and so are their signatures. They come out of the cache that one run
//! of ctr-forge leaves behind.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use crate::Result;
use crate::work::Work;

pub(crate) const SUITE: &str = "bookworm";
pub(crate) const ARCH: &str = "amd64";
/// The folder of the copy, and the cache that it comes from.
const COPY: &str = "mirror";
const CACHE: &str = "mirror.cache";
const INDEX: &str = "main/binary-amd64/Packages.xz";
/// How the host may have to reach its mirror.
const PROXIES: [&str; 3] = ["http_proxy", "https_proxy", "no_proxy"];

/// What a report says of packages.
#[derive(Deserialize)]
struct Report {
    build: Build,
}

#[derive(Deserialize)]
struct Build {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    url: String,
    digest: String,
}

/// What the cache says of a URL.
#[derive(Deserialize)]
struct Record {
    url: String,
    sha256: String,
}

/// Copies the packages that these words name and what leads to them; their bytes, and their number.
pub(crate) fn copy(work: &Work, from: &str, words: &[&str]) -> Result<(u64, u64)> {
    let source = ["-q", "source", "debootstrap", SUITE, "--scripts", "skip", "--arch", ARCH];
    let files = ["--mirror", from, "--report", "mirror.json", "-o", "mirror.tar"];
    let mut forge = work.forge(&[&source[..], words, &files].concat());
    forge.env("CTR_FORGE_CACHE", work.path(CACHE));
    forge.envs(PROXIES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    let output = forge.output()?;
    if !output.status.success() {
        return Err(format!("the mirror's copy: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    indexes(work, from)?;
    let report: Report = serde_json::from_slice(&fs::read(work.path("mirror.json"))?)?;
    let mut bytes = 0;
    for package in &report.build.packages {
        let digest = package.digest.strip_prefix("sha256:").ok_or("a digest is not SHA-256")?;
        bytes += put(work, digest, below(from, &package.url)?)?;
    }
    for name in [CACHE, "mirror.json", "mirror.tar"] {
        work.remove(name)?;
    }
    Ok((bytes, report.build.packages.len() as u64))
}

/// The signed file, which the cache has by its URL, and the index, which it has by digest alone.
fn indexes(work: &Work, from: &str) -> Result<()> {
    for entry in fs::read_dir(work.path(CACHE).join("url"))? {
        let record: Record = serde_json::from_slice(&fs::read(entry?.path())?)?;
        // What was made of downloads is recorded beside them.
        if !record.url.starts_with("kept:") {
            put(work, &record.sha256, below(from, &record.url)?)?;
        }
    }
    let suite = format!("dists/{SUITE}");
    let release = fs::read_to_string(work.path(COPY).join(&suite).join("InRelease"))?;
    let digest = digest_of(&release, INDEX).ok_or("the suite has no such index")?;
    put(work, digest, &format!("{suite}/{INDEX}"))?;
    put(work, digest, &format!("{suite}/main/binary-{ARCH}/by-hash/SHA256/{digest}"))?;
    Ok(())
}

/// The SHA-256 that a signed file has of another; MD5 is listed too, and is shorter.
fn digest_of<'a>(release: &'a str, name: &str) -> Option<&'a str> {
    release.lines().find_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [digest, _, file] if file == name && digest.len() == 64 => Some(digest),
        _ => None,
    })
}

/// The path of a URL below that of the mirror.
fn below<'a>(from: &str, url: &'a str) -> Result<&'a str> {
    let path = url.strip_prefix(from.trim_end_matches('/')).and_then(|path| path.strip_prefix('/'));
    path.ok_or_else(|| "a file came from elsewhere".into())
}

/// Puts a file of the cache into the copy; its length.
fn put(work: &Work, digest: &str, path: &str) -> Result<u64> {
    let two = digest.get(..2).ok_or("a digest is too short")?;
    let to = work.path(COPY).join(path);
    fs::create_dir_all(to.parent().unwrap_or(&to))?;
    Ok(fs::copy(work.path(CACHE).join("sha256").join(two).join(digest), to)?)
}

/// The copy on the web, as long as this lives.
///
/// The server is a process of its own: it holds whole files in memory, which would else
/// count as that of all who are started here.
#[derive(Debug)]
pub(crate) struct Served {
    process: Child,
    url: String,
}

impl Served {
    pub(crate) fn new(work: &Work) -> Result<Self> {
        let mut command: Command = work.child(&["serve", COPY])?;
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut url = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut url)?;
        }
        Ok(Self { process, url: url.trim_end().to_owned() })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It is of no more use, whatever it says at its end.
        let _ = self.process.wait();
    }
}

/// Serves a directory, says where, and ends with standard input.
pub(crate) fn serve(directory: &Path) -> Result<()> {
    let server = ctr_forge_tests::Server::new(directory);
    println!("{}", server.url(""));
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_long_ones() {
        let long = "a".repeat(64);
        let release = format!("MD5Sum:\n 0123 5 main/x\nSHA256:\n {long} 5 main/xy\n {long} 5 main/x\n");
        assert_eq!(digest_of(&release, "main/x"), Some(long.as_str()));
        assert_eq!(digest_of(&release, "main/y"), None);
    }

    #[test]
    fn paths_are_below_the_mirror() {
        assert_eq!(below("http://a/debian/", "http://a/debian/pool/x").unwrap(), "pool/x");
        assert!(below("http://a/debian", "http://a/debian-security/pool/x").is_err());
    }
}
