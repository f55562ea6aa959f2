//! Package URLs: the name of a package in bills of materials (purl-spec, type `deb`).

use super::Package;

impl Package<'_> {
    /// The package's URL, such as `pkg:deb/debian/curl@7.88.1-10%2Bdeb12u12?arch=amd64&distro=bookworm`.
    ///
    /// `distribution` is `debian` or `ubuntu`; `release` is its codename or number, and no
    /// qualifier if empty.
    pub fn purl(&self, distribution: &str, release: &str) -> String {
        let (distribution, name) = (distribution.to_ascii_lowercase(), self.name.to_ascii_lowercase());
        let qualifiers = [("arch", self.arch), ("distro", release)];
        ctr_forge_packages::purl::purl("deb", &distribution, &name, self.version, &qualifiers)
    }
}
