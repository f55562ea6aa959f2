//! The names in a rich dependency: the database has an entry for each, so that rpm finds whom a
//! package that comes or goes may concern (rpm's `lib/rpmdb.c`, `updateRichDep`; `lib/rpmds.c`,
//! `rpmrichParse`).
//!
//! The names of a condition have a `!` before them, for there it is the absence that helps.

/// No dependency is deeper; the reader of one calls itself for each level.
const MAX_DEPTH: usize = 64;
/// No dependency has more names. With each `else` in a condition they become twice as many.
const MAX_NAMES: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    And,
    Or,
    If,
    Unless,
    Else,
    With,
    Without,
}

/// The names in a rich dependency, sorted, each once, those of conditions with `!`, behind the
/// others. None if it is none that rpm reads.
pub(super) fn names(dependency: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader { rest: dependency, is_condition: false, names: Vec::new() };
    if reader.group(0).is_none() {
        return Vec::new();
    }
    reader.names.sort_unstable();
    reader.names.dedup();
    let name = |(is_condition, name): &(bool, &[u8])| match is_condition {
        true => [b"!", *name].concat(),
        false => name.to_vec(),
    };
    reader.names.iter().map(name).collect()
}

struct Reader<'a> {
    rest: &'a [u8],
    is_condition: bool,
    names: Vec<(bool, &'a [u8])>,
}

impl<'a> Reader<'a> {
    /// Reads `(…)`. Says whether it may not stand beside `with` and `without`.
    fn group(&mut self, depth: usize) -> Option<bool> {
        self.rest = self.rest.strip_prefix(b"(").filter(|_| depth < MAX_DEPTH)?;
        let (mut first, mut last, mut chain) = (None, None, None);
        let mut is_no_with = false;
        // Where the names of a condition begin.
        let mut condition = self.names.len();
        loop {
            self.skip_blanks();
            match self.rest.first()? {
                b')' => return None,
                b'(' => is_no_with |= self.group(depth + 1)?,
                _ => self.simple()?,
            }
            self.skip_blanks();
            if let Some(rest) = self.rest.strip_prefix(b")") {
                self.rest = rest;
                break;
            }
            let operator = self.operator()?;
            let is_after = operator == Operator::Else && is_conditional(chain);
            if chain.is_some_and(|chain| !is_after && (chain != operator || !is_chain(operator))) {
                return None;
            }
            self.turn(operator, &mut condition)?;
            first = first.or(Some(operator));
            (chain, last) = (Some(operator), Some(operator));
        }
        if is_conditional(last) {
            self.is_condition ^= true;
        }
        let is_with = |operator| matches!(operator, Some(Operator::With | Operator::Without));
        if is_with(first) && is_no_with {
            return None;
        }
        Some(is_no_with || !matches!(last, None | Some(Operator::Or)) && !is_with(last))
    }

    /// What an operator makes of what follows it. An `else` holds where the condition does not, so
    /// the names of that are there once more, the other way round.
    fn turn(&mut self, operator: Operator, condition: &mut usize) -> Option<()> {
        match operator {
            Operator::If | Operator::Unless => *condition = self.names.len(),
            Operator::Else => {
                let inverted = self.names[*condition..].iter().map(|&(is, name)| (!is, name));
                self.names.extend(inverted.collect::<Vec<_>>());
            }
            _ => return Some(()),
        }
        self.is_condition ^= true;
        (self.names.len() <= MAX_NAMES).then_some(())
    }

    /// Reads a name, perhaps with a bound. What rpm itself provides is never asked for.
    fn simple(&mut self) -> Option<()> {
        let name = self.word();
        if name.is_empty() {
            return None;
        }
        self.skip_blanks();
        let start = self.rest;
        if matches!(self.word(), b"<" | b"<=" | b"=<" | b"=" | b"==" | b">=" | b"=>" | b">") {
            self.skip_blanks();
            if self.word().is_empty() {
                return None;
            }
        } else {
            self.rest = start;
        }
        if !(name.len() > 7 && name.starts_with(b"rpmlib(")) {
            self.names.push((self.is_condition, name));
        }
        Some(())
    }

    fn operator(&mut self) -> Option<Operator> {
        let is_end = |byte: &u8| is_space(*byte) || *byte == b')';
        let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(match word {
            b"and" => Operator::And,
            b"or" => Operator::Or,
            b"if" => Operator::If,
            b"unless" => Operator::Unless,
            b"else" => Operator::Else,
            b"with" => Operator::With,
            b"without" => Operator::Without,
            _ => return None,
        })
    }

    /// Up to a blank, a comma, or a `)` that has no `(` in the word.
    fn word(&mut self) -> &'a [u8] {
        let mut depth = 0_usize;
        let is_end = |byte: &u8| match *byte {
            b'(' => {
                depth += 1;
                false
            }
            b')' if depth == 0 => true,
            b')' => {
                depth -= 1;
                false
            }
            byte => is_space(byte) || byte == b',',
        };
        let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn skip_blanks(&mut self) {
        let is_blank = |byte: &u8| is_space(*byte) || *byte == b',';
        let count = self.rest.iter().take_while(|byte| is_blank(byte)).count();
        self.rest = &self.rest[count..];
    }
}

fn is_conditional(operator: Option<Operator>) -> bool {
    matches!(operator, Some(Operator::If | Operator::Unless))
}

/// Of these there may be several in a row.
fn is_chain(operator: Operator) -> bool {
    matches!(operator, Operator::And | Operator::Or | Operator::With)
}

/// rpm's `risspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(dependency: &str, expected: &str) {
        let names: Vec<String> =
            names(dependency.as_bytes()).into_iter().map(|name| String::from_utf8(name).unwrap()).collect();
        assert_eq!(names.join(" "), expected, "{dependency}");
    }

    #[test]
    fn the_names_are_those_that_rpm_has() {
        check("(basic if other)", "basic !other");
        check("((a1 or b1) if c1 else (d1 and e1 >= 3))", "a1 b1 c1 d1 e1 !c1");
        check("((p1 if q1) and (rpmlib(Foo) or s1(x)))", "p1 s1(x) !q1");
        check("(foo or (foo2 unless bar else baz))", "bar baz foo foo2 !bar");
        check("(x1 without z1 < 3)", "x1 z1");
        check("(a and b and a)", "a b");
        check("(a if (b if c))", "a c !b");
        check("(f(x)(y) with g)", "f(x)(y) g");
    }

    #[test]
    fn what_rpm_does_not_read_has_no_names() {
        let deep = format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000));
        for bad in ["", "(", "()", "(a", "(a b)", "(a and)", "(a and b or c)", "(a if b if c)", "(a >= )"] {
            check(bad, "");
        }
        check("((a and b) with c)", "");
        check(&deep, "");
        let wide = format!("{}c{}", "(a if ".repeat(40), " else b)".repeat(40));
        check(&wide, "");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_fail(text in "[ab(), <=!]{0,40}( (if|else|and|with) [ab()]{1,9}){0,5}") {
            let _ = names(format!("({text})").as_bytes());
        }
    }
}
