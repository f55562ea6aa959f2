//! `repomd.xml`: which metadata files a repository has, and their digests.
//!
//! All that is read of a repository is known by a digest in here. Files in other forms of the
//! same (`primary_db`: sqlite, `primary_zck`: zchunk) are left alone: the plain one is always
//! there too, and one reader fewer takes in what strangers wrote.

use std::io::BufRead;

use super::xml::{self, Element, Handler, XmlError};
use super::{ChecksumError, LocationError, checksum, location};

/// Most files that a `repomd.xml` may list.
const MAX_FILES: usize = 256;

/// What a `repomd.xml` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repomd {
    /// The files, in the order in which they are listed.
    pub files: Vec<DataFile>,
}

/// A metadata file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataFile {
    /// What is in it: `primary`, `filelists`, `group_gz`.
    pub kind: String,
    /// `sha256:…` of it.
    pub checksum: String,
    /// The same of it without its compression.
    pub open_checksum: Option<String>,
    /// Its bytes.
    pub size: Option<u64>,
    /// Its bytes without its compression.
    pub open_size: Option<u64>,
    /// Where it is: below the repository, or a whole URL.
    pub location: String,
    /// When it was made, in seconds since 1970; 0 where that is not said.
    pub timestamp: i64,
}

/// Why a `repomd.xml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepomdError {
    /// It is no XML.
    #[error("repomd.xml {0}")]
    Xml(#[from] XmlError),
    /// Something in it is no number.
    #[error("\"{text}\" is no {what} of \"{kind}\" in repomd.xml")]
    Number {
        /// The file.
        kind: String,
        /// The name of the value.
        what: &'static str,
        /// The value.
        text: String,
    },
    /// A file has no checksum that counts.
    #[error("\"{kind}\" has no good checksum in repomd.xml")]
    Checksum {
        /// The file.
        kind: String,
        /// Why, if it has one.
        #[source]
        source: ChecksumError,
    },
    /// A file is in no place that it may be in.
    #[error("\"{kind}\" has no good place in repomd.xml")]
    Location {
        /// The file.
        kind: String,
        /// Why.
        #[source]
        source: LocationError,
    },
    /// It lists more files than any repository has.
    #[error("repomd.xml lists more than {MAX_FILES} files")]
    TooMany,
    /// It lists no packages.
    #[error("repomd.xml lists no primary metadata")]
    NoPrimary,
}

impl Repomd {
    /// Reads a `repomd.xml`.
    ///
    /// # Errors
    ///
    /// If it is no XML, if a file that matters here has no checksum, or if it has no packages.
    pub fn parse(input: impl BufRead) -> Result<Self, RepomdError> {
        let mut parser = Parser::default();
        xml::read(input, &mut parser)?;
        match parser.repomd.primary().is_some() {
            true => Ok(parser.repomd),
            false => Err(RepomdError::NoPrimary),
        }
    }

    /// The packages.
    pub fn primary(&self) -> Option<&DataFile> {
        self.file(&["primary"])
    }

    /// The files of the packages.
    pub fn filelists(&self) -> Option<&DataFile> {
        self.file(&["filelists"])
    }

    /// Groups. Some list them twice, plain and compressed; the smaller one is taken.
    pub fn group(&self) -> Option<&DataFile> {
        self.file(&["group_gz", "group_xz", "group_zst", "group"])
    }

    /// Modules.
    pub fn modules(&self) -> Option<&DataFile> {
        self.file(&["modules"])
    }

    /// When the newest of its files was made, in seconds since 1970.
    pub fn timestamp(&self) -> i64 {
        self.files.iter().map(|file| file.timestamp).max().unwrap_or_default()
    }

    fn file(&self, kinds: &[&str]) -> Option<&DataFile> {
        kinds.iter().find_map(|kind| self.files.iter().find(|file| file.kind == *kind))
    }
}

/// Whether a file of this kind is of any use here.
fn matters(kind: &str) -> bool {
    matches!(kind, "primary" | "filelists" | "group" | "group_gz" | "group_xz" | "group_zst" | "modules")
}

#[derive(Default)]
struct Parser {
    repomd: Repomd,
    /// The file that is being read.
    file: DataFile,
    kinds: [String; 2],
    hex: [String; 2],
    place: [String; 2],
    seen: usize,
}

impl Handler for Parser {
    type Error = RepomdError;
    const ROOT: &'static str = "repomd";

    fn start(&mut self, depth: usize, element: &Element<'_>) -> Result<(), RepomdError> {
        let value = |name| Ok::<_, XmlError>(element.attribute(name)?.unwrap_or_default().into_owned());
        match (depth, element.name()) {
            (2, "data") => {
                self.seen += 1;
                if self.seen > MAX_FILES {
                    return Err(RepomdError::TooMany);
                }
                self.file = DataFile { kind: value("type")?, ..DataFile::default() };
                self.hex = Default::default();
                self.place = Default::default();
            }
            (3, "checksum") => self.kinds[0] = value("type")?,
            (3, "open-checksum") => self.kinds[1] = value("type")?,
            (3, "location") => self.place = [value("href")?, value("xml:base")?],
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, depth: usize, name: &str, text: &str) -> Result<(), RepomdError> {
        let text = text.trim();
        match (depth, name) {
            (2, "data") if matters(&self.file.kind) => self.finish()?,
            (3, _) if !matters(&self.file.kind) => {}
            (3, "checksum") => self.hex[0] = text.to_owned(),
            (3, "open-checksum") => self.hex[1] = text.to_owned(),
            (3, "size") => self.file.size = Some(self.number("size", text)?),
            (3, "open-size") => self.file.open_size = Some(self.number("open-size", text)?),
            // Old ones have it with a fraction.
            (3, "timestamp") => {
                let whole = text.split('.').next().unwrap_or_default();
                self.file.timestamp = i64::try_from(self.number("timestamp", whole)?).unwrap_or(i64::MAX);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Parser {
    fn number(&self, what: &'static str, text: &str) -> Result<u64, RepomdError> {
        let bad = |_| RepomdError::Number { kind: self.file.kind.clone(), what, text: text.to_owned() };
        text.parse().map_err(bad)
    }

    fn finish(&mut self) -> Result<(), RepomdError> {
        let mut file = std::mem::take(&mut self.file);
        let bad = |source| RepomdError::Checksum { kind: file.kind.clone(), source };
        file.checksum = checksum(&self.kinds[0], &self.hex[0]).map_err(bad)?;
        file.open_checksum = match self.hex[1].is_empty() {
            true => None,
            false => Some(checksum(&self.kinds[1], &self.hex[1]).map_err(bad)?),
        };
        let base = Some(self.place[1].as_str());
        file.location = location(&self.place[0], base)
            .map_err(|source| RepomdError::Location { kind: file.kind.clone(), source })?;
        self.repomd.files.push(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(kind: &str, href: &str) -> String {
        format!(
            "<data type='{kind}'><checksum type='sha256'>{hex}</checksum>\
             <open-checksum type='sha256'>{hex}</open-checksum><location href='{href}'/>\
             <timestamp>1700000001.25</timestamp><size>10</size><open-size>20</open-size></data>",
            hex = "ab".repeat(32)
        )
    }

    fn parse(data: &str) -> Result<Repomd, RepomdError> {
        let text = format!("<repomd xmlns='x'><revision> 17 </revision>{data}</repomd>");
        Repomd::parse(text.as_bytes())
    }

    #[test]
    fn files_are_listed_with_their_digests() {
        let text = ["primary", "primary_db", "group", "group_gz", "updateinfo", "primary_zck"]
            .map(|kind| data(kind, &format!("repodata/{kind}.xml.gz")))
            .concat();
        let repomd = parse(&text).unwrap();
        assert_eq!(repomd.files.len(), 3);
        let primary = repomd.primary().unwrap();
        assert_eq!(primary.location, "repodata/primary.xml.gz");
        assert_eq!((primary.size, primary.open_size), (Some(10), Some(20)));
        assert_eq!(primary.open_checksum, Some(format!("sha256:{}", "ab".repeat(32))));
        assert_eq!(repomd.group().unwrap().kind, "group_gz");
        assert_eq!((repomd.modules(), repomd.filelists(), repomd.timestamp()), (None, None, 1_700_000_001));
    }

    #[test]
    fn what_does_not_matter_may_be_broken() {
        let text = format!("{}<data type='prestodelta'><size>x</size></data>", data("primary", "p"));
        assert_eq!(parse(&text).unwrap().files.len(), 1);
    }

    #[test]
    fn what_cannot_be_trusted_is_refused() {
        let good = data("primary", "p");
        assert!(matches!(parse(&data("other", "p")), Err(RepomdError::NoPrimary)));
        assert!(matches!(parse(&data("primary", "../p")), Err(RepomdError::Location { .. })));
        assert!(matches!(parse(&data("primary", "/p")), Err(RepomdError::Location { .. })));
        for (from, to) in [("sha256", "md5"), ("abab", "ab"), ("<size>10", "<size>-1"), ("</data>", "")] {
            assert!(parse(&good.replace(from, to)).is_err(), "{from} {to}");
        }
        let none = good.replace("checksum type='sha256'>", "x type='sha256'>").replace("</checksum", "</x");
        assert!(parse(&none.replace("</open-checksum", "</open-x")).is_err());
        assert!(matches!(parse(&good.repeat(MAX_FILES + 1)), Err(RepomdError::TooMany)));
    }
}
