//! `primary.xml`: the packages of a repository, with what they offer and need.
//!
//! Of Fedora it has 200 MB, so it is read once, as a stream, and texts are shared. What is wrong
//! with one package is told of it and costs no other; a file that is no XML is refused.

use std::borrow::Cow;
use std::io::BufRead;

use super::xml::{self, Element, Handler, XmlError};
use super::{Texts, checksum, location};
use crate::dependency::{Bound, Dependency, Operator, Relation};
use crate::package::{Package, Requirement};
use crate::version::Evr;

/// Most packages of one repository: fourteen times Fedora's.
const MAX_PACKAGES: usize = 1_000_000;
/// Most dependencies and files of a package, each.
const MAX_ENTRIES: usize = 1 << 20;
/// Longest name, version, release or architecture, in bytes: each is part of a file's name.
const MAX_NAME: usize = 255;

/// Why primary metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrimaryError {
    /// It is no XML.
    #[error("primary metadata {0}")]
    Xml(#[from] XmlError),
    /// It has too many packages.
    #[error("primary metadata has more than {MAX_PACKAGES} packages")]
    TooMany,
}

/// A package that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPackage {
    /// Its name, as far as it has one.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Where what is read goes.
pub struct Sink<'a> {
    /// Which architectures matter. Sources never do.
    pub wanted: &'a dyn Fn(&str) -> bool,
    /// Takes the packages, in the order of the file.
    pub package: &'a mut dyn FnMut(Package),
    /// Takes those that cannot be used.
    pub bad: &'a mut dyn FnMut(BadPackage),
}

impl std::fmt::Debug for Sink<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}

/// Reads `primary.xml`, without its compression.
///
/// # Errors
///
/// If it is no XML or has more packages than any repository.
pub fn read<'a>(input: impl BufRead, texts: &'a mut Texts, sink: Sink<'a>) -> Result<(), PrimaryError> {
    let draft = Draft::default();
    xml::read(input, &mut Parser { texts, sink, draft, list: None, seen: 0 })
}

/// Which list of dependencies is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Provides,
    Requires,
    Conflicts,
    Obsoletes,
    Recommends,
    Suggests,
    Supplements,
    Enhances,
}

struct Parser<'a> {
    texts: &'a mut Texts,
    sink: Sink<'a>,
    draft: Draft,
    list: Option<List>,
    seen: usize,
}

/// A package of which not all was read yet.
#[derive(Default)]
struct Draft {
    package: Package,
    checksum: String,
    /// It is of an architecture that nobody wants.
    unwanted: bool,
    problem: Option<String>,
}

impl Draft {
    fn problem(&mut self, why: String) {
        self.problem.get_or_insert(why);
    }

    fn is_over(&self) -> bool {
        self.unwanted || self.problem.is_some()
    }

    fn number(&mut self, what: &str, text: &str) -> u64 {
        text.parse().unwrap_or_else(|_| {
            self.problem(format!("its {what} \"{text}\" is no number"));
            0
        })
    }
}

impl Handler for Parser<'_> {
    type Error = PrimaryError;
    const ROOT: &'static str = "metadata";

    fn start(&mut self, depth: usize, element: &Element<'_>) -> Result<(), PrimaryError> {
        if depth == 2 {
            self.draft = Draft::default();
            self.seen += 1;
            if self.seen > MAX_PACKAGES {
                return Err(PrimaryError::TooMany);
            }
            return Ok(());
        }
        if self.draft.is_over() {
            return Ok(());
        }
        match depth {
            5 => self.entry(element)?,
            4 => self.list = list(element.name()),
            3 => self.values(element)?,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, depth: usize, name: &str, text: &str) -> Result<(), PrimaryError> {
        match (depth, name) {
            (2, "package") => self.finish(),
            _ if self.draft.is_over() => {}
            (4, "file") => self.file(text),
            (3 | 4, _) => self.text(depth, name, text),
            _ => {}
        }
        Ok(())
    }
}

impl Parser<'_> {
    /// Elements of a package that are all attributes.
    fn values(&mut self, element: &Element<'_>) -> Result<(), XmlError> {
        let draft = &mut self.draft;
        match element.name() {
            "version" => {
                let (evr, _) = evr(self.texts, element)?;
                match evr.filter(|evr| is_name(&evr.version) && evr.release.as_deref().is_some_and(is_name)) {
                    Some(evr) => draft.package.evr = evr,
                    None => draft.problem("it has no good version".into()),
                }
            }
            "checksum" => draft.checksum = element.attribute("type")?.unwrap_or_default().into_owned(),
            "time" => {
                let build = element.attribute("build")?.unwrap_or("0".into());
                draft.package.build_time = build.parse().unwrap_or_default();
            }
            "size" => {
                for attribute in element.attributes() {
                    match attribute? {
                        ("package", value) => draft.package.size = draft.number("size", &value),
                        ("installed", value) => {
                            draft.package.installed_size = draft.number("installed size", &value);
                        }
                        _ => {}
                    }
                }
            }
            "location" => {
                let href = element.attribute("href")?.unwrap_or_default();
                match location(&href, element.attribute("xml:base")?.as_deref()) {
                    Ok(location) => draft.package.location = location,
                    Err(error) => draft.problem(error.to_string()),
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Elements of a package, or of its format, that have a text.
    fn text(&mut self, depth: usize, name: &str, text: &str) {
        let (draft, texts) = (&mut self.draft, &mut *self.texts);
        match (depth, name) {
            (3, "name") if is_name(text) => draft.package.name = texts.text(text),
            (3, "arch") if is_name(text) => {
                draft.unwanted = matches!(text, "src" | "nosrc") || !(self.sink.wanted)(text);
                draft.package.arch = texts.text(text);
            }
            (3, "name" | "arch") => draft.problem(format!("\"{}\" is no {name}", excerpt(text))),
            (3, "checksum") => match checksum(&draft.checksum, text.trim()) {
                Ok(checksum) => draft.package.digest = checksum,
                Err(error) => draft.problem(error.to_string()),
            },
            (3, "summary") => draft.package.summary = text.to_owned(),
            (3, "url") => draft.package.url = text.to_owned(),
            (4, "license") => draft.package.license = texts.text(text),
            (4, "vendor") => draft.package.vendor = texts.text(text),
            (4, "sourcerpm") => draft.package.source = texts.text(text),
            _ => {}
        }
    }

    fn file(&mut self, text: &str) {
        match () {
            () if !text.starts_with('/') => {
                self.draft.problem(format!("its file \"{}\" is no absolute path", excerpt(text)));
            }
            () if self.draft.package.files.len() >= MAX_ENTRIES => {
                self.draft.problem("it has too many files".into());
            }
            () => self.draft.package.files.push(text.into()),
        }
    }

    fn entry(&mut self, element: &Element<'_>) -> Result<(), XmlError> {
        let Some(list) = self.list.filter(|_| element.name() == "entry") else { return Ok(()) };
        let (evr, entry) = evr(self.texts, element)?;
        let dependency = match self.dependency(list, evr, &entry) {
            Ok(dependency) => dependency,
            Err(why) => {
                self.draft.problem(format!("its dependency \"{}\" {why}", excerpt(&entry.name)));
                return Ok(());
            }
        };
        if !push(&mut self.draft.package, list, dependency, entry.pre) {
            self.draft.problem("it has too many dependencies, or a rich one where none may be".into());
        }
        Ok(())
    }

    fn dependency(&mut self, list: List, evr: Option<Evr>, entry: &Entry<'_>) -> Result<Dependency, String> {
        let is_plain = matches!(list, List::Provides | List::Obsoletes);
        if entry.name.starts_with('(') && !is_plain {
            return Dependency::parse(&entry.name).map_err(|error| format!("cannot be read: {error}"));
        }
        if entry.name.is_empty() {
            return Err("has no name".into());
        }
        let bound = match (entry.operator, evr) {
            (Flags::None, _) => None,
            (Flags::Some(operator), Some(evr)) => Some(Bound { operator, evr: self.texts.evr(evr) }),
            (Flags::Some(_), None) => return Err("has a bound without a good version".into()),
            (Flags::Unknown, _) => return Err("has an unknown kind of bound".into()),
        };
        Ok(Dependency::Simple(Relation { name: self.texts.text(&entry.name), bound }))
    }

    fn finish(&mut self) {
        let Draft { package, unwanted, mut problem, .. } = std::mem::take(&mut self.draft);
        if unwanted {
            return;
        }
        if problem.is_none() {
            problem = missing(&package).map(|what| format!("it has no {what}"));
        }
        match problem {
            None => (self.sink.package)(package),
            Some(why) => (self.sink.bad)(BadPackage { name: package.name.to_string(), why }),
        }
    }
}

/// What every package must have and this one has not.
fn missing(package: &Package) -> Option<&'static str> {
    match () {
        () if package.name.is_empty() => Some("name"),
        () if package.arch.is_empty() => Some("architecture"),
        () if package.evr.version.is_empty() => Some("version"),
        () if package.digest.is_empty() => Some("checksum"),
        () if package.location.is_empty() => Some("place"),
        () => None,
    }
}

/// The attributes of an `rpm:entry` that are no version.
#[derive(Default)]
struct Entry<'a> {
    name: Cow<'a, str>,
    operator: Flags,
    pre: bool,
}

#[derive(Default, Clone, Copy)]
enum Flags {
    #[default]
    None,
    Some(Operator),
    Unknown,
}

/// The version, if there is a good one, and whatever else an element has.
fn evr<'e>(texts: &mut Texts, element: &'e Element<'_>) -> Result<(Option<Evr>, Entry<'e>), XmlError> {
    let (mut evr, mut entry, mut is_good) = (Evr::default(), Entry::default(), true);
    for attribute in element.attributes() {
        let (name, value) = attribute?;
        match name {
            "name" => entry.name = value,
            "flags" => entry.operator = operator(&value),
            "pre" => entry.pre = matches!(&*value, "1" | "true"),
            "epoch" if value.is_empty() => {}
            "epoch" => match value.parse() {
                Ok(epoch) => evr.epoch = epoch,
                Err(_) => is_good = false,
            },
            "ver" => evr.version = texts.text(&value),
            "rel" if !value.is_empty() => evr.release = Some(texts.text(&value)),
            _ => {}
        }
    }
    Ok(((is_good && !evr.version.is_empty()).then_some(evr), entry))
}

fn operator(flags: &str) -> Flags {
    Flags::Some(match flags {
        "EQ" => Operator::Equal,
        "GE" => Operator::GreaterOrEqual,
        "LE" => Operator::LessOrEqual,
        "GT" => Operator::Greater,
        "LT" => Operator::Less,
        "" => return Flags::None,
        _ => return Flags::Unknown,
    })
}

fn list(name: &str) -> Option<List> {
    Some(match name {
        "provides" => List::Provides,
        "requires" => List::Requires,
        "conflicts" => List::Conflicts,
        "obsoletes" => List::Obsoletes,
        "recommends" => List::Recommends,
        "suggests" => List::Suggests,
        "supplements" => List::Supplements,
        "enhances" => List::Enhances,
        _ => return None,
    })
}

/// Whether there was room for it.
fn push(package: &mut Package, list: List, dependency: Dependency, pre: bool) -> bool {
    let dependencies = match (list, dependency) {
        (List::Requires, dependency) => {
            package.requires.push(Requirement { dependency, pre });
            return package.requires.len() <= MAX_ENTRIES;
        }
        (List::Provides, Dependency::Simple(relation)) => {
            package.provides.push(relation);
            return package.provides.len() <= MAX_ENTRIES;
        }
        (List::Obsoletes, Dependency::Simple(relation)) => {
            package.obsoletes.push(relation);
            return package.obsoletes.len() <= MAX_ENTRIES;
        }
        (List::Provides | List::Obsoletes, Dependency::Rich(_)) => return false,
        (List::Conflicts, dependency) => (&mut package.conflicts, dependency),
        (List::Recommends, dependency) => (&mut package.recommends, dependency),
        (List::Suggests, dependency) => (&mut package.suggests, dependency),
        (List::Supplements, dependency) => (&mut package.supplements, dependency),
        (List::Enhances, dependency) => (&mut package.enhances, dependency),
    };
    dependencies.0.push(dependencies.1);
    dependencies.0.len() <= MAX_ENTRIES
}

/// Whether a text can be a package's name, version, release or architecture: they become parts
/// of paths, of URLs and of what is printed.
pub(crate) fn is_name(text: &str) -> bool {
    let is_good = |c: char| !c.is_whitespace() && !c.is_control() && c != '/';
    !text.is_empty() && text.len() <= MAX_NAME && !text.starts_with(['-', '.']) && text.chars().all(is_good)
}

fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests;
