//! Signatures of files and images: made by gpg's keys, taken by gpg, skopeo and `verify`, and
//! refused where anything else is signed.

use ctr_forge_tests::archive::{Member, archive};
use ctr_forge_tests::registry::Registry;
use ctr_forge_tests::{Forge, Need, Test};

const GPG: &[Need] = &[Need::Tool("gpg")];
const SKOPEO: &[Need] = &[Need::Tool("gpg"), Need::Tool("skopeo"), Need::Tool("docker-registry")];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "signatures::files", needs: GPG, run: files },
    Test { name: "signatures::images_as_skopeo_wants_them", needs: SKOPEO, run: images_as_skopeo_wants_them },
    Test { name: "signatures::what_is_not_signed", needs: GPG, run: what_is_not_signed },
];

/// A user with two keys: `ann`, of RSA, and `bob`.
fn forge() -> Forge {
    let forge = Forge::new();
    let home = forge.path("gnupg").display().to_string();
    let forge = forge.env("GNUPGHOME", &home);
    forge.sh(
        "mkdir -m 700 gnupg; make() { gpg --batch --quiet --passphrase '' --quick-gen-key $1@example.com $2 sign never; \
         gpg --armor --export $1@example.com > $1.asc; }; make ann rsa2048; make bob ed25519",
    );
    forge.write("rootfs.tar", archive(&[Member::file("etc/x", "content")]));
    forge
}

/// Ends the agent that gpg has started for the directory.
fn end(forge: &Forge) {
    forge.sh("gpgconf --kill all");
}

fn files() {
    let forge = forge();
    forge.ok(["output", "aci", "rootfs.tar", "-o", "app.aci", "--name", "app"]);
    let printed = forge.ok(["sign", "app.aci", "--sign-key", "ann@example.com"]).stdout();
    assert_eq!(printed, "app.aci.asc\n");
    forge.sh("gpg --verify app.aci.asc app.aci 2> /dev/null; grep -q 'BEGIN PGP SIGNATURE' app.aci.asc");
    let verified = forge.ok(["verify", "app.aci", "--key", "ann.asc"]).stdout();
    assert!(verified.contains("ann@example.com"), "{verified}");
    forge.fails(9, ["verify", "app.aci", "--key", "bob.asc"]).says(&["app.aci"]);
    forge.ok(["verify", "app.aci", "--key", "bob.asc", "--key", "ann.asc"]);
    // Another key than RSA is of no use to rkt.
    forge
        .ok(["sign", "app.aci", "--sign-key", "bob@example.com"])
        .says(&["rkt takes signatures of RSA keys alone"]);
    forge.ok(["verify", "app.aci", "--key", "bob.asc"]);
    forge.sh("echo >> app.aci");
    forge.fails(9, ["verify", "app.aci", "--key", "bob.asc"]).says(&["app.aci"]);
    end(&forge);
}

fn images_as_skopeo_wants_them() {
    let forge = forge();
    let registry = Registry::new(forge.directory(), "", "");
    let name = format!("{}/team/app", registry.address);
    let (signed, other) = (format!("{name}:1"), format!("{name}:2"));
    forge.ok(["output", "oci", "rootfs.tar", "-o", "image", "--tag", "app:1"]);
    forge.ok(["output", "oci", "rootfs.tar", "-o", "other", "--tag", "app:2", "--env", "A=1"]);
    forge.ok(["push", "image", &signed]);
    forge.ok(["push", "other", &other]);
    let words = ["sign", "image", "--as", &signed, "--lookaside", "signatures"];
    forge.ok(words.iter().chain(&["--sign-key", "ann@example.com"]));
    forge.write(
        "policy.json",
        format!(
            "{{\"default\":[{{\"type\":\"reject\"}}],\"transports\":{{\"docker\":{{\"{}\":[{{\"type\":\"signedBy\",\
             \"keyType\":\"GPGKeys\",\"keyPath\":\"{}\"}}]}}}}}}",
            registry.address,
            forge.path("ann.asc").display()
        ),
    );
    forge.sh("mkdir registries.d");
    forge.write(
        "registries.d/test.yaml",
        format!(
            "docker:\n  {}:\n    lookaside: file://{}\n    sigstore: file://{1}\n",
            registry.address,
            forge.path("signatures").display()
        ),
    );
    let copy = |reference: &str| {
        format!(
            "rm -rf copy; skopeo --policy policy.json --registries.d registries.d copy -q --src-tls-verify=false \
             docker://{reference} dir:copy"
        )
    };
    forge.sh(&copy(&signed));
    assert_ne!(forge.sh_any(&copy(&other)).code, 0, "nobody has signed it");
    // Ours sees the same.
    let verify = |image: &str, name: &str, key: &str| {
        forge.run(["verify", image, "--as", name, "--lookaside", "signatures", "--key", key])
    };
    let verified = verify("image", &signed, "ann.asc").expect_code(0).stdout();
    assert!(verified.contains("ann@example.com"), "{verified}");
    verify("image", &signed, "bob.asc").expect_code(9).says(&["nobody of those keys vouches"]);
    verify("other", &other, "ann.asc").expect_code(9).says(&["there is no signature"]);
    verify("image", &other, "ann.asc").expect_code(9).says(&["it vouches for the name", "team/app:1"]);
    // A signature of one image beside another.
    forge.sh("cd signatures/team; for d in *; do from=$d; done; echo $from > ../../from");
    let digest = forge.ok(["--json", "inspect", "other"]).stdout();
    let digest = digest.split("\"digest\": \"sha256:").nth(1).unwrap()[..64].to_owned();
    forge.sh(&format!("cd signatures/team; cp -r $(cat ../../from) app@sha256={digest}"));
    verify("other", &signed, "ann.asc").expect_code(9).says(&["it vouches for the digest"]);
    assert_ne!(forge.sh_any(&copy(&other)).code, 0);
    // Signed once more it has two, of which one is enough.
    forge.ok(words.iter().chain(&["--sign-key", "bob@example.com"]));
    verify("image", &signed, "bob.asc").expect_code(0);
    verify("image", &signed, "ann.asc").expect_code(0);
    end(&forge);
}

fn what_is_not_signed() {
    let forge = forge();
    forge.ok(["output", "oci", "rootfs.tar", "-o", "image", "--tag", "app:1"]);
    forge.fails(10, ["sign", "rootfs.tar", "--sign-key", "nobody@example.com"]).says(&["gpg does not sign"]);
    assert!(!forge.path("rootfs.tar.asc").exists());
    forge.fails(4, ["sign", "image", "--sign-key", "ann@example.com"]).says(&["--as registry.example/app:1"]);
    forge.fails(2, ["sign", "rootfs.tar"]).says(&["--sign-key"]);
    forge.fails(2, ["sign", "rootfs.tar", "--sign-key=--armor"]).says(&["by its fingerprint or address"]);
    assert_ne!(
        forge.run(["verify", "rootfs.tar", "--key", "ann.asc"]).says(&["ctr-forge sign FILE"]).code,
        0
    );
    forge.write("rootfs.tar.asc", "nonsense");
    forge.fails(9, ["verify", "rootfs.tar", "--key", "ann.asc"]);
    forge.fails(9, ["verify", "rootfs.tar", "--key", "rootfs.tar"]).says(&["no key"]);
    end(&forge);
}
