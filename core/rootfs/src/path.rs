//! Paths inside a root filesystem.
//!
//! A name from an archive is a claim by a stranger. [`RootPath`] is that claim
//! checked once: relative to the root, without `.` or `..`, without NUL. All
//! code behind the readers handles only checked paths, so none of it can be
//! talked out of the root.

use std::cmp::Ordering;
use std::fmt;

/// Longest path accepted, in bytes: `PATH_MAX` of Linux (`limits.h`).
///
/// A longer one could not be opened once unpacked.
pub const MAX_PATH: usize = 4096;

/// Longest single component accepted, in bytes: `NAME_MAX` of Linux.
pub const MAX_NAME: usize = 255;

/// A path relative to the root of a root filesystem, as bytes.
///
/// Never absolute, no trailing slash, no empty, `.` or `..` component, no NUL.
/// The empty path is the root directory itself. The bytes need not be UTF-8:
/// names on Linux are not.
///
/// The order is that of a walk through the tree: a directory comes before what
/// it holds, and all that it holds comes before its next sibling.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct RootPath(Box<[u8]>);

/// Why a name was refused as a [`RootPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `..` component: the path could leave the root.
    #[error("contains \"..\", which could leave the root")]
    Parent,
    /// A NUL byte, which no path on Linux can hold.
    #[error("contains a NUL byte")]
    Nul,
    /// Longer than [`MAX_PATH`].
    #[error("is longer than {MAX_PATH} bytes")]
    TooLong,
    /// A component longer than [`MAX_NAME`].
    #[error("has a component longer than {MAX_NAME} bytes")]
    NameTooLong,
}

impl RootPath {
    /// The root directory.
    pub fn root() -> Self {
        Self::default()
    }

    /// Checks `name` and brings it into the one form.
    ///
    /// `./a`, `/a`, `a/` and `a//.` all become `a`, as every tar reader takes
    /// them; `..` is refused wherever it stands.
    pub fn new(name: &[u8]) -> Result<Self, PathError> {
        if name.contains(&0) {
            return Err(PathError::Nul);
        }
        let mut path = Vec::with_capacity(name.len());
        for part in name.split(|&b| b == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return Err(PathError::Parent),
                _ if part.len() > MAX_NAME => return Err(PathError::NameTooLong),
                _ => {}
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(part);
        }
        if path.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        Ok(Self(path.into_boxed_slice()))
    }

    /// The path as bytes: empty for the root.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root directory itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<RootPath> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(Self(self.0[..cut].into()))
    }

    /// The last component; empty for the root.
    pub fn file_name(&self) -> &[u8] {
        match self.0.iter().rposition(|&b| b == b'/') {
            Some(slash) => &self.0[slash + 1..],
            None => &self.0,
        }
    }

    /// This path with `name` (itself checked) below it.
    pub fn join(&self, name: &[u8]) -> Result<RootPath, PathError> {
        let mut path = Vec::with_capacity(self.0.len() + 1 + name.len());
        path.extend_from_slice(&self.0);
        path.push(b'/');
        path.extend_from_slice(name);
        Self::new(&path)
    }

    /// Whether this is `ancestor`, or lies below it.
    pub fn starts_with(&self, ancestor: &RootPath) -> bool {
        ancestor.is_root()
            || self.0.strip_prefix(ancestor.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|part| !part.is_empty())
    }
}

impl Ord for RootPath {
    fn cmp(&self, other: &Self) -> Ordering {
        // A slash ends a component, so it sorts before every byte that could
        // continue one; NUL is free for that, because no path contains it.
        let key = |&b: &u8| if b == b'/' { 0 } else { b };
        let same = common_prefix(&self.0, &other.0);
        // What ends first is less, as `None` is.
        self.0.get(same).map(key).cmp(&other.0.get(same).map(key))
    }
}

/// How many bytes both begin with. Paths that are compared mostly have their directories in common,
/// so that is told many bytes at a time.
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    let (blocks, others) = (one.as_chunks::<16>().0, other.as_chunks::<16>().0);
    let done = 16 * blocks.iter().zip(others).take_while(|(one, other)| one == other).count();
    done + one[done..].iter().zip(&other[done..]).take_while(|(one, other)| one == other).count()
}

impl PartialOrd for RootPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As people write it: with a leading slash, odd bytes escaped.
impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootPath({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(name: &str) -> RootPath {
        RootPath::new(name.as_bytes()).unwrap()
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_components(
            one in prop::collection::vec("[ab.-]{1,9}", 1..6), other in prop::collection::vec("[ab.-]{1,9}", 1..6)
        ) {
            let dots = |part: &String| !part.bytes().all(|b| b == b'.');
            let [one, other] = [one, other].map(|parts| parts.into_iter().filter(dots).collect::<Vec<_>>());
            let ordered = path(&one.join("/")).cmp(&path(&other.join("/")));
            prop_assert_eq!(ordered, one.cmp(&other));
        }
    }

    #[test]
    fn one_form_for_every_spelling() {
        for spelling in ["a/b", "/a/b", "./a/b", "a//b/", "a/./b/."] {
            assert_eq!(path(spelling).as_bytes(), b"a/b", "{spelling}");
        }
        for spelling in ["", ".", "/", "./"] {
            assert!(path(spelling).is_root(), "{spelling}");
        }
    }

    #[test]
    fn refuses_what_could_leave_the_root() {
        for spelling in ["..", "../a", "a/..", "a/../../b", "/.."] {
            assert_eq!(RootPath::new(spelling.as_bytes()), Err(PathError::Parent), "{spelling}");
        }
        assert_eq!(RootPath::new(b"a\0b"), Err(PathError::Nul));
        assert_eq!(RootPath::new(&[b'x'; 256]), Err(PathError::NameTooLong));
        assert_eq!(RootPath::new("abc/".repeat(1100).as_bytes()), Err(PathError::TooLong));
        assert!(RootPath::new(b"...").is_ok(), "three dots are a name");
    }

    #[test]
    fn order_is_that_of_a_walk() {
        let mut paths = ["a-b", "a/b", "a", "a/b/c", "a.d", ""].map(path);
        paths.sort();
        assert_eq!(paths.map(|p| p.to_string()), ["/", "/a", "/a/b", "/a/b/c", "/a-b", "/a.d"]);
    }

    #[test]
    fn parents() {
        assert_eq!(path("a/b/c").parent(), Some(path("a/b")));
        assert_eq!(path("a").parent(), Some(RootPath::root()));
        assert_eq!(RootPath::root().parent(), None);
        assert!(path("a/b").starts_with(&path("a")));
        assert!(!path("ab").starts_with(&path("a")));
    }
}
