//! Small universes to resolve in, written as text, and every set of packages that would do.

use super::{Offer, Request, ResolveError, Want, check, resolve};
use crate::dependency::{Dependency, Relation};
use crate::package::{Package, Requirement};
use crate::version::Evr;

/// A line for each package that is not indented: `name evr arch repository priority`, where all
/// but the name may be left out (`1-1 x86_64 0 99`). Its relations stand indented below it, each
/// with its kind: `Requires: a, b >= 2, (c or d)`.
pub(super) fn packages(text: &str) -> Vec<(Package, usize, u32)> {
    let mut packages: Vec<(Package, usize, u32)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match (line.strip_prefix(' '), packages.last_mut()) {
            (Some(field), Some((package, ..))) => set(package, field.trim()),
            _ => packages.push(package(line)),
        }
    }
    packages
}

fn package(line: &str) -> (Package, usize, u32) {
    let words: Vec<_> = line.split(' ').collect();
    let mut evr = Evr::parse(words.get(1).unwrap_or(&"1")).unwrap();
    evr.release.get_or_insert_with(|| "1".into());
    let arch = *words.get(2).unwrap_or(&"x86_64");
    let number = |place: usize| words.get(place).map(|word| word.parse::<u32>().unwrap());
    let package = Package { name: words[0].into(), evr, arch: arch.into(), ..Package::default() };
    (package, number(3).unwrap_or(0) as usize, number(4).unwrap_or(99))
}

fn set(package: &mut Package, field: &str) {
    let (kind, list) = field.split_once(": ").unwrap();
    let dependencies: Vec<_> = list.split(", ").map(|text| Dependency::parse(text).unwrap()).collect();
    let relations = || list.split(", ").map(|text| Relation::parse(text).unwrap());
    let requirements =
        |pre| dependencies.iter().cloned().map(move |dependency| Requirement { dependency, pre });
    match kind {
        "Provides" => package.provides.extend(relations()),
        "Obsoletes" => package.obsoletes.extend(relations()),
        "Files" => package.files.extend(list.split(", ").map(Into::into)),
        "Requires" => package.requires.extend(requirements(false)),
        "Requires(pre)" => package.requires.extend(requirements(true)),
        "Conflicts" => package.conflicts.extend(dependencies),
        "Recommends" => package.recommends.extend(dependencies),
        "Suggests" => package.suggests.extend(dependencies),
        "Supplements" => package.supplements.extend(dependencies),
        "Enhances" => package.enhances.extend(dependencies),
        _ => panic!("no kind {kind}"),
    }
}

pub(super) fn offers(packages: &[(Package, usize, u32)]) -> Vec<Offer<'_>> {
    let all = packages.iter();
    all.map(|(package, repository, priority)| Offer {
        package,
        repository: *repository,
        priority: *priority,
        is_local: false,
        hidden: None,
    })
    .collect()
}

/// A request, as on a command line.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    pub(super) wants: Vec<Want>,
    pub(super) exclude: Vec<String>,
    pub(super) weak: bool,
}

impl Words {
    /// Words, with commas between them.
    pub(super) fn new(words: &str) -> Self {
        let wants = words.split(", ").filter(|word| !word.is_empty());
        Self { wants: wants.map(|word| Want::parse(word).unwrap()).collect(), ..Self::default() }
    }

    pub(super) fn weak(mut self) -> Self {
        self.weak = true;
        self
    }

    pub(super) fn request(&self) -> Request<'_> {
        let Self { wants, exclude, weak } = self;
        Request { wants, arch: "x86_64", weak: *weak, exclude }
    }

    /// The packages chosen, and that they hold.
    pub(super) fn indexes(&self, packages: &[(Package, usize, u32)]) -> Result<Vec<usize>, ResolveError> {
        let chosen = resolve(&offers(packages), &self.request())?;
        let found: Vec<_> = chosen.iter().map(|&index| &packages[index].0).collect();
        assert_eq!(check::fault(&found), None);
        Ok(chosen)
    }

    /// What is chosen, in the order of installation: names alone where they say enough, or the
    /// error.
    pub(super) fn resolve(&self, text: &str) -> String {
        let packages = packages(text);
        let title = |&index: &usize| {
            let Package { name, evr, arch, .. } = &packages[index].0;
            let version = if &*evr.version == "1" { String::new() } else { format!("-{}", evr.version) };
            let arch = if &**arch == "x86_64" { String::new() } else { format!(".{arch}") };
            format!("{name}{version}{arch}")
        };
        match self.indexes(&packages) {
            Ok(chosen) => chosen.iter().map(title).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }
}

/// Resolves the words, without weak dependencies.
pub(super) fn chosen(text: &str, words: &str) -> String {
    Words::new(words).resolve(text)
}

/// The same, sorted by name.
pub(super) fn sorted(text: &str, words: &str) -> String {
    let chosen = chosen(text, words);
    let mut names: Vec<_> = chosen.split(' ').collect();
    names.sort_unstable();
    names.join(" ")
}

/// Whether any set of packages at all has one of each of these groups and holds.
pub(super) fn is_possible(packages: &[(Package, usize, u32)], groups: &[Vec<usize>]) -> bool {
    assert!(packages.len() <= 16);
    (0_u32..1 << packages.len()).any(|set| {
        let has = |index: &usize| set & 1 << index != 0;
        let chosen: Vec<_> = (0..packages.len()).filter(has).map(|index| &packages[index].0).collect();
        groups.iter().all(|group| group.iter().any(has)) && check::fault(&chosen).is_none()
    })
}
