//! Versions of RPM packages, in rpm's order.
//!
//! A version is compared in runs of digits and of letters; what is neither only separates. `~`
//! sorts before everything, also before the end (`1.0~rc1` is older than `1.0`); `^` sorts after
//! the end and before everything else (`1.0^git1` is newer than `1.0` and older than `1.0.1`).
//! See rpm's `rpmio/rpmvercmp.c` and `docs/man/rpm-version.7`.
//!
//! Versions that are written differently can be equal (`1.0` and `1_00`), so the order is a
//! method and not [`Ord`], which would have to agree with [`Eq`].

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Epoch, version and release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Evr {
    /// 0 where none is written.
    pub epoch: u32,
    /// The version; of a package never empty.
    pub version: Arc<str>,
    /// The release; of a package always there.
    pub release: Option<Arc<str>>,
}

/// An epoch that is no number of 32 bits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no epoch: it must be a number below 2^32")]
pub struct EpochError(String);

impl Evr {
    /// Reads `[epoch:]version[-release]`, as headers and people write it.
    ///
    /// # Errors
    ///
    /// If the epoch does not fit.
    pub fn parse(text: &str) -> Result<Self, EpochError> {
        let (epoch, rest) = match text.split_once(':') {
            // A colon elsewhere is a part of the version (rpm's `parseEVR`).
            Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => (epoch, rest),
            _ => ("", text),
        };
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, release)) => (version, Some(release)),
            None => (rest, None),
        };
        Self::of_parts(Some(epoch), version, release)
    }

    /// From the attributes of repository metadata. An empty epoch is 0, an empty release none.
    ///
    /// # Errors
    ///
    /// If the epoch does not fit.
    pub fn of_parts(epoch: Option<&str>, version: &str, release: Option<&str>) -> Result<Self, EpochError> {
        let epoch = match epoch.unwrap_or_default() {
            "" => 0,
            text => text.parse().map_err(|_| EpochError(text.to_owned()))?,
        };
        let release = release.filter(|release| !release.is_empty()).map(Arc::from);
        Ok(Self { epoch, version: Arc::from(version), release })
    }

    /// rpm's order of packages: a release that is missing is the oldest.
    pub fn compare(&self, other: &Self) -> Ordering {
        let releases = || match (&self.release, &other.release) {
            (Some(a), Some(b)) => compare(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        self.compare_versions(other).then_with(releases)
    }

    /// rpm's order in relations: where either side has no release, only the rest counts.
    pub fn compare_in_relation(&self, other: &Self) -> Ordering {
        let releases = || match (&self.release, &other.release) {
            (Some(a), Some(b)) => compare(a, b),
            _ => Ordering::Equal,
        };
        self.compare_versions(other).then_with(releases)
    }

    fn compare_versions(&self, other: &Self) -> Ordering {
        self.epoch.cmp(&other.epoch).then_with(|| compare(&self.version, &other.version))
    }
}

/// `epoch:version-release`, without an epoch of 0.
impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch != 0 {
            write!(f, "{}:", self.epoch)?;
        }
        f.write_str(&self.version)?;
        match &self.release {
            Some(release) => write!(f, "-{release}"),
            None => Ok(()),
        }
    }
}

/// Compares two versions, or two releases, as rpm does.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    if a == b {
        return Ordering::Equal;
    }
    loop {
        (a, b) = (without_separators(a), without_separators(b));
        match (a.split_first(), b.split_first()) {
            (Some((b'~', rest_a)), Some((b'~', rest_b))) | (Some((b'^', rest_a)), Some((b'^', rest_b))) => {
                (a, b) = (rest_a, rest_b);
            }
            (Some((b'~', _)), _) => return Ordering::Less,
            (_, Some((b'~', _))) => return Ordering::Greater,
            (Some((b'^', _)), None) => return Ordering::Greater,
            (None, Some((b'^', _))) => return Ordering::Less,
            (Some((b'^', _)), _) => return Ordering::Less,
            (_, Some((b'^', _))) => return Ordering::Greater,
            (Some((&first_a, _)), Some((&first_b, _))) => {
                let (run_a, rest_a) = run(a);
                let (run_b, rest_b) = run(b);
                let order = match (first_a.is_ascii_digit(), first_b.is_ascii_digit()) {
                    (true, true) => compare_numbers(run_a, run_b),
                    (false, false) => run_a.cmp(run_b),
                    // A number is newer than letters.
                    (a_is_number, b_is_number) => a_is_number.cmp(&b_is_number),
                };
                if order.is_ne() {
                    return order;
                }
                (a, b) = (rest_a, rest_b);
            }
            (a, b) => return a.is_some().cmp(&b.is_some()),
        }
    }
}

fn without_separators(text: &[u8]) -> &[u8] {
    let counts = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'~' | b'^');
    &text[text.iter().position(counts).unwrap_or(text.len())..]
}

/// The digits or letters in front, and what follows them.
fn run(text: &[u8]) -> (&[u8], &[u8]) {
    let is_number = text.first().is_some_and(u8::is_ascii_digit);
    let belongs = |byte: &u8| if is_number { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() };
    text.split_at(text.iter().position(|byte| !belongs(byte)).unwrap_or(text.len()))
}

/// Numbers of any length.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |number: &[u8]| number.iter().position(|&digit| digit != b'0').unwrap_or(number.len());
    let (a, b) = (&a[significant(a)..], &b[significant(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests;
