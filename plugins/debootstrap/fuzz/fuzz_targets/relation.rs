//! Reads arbitrary dependency fields.
//!
//! Must not panic, the number of relations must stay bounded, and what was read must, written
//! out, be read as the same again.

#![no_main]

use ctr_forge_source_debootstrap::relation::{MAX_RELATIONS, parse, provides};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|field: &str| {
    let _ = provides(field).count();
    let Ok(groups) = parse(field) else { return };
    assert!(groups.iter().map(Vec::len).sum::<usize>() <= MAX_RELATIONS + 1);
    for relation in groups.iter().flatten() {
        let written = relation.to_string();
        let again = parse(&written).expect("our own writing");
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].len(), 1);
        assert_eq!(again[0][0].to_string(), written);
        let _ = relation.applies("amd64");
    }
});
