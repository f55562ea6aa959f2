//! Which architectures packages may have, and which of them is best.
//!
//! The lists are those of libsolv's `poolarch.c`. Every architecture of a list is a class of its
//! own: a package never changes from one to another, and the first in the list is preferred.

const X86: [&str; 5] = ["athlon", "i686", "i586", "i486", "i386"];
const X86_64: [&str; 4] = ["x86_64_v4", "x86_64_v3", "x86_64_v2", "x86_64"];
const ARM: [&str; 6] = ["armv8hcnl", "armv8hnl", "armv8hl", "armv7hnl", "armv7hl", "armv6hl"];

/// How well an architecture fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It is `noarch`: it fits everywhere, beside the best.
    Any,
    /// The native one is 1.
    Place(u8),
}

/// The word sizes that a package serves (libsolv's colours).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Color {
    All,
    Bits64,
    Bits32,
}

impl Color {
    pub(super) fn of(arch: &str) -> Self {
        match arch {
            "noarch" => Self::All,
            "s390x" => Self::Bits64,
            arch if arch.contains("64") => Self::Bits64,
            _ => Self::Bits32,
        }
    }

    /// Whether packages of one name and these colours stand in each other's way.
    pub(super) fn clashes(self, other: Self) -> bool {
        self == other || self == Self::All || other == Self::All
    }
}

/// How well `arch` fits where `native` is the architecture; none if it does not run there.
pub(super) fn rank(native: &str, arch: &str) -> Option<Rank> {
    if arch == "noarch" {
        return Some(Rank::Any);
    }
    let tail = |list: &'static [&'static str]| {
        let start = list.iter().position(|one| *one == native)?;
        Some(list[start..].iter().copied())
    };
    let place = |mut arches: Box<dyn Iterator<Item = &str> + '_>| arches.position(|one| one == arch);
    let place = if let Some(list) = tail(&X86_64) {
        place(Box::new(list.chain(X86)))
    } else if let Some(list) = tail(&X86[1..]).or_else(|| tail(&ARM)) {
        place(Box::new(list))
    } else {
        let older = match native {
            "s390x" => "s390",
            "ppc64" => "ppc",
            _ => native,
        };
        place(Box::new([native, older].into_iter()))
    };
    place.and_then(|place| u8::try_from(place + 1).ok()).map(Rank::Place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_native_architecture_is_best_and_others_follow() {
        let rank = |native, arch| match rank(native, arch) {
            Some(Rank::Place(place)) => i32::from(place),
            Some(Rank::Any) => 0,
            None => -1,
        };
        assert_eq!(rank("x86_64", "x86_64"), 1);
        assert!(rank("x86_64", "i686") > 1);
        assert!(rank("x86_64", "i386") > rank("x86_64", "i686"));
        assert_eq!(rank("x86_64", "x86_64_v2"), -1);
        assert_eq!(rank("x86_64_v2", "x86_64"), 2);
        assert_eq!(rank("i686", "x86_64"), -1);
        assert_eq!(rank("aarch64", "aarch64"), 1);
        assert_eq!(rank("aarch64", "armv7hl"), -1);
        assert_eq!(rank("s390x", "s390"), 2);
        assert_eq!(rank("riscv64", "noarch"), 0);
        assert_eq!(rank("x86_64", "src"), -1);
    }

    #[test]
    fn word_sizes_stand_beside_each_other() {
        assert!(!Color::of("x86_64").clashes(Color::of("i686")));
        assert!(Color::of("x86_64").clashes(Color::of("noarch")));
        assert!(Color::of("i586").clashes(Color::of("i686")));
        assert!(Color::of("aarch64").clashes(Color::of("aarch64")));
    }
}
