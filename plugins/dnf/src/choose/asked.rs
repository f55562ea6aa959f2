//! Words of the command line as what the solver is asked for: packages, groups, modules.

use ctr_forge_plugin::{Error, ErrorKind, Result};

use crate::dependency::Dependency;
use crate::index::Index;
use crate::metadata::comps::{Comps, Kind, Member, Word};
use crate::metadata::modules::{Filter, Modules, ModulesError};
use crate::places::Places;
use crate::resolve::Want;

/// What is asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) wants: Vec<Want>,
    /// Packages of groups, which may be missing.
    pub(super) optional: Vec<Want>,
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
            Word::Group(name) => match self.comps.group_packages(&name, self.arch) {
                Some(members) => members.into_iter().cloned().collect(),
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
        members.into_iter().for_each(|member| self.member(member));
        Ok(())
    }

    /// What a group has by itself. dnf leaves out what is not there, whatever the group calls it.
    fn member(&mut self, member: Member) {
        match member.kind {
            Kind::Mandatory | Kind::Default => self.asked.optional.push(Want::Word(member.name)),
            // As dnf says it to libsolv.
            Kind::Conditional(requires) => {
                let rich = Dependency::parse(&format!("({} if {requires})", member.name));
                self.asked.optional.extend(rich.ok().map(Want::Dependency));
            }
            Kind::Optional => {}
        }
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
