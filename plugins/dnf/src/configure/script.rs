//! Scriptlets of a package, as its header has them (rpm-scriptlets(7)).
//!
//! A scriptlet is an interpreter and, mostly, a text for it. Scripts of removal are left out:
//! a root that is made anew removes nothing.

use super::macros::Macros;
use super::triggers::{FileTriggers, Triggers};
use crate::rpm::header::Header;
use crate::rpm::tag;

/// What rpm takes where no interpreter is named.
const SHELL: &str = "/bin/sh";

/// What an interpreter is called that is rpm itself.
pub const LUA: &str = "<lua>";

/// Flags of a scriptlet (`rpmscriptFlags`).
const EXPAND: u64 = 1 << 0;
const QUERY_FORMAT: u64 = 1 << 1;
const CRITICAL: u64 = 1 << 2;

/// One scriptlet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// The interpreter, by its path in the root or [`LUA`], and its own arguments; never empty.
    pub program: Vec<String>,
    /// The text for it. Where there is none, the interpreter is run without any argument but its own.
    pub body: Option<Vec<u8>>,
    /// Whether macros in the text are expanded before it runs.
    pub expand: bool,
    /// Whether the text is a query format, filled in from the header before it runs.
    pub query_format: bool,
    /// Whether the package says itself that it must not fail.
    pub critical: bool,
}

impl Script {
    /// A scriptlet by its three tags; `None` where the package has none.
    fn of(header: &Header, [body, program, flags]: [u32; 3]) -> Option<Self> {
        if !header.has(body) && !header.has(program) {
            return None;
        }
        let program: Vec<String> = header.texts(program).map(std::borrow::Cow::into_owned).collect();
        let body = header.strings(body).next().map(<[u8]>::to_vec);
        Some(Self::new(program, body, header.number(flags).unwrap_or(0)))
    }

    /// A scriptlet with the flags of a header.
    pub(super) fn new(program: Vec<String>, body: Option<Vec<u8>>, flags: u64) -> Self {
        let is_named = program.first().is_some_and(|word| !word.is_empty());
        Self {
            program: if is_named { program } else { vec![SHELL.to_owned()] },
            body,
            expand: flags & EXPAND != 0,
            query_format: flags & QUERY_FORMAT != 0,
            critical: flags & CRITICAL != 0,
        }
    }

    /// Whether rpm runs it by itself.
    pub fn is_lua(&self) -> bool {
        self.program.first().is_some_and(|word| word == LUA)
    }

    /// The text as the interpreter gets it; `None` where there is none.
    ///
    /// # Errors
    ///
    /// If it is made of more than macros.
    pub(super) fn text(&self, macros: &Macros) -> Result<Option<Vec<u8>>, &'static str> {
        match &self.body {
            Some(_) if self.query_format => Err("its text is a query format (-q), which only rpm fills in"),
            Some(body) if self.expand => match std::str::from_utf8(body) {
                Ok(text) => Ok(Some(macros.expand(text).into_bytes())),
                Err(_) => Err("its text has macros and is no UTF-8"),
            },
            body => Ok(body.clone()),
        }
    }
}

/// All scriptlets of a package that an installation in an empty root may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scriptlets {
    /// Before anything of the transaction is there.
    pub pretrans: Option<Script>,
    /// Before the package's files are there.
    pub pre: Option<Script>,
    /// When they are.
    pub post: Option<Script>,
    /// When all packages are there.
    pub posttrans: Option<Script>,
    /// What other packages set off.
    pub triggers: Triggers,
    /// What files of each package set off.
    pub file_triggers: FileTriggers,
    /// What files of all packages together set off, at the end.
    pub transaction_file_triggers: FileTriggers,
}

impl Scriptlets {
    /// Reads them from the package's header.
    pub fn of(header: &Header) -> Self {
        Self {
            pretrans: Script::of(header, [tag::PRETRANS, tag::PRETRANSPROG, tag::PRETRANSFLAGS]),
            pre: Script::of(header, [tag::PREIN, tag::PREINPROG, tag::PREINFLAGS]),
            post: Script::of(header, [tag::POSTIN, tag::POSTINPROG, tag::POSTINFLAGS]),
            posttrans: Script::of(header, [tag::POSTTRANS, tag::POSTTRANSPROG, tag::POSTTRANSFLAGS]),
            triggers: Triggers::of(header),
            file_triggers: FileTriggers::of(header),
            transaction_file_triggers: FileTriggers::of_transaction(header),
        }
    }

    /// What there is, as spec files call it: `%pre`.
    pub fn names(&self) -> Vec<String> {
        let own = [
            ("pretrans", &self.pretrans),
            ("pre", &self.pre),
            ("post", &self.post),
            ("posttrans", &self.posttrans),
        ];
        let own = own.into_iter().filter(|(_, script)| script.is_some()).map(|(name, _)| name);
        let triggers = self.triggers.names();
        let by_files = self.file_triggers.names("filetriggerin");
        let by_all = self.transaction_file_triggers.names("transfiletriggerin");
        own.chain(triggers).chain(by_files).chain(by_all).map(|name| format!("%{name}")).collect()
    }

    /// Whether files of packages set off any of them.
    pub fn has_file_triggers(&self) -> bool {
        !self.file_triggers.0.is_empty() || !self.transaction_file_triggers.0.is_empty()
    }

    /// Whether there is nothing that an installation would run.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(program: &[&str], body: Option<&str>, flags: u64) -> Script {
        let program = program.iter().map(|&word| word.to_owned()).collect();
        Script::new(program, body.map(|text| text.as_bytes().to_vec()), flags)
    }

    #[test]
    fn an_interpreter_that_is_not_named_is_the_shell() {
        assert_eq!(script(&[], Some("x"), 0).program, ["/bin/sh"]);
        assert_eq!(script(&[""], None, 0).program, ["/bin/sh"]);
        assert!(script(&["<lua>"], Some(""), 0).is_lua());
    }

    #[test]
    fn macros_are_expanded_where_the_flag_asks() {
        let macros = Macros::of("x86_64", "/var/lib/rpm");
        let text = |flags| script(&[], Some("ls %{_libdir} 100%%"), flags).text(&macros);
        assert_eq!(text(0), Ok(Some(b"ls %{_libdir} 100%%".to_vec())));
        assert_eq!(text(1), Ok(Some(b"ls /usr/lib64 100%".to_vec())));
        text(2).unwrap_err();
    }
}
