//! What an installation in an empty root does, step by step and in rpm's order.
//!
//! That order is found in rpm's `lib/psm.cc`, `lib/rpmtriggers.cc` and `lib/transaction.cc`, and
//! in rpm-scriptlets(7), "EXECUTION ORDER". Some of it nobody would expect; each such thing has a
//! note below and was tried with the real rpm.
//!
//! This is pure logic over what the packages say of themselves. Nothing in it depends on how a
//! step ends: a failure that counts ends the whole.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::ops::Range;

use super::evr;
use super::script::{Script, Scriptlets};
use super::triggers::{FileTrigger, FileTriggers, Moment, Provide, beginning};
use crate::rpm::header::Header;
use crate::rpm::tag;

/// From this priority on, file triggers run before `%post` (`TRIGGER_PRIORITY_BOUND`).
const BOUND: u32 = 10_000;

/// File triggers get numbers of packages since this version of rpm; before, `$1` was 0.
const NUMBERS_SINCE: &str = "4.19.90";

/// What a transaction has to know of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its name, version and architecture, as rpm's messages have it: `bash-5.2.37-1.fc42.x86_64`.
    pub title: String,
    /// What it may run.
    pub scriptlets: Scriptlets,
    /// What it provides under its own name.
    pub provides: Vec<Provide>,
    /// Paths of the files that it installs, absolute, in the header's order.
    pub files: Vec<Vec<u8>>,
    /// Places in that list of those that another package has brought before.
    pub shared: HashSet<usize>,
    /// Directories of these, with a slash at the end.
    pub directories: Vec<Vec<u8>>,
    /// Where its relocatable parts are.
    pub prefixes: Vec<String>,
    /// The rpm that made it.
    pub rpm: String,
}

/// What the installation of a package does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It brings it.
    Brought,
    /// It has it, and another package has brought the same before.
    Shared,
    /// It is not wanted, or another's is there instead.
    Absent,
}

impl Package {
    /// Reads it from a header; `presence` is that of each file, by its place.
    pub fn of(header: &Header, presence: impl Fn(usize) -> Presence) -> Self {
        let text = |tag| header.text(tag).unwrap_or_default().into_owned();
        let name = text(tag::NAME);
        let epoch = header.number(tag::EPOCH).map_or(String::new(), |epoch| format!("{epoch}:"));
        let title =
            format!("{name}-{epoch}{}-{}.{}", text(tag::VERSION), text(tag::RELEASE), text(tag::ARCH));
        let directories: Vec<&[u8]> = header.strings(tag::DIRNAMES).collect();
        let mut package = Self {
            title,
            scriptlets: Scriptlets::of(header),
            provides: Provide::of(header, &name),
            prefixes: header
                .texts(tag::INSTPREFIXES)
                .chain(header.texts(tag::PREFIXES).filter(|_| !header.has(tag::INSTPREFIXES)))
                .map(std::borrow::Cow::into_owned)
                .collect(),
            rpm: text(tag::RPMVERSION),
            name,
            ..Self::default()
        };
        let named = header.strings(tag::BASENAMES).zip(header.numbers(tag::DIRINDEXES)).enumerate();
        for (place, (base, index)) in named {
            let directory = usize::try_from(index).ok().and_then(|index| directories.get(index));
            let presence = presence(place);
            let Some(directory) = directory.filter(|_| presence != Presence::Absent) else { continue };
            if presence == Presence::Shared {
                package.shared.insert(package.files.len());
            }
            package.files.push([directory, base].concat());
        }
        package.directories = directories.into_iter().map(<[u8]>::to_vec).collect();
        package
    }

    /// Files that come with it: what another has brought before sets off none of the triggers
    /// that look at one package (`matchFilesNext` of rpm's `lib/rpmtriggers.c`).
    fn brought(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let files = self.files.iter().enumerate();
        files.filter(|(place, _)| !self.shared.contains(place)).map(|(_, path)| path.as_slice())
    }

    fn has_numbers(&self) -> bool {
        evr::compare(&self.rpm, NUMBERS_SINCE).is_ge()
    }
}

/// A script of a package's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// `%pretrans`
    Pretrans,
    /// `%pre`
    Pre,
    /// `%post`
    Post,
    /// `%posttrans`
    Posttrans,
}

impl Slot {
    /// What it is called in a spec file, without the percent sign.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pretrans => "pretrans",
            Self::Pre => "pre",
            Self::Post => "post",
            Self::Posttrans => "posttrans",
        }
    }

    /// The script, if the package has it.
    pub fn script(self, scriptlets: &Scriptlets) -> Option<&Script> {
        match self {
            Self::Pretrans => scriptlets.pretrans.as_ref(),
            Self::Pre => scriptlets.pre.as_ref(),
            Self::Post => scriptlets.post.as_ref(),
            Self::Posttrans => scriptlets.posttrans.as_ref(),
        }
    }
}

/// Whose files set a file trigger off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Among {
    /// Those of the package that has just been installed.
    Package(usize),
    /// Those of all of these packages, as far as the database finds them.
    Database(Range<usize>),
}

/// Something to be done. Packages are named by their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Users and groups of the package are made.
    Users(usize),
    /// Its files are unpacked.
    Unpack(usize),
    /// A script of a package runs.
    Script {
        /// Whose.
        package: usize,
        /// Which.
        slot: Slot,
        /// `$1`: how many packages of its name there are then.
        argument: usize,
    },
    /// A trigger runs.
    Trigger {
        /// Whose.
        owner: usize,
        /// What set it off.
        by: usize,
        /// The script's number.
        script: usize,
        /// When.
        moment: Moment,
        /// `$1` and `$2`: how many packages there are of the owner's name, and of the other's.
        arguments: [usize; 2],
    },
    /// A file trigger runs.
    FileTrigger {
        /// Whose.
        owner: usize,
        /// Its number.
        trigger: usize,
        /// Whether it is one of the whole transaction.
        transaction: bool,
        /// Whose files set it off; [`Transaction::paths`] has them.
        among: Among,
        /// `$1` and so on.
        arguments: Vec<usize>,
    },
}

/// The steps, in their order.
#[derive(Debug)]
pub struct Transaction<'p> {
    packages: &'p [Package],
    steps: VecDeque<Step>,
    /// Packages that are installed.
    installed: usize,
    is_over: bool,
}

impl<'p> Transaction<'p> {
    /// The installation of these packages in this order.
    pub fn new(packages: &'p [Package]) -> Self {
        let mut transaction =
            Self { packages, steps: VecDeque::new(), installed: 0, is_over: packages.is_empty() };
        for package in 0..packages.len() {
            transaction.script(package, Slot::Pretrans, 1);
        }
        transaction
    }

    /// The paths that a file trigger gets.
    pub fn paths<'s>(&self, trigger: &'s FileTrigger, among: &Among) -> impl Iterator<Item = &'s [u8]>
    where
        'p: 's,
    {
        let packages = self.packages;
        let (package, range) = match among {
            Among::Package(package) => (Some(&packages[*package]), 0..0),
            Among::Database(range) => (None, range.clone()),
        };
        let own = package.into_iter().flat_map(move |package| trigger.matches(package.brought()));
        own.chain(self.found(trigger, range).map(|(_, path)| path))
    }

    /// Paths that the database finds, and whose they are: prefix by prefix, package by package. It
    /// finds packages by their directories: one whose directories all begin otherwise is not
    /// looked into, even if a path of it would fit.
    fn found<'s>(
        &self,
        trigger: &'s FileTrigger,
        range: Range<usize>,
    ) -> impl Iterator<Item = (usize, &'s [u8])>
    where
        'p: 's,
    {
        let packages = self.packages;
        trigger.prefixes.iter().flat_map(move |prefix| {
            let has = move |place: &usize| beginning(&packages[*place].directories, prefix).next().is_some();
            range.clone().filter(has).flat_map(move |place| {
                beginning(&packages[place].files, prefix).map(move |path| (place, path))
            })
        })
    }

    /// How many packages of the name are installed.
    fn named(&self, name: &str) -> usize {
        self.packages[..self.installed].iter().filter(|package| package.name == name).count()
    }

    fn script(&mut self, package: usize, slot: Slot, argument: usize) {
        if slot.script(&self.packages[package].scriptlets).is_some() {
            self.steps.push_back(Step::Script { package, slot, argument });
        }
    }

    /// All that is done for the next package.
    fn package(&mut self) {
        let (package, packages) = (self.installed, self.packages);
        let argument = self.named(&packages[package].name) + 1;
        self.steps.push_back(Step::Users(package));
        self.triggers(package, Moment::Before);
        self.script(package, Slot::Pre, argument);
        self.steps.push_back(Step::Unpack(package));
        self.installed += 1;
        self.file_triggers(package, argument, |priority| priority >= BOUND);
        self.script(package, Slot::Post, argument);
        self.triggers(package, Moment::After);
        self.file_triggers(package, argument, |priority| priority < BOUND);
    }

    fn triggers(&mut self, package: usize, moment: Moment) {
        self.triggers_of_others(package, moment);
        self.triggers_of_own(package, moment);
    }

    /// Triggers that the package sets off, of all that are installed. When it is so itself, its own
    /// are among them: what a package sets off itself runs twice.
    fn triggers_of_others(&mut self, package: usize, moment: Moment) {
        let name = &self.packages[package].name;
        let theirs = self.named(name);
        for owner in 0..self.installed {
            if let Some(script) = self.set_off(owner, package, moment) {
                let arguments = [self.named(&self.packages[owner].name), theirs];
                self.steps.push_back(Step::Trigger { owner, by: package, script, moment, arguments });
            }
        }
    }

    /// The package's own triggers that installed ones set off, each once.
    fn triggers_of_own(&mut self, owner: usize, moment: Moment) {
        let packages = self.packages;
        let conditions = &packages[owner].scriptlets.triggers.conditions;
        let own = self.named(&packages[owner].name);
        let mut ran = BTreeSet::new();
        for condition in conditions {
            for (by, other) in packages[..self.installed].iter().enumerate() {
                if ran.contains(&condition.script) || other.name != condition.name {
                    continue;
                }
                if let Some(script) = self.set_off(owner, by, moment).filter(|script| ran.insert(*script)) {
                    let arguments = [own, self.named(&condition.name)];
                    self.steps.push_back(Step::Trigger { owner, by, script, moment, arguments });
                }
            }
        }
    }

    /// The script that one package sets off of another: of the first condition that fits. Others
    /// that would fit too never run.
    fn set_off(&self, owner: usize, by: usize, moment: Moment) -> Option<usize> {
        let (owner, by) = (&self.packages[owner], &self.packages[by]);
        let mut conditions = owner.scriptlets.triggers.conditions.iter();
        let fits = conditions.find(|condition| condition.fits(&by.name, &by.provides, moment))?;
        Some(fits.script)
    }

    /// File triggers that the package sets off, its own included, and then its own again with
    /// what the packages before it have.
    fn file_triggers(&mut self, package: usize, argument: usize, class: fn(u32) -> bool) {
        let packages = self.packages;
        let all = packages[..self.installed].iter().enumerate();
        let mut all: Vec<(usize, usize, &FileTrigger)> =
            all.flat_map(|(owner, other)| in_class(owner, &other.scriptlets.file_triggers, class)).collect();
        all.sort_by_key(|(owner, number, trigger)| (Reverse(trigger.priority), *owner, *number));
        for (owner, trigger, _) in all {
            let among = Among::Package(package);
            let arguments = match packages[owner].has_numbers() {
                true => vec![self.named(&packages[owner].name), argument],
                false => vec![0],
            };
            self.file_trigger(owner, trigger, among, arguments);
        }
        let mut own = in_class(package, &packages[package].scriptlets.file_triggers, class);
        own.sort_by_key(|(_, number, trigger)| (Reverse(trigger.priority), *number));
        for (owner, number, trigger) in own {
            let arguments = match packages[owner].has_numbers() {
                true => vec![argument, self.count_of_first(trigger, package)],
                false => vec![0],
            };
            self.file_trigger(owner, number, Among::Database(0..package), arguments);
        }
    }

    /// How many packages are called as the first of those before `end` that sets the trigger off.
    fn count_of_first(&self, trigger: &FileTrigger, end: usize) -> usize {
        let first = self.found(trigger, 0..end).next();
        first.map_or(0, |(place, _)| self.named(&self.packages[place].name))
    }

    fn file_trigger(&mut self, owner: usize, trigger: usize, among: Among, arguments: Vec<usize>) {
        let packages = self.packages;
        let is_set_off =
            self.paths(&packages[owner].scriptlets.file_triggers.0[trigger], &among).next().is_some();
        if is_set_off {
            let step = Step::FileTrigger { owner, trigger, transaction: false, among, arguments };
            self.steps.push_back(step);
        }
    }

    /// What is done when all packages are there. The file triggers of the transaction run package
    /// by package; their priorities count only within each.
    fn end(&mut self) {
        let packages = self.packages;
        for (package, Package { name, .. }) in packages.iter().enumerate() {
            let argument = self.named(name);
            self.script(package, Slot::Posttrans, argument);
        }
        for (owner, package) in packages.iter().enumerate() {
            let mut own = in_class(owner, &package.scriptlets.transaction_file_triggers, |_| true);
            own.sort_by_key(|(_, number, trigger)| (Reverse(trigger.priority), *number));
            for (owner, number, trigger) in own {
                let among = Among::Database(0..packages.len());
                if self.paths(trigger, &among).next().is_none() {
                    continue;
                }
                let count = if package.has_numbers() { self.named(&package.name) } else { 0 };
                self.steps.push_back(Step::FileTrigger {
                    owner,
                    trigger: number,
                    transaction: true,
                    among,
                    arguments: vec![count],
                });
            }
        }
        self.is_over = true;
    }
}

fn in_class(
    owner: usize,
    triggers: &FileTriggers,
    class: fn(u32) -> bool,
) -> Vec<(usize, usize, &FileTrigger)> {
    let numbered = triggers.0.iter().enumerate().filter(|(_, trigger)| class(trigger.priority));
    numbered.map(|(number, trigger)| (owner, number, trigger)).collect()
}

impl Iterator for Transaction<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        while self.steps.is_empty() && !self.is_over {
            match self.installed < self.packages.len() {
                true => self.package(),
                false => self.end(),
            }
        }
        self.steps.pop_front()
    }
}

#[cfg(test)]
mod tests;
