//! `ctr-forge plugin new`: plugins that work, to be changed.
//!
//! The templates are in `core/forge/templates`; this fills in the names.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ctr_forge_plugin::{C_HEADER, Error, Result, Role, is_name};

/// The language of a new plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// A library with the Rust crates.
    Rust,
    /// A library with the C header alone.
    C,
    /// A program.
    Python,
}

/// Where a plugin in Rust takes ctr-forge's crates from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sdk {
    /// From the registry, in the version of this ctr-forge.
    Published,
    /// From this checkout.
    Checkout(PathBuf),
}

macro_rules! template {
    ($file:literal) => {
        include_str!(concat!("../templates/", $file))
    };
}

/// Names that no crate of a plugin can have: keywords of Rust, and crates that it uses.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "ctr-forge-plugin",
    "ctr-forge-rootfs",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "serde-json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// A file of a new plugin: its name, and the template of its text.
type Template = (&'static str, &'static str);

fn templates(role: Role, language: Language) -> &'static [Template] {
    match (language, role) {
        (Language::Rust, Role::Source) => &[
            ("Cargo.toml", template!("rust/source.cargo.toml")),
            ("plugin.toml", template!("rust/source.toml")),
            ("src/lib.rs", template!("rust/source.rs")),
            ("src/main.rs", template!("rust/main.rs")),
            ("README.md", template!("rust/README.md")),
        ],
        (Language::Rust, Role::Output) => &[
            ("Cargo.toml", template!("rust/output.cargo.toml")),
            ("plugin.toml", template!("rust/output.toml")),
            ("src/lib.rs", template!("rust/output.rs")),
            ("src/main.rs", template!("rust/main.rs")),
            ("README.md", template!("rust/README.md")),
        ],
        (Language::C, Role::Source) => &[
            ("plugin.c", template!("c/source.c")),
            ("plugin.toml", template!("c/source.toml")),
            ("job.h", template!("c/job.h")),
            ("json.h", template!("c/json.h")),
            ("ctr_forge_plugin.h", C_HEADER),
            ("Makefile", template!("c/Makefile")),
            ("README.md", template!("c/README.md")),
        ],
        (Language::C, Role::Output) => &[
            ("plugin.c", template!("c/output.c")),
            ("plugin.toml", template!("c/output.toml")),
            ("job.h", template!("c/job.h")),
            ("json.h", template!("c/json.h")),
            ("ctr_forge_plugin.h", C_HEADER),
            ("Makefile", template!("c/Makefile")),
            ("README.md", template!("c/README.md")),
        ],
        (Language::Python, Role::Source) => &[
            ("ctr-forge-source-@NAME@", template!("python/source.py")),
            ("ctr-forge-source-@NAME@.toml", template!("python/source.toml")),
            ("ctr_forge_plugin.py", template!("python/ctr_forge_plugin.py")),
            ("README.md", template!("python/README.md")),
        ],
        (Language::Python, Role::Output) => &[
            ("ctr-forge-output-@NAME@", template!("python/output.py")),
            ("ctr-forge-output-@NAME@.toml", template!("python/output.toml")),
            ("ctr_forge_plugin.py", template!("python/ctr_forge_plugin.py")),
            ("README.md", template!("python/README.md")),
        ],
    }
}

/// Makes a plugin in `directory`, which must not exist; returns its files, relative.
pub fn new(directory: &Path, name: &str, role: Role, language: Language, sdk: &Sdk) -> Result<Vec<String>> {
    if !is_name(name) {
        return Err(Error::usage(format!("\"{}\" cannot name a plugin", name.escape_debug()))
            .hint("A name is lower-case letters, digits and \"-\", beginning with a letter."));
    }
    if TAKEN.contains(&name) {
        return Err(Error::usage(format!("\"{name}\" means something else to the compiler"))
            .hint("Choose another name."));
    }
    let cannot = |path: &Path, e| Error::io(format!("cannot make {}", path.display()), e);
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent).map_err(|e| cannot(parent, e))?;
    }
    fs::create_dir(directory).map_err(|e| {
        let exists = e.kind() == std::io::ErrorKind::AlreadyExists;
        let error = cannot(directory, e);
        if exists { error.hint("Name another place with --dir.") } else { error }
    })?;
    let fill = |text: &str| fill(text, name, role, sdk);
    let mut files = Vec::new();
    for (file, template) in templates(role, language) {
        let file = fill(file);
        let path = directory.join(&file);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, fill(template)))
            .map_err(|e| cannot(&path, e))?;
        if template.starts_with("#!") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(|e| cannot(&path, e))?;
        }
        files.push(file);
    }
    Ok(files)
}

fn fill(template: &str, name: &str, role: Role, sdk: &Sdk) -> String {
    let dependency = |directory: &str| match sdk {
        Sdk::Published => format!("version = \"{}\"", env!("CARGO_PKG_VERSION")),
        Sdk::Checkout(checkout) => format!("path = {:?}", checkout.join(directory).display().to_string()),
    };
    let words: [(&str, String); 6] = [
        ("@NAME@", name.to_owned()),
        ("@IDENT@", name.replace('-', "_")),
        ("@TYPE@", type_name(name)),
        ("@KIND@", role.name().to_owned()),
        ("@SDK@", dependency("core/plugin")),
        ("@ROOTFS@", dependency("core/rootfs")),
    ];
    words.iter().fold(template.to_owned(), |text, (word, value)| text.replace(word, value))
}

/// `my-source` as a type: `MySource`.
fn type_name(name: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    name.split('-').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_filled() {
        let parent = tempfile::tempdir().unwrap();
        for role in [Role::Source, Role::Output] {
            for language in [Language::Rust, Language::C, Language::Python] {
                let directory = parent.path().join(format!("{role:?}-{language:?}"));
                let files = new(&directory, "my-plugin", role, language, &Sdk::Published).unwrap();
                for file in files {
                    let text = fs::read_to_string(directory.join(&file)).unwrap();
                    for word in ["@NAME@", "@IDENT@", "@TYPE@", "@KIND@", "@SDK@", "@ROOTFS@"] {
                        assert!(!text.contains(word) && !file.contains(word), "{file} has {word}");
                    }
                }
            }
        }
        let taken = parent.path().join("Source-C");
        assert!(
            new(&taken, "x", Role::Source, Language::C, &Sdk::Published).is_err(),
            "never over something"
        );
        assert!(new(&parent.path().join("y"), "Y", Role::Source, Language::C, &Sdk::Published).is_err());
    }
}
