//! Any index and any world: no panic, and no package is chosen twice.

#![no_main]

use ctr_forge_source_alpine::dependency::Dependency;
use ctr_forge_source_alpine::package::parse_index;
use ctr_forge_source_alpine::resolve::{Offer, Request, resolve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (index, world) = input;
    let packages = parse_index(index).flatten().take(100);
    let offers: Vec<Offer<'_>> = packages.map(|package| Offer { package, repositories: 1 }).collect();
    let Ok(wants) = Dependency::parse_all(world) else { return };
    if let Ok(mut chosen) = resolve(&offers, &Request { wants: &wants, tags: &[None] }) {
        let count = chosen.len();
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen.len(), count);
    }
});
