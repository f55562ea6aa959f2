//! Permissions as texts, as rpm's `posix` library takes and shows them (`rpmio/modemuncher.c`):
//! `0644`, `rw-r--r--`, `u+x,go-w`.
//!
//! This is not quite chmod(1): `=` sets all of the mode and not only the named part, and `s`
//! counts for both ids where neither is named.

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const ALL: u32 = 0o7777;

/// The mode that `text` makes of `mode`; `None` if it says none.
pub(super) fn change(mode: u32, text: &str) -> Option<u32> {
    match text.chars().next()? {
        'r' | '-' => whole(mode, text),
        '0'..='7' => u32::from_str_radix(text, 8).ok().map(|mode| mode & ALL),
        _ => text.split(',').try_fold(mode & ALL, clause),
    }
}

/// `rwxr-x---`: what is neither the letter of its place nor a dash leaves its bit.
fn whole(mode: u32, text: &str) -> Option<u32> {
    let mut mode = mode & ALL & !(SET_UID | SET_GID);
    let letters = text.chars().map(Some).chain(std::iter::repeat(None));
    for (place, letter) in letters.take(9).enumerate() {
        let bit = 0o400 >> place;
        match (letter, place) {
            (Some('-'), _) => mode &= !bit,
            (Some('s'), 2) => mode |= SET_UID | bit,
            (Some('s'), 5) => mode |= SET_GID | bit,
            (Some('s'), _) => return None,
            (Some(letter), _) if Some(letter) == "rwx".chars().nth(place % 3) => mode |= bit,
            _ => {}
        }
    }
    Some(mode)
}

/// `ug+x`
fn clause(mode: u32, text: &str) -> Option<u32> {
    let text: String = text.chars().filter(|&c| c != ' ').collect();
    let start = text.find(['+', '-', '='])?;
    let (who, rest) = text.split_at(start);
    let affected = who.chars().try_fold(0, |bits, c| match c {
        'u' => Some(bits | 0o4700),
        'g' => Some(bits | 0o2070),
        'o' => Some(bits | 0o1007),
        'a' => Some(bits | ALL),
        _ => None,
    })?;
    let affected = if affected == 0 { ALL } else { affected };
    let bits = rest[1..].chars().try_fold(0, |bits, c| match c {
        'r' => Some(bits | 0o444),
        'w' => Some(bits | 0o222),
        'x' => Some(bits | 0o111),
        's' => Some(bits | SET_UID | SET_GID),
        _ => None,
    })?;
    match (bits, &rest[..1]) {
        (0, _) => Some(mode),
        (_, "+") => Some(mode | (bits & affected)),
        (_, "-") => Some(mode & !(bits & affected)),
        _ => Some(bits & affected),
    }
}

/// The mode as `rwxr-xr-x`.
pub(super) fn show(mode: u32) -> String {
    let letter = |place: u32| {
        let set = mode & (0o400 >> place) != 0;
        let special = (place == 2 && mode & SET_UID != 0) || (place == 5 && mode & SET_GID != 0);
        match (special, set, place % 3) {
            (true, true, _) => 's',
            (true, false, _) => 'S',
            (_, false, _) => '-',
            (_, _, 0) => 'r',
            (_, _, 1) => 'w',
            _ => 'x',
        }
    };
    (0..9).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_in_all_three_forms() {
        for (mode, text, expected) in [
            (0o644, "755", Some(0o755)),
            (0o644, "0755", Some(0o755)),
            (0o4755, "rw-r--r--", Some(0o644)),
            (0o644, "rwsr-xr-x", Some(0o4755)),
            (0o644, "u+x", Some(0o744)),
            (0o644, "+x", Some(0o755)),
            (0o666, "go-w, u+x", Some(0o744)),
            (0o777, "u=rw", Some(0o600)),
            (0o755, "u+s", Some(0o4755)),
            (0o644, "8", None),
            (0o644, "07x", None),
            (0o644, "z+x", None),
            (0o644, "u+z", None),
            (0o644, "u", None),
            (0o644, "", None),
        ] {
            assert_eq!(change(mode, text), expected, "{mode:o} {text}");
        }
    }

    #[test]
    fn modes_are_shown_with_set_ids() {
        assert_eq!(show(0o644), "rw-r--r--");
        assert_eq!(show(0o4755), "rwsr-xr-x");
        assert_eq!(show(0o2700), "rwx--S---");
    }
}
