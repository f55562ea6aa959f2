//! `/var/lib/dpkg/diversions`: files of packages that go to other names.
//!
//! A package's `preinst` may say, by `dpkg-divert(1)`, that a file goes elsewhere whichever
//! package brings it, but for one. Three lines each: the path, where it goes instead, and the
//! package that is excepted, or `:` where none is.

use std::collections::HashMap;

use ctr_forge_rootfs::RootPath;

/// What is diverted.
#[derive(Debug, Default)]
pub(super) struct Diversions(HashMap<RootPath, (RootPath, String)>);

impl Diversions {
    /// Reads the file. What is none is passed over: dpkg itself has written it.
    pub(super) fn parse(text: &[u8]) -> Self {
        let lines: Vec<&[u8]> = text.split(|&b| b == b'\n').collect();
        let path = |line: &[u8]| RootPath::new(line).ok().filter(|path| !path.is_root());
        let three = lines.as_chunks::<3>().0.iter().filter_map(|three| {
            let package = String::from_utf8_lossy(three[2]).into_owned();
            Some((path(three[0])?, (path(three[1])?, package)))
        });
        Self(three.collect())
    }

    /// Where `path` of `package` goes, if it is diverted.
    pub(super) fn of(&self, path: &RootPath, package: &str) -> Option<&RootPath> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(path).filter(|(_, excepted)| excepted != package).map(|(elsewhere, _)| elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_one_package_are_diverted() {
        let path = |text: &str| RootPath::new(text.as_bytes()).unwrap();
        let diversions = Diversions::parse(b"/bin/sh\n/bin/sh.distrib\ndash\n/etc/x\n/etc/y\n:\n");
        assert_eq!(diversions.of(&path("bin/sh"), "bash"), Some(&path("bin/sh.distrib")));
        assert_eq!(diversions.of(&path("bin/sh"), "dash"), None);
        assert_eq!(diversions.of(&path("etc/x"), "dash"), Some(&path("etc/y")));
        assert_eq!(diversions.of(&path("etc/y"), "dash"), None);
    }
}
