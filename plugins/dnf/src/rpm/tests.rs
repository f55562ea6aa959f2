//! Whole package files.

use proptest::prelude::*;

use super::testing::{TestFile, TestPackage, Value, to_file};
use super::*;
use crate::dependency::{Dependency, Operator, Rich};

fn package() -> TestPackage {
    TestPackage::new("test", vec![TestFile::file("/etc/test", "content\n")])
}

fn refused(package: &TestPackage) -> RpmError {
    Rpm::open(package.file()).unwrap_err()
}

#[test]
fn a_package_is_read() {
    let rpm = Rpm::open(package().file()).unwrap();
    assert_eq!(rpm.header.text(tag::NAME).unwrap(), "test");
    assert_eq!(rpm.header.bytes(), package().main_header());
    assert!(rpm.payload_is_signed() && rpm.signatures().is_empty());
}

#[test]
fn signatures_of_every_age_are_found() {
    let mut package = package();
    package.signature = vec![
        (tag::OPENPGP, Value::texts(&["AAE=", "Ag\nM="])),
        (tag::RSAHEADER, Value::Binary(vec![4])),
        (tag::DSAHEADER, Value::Binary(vec![5])),
    ];
    let rpm = Rpm::open(package.file()).unwrap();
    assert_eq!(rpm.signatures(), [vec![0, 1], vec![2, 3], vec![4], vec![5]]);
    package.signature = vec![(tag::OPENPGP, Value::texts(&["AAE=", "?"]))];
    assert!(matches!(refused(&package), RpmError::Signature { number: 2, .. }));
    let many: Vec<String> = (100..200).map(|number| format!("A{number}")).collect();
    package.signature = vec![(tag::OPENPGP, Value::Texts(many)), (tag::RSAHEADER, Value::Binary(vec![4]))];
    assert_eq!(Rpm::open(package.file()).unwrap().signatures().len(), 16);
}

#[test]
fn a_header_that_was_changed_is_found() {
    for (tag, name) in [(tag::SHA1HEADER, "SHA-1"), (tag::SHA256HEADER, "SHA-256")] {
        let mut package = package();
        package.signature = vec![(tag, Value::text("00"))];
        let error = refused(&package);
        assert!(matches!(error, RpmError::Damaged { algorithm, .. } if algorithm == name), "{error}");
        package.signature = vec![(tag, Value::text(&"\u{1b}".repeat(100_000)))];
        assert!(refused(&package).to_string().len() < 1000);
    }
}

#[test]
fn what_is_no_package_to_install_is_told() {
    let bytes = package().bytes();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Rpm::open(to_file(&bytes)).unwrap_err()
    };
    assert!(matches!(with(0, 0), RpmError::Lead));
    assert!(matches!(with(4, 2), RpmError::Old));
    assert!(matches!(with(7, 1), RpmError::Source));
    assert!(matches!(with(96, 0), RpmError::Header { part: Part::Signature, .. }));
    assert!(matches!(refused(&package().with(tag::SOURCEPACKAGE, Value::Int32(vec![1]))), RpmError::Source));
    assert!(matches!(refused(&package().with(tag::OLDFILENAMES, Value::texts(&["/x"]))), RpmError::Old));
    let error = refused(&package().with(tag::NAME, Value::text("")));
    assert_eq!(error.to_string(), "its header has no name");
    for bad in ["../x", "a b", "a\nb", "-x", "\u{1b}[1m"] {
        assert!(
            matches!(refused(&package().with(tag::NAME, Value::text(bad))), RpmError::Name { .. }),
            "{bad}"
        );
    }
    for end in [0, 50, 100, 300] {
        assert!(Rpm::open(to_file(&bytes[..end])).is_err(), "{end}");
    }
}

#[test]
fn who_vouches_for_the_payload_is_told() {
    let old = TestPackage { is_old: true, ..package() };
    assert!(!Rpm::open(old.file()).unwrap().payload_is_signed());
    // SHA-1 vouches for nothing.
    let weak = package().with(tag::PAYLOADSHA256ALGO, Value::Int32(vec![2]));
    assert!(!Rpm::open(weak.file()).unwrap().payload_is_signed());
    let broken = package().with(tag::PAYLOADSHA256, Value::texts(&["12"]));
    assert!(matches!(refused(&broken), RpmError::PayloadDigest(_)));
    let long = package().with(tag::PAYLOADSHA256, Value::text(&"0".repeat(100_000)));
    assert!(refused(&long).to_string().len() < 1000);
    let longer = old.with(tag::PAYLOADSHA512, Value::text(&"0".repeat(128)));
    assert!(Rpm::open(longer.file()).unwrap().payload_is_signed());
}

#[test]
fn without_a_digest_of_the_payload_those_of_files_vouch_for_them() {
    let old = TestPackage { is_old: true, ..package() };
    let is_signed = |package: &TestPackage| Rpm::open(package.file()).unwrap().content_is_signed().unwrap();
    assert!(is_signed(&package()) && is_signed(&old));
    let md5 = old.with(tag::FILEDIGESTALGO, Value::Int32(vec![1]));
    assert!(!is_signed(&md5.with(tag::FILEDIGESTS, Value::texts(&["0123456789abcdef0123456789abcdef"]))));
}

#[test]
fn what_a_header_says_is_what_metadata_would_say() {
    let package = package()
        .with(tag::EPOCH, Value::Int32(vec![3]))
        .with(tag::SUMMARY, Value::texts(&["a test", "ein Test"]))
        .with(tag::SIZE, Value::Int32(vec![8]))
        .with(tag::BUILDTIME, Value::Int32(vec![1_700_000_000]))
        .with(tag::PROVIDENAME, Value::texts(&["test", "config(test)"]))
        .with(tag::PROVIDEFLAGS, Value::Int32(vec![8, 8 | 1 << 28]))
        .with(tag::PROVIDEVERSION, Value::texts(&["1.0-2", "1.0-2"]))
        .with(tag::REQUIRENAME, Value::texts(&["/bin/sh", "(a if b)", "libc"]))
        .with(tag::REQUIREFLAGS, Value::Int32(vec![1 << 9, 0, 12]))
        .with(tag::REQUIREVERSION, Value::texts(&["", "", "2.34"]));
    let found = Rpm::open(package.file()).unwrap().package().unwrap();
    assert_eq!(
        (&*found.name, found.evr.epoch, &*found.evr.version, &*found.arch),
        ("test", 3, "1.0", "x86_64")
    );
    assert_eq!((&*found.summary, found.installed_size, found.build_time), ("a test", 8, 1_700_000_000));
    assert_eq!((&*found.source, &*found.digest, found.size), ("test-1.0-2.src.rpm", "", 0));
    assert_eq!(found.files, ["/etc/test".into()]);
    let provided = found.provides[1].bound.as_ref().unwrap();
    assert_eq!((provided.operator, provided.evr.release.as_deref()), (Operator::Equal, Some("2")));
    assert_eq!(found.requires.iter().map(|one| one.pre).collect::<Vec<_>>(), [true, false, false]);
    assert!(
        matches!(&found.requires[1].dependency, Dependency::Rich(rich) if !matches!(**rich, Rich::Or(_)))
    );
    assert!(matches!(&found.requires[2].dependency, Dependency::Simple(relation)
        if relation.bound.as_ref().is_some_and(|bound| bound.operator == Operator::GreaterOrEqual)));
}

#[test]
fn lists_of_different_lengths_are_told() {
    let package = package()
        .with(tag::CONFLICTNAME, Value::texts(&["a", "b"]))
        .with(tag::CONFLICTFLAGS, Value::Int32(vec![0]))
        .with(tag::CONFLICTVERSION, Value::texts(&["", ""]));
    let error = Rpm::open(package.file()).unwrap().package().unwrap_err();
    assert_eq!(error.to_string(), "its header has 2 names of conflicts, 1 flags and 2 versions");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_broken_package_does_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = package().bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let Ok(mut rpm) = Rpm::open(to_file(&bytes)) else { return Ok(()) };
        let _ = rpm.package();
        let Ok(files) = rpm.files() else { return Ok(()) };
        let Ok(mut payload) = rpm.payload(&files) else { return Ok(()) };
        while let Ok(Some(_)) = payload.next() {}
    }
}
