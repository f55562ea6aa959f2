//! YAML as module metadata is written in: documents of maps, lists and texts.
//!
//! Every scalar is a text: a stream is called `1.10` and no number. Aliases are refused, for no
//! tool that writes module metadata makes any, and they are how a small file becomes a large one.

use saphyr_parser::{Event, Parser, ScanError, StrInput};

/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Most values in all documents: RHEL 8 has a fifth of a million.
const MAX_NODES: usize = 8_000_000;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Why a text is no YAML of this sort.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// It is no YAML.
    #[error("is no YAML near line {line}")]
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: ScanError,
    },
    /// It uses an alias.
    #[error("uses an alias in line {0}, which no module metadata needs")]
    Alias(usize),
    /// A map has a key that is no text.
    #[error("has a key that is no text in line {0}")]
    Key(usize),
    /// It nests too deep.
    #[error("has values more than {MAX_DEPTH} deep in line {0}")]
    Depth(usize),
    /// It has too many values.
    #[error("has more than {MAX_NODES} values")]
    TooMany,
    /// It ends early.
    #[error("ends early")]
    End,
}

static NONE: Node = Node::Text(String::new());

impl Node {
    /// The value of a key; an empty text where there is none.
    pub(super) fn get(&self, key: &str) -> &Node {
        let Node::Map(entries) = self else { return &NONE };
        entries.iter().find(|(name, _)| name == key).map_or(&NONE, |(_, value)| value)
    }

    /// As a text; empty where it is none.
    pub(super) fn text(&self) -> &str {
        match self {
            Node::Text(text) => text,
            _ => "",
        }
    }

    /// Its members; none where it is no list.
    pub(super) fn list(&self) -> &[Node] {
        match self {
            Node::List(nodes) => nodes,
            _ => &[],
        }
    }

    /// Its keys and values; none where it is no map.
    pub(super) fn map(&self) -> &[(String, Node)] {
        match self {
            Node::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The texts of a list.
    pub(super) fn texts(&self) -> Vec<String> {
        self.list().iter().map(|node| node.text().to_owned()).filter(|text| !text.is_empty()).collect()
    }
}

/// Hands each document of a stream to `each`, in order; only one is in memory at a time.
pub(super) fn documents<E: From<YamlError>>(
    text: &str,
    mut each: impl FnMut(Node) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader { parser: Parser::new_from_str(text), nodes: 0 };
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(()),
            (Event::DocumentStart(_), _) => {
                let event = reader.next()?;
                each(reader.node(event, 0)?)?;
            }
            _ => {}
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(source)) => Err(YamlError::Syntax { line: source.marker().line(), source }),
            None => Err(YamlError::End),
        }
    }

    fn node(&mut self, (event, line): (Event<'a>, usize), depth: usize) -> Result<Node, YamlError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(YamlError::TooMany);
        }
        if depth > MAX_DEPTH {
            return Err(YamlError::Depth(line));
        }
        match event {
            Event::Scalar(text, ..) => Ok(Node::Text(text.into_owned())),
            Event::SequenceStart(..) => self.list(depth),
            Event::MappingStart(..) => self.map(depth),
            Event::Alias(_) => Err(YamlError::Alias(line)),
            _ => Err(YamlError::End),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Node, YamlError> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Node::List(nodes)),
                event => nodes.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, YamlError> {
        let mut entries = Vec::new();
        loop {
            match self.next()? {
                (Event::MappingEnd, _) => return Ok(Node::Map(entries)),
                (Event::Scalar(key, ..), _) => {
                    let event = self.next()?;
                    entries.push((key.into_owned(), self.node(event, depth + 1)?));
                }
                (_, line) => return Err(YamlError::Key(line)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<Node>, YamlError> {
        let mut all = Vec::new();
        documents(text, |node| {
            all.push(node);
            Ok::<_, YamlError>(())
        })?;
        Ok(all)
    }

    #[test]
    fn documents_are_maps_lists_and_texts() {
        let all = all("---\na: 1.10\nb: [x, 'y z']\n...\n---\nc: {d: true}\n").unwrap();
        assert_eq!((all.len(), all[0].get("a").text()), (2, "1.10"));
        assert_eq!(all[0].get("b").texts(), ["x", "y z"]);
        assert_eq!(all[1].get("c").map()[0].0, "d");
        assert_eq!(all[1].get("none").get("none").text(), "");
    }

    #[test]
    fn what_grows_or_breaks_is_refused() {
        assert!(matches!(all("a: &x [1]\nb: *x\n"), Err(YamlError::Alias(_))));
        assert!(matches!(all("? [a]\n: b\n"), Err(YamlError::Key(_))));
        assert!(matches!(all(&"[".repeat(200)), Err(YamlError::Depth(_) | YamlError::Syntax { .. })));
        assert!(matches!(all(&format!("{}a", "- ".repeat(200))), Err(YamlError::Depth(_))));
        assert!(all("a: [b").is_err() && all("a: b: c").is_err() && all("").unwrap().is_empty());
    }
}
