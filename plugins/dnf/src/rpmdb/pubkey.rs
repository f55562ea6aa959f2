//! Keys in the package database: rpm keeps each as a package `gpg-pubkey-…` without files, and
//! trusts those whose package is installed (rpm's `lib/keystore.cc`, `makePubkeyHeader`).

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Row;
use super::certificate::{self, Certificate, CertificateError};
use crate::rpm::header::Header;
use crate::rpm::header::entry::Entry;
use crate::rpm::tag;

/// `RPMSENSE_KEYRING | RPMSENSE_EQUAL`
const KEYRING_EQUAL: u32 = 1 << 26 | 1 << 3;
/// Letters in a line of an armour.
const LINE: usize = 64;

/// The package that stands for a key.
#[derive(Debug)]
pub struct Key {
    /// The fingerprint of the key.
    pub fingerprint: Vec<u8>,
    /// Its header.
    pub header: Header,
    /// Its digests, which rpm makes itself here and finds in the signature header elsewhere.
    pub signature: Header,
}

impl Key {
    /// Its row in the database, where it was imported at a time, in seconds since 1970.
    pub fn row(&self, time: u32) -> Row<'_> {
        let Self { header, signature, .. } = self;
        Row { header, signature, states: &[], color: None, install_time: time, tid: time }
    }
}

/// The packages for all certificates in files, armoured or not, in their order and each once, as the
/// rpm of a version (`4.18.0`) makes them: since 6 they have the whole fingerprint in their names.
///
/// # Errors
///
/// If a file is no public key that rpm would import.
pub fn keys(files: &[&[u8]], rpm_version: &str) -> Result<Vec<Key>, CertificateError> {
    let (mut keys, mut seen) = (Vec::new(), HashSet::new());
    for file in files {
        for certificate in certificate::read(file)? {
            if seen.insert(certificate.primary.fingerprint.clone()) {
                keys.push(key(&certificate, rpm_version)?);
            }
        }
    }
    Ok(keys)
}

/// The certificates in a file, armoured or not: the fingerprint of each in upper-case hexadecimal,
/// and its packets.
///
/// # Errors
///
/// If there is none in it, or one that rpm would not read.
pub fn certificates(file: &[u8]) -> Result<Vec<(String, Vec<u8>)>, CertificateError> {
    let named = |Certificate { primary, bytes, .. }| (hex(&primary.fingerprint).to_uppercase(), bytes);
    Ok(certificate::read(file)?.into_iter().map(named).collect())
}

/// A key in ASCII armour (RFC 9580, section 6), as rpm takes no other; a text stays as it is.
pub fn armoured(key: &[u8]) -> String {
    match certificate::is_binary(key) {
        true => armour(key, ""),
        false => String::from_utf8_lossy(key).into_owned(),
    }
}

fn key(certificate: &Certificate, rpm_version: &str) -> Result<Key, CertificateError> {
    let major = rpm_version.split('.').next().and_then(|major| major.parse().ok());
    let is_of_6 = major.is_some_and(|major: u32| major >= 6);
    let Certificate { bytes, primary, user, .. } = certificate;
    let user = user.as_deref().unwrap_or(b"none");
    let name = if is_of_6 { hex(&primary.fingerprint) } else { hex(&primary.id()[4..]) };
    let mut entries = vec![
        Entry::texts(tag::PUBKEYS, &[base64(bytes)]),
        Entry::text(tag::NAME, "gpg-pubkey"),
        Entry::text(tag::VERSION, name),
        Entry::text(tag::RELEASE, format!("{:x}", primary.created)),
        Entry::translated(tag::DESCRIPTION, armour(bytes, &format!("Version: rpm-{rpm_version}\n"))),
        Entry::translated(tag::GROUP, "Public Keys"),
        Entry::text(tag::LICENSE, "pubkey"),
        Entry::translated(tag::SUMMARY, [user, b" public key"].concat()),
        Entry::text(tag::PACKAGER, user),
        Entry::number(tag::SIZE, 0),
        Entry::text(tag::RPMVERSION, rpm_version),
        Entry::text(tag::BUILDHOST, "localhost"),
        Entry::number(tag::BUILDTIME, primary.created),
        Entry::text(tag::SOURCERPM, "(none)"),
    ];
    entries.extend(provides(certificate, is_of_6));
    let header = Header::build(tag::HEADERIMMUTABLE, entries)?;
    let signature = digests(&header)?;
    Ok(Key { fingerprint: primary.fingerprint.clone(), header, signature })
}

/// `gpg(…)` for the name and the numbers of the key and of its subkeys that sign; since 6 rpm finds
/// subkeys by themselves.
fn provides(certificate: &Certificate, is_of_6: bool) -> [Entry<'static>; 3] {
    let Certificate { primary, user, subkeys, .. } = certificate;
    let subkeys = if is_of_6 { &[][..] } else { subkeys };
    let (mut names, mut versions) = (vec![user.clone().unwrap_or_else(|| b"none".to_vec())], Vec::new());
    for (key, count) in [(primary, 3)].into_iter().chain(subkeys.iter().map(|key| (key, 2))) {
        let id = hex(key.id());
        let long = if is_of_6 { hex(&key.fingerprint) } else { id.clone() };
        let version = format!("{}:{long}-{:x}", key.version, key.created);
        versions.extend(std::iter::repeat_n(version, count));
        names.extend([id[8..].into(), id.into()]);
    }
    let names: Vec<Vec<u8>> = names.iter().map(|name| [b"gpg(", &name[..], b")"].concat()).collect();
    [
        Entry::texts(tag::PROVIDENAME, &names),
        Entry::texts(tag::PROVIDEVERSION, &versions),
        Entry::numbers(tag::PROVIDEFLAGS, &vec![KEYRING_EQUAL; names.len()]),
    ]
}

/// The digests of a header, in the form of a signature header.
fn digests(header: &Header) -> Result<Header, CertificateError> {
    let entries = vec![
        Entry::text(tag::SHA1HEADER, hex(&certificate::sha1(header.bytes()))),
        Entry::text(tag::SHA256HEADER, hex(&certificate::sha256(header.bytes()))),
    ];
    Ok(Header::build(tag::HEADERSIGNATURES, entries)?)
}

/// Packets in ASCII armour, below whole lines of `headers`.
fn armour(bytes: &[u8], headers: &str) -> String {
    format!(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n{headers}\n\
         {}={}\n-----END PGP PUBLIC KEY BLOCK-----\n",
        base64(bytes),
        STANDARD.encode(certificate::crc24(bytes))
    )
}

/// Base64 in lines.
fn base64(bytes: &[u8]) -> String {
    let lines = bytes.chunks(LINE / 4 * 3);
    lines.map(|line| STANDARD.encode(line) + "\n").collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpmdb;

    /// A key for certification with a subkey for signatures and one for encryption.
    const KEY: &str = "\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEZZN9JRYJKwYBBAHaRw8BAQdAWuln4agpvtDFWFKnt24m6NBPFhrYADJz4i3n
mhbOFKu0F1Rlc3QgPHRlc3RAZXhhbXBsZS5vcmc+iJAEExYIADgWIQQy8uQDYhnX
51V5BzY1tliXoVjV8AUCZZN9JQIbAQULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAK
CRA1tliXoVjV8AohAQC7z/4OCJPYhPvEjrBnORVGBMPc0nr6MfDxvN0+iiShrgEA
kmZDUJShOE7+SMl7IYqFZFgQPpQPHkTAKxBDmLdveQq4MwRlk30lFgkrBgEEAdpH
DwEBB0D8Egr+MwC8USwVhWwvJvzNPeW/SHC2kylgx6NG4NnhJYjvBBgWCAAgFiEE
MvLkA2IZ1+dVeQc2NbZYl6FY1fAFAmWTfSUCGwIAgQkQNbZYl6FY1fB2IAQZFggA
HRYhBFxoyw/zqt8XIbKvFDK+TiF2o2W/BQJlk30lAAoJEDK+TiF2o2W/AzkBAOk+
kr/6gqB8qESuEDFkmfc7ycTV6w9gp9ggeRiWbNc+AQD5qaspusosalw2TalAIdR3
OluUVwg/GzmANm3pEObFCVjkAQCRhJ+Dx7chbn+yobc0CnXXpO0DfoggtHqS62vW
JYt8igEAsxuWEbvqeQhtmpVW9+pK/4Cp7kZuVHZrH3ZBuHGecgm4OARlk30lEgor
BgEEAZdVAQUBAQdAzNUHqoDP3CGwI9TQaiU6l7a32Jy1GgWmEckiAebulAQDAQgH
iHgEGBYIACAWIQQy8uQDYhnX51V5BzY1tliXoVjV8AUCZZN9JQIbDAAKCRA1tliX
oVjV8PvyAQCOeoUssf+Jcb9cWKIaq8UP+oEQ1keCIaU1BC62ntG5cgEAjlkm4uqd
50fQSZMYGs2gGrK7xJrygNts6PnFSNTENQ8=
=y/af
-----END PGP PUBLIC KEY BLOCK-----
";

    fn one(rpm_version: &str) -> Key {
        keys(&[KEY.as_bytes()], rpm_version).unwrap().remove(0)
    }

    #[test]
    fn a_key_is_the_package_that_rpm_makes_of_it() {
        let key = one("4.18.0");
        let text = |tag| key.header.text(tag).unwrap_or_default().into_owned();
        assert_eq!(text(tag::VERSION), "a158d5f0");
        assert_eq!(text(tag::RELEASE), "65937d25");
        assert_eq!(text(tag::SUMMARY), "Test <test@example.org> public key");
        let provides: Vec<_> = key.header.texts(tag::PROVIDENAME).collect();
        assert_eq!(
            provides,
            [
                "gpg(Test <test@example.org>)",
                "gpg(a158d5f0)",
                "gpg(35b65897a158d5f0)",
                "gpg(76a365bf)",
                "gpg(32be4e2176a365bf)",
            ]
        );
        // What `rpmkeys --import` of rpm 4.18.0 has made of the same key.
        let digests = [tag::SHA1HEADER, tag::SHA256HEADER].map(|tag| key.signature.text(tag).unwrap());
        assert_eq!(digests[0], "8cc58f36aac0d58dd68f6a624fccdc45a7d14813");
        assert_eq!(digests[1], "c844edfb6420e65cb191516c434e3adaa552d4f8c3f4398d0efc6509299cecce");
        assert!(rpmdb::write(&[key.row(7)]).is_ok());
    }

    #[test]
    fn a_key_need_not_be_armoured() {
        let (fingerprint, packets) = certificates(KEY.as_bytes()).unwrap().remove(0);
        assert_eq!(fingerprint, "32F2E4036219D7E75579073635B65897A158D5F0");
        let binary = keys(&[&packets[..], KEY.as_bytes()], "4.18.0").unwrap();
        assert_eq!((binary.len(), binary[0].header.bytes()), (1, one("4.18.0").header.bytes()));
        assert_eq!((armoured(&packets), armoured(KEY.as_bytes())), (KEY.to_owned(), KEY.to_owned()));
        assert_eq!(certificates(&[packets.clone(), packets].concat()).unwrap().len(), 2);
    }

    #[test]
    fn since_6_the_fingerprint_names_the_key() {
        let header = one("6.0.1").header;
        assert_eq!(header.text(tag::VERSION).unwrap(), "32f2e4036219d7e75579073635b65897a158d5f0");
        assert_eq!(header.count(tag::PROVIDENAME), 3);
        let version = "4:32f2e4036219d7e75579073635b65897a158d5f0-65937d25";
        assert!(header.texts(tag::PROVIDEVERSION).all(|text| text == version));
    }

    #[test]
    fn each_key_is_there_once() {
        let both = format!("a comment\n{KEY}\n{KEY}");
        assert_eq!(keys(&[both.as_bytes(), KEY.as_bytes()], "4.18.0").unwrap().len(), 1);
    }

    #[test]
    fn what_is_damaged_is_no_key() {
        let bad = |text: &str| keys(&[text.as_bytes()], "4.18.0").unwrap_err().to_string();
        assert_eq!(bad("nothing"), "it is no public key");
        assert_eq!(bad(&KEY[..KEY.len() - 20]), "its armour is damaged: it does not end");
        assert_eq!(bad(&KEY.replacen("mDME", "mDMF", 1)), "its armour is damaged: its checksum is wrong");
        let lines = KEY.lines().filter(|line| !line.starts_with('='));
        let unchecked = lines.collect::<Vec<_>>().join("\n");
        assert!(keys(&[unchecked.as_bytes()], "4.18.0").is_ok());
        assert!(bad(&unchecked.replacen("mDME", "mDMC", 1)).contains("version 2"));
        assert!(bad(&unchecked.replacen("mDME", "lDME", 1)).contains("begin with a public key"));
        assert!(bad(&unchecked.replacen("mDME", "mP8E", 1)).contains("OpenPGP"));
    }
}
