//! XML as repositories write it: elements, attributes, the text of elements without children.
//!
//! Read as a stream, for a file may have hundreds of megabytes. Nothing is expanded but the five
//! entities that XML itself has and references to characters (XML 1.0, section 4.6); an internal
//! DTD, which could declare others, is refused. Depth, and the size of each element and text, are
//! bounded; how much comes in all is for the caller to limit.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

/// Deepest nesting. Primary metadata has five levels.
const MAX_DEPTH: usize = 32;
/// Largest element, with its attributes, and largest text, in bytes.
const MAX_PIECE: usize = 4 << 20;

/// Why XML cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum XmlError {
    /// It is not well-formed, or is no UTF-8.
    #[error("is no well-formed XML near byte {position}")]
    Syntax {
        /// Bytes before it.
        position: u64,
        /// What is wrong.
        #[source]
        source: quick_xml::Error,
    },
    /// It cannot be read at all.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// It ends inside an element, or has none.
    #[error("is cut short")]
    CutShort,
    /// There is something behind its end.
    #[error("has more than one element at its top")]
    Behind,
    /// It declares entities.
    #[error("has a document type of its own, which no metadata needs")]
    DocType,
    /// It uses an entity that nobody declared.
    #[error("uses the unknown entity \"{0}\"")]
    Entity(String),
    /// It nests too deep.
    #[error("has elements more than {MAX_DEPTH} deep")]
    Depth,
    /// A piece is too large.
    #[error("has an element or a text of more than {} MiB", MAX_PIECE >> 20)]
    Large,
    /// Its first element is another than it should be.
    #[error("begins with <{found}>, not with <{expected}>")]
    Root {
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}

/// What takes in a document.
pub(crate) trait Handler {
    /// What can go wrong.
    type Error: From<XmlError>;

    /// The name of the first element.
    const ROOT: &'static str;

    /// An element begins. `depth` is 1 for the first of the document.
    fn start(&mut self, depth: usize, element: &Element<'_>) -> Result<(), Self::Error>;

    /// An element ends. Where it has no children, `text` is all that it has.
    fn end(&mut self, depth: usize, name: &str, text: &str) -> Result<(), Self::Error>;
}

/// The start of an element.
pub(crate) struct Element<'a>(&'a BytesStart<'a>);

impl<'a> Element<'a> {
    /// Its name, without the prefix of a namespace: these formats have no two alike.
    pub(crate) fn name(&self) -> &str {
        local(self.0.name().into_inner())
    }

    /// Names, with their prefixes, and values of its attributes.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = Result<(&str, Cow<'_, str>), XmlError>> {
        let mut attributes = self.0.attributes();
        attributes.with_checks(false);
        attributes.map(|attribute| {
            let bad = |source| XmlError::Syntax { position: 0, source };
            let attribute = attribute.map_err(|e| bad(e.into()))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(bad)?;
            Ok((attribute.key.into_inner(), value))
        })
    }

    /// The value of one attribute.
    pub(crate) fn attribute(&self, name: &str) -> Result<Option<Cow<'_, str>>, XmlError> {
        for attribute in self.attributes() {
            let (found, value) = attribute?;
            if found == name {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

/// Reads all of a document.
pub(crate) fn read<H: Handler>(input: impl BufRead, handler: &mut H) -> Result<(), H::Error> {
    let mut reader = Reader::from_reader(Bounded { inner: input, left: MAX_PIECE });
    reader.config_mut().allow_dangling_amp = false;
    let mut state = State { depth: 0, text: String::new(), has_root: false };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        reader.get_mut().left = MAX_PIECE;
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(error) => return Err(explain(reader.error_position(), error).into()),
        };
        match state.take(event, handler) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

struct State {
    depth: usize,
    text: String,
    has_root: bool,
}

impl State {
    /// Takes in an event; `false` after the last.
    fn take<H: Handler>(&mut self, event: Event<'_>, handler: &mut H) -> Result<bool, H::Error> {
        match event {
            Event::Start(start) => {
                self.open(&start, handler)?;
                self.depth += 1;
            }
            Event::Empty(start) => {
                self.open(&start, handler)?;
                handler.end(self.depth + 1, local(start.name().into_inner()), "")?;
            }
            Event::End(end) => {
                handler.end(self.depth, local(end.name().into_inner()), &self.text)?;
                self.text.clear();
                self.depth = self.depth.saturating_sub(1);
            }
            Event::Text(text) => self.push(&text.xml10_content())?,
            Event::CData(text) => self.push(&text.xml10_content())?,
            Event::GeneralRef(reference) => self.push(resolve(&reference)?.encode_utf8(&mut [0; 4]))?,
            // An external one is only named by it, and never fetched; comps files have that.
            Event::DocType(text) if text.contains('[') => return Err(XmlError::DocType.into()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
            Event::Eof if self.depth == 0 && self.has_root => return Ok(false),
            Event::Eof => return Err(XmlError::CutShort.into()),
        }
        Ok(true)
    }

    fn open<H: Handler>(&mut self, start: &BytesStart<'_>, handler: &mut H) -> Result<(), H::Error> {
        let element = Element(start);
        if self.depth == 0 {
            if std::mem::replace(&mut self.has_root, true) {
                return Err(XmlError::Behind.into());
            }
            if element.name() != H::ROOT {
                let found = element.name().chars().take(64).collect();
                return Err(XmlError::Root { expected: H::ROOT, found }.into());
            }
        }
        if self.depth >= MAX_DEPTH {
            return Err(XmlError::Depth.into());
        }
        self.text.clear();
        handler.start(self.depth + 1, &element)
    }

    fn push(&mut self, text: &str) -> Result<(), XmlError> {
        if self.text.len() + text.len() > MAX_PIECE {
            return Err(XmlError::Large);
        }
        self.text.push_str(text);
        Ok(())
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, name)| name)
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, XmlError> {
    Ok(match &**reference {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        other => {
            let unknown = || XmlError::Entity(other.chars().take(64).collect());
            reference.resolve_char_ref().ok().flatten().ok_or_else(unknown)?
        }
    })
}

fn explain(position: u64, error: quick_xml::Error) -> XmlError {
    match error {
        quick_xml::Error::Io(error) => match error.get_ref().is_some_and(|inner| inner.is::<TooLarge>()) {
            true => XmlError::Large,
            false => XmlError::Read(io::Error::new(error.kind(), error)),
        },
        source => XmlError::Syntax { position, source },
    }
}

/// Ends with an error before one event takes more than it may.
struct Bounded<R> {
    inner: R,
    left: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("a piece is too large")]
struct TooLarge;

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.left {
            0 => Err(io::Error::other(TooLarge)),
            _ => self.inner.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Log(Vec<String>);

    impl Handler for Log {
        type Error = XmlError;
        const ROOT: &'static str = "a";

        fn start(&mut self, depth: usize, element: &Element<'_>) -> Result<(), XmlError> {
            let x = element.attribute("x")?.unwrap_or_default();
            self.0.push(format!("{depth}<{} {x}", element.name()));
            Ok(())
        }

        fn end(&mut self, depth: usize, name: &str, text: &str) -> Result<(), XmlError> {
            self.0.push(format!("{depth}>{name} {text}"));
            Ok(())
        }
    }

    fn log(text: &str) -> Result<Vec<String>, XmlError> {
        let mut log = Log::default();
        read(text.as_bytes(), &mut log)?;
        Ok(log.0)
    }

    #[test]
    fn elements_come_with_their_texts() {
        let text = "<?xml version='1.0'?><!DOCTYPE a PUBLIC \"-//X\" \"x.dtd\"><a><p:b x='1 &gt; &#65;'>t &amp;\
                    <![CDATA[<u>]]>&#x42;</p:b><!-- c --><d/></a>\n";
        assert_eq!(log(text).unwrap(), ["1<a ", "2<b 1 > A", "2>b t &<u>B", "2<d ", "2>d ", "1>a "]);
    }

    #[test]
    fn what_is_broken_or_hostile_is_refused() {
        let deep = format!("<a>{}", "<b>".repeat(MAX_DEPTH));
        for bad in [
            "",
            "<a>",
            "<a></b>",
            "<a/><a/>",
            "<b/>",
            "<a>&x;</a>",
            "<a>&#0;</a>",
            "<a>&</a>",
            "<a x='&y;'/>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<a",
            "</a>",
            &deep,
            "text",
        ] {
            assert!(log(bad).is_err(), "{bad}");
        }
        assert!(read(&b"<a>\xff</a>"[..], &mut Log::default()).is_err());
        assert!(matches!(log(&deep), Err(XmlError::Depth)));
    }

    #[test]
    fn a_piece_without_end_is_refused_before_it_is_all_in_memory() {
        for start in ["<a>", "<a x='", "<a><!--", "<a><![CDATA["] {
            let endless = io::BufReader::new(start.as_bytes().chain(io::repeat(b'x')));
            assert!(matches!(read(endless, &mut Log::default()), Err(XmlError::Large)), "{start}");
        }
        let endless = io::BufReader::new(b"<a>".chain(Cycle(b"&lt;y", 0)));
        assert!(matches!(read(endless, &mut Log::default()), Err(XmlError::Large)));
    }

    struct Cycle(&'static [u8], usize);

    impl Read for Cycle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            for byte in &mut *buffer {
                *byte = self.0[self.1 % self.0.len()];
                self.1 += 1;
            }
            Ok(buffer.len())
        }
    }
}
