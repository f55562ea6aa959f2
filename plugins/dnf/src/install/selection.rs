//! Files that are not wanted: documentation, other languages, another architecture's
//! (`skipInstallFiles` of rpm's `lib/transaction.c`).

use std::cmp::Reverse;
use std::collections::HashMap;

use ctr_forge_rootfs::RootPath;

use super::Settings;
use super::record::State;
use crate::rpm::{FileFlags, FileInfo, FileKind};

/// The colours that a root can have: 1 for files of 32 bits, 2 for those of 64 bits, both where a
/// machine runs both (rpm's `installplatform`); 0 where colours play no role.
pub(super) fn colors(arch: &str) -> u32 {
    let both = ["aarch64", "amd64", "ia32e", "loongarch64", "riscv64", "s390x"].contains(&arch)
        || ["x86_64", "ppc64", "sparc64", "mips64"].iter().any(|family| arch.starts_with(family));
    match arch {
        _ if both => 3,
        "ia64" => 2,
        _ => 0,
    }
}

/// What becomes of each file as far as it does not depend on others. A directory goes with the
/// last of its files, unless the package has none in it.
pub(super) fn states(files: &[FileInfo], settings: &Settings<'_>) -> Vec<State> {
    let colors = colors(settings.arch);
    let mut states: Vec<State> = files.iter().map(|file| state(file, colors, settings)).collect();
    skip_emptied(files, &mut states);
    states
}

fn state(file: &FileInfo, colors: u32, settings: &Settings<'_>) -> State {
    if colors != 0 && file.color != 0 && file.color & colors == 0 {
        return State::WrongColor;
    }
    // A licence is always wanted.
    if file.flags.has(FileFlags::LICENSE) {
        return State::Normal;
    }
    let is_spoken = settings.langs.is_none_or(|wanted| is_spoken(&file.langs, wanted));
    match !is_spoken || settings.nodocs && file.flags.has(FileFlags::DOC) {
        true => State::NotInstalled,
        false => State::Normal,
    }
}

/// Whether a file is for all languages, or for one of these. A language stands for those whose
/// names begin its own: with `de_DE`, what is for `de` is wanted, too.
fn is_spoken(langs: &[u8], wanted: &[String]) -> bool {
    let begins = |lang: &[u8]| !lang.is_empty() && wanted.iter().any(|one| one.as_bytes().starts_with(lang));
    langs.is_empty() || langs.split(|&byte| byte == b'|').any(begins)
}

/// What is directly in a directory.
#[derive(Default)]
struct Inside {
    wanted: usize,
    is_any_left_out: bool,
}

impl Inside {
    fn leave_out(&mut self) {
        self.wanted = self.wanted.saturating_sub(1);
        self.is_any_left_out = true;
    }
}

fn skip_emptied(files: &[FileInfo], states: &mut [State]) {
    if states.iter().all(|state| *state == State::Normal) {
        return;
    }
    let mut inside: HashMap<RootPath, Inside> = HashMap::new();
    let mut owned: HashMap<&RootPath, usize> = HashMap::new();
    for (at, file) in files.iter().enumerate() {
        let Some(parent) = file.path.parent() else { continue };
        let parent = inside.entry(parent).or_default();
        match states[at] {
            State::Normal => parent.wanted += 1,
            _ => parent.is_any_left_out = true,
        }
        if file.kind() == Some(FileKind::Directory) {
            owned.insert(&file.path, at);
        }
    }
    // The deepest first, so that what is emptied empties what it is in.
    let mut paths: Vec<RootPath> = inside.keys().cloned().collect();
    paths.sort_by_cached_key(|path| Reverse((path.components().count(), path.as_bytes().to_vec())));
    for path in paths {
        let is_emptied = inside.get(&path).is_some_and(|one| one.wanted == 0 && one.is_any_left_out);
        let Some(&at) = owned.get(&path).filter(|_| is_emptied) else { continue };
        if states[at] == State::Normal {
            states[at] = State::NotInstalled;
            if let Some(parent) = path.parent().and_then(|parent| inside.get_mut(&parent)) {
                parent.leave_out();
            }
        }
    }
}

/// The links among the wanted files: path and target of each.
pub fn links(files: &[FileInfo], settings: &Settings<'_>) -> Vec<(RootPath, Box<[u8]>)> {
    let states = states(files, settings);
    let is_link = |(file, state): &(&FileInfo, State)| {
        *state == State::Normal
            && file.kind() == Some(FileKind::Symlink)
            && !file.is_ghost()
            && !settings.exclude.excludes(&file.path)
    };
    let links = files.iter().zip(states).filter(is_link);
    links.map(|(file, _)| (file.path.clone(), file.target.clone())).collect()
}

/// Which files of a package are wanted, by their places.
pub fn wanted(files: &[FileInfo], settings: &Settings<'_>) -> Vec<bool> {
    states(files, settings).into_iter().map(|state| state == State::Normal).collect()
}
