//! `comps.xml`: groups of packages, and environments, which are groups of groups.
//!
//! The format is that of the `comps.rng` of fedora-comps; which groups a word means, and which
//! of their packages come, is as dnf has it.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::io::BufRead;

use super::xml::{self, Element, Handler, XmlError};

/// Most groups, environments, and members of one of them.
const MAX_ENTRIES: usize = 100_000;

/// Groups and environments, of one repository or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comps {
    /// The groups.
    pub groups: Vec<Group>,
    /// The environments.
    pub environments: Vec<Environment>,
}

/// A group of packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// What commands call it: `core`.
    pub id: String,
    /// What people call it, in no language of their own: `Core`.
    pub name: String,
    /// Its packages.
    pub packages: Vec<Member>,
}

/// A package of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// How much it belongs to the group.
    pub kind: Kind,
    /// The architectures of which it is a member; of all where there are none.
    pub archs: Vec<String>,
}

/// How much a package belongs to its group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The group is not there without it.
    Mandatory,
    /// It comes unless somebody says no.
    Default,
    /// It comes if somebody asks.
    Optional,
    /// It comes where this package is.
    Conditional(String),
}

/// A group of groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// What commands call it: `minimal-environment`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Ids of groups that it always has.
    pub groups: Vec<String>,
}

/// Why groups cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CompsError {
    /// It is no XML.
    #[error("the groups' metadata {0}")]
    Xml(#[from] XmlError),
    /// It has too many.
    #[error("the groups' metadata has more than {MAX_ENTRIES} entries of one sort")]
    TooMany,
}

/// What a word that begins with `@` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// `@core`: a group, or else a module.
    Group(String),
    /// `@^minimal-environment`: an environment.
    Environment(String),
    /// `@nodejs:18/minimal`, or without one of the two: a module.
    Module {
        /// Its name.
        name: String,
        /// Its stream, where one is named.
        stream: Option<String>,
        /// Its profile, where one is named.
        profile: Option<String>,
    },
}

impl Word {
    /// Reads a word; `None` where it does not begin with `@` or has nothing behind it.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.strip_prefix('@')?;
        if let Some(environment) = word.strip_prefix('^') {
            return (!environment.is_empty()).then(|| Self::Environment(environment.to_owned()));
        }
        let (rest, profile) = match word.split_once('/') {
            Some((rest, profile)) => (rest, Some(profile.to_owned())),
            None => (word, None),
        };
        let (name, stream) = match rest.split_once(':') {
            Some((name, stream)) => (name, Some(stream.to_owned())),
            None => (rest, None),
        };
        let is_empty = |part: &Option<String>| part.as_ref().is_some_and(String::is_empty);
        if name.is_empty() || is_empty(&stream) || is_empty(&profile) {
            return None;
        }
        Some(match (&stream, &profile) {
            (None, None) => Self::Group(name.to_owned()),
            _ => Self::Module { name: name.to_owned(), stream, profile },
        })
    }
}

impl Comps {
    /// Reads `comps.xml`, without its compression.
    ///
    /// # Errors
    ///
    /// If it is no XML or has more groups than any.
    pub fn parse(input: impl BufRead) -> Result<Self, CompsError> {
        let mut parser = Parser::default();
        xml::read(input, &mut parser)?;
        Ok(parser.comps)
    }

    /// Adds those of another repository. A group of both has the packages of both.
    pub fn merge(&mut self, other: Self) {
        merge(&mut self.groups, other.groups, |one| &one.id, |one| &mut one.packages);
        merge(&mut self.environments, other.environments, |one| &one.id, |one| &mut one.groups);
    }

    /// The group with this id, or else with this name, in any case of its letters.
    pub fn group(&self, word: &str) -> Option<&Group> {
        let by_id = self.groups.iter().find(|group| group.id == word);
        by_id.or_else(|| self.groups.iter().find(|group| group.name.eq_ignore_ascii_case(word)))
    }

    /// The environment with this id, or else with this name.
    pub fn environment(&self, word: &str) -> Option<&Environment> {
        let by_id = self.environments.iter().find(|environment| environment.id == word);
        let by_name = |environment: &&Environment| environment.name.eq_ignore_ascii_case(word);
        by_id.or_else(|| self.environments.iter().find(by_name))
    }

    /// The packages of a group for an architecture, in its order; `None` where there is no such
    /// group.
    pub fn group_packages(&self, word: &str, arch: &str) -> Option<Vec<&Member>> {
        Some(self.group(word)?.members(arch).collect())
    }

    /// The packages of all groups that an environment always has, each once; `None` where there
    /// is no such environment. A group that it names and that is nowhere is left out, as in dnf.
    pub fn environment_packages(&self, word: &str, arch: &str) -> Option<Vec<&Member>> {
        let environment = self.environment(word)?;
        // The first of an id is the one that counts, as in `group`.
        let by_id: HashMap<&str, &Group> =
            self.groups.iter().rev().map(|group| (group.id.as_str(), group)).collect();
        let (mut seen, mut seen_groups) = (HashSet::new(), HashSet::new());
        let groups = environment.groups.iter().filter(|id| seen_groups.insert(*id));
        let members = groups.filter_map(|id| by_id.get(id.as_str())).flat_map(|group| group.members(arch));
        Some(members.filter(|member| seen.insert(*member)).collect())
    }
}

impl Group {
    /// Its packages for an architecture.
    fn members(&self, arch: &str) -> impl Iterator<Item = &Member> {
        let here =
            move |member: &&Member| member.archs.is_empty() || member.archs.iter().any(|of| of == arch);
        self.packages.iter().filter(here)
    }
}

/// Adds groups or environments. One with an id that is known adds its members to that.
fn merge<T, M: Eq + Hash>(
    known: &mut Vec<T>,
    more: Vec<T>,
    id: impl Fn(&T) -> &String,
    members: impl Fn(&mut T) -> &mut Vec<M>,
) {
    let mut places: HashMap<String, usize> =
        known.iter().enumerate().rev().map(|(place, one)| (id(one).clone(), place)).collect();
    let mut added: HashMap<usize, Vec<M>> = HashMap::new();
    for mut one in more {
        match places.get(id(&one)) {
            Some(place) => added.entry(*place).or_default().append(members(&mut one)),
            None => {
                places.insert(id(&one).clone(), known.len());
                known.push(one);
            }
        }
    }
    for (place, more) in added {
        add_new(members(&mut known[place]), more);
    }
}

/// Adds what is not there yet, each once.
fn add_new<T: Eq + Hash>(known: &mut Vec<T>, more: Vec<T>) {
    let is_new: Vec<bool> = {
        let mut seen: HashSet<&T> = known.iter().collect();
        more.iter().map(|one| seen.insert(one)).collect()
    };
    known.extend(more.into_iter().zip(is_new).filter_map(|(one, is_new)| is_new.then_some(one)));
}

#[derive(Default)]
struct Parser {
    comps: Comps,
    group: Group,
    environment: Environment,
    /// The package that is being read, without its name.
    member: Option<Member>,
    is_translated: bool,
    is_option: bool,
    in_environment: bool,
}

impl Handler for Parser {
    type Error = CompsError;
    const ROOT: &'static str = "comps";

    fn start(&mut self, depth: usize, element: &Element<'_>) -> Result<(), CompsError> {
        match (depth, element.name()) {
            (2, name) => {
                self.in_environment = name == "environment";
                self.group = Group::default();
                self.environment = Environment::default();
            }
            (3, "name") => self.is_translated = element.attribute("xml:lang")?.is_some(),
            (3, name) => self.is_option = name == "optionlist",
            (4, "packagereq") => self.member = Some(member(element)?),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, depth: usize, name: &str, text: &str) -> Result<(), CompsError> {
        let text = text.trim();
        match (depth, name) {
            (2, "group") if !self.group.id.is_empty() => {
                add(&mut self.comps.groups, std::mem::take(&mut self.group))?;
            }
            (2, "environment") if !self.environment.id.is_empty() => {
                add(&mut self.comps.environments, std::mem::take(&mut self.environment))?;
            }
            (3, "id") => {
                *self.slot(|group| &mut group.id, |environment| &mut environment.id) = text.to_owned()
            }
            (3, "name") if !self.is_translated => {
                *self.slot(|group| &mut group.name, |environment| &mut environment.name) = text.to_owned();
            }
            // Those that it can have beside are for whoever asks for them by name.
            (4, "groupid") if !self.is_option => add(&mut self.environment.groups, text.to_owned())?,
            (4, "packagereq") => {
                if let Some(member) = self.member.take().filter(|_| !text.is_empty()) {
                    add(&mut self.group.packages, Member { name: text.to_owned(), ..member })?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Parser {
    fn slot(
        &mut self,
        of_group: impl FnOnce(&mut Group) -> &mut String,
        of_environment: impl FnOnce(&mut Environment) -> &mut String,
    ) -> &mut String {
        match self.in_environment {
            true => of_environment(&mut self.environment),
            false => of_group(&mut self.group),
        }
    }
}

fn add<T>(all: &mut Vec<T>, one: T) -> Result<(), CompsError> {
    if all.len() >= MAX_ENTRIES {
        return Err(CompsError::TooMany);
    }
    all.push(one);
    Ok(())
}

fn member(element: &Element<'_>) -> Result<Member, XmlError> {
    let requires = element.attribute("requires")?.unwrap_or_default();
    let kind = match element.attribute("type")?.as_deref() {
        Some("default") => Kind::Default,
        Some("optional") => Kind::Optional,
        Some("conditional") => Kind::Conditional(requires.into_owned()),
        // What dnf makes of a package without a type, too.
        _ => Kind::Mandatory,
    };
    let archs = element.attribute("arch")?.unwrap_or_default();
    let archs = archs.split([',', ' ']).filter(|arch| !arch.is_empty()).map(str::to_owned).collect();
    Ok(Member { name: String::new(), kind, archs })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group>
    <id>core</id><name>Core</name><name xml:lang="de">Kern</name><default>true</default>
    <packagelist>
      <packagereq type="mandatory">bash</packagereq>
      <packagereq type="default" arch="x86_64,aarch64">microcode</packagereq>
      <packagereq type="optional">vim</packagereq>
      <packagereq type="conditional" requires="gnome">tool</packagereq>
      <packagereq/>
    </packagelist>
  </group>
  <group><id>net</id><name>Network &amp; more</name>
    <packagelist><packagereq>bash</packagereq></packagelist></group>
  <environment>
    <id>minimal</id><name>Minimal Install</name>
    <grouplist><groupid>core</groupid><groupid>net</groupid><groupid>nowhere</groupid></grouplist>
    <optionlist><groupid default="true">extra</groupid></optionlist>
  </environment>
  <category><id>x</id></category>
</comps>"#;

    fn names(members: Option<Vec<&Member>>) -> Vec<String> {
        members.unwrap().iter().map(|member| member.name.clone()).collect()
    }

    #[test]
    fn a_group_has_its_packages() {
        let comps = Comps::parse(COMPS.as_bytes()).unwrap();
        assert_eq!(names(comps.group_packages("core", "x86_64")), ["bash", "microcode", "vim", "tool"]);
        assert_eq!(names(comps.group_packages("Core", "s390x")), ["bash", "vim", "tool"]);
        assert_eq!(names(comps.group_packages("network & MORE", "x86_64")), ["bash"]);
        assert_eq!(comps.groups[0].packages[3].kind, Kind::Conditional("gnome".into()));
        assert_eq!(comps.groups[1].packages[0].kind, Kind::Mandatory);
        assert!(comps.group("Kern").is_none() && comps.group_packages("none", "x").is_none());
    }

    #[test]
    fn an_environment_has_the_packages_of_its_groups() {
        let comps = Comps::parse(COMPS.as_bytes()).unwrap();
        let members = comps.environment_packages("minimal", "s390x");
        assert_eq!(names(members), ["bash", "vim", "tool"]);
        assert_eq!(comps.environment("minimal install").unwrap().groups, ["core", "net", "nowhere"]);
        assert!(comps.environment_packages("core", "x").is_none());
    }

    #[test]
    fn two_repositories_add_to_the_same_group() {
        let mut comps = Comps::parse(COMPS.as_bytes()).unwrap();
        let more = COMPS.replace("vim", "emacs").replace("<groupid>net<", "<groupid>more<");
        comps.merge(Comps::parse(more.as_bytes()).unwrap());
        assert_eq!(names(comps.group_packages("core", "s390x")), ["bash", "vim", "tool", "emacs"]);
        assert_eq!(comps.environments[0].groups, ["core", "net", "nowhere", "more"]);
        assert_eq!(comps.groups.len(), 2);
    }

    #[test]
    fn a_great_many_groups_take_no_time() {
        let group = |id: String| Group { id, ..Group::default() };
        let many = || (0..MAX_ENTRIES).map(|number| group(format!("a group of many {number}"))).collect();
        let member =
            |number: usize| Member { name: number.to_string(), kind: Kind::Default, archs: Vec::new() };
        let same = |number| Group { packages: vec![member(number % 7)], ..group("same".into()) };
        let first = Group { packages: (0..MAX_ENTRIES).map(member).collect(), ..group("same".into()) };
        let groups = [many(), vec![first]].concat();
        let mut comps = Comps { groups, environments: Vec::new() };
        let began = std::time::Instant::now();
        comps.merge(Comps { groups: many(), environments: Vec::new() });
        comps.merge(Comps { groups: (0..MAX_ENTRIES).map(same).collect(), environments: Vec::new() });
        assert_eq!(comps.groups.len(), MAX_ENTRIES + 1);
        assert_eq!(comps.groups[MAX_ENTRIES].packages.len(), MAX_ENTRIES);
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    }

    #[test]
    fn words_say_what_they_are() {
        let module = |stream: Option<&str>, profile: Option<&str>| Word::Module {
            name: "nodejs".into(),
            stream: stream.map(str::to_owned),
            profile: profile.map(str::to_owned),
        };
        assert_eq!(Word::parse("@core"), Some(Word::Group("core".into())));
        assert_eq!(Word::parse("@^minimal"), Some(Word::Environment("minimal".into())));
        assert_eq!(Word::parse("@nodejs:18"), Some(module(Some("18"), None)));
        assert_eq!(Word::parse("@nodejs:18/minimal"), Some(module(Some("18"), Some("minimal"))));
        assert_eq!(Word::parse("@nodejs/minimal"), Some(module(None, Some("minimal"))));
        for bad in ["bash", "@", "@^", "@:18", "@nodejs:", "@nodejs/"] {
            assert_eq!(Word::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn broken_xml_is_an_error() {
        assert!(Comps::parse(&b"<comps><group></comps>"[..]).is_err());
    }
}
