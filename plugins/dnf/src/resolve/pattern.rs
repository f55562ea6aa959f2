//! The forms in which people name packages (libdnf's `nevra.cpp` and `Query::filterSubject`).

use globset::{Glob, GlobMatcher};

use crate::package::Package;
use crate::version::{self, Evr};

/// Whether a word stands for several.
pub(super) fn is_glob(word: &str) -> bool {
    word.contains(['*', '?', '['])
}

/// Whether all paths that a pattern fits are in a repository's main metadata, which has those below
/// `/etc`, and those with `bin/` in them (createrepo_c's `primary` files).
pub(super) fn is_in_primary(path: &str) -> bool {
    let fixed = path.split(['*', '?', '[']).next().unwrap_or_default();
    fixed.starts_with("/etc/") || fixed.contains("bin/")
}

/// A word, or a part of one, that may have `*`, `?` and `[…]`.
#[derive(Debug)]
pub(super) enum Text<'a> {
    Plain(&'a str),
    Glob(Box<GlobMatcher>),
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        if !is_glob(text) {
            return Self::Plain(text);
        }
        // Of globs, dnf knows fewer than globset: braces are themselves.
        let escaped = text.replace('{', "[{]").replace('}', "[}]");
        match Glob::new(&escaped) {
            Ok(glob) => Self::Glob(Box::new(glob.compile_matcher())),
            Err(_) => Self::Plain(text),
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Plain(plain) => *plain == text,
            Self::Glob(glob) => glob.is_match(text),
        }
    }

    fn matches_version(&self, text: &str) -> bool {
        match self {
            Self::Plain(plain) => version::compare(plain, text).is_eq(),
            Self::Glob(glob) => glob.is_match(text),
        }
    }
}

/// One way to read a word as the name of a package.
#[derive(Debug)]
pub(super) struct Form<'a> {
    pub(super) name: Text<'a>,
    epoch: Option<u32>,
    version: Option<Text<'a>>,
    release: Option<Text<'a>>,
    arch: Option<Text<'a>>,
}

impl<'a> Form<'a> {
    fn new(name: &'a str) -> Self {
        Self { name: Text::new(name), epoch: None, version: None, release: None, arch: None }
    }

    /// Whether it says nothing but a name.
    pub(super) fn is_just_name(&self) -> bool {
        self.version.is_none() && self.arch.is_none()
    }

    pub(super) fn names(&self, package: &Package) -> bool {
        let Evr { epoch, version, release } = &package.evr;
        self.name.matches(&package.name)
            && self.epoch.is_none_or(|wanted| wanted == *epoch)
            && self.version.as_ref().is_none_or(|wanted| wanted.matches_version(version))
            && self
                .release
                .as_ref()
                .is_none_or(|wanted| release.as_ref().is_some_and(|release| wanted.matches_version(release)))
            && self.arch.as_ref().is_none_or(|wanted| wanted.matches(&package.arch))
    }
}

/// A word that names packages.
#[derive(Debug)]
pub(super) struct Pattern<'a> {
    /// The ways to read it, in the order in which dnf tries them.
    pub(super) forms: Vec<Form<'a>>,
    /// All of it, where it is a glob.
    pub(super) whole: Option<Text<'a>>,
}

impl<'a> Pattern<'a> {
    pub(super) fn new(word: &'a str) -> Self {
        let whole = is_glob(word).then(|| Text::new(word));
        if word.is_empty() || word.contains(['(', '/', '=', '<', '>', ' ']) {
            return Self { forms: Vec::new(), whole };
        }
        let with_arch = word
            .rsplit_once('.')
            .filter(|(name, arch)| !name.is_empty() && !arch.is_empty() && !arch.contains(['-', ':']));
        let nevra = with_arch.and_then(|(nevr, arch)| {
            let form = with_release(nevr)?;
            Some(Form { arch: Some(Text::new(arch)), ..form })
        });
        let is_name = |name: &&str| !name.contains(':');
        let na = with_arch.filter(|(name, _)| is_name(name));
        let na = na.map(|(name, arch)| Form { arch: Some(Text::new(arch)), ..Form::new(name) });
        let name = Some(word).filter(is_name).map(Form::new);
        let forms = [nevra, na, name, with_release(word), with_version(word)];
        Self { forms: forms.into_iter().flatten().collect(), whole }
    }

    /// A word, read only in the first of its forms that names any of all packages.
    pub(super) fn among<'p>(word: &'a str, packages: impl Iterator<Item = &'p Package> + Clone) -> Self {
        let Self { mut forms, whole } = Self::new(word);
        match forms.iter().position(|form| packages.clone().any(|package| form.names(package))) {
            Some(first) => Self { forms: vec![forms.swap_remove(first)], whole: None },
            None => Self { forms: Vec::new(), whole },
        }
    }

    /// Whether any way to read it names the package.
    pub(super) fn names(&self, package: &Package) -> bool {
        self.forms.iter().any(|form| form.names(package))
            || self.whole.as_ref().is_some_and(|whole| whole.matches(&package.nevra()))
    }
}

/// `name-[epoch:]version-release`
fn with_release(word: &str) -> Option<Form<'_>> {
    let (rest, release) = word.rsplit_once('-')?;
    let form = with_version(rest)?;
    (!release.is_empty() && !release.contains(':'))
        .then(|| Form { release: Some(Text::new(release)), ..form })
}

/// `name-[epoch:]version`
fn with_version(word: &str) -> Option<Form<'_>> {
    let (name, version) = word.rsplit_once('-')?;
    let (epoch, version) = match version.split_once(':') {
        Some((epoch, version)) => (Some(epoch.parse().ok()?), version),
        None => (None, version),
    };
    let fits = !name.is_empty() && !name.contains(':') && !version.is_empty() && !version.contains(':');
    fits.then(|| Form { epoch, version: Some(Text::new(version)), ..Form::new(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, evr: &str) -> Package {
        let evr = Evr::parse(evr).unwrap();
        Package { name: name.into(), evr, arch: "x86_64".into(), ..Package::default() }
    }

    #[test]
    fn a_package_can_be_named_in_many_ways() {
        let package = package("gcc-c++", "1:14.2-3.fc42");
        for word in [
            "gcc-c++",
            "gcc-c++.x86_64",
            "gcc-c++-14.2",
            "gcc-c++-1:14.2",
            "gcc-c++-14.2-3.fc42",
            "gcc-c++-1:14.2-3.fc42.x86_64",
            "gcc-c++-14.2-3.fc42.x86_64",
            "gcc-*",
            "gcc-c++.x86*",
            "gcc-c++-14.*",
            "*fc42*",
            "gcc-c++-014.02",
        ] {
            assert!(Pattern::new(word).names(&package), "{word}");
        }
        for word in [
            "gcc",
            "gcc-c++.i686",
            "gcc-c++-2:14.2",
            "gcc-c++-14.3",
            "gcc-c++-14.2-4",
            "*.i686",
            "gcc-c+{+}",
            "",
        ] {
            assert!(!Pattern::new(word).names(&package), "{word}");
        }
    }
}
