//! Judges the choice of packages by libsolv's own test cases.
//!
//! `cargo run -p ctr-forge-source-dnf --example libsolv -- FOLDER` reads every `.t` file below the
//! folder (libsolv's `test/testcases`, in the format of its `ext/testcase.c`), asks for the same
//! packages, and prints a table: which cases agree, which differ, and which say something that a
//! request for a fresh root cannot say. It ends with 1 if any differ.
//!
//! `-- --solution FILE.t` prints what is chosen for one case instead, in the words in which
//! libsolv's `testsolv -r` prints its own result.

mod judge;
mod read;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use judge::Verdict;

fn main() -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [folder] => table(Path::new(folder), &mut out),
        [option, file] if option == "--solution" => {
            for case in read::cases(Path::new(file))? {
                writeln!(out, "{}", judge::solution(&case))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: libsolv FOLDER | --solution FILE.t")),
    }
}

fn table(folder: &Path, out: &mut impl Write) -> io::Result<ExitCode> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for path in files(folder)? {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        for (index, case) in read::cases(&path)?.iter().enumerate() {
            let name = if index == 0 { name.clone() } else { format!("{name}#{}", index + 1) };
            let (word, why) = match judge::judge(case) {
                Verdict::Agrees => ("agrees", String::new()),
                Verdict::Differs(why) => ("differs", why),
                Verdict::Inexpressible(why) => ("not expressible", why),
            };
            *counts.entry(word).or_default() += 1;
            writeln!(out, "{name:56} {word:16} {why}")?;
        }
    }
    let summary: Vec<_> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    writeln!(out, "{}", summary.join(", "))?;
    Ok(ExitCode::from(u8::from(counts.contains_key("differs"))))
}

/// All cases below a folder, sorted.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "t") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
