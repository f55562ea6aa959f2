//! Package URLs: the name of a package in bills of materials.
//!
//! ECMA-427 ("purl"), and the definition of its type `rpm`: the version has no epoch, which is a
//! qualifier of its own.

use super::Package;

impl Package {
    /// The package's URL, such as `pkg:rpm/fedora/bash@5.2-1.fc42?arch=x86_64&distro=fedora-42`.
    ///
    /// `distribution` is the `ID` of os-release, `release` its `VERSION_ID`; without a release
    /// there is no qualifier `distro`.
    pub fn purl(&self, distribution: &str, release: &str) -> String {
        let version = match &self.evr.release {
            Some(release) => format!("{}-{release}", self.evr.version),
            None => self.evr.version.to_string(),
        };
        let epoch = match self.evr.epoch {
            0 => String::new(),
            epoch => epoch.to_string(),
        };
        let distro = match release {
            "" => String::new(),
            release => format!("{distribution}-{release}"),
        };
        // Qualifiers are sorted by their names.
        let qualifiers =
            [("arch", &*self.arch), ("distro", &*distro), ("epoch", &*epoch), ("upstream", &*self.source)];
        ctr_forge_packages::purl::purl(
            "rpm",
            &distribution.to_ascii_lowercase(),
            &self.name,
            &version,
            &qualifiers,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Package;
    use crate::version::Evr;

    fn package(name: &str, evr: &str, source: &str) -> Package {
        let evr = Evr::parse(evr).unwrap();
        Package { name: name.into(), evr, arch: "x86_64".into(), source: source.into(), ..Package::default() }
    }

    #[test]
    fn the_epoch_is_a_qualifier() {
        let purl = package("gcc-c++", "1:14-2.fc42", "gcc-14-2.fc42.src.rpm").purl("Fedora", "42");
        let expected = "pkg:rpm/fedora/gcc-c%2B%2B@14-2.fc42?arch=x86_64&distro=Fedora-42&epoch=1\
                        &upstream=gcc-14-2.fc42.src.rpm";
        assert_eq!(purl, expected);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(package("a", "1^git-2", "").purl("", ""), "pkg:rpm/a@1%5Egit-2?arch=x86_64");
    }
}
