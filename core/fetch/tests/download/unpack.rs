//! Files that are wanted without their compression.

use std::io::Write;

use ctr_forge_fetch::{FetchError, Origin, Request, Unpacked};
use ctr_forge_rootfs::Digest;

use crate::server::{Reply, Server};
use crate::{config, content, fetch, request};

/// The bytes `plain` in a gzip member of one stored block (RFC 1952, RFC 1951).
fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    let len = u16::try_from(plain.len()).unwrap();
    packed.write_all(&len.to_le_bytes()).unwrap();
    packed.write_all(&(!len).to_le_bytes()).unwrap();
    packed.extend_from_slice(plain);
    packed.extend_from_slice(&crc32(plain).to_le_bytes());
    packed.extend_from_slice(&u32::from(len).to_le_bytes());
    packed
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

fn asked(url: &str, packed: &[u8], plain: &[u8], size: u64) -> Request {
    let unpacked = Some(Unpacked { digest: Digest::of(plain).into(), size });
    Request { digest: Some(Digest::of(packed).into()), unpacked, ..request(url) }
}

#[test]
fn what_is_handed_out_is_unpacked_verified_and_kept() {
    let packed = gzip(b"plain");
    let body = packed.clone();
    let server = Server::new(move |_, _| Reply::whole(&body));
    let directory = tempfile::tempdir().unwrap();
    let request = asked(&server.url("/a.gz"), &packed, b"plain", 5);
    let fetched = fetch(config(directory.path()), request.clone()).unwrap();
    assert_eq!((fetched.sha256, fetched.origin), (Digest::of(b"plain"), Origin::Network));
    assert_eq!(content(Ok(fetched)), b"plain");
    let again = fetch(config(directory.path()), request).unwrap();
    assert_eq!((again.origin, server.asked().len()), (Origin::Cache, 1));
    assert_eq!(content(Ok(again)), b"plain");
}

#[test]
fn what_unpacks_to_something_else_is_refused() {
    let packed = gzip(b"plain");
    let body = packed.clone();
    let server = Server::new(move |_, _| Reply::whole(&body));
    for (plain, size, word) in
        [(&b"other"[..], 5, "instead of"), (b"plain", 4, "4 bytes"), (b"plain", 6, "6 bytes")]
    {
        let directory = tempfile::tempdir().unwrap();
        let error =
            fetch(config(directory.path()), asked(&server.url("/a"), &packed, plain, size)).unwrap_err();
        assert!(matches!(error, FetchError::Unpack { .. }) && error.to_string().contains(word), "{error}");
    }
}

#[test]
fn what_is_not_compressed_is_refused_unless_it_is_the_plain_form() {
    let server = Server::new(|_, _| Reply::whole(b"no gzip"));
    let directory = tempfile::tempdir().unwrap();
    let request = asked(&server.url("/a"), b"no gzip", b"plain", 5);
    assert!(matches!(fetch(config(directory.path()), request), Err(FetchError::Unpack { .. })));
}
