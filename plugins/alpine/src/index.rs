//! From repositories to the packages that they offer: the signed index of each.
//!
//! Two gzip members: the signatures, and a tar with `DESCRIPTION` and `APKINDEX` whose
//! compressed bytes they sign (apk-package(5)). One signature by a key of the repository is
//! enough. An index has no date, so an old one cannot be told from a new one.

use std::fs::File;
use std::io::{Read, Write};

use ctr_forge_plugin::{
    CheckedBy, Error, ErrorKind, FetchRequest, FetchUrl, Fetched, Host, Result, Signer, TrustLink, Vouch,
};
use ctr_forge_rootfs::Digest;

use crate::apk::is_version_3;
use crate::members::{MemberError, Sums, Tap, read_member};
use crate::places::Places;
use crate::repository::{Place, index_url};
use crate::signature::{self, Signature};

/// Largest index, compressed, in bytes: the signed part goes to the host as one file.
const MAX_INDEX: u64 = 64 << 20;
/// Largest index, in bytes. A stanza has about 400, so this is a million packages.
const MAX_TEXT: u64 = 512 << 20;

/// Most signatures that are tried: each takes a look at all of the data.
const MAX_SIGNATURES: usize = 16;

/// An index that was accepted.
#[derive(Debug)]
pub(crate) struct Index {
    /// Stanzas of packages.
    pub(crate) text: String,
    /// Who vouches for it. The digest is that of the part that is signed.
    pub(crate) link: TrustLink,
}

/// The index of each place, in their order.
pub(crate) fn indexes(host: &Host, places: &Places, arch: &str, untrusted: bool) -> Result<Vec<Index>> {
    let request = |place: &Place| FetchRequest {
        name: format!("the index of {}", place.title()),
        urls: vec![FetchUrl { url: index_url(place.base(), arch), proxy: None }],
        max_size: Some(MAX_INDEX),
        ..FetchRequest::default()
    };
    let fetches = host.fetch(places.all.iter().map(request).collect())?;
    let accept = |(place, fetched): (&Place, Result<Fetched>)| {
        fetched.and_then(|fetched| accept(host, place, arch, &mut &fetched.file, untrusted)).map_err(
            |error| match error.kind {
                ErrorKind::NotFound => {
                    error.context(format!("there is no repository for {arch} at {}", place.title()))
                }
                _ => error.context(format!("cannot use {}", place.title())),
            },
        )
    };
    places.all.iter().zip(fetches).map(accept).collect()
}

/// Accepts what a place says is its index, or says why not.
fn accept(host: &Host, place: &Place, arch: &str, file: &mut &File, untrusted: bool) -> Result<Index> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| Error::io("cannot read an index", e))?;
    let bad = |e: &dyn std::error::Error| Error::new(ErrorKind::Input, "its index cannot be read").because(e);
    if is_version_3(&bytes) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "its index is in apk's version 3 format (ADB), which is not read yet",
        )
        .hint("Where the repository has an APKINDEX.tar.gz too, name that one."));
    }
    let is_free = untrusted && place.keys.is_empty();
    let mut tap = Tap::new(&bytes[..]);
    // Nothing large is unpacked before it is known who has signed it.
    let limit = if is_free { MAX_TEXT } else { signature::MAX };
    let (first, sum) = match read_member(&mut tap, Sums::None, "first member", limit) {
        Err(MemberError::TooLarge { .. }) if !is_free => return Err(not_signed(untrusted)),
        first => first.map_err(|e| bad(&e))?,
    };
    let signatures = match first.len() as u64 <= signature::MAX {
        true => signature::parse(&first).map_err(|e| bad(&e))?,
        false => None,
    };
    let (tar, signed, signers) = match signatures {
        Some(signatures) => {
            let signed = &bytes[usize::try_from(sum.size).unwrap_or(bytes.len())..];
            let signers = match is_free {
                true => Vec::new(),
                false => check(host, place, signed, &signatures)?,
            };
            // What was verified is what is read: all that is behind the signatures, once.
            let (tar, _) = read_member(&mut tap, Sums::None, "index", MAX_TEXT).map_err(|e| bad(&e))?;
            (tar, signed, signers)
        }
        None if is_free => (first, &bytes[..], Vec::new()),
        None => return Err(not_signed(untrusted)),
    };
    if !tap.is_at_end().unwrap_or(false) {
        return Err(Error::new(ErrorKind::Verification, "there are bytes behind the end of its index"));
    }
    if signers.is_empty() {
        host.warn(format!("{} is used without a signature, as --allow-untrusted says", place.title()));
    }
    Ok(Index { text: text(&tar)?, link: link(place, arch, signed, &signers) })
}

fn not_signed(untrusted: bool) -> Error {
    let error = Error::new(ErrorKind::Verification, "its index is not signed");
    match untrusted {
        true => error.hint("A key is known for it, so it has to be signed, --allow-untrusted or not."),
        false => error.hint("If you mean it: --allow-untrusted, and no --key."),
    }
}

/// Who of the place's keys has signed; one is enough.
fn check(host: &Host, place: &Place, signed: &[u8], signatures: &[Signature]) -> Result<Vec<Signer>> {
    let keys = (place.keys.as_slice(), place.fingerprints.as_slice());
    if keys.0.is_empty() {
        return Err(place.no_key());
    }
    verify(host, "the index", signed, signatures, keys)
}

/// Who of these keys has signed `signed`; one signature that holds is enough.
pub(crate) fn verify(
    host: &Host,
    name: &str,
    signed: &[u8],
    signatures: &[Signature],
    (keys, fingerprints): (&[(String, Vec<u8>)], &[String]),
) -> Result<Vec<Signer>> {
    let file = |bytes: &[u8]| {
        let mut file = host.temp_file()?;
        file.write_all(bytes).map_err(|e| Error::io("cannot hand data to the host", e))?;
        Ok(file)
    };
    let data = file(signed)?;
    let mut refusal = None;
    // A signature names its key, so those whose key is known come first.
    let mut order: Vec<&Signature> = signatures.iter().collect();
    order.sort_by_key(|signature| !keys.iter().any(|(key, _)| *key == signature.key));
    for signature in order.into_iter().take(MAX_SIGNATURES) {
        let Some(kind) = signature.kind else { continue };
        let keys: Vec<(String, File)> =
            keys.iter().map(|(name, pem)| Ok((name.clone(), file(pem)?))).collect::<Result<_>>()?;
        match host.verify_rsa(kind, name, &data, &file(&signature.bytes)?, &keys, fingerprints) {
            Ok(signers) => return Ok(signers),
            Err(error) if error.kind != ErrorKind::Verification => return Err(error),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| {
        let words: Vec<&str> = signatures.iter().map(|signature| signature.word.as_str()).collect();
        let how = if words.is_empty() { "nobody".to_owned() } else { words.join(", ") };
        Error::new(ErrorKind::Verification, format!("{name} is signed by no way that is known here: {how}"))
    }))
}

fn link(place: &Place, arch: &str, signed: &[u8], signers: &[Signer]) -> TrustLink {
    TrustLink {
        subject: place.repository.index_url(arch),
        digest: Digest::of(signed).to_string(),
        how: if signers.is_empty() { Vouch::User } else { Vouch::Signature },
        signers: signers.iter().map(|signer| signer.fingerprint.clone()).collect(),
        listed_in: None,
        checked_by: CheckedBy::Plugin,
    }
}

/// `APKINDEX` of the tar.
fn text(tar: &[u8]) -> Result<String> {
    let bad = |e: &dyn std::error::Error| Error::new(ErrorKind::Input, "its index is no tar").because(e);
    let mut reader = signature::reader(tar);
    let mut found = None;
    while let Some(entry) = reader.next_entry().map_err(|e| bad(&e))? {
        if entry.path.as_bytes() == b"APKINDEX" {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(|e| bad(&e))?;
            let text = String::from_utf8(bytes)
                .map_err(|_| Error::new(ErrorKind::Input, "its index is not UTF-8"))?;
            if found.replace(text).is_some() {
                return Err(Error::new(ErrorKind::Input, "its index has two files APKINDEX"));
            }
        }
    }
    found.ok_or_else(|| Error::new(ErrorKind::Input, "its index has no file APKINDEX"))
}
