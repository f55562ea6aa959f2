//! The few macros of rpm that scriptlets use (rpm-macros(7)).
//!
//! rpm takes them from files of the machine that it runs on, so packages cannot rely on more
//! than what is the same everywhere. What is not known here stays as it is written, as in rpm.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How deep one macro may be in another.
const MAX_DEPTH: usize = 16;

/// Most bytes that a text may grow to.
const MAX_TEXT: usize = 4 << 20;

/// Architectures with libraries in `lib64`.
const LIB64: [&str; 8] =
    ["x86_64", "aarch64", "ppc64", "ppc64le", "s390x", "riscv64", "mips64el", "loongarch64"];

/// What is the same on all distributions.
const COMMON: [(&str, &str); 36] = [
    ("nil", ""),
    ("_prefix", "/usr"),
    ("_exec_prefix", "%{_prefix}"),
    ("_usr", "/usr"),
    ("_bindir", "%{_exec_prefix}/bin"),
    ("_sbindir", "%{_exec_prefix}/sbin"),
    ("_libexecdir", "%{_exec_prefix}/libexec"),
    ("_libdir", "%{_exec_prefix}/%{_lib}"),
    ("_includedir", "%{_prefix}/include"),
    ("_datarootdir", "%{_prefix}/share"),
    ("_datadir", "%{_datarootdir}"),
    ("_mandir", "%{_datarootdir}/man"),
    ("_infodir", "%{_datarootdir}/info"),
    ("_docdir", "%{_datadir}/doc"),
    ("_defaultdocdir", "%{_datadir}/doc"),
    ("_defaultlicensedir", "%{_datadir}/licenses"),
    ("_sysconfdir", "/etc"),
    ("_localstatedir", "/var"),
    ("_var", "/var"),
    ("_sharedstatedir", "/var/lib"),
    ("_rundir", "/run"),
    ("_tmppath", "/var/tmp"),
    ("_initddir", "%{_sysconfdir}/rc.d/init.d"),
    ("_initrddir", "%{_initddir}"),
    ("_unitdir", "/usr/lib/systemd/system"),
    ("_userunitdir", "/usr/lib/systemd/user"),
    ("_presetdir", "/usr/lib/systemd/system-preset"),
    ("_userpresetdir", "/usr/lib/systemd/user-preset"),
    ("_tmpfilesdir", "/usr/lib/tmpfiles.d"),
    ("_sysusersdir", "/usr/lib/sysusers.d"),
    ("_sysctldir", "/usr/lib/sysctl.d"),
    ("_udevrulesdir", "/usr/lib/udev/rules.d"),
    ("_rpmconfigdir", "/usr/lib/rpm"),
    ("_rpmluadir", "%{_rpmconfigdir}/lua"),
    ("_os", "linux"),
    ("_target_os", "linux"),
];

/// Macros by their names, the last definition of each last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Macros(BTreeMap<String, Vec<String>>);

impl Macros {
    /// Those of a root for `arch`, as rpm calls it, with the package database at `dbpath`.
    pub fn of(arch: &str, dbpath: &str) -> Self {
        let mut macros = Self::default();
        let lib = if LIB64.contains(&arch) { "lib64" } else { "lib" };
        let own =
            [("_lib", lib), ("_arch", arch), ("_target_cpu", arch), ("_host_cpu", arch), ("_dbpath", dbpath)];
        for (name, body) in COMMON.into_iter().chain(own) {
            macros.define(name, body);
        }
        macros
    }

    /// Defines a macro anew; what it was before comes back when this is undone.
    pub fn define(&mut self, name: &str, body: &str) {
        self.0.entry(name.to_owned()).or_default().push(body.to_owned());
    }

    /// Undoes the last definition.
    pub fn undefine(&mut self, name: &str) {
        if let Some(bodies) = self.0.get_mut(name) {
            bodies.pop();
        }
    }

    /// What a macro stands for, itself not expanded.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.last().map(String::as_str)
    }

    /// A text with its macros expanded.
    pub fn expand(&self, text: &str) -> String {
        let mut expanded = String::new();
        self.expand_to(&mut expanded, text, 0);
        expanded
    }

    fn expand_to(&self, to: &mut String, text: &str, depth: usize) {
        let mut rest = text;
        while let Some(start) = rest.find('%').filter(|_| to.len() <= MAX_TEXT) {
            to.push_str(&rest[..start]);
            let behind = &rest[start + 1..];
            rest = match behind.strip_prefix('%') {
                Some(next) => {
                    to.push('%');
                    next
                }
                None => self.expand_one(to, behind, depth),
            };
        }
        to.push_str(rest);
    }

    /// Expands what follows a percent sign; returns what comes behind.
    fn expand_one<'t>(&self, to: &mut String, text: &'t str, depth: usize) -> &'t str {
        let Some((use_, rest)) = split(text) else {
            to.push('%');
            return text;
        };
        let value = self.get(use_.name);
        let body = match (use_.conditional, value) {
            (None, value) => value,
            (Some(wanted), value) if value.is_some() == wanted => use_.alternative.or(value).or(Some("")),
            (Some(_), _) => Some(""),
        };
        match body.filter(|_| depth < MAX_DEPTH) {
            Some(body) => self.expand_to(to, body, depth + 1),
            None => {
                to.push('%');
                to.push_str(&text[..text.len() - rest.len()]);
            }
        }
        rest
    }
}

/// A macro as a text uses it.
struct Use<'t> {
    name: &'t str,
    /// Used only if it is defined, or only if it is not.
    conditional: Option<bool>,
    /// What then stands in its place.
    alternative: Option<&'t str>,
}

/// Takes apart what follows a percent sign: the use of a macro, and what comes behind.
fn split(text: &str) -> Option<(Use<'_>, &str)> {
    let (inner, rest) = match text.strip_prefix('{') {
        Some(inner) => braced(inner)?,
        None => {
            let start = text.find(|c| c != '?' && c != '!').unwrap_or(text.len());
            let length = text[start..].find(|c| !is_part(c)).unwrap_or(text.len() - start);
            text.split_at(start + length)
        }
    };
    let name = inner.trim_start_matches(['?', '!']);
    let marks = &inner[..inner.len() - name.len()];
    let conditional = marks.contains('?').then_some(!marks.contains('!'));
    let (name, alternative) = match name.split_once(':') {
        Some((name, alternative)) if conditional.is_some() => (name, Some(alternative)),
        _ => (name, None),
    };
    let is_name = !name.is_empty() && name.chars().all(is_part);
    is_name.then_some((Use { name, conditional, alternative }, rest))
}

/// What is between braces that belong together, and what comes behind.
fn braced(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_u32;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_that_are_known_are_expanded_and_others_stay() {
        let macros = Macros::of("x86_64", "/usr/lib/sysimage/rpm");
        for (text, expanded) in [
            ("%{_libdir}/x", "/usr/lib64/x"),
            ("%_libdir/x %%{x}", "/usr/lib64/x %{x}"),
            ("%{_dbpath}%{nil}|", "/usr/lib/sysimage/rpm|"),
            ("%{?none}%{!?none:a%{_os}}%{?_os:b}%{!?_os:c}", "alinuxb"),
            ("%{none} %none 50% %{ %{a b} %", "%{none} %none 50% %{ %{a b} %"),
            ("%(id) ${x%.*}", "%(id) ${x%.*}"),
        ] {
            assert_eq!(macros.expand(text), expanded);
        }
        assert_eq!(Macros::of("i686", "").expand("%_lib"), "lib");
    }

    #[test]
    fn macros_that_contain_themselves_end() {
        let mut macros = Macros::default();
        macros.define("a", "%{a}%{a}");
        assert!(macros.expand("%a").len() <= 2 * MAX_TEXT);
    }

    #[test]
    fn definitions_lie_on_one_another() {
        let mut macros = Macros::default();
        macros.define("a", "1");
        macros.define("a", "2");
        assert_eq!(macros.get("a"), Some("2"));
        macros.undefine("a");
        assert_eq!(macros.get("a"), Some("1"));
        macros.undefine("a");
        macros.undefine("a");
        assert_eq!(macros.get("a"), None);
    }
}
