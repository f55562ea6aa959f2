//! Whom apt prefers where several packages satisfy a relation.
//!
//! Names first: a package that is called so comes before one that only provides the name.
//! Then essential ones, the native architecture, the more important priority. Where all that
//! is equal, apt takes the package that it met last while it read the index, be it as a
//! package or as a name in another's relation. That is an accident of its data structures, but
//! also what everybody gets, so it is followed here: [`Order`] repeats the reading. As that
//! takes tens of milliseconds, it is done when the first tie asks for it.

use std::cell::OnceCell;
use std::cmp::Reverse;

use super::universe::{ArchId, SlotId, Universe};
use crate::package::{MultiArch, Package, Priority};
use crate::relation::Relation;

/// When apt met each slot.
#[derive(Debug, Default)]
pub(super) struct Order {
    met: OnceCell<Vec<u32>>,
}

/// What apt looks at before it looks at when it met a package.
type Rank = (bool, bool, ArchId, Priority);

impl Order {
    /// Puts those that satisfy a relation in order, the preferred one first.
    pub(super) fn sort(&self, universe: &Universe<'_>, relation: &Relation<'_>, slots: &mut [SlotId]) {
        if slots.len() < 2 {
            return;
        }
        let rank = |slot: SlotId| rank(universe, relation, slot);
        slots.sort_unstable_by(|&a, &b| {
            rank(a).cmp(&rank(b)).then_with(|| {
                let met = self.met.get_or_init(|| Reading::new(universe).met());
                Reverse(met[a.index()]).cmp(&Reverse(met[b.index()]))
            })
        });
    }
}

fn rank(universe: &Universe<'_>, relation: &Relation<'_>, slot: SlotId) -> Rank {
    let entry = &universe[slot];
    // To apt, `name:any` is a package of its own, which others only provide.
    let real = relation.qualifier.is_none() && entry.name == relation.name;
    let priority = universe.candidate_of(slot).map_or(Priority::Extra, |package| package.priority);
    (!real, !entry.essential, entry.arch, priority)
}

/// A pass over the index that notes the first mention of each slot that provides something;
/// between others there are no ties.
struct Reading<'u, 'a> {
    universe: &'u Universe<'a>,
    met: Vec<u32>,
    next: u32,
    names: Sketch,
}

/// Not met yet.
const UNMET: u32 = u32::MAX;

impl<'u, 'a> Reading<'u, 'a> {
    fn new(universe: &'u Universe<'a>) -> Self {
        let mut names = Sketch(vec![false; Sketch::SIZE]);
        universe.providing().for_each(|slot| names.add(universe[slot].name.as_bytes()));
        Self { universe, met: vec![UNMET; universe.slots.len()], next: 0, names }
    }

    fn met(mut self) -> Vec<u32> {
        for package in self.universe.packages {
            self.read(package);
        }
        self.met
    }

    /// A package, then its relations in the order in which apt reads the fields.
    fn read(&mut self, package: &Package<'_>) {
        let Some(arch) = self.universe.arch(package.arch) else { return };
        if self.names.may_have(package.name.as_bytes()) {
            self.meet(package.name, arch);
        }
        for field in [package.pre_depends, package.depends] {
            self.read_field(field, |reading, name, qualifier| {
                reading.meet_qualified(name, qualifier, arch);
            });
        }
        for field in [package.conflicts, package.breaks, package.replaces] {
            self.read_field(field, |reading, name, qualifier| {
                reading.meet_unless_known(name, qualifier, arch);
            });
        }
        self.read_field(package.provides, |reading, name, qualifier| match package.multi_arch {
            // It provides the name for all architectures that are known to have it.
            MultiArch::Foreign => reading.meet_unless_known(name, qualifier, ArchId::NATIVE),
            _ => reading.meet_qualified(name, qualifier, arch),
        });
    }

    /// Calls for each name that may be of interest, with what follows its colon. Much quicker
    /// than to parse a field, and whether that is right does not matter here.
    fn read_field(&mut self, field: &str, mut meet: impl FnMut(&mut Self, &str, Option<&str>)) {
        for text in field.as_bytes().split(|byte| matches!(byte, b',' | b'|')) {
            let text = text.trim_ascii_start();
            let (name, rest) = text.split_at(word(text));
            if !self.names.may_have(name) {
                continue;
            }
            let qualifier = rest.strip_prefix(b":").map(|rest| &rest[..word(rest)]);
            let qualifier = qualifier.map(|text| std::str::from_utf8(text).unwrap_or_default());
            meet(self, std::str::from_utf8(name).unwrap_or_default(), qualifier);
        }
    }

    fn meet_qualified(&mut self, name: &str, qualifier: Option<&str>, arch: ArchId) {
        let arch = match qualifier {
            None => Some(arch),
            Some("native") => Some(ArchId::NATIVE),
            Some(arch) => self.universe.arch(arch),
        };
        if let Some(arch) = arch {
            self.meet(name, arch);
        }
    }

    /// A conflict is with all architectures that are known to have the name.
    fn meet_unless_known(&mut self, name: &str, qualifier: Option<&str>, arch: ArchId) {
        let known = |slot: SlotId| self.met[slot.index()] != UNMET;
        if qualifier.is_some() || !self.universe.siblings(name).any(known) {
            self.meet_qualified(name, qualifier, arch);
        }
    }

    fn meet(&mut self, name: &str, arch: ArchId) {
        let Some(slot) = self.universe.slot(name, arch) else { return };
        let met = &mut self.met[slot.index()];
        if *met == UNMET {
            *met = self.next;
            self.next += 1;
        }
    }
}

/// Where the name or qualifier in front ends.
fn word(text: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b':' | b'(' | b'[' | b'<');
    text.iter().position(ends).unwrap_or(text.len())
}

/// A set of names that can err: it spares nine of ten look-ups in the universe.
struct Sketch(Vec<bool>);

impl Sketch {
    const SIZE: usize = 1 << 16;

    fn place(name: &[u8]) -> usize {
        // Names differ at the end more than in front.
        let tail = name.iter().rev().take(8);
        let mixed = tail.fold(name.len(), |sum, &byte| sum.wrapping_mul(31) ^ usize::from(byte));
        (mixed ^ (mixed >> 16)) % Self::SIZE
    }

    fn add(&mut self, name: &[u8]) {
        self.0[Self::place(name)] = true;
    }

    fn may_have(&self, name: &[u8]) -> bool {
        self.0[Self::place(name)]
    }
}
