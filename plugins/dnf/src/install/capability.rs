//! Capabilities of files: from the text in a header to the attribute on a file.
//!
//! The text is that of cap_from_text(3): clauses with blanks in between, each a list of
//! capabilities and what becomes of them: `cap_net_raw=ep`, `cap_chown,cap_kill+ep`,
//! `= cap_setuid+p-e`. The attribute is `security.capability` in version 2
//! (`struct vfs_cap_data` of `linux/capability.h`).

/// In the order of their numbers (`linux/capability.h`).
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// All of them: a newer kernel's have no name here.
const ALL: u64 = (1 << NAMES.len()) - 1;

/// `VFS_CAP_REVISION_2`
const VERSION: u32 = 2 << 24;
/// `VFS_CAP_FLAGS_EFFECTIVE`
const EFFECTIVE: u32 = 1;

/// Why a text is none of capabilities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// A clause that is none.
    #[error("\"{0}\" is no list of capabilities with what becomes of them")]
    Clause(String),
    /// A name that is not known.
    #[error("\"{0}\" is no capability")]
    Unknown(String),
    /// A file has only one bit for all that take effect.
    #[error("some take effect and others do not, which a file cannot say")]
    Effective,
}

/// The three sets of a file.
#[derive(Debug, Default)]
struct Sets {
    effective: u64,
    inheritable: u64,
    permitted: u64,
}

/// The value of `security.capability`; `None` for a text that says nothing. One that says that
/// there are none gives a value that says so, as with rpm.
pub(super) fn attribute(text: &str) -> Result<Option<[u8; 20]>, CapabilityError> {
    let mut sets = Sets::default();
    let mut is_any = false;
    for clause in text.split_ascii_whitespace() {
        sets.apply(clause)?;
        is_any = true;
    }
    is_any.then(|| sets.encode()).transpose()
}

impl Sets {
    fn apply(&mut self, clause: &str) -> Result<(), CapabilityError> {
        let bad = || CapabilityError::Clause(clause.to_owned());
        let at = clause.find(['=', '+', '-']).ok_or_else(bad)?;
        let (list, mut actions) = clause.split_at(at);
        let listed = match list {
            "" if actions.starts_with('=') => ALL,
            "" => return Err(bad()),
            list => list.split(',').try_fold(0, |all, name| Ok(all | find(name)?))?,
        };
        while let Some(operator) = actions.chars().next() {
            let rest = &actions[1..];
            let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
            // `=` alone takes everything away; the others need something to give or take.
            if end == 0 && operator != '=' || rest[end..].starts_with('=') {
                return Err(bad());
            }
            self.act(operator, &rest[..end], listed).ok_or_else(bad)?;
            actions = &rest[end..];
        }
        Ok(())
    }

    fn act(&mut self, operator: char, flags: &str, listed: u64) -> Option<()> {
        if operator == '=' {
            [&mut self.effective, &mut self.inheritable, &mut self.permitted]
                .into_iter()
                .for_each(|set| *set &= !listed);
        }
        for flag in flags.chars() {
            let set = match flag {
                'e' => &mut self.effective,
                'i' => &mut self.inheritable,
                'p' => &mut self.permitted,
                _ => return None,
            };
            match operator {
                '-' => *set &= !listed,
                _ => *set |= listed,
            }
        }
        Some(())
    }

    fn encode(&self) -> Result<[u8; 20], CapabilityError> {
        // As libcap: what takes effect must be all or nothing.
        if self.effective != 0 && (self.permitted | self.inheritable) & !self.effective != 0 {
            return Err(CapabilityError::Effective);
        }
        let version = VERSION | if self.effective == 0 { 0 } else { EFFECTIVE };
        let (low, high) = (|set: u64| set as u32, |set: u64| (set >> 32) as u32);
        let words = [
            version,
            low(self.permitted),
            low(self.inheritable),
            high(self.permitted),
            high(self.inheritable),
        ];
        let mut value = [0; 20];
        value.copy_from_slice(words.map(u32::to_le_bytes).as_flattened());
        Ok(value)
    }
}

/// The bit of a capability, by its name or number; of `all` all.
fn find(text: &str) -> Result<u64, CapabilityError> {
    let name = text.to_ascii_lowercase();
    if name == "all" {
        return Ok(ALL);
    }
    let named = name.strip_prefix("cap_").and_then(|name| NAMES.iter().position(|one| *one == name));
    let number = || name.parse().ok().filter(|&number| number < NAMES.len());
    let number = named.or_else(number).ok_or_else(|| CapabilityError::Unknown(text.to_owned()))?;
    Ok(1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether they take effect, what is permitted, what is inheritable.
    fn sets(text: &str) -> (bool, u64, u64) {
        let value = attribute(text).unwrap().unwrap();
        let word = |at: usize| u64::from(u32::from_le_bytes(*value[4 * at..].first_chunk().unwrap()));
        assert_eq!(word(0) & !1, 2 << 24);
        (word(0) & 1 == 1, word(1) | word(3) << 32, word(2) | word(4) << 32)
    }

    #[test]
    fn every_form_is_read() {
        let (chown, raw, admin, bpf) = (1, 1 << 13, 1 << 21, 1 << 39);
        for (text, expected) in [
            ("cap_net_raw=ep", (true, raw, 0)),
            ("CAP_NET_RAW+p", (false, raw, 0)),
            ("= cap_net_raw+ep", (true, raw, 0)),
            ("cap_chown,cap_sys_admin=ep", (true, chown | admin, 0)),
            ("cap_chown=ep cap_bpf+eip", (true, chown | bpf, bpf)),
            ("cap_chown=p+i", (false, chown, chown)),
            ("cap_chown=eip-e", (false, chown, chown)),
            ("13=ep", (true, raw, 0)),
            ("all=ep", (true, ALL, 0)),
            ("=ep cap_chown-ep", (true, ALL & !1, 0)),
            ("=", (false, 0, 0)),
            ("cap_chown=ep cap_chown=", (false, 0, 0)),
        ] {
            assert_eq!(sets(text), expected, "{text}");
        }
    }

    #[test]
    fn the_value_is_the_kernels() {
        // What `getfattr` shows after `setcap cap_net_raw=ep`.
        let expected = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(attribute("cap_net_raw=ep"), Ok(Some(expected)));
        assert_eq!(attribute(" "), Ok(None));
    }

    #[test]
    fn what_cannot_be_understood_is_told() {
        for text in
            ["cap_chown", "+ep", "cap_chown+", "cap_chown=x", "cap_chown=p=e", "cap_chown+e=p", "cap_chown-"]
        {
            assert_eq!(attribute(text), Err(CapabilityError::Clause(text.into())), "{text}");
        }
        for (text, name) in
            [("chown=p", "chown"), ("cap_none=p", "cap_none"), ("cap_chown,=p", ""), ("99=p", "99")]
        {
            assert_eq!(attribute(text), Err(CapabilityError::Unknown(name.into())), "{text}");
        }
        assert_eq!(attribute("cap_chown=ep cap_kill=p"), Err(CapabilityError::Effective));
    }
}
