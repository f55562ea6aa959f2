//! Package URLs: `pkg:apk/alpine/NAME@VERSION?arch=…` (purl-spec, type `apk`).

/// The package URL of a package.
pub fn purl(distribution: &str, release: &str, name: &str, version: &str, arch: &str) -> String {
    let distro = match release.trim_start_matches('v') {
        "" => String::new(),
        release => format!("{distribution}-{release}"),
    };
    let qualifiers = [("arch", arch), ("distro", &distro)];
    ctr_forge_packages::purl::purl("apk", distribution, &name.to_ascii_lowercase(), version, &qualifiers)
}
