//! Under which keys a package stands in a table, and with which number (rpm's `lib/rpmdb.c`,
//! `tag2index`).

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Installed, rich};
use crate::rpm::header::Header;
use crate::rpm::tag;

/// A key, and which of the tag's values it is.
pub(super) type Key<'a> = (Cow<'a, [u8]>, u32);

// Flags of a dependency (`rpmsenseFlags`): of scripts, of rpm itself.
const PRE: u64 = 1 << 9;
const POST: u64 = 1 << 10;
const PREUN: u64 = 1 << 11;
const POSTUN: u64 = 1 << 12;
const PRETRANS: u64 = 1 << 7;
const POSTTRANS: u64 = 1 << 5;
const RPMLIB: u64 = 1 << 24;
const KEYRING: u64 = 1 << 26;
const META: u64 = 1 << 29;

/// Architectures that have the byte of most weight first.
const BIG_ENDIAN: [&str; 8] = ["s390", "s390x", "ppc", "ppc64", "ppc64p7", "sparc64", "mips", "mips64"];

/// The keys of a package in the table of a tag.
pub(super) fn keys<'a>(tag: u32, package: &'a Installed<'_>, is_big_endian: bool) -> Vec<Key<'a>> {
    let header = package.row.header;
    let numbered = || header.strings(tag).zip(0..);
    let plain = |(key, number): (&'a [u8], u32)| (Cow::from(key), number);
    match tag {
        // A package without one has always been in a group of this name.
        tag::GROUP => vec![(header.strings(tag).next().unwrap_or(b"Unknown").into(), 0)],
        tag::REQUIRENAME => required(header),
        tag::CONFLICTNAME
        | tag::SUGGESTNAME
        | tag::SUPPLEMENTNAME
        | tag::RECOMMENDNAME
        | tag::ENHANCENAME => with_rich(numbered()),
        tag::TRIGGERNAME => {
            let mut seen = HashSet::new();
            numbered().filter(|(key, _)| seen.insert(*key)).map(plain).collect()
        }
        tag::FILETRIGGERNAME => triggered(header, tag, tag::FILETRIGGERINDEX),
        tag::TRANSFILETRIGGERNAME => triggered(header, tag, tag::TRANSFILETRIGGERINDEX),
        tag::INSTALLTID => {
            let tid = package.row.tid;
            let bytes = if is_big_endian { tid.to_be_bytes() } else { tid.to_le_bytes() };
            vec![(bytes.to_vec().into(), 0)]
        }
        tag::SIGMD5 => added(package, tag).map(|value| (value.into(), 0)).into_iter().collect(),
        tag::SHA1HEADER => {
            let text = added(package, tag).and_then(|value| value.strip_suffix(&[0]));
            text.map(|text| (text.into(), 0)).into_iter().collect()
        }
        _ => numbered().map(plain).collect(),
    }
}

/// The value of an entry that rpm adds.
fn added<'a>(package: &'a Installed<'_>, tag: u32) -> Option<&'a [u8]> {
    package.added.iter().find(|entry| entry.tag == tag).map(|entry| &*entry.value)
}

/// Whether a root is of an architecture that has the byte of most weight first: rpm writes the
/// numbers of transactions as its machine has them.
pub(super) fn is_big_endian(packages: &[Installed<'_>]) -> bool {
    let is = |header: &Header| header.text(tag::ARCH).is_some_and(|arch| BIG_ENDIAN.contains(&&*arch));
    packages.iter().any(|package| is(package.row.header))
}

/// What is needed only while the package is being installed is not there.
fn required(header: &Header) -> Vec<Key<'_>> {
    let flags = header.numbers(tag::REQUIREFLAGS);
    let is_lasting = |number: u32| {
        let flags = flags.get(number as usize).copied().unwrap_or(0);
        let is_of_installation = flags & (PRE | POST | RPMLIB | KEYRING | PRETRANS | POSTTRANS) != 0;
        !is_of_installation || flags & (PREUN | POSTUN | META) != 0
    };
    with_rich(header.strings(tag::REQUIRENAME).zip(0..).filter(|&(_, number)| is_lasting(number)))
}

/// Behind a rich dependency come the names in it.
fn with_rich<'a>(numbered: impl Iterator<Item = (&'a [u8], u32)>) -> Vec<Key<'a>> {
    let mut keys = Vec::new();
    for (key, number) in numbered {
        keys.push((key.into(), number));
        if key.starts_with(b"(") {
            keys.extend(rich::names(key).into_iter().map(|name| (name.into(), number)));
        }
    }
    keys
}

/// A prefix of files stands there with the number of its trigger.
fn triggered(header: &Header, tag: u32, index: u32) -> Vec<Key<'_>> {
    let numbers = header.numbers(index);
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    header.strings(tag).zip(numbers).map(|(key, trigger)| (key.into(), number(trigger))).collect()
}
