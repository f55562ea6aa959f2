//! Where the database goes.
//!
//! A distribution has it where its rpm looks for it. Fedora and openSUSE moved it from
//! `/var/lib/rpm` to `/usr/lib/sysimage/rpm`, where a link of their packages leads from the old
//! place. An rpm that keeps its database in another form, Berkeley DB before 4.16 or openSUSE's
//! ndb, does not read this one; scanners do.

/// Where it was always.
pub(crate) const VAR: &str = "var/lib/rpm";
/// Where it goes along with the packages' files.
pub(crate) const SYSIMAGE: &str = "usr/lib/sysimage/rpm";
/// Macros that lead to others, or long ones, are none of rpm's own.
const MAX_DEPTH: usize = 8;
const MAX_LENGTH: usize = 256;

/// Where the database goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory, below the root.
    pub directory: String,
    /// Who reads it.
    pub reader: Reader,
}

/// What the root's own rpm makes of a database in sqlite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reader {
    /// It reads it, or there is no rpm in the root.
    Sqlite,
    /// It does not: its own databases are of this form (`%_db_backend`: `bdb`, `ndb`).
    Other(String),
}

/// The place for a root that has these paths (below the root, without a slash in front), and this
/// content of `usr/lib/rpm/macros`, if that is there. Other files of macros can be given behind it:
/// what is defined last counts.
pub fn place(has: &dyn Fn(&str) -> bool, macros: Option<&str>) -> Place {
    let named = macros.and_then(directory);
    let usual = || if has(SYSIMAGE) { SYSIMAGE } else { VAR }.to_owned();
    let reader = match macros.map(|macros| definition(macros, "_db_backend")) {
        None | Some(Some("sqlite")) => Reader::Sqlite,
        Some(Some(other)) => Reader::Other(other.to_owned()),
        // rpm before 4.14 has nothing to choose from.
        Some(None) => Reader::Other("bdb".to_owned()),
    };
    Place { directory: named.unwrap_or_else(usual), reader }
}

/// What `%_dbpath` comes to, if that is a path that can be used as it is.
fn directory(macros: &str) -> Option<String> {
    let path = expand(macros, definition(macros, "_dbpath")?, 0)?;
    let path = path.strip_prefix('/')?.trim_end_matches('/');
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    let is_readable = path.chars().all(|letter| letter.is_ascii_graphic());
    (is_readable && path.split('/').all(is_plain)).then(|| path.to_owned())
}

/// What a macro is defined as last.
fn definition<'a>(macros: &'a str, name: &str) -> Option<&'a str> {
    let body = |line: &'a str| {
        let body = line.strip_prefix('%')?.strip_prefix(name)?;
        body.starts_with([' ', '\t']).then(|| body.trim())
    };
    macros.lines().rev().find_map(body).filter(|body| !body.is_empty())
}

/// Replaces `%{name}` and `%name`; nothing that rpm would have to run.
fn expand(macros: &str, text: &str, depth: usize) -> Option<String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        expanded.push_str(before);
        let name;
        (name, rest) = match after.strip_prefix('{') {
            Some(inside) => inside.split_once('}')?,
            None => {
                let is_end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
                after.split_at(after.find(is_end).unwrap_or(after.len()))
            }
        };
        let body = definition(macros, name.trim_start_matches('?')).filter(|_| depth < MAX_DEPTH)?;
        expanded.push_str(&expand(macros, body, depth + 1)?);
        if expanded.len() > MAX_LENGTH {
            return None;
        }
    }
    expanded.push_str(rest);
    Some(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "%_usr\t\t\t/usr\n%_var\t\t\t/var\n%_localstatedir %{_prefix}/var\n";

    fn check(macros: Option<&str>, directory: &str, reader: Reader) {
        let macros = macros.map(|macros| format!("{BASE}{macros}"));
        let expected = Place { directory: directory.into(), reader };
        assert_eq!(place(&|_| false, macros.as_deref()), expected);
    }

    #[test]
    fn the_macros_of_the_roots_rpm_decide() {
        let fedora = "%_dbpath\t\t%{_usr}/lib/sysimage/rpm\n%_db_backend\t      sqlite\n";
        check(Some(fedora), "usr/lib/sysimage/rpm", Reader::Sqlite);
        let tumbleweed = "%_dbpath %{_usr}/lib/sysimage/rpm\n%_db_backend ndb\n";
        check(Some(tumbleweed), "usr/lib/sysimage/rpm", Reader::Other("ndb".into()));
        check(Some("%_dbpath\t%_var/lib/rpm\n%_db_backend sqlite"), "var/lib/rpm", Reader::Sqlite);
        check(Some("%_dbpath %{_var}/lib/rpm\n"), "var/lib/rpm", Reader::Other("bdb".into()));
        check(Some(&format!("{fedora}%_dbpath /opt/rpm/\n")), "opt/rpm", Reader::Sqlite);
    }

    #[test]
    fn without_a_path_in_the_macros_the_files_decide() {
        check(None, "var/lib/rpm", Reader::Sqlite);
        let odd =
            ["%(echo ~/.rpmdb)", "%{_usr}/../etc", "var/lib/rpm", "%{nothing}/x", "/a b", "/", "%{_usr"];
        for path in odd {
            let macros = format!("%_dbpath {path}\n%_db_backend sqlite\n");
            check(Some(&macros), "var/lib/rpm", Reader::Sqlite);
        }
        let place = place(&|path| path == "usr/lib/sysimage/rpm", None);
        assert_eq!(place, Place { directory: "usr/lib/sysimage/rpm".into(), reader: Reader::Sqlite });
    }

    #[test]
    fn macros_that_lead_to_themselves_end() {
        check(Some("%_dbpath /%a\n%a %a%a%a\n%_db_backend sqlite"), "var/lib/rpm", Reader::Sqlite);
        let wide =
            format!("%_dbpath /%a\n%a {}\n%b {}\n%_db_backend sqlite", "%b".repeat(999), "%_usr".repeat(999));
        check(Some(&wide), "var/lib/rpm", Reader::Sqlite);
    }
}
