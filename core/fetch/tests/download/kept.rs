//! What is kept from one job to the next.

use std::io::{Read, Write};

use ctr_forge_fetch::{Config, Fetcher};
use ctr_forge_rootfs::Digest;

use crate::config;

fn text(fetcher: &Fetcher, name: &str) -> Option<String> {
    let mut text = String::new();
    fetcher.kept(name, || Ok(())).unwrap()?.read_to_string(&mut text).unwrap();
    Some(text)
}

#[test]
fn what_was_kept_is_found_by_its_name_until_it_changes() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let cache = config.cache.clone().unwrap();
    let fetcher = Fetcher::new(config);
    assert_eq!(text(&fetcher, "a"), None);
    for content in ["one", "two"] {
        let draft = fetcher.draft().unwrap().unwrap();
        draft.file().write_all(content.as_bytes()).unwrap();
        fetcher.keep("a", draft, || Ok(())).unwrap();
        assert_eq!(text(&fetcher, "a").as_deref(), Some(content));
    }
    assert_eq!(text(&fetcher, "b"), None);
    let hex = Digest::of(b"two").hex();
    std::fs::write(cache.join("sha256").join(&hex[..2]).join(hex), "tow").unwrap();
    assert_eq!(text(&fetcher, "a"), None);
}

#[test]
fn without_a_cache_nothing_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let fetcher = Fetcher::new(Config { cache: None, ..config(directory.path()) });
    assert!(fetcher.draft().unwrap().is_none() && text(&fetcher, "a").is_none());
}

#[test]
fn a_cache_that_was_emptied_can_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let fetcher = Fetcher::new(config(directory.path()));
    let keep = || {
        let draft = fetcher.draft().unwrap().unwrap();
        draft.file().write_all(b"12345").unwrap();
        fetcher.keep("a", draft, || Ok(())).unwrap();
    };
    keep();
    std::fs::write(directory.path().join("cache/mine"), "x").unwrap();
    assert!(fetcher.clear().unwrap() > 5);
    assert_eq!(text(&fetcher, "a"), None);
    assert!(directory.path().join("cache/mine").exists());
    keep();
    assert_eq!(text(&fetcher, "a").as_deref(), Some("12345"));
}
