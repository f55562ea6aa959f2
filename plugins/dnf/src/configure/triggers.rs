//! Triggers of a package: what sets them off (rpm-scriptlets(7), "Triggers", "File triggers").
//!
//! A trigger names packages, a file trigger beginnings of paths. In a header both are flat lists
//! of conditions, each with the number of its script; the order of that list decides which script
//! runs where several conditions fit, so it is kept as it is.

use super::evr::{self, GREATER, LESS};
use super::script::Script;
use crate::rpm::header::Header;
use crate::rpm::tag;

/// A file trigger that names no priority (`RPMTRIGGER_DEFAULT_PRIORITY`).
const DEFAULT_PRIORITY: u32 = 1_000_000;

/// When a trigger runs, as the flags of its conditions say (`rpmsenseFlags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the package that sets it off: `%triggerprein`.
    Before,
    /// When that is there: `%triggerin`.
    After,
}

impl Moment {
    fn flag(self) -> u64 {
        match self {
            Self::Before => 1 << 25,
            Self::After => 1 << 16,
        }
    }

    /// What it is called in a spec file, without the percent sign.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "triggerprein",
            Self::After => "triggerin",
        }
    }
}

/// A condition of a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The package that sets it off.
    pub name: String,
    /// `rpmsenseFlags`: when, and on which side of the version.
    pub flags: u64,
    /// A bound on its version; empty where there is none.
    pub evr: String,
    /// The number of the script.
    pub script: usize,
}

impl Condition {
    /// Whether a package of the name, with what it provides, sets it off then.
    pub(super) fn fits(&self, name: &str, provides: &[Provide], moment: Moment) -> bool {
        self.name == name
            && self.flags & moment.flag() != 0
            && (self.evr.is_empty()
                || self.flags & (LESS | GREATER | evr::EQUAL) == 0
                || provides.iter().any(|provide| provide.meets(self)))
    }
}

/// What a package provides under its own name: mostly its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provide {
    /// `rpmsenseFlags`.
    pub flags: u64,
    /// A version; empty where there is none.
    pub evr: String,
}

impl Provide {
    /// Those of a package that are called as it is: a trigger is set off by no others.
    pub(super) fn of(header: &Header, name: &str) -> Vec<Self> {
        let flags = header.numbers(tag::PROVIDEFLAGS).into_iter();
        let named = header.texts(tag::PROVIDENAME).zip(header.texts(tag::PROVIDEVERSION).zip(flags));
        let own = named.filter(|(provided, _)| provided == name);
        own.map(|(_, (evr, flags))| Self { flags, evr: evr.into_owned() }).collect()
    }

    fn meets(&self, condition: &Condition) -> bool {
        evr::overlap((&self.evr, self.flags), (&condition.evr, condition.flags))
    }
}

/// Triggers that packages set off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Triggers {
    /// In the header's order.
    pub conditions: Vec<Condition>,
    /// By their numbers.
    pub scripts: Vec<Script>,
}

impl Triggers {
    /// Reads those that an installation may set off.
    pub(super) fn of(header: &Header) -> Self {
        let installing = Moment::Before.flag() | Moment::After.flag();
        let scripts = scripts(header, [tag::TRIGGERSCRIPTS, tag::TRIGGERSCRIPTPROG, tag::TRIGGERSCRIPTFLAGS]);
        let (flags, numbers) = (header.numbers(tag::TRIGGERFLAGS), header.numbers(tag::TRIGGERINDEX));
        let named = header.texts(tag::TRIGGERNAME).zip(header.texts(tag::TRIGGERVERSION));
        let conditions = named.zip(flags.into_iter().zip(numbers)).map(|((name, evr), (flags, number))| {
            let script = usize::try_from(number).unwrap_or(usize::MAX);
            Condition { name: name.into_owned(), flags, evr: evr.into_owned(), script }
        });
        let conditions: Vec<_> = conditions
            .filter(|condition| condition.flags & installing != 0 && condition.script < scripts.len())
            .collect();
        match conditions.is_empty() {
            true => Self::default(),
            false => Self { conditions, scripts },
        }
    }

    /// What those are called that an installation may set off; others have no conditions here.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        (0..self.scripts.len()).filter_map(|number| {
            let condition = self.conditions.iter().find(|condition| condition.script == number)?;
            let is_before = condition.flags & Moment::Before.flag() != 0;
            Some(if is_before { Moment::Before } else { Moment::After }.name())
        })
    }
}

/// A trigger that files set off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileTrigger {
    /// What runs.
    pub script: Script,
    /// How the paths begin, in the header's order. A text is compared, not whole names.
    pub prefixes: Vec<Vec<u8>>,
    /// The greater, the earlier.
    pub priority: u32,
}

impl FileTrigger {
    /// Paths out of `files` that set it off, by prefix, then in their own order: a path that
    /// begins in two ways is there twice, as in rpm.
    pub(super) fn matches<'f>(
        &'f self,
        files: impl Iterator<Item = &'f [u8]> + Clone + 'f,
    ) -> impl Iterator<Item = &'f [u8]> {
        self.prefixes.iter().flat_map(move |prefix| files.clone().filter(|path| path.starts_with(prefix)))
    }
}

/// Those that begin so.
pub(super) fn beginning<'f>(files: &'f [Vec<u8>], prefix: &'f [u8]) -> impl Iterator<Item = &'f [u8]> {
    files.iter().map(Vec::as_slice).filter(move |path| path.starts_with(prefix))
}

/// File triggers of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileTriggers(pub Vec<FileTrigger>);

impl FileTriggers {
    /// A name for each that an installation may set off; others have no beginnings here.
    pub(super) fn names(&self, name: &'static str) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|trigger| !trigger.prefixes.is_empty()).map(move |_| name)
    }

    /// Those that files of each package set off.
    pub(super) fn of(header: &Header) -> Self {
        let scripts = [tag::FILETRIGGERSCRIPTS, tag::FILETRIGGERSCRIPTPROG, tag::FILETRIGGERSCRIPTFLAGS];
        let conditions = [tag::FILETRIGGERNAME, tag::FILETRIGGERFLAGS, tag::FILETRIGGERINDEX];
        Self::read(header, scripts, conditions, tag::FILETRIGGERPRIORITIES)
    }

    /// Those that are set off once, at the end.
    pub(super) fn of_transaction(header: &Header) -> Self {
        let scripts =
            [tag::TRANSFILETRIGGERSCRIPTS, tag::TRANSFILETRIGGERSCRIPTPROG, tag::TRANSFILETRIGGERSCRIPTFLAGS];
        let conditions = [tag::TRANSFILETRIGGERNAME, tag::TRANSFILETRIGGERFLAGS, tag::TRANSFILETRIGGERINDEX];
        Self::read(header, scripts, conditions, tag::TRANSFILETRIGGERPRIORITIES)
    }

    fn read(header: &Header, tags: [u32; 3], [names, flags, numbers]: [u32; 3], priorities: u32) -> Self {
        let priorities = header.numbers(priorities);
        let priority = |number: usize| priorities.get(number).and_then(|&value| u32::try_from(value).ok());
        let triggers = scripts(header, tags).into_iter().enumerate().map(|(number, script)| {
            let priority = priority(number).unwrap_or(DEFAULT_PRIORITY);
            FileTrigger { script, prefixes: Vec::new(), priority }
        });
        let mut triggers: Vec<_> = triggers.collect();
        let installing = Moment::After.flag();
        let (flags, numbers) = (header.numbers(flags), header.numbers(numbers));
        for (prefix, (flags, number)) in header.strings(names).zip(flags.into_iter().zip(numbers)) {
            let trigger = usize::try_from(number).ok().and_then(|number| triggers.get_mut(number));
            if let Some(trigger) = trigger.filter(|_| flags & installing != 0) {
                trigger.prefixes.push(prefix.to_vec());
            }
        }
        match triggers.iter().all(|trigger| trigger.prefixes.is_empty()) {
            true => Self::default(),
            false => Self(triggers),
        }
    }
}

/// Scripts of triggers: each has one word for its interpreter, and always a text, if an empty one.
fn scripts(header: &Header, [bodies, programs, flags]: [u32; 3]) -> Vec<Script> {
    let flags = header.numbers(flags);
    let texts = header.strings(bodies).zip(header.texts(programs)).enumerate();
    texts
        .map(|(number, (body, program))| {
            let flags = flags.get(number).copied().unwrap_or(0);
            Script::new(vec![program.into_owned()], Some(body.to_vec()), flags)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: u64 = 1 << 16;

    fn condition(flags: u64, evr: &str) -> Condition {
        Condition { name: "b".to_owned(), flags, evr: evr.to_owned(), script: 0 }
    }

    #[test]
    fn conditions_look_at_name_moment_and_version() {
        let provides = [Provide { flags: evr::EQUAL, evr: "1:2.0-3".to_owned() }];
        let fits = |condition: Condition, name: &str| condition.fits(name, &provides, Moment::After);
        assert!(fits(condition(AFTER, ""), "b"));
        assert!(!fits(condition(AFTER, ""), "c"));
        assert!(!fits(condition(1 << 25, ""), "b"));
        assert!(fits(condition(AFTER | GREATER | evr::EQUAL, "1:2"), "b"));
        assert!(fits(condition(AFTER | GREATER, "9"), "b"), "an epoch comes first");
        assert!(!fits(condition(AFTER | LESS, "1:2.0-3"), "b"));
        assert!(fits(condition(AFTER | LESS, "1:2.0-4"), "b"));
    }

    #[test]
    fn only_what_an_installation_sets_off_has_a_name() {
        let conditions = [(1 << 25, 2), (AFTER, 0), (AFTER, 0)];
        let triggers = Triggers {
            conditions: conditions.map(|(flags, script)| Condition { script, ..condition(flags, "") }).into(),
            scripts: vec![Script::default(); 3],
        };
        assert_eq!(triggers.names().collect::<Vec<_>>(), ["triggerin", "triggerprein"]);
        let mut files = FileTriggers(vec![FileTrigger::default(); 2]);
        files.0[1].prefixes.push(b"/d".to_vec());
        assert_eq!(files.names("filetriggerin").collect::<Vec<_>>(), ["filetriggerin"]);
    }

    #[test]
    fn prefixes_are_texts_and_each_has_its_turn() {
        let trigger =
            FileTrigger { prefixes: vec![b"/d/x".to_vec(), b"/d".to_vec()], ..FileTrigger::default() };
        let files = [&b"/d"[..], b"/d/x", b"/d/xy", b"/e"].map(<[u8]>::to_vec);
        let paths: Vec<_> = trigger.matches(files.iter().map(Vec::as_slice)).collect();
        assert_eq!(paths, [&b"/d/x"[..], b"/d/xy", b"/d", b"/d/x", b"/d/xy"]);
    }
}
