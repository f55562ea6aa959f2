//! End-to-end tests, a file for each property. `cargo xtask test` sets up what they need.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::process::ExitCode;

use ctr_forge_tests::runner;

mod alpine;
mod alpine_faults;
mod alpine_oracle;
mod alpine_repositories;
mod alpine_scripts;
mod apt_oracle;
mod broken_stream;
mod bundled;
mod cancel;
mod clients;
mod command_line;
mod conformance;
mod debian_engines;
mod debian_faults;
mod debian_mirror;
mod debian_scripts;
mod debian_trust;
mod debootstrap;
mod difficult_tree;
mod discovery;
mod dnf;
mod dnf_certificates;
mod dnf_distro;
mod dnf_engine;
mod dnf_faults;
mod dnf_forms;
mod dnf_metadata;
mod dnf_next;
mod dnf_oracle;
mod dnf_repositories;
mod dnf_scripts;
mod faults;
mod fixtures;
mod hostile_input;
mod images;
mod registries;
mod reproducible;
mod rpm_fixtures;
mod scratch;
mod signatures;

fn main() -> ExitCode {
    let modules = [
        "alpine",
        "alpine_faults",
        "alpine_oracle",
        "alpine_repositories",
        "alpine_scripts",
        "apt_oracle",
        "broken_stream",
        "bundled",
        "cancel",
        "clients",
        "command_line",
        "conformance",
        "debian_engines",
        "debian_faults",
        "debian_mirror",
        "debian_scripts",
        "debian_trust",
        "debootstrap",
        "difficult_tree",
        "discovery",
        "dnf",
        "dnf_certificates",
        "dnf_distro",
        "dnf_engine",
        "dnf_faults",
        "dnf_forms",
        "dnf_metadata",
        "dnf_next",
        "dnf_oracle",
        "dnf_repositories",
        "dnf_scripts",
        "faults",
        "fixtures",
        "hostile_input",
        "images",
        "registries",
        "reproducible",
        "rpm_fixtures",
        "scratch",
        "signatures",
    ];
    runner::check_modules(concat!(env!("CARGO_MANIFEST_DIR"), "/e2e"), &modules);
    runner::run(&[
        alpine::TESTS,
        alpine_faults::TESTS,
        alpine_oracle::TESTS,
        alpine_repositories::TESTS,
        alpine_scripts::TESTS,
        apt_oracle::TESTS,
        broken_stream::TESTS,
        bundled::TESTS,
        cancel::TESTS,
        clients::TESTS,
        command_line::TESTS,
        conformance::TESTS,
        debian_engines::TESTS,
        debian_faults::TESTS,
        debian_mirror::TESTS,
        debian_scripts::TESTS,
        debian_trust::TESTS,
        debootstrap::TESTS,
        difficult_tree::TESTS,
        discovery::TESTS,
        dnf::TESTS,
        dnf_certificates::TESTS,
        dnf_distro::TESTS,
        dnf_engine::TESTS,
        dnf_faults::TESTS,
        dnf_forms::TESTS,
        dnf_metadata::TESTS,
        dnf_next::TESTS,
        dnf_oracle::TESTS,
        dnf_repositories::TESTS,
        dnf_scripts::TESTS,
        faults::TESTS,
        fixtures::TESTS,
        hostile_input::TESTS,
        images::TESTS,
        registries::TESTS,
        reproducible::TESTS,
        rpm_fixtures::TESTS,
        scratch::TESTS,
        signatures::TESTS,
    ])
}
