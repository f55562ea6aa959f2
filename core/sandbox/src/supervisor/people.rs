//! Who a process has become: `credentials(7)`.
//!
//! A process that calls `setuid` stays what it is for the kernel; it and what it starts are told
//! what they asked for, and own what they make.

use std::collections::HashMap;

use rustix::io::Errno;

use super::calls::Person;
use super::notice::Verdict;
use super::target::{Target, status_of};

/// Most groups of a process: `NGROUPS_MAX`.
const MAX_GROUPS: usize = 65_536;

/// How far up the parents of a process are looked for one that has become somebody.
const MAX_PARENTS: usize = 64;

/// "As it is", in calls that set several ids.
const SAME: u32 = u32::MAX;

/// Who is who.
#[derive(Debug, Default)]
pub(super) struct People {
    /// By process, and when that was started: numbers are used again.
    known: HashMap<u32, (u64, Ids)>,
}

/// The ids of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ids {
    users: Four,
    groups: Four,
    more: Vec<u32>,
}

/// Real, effective, saved and file system id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Four {
    real: u32,
    effective: u32,
    saved: u32,
    files: u32,
}

impl People {
    /// User and group that own what the process makes.
    pub(super) fn maker(&mut self, target: &Target<'_>) -> (u32, u32) {
        match self.known.is_empty() {
            true => (0, 0),
            false => {
                let ids = self.find(target);
                (ids.users.files, ids.groups.files)
            }
        }
    }

    pub(super) fn answer(&mut self, call: Person, target: &Target<'_>) -> Result<Verdict, Errno> {
        if self.known.is_empty() && call.asks_for_one() {
            return Ok(Verdict::Continue);
        }
        let mut ids = self.find(target);
        let verdict = ids.answer(call, target)?;
        if !call.asks() {
            self.set(target, ids);
        }
        Ok(verdict)
    }

    /// The ids of a process: its own, or those of the nearest parent that has some.
    fn find(&self, target: &Target<'_>) -> Ids {
        let mut process = target.status("Tgid", 10).unwrap_or(0);
        for _ in 0..MAX_PARENTS {
            if process <= 1 || self.known.is_empty() {
                break;
            }
            if let Some((start, ids)) = self.known.get(&process)
                && started(process) == Some(*start)
            {
                return ids.clone();
            }
            process = status_of(process, "PPid", 10).unwrap_or(0);
        }
        Ids::default()
    }

    fn set(&mut self, target: &Target<'_>, ids: Ids) {
        if let Some(process) = target.status("Tgid", 10)
            && let Some(start) = started(process)
        {
            self.known.insert(process, (start, ids));
        }
    }
}

/// When a process was started: field 22 of `/proc/PID/stat`.
fn started(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may have blanks and parentheses in it.
    text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

impl Person {
    /// Whether nothing is changed.
    fn asks(self) -> bool {
        self.asks_for_one() || matches!(self, Self::GetResUid | Self::GetResGid | Self::GetGroups)
    }

    fn asks_for_one(self) -> bool {
        matches!(self, Self::GetUid | Self::GetGid | Self::GetEuid | Self::GetEgid)
    }
}

impl Ids {
    fn answer(&mut self, call: Person, target: &Target<'_>) -> Result<Verdict, Errno> {
        // Whether a process that was root may still change its groups depends on capabilities that
        // it may have kept, and it matters to nobody here. That it cannot be root again does:
        // programs make sure of it.
        let privileged = self.users.effective == 0;
        let (a, b, c) = (target.number(0), target.number(1), target.number(2));
        let value = |id: u32| Ok(Verdict::Value(i64::from(id)));
        let done = |result: Result<(), Errno>| result.map(|()| Verdict::DONE);
        match call {
            Person::GetUid => value(self.users.real),
            Person::GetEuid => value(self.users.effective),
            Person::GetGid => value(self.groups.real),
            Person::GetEgid => value(self.groups.effective),
            Person::SetUid => done(self.users.set(a, privileged)),
            Person::SetGid => done(self.groups.set(a, true)),
            Person::SetReUid => done(self.users.set_two(a, b, privileged)),
            Person::SetReGid => done(self.groups.set_two(a, b, true)),
            Person::SetResUid => done(self.users.set_three(a, b, c, privileged)),
            Person::SetResGid => done(self.groups.set_three(a, b, c, true)),
            Person::SetFsUid => value(self.users.set_files(a, privileged)),
            Person::SetFsGid => value(self.groups.set_files(a, true)),
            Person::GetResUid => done(tell(target, self.users)),
            Person::GetResGid => done(tell(target, self.groups)),
            Person::SetGroups => done(self.set_groups(target)),
            Person::GetGroups => self.get_groups(target),
        }
    }

    fn set_groups(&mut self, target: &Target<'_>) -> Result<(), Errno> {
        let count = target.number(0) as usize;
        if count > MAX_GROUPS {
            return Err(Errno::INVAL);
        }
        let mut bytes = vec![0; 4 * count];
        if count > 0 {
            target.read(target.notice.argument(1), &mut bytes)?;
        }
        self.more = bytes.as_chunks().0.iter().map(|bytes| u32::from_ne_bytes(*bytes)).collect();
        Ok(())
    }

    fn get_groups(&self, target: &Target<'_>) -> Result<Verdict, Errno> {
        let (room, count) = (target.number(0) as usize, self.more.len());
        if room > 0 {
            if room < count {
                return Err(Errno::INVAL);
            }
            let bytes: Vec<u8> = self.more.iter().flat_map(|id| id.to_ne_bytes()).collect();
            if count > 0 {
                target.write(target.notice.argument(1), &bytes)?;
            }
        }
        Ok(Verdict::Value(count as i64))
    }
}

fn tell(target: &Target<'_>, ids: Four) -> Result<(), Errno> {
    for (index, id) in [ids.real, ids.effective, ids.saved].into_iter().enumerate() {
        target.write(target.notice.argument(index), &id.to_ne_bytes())?;
    }
    Ok(())
}

impl Four {
    fn has(self, id: u32) -> bool {
        [self.real, self.effective, self.saved].contains(&id)
    }

    /// `setuid(2)`.
    fn set(&mut self, id: u32, privileged: bool) -> Result<(), Errno> {
        if privileged {
            *self = Self { real: id, effective: id, saved: id, files: id };
        } else if id == self.real || id == self.saved {
            (self.effective, self.files) = (id, id);
        } else {
            return Err(Errno::PERM);
        }
        Ok(())
    }

    /// `setreuid(2)`.
    fn set_two(&mut self, real: u32, effective: u32, privileged: bool) -> Result<(), Errno> {
        let was = *self;
        for id in [real, effective].into_iter().filter(|&id| id != SAME) {
            if !privileged && !was.has(id) {
                return Err(Errno::PERM);
            }
        }
        self.real = if real == SAME { was.real } else { real };
        self.effective = if effective == SAME { was.effective } else { effective };
        if real != SAME || (effective != SAME && effective != was.real) {
            self.saved = self.effective;
        }
        self.files = self.effective;
        Ok(())
    }

    /// `setresuid(2)`.
    fn set_three(&mut self, real: u32, effective: u32, saved: u32, privileged: bool) -> Result<(), Errno> {
        let was = *self;
        for id in [real, effective, saved].into_iter().filter(|&id| id != SAME) {
            if !privileged && !was.has(id) {
                return Err(Errno::PERM);
            }
        }
        self.real = if real == SAME { was.real } else { real };
        self.effective = if effective == SAME { was.effective } else { effective };
        self.saved = if saved == SAME { was.saved } else { saved };
        self.files = self.effective;
        Ok(())
    }

    /// `setfsuid(2)`: the answer is the one before.
    fn set_files(&mut self, id: u32, privileged: bool) -> u32 {
        let was = self.files;
        if id != SAME && (privileged || self.has(id) || id == was) {
            self.files = id;
        }
        was
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_somebody_else_cannot_go_back() {
        let mut ids = Four::default();
        ids.set_three(1000, 1000, 1000, true).unwrap();
        assert_eq!(ids.set(0, false), Err(Errno::PERM));
        assert_eq!(ids, Four { real: 1000, effective: 1000, saved: 1000, files: 1000 });
    }

    #[test]
    fn who_is_somebody_else_for_a_while_can() {
        let mut ids = Four::default();
        ids.set_two(SAME, 1000, true).unwrap();
        assert_eq!(ids, Four { real: 0, effective: 1000, saved: 1000, files: 1000 });
        ids.set_two(SAME, 0, false).unwrap();
        assert_eq!((ids.effective, ids.files), (0, 0));
        assert_eq!(ids.set_files(33, true), 0);
        assert_eq!(ids.set_files(SAME, true), 33);
    }
}
