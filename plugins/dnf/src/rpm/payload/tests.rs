use super::super::Rpm;
use super::super::testing::{TestFile, TestPackage, Value, index_entry, new_entry, to_file, trailer};
use super::*;

/// Paths, with the content of files.
fn unpack(package: &TestPackage) -> Result<Vec<(String, String)>, PayloadError> {
    unpack_bytes(&package.bytes())
}

fn unpack_bytes(bytes: &[u8]) -> Result<Vec<(String, String)>, PayloadError> {
    let mut rpm = Rpm::open(to_file(bytes)).unwrap();
    let files = rpm.files().unwrap();
    let mut payload = rpm.payload(&files)?;
    let mut found = Vec::new();
    while let Some(member) = payload.next()? {
        let mut content = String::new();
        payload.read_to_string(&mut content).map_err(CpioError::Read)?;
        let paths: Vec<String> = member.files.iter().map(|&at| files[at].path.to_string()).collect();
        found.push((paths.join(" "), content));
    }
    Ok(found)
}

fn sample() -> TestPackage {
    let linked = |path: &str| TestFile { inode: 5, ..TestFile::file(path, "shared") };
    let files = vec![
        TestFile::directory("/d"),
        TestFile::file("/d/empty", ""),
        linked("/d/one"),
        TestFile::link("/d/link", "one"),
        TestFile::file("/d/ghost", "not there").flagged(64),
        linked("/d/three"),
        TestFile::file("/d/file", "content"),
    ];
    TestPackage::new("test", files)
}

fn with_archive(archive: Vec<u8>) -> Result<Vec<(String, String)>, PayloadError> {
    unpack(&TestPackage { archive: Some(archive), ..sample() })
}

fn pair(path: &str, content: &str) -> (String, String) {
    (path.to_owned(), content.to_owned())
}

#[test]
fn files_come_with_their_content_whatever_the_compression() {
    let expected = [
        pair("/d", ""),
        pair("/d/empty", ""),
        pair("/d/link", ""),
        pair("/d/one /d/three", "shared"),
        pair("/d/file", "content"),
    ];
    for compressor in
        [Some("gzip"), Some("xz"), Some("zstd"), Some("bzip2"), Some("lzma"), Some("none"), None]
    {
        for is_stripped in [false, true] {
            let package = TestPackage { compressor, is_stripped, ..sample() };
            assert_eq!(unpack(&package).unwrap(), expected, "{compressor:?}");
            assert_eq!(unpack(&TestPackage { is_old: true, ..package }).unwrap(), expected);
        }
    }
}

#[test]
fn content_that_nobody_reads_is_verified_all_the_same() {
    let mut rpm = Rpm::open(sample().file()).unwrap();
    let files = rpm.files().unwrap();
    let mut payload = rpm.payload(&files).unwrap();
    let mut count = 0;
    while payload.next().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 5);
    let wrong = String::from_utf8_lossy(&sample().cpio()).replace("content", "contend").into_bytes();
    let mut rpm = Rpm::open(TestPackage { archive: Some(wrong), ..sample() }.file()).unwrap();
    let mut payload = rpm.payload(&files).unwrap();
    let error = std::iter::repeat_with(|| payload.next()).find_map(Result::err).unwrap();
    assert_eq!(error.to_string(), "/d/file has not the SHA-256 that its header says");
}

#[test]
fn a_changed_payload_is_found_at_its_end() {
    let package = TestPackage { compressor: Some("none"), ..sample() };
    let mut bytes = package.bytes();
    let at = bytes.windows(8).rposition(|window| window == b"/d/empty").unwrap();
    // The owner in an entry, which nobody looks at.
    bytes[at - 80] = b'7';
    assert!(matches!(unpack_bytes(&bytes), Err(PayloadError::Changed { algorithm: "SHA-256", .. })));
    let lzma = [TestPackage { compressor: Some("lzma"), ..sample() }.bytes(), b"x".to_vec()].concat();
    assert!(matches!(unpack_bytes(&lzma), Err(PayloadError::Changed { .. })));
}

#[test]
fn what_the_header_does_not_have_is_refused() {
    let more = |entry: Vec<u8>| with_archive([entry, sample().cpio()].concat()).unwrap_err().to_string();
    assert_eq!(
        more(new_entry("./etc/passwd", b"")),
        "its payload has ./etc/passwd, which its header has not"
    );
    assert_eq!(more(new_entry("../d", b"")), "its payload has ../d, which its header has not");
    assert_eq!(more(index_entry(7, b"")), "its payload has file number 7, which its header has not");
    assert_eq!(more(new_entry("./d", b"")), "its payload has /d twice");
}

#[test]
fn what_the_payload_does_not_have_is_told() {
    assert_eq!(with_archive(trailer()).unwrap_err().to_string(), "its payload lacks /d");
    let half = TestPackage { files: sample().files[..6].to_vec(), ..sample() }.cpio();
    assert_eq!(with_archive(half).unwrap_err().to_string(), "its payload lacks /d/file");
}

#[test]
fn sizes_and_targets_are_those_of_the_header() {
    let error = with_archive(new_entry("./d/file", b"conten")).unwrap_err().to_string();
    assert_eq!(error, "/d/file has 6 bytes in its payload, and 7 in its header");
    let error = with_archive(new_entry("./d", b"x")).unwrap_err().to_string();
    assert_eq!(error, "/d has 1 bytes in its payload, and 0 in its header");
    let error = with_archive(new_entry("./d/one", b"shared")).unwrap_err().to_string();
    assert_eq!(error, "/d/one has 6 bytes in its payload, and 0 in its header");
    let error = with_archive(new_entry("./d/link", b"two")).unwrap_err().to_string();
    assert_eq!(error, "the link /d/link leads elsewhere in its payload than in its header");
}

#[test]
fn a_ghost_in_the_payload_is_passed_over() {
    let archive = [new_entry("./d/ghost", b"here it is"), sample().cpio()].concat();
    assert_eq!(with_archive(archive).unwrap().len(), 5);
}

#[test]
fn zeros_may_follow_and_nothing_else() {
    let behind = |bytes: &[u8]| with_archive([&sample().cpio(), bytes].concat());
    assert!(behind(&[0; 400]).is_ok());
    assert!(matches!(behind(b"\0\0x"), Err(PayloadError::Trailing)));
    assert!(matches!(behind(&vec![0; 1 << 20]), Err(PayloadError::Trailing)));
}

#[test]
fn names_of_one_file_must_agree() {
    let mut package = sample();
    package.files[5].content = b"other!".to_vec();
    let error = unpack(&package).unwrap_err().to_string();
    assert_eq!(error, "/d/one and /d/three are one file, and its header says different things of them");
}

#[test]
fn the_compression_is_the_one_that_the_header_says() {
    let said = |name: &str| unpack(&sample().with(tag::PAYLOADCOMPRESSOR, Value::text(name))).unwrap_err();
    assert_eq!(said("zstd").to_string(), "its payload begins as gzip data, and its header says \"zstd\"");
    assert_eq!(said("rot13").kind(), ErrorKind::Unsupported);
    let other = sample().with(tag::PAYLOADFORMAT, Value::text("drpm"));
    assert!(matches!(unpack(&other), Err(PayloadError::Format(format)) if format == "drpm"));
}
