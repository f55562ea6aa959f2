//! Signatures of files and images: made by gpg's keys, taken by gpg, skopeo and `verify`, and
//! refused where anything else is signed.

use ctr_forge_tests::archive::{Member, archive};
use ctr_forge_tests::registry::{Registry, Trouble, Troubled};
use ctr_forge_tests::{Forge, Need, Test};

const GPG: &[Need] = &[Need::Tool("gpg")];
const SKOPEO: &[Need] = &[Need::Tool("gpg"), Need::Tool("skopeo"), Need::Tool("docker-registry")];

const REGISTRY: &[Need] = &[
    Need::Tool("gpg"),
    Need::Tool("gpg-connect-agent"),
    Need::Tool("skopeo"),
    Need::Tool("docker-registry"),
];
const COSIGN: &[Need] =
    &[Need::Mirror, Need::Tool("gpg"), Need::Tool("gpg-connect-agent"), Need::Tool("docker-registry")];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "signatures::files", needs: GPG, run: files },
    Test { name: "signatures::images_as_skopeo_wants_them", needs: SKOPEO, run: images_as_skopeo_wants_them },
    Test { name: "signatures::cosign_takes_ours", needs: COSIGN, run: cosign_takes_ours },
    Test {
        name: "signatures::what_is_attached_goes_along",
        needs: REGISTRY,
        run: what_is_attached_goes_along,
    },
    Test { name: "signatures::what_is_not_signed", needs: GPG, run: what_is_not_signed },
];

/// A user with keys: `ann`, of RSA, `bob`, of Ed25519, and `eve`, of NIST P-256.
fn forge() -> Forge {
    with_keys(Forge::new())
}

fn with_keys(forge: Forge) -> Forge {
    let home = forge.path("gnupg").display().to_string();
    let forge = forge.env("GNUPGHOME", &home);
    forge.sh(
        "mkdir -m 700 gnupg; make() { gpg --batch --quiet --passphrase '' --quick-gen-key $1@example.com $2 sign never; \
         gpg --armor --export $1@example.com > $1.asc; }; make ann rsa2048; make bob ed25519; make eve nistp256",
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
    // gpg compresses by itself what it signs, and so do the tools that call it.
    forge.sh("cd signatures/team; d=$(cat ../../from); gpg -q --decrypt $d/signature-1 > ../../payload 2> /dev/null || true; \
              for how in zip zlib bzip2; do gpg -q --batch --yes --local-user ann@example.com --compress-algo $how \
              --output ../../$how.sig --sign ../../payload; done; cp $d/signature-1 ../../kept.sig");
    for how in ["zip", "zlib", "bzip2"] {
        forge.sh(&format!("cp {how}.sig signatures/team/$(cat from)/signature-1"));
        verify("image", &signed, "ann.asc").expect_code(0);
    }
    forge.sh("head -c 60 zip.sig > signatures/team/$(cat from)/signature-1");
    verify("image", &signed, "ann.asc").expect_code(9);
    forge.sh("cp kept.sig signatures/team/$(cat from)/signature-1");
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

/// The real cosign, of Debian's trixie.
fn cosign_takes_ours() {
    let forge = with_keys(crate::debian_mirror::forge());
    let words = ["source", "debootstrap", "trixie", "--variant", "extract", "cosign", "--arch", "amd64"];
    forge.ok(words.iter().chain(&["-o", "cosign.tar"]));
    forge.sh("mkdir cosign; tar -xf cosign.tar -C cosign --exclude='./dev/*' 2> /dev/null; rm cosign.tar");
    let cosign = "HOME=$PWD COSIGN_PASSWORD= cosign/usr/lib64/ld-linux-x86-64.so.2 --library-path cosign/usr/lib/x86_64-linux-gnu cosign/usr/bin/cosign";
    let verify = |name: &str, key: &str, more: &str| {
        let words = "verify --insecure-ignore-tlog=true --allow-http-registry";
        forge.sh_any(&format!("{cosign} {words} {more} --key {key} {name} > verified 2>&1")).code
    };
    let registry = Registry::new(forge.directory(), "", "");
    forge.ok(["output", "oci", "rootfs.tar", "-o", "image", "--tag", "app:1"]);
    // In a registry: by two keys, one after the other.
    let name = format!("{}/team/app:1", registry.address);
    forge.ok(["push", "image", &name]);
    for who in ["ann", "eve"] {
        let (key, public) = (format!("{who}@example.com"), format!("{who}.pub"));
        forge.ok(["sign", "--cosign", &name, "--sign-key", &key, "--public-key", &public]);
    }
    let says = |name: &str, who: &str| {
        let ours = forge.run(["verify", "--cosign", name, "--key", &format!("{who}.pub")]);
        assert!(ours.code == 0 || ours.code == 9, "{ours:?}");
        let all =
            ["", "--experimental-oci11=true"].map(|more| verify(name, &format!("{who}.pub"), more) == 0);
        (ours.code == 0, all)
    };
    // Of several that are attached cosign takes one; under its own tag are all.
    let (ann, eve) = (says(&name, "ann"), says(&name, "eve"));
    assert!(ann.0 && eve.0 && ann.1[0] && eve.1[0] && (ann.1[1] || eve.1[1]), "{ann:?} {eve:?}");
    // In a layout, from where it goes along.
    let other = format!("{}/other/app:1", registry.address);
    let words = ["sign", "--cosign", "image:1", "--sign-key", "eve@example.com"];
    forge.fails(2, words).says(&["--as registry.example/team/app"]);
    forge.ok(words.iter().chain(&["--as", &other]));
    forge.ok(["verify", "--cosign", "image:1", "--key", "eve.pub", "--as", &other]);
    forge
        .fails(9, ["verify", "--cosign", "image:1", "--key", "eve.pub", "--as", &name])
        .says(&["for the name"]);
    forge.ok(["push", "image:1", &other]);
    assert_eq!(says(&other, "eve"), (true, [true, true]));
    assert_eq!(says(&other, "ann"), (false, [false, false]));
    // Cosign's own signature, beside ours, which both stay good.
    forge.sh(&format!("{cosign} generate-key-pair 2> /dev/null; {cosign} sign --key cosign.key --tlog-upload=false --allow-http-registry -y {other} 2> /dev/null"));
    assert!(says(&other, "cosign").0);
    forge.ok(["push", "image:1", &other]);
    assert_eq!((verify(&other, "cosign.pub", ""), verify(&other, "eve.pub", "")), (0, 0));
    // Of another image the signature says nothing.
    forge.ok(["output", "oci", "rootfs.tar", "-o", "changed", "--tag", "app:1", "--env", "A=1"]);
    forge.ok(["push", "changed", &name]);
    assert_eq!(says(&name, "eve"), (false, [false, false]));
    forge
        .fails(11, ["sign", "--cosign", &name, "--sign-key", "bob@example.com"])
        .says(&["neither of RSA nor of NIST P-256", "nistp256"]);
    forge.fails(2, ["sign", "--cosign", &name, "--sign-key", ""]).says(&["by its fingerprint or address"]);
    forge.fails(9, ["verify", "--cosign", &name, "--key", "ann.asc"]).says(&["BEGIN PUBLIC KEY"]);
    end(&forge);
}

fn what_is_attached_goes_along() {
    let forge = forge();
    let registry = Registry::new(forge.directory(), "", "");
    forge.ok(["output", "oci", "rootfs.tar", "-o", "image", "--tag", "app:1"]);
    forge.write("sbom.json", "{\"spdxVersion\":\"SPDX-2.3\"}");
    forge.write("note.txt", "seen");
    let before = forge.ok(["--json", "inspect", "image:1"]).stdout();
    let words = ["attach", "image:1", "sbom.json", "--type", "application/spdx+json"];
    let first = forge.ok(words).stdout();
    assert_eq!(forge.ok(words).stdout(), first, "the same once more");
    forge.ok(["attach", "image:1", "note.txt", "--type", "text/plain", "--annotation", "by=ann"]);
    forge.ok(["sign", "--cosign", "image:1", "--sign-key", "eve@example.com", "--as", "r.example/app"]);
    assert_eq!(forge.ok(["--json", "inspect", "image:1"]).stdout(), before);
    forge.sh("skopeo copy -q oci:image:1 dir:copied");
    // An image of the same tag takes none of it along, and leaves it where it is.
    let name = format!("{}/app", registry.address);
    forge.ok(["push", "image:1", &format!("{name}:1")]);
    let digest =
        forge.sh(&format!("skopeo inspect --tls-verify=false -f '{{{{.Digest}}}}' docker://{name}:1"));
    let digest = digest.stdout().trim().to_owned();
    let list = |tag: &str| {
        let list =
            forge.sh(&format!("skopeo inspect --raw --tls-verify=false docker://{name}:{tag}")).stdout();
        serde_json::from_str::<serde_json::Value>(&list).unwrap()
    };
    let referrers = format!("sha256-{}", &digest[7..]);
    let types = |list: &serde_json::Value| {
        let all = list["manifests"].as_array().unwrap().iter();
        all.map(|one| one["artifactType"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let listed = list(&referrers);
    let expected = ["application/spdx+json", "text/plain", "application/vnd.dev.cosign.artifact.sig.v1+json"];
    assert_eq!(types(&listed), expected);
    assert_eq!(listed["manifests"][0]["digest"], first.trim());
    assert_eq!(listed["manifests"][1]["annotations"]["by"], "ann");
    // Of what was attached, all arrives.
    let manifest =
        forge.sh(&format!("skopeo inspect --raw --tls-verify=false docker://{name}@{}", first.trim()));
    let manifest: serde_json::Value = serde_json::from_str(&manifest.stdout()).unwrap();
    assert_eq!(manifest["subject"]["digest"], digest.as_str());
    assert_eq!(manifest["layers"][0]["annotations"]["org.opencontainers.image.title"], "sbom.json");
    let blob = &manifest["layers"][0]["digest"].as_str().unwrap()[7..];
    forge.sh(&format!("cmp sbom.json $(find registry-*/docker -path '*{blob}/data')"));
    // Straight in the registry, to what is there already; and nothing twice.
    forge.ok(["attach", &format!("{name}:1"), "note.txt", "--type", "text/x-other"]);
    forge.ok(["push", "image:1", &format!("{name}:1")]);
    assert_eq!(types(&list(&referrers)), [&expected[..], &["text/x-other"]].concat());
    // A registry that keeps the list itself gets no tag with one.
    let knowing = Troubled::before(&registry.address, Trouble::KnowsSubjects);
    forge.ok(["push", "image:1", &format!("{}/knowing:1", knowing.address)]);
    let tags =
        forge.sh(&format!("skopeo list-tags --tls-verify=false docker://{}/knowing", registry.address));
    let tags: serde_json::Value = serde_json::from_str(&tags.stdout()).unwrap();
    let tags = tags["Tags"].as_array().unwrap();
    assert!(tags.len() == 2 && tags.iter().all(|tag| *tag != referrers.as_str()), "{tags:?}");
    // What has no place for it.
    forge.ok(["output", "docker", "rootfs.tar", "-o", "image.tar", "--tag", "app:1"]);
    forge.fails(11, ["attach", "image.tar", "note.txt", "--type", "text/plain"]).says(&["an OCI layout"]);
    forge.fails(2, ["attach", "image:1", "note.txt", "--type", "text"]).says(&["is no media type"]);
    forge.fails(13, ["attach", "nowhere:1", "note.txt", "--type", "text/plain"]).says(&["neither there nor"]);
    forge
        .fails(13, ["attach", &format!("{name}:2"), "note.txt", "--type", "text/plain"])
        .says(&["does not have"]);
    forge
        .fails(2, ["sign", "image:1", "--as", "r.example/app:1", "--sign-key", "eve@example.com"])
        .says(&["--lookaside DIR"]);
    end(&forge);
}
