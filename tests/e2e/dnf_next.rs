//! dnf 5 and rpm 6, which are in the next Debian: in a root of that, which we make ourselves, they
//! are given what the machine's dnf is given elsewhere.

use std::fs;

use ctr_forge_tests::rpm::distro::PROFILE;
use ctr_forge_tests::unpacked::assert_same;
use ctr_forge_tests::{Forge, Need, Test};

use crate::dnf_distro::{LOCKED, OF_THE_MOMENT, tree, without, world};

const NEXT: &[Need] = &[
    Need::Matrix,
    Need::Mirror,
    Need::Root,
    Need::Sandbox,
    Need::MountNamespace,
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
    Need::Tool("busybox"),
];

pub(crate) const TESTS: &[Test] =
    &[Test { name: "dnf_next::dnf5_makes_the_same", needs: NEXT, run: dnf5_makes_the_same }];

/// Its Release may be out of date in a mirror that is not asked for it often.
const DEBIAN: [&str; 8] =
    ["source", "debootstrap", "forky", "--no-check-valid-until", "--variant", "minbase", "dnf5", "rpm"];

/// Runs a script in `debian`, as on a machine of its own: below chroot(2) no user namespace is made.
const ENTER: &str = "mount --bind debian debian; cd debian; mount -t proc proc proc; \
    mount --rbind /dev dev; mount -t tmpfs tmpfs tmp; mkdir -p old; pivot_root . old; umount -l /old; \
    exec env -i HOME=/root LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1710000000 \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -euc \"$INSIDE\"";

fn inside(forge: &Forge, script: &str) -> String {
    forge.sh(&format!("export INSIDE='cd /srv; {script}'; unshare -m bash -euc '{ENTER}'")).stdout()
}

fn dnf5_makes_the_same() {
    let world = world();
    let forge = &world.forge;
    forge.ok(DEBIAN.iter().chain(&["-o", "debian.tar"]));
    forge.sh("mkdir debian; tar -C debian -xpf debian.tar; mv repo key.asc debian/srv");
    let built = ctr_forge_tests::build::profile_directory();
    for name in ["ctr-forge", "libctr_forge_source_dnf.so"] {
        fs::copy(built.join(name), forge.path("debian/srv").join(name)).unwrap();
    }
    let words = format!("source dnf {} --docs --repo /srv/repo --key key.asc", PROFILE.join(" "));
    let ours = "./ctr-forge --plugin-dir .";
    inside(forge, &format!("{ours} {words} -o ours.tar; {ours} {words} --engine dnf5 -o theirs.tar"));
    for root in ["ours", "theirs"] {
        forge.sh(&format!(
            "mkdir debian/srv/{root}; cd debian/srv/{root}; \
             tar --numeric-owner --xattrs --xattrs-include='*' -xpf ../{root}.tar"
        ));
        assert_eq!(inside(forge, &format!("rpm --root /srv/{root} -Va")), "");
    }
    let headers = ["ours", "theirs"].map(|root| headers(forge, root));
    assert!(headers[0].len() > 50 && headers[0].len() == headers[1].len());
    headers[0].iter().zip(&headers[1]).for_each(|(ours, theirs)| assert_eq!(ours, theirs));

    forge.sh(&format!("mv debian/srv/ours rootfs; {LOCKED}; mv debian/srv/theirs theirs"));
    let [ours, theirs] = ["rootfs", "theirs"].map(|root| {
        let mut tree = tree(&forge.path(root));
        // What differs there is compared above, by rpm, which leaves some more beside it.
        tree.retain(|path, _| !path.file_name().starts_with(b"rpmdb.sqlite"));
        tree
    });
    assert_same("dnf5's tree, and ours", &theirs, &ours);
}

/// All headers but those of keys, which rpm 6 calls by their whole fingerprints.
fn headers(forge: &Forge, root: &str) -> Vec<String> {
    let xml = inside(forge, &format!("rpm --root /srv/{root} -qa --xml"));
    // rpm 6 notes the digests of package files when it installs them.
    let tags = [&OF_THE_MOMENT[..], &["Packagedigests", "Packagedigestalgos"]].concat();
    let headers = xml.split("</rpmHeader>").filter(|header| !header.contains("gpg-pubkey"));
    let mut headers: Vec<String> = headers.map(|header| without(header, &tags)).collect();
    headers.sort();
    headers
}
