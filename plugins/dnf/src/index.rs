//! From repositories to the packages that they offer.
//!
//! A mirror is only transport. Which `repomd.xml` counts is said by a signature where the
//! repository has one, by the digests of a metalink where it has that, and else only by the
//! connection; what follows is known by the digests in it. Where packages are signed themselves,
//! as in Fedora, that is checked before one of them is used, whatever listed it.

mod data;
mod repomd;

use std::collections::HashMap;

use ctr_forge_plugin::{CheckedBy, Error, ErrorKind, Host, Result, TrustLink, Vouch};

use crate::metadata::comps::Comps;
use crate::metadata::modules::Modules;
use crate::metadata::{Texts, filelists};
use crate::package::Package;
use crate::places::Place;
use crate::repository::recorded;
use repomd::Accepted;

/// How often a repository is asked once more that changes while it is read.
const MAX_AGAIN: usize = 3;

/// What is wanted of repositories.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// rpm's name of the architecture: packages that cannot be installed there are left out.
    pub arch: String,
    /// Groups are asked for.
    pub groups: bool,
}

/// What a repository offers.
#[derive(Debug)]
pub(crate) struct Index {
    /// Which of the places.
    pub place: usize,
    /// Its packages, in its own order.
    pub packages: Vec<Package>,
    /// Its groups, where they were asked for and it has some.
    pub comps: Comps,
    /// Its modules; none in most.
    pub modules: Modules,
    /// Who vouches for its metadata: a link for `repomd.xml`, unless nobody does, and one for
    /// each file that was read.
    pub trust: Vec<TrustLink>,
    /// When the newest of its metadata was made, in seconds since 1970.
    pub timestamp: i64,
    /// What records call it: a URL without a slash at its end.
    pub canonical: String,
    accepted: Accepted,
}

/// Where packages of each place can be had, the best first, as far as that can be found out: from
/// a metalink or mirror list, where it has one.
pub(crate) fn bases(host: &Host, places: &[Place]) -> Result<Vec<Vec<String>>> {
    let own = |place: &Place| place.bases.clone();
    if places.iter().all(|place| place.metalink.is_none() && place.mirrorlist.is_none()) {
        return Ok(places.iter().map(own).collect());
    }
    Ok(repomd::searches(host, places)?.into_iter().map(|search| search.into_bases()).collect())
}

/// The index of each place, in their order. One that may be away and is, is left out.
pub(crate) fn indexes(host: &Host, places: &[Place], wanted: &Wanted) -> Result<Vec<Index>> {
    let mut texts = Texts::default();
    let mut searches = repomd::searches(host, places)?;
    let mut done: Vec<Option<Result<Index>>> = places.iter().map(|_| None).collect();
    for again in 0..=MAX_AGAIN {
        let open: Vec<usize> = (0..places.len()).filter(|&n| done[n].is_none()).collect();
        let accepted = repomd::accept(host, places, &mut searches, &open)?;
        for (n, index) in data::load(host, places, accepted, wanted, &mut texts)? {
            let may_change =
                |error: &Error| matches!(error.kind, ErrorKind::NotFound | ErrorKind::Verification);
            match index {
                // A mirror in the middle of an update, or one that is: the next may have all of it.
                Err(error) if again < MAX_AGAIN && may_change(&error) && searches[n].has_more() => {
                    host.debug(format!("{} may be changing: {error}", places[n].id));
                }
                index => done[n] = Some(index),
            }
        }
    }
    let mut indexes = Vec::new();
    for ((place, search), index) in places.iter().zip(&searches).zip(done) {
        let may_be_away = place.skip_if_unavailable && !search.has_bad();
        match index {
            Some(Ok(index)) => indexes.push(index),
            Some(Err(error)) if may_be_away && is_away(&error) => {
                host.warn(format!("{} is left out, as its skip_if_unavailable says: {error}", place.title()));
            }
            Some(Err(error)) => return Err(error.context(format!("cannot use {}", place.title()))),
            None => return Err(Error::new(ErrorKind::Internal, format!("{} was lost", place.title()))),
        }
    }
    Ok(indexes)
}

fn is_away(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Network | ErrorKind::NotFound | ErrorKind::Expired)
}

/// Adds to packages those of their files that are `wanted` and that primary metadata does not
/// list.
pub(crate) fn add_files(
    host: &Host,
    places: &[Place],
    indexes: &mut [Index],
    wanted: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let mut texts = Texts::default();
    let lists = data::filelists(host, places, indexes, wanted, &mut texts)?;
    for (index, (files, link)) in indexes.iter_mut().zip(lists) {
        merge(&mut index.packages, files);
        index.trust.extend(link);
    }
    Ok(())
}

fn merge(packages: &mut [Package], lists: Vec<filelists::Files>) {
    let mut lists: HashMap<String, filelists::Files> =
        lists.into_iter().map(|files| (files.pkgid.clone(), files)).collect();
    for package in packages {
        let pkgid = package.digest.split_once(':').map_or("", |(_, hex)| hex);
        let Some(files) = lists.remove(pkgid).filter(|files| files.name == package.name) else { continue };
        let new: Vec<_> = files.files.into_iter().filter(|file| !package.files.contains(file)).collect();
        package.files.extend(new);
    }
}

/// A link of a file that another one lists by its digest.
fn listed(subject: String, digest: &str, listed_in: &str) -> TrustLink {
    TrustLink {
        subject,
        digest: digest.to_owned(),
        how: Vouch::Digest,
        signers: Vec::new(),
        listed_in: Some(listed_in.to_owned()),
        checked_by: CheckedBy::Plugin,
    }
}

/// What records call a repository: what is known of it, or where its `repomd.xml` came from.
fn canonical(place: &Place, found_at: &str) -> String {
    place.canonical.clone().unwrap_or_else(|| recorded(found_at)).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_to_their_packages_once() {
        let package = |name: &str, hex: &str| Package {
            name: name.into(),
            digest: format!("sha256:{hex}"),
            files: vec!["/bin/a".into()],
            ..Package::default()
        };
        let files = |name: &str, pkgid: &str| filelists::Files {
            pkgid: pkgid.into(),
            name: name.into(),
            files: vec!["/bin/a".into(), "/usr/share/a".into()],
        };
        let mut packages = [package("a", "aa"), package("b", "bb"), package("c", "cc")];
        merge(&mut packages, vec![files("a", "aa"), files("x", "bb")]);
        let count = packages.map(|package| package.files.len());
        assert_eq!(count, [2, 1, 1]);
    }
}
