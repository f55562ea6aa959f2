//! Small archives to resolve in, and an independent judge of what was chosen.

use super::{Request, ResolveError, Want, resolve};
use crate::package::{MultiArch, Package, Priority};
use crate::relation::{self, Group, Relation};

/// A stanza for each line that is not indented: `name version arch repository`, where the last
/// two may be left out. Fields stand indented below it.
pub(super) fn archive(text: &str) -> Vec<Package<'_>> {
    let mut packages: Vec<Package<'_>> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match (line.strip_prefix(' '), packages.last_mut()) {
            (Some(field), Some(package)) => set(package, field.trim()),
            _ => packages.push(package(line)),
        }
    }
    packages
}

fn package(line: &str) -> Package<'_> {
    let words: Vec<_> = line.split(' ').collect();
    Package {
        name: words[0],
        version: words[1],
        arch: words.get(2).copied().unwrap_or("amd64"),
        multi_arch: MultiArch::No,
        essential: false,
        priority: Priority::Optional,
        section: "",
        source: words[0],
        pre_depends: "",
        depends: "",
        conflicts: "",
        breaks: "",
        provides: "",
        replaces: "",
        filename: "",
        size: 0,
        installed_size: 0,
        digest: String::new(),
        repository: words.get(3).map_or(0, |word| word.parse().unwrap()),
    }
}

fn set<'a>(package: &mut Package<'a>, field: &'a str) {
    let (name, value) = field.split_once(": ").unwrap();
    match name {
        "Pre-Depends" => package.pre_depends = value,
        "Depends" => package.depends = value,
        "Conflicts" => package.conflicts = value,
        "Breaks" => package.breaks = value,
        "Provides" => package.provides = value,
        "Essential" => package.essential = true,
        "Priority" => {
            package.priority = match value {
                "required" => Priority::Required,
                "important" => Priority::Important,
                _ => Priority::Standard,
            }
        }
        "Multi-Arch" => {
            package.multi_arch = match value {
                "same" => MultiArch::Same,
                "foreign" => MultiArch::Foreign,
                _ => MultiArch::Allowed,
            }
        }
        _ => panic!("no field {name}"),
    }
}

/// `name`, `name:arch`, either with `=version`.
pub(super) fn want(word: &str) -> Want {
    let (name, version) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
    let (name, arch) = name.split_once(':').map_or((name, None), |(n, a)| (n, Some(a)));
    let (arch, version) = (arch.map(str::to_owned), version.map(str::to_owned));
    Want::Package { name: name.to_owned(), arch, version, repositories: None }
}

/// A request in the words of a command line.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    pub(super) wants: Vec<Want>,
    pub(super) exclude: Vec<String>,
    pub(super) foreign: Vec<String>,
    pub(super) priorities: Vec<i32>,
}

impl Words {
    pub(super) fn new(words: &str) -> Self {
        let wants = words.split_ascii_whitespace().map(want).collect();
        Self { wants, ..Self::default() }
    }

    /// The packages chosen, and that they hold.
    pub(super) fn indexes(&self, packages: &[Package<'_>]) -> Result<Vec<usize>, ResolveError> {
        let request = Request {
            arch: "amd64",
            foreign: &self.foreign,
            wants: &self.wants,
            exclude: &self.exclude,
            priorities: &self.priorities,
        };
        let chosen = resolve(packages, &request)?;
        let chosen_packages: Vec<_> = chosen.iter().map(|&index| &packages[index]).collect();
        assert_eq!(fault(&chosen_packages), None);
        Ok(chosen)
    }

    /// `name=version` of each, or the error.
    pub(super) fn resolve(&self, text: &str) -> String {
        let packages = archive(text);
        match self.indexes(&packages) {
            Err(error) => error.to_string(),
            Ok(chosen) => {
                let title = |&index: &usize| {
                    let package = &packages[index];
                    match package.arch {
                        "amd64" | "all" => format!("{}={}", package.name, package.version),
                        arch => format!("{}:{arch}={}", package.name, package.version),
                    }
                };
                chosen.iter().map(title).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// Resolves the words in an archive of the native architecture.
pub(super) fn chosen(text: &str, words: &str) -> String {
    Words::new(words).resolve(text)
}

/// What of the chosen packages does not hold: the rules of dpkg, written down without what
/// `resolve` is made of.
pub(super) fn fault(chosen: &[&Package<'_>]) -> Option<String> {
    chosen.iter().find_map(|package| {
        let needs = relations(package.pre_depends).chain(relations(package.depends));
        let unmet =
            |group: &Group<'_>| !group.iter().any(|r| chosen.iter().any(|other| meets(package, r, other)));
        let unmet = needs.filter(unmet).map(|group| format!("{} needs {group:?}", package.name)).next();
        let clashes = relations(package.conflicts).chain(relations(package.breaks)).flatten();
        let others = || chosen.iter().filter(|other| other.name != package.name);
        let clash = clashes
            .filter(|relation| others().any(|other| names(relation, other)))
            .map(|relation| format!("{} conflicts with {relation:?}", package.name))
            .next();
        let siblings = chosen.iter().filter(|other| other.name == package.name);
        let twin = siblings
            .filter(|other| !std::ptr::eq(**other, *package) && !stand_together(package, other))
            .map(|other| format!("{} twice, {} and {}", package.name, package.version, other.version))
            .next();
        unmet.or(clash).or(twin)
    })
}

fn relations(field: &str) -> impl Iterator<Item = Group<'_>> {
    relation::parse(field).unwrap().into_iter()
}

fn stand_together(a: &Package<'_>, b: &Package<'_>) -> bool {
    let same = a.multi_arch == MultiArch::Same && b.multi_arch == MultiArch::Same;
    same && a.arch != b.arch && a.version == b.version
}

fn native(arch: &str) -> &str {
    if arch == "all" { "amd64" } else { arch }
}

fn meets(package: &Package<'_>, relation: &Relation<'_>, other: &Package<'_>) -> bool {
    let arch = match relation.qualifier {
        None => other.multi_arch == MultiArch::Foreign || native(other.arch) == native(package.arch),
        Some("any") => other.multi_arch == MultiArch::Allowed,
        Some("native") => native(other.arch) == "amd64",
        Some(arch) => native(other.arch) == arch,
    };
    arch && names(relation, other)
}

fn names(relation: &Relation<'_>, other: &Package<'_>) -> bool {
    let provided = relation::provides(other.provides).map(Result::unwrap);
    (relation.name == other.name && relation.accepts(Some(other.version)))
        || provided
            .filter(|provided| provided.name == relation.name)
            .any(|provided| relation.accepts(provided.constraint.map(|(_, version)| version)))
}
