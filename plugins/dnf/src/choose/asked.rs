//! Words of the command line as what the solver is asked for: packages, groups, modules.

use std::collections::HashSet;

use ctr_forge_plugin::{Error, ErrorKind, Host, Result};

use crate::dependency::Dependency;
use crate::index::Index;
use crate::metadata::comps::{Comps, Kind, Member, Word};
use crate::metadata::modules::{Filter, Modules, ModulesError};
use crate::places::Places;
use crate::resolve::{Names, Offer, Want};

/// What is asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) wants: Vec<Want>,
    /// Packages of groups.
    members: Vec<Member>,
    /// Which packages modules hide.
    pub(super) modules: Filter,
}

impl Asked {
    /// Reads the words. Groups and modules are taken out of the indexes for that.
    pub(super) fn of(words: &[&str], indexes: &mut [Index], places: &Places) -> Result<Self> {
        let (mut comps, mut modules) = (Comps::default(), Modules::default());
        for index in indexes {
            comps.merge(std::mem::take(&mut index.comps));
            modules.merge(std::mem::take(&mut index.modules));
        }
        let mut reader = Reader {
            comps,
            modules,
            arch: places.arch.basearch(),
            asked: Self::default(),
            streams: Vec::new(),
        };
        for word in words {
            reader.word(word)?;
        }
        let platform = places.release.as_ref().and_then(|release| release.platform());
        let wanted: Vec<_> =
            reader.streams.iter().map(|(name, stream, _)| (name.clone(), stream.clone())).collect();
        let selection = reader.modules.visible(&wanted, platform).map_err(|e| wrong(&e))?;
        for (name, _, profile) in &reader.streams {
            let stream = selection.enabled.get(name).map(String::as_str).unwrap_or_default();
            let packages = reader.modules.profile(name, stream, profile.as_deref()).map_err(|e| wrong(&e))?;
            reader.asked.wants.extend(packages.into_iter().map(Want::Word));
        }
        Ok(Self { modules: selection.filter, ..reader.asked })
    }

    /// What is asked for by groups. As in dnf, a member is a package of exactly that name; one that
    /// is there has to be installed, and one that is nowhere is told of.
    pub(super) fn of_groups(&self, offers: &[Offer<'_>], exclude: &[String], host: &Host) -> Vec<Want> {
        let (wants, missing) = members(&self.members, offers, exclude);
        if !missing.is_empty() {
            host.warn(format!("no repository has these packages of groups: {}", shortened(&missing)));
        }
        wants
    }
}

/// Members as what has to be installed, and the names of those that are nowhere.
fn members<'a>(members: &'a [Member], offers: &[Offer<'_>], exclude: &[String]) -> (Vec<Want>, Vec<&'a str>) {
    if members.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let exclude = Names::of(exclude, offers.iter().map(|offer| offer.package));
    let (mut known, mut usable) = (HashSet::new(), HashSet::new());
    for Offer { package, .. } in offers.iter().filter(|offer| offer.hidden.is_none()) {
        known.insert(&*package.name);
        if !exclude.have(package) {
            usable.insert(&*package.name);
        }
    }
    let wants = members.iter().filter(|member| usable.contains(&*member.name)).filter_map(want);
    let mut missing: Vec<&str> = members.iter().map(|member| &*member.name).collect();
    let mut seen = HashSet::new();
    missing.retain(|name| !known.contains(name) && seen.insert(*name));
    (wants.collect(), missing)
}

fn want(member: &Member) -> Option<Want> {
    match &member.kind {
        Kind::Mandatory | Kind::Default => Some(Want::Word(member.name.clone())),
        // As dnf says it to libsolv.
        Kind::Conditional(requires) => {
            let rich = Dependency::parse(&format!("({} if {requires})", member.name));
            rich.ok().map(Want::Dependency)
        }
        Kind::Optional => None,
    }
}

struct Reader<'a> {
    comps: Comps,
    modules: Modules,
    arch: &'a str,
    asked: Asked,
    /// Modules with stream and profile.
    streams: Vec<(String, Option<String>, Option<String>)>,
}

impl Reader<'_> {
    fn word(&mut self, word: &str) -> Result<()> {
        let unknown = |what: &str, known: Vec<&str>| {
            let error =
                Error::new(ErrorKind::NotFound, format!("there is no {what} \"{word}\" in the repositories"));
            let error = error.option("package");
            match known.is_empty() {
                true => error.hint("They have no groups."),
                false => error.hint(format!("They have {}.", shortened(&known))),
            }
        };
        if !word.starts_with('@') {
            let want = Want::parse(word).map_err(|e| Error::usage(e.to_string()).option("package"))?;
            self.asked.wants.push(want);
            return Ok(());
        }
        let parsed = Word::parse(word)
            .ok_or_else(|| Error::usage(format!("\"{word}\" names no group")).option("package"))?;
        let members: Vec<Member> = match parsed {
            Word::Environment(name) => match self.comps.environment_packages(&name, self.arch) {
                Some(members) => members.into_iter().cloned().collect(),
                None => {
                    let known = self.comps.environments.iter().map(|one| one.id.as_str()).collect();
                    return Err(unknown("environment", known));
                }
            },
            Word::Group(name) => match self.of_either(&name) {
                Some(members) => members,
                None if self.modules.has(&name) => {
                    self.streams.push((name, None, None));
                    return Ok(());
                }
                None => {
                    let known = self.comps.groups.iter().map(|one| one.id.as_str()).collect();
                    return Err(unknown("group", known));
                }
            },
            Word::Module { name, stream, profile } => {
                self.streams.push((name, stream, profile));
                return Ok(());
            }
        };
        self.asked.members.extend(members.into_iter().filter(|member| member.kind != Kind::Optional));
        Ok(())
    }

    /// The packages of the group and of the environment that are called so: dnf takes both.
    fn of_either(&self, name: &str) -> Option<Vec<Member>> {
        let group = self.comps.group_packages(name, self.arch);
        let environment = self.comps.environment_packages(name, self.arch);
        let is_any = group.is_some() || environment.is_some();
        is_any.then(|| group.into_iter().chain(environment).flatten().cloned().collect())
    }
}

/// A list of names for a message.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 20;
    match names.len() > SHOWN {
        true => format!("{} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN),
        false => names.join(", "),
    }
}

fn wrong(error: &ModulesError) -> Error {
    Error::new(ErrorKind::NotFound, error.to_string()).option("package")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependency::Relation;
    use crate::package::Package;

    #[test]
    fn members_of_groups_are_packages_by_name_alone() {
        let package = |name: &str| Package {
            name: name.into(),
            provides: vec![Relation::to("virtual")],
            ..Package::default()
        };
        let packages = ["good", "excluded"].map(package);
        let offer = |package| Offer { package, repository: 1, priority: 99, is_local: false, hidden: None };
        let offers: Vec<_> = packages.iter().map(offer).collect();
        let member = |name: &str, kind| Member { name: name.to_owned(), kind, archs: Vec::new() };
        let asked = [
            member("good", Kind::Default),
            member("virtual", Kind::Mandatory),
            member("g*", Kind::Mandatory),
            member("excluded", Kind::Mandatory),
            member("good", Kind::Conditional("other".to_owned())),
            member("gone", Kind::Conditional("other".to_owned())),
            member("virtual", Kind::Default),
        ];
        let (wants, missing) = members(&asked, &offers, &["excl*".to_owned()]);
        let rich = Dependency::parse("(good if other)").unwrap();
        assert_eq!(wants, [Want::Word("good".to_owned()), Want::Dependency(rich)]);
        assert_eq!(missing, ["virtual", "g*", "gone"]);
    }
}
