//! One static file with its plugins built in, and plugins from another compiler.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use ctr_forge_tests::build::{cargo, fixtures};
use ctr_forge_tests::runner::musl_target;
use ctr_forge_tests::{Faulty, Forge, Need, Test};
use serde_json::Value;

use crate::conformance::{build_rust, passes};

const STATIC: &[Need] = &[Need::Musl];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "bundled::one_file_makes_an_image", needs: STATIC, run: one_file_makes_an_image },
    Test {
        name: "bundled::what_is_built_in_keeps_the_contract",
        needs: STATIC,
        run: what_is_built_in_keeps_the_contract,
    },
    Test { name: "bundled::libraries_are_refused", needs: STATIC, run: libraries_are_refused },
    Test { name: "bundled::programs_work", needs: &[Need::Musl, Need::Tool("python3")], run: programs_work },
    Test {
        name: "bundled::a_plugin_of_a_nightly_compiler",
        needs: &[Need::Nightly],
        run: a_plugin_of_a_nightly_compiler,
    },
];

/// The static binary, alone in an empty directory.
fn alone() -> Forge {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let (target, directory) = (musl_target(), fixtures("musl"));
        let words = ["build", "--package", "ctr-forge", "--features", "bundled", "--target", &target];
        cargo(&[&words, &["--target-dir", directory.to_str().unwrap()] as &[&str]].concat());
        directory.join(target).join("debug/ctr-forge")
    });
    let forge = Forge::new();
    let binary = forge.path("ctr-forge");
    if fs::hard_link(built, &binary).is_err() {
        fs::copy(built, &binary).unwrap();
    }
    forge.with(binary)
}

fn one_file_makes_an_image() {
    let forge = alone();
    let list: Value = serde_json::from_slice(&forge.ok(["plugin", "list", "--json"]).stdout).unwrap();
    let plugins = list["plugins"].as_array().unwrap().iter();
    let found: Vec<_> = plugins
        .map(|plugin| {
            [&plugin["name"], &plugin["origin"], &plugin["shape"]].map(|word| word.as_str().unwrap())
        })
        .collect();
    let built_in = |name| [name, "built in", "built in"];
    assert_eq!(
        found,
        ["alpine", "debootstrap", "dnf", "scratch", "oci", "aci", "docker"].map(built_in),
        "{list:#}"
    );
    assert_eq!(list["refused"], serde_json::json!([]));
    forge.write("hello", "hello");
    forge.ok(["source", "scratch", "--copy", "hello:/hello", "-o", "rootfs.tar"]);
    forge.ok(["output", "oci", "rootfs.tar", "-o", "image", "--tag", "hello:1"]);
    assert!(forge.names("image").contains(&"index.json".to_owned()));
    forge.ok(["output", "docker", "rootfs.tar", "-o", "image.tar", "--tag", "hello:1"]);
    assert!(forge.path("image.tar").exists());
    // The same bytes as from libraries.
    let other = Forge::new();
    other.write("hello", "hello");
    other.ok(["source", "scratch", "--copy", "hello:/hello", "-o", "rootfs.tar"]);
    assert!(fs::read(other.path("rootfs.tar")).unwrap() == fs::read(forge.path("rootfs.tar")).unwrap());
}

fn what_is_built_in_keeps_the_contract() {
    let forge = alone();
    forge.write("hello", "hello");
    passes(&forge, &["scratch", "--with", "copy=hello:/hello"]);
    passes(&forge, &["oci"]);
    passes(&forge, &["docker"]);
}

fn libraries_are_refused() {
    let forge = alone();
    Faulty::new("none").write(forge.path("faulty.so"));
    // Its manifest can be read all the same.
    let help = forge.ok(["--plugin", "faulty.so", "source", "faulty", "--help"]).stdout();
    assert!(help.contains("--fault"), "{help}");
    forge.fails(12, ["--plugin", "faulty.so", "source", "faulty", "-o", "rootfs.tar"]).says(&[
        "plugin \"faulty\"",
        "it cannot be loaded",
        "This ctr-forge is linked statically",
        "use plugins that are programs, or those built in",
    ]);
    assert!(!forge.path("rootfs.tar").exists());
}

fn programs_work() {
    let forge = alone();
    forge.ok(["plugin", "new", "my-source", "--lang", "python"]);
    let program = "my-source/ctr-forge-source-my-source";
    forge.ok(["--plugin", program, "source", "my-source", "--greeting", "welcome", "-o", "rootfs.tar"]);
    assert_eq!(forge.sh("tar -xOf rootfs.tar etc/greeting").stdout(), "welcome\n");
    passes(&forge, &[program]);
}

/// The C interface is all that the two share: another compiler and another standard library do no harm.
fn a_plugin_of_a_nightly_compiler() {
    let forge = Forge::new();
    forge.ok(["plugin", "new", "my-source", "--lang", "rust"]);
    let target = fixtures("nightly");
    build_rust(&forge.path("my-source"), &["rustup", "run", "nightly", "cargo"], &target);
    let file = target.join("debug/libmy_source.so");
    let file = file.to_str().unwrap();
    passes(&forge, &[file]);
    forge.ok(["--plugin", file, "source", "my-source", "--greeting", "welcome", "-o", "rootfs.tar"]);
    assert_eq!(forge.sh("tar -xOf rootfs.tar etc/greeting").stdout(), "welcome\n");
}
