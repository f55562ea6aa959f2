//! `filelists.xml`: all files of all packages.
//!
//! Of Fedora it has 7 million files, so nobody wants all of them: what is read is those that
//! some package asks for and that primary metadata, which has only `/etc`, `bin` and a few more,
//! does not list.

use std::io::BufRead;
use std::sync::Arc;

use super::Texts;
use super::xml::{self, Element, Handler, XmlError};

/// Most packages: as many as primary metadata may have.
const MAX_PACKAGES: usize = 1_000_000;

/// Why lists of files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilelistsError {
    /// It is no XML.
    #[error("the list of files {0}")]
    Xml(#[from] XmlError),
    /// It has too many packages.
    #[error("the list of files has more than {MAX_PACKAGES} packages")]
    TooMany,
}

/// The files of a package that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The hexadecimal digits of the package's checksum in primary metadata.
    pub pkgid: String,
    /// Its name.
    pub name: Arc<str>,
    /// The files, in the order of the list; never none.
    pub files: Vec<Arc<str>>,
}

/// Reads `filelists.xml`, without its compression, for the paths that are `wanted`. What has
/// none of them is not told of.
///
/// # Errors
///
/// If it is no XML or has more packages than any repository.
pub fn read<'a>(
    input: impl BufRead,
    texts: &'a mut Texts,
    wanted: &'a dyn Fn(&str) -> bool,
    found: &'a mut dyn FnMut(Files),
) -> Result<(), FilelistsError> {
    xml::read(input, &mut Parser { texts, wanted, found, files: Files::default(), seen: 0 })
}

struct Parser<'a> {
    texts: &'a mut Texts,
    wanted: &'a dyn Fn(&str) -> bool,
    found: &'a mut dyn FnMut(Files),
    files: Files,
    seen: usize,
}

impl Handler for Parser<'_> {
    type Error = FilelistsError;
    const ROOT: &'static str = "filelists";

    fn start(&mut self, depth: usize, element: &Element<'_>) -> Result<(), FilelistsError> {
        if (depth, element.name()) == (2, "package") {
            self.seen += 1;
            if self.seen > MAX_PACKAGES {
                return Err(FilelistsError::TooMany);
            }
            self.package(element)?;
        }
        Ok(())
    }

    fn end(&mut self, depth: usize, name: &str, text: &str) -> Result<(), FilelistsError> {
        match (depth, name) {
            (3, "file") if (self.wanted)(text) => self.files.files.push(self.texts.text(text)),
            (2, "package") => {
                let files = std::mem::take(&mut self.files);
                if !files.files.is_empty() {
                    (self.found)(files);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Parser<'_> {
    fn package(&mut self, element: &Element<'_>) -> Result<(), XmlError> {
        self.files = Files::default();
        for attribute in element.attributes() {
            match attribute? {
                ("pkgid", value) => self.files.pkgid = value.to_ascii_lowercase(),
                ("name", value) => self.files.name = self.texts.text(&value),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Result<Vec<Files>, FilelistsError> {
        let mut all = Vec::new();
        let wanted = |path: &str| path.starts_with("/usr/share/");
        read(text.as_bytes(), &mut Texts::default(), &wanted, &mut |files| all.push(files))?;
        Ok(all)
    }

    #[test]
    fn only_what_is_asked_for_is_told_of() {
        let all = files(
            "<filelists><package pkgid='AB' name='a' arch='noarch'><version epoch='0' ver='1' rel='2'/>\
             <file type='dir'>/usr/share/a&amp;b</file><file>/bin/a</file></package>\
             <package pkgid='cd' name='c' arch='noarch'><file>/bin/c</file></package></filelists>",
        );
        let all = all.unwrap();
        assert_eq!((all.len(), all[0].pkgid.as_str(), &*all[0].name), (1, "ab", "a"));
        assert_eq!((&*all[0].files[0], all[0].files.len()), ("/usr/share/a&b", 1));
    }

    #[test]
    fn broken_xml_is_an_error() {
        assert!(files("<filelists><package></filelists>").is_err());
        assert!(files("<metadata/>").is_err());
    }
}
