//! `plugin.toml`: what a plugin is, read by the host before any of its code runs.
//!
//! Plain serde types; the host parses the TOML, because only the host has to.

use serde::{Deserialize, Serialize};

/// Version of the messages and of this manifest: the meaning of the JSON.
///
/// A receiver ignores fields it does not know, so additions keep the number.
pub const PROTOCOL: u32 = 1;

/// Must-understand features that this version of the protocol knows: none so far.
pub const FEATURES: &[&str] = &[];

/// A plugin's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// [`PROTOCOL`] that the plugin speaks.
    pub protocol: u32,
    /// `[a-z][a-z0-9-]*`; also in the exported symbol, `-` written as `_`.
    pub name: String,
    /// The plugin's own version, semver.
    pub version: String,
    /// What it needs of the host: `ctr-forge ^1.2`.
    pub requires: String,
    /// Features that the host must understand; an unknown one is a refusal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// One line for lists.
    pub summary: String,
    /// SPDX licence expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// The sources it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "source")]
    pub sources: Vec<Component>,
    /// The outputs it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "output")]
    pub outputs: Vec<Component>,
}

/// The two things a plugin can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Makes a root filesystem.
    Source,
    /// Packages one.
    Output,
}

impl Role {
    /// `source` or `output`, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Role::Source => "source",
            Role::Output => "output",
        }
    }
}

/// One source or output of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Component {
    /// The word on the command line: `ctr-forge source ID`. Same form as a plugin's name.
    pub id: String,
    /// One line for lists.
    pub summary: String,
    /// Paragraphs for `--help`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whole command lines for `--help`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
    /// What a job of it needs; the worker drops the rest.
    #[serde(default)]
    pub needs: Needs,
    /// For sources: what two entries with one name in its stream mean.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// For outputs: what it writes.
    #[serde(default)]
    pub writes: Writes,
    /// For outputs: the layer forms it takes, the preferred one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerForm>,
    /// For outputs: whether all inputs become one layer, as the format has but one tree.
    #[serde(default, skip_serializing_if = "Merges::is_never")]
    pub merges: Merges,
    /// For outputs that write a directory: whether it may as well be one tar archive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archive: bool,
    /// For outputs: whether one result holds images for several platforms.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub platforms: bool,
    /// For outputs: whether it writes App Container Images, for which there is a page by which rkt
    /// finds them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discovery: bool,
    /// For outputs: names that begin so mean something else in its layers, so no file can have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_prefix: Option<String>,
    /// Its own options. Those that every source or output has come from the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "option")]
    pub options: Vec<OptionSpec>,
}

/// When all inputs of an output become one layer: never, always, or with one of its options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Merges {
    /// Always, or never.
    Fixed(bool),
    /// Where this option, a `bool`, is given.
    With(String),
}

impl Merges {
    fn is_never(&self) -> bool {
        *self == Self::Fixed(false)
    }
}

impl Default for Merges {
    fn default() -> Self {
        Self::Fixed(false)
    }
}

/// What a job needs of the system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Needs {
    /// The plugin itself opens network connections. What it fetches through the host needs no word.
    #[serde(default)]
    pub network: bool,
    /// Programs that must be installed.
    #[serde(default)]
    pub tools: Vec<String>,
}

/// What two entries with one name in a source's stream mean. Directories may always be repeated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// An error: packages must not clash, so a clash is the source's fault.
    #[default]
    Refuse,
    /// The last one wins, with a warning: the stream is the user's own inputs, one over the other.
    LastWins,
    /// The last one wins: the source knows which of its packages may take whose file.
    Replace,
}

/// What an output writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writes {
    /// One file.
    #[default]
    File,
    /// A directory, into which it may add beside what is there.
    Directory,
}

/// The form in which an output takes layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerForm {
    /// The tar itself.
    Tar,
    /// Compressed with gzip, one member.
    Gzip,
    /// Compressed with zstd.
    Zstd,
}

/// One option of a component, from which the host builds its command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OptionSpec {
    /// The long name without dashes; also the key in the request.
    pub name: String,
    /// One letter: `r` for `-r`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<char>,
    /// Other long names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What a value is.
    #[serde(default, rename = "type")]
    pub kind: ValueType,
    /// Shown for the value in `--help`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_name: Option<String>,
    /// One line for `--help`.
    pub help: String,
    /// Taken by position, not by name.
    #[serde(default)]
    pub positional: bool,
    /// May be given more than once; the value in the request is a list.
    #[serde(default)]
    pub repeat: bool,
    /// Splits one argument into several values: `,`. Implies `repeat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<char>,
    /// Must be given.
    #[serde(default)]
    pub required: bool,
    /// The value where none is given, as it would be written on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The only values allowed, where not empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Of [`ValueType::WordOrPath`]: a path is a file only with one of these at its end, where
    /// any is named; else it is a word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path_suffixes: Vec<String>,
    /// Options that cannot stand beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
    /// Options that must stand beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Left out of `--help`.
    #[serde(default)]
    pub hidden: bool,
}

impl OptionSpec {
    /// Whether the value in the request is a list.
    pub fn is_list(&self) -> bool {
        self.repeat || self.separator.is_some()
    }
}

/// What the value of an option is, and so what it is in the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueType {
    /// Text. JSON string.
    #[default]
    String,
    /// A flag without value. JSON boolean, `false` where not given.
    Bool,
    /// A whole number. JSON number.
    Int,
    /// Bytes, with `K`, `M`, `G` for powers of 1024. JSON number.
    Size,
    /// `NAME=VALUE`. JSON object with one member; a list of them where repeated.
    Map,
    /// A file or folder, opened by the host; `-` is standard input. See [`PathValue`](crate::PathValue).
    Path,
    /// `SRC:DST`: as `path`, with what stands behind the first colon as text.
    /// See [`PathValue`](crate::PathValue).
    PathMap,
    /// A word, as `string`, or a file, as `path`, where it begins with `/`, `./` or `../`:
    /// the name of a package or a package of one's own. See [`OptionSpec::path_suffixes`].
    WordOrPath,
}

/// The symbol that a plugin of this name exports.
pub fn symbol(name: &str) -> String {
    format!("{}{}", crate::abi::SYMBOL_PREFIX, name.replace('-', "_"))
}

/// Whether `name` can name a plugin or component: `[a-z][a-z0-9-]*`, at most 64 characters.
pub fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

impl Manifest {
    /// The components of one role.
    pub fn components(&self, role: Role) -> &[Component] {
        match role {
            Role::Source => &self.sources,
            Role::Output => &self.outputs,
        }
    }
}
