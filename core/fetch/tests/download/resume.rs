//! Downloads that are cut and continued.

use std::fs;
use std::path::{Path, PathBuf};

use ctr_forge_fetch::{FetchError, NetworkFault};

use crate::server::{Asked, Reply, Server};
use crate::{config, content, digest, fetch, request, request_of, sample};

fn partial(directory: &Path, data: &[u8]) -> PathBuf {
    directory.join("cache/partial").join(digest(data).to_string().replace(':', "-"))
}

/// Leaves `left` as what an earlier process got of `data`.
fn leave(directory: &Path, data: &[u8], left: &[u8]) {
    use std::os::unix::fs::DirBuilderExt;
    let path = partial(directory, data);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap()).unwrap();
    fs::write(path, left).unwrap();
}

fn firsts(asked: &[Asked]) -> Vec<Option<usize>> {
    asked.iter().map(Asked::first).collect()
}

#[test]
fn a_cut_download_is_continued_within_a_process() {
    let data = sample(200_000);
    let copy = data.clone();
    let server = Server::new(move |asked, n| {
        let reply = Reply::ranged(asked, &copy).header("ETag", "\"v1\"");
        if n == 0 { reply.cut(120_000) } else { reply }
    });
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(content(fetch(config(directory.path()), request_of(&server.url("/a"), &data))), data);
    let asked = server.asked();
    assert_eq!(firsts(&asked), [None, Some(120_000)]);
    assert_eq!(asked[1].header("if-range"), Some("\"v1\""));
    assert!(!partial(directory.path(), &data).exists());
}

#[test]
fn without_a_digest_only_a_strong_validator_allows_that() {
    let data = sample(2000);
    for (etag, expected) in [("\"v1\"", vec![None, Some(500)]), ("W/\"v1\"", vec![None, None])] {
        let copy = data.clone();
        let server = Server::new(move |asked, n| {
            let reply = Reply::ranged(asked, &copy).header("ETag", etag);
            if n == 0 { reply.cut(500) } else { reply }
        });
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(content(fetch(config(directory.path()), request(&server.url("/a")))), data);
        assert_eq!(firsts(&server.asked()), expected);
    }
}

#[test]
fn what_another_process_left_is_continued() {
    let data = sample(1000);
    let server = Server::with(&data);
    let directory = tempfile::tempdir().unwrap();
    leave(directory.path(), &data, &data[..400]);
    assert_eq!(content(fetch(config(directory.path()), request_of(&server.url("/a"), &data))), data);
    assert_eq!(firsts(&server.asked()), [Some(400)]);
}

#[test]
fn what_is_complete_is_not_fetched_again() {
    let data = sample(1000);
    let server = Server::with(&data);
    let directory = tempfile::tempdir().unwrap();
    leave(directory.path(), &data, &data);
    assert_eq!(content(fetch(config(directory.path()), request_of(&server.url("/a"), &data))), data);
    assert!(server.asked().is_empty());
}

#[test]
fn a_failed_download_leaves_what_it_got_for_the_next() {
    let data = sample(1000);
    let copy = data.clone();
    let broken = Server::new(move |_, _| Reply::whole(&copy).cut(300));
    let directory = tempfile::tempdir().unwrap();
    let error = fetch(config(directory.path()), request_of(&broken.url("/a"), &data)).unwrap_err();
    assert!(matches!(error, FetchError::Network { fault: NetworkFault::Cut(300), .. }), "{error}");
    assert_eq!(fs::read(partial(directory.path(), &data)).unwrap(), &data[..300]);
    let good = Server::with(&data);
    assert_eq!(content(fetch(config(directory.path()), request_of(&good.url("/a"), &data))), data);
    assert_eq!(firsts(&good.asked()), [Some(300)]);
}

#[test]
fn a_server_that_ignores_ranges_is_taken_at_its_word() {
    let data = sample(1000);
    let copy = data.clone();
    let server = Server::new(move |_, _| Reply::whole(&copy));
    let directory = tempfile::tempdir().unwrap();
    leave(directory.path(), &data, &data[..400]);
    assert_eq!(content(fetch(config(directory.path()), request_of(&server.url("/a"), &data))), data);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn what_cannot_be_continued_is_begun_again() {
    let data = sample(1000);
    let wrong_range = |content: &[u8]| {
        Reply::undelimited(206, &content[300..])
            .header("Content-Length", "700")
            .header("Content-Range", "bytes 300-999/1000")
    };
    let refusals: [fn(&[u8]) -> Reply; 3] =
        [|_| Reply::status(416), wrong_range, |content| Reply::undelimited(206, content)];
    for refusal in refusals {
        let copy = data.clone();
        let server = Server::new(move |asked, _| match asked.first() {
            Some(_) => refusal(&copy),
            None => Reply::whole(&copy),
        });
        let directory = tempfile::tempdir().unwrap();
        leave(directory.path(), &data, &data[..400]);
        assert_eq!(content(fetch(config(directory.path()), request_of(&server.url("/a"), &data))), data);
        assert_eq!(firsts(&server.asked()), [Some(400), None]);
    }
}

#[test]
fn pieces_that_do_not_fit_are_fetched_in_one() {
    let data = sample(1000);
    let server = Server::with(&data);
    let directory = tempfile::tempdir().unwrap();
    leave(directory.path(), &data, &[0; 400]);
    assert_eq!(content(fetch(config(directory.path()), request_of(&server.url("/a"), &data))), data);
    assert_eq!(firsts(&server.asked()), [Some(400), None]);
}

#[test]
fn a_server_that_never_fits_is_given_up() {
    let data = sample(1000);
    let other = [0; 1000];
    // Cuts each whole answer, so that each ends in two pieces.
    let server = Server::new(move |asked, _| {
        let reply = Reply::ranged(asked, &other);
        if asked.first().is_none() { reply.cut(500) } else { reply }
    });
    let directory = tempfile::tempdir().unwrap();
    let error = fetch(config(directory.path()), request_of(&server.url("/a"), &data)).unwrap_err();
    assert!(matches!(error, FetchError::Digest { .. }), "{error}");
    assert_eq!(firsts(&server.asked()), [None, Some(500), None, Some(500)]);
    assert!(!partial(directory.path(), &data).exists());
}

#[test]
fn a_range_nobody_asked_for_is_refused() {
    let server = Server::new(|_, _| Reply::undelimited(206, b"x").header("Content-Range", "bytes 0-0/1"));
    let directory = tempfile::tempdir().unwrap();
    let error = fetch(config(directory.path()), request(&server.url("/a"))).unwrap_err();
    assert!(matches!(error, FetchError::Network { fault: NetworkFault::Status(206), .. }), "{error}");
}
