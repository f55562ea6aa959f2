//! What the App Container specification calls things that OCI has other words for.

/// OCI's architectures, with their variants, and what appc calls them (appc 0.8.11,
/// `spec/aci.md`, "labels"). Others it does not know.
pub const APPC_ARCHITECTURES: &[(&str, Option<&str>, &str)] = &[
    ("amd64", None, "amd64"),
    ("386", None, "i386"),
    ("arm64", None, "aarch64"),
    ("arm", Some("v6"), "armv6l"),
    ("arm", Some("v7"), "armv7l"),
    ("ppc64", None, "ppc64"),
    ("ppc64le", None, "ppc64le"),
    ("s390x", None, "s390x"),
];
