//! Small worlds, written as an index.

use proptest::prelude::*;

use super::*;
use crate::dependency::Dependency;
use crate::package::parse_index;

/// `NAME VERSION; FIELD VALUE; …` a line; the last field may be `@N`, the number of its repository.
fn index(lines: &str) -> Vec<(String, u64)> {
    let stanza = |line: &str| {
        let mut fields = line.split(';').map(str::trim);
        let (name, version) = fields.next().unwrap().split_once(' ').unwrap();
        let mut repository = 0;
        let mut text = format!("C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:{name}\nV:{version}\nA:x86\nS:1\nI:1\n");
        for field in fields {
            match field.strip_prefix('@') {
                Some(number) => repository = number.parse().unwrap(),
                None => {
                    let (letter, value) = field.split_once(' ').unwrap();
                    text.push_str(&format!("{letter}:{value}\n"));
                }
            }
        }
        (text, 1 << repository)
    };
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(stanza).collect()
}

fn try_solve(lines: &str, world: &str, tags: &[Option<&str>]) -> Result<Vec<String>, String> {
    let stanzas = index(lines);
    let offers: Vec<Offer<'_>> = stanzas
        .iter()
        .map(|(text, repositories)| Offer {
            package: parse_index(text).next().unwrap().unwrap(),
            repositories: *repositories,
        })
        .collect();
    let wants = Dependency::parse_all(world).unwrap();
    let chosen = resolve(&offers, &Request { wants: &wants, tags }).map_err(|error| error.to_string())?;
    Ok(chosen.into_iter().map(|id| offers[id].package.title()).collect())
}

fn solved(lines: &str, world: &str) -> String {
    tagged(lines, world, &[None])
}

fn tagged(lines: &str, world: &str, tags: &[Option<&str>]) -> String {
    match try_solve(lines, world, tags) {
        Ok(chosen) => chosen.join(" "),
        Err(error) => format!("error: {error}"),
    }
}
