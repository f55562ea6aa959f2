//! Signatures made by GnuPG, and what becomes of them when they are changed.
//!
//! The samples are described in `testdata/openpgp/README.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use super::*;

mod framing;
mod judgement;
mod keys;
mod mutation;
mod packages;

/// 1 July 2024: after the samples are signed, before anything has lapsed.
const BEFORE: u64 = 1_719_792_000;
/// 1 September 2024, when what lapses does.
const LAPSED: u64 = 1_725_148_800;
/// 1 January 2025.
const AFTER: u64 = 1_735_689_600;

fn at(seconds: u64) -> Policy {
    Policy { at: time(seconds) }
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/openpgp").join(name)
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn message(name: &str) -> Vec<u8> {
    sample(&format!("messages/{name}.asc"))
}

fn key(name: &str) -> Vec<u8> {
    sample(&format!("keys/{name}.asc"))
}

/// The keys of all samples but the stranger's.
fn everybody() -> &'static Keyring {
    static RING: LazyLock<Keyring> = LazyLock::new(read_all);
    &RING
}

fn read_all() -> Keyring {
    let mut names: Vec<_> = fs::read_dir(path("keys")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let files: Vec<_> = names.iter().map(|name| fs::read(name).unwrap()).collect();
    let files: Vec<_> = files.iter().map(|data| ("all", data.as_slice())).collect();
    Keyring::read(&files).unwrap()
}

fn ring(name: &str) -> Keyring {
    Keyring::read(&[(name, &key(name))]).unwrap()
}

/// The sample of this name, by the rules of this time.
fn verify(name: &str, seconds: u64) -> Result<Verified, VerifyError> {
    verify_cleartext(&message(name), everybody(), &at(seconds))
}

fn refusal(result: Result<Verified, VerifyError>) -> Refusal {
    match result {
        Err(VerifyError::Refused { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

fn replace(data: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text: String = data.iter().map(|&byte| char::from(byte)).collect();
    assert!(text.contains(from), "{from:?}");
    text.replacen(from, to, 1).chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect()
}
