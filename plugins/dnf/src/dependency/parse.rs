//! The text of dependencies (rpm's `boolean_dependencies.md`; `rpmrichParse` in `lib/rpmds.cc`).
//!
//! A name ends at white space, at a comma, or at a closing parenthesis that it did not open
//! itself, so that `(libc.so.6(GLIBC_2.4)(64bit) or b)` has the names that it seems to have.

use std::sync::Arc;

use super::{Bound, Dependency, DependencyError, Operator, Relation, Rich, bad_version};
use crate::version::Evr;

/// How deep parentheses of rich dependencies may be in each other. Real ones are at most four.
const MAX_DEPTH: usize = 32;

/// The longest rich dependency, in bytes. Real ones have some hundreds.
const MAX_LENGTH: usize = 64 << 10;

/// `name` or `name >= version`, and nothing behind.
pub(super) fn relation(text: &str) -> Result<Relation, DependencyError> {
    let mut parser = Parser { text, rest: text };
    let relation = parser.relation()?;
    match parser.next() {
        None => Ok(relation),
        Some(_) => Err(parser.fault("something follows it")),
    }
}

/// A rich dependency, from its first parenthesis to its last.
pub(super) fn rich(text: &str) -> Result<Dependency, DependencyError> {
    let mut parser = Parser { text, rest: text };
    if text.len() > MAX_LENGTH {
        return Err(parser.fault("it is too long"));
    }
    let dependency = parser.dependency(0)?;
    match parser.next() {
        None => Ok(dependency),
        Some(_) => Err(parser.fault("something follows its last parenthesis")),
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn fault(&self, what: &'static str) -> DependencyError {
        DependencyError::Malformed { text: self.text.to_owned(), what }
    }

    /// The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start();
        self.rest.bytes().next()
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let mut open = 0_usize;
        let ends = |(_, character): &(usize, char)| match character {
            '(' => {
                open += 1;
                false
            }
            ')' if open > 0 => {
                open -= 1;
                false
            }
            ')' | ',' => true,
            other => other.is_whitespace(),
        };
        let end = self.rest.char_indices().find(ends).map_or(self.rest.len(), |(index, _)| index);
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn relation(&mut self) -> Result<Relation, DependencyError> {
        let name = self.word();
        if name.is_empty() {
            return Err(self.fault("a name is missing"));
        }
        let behind_name = self.rest;
        let Some(operator) = Operator::of_sign(self.word()) else {
            self.rest = behind_name;
            return Ok(Relation::to(name));
        };
        let evr = Evr::parse(self.word()).map_err(|source| bad_version(self.text, source))?;
        if evr.version.is_empty() {
            return Err(self.fault("a version is missing"));
        }
        Ok(Relation { name: Arc::from(name), bound: Some(Bound { operator, evr: Arc::new(evr) }) })
    }

    fn dependency(&mut self, depth: usize) -> Result<Dependency, DependencyError> {
        if self.next() != Some(b'(') {
            return self.relation().map(Dependency::Simple);
        }
        if depth == MAX_DEPTH {
            return Err(self.fault("its parentheses are too deep"));
        }
        self.rest = &self.rest[1..];
        let (mut operands, mut words) = (vec![self.dependency(depth + 1)?], Vec::new());
        loop {
            match self.next() {
                None => return Err(self.fault("a parenthesis is not closed")),
                Some(b')') => break,
                Some(_) => words.push(self.word()),
            }
            operands.push(self.dependency(depth + 1)?);
        }
        self.rest = &self.rest[1..];
        let text = self.text;
        combine(operands, &words).map_err(|what| DependencyError::Malformed { text: text.to_owned(), what })
    }
}

/// One dependency of the operands and the words between them.
fn combine(operands: Vec<Dependency>, words: &[&str]) -> Result<Dependency, &'static str> {
    let rich = |rich| Ok(Dependency::Rich(Box::new(rich)));
    let is_chain = words.windows(2).all(|pair| pair[0] == pair[1]);
    match words.first() {
        Some(&"and") if is_chain => return rich(Rich::And(operands)),
        Some(&"or") if is_chain => return rich(Rich::Or(operands)),
        Some(&"with") if is_chain => return rich(Rich::With(operands)),
        _ => {}
    }
    let mut operands = operands.into_iter();
    let (Some(first), second, third) = (operands.next(), operands.next(), operands.next()) else {
        return Err("it is empty");
    };
    match (words, second, third) {
        ([], None, None) => Ok(first),
        (["without"], Some(second), None) => rich(Rich::Without(first, second)),
        (["if"] | ["if", "else"], Some(second), third) => rich(Rich::If(first, second, third)),
        (["unless"] | ["unless", "else"], Some(second), third) => rich(Rich::Unless(first, second, third)),
        (["and" | "or" | "with" | "without" | "if" | "unless", _, ..], ..) => {
            Err("different words follow each other without parentheses")
        }
        _ => Err("a word in it is none of and, or, if, unless, else, with, without"),
    }
}
