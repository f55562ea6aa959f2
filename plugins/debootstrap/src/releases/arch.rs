//! Names of architectures: dpkg's, and those that images carry.

/// OCI platform (`os/arch/variant` without the operating system; OCI image-spec,
/// `image-index.md`, "Platform Variants", with Go's names), and dpkg's name. armel is ARMv5T:
/// the official Debian images call it `arm/v5`.
const NAMES: &[(&str, &str)] = &[
    ("386", "i386"),
    ("amd64", "amd64"),
    ("arm/v5", "armel"),
    ("arm/v7", "armhf"),
    ("arm64", "arm64"),
    ("loong64", "loong64"),
    ("mips64le", "mips64el"),
    ("mipsle", "mipsel"),
    ("ppc64le", "ppc64el"),
    ("riscv64", "riscv64"),
    ("s390x", "s390x"),
];

/// dpkg's name of an architecture, from its OCI name or from dpkg's own.
pub fn dpkg_arch(name: &str) -> Option<&'static str> {
    // The one variant of arm64, which some tools write out.
    let name = if name == "arm64/v8" { "arm64" } else { name };
    NAMES.iter().find(|(oci, dpkg)| *oci == name || *dpkg == name).map(|(_, dpkg)| *dpkg)
}

/// The OCI name of an architecture, from dpkg's name or from the OCI name itself.
pub fn oci_arch(name: &str) -> Option<&'static str> {
    let dpkg = dpkg_arch(name)?;
    NAMES.iter().find(|(_, known)| *known == dpkg).map(|(oci, _)| *oci)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_both_ways() {
        for (oci, dpkg) in NAMES {
            assert_eq!((dpkg_arch(oci), oci_arch(dpkg)), (Some(*dpkg), Some(*oci)));
            assert_eq!((dpkg_arch(dpkg), oci_arch(oci)), (Some(*dpkg), Some(*oci)));
        }
        assert_eq!(dpkg_arch("arm64/v8"), Some("arm64"));
        assert_eq!((dpkg_arch("arm/v6"), oci_arch("all")), (None, None));
    }
}
