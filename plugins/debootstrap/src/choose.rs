//! `resolve`: from words to a lock.

use std::collections::BTreeSet;
use std::thread;

use ctr_forge_packages::file;
use ctr_forge_plugin::{Error, ErrorKind, Host, Package as Reported, PathValue, Request, Resolved, Result};
use ctr_forge_plugin::{SourceReport, TrustLink};

use crate::control::Stanza;
use crate::deb::Deb;
use crate::index::{self, Packages, Place, Signed};
use crate::install::{self, MergedUsr};
use crate::lock::{Lock, LockedIndex, LockedPackage};
use crate::options::{Options, Variant, Word};
use crate::package::{self, Package};
use crate::places;
use crate::releases::{self, Release};
use crate::resolve::{self, ResolveError, Want};
use crate::strata::{self, Strata};

/// The priority of a package file that the user names: above that of every repository, as for apt.
const LOCAL_PRIORITY: i32 = 1001;

/// Most threads that read one index.
const MAX_JOBS: usize = 8;

/// A package file of the user's.
struct Local {
    /// The file's name, without its folders.
    name: String,
    control: Vec<u8>,
    digest: String,
    size: u64,
}

/// Chooses the packages.
pub(crate) fn choose(request: &Request<Options>, host: &Host) -> Result<Resolved> {
    let options = &request.options;
    let words = options.words()?;
    let arch = dpkg_arch(&request.context.arch)?;
    let foreign = foreign(options, &arch)?;
    let release = places::release(options)?;
    let places = places::places(options, &release, &arch, host)?;
    places::warn_of_trusted(&places, host);
    let locals = locals(&words, host)?;

    host.phase("Reading the signed indexes");
    let mut signed = index::signed(host, &places)?;
    let archs: Vec<String> = std::iter::once(&arch).chain(&foreign).cloned().collect();
    host.phase("Reading the indexes of packages");
    let indexes = index::packages(host, &places, &mut signed, &archs)?;

    host.phase("Choosing packages");
    let wanted = |name: &str| name == "all" || archs.iter().any(|arch| arch == name);
    let mut universe = universe(&places, &indexes, &wanted, request.context.jobs)?;
    let first_local = universe.len();
    for local in &locals {
        universe.push(local_package(local, places.len())?);
    }
    let merged_usr = merged_usr(options, &release, &universe);
    let mut wants = wants(&words, &places, &signed, first_local)?;
    wants.splice(0..0, is_merged(options, merged_usr, &universe));
    let mut priorities: Vec<i32> = signed.iter().map(|signed| signed.release.pin_priority()).collect();
    priorities.push(LOCAL_PRIORITY);
    let asked = resolve::Request {
        arch: &arch,
        foreign: &foreign,
        wants: &wants,
        exclude: &options.exclude,
        priorities: &priorities,
    };
    let chosen = resolve::resolve(&universe, &asked).map_err(|error| unresolved(&error, &release))?;

    let distribution = distribution(&release, &signed);
    let mut lock = Lock {
        release: release.codename.clone(),
        distribution,
        arch,
        foreign,
        merged_usr,
        epoch: signed.iter().map(|signed| signed.release.date).max().unwrap_or(0),
        indexes: places.iter().zip(&signed).map(|(place, signed)| locked_index(place, signed)).collect(),
        trust: trust(&signed, &indexes),
        base: 0,
        packages: Vec::new(),
    };
    let chosen: Vec<&Package<'_>> = chosen.into_iter().map(|index| &universe[index]).collect();
    let strata = match options.variant {
        // Nothing runs, so nothing has to come before anything.
        Variant::Extract => Strata { of: vec![0; chosen.len()], base: 0 },
        variant => strata::strata(&chosen, |package| variant.has(package)),
    };
    lock.base = strata.base;
    let mut order = install::order(&chosen);
    order.sort_by_key(|&index| strata.of[index]);
    for index in order {
        lock.packages.push(locked_package(chosen[index], strata.of[index], places.len(), &lock)?);
    }
    Ok(Resolved { lock: lock.to_value()?, open: None })
}

pub(crate) fn dpkg_arch(arch: &str) -> Result<String> {
    let known = releases::dpkg_arch(arch).map(str::to_owned);
    known.ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("Debian has no architecture for \"{arch}\""))
            .option("arch")
    })
}

fn foreign(options: &Options, native: &str) -> Result<Vec<String>> {
    let archs = options.foreign_arch.iter().map(|arch| {
        // Its own name is as good as OCI's.
        let own = releases::oci_arch(arch).is_some().then(|| arch.clone());
        own.map_or_else(|| dpkg_arch(arch), Ok)
    });
    let archs: BTreeSet<String> = archs.collect::<Result<_>>().map_err(|e| e.option("foreign-arch"))?;
    Ok(archs.into_iter().filter(|arch| arch != native).collect())
}

fn locals(words: &[Word], host: &Host) -> Result<Vec<Local>> {
    let files = words.iter().filter_map(|word| if let Word::File(value) = word { Some(value) } else { None });
    files.map(|value| local(value, host)).collect()
}

fn local(value: &PathValue, host: &Host) -> Result<Local> {
    let file = file::package(value, host)?;
    let sum = host.digest(&file)?;
    let name = value.path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut deb = Deb::open(file, &value.path).map_err(|e| broken(&e))?;
    let control = deb.control().map_err(|e| broken(&e))?;
    Ok(Local { name, control: control.description().to_vec(), digest: sum.digest, size: sum.size })
}

fn broken(error: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(ErrorKind::Input, "a package cannot be used").because(error)
}

fn local_package(local: &Local, repository: usize) -> Result<Package<'_>> {
    let bad = |e: &dyn std::error::Error| {
        Error::new(ErrorKind::Input, format!("{} is no package that can be used", local.name)).because(e)
    };
    let stanza = Stanza::only(&local.control).map_err(|e| bad(&e))?;
    let digest = local.digest.clone();
    Package::of_control(&stanza, &local.name, local.size, digest, repository).map_err(|e| bad(&e))
}

fn universe<'a>(
    places: &[Place],
    indexes: &'a [Packages],
    wanted: &(impl Fn(&str) -> bool + Sync),
    jobs: usize,
) -> Result<Vec<Package<'a>>> {
    let mut universe = Vec::new();
    for index in indexes {
        let parts = parts(&index.text, jobs.min(MAX_JOBS));
        let parsed: Vec<_> = thread::scope(|scope| {
            let parse = |part| scope.spawn(move || package::parse(part, index.place, wanted));
            let threads: Vec<_> = parts.into_iter().map(parse).collect();
            threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        for packages in parsed {
            let packages = packages.map_err(|_| Error::plugin("a thread that reads an index panicked"))?;
            universe.extend(packages.map_err(|e| {
                let place = &places[index.place];
                Error::new(ErrorKind::Input, format!("an index of {} is broken", place.title())).because(&e)
            })?);
        }
    }
    Ok(universe)
}

/// A text in about so many parts, cut between stanzas.
fn parts(text: &[u8], count: usize) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    let length = text.len() / count.max(1) + 1;
    while rest.len() > length {
        let cut = rest[length..].windows(2).position(|two| two == b"\n\n").map(|at| length + at + 2);
        let (part, more) = rest.split_at(cut.unwrap_or(rest.len()));
        parts.push(part);
        rest = more;
    }
    parts.push(rest);
    parts
}

fn wants(words: &[Word], places: &[Place], signed: &[Signed], first_local: usize) -> Result<Vec<Want>> {
    let in_suite = |suite: &str| {
        let is = |n: &usize| {
            let release = &signed[*n].release;
            [&places[*n].repository.suite, &release.suite, &release.codename].contains(&&suite.to_owned())
        };
        let found: Vec<usize> = (0..places.len()).filter(is).collect();
        match found.is_empty() {
            false => Ok(found),
            true => {
                let suites: Vec<_> = places.iter().map(|place| place.repository.suite.as_str()).collect();
                Err(Error::new(ErrorKind::NotFound, format!("no repository has the suite \"{suite}\""))
                    .hint(format!("There are {}; --repo adds others.", suites.join(", ")))
                    .option("package"))
            }
        }
    };
    let mut locals = first_local..;
    let wants = words.iter().filter_map(|word| match word {
        Word::File(_) => locals.next().map(|index| Ok(Want::Index(index))),
        Word::Package { want, suite } => Some(Word::want(want, suite.as_deref(), in_suite)),
    });
    wants.collect()
}

fn unresolved(error: &ResolveError, release: &Release) -> Error {
    let codename = &release.codename;
    match error {
        ResolveError::UnknownPackage { .. } | ResolveError::UnknownVersion { .. } => {
            Error::new(ErrorKind::NotFound, error.to_string()).option("package")
        }
        ResolveError::Unsatisfiable(explanation) => {
            let mut said = Error::new(
                ErrorKind::Unsatisfiable,
                format!("the packages asked for cannot be installed together from {codename}"),
            );
            said.causes.push(explanation.to_string());
            said
        }
        _ => Error::new(ErrorKind::Input, "the packages cannot be chosen").because(error),
    }
}

fn merged_usr(options: &Options, release: &Release, universe: &[Package<'_>]) -> MergedUsr {
    let by_packages = || universe.iter().any(|package| package.name == "usr-is-merged");
    let merged = match options.merged_usr.as_deref() {
        Some("yes") => true,
        Some("no") => false,
        _ => release.merged_usr.unwrap_or_else(by_packages),
    };
    match (merged, release.links_in_base_files) {
        (false, _) => MergedUsr::No,
        (true, false) => MergedUsr::AllAbis,
        (true, true) => MergedUsr::OwnAbi,
    }
}

/// The package that says that `/usr` is merged, where the build has seen to that. Else the one
/// would be chosen that merges it, by a program of 40 MB.
fn is_merged(options: &Options, merged_usr: MergedUsr, universe: &[Package<'_>]) -> Option<Want> {
    const NAME: &str = "usr-is-merged";
    let is_whole = !matches!(options.variant, Variant::Extract | Variant::Custom);
    let is_there = || universe.iter().any(|package| package.name == NAME);
    (is_whole && merged_usr == MergedUsr::AllAbis && is_there()).then(|| Want::Package {
        name: NAME.to_owned(),
        arch: None,
        version: None,
        repositories: None,
    })
}

/// What purls call the distribution.
pub(crate) fn distribution(release: &Release, signed: &[Signed]) -> String {
    let origin = || signed.first().map(|signed| signed.release.origin.to_lowercase());
    let named = release.distribution.clone().or_else(origin).filter(|name| !name.is_empty());
    named.unwrap_or_else(|| "debian".into())
}

pub(crate) fn locked_index(place: &Place, signed: &Signed) -> LockedIndex {
    LockedIndex {
        url: place.repository.url.clone(),
        suite: place.repository.suite.clone(),
        components: place.repository.components.clone(),
        date: signed.release.date,
    }
}

/// A package for the lock; those of repository `local` are the user's files.
fn locked_package(package: &Package<'_>, stratum: u32, local: usize, lock: &Lock) -> Result<LockedPackage> {
    let digest = package.checked_digest().map_err(|e| {
        Error::new(ErrorKind::Verification, format!("{} {} cannot be checked", package.name, package.version))
            .because(&e)
    })?;
    Ok(LockedPackage {
        name: package.name.to_owned(),
        version: package.version.to_owned(),
        arch: package.arch.to_owned(),
        index: Some(package.repository).filter(|repository| *repository != local),
        path: package.filename.to_owned(),
        digest: digest.to_owned(),
        size: package.size,
        stratum,
        purl: package.purl(&lock.distribution, &lock.release),
    })
}

fn trust(signed: &[Signed], indexes: &[Packages]) -> Vec<TrustLink> {
    let signed = signed.iter().map(|signed| signed.link.clone());
    signed.chain(indexes.iter().map(|index| index.link.clone())).collect()
}

/// What a build from a lock reports, before it is made.
pub(crate) fn plan(lock: &Lock) -> SourceReport {
    let package = |package: &LockedPackage| Reported {
        name: package.name.clone(),
        version: package.version.clone(),
        arch: Some(package.arch.clone()),
        digest: Some(package.digest.clone()),
        size: Some(package.size),
        purl: Some(package.purl.clone()),
        url: package.url(lock),
        ..Reported::default()
    };
    SourceReport {
        packages: lock.packages.iter().map(package).collect(),
        trust: lock.trust.clone(),
        epoch: Some(lock.epoch),
        ..SourceReport::default()
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn an_index_is_cut_between_stanzas() {
        let text = b"Package: a\n\nPackage: b\nX: y\n\nPackage: c\n";
        for count in 0..9 {
            let parts = parts(text, count);
            assert_eq!(parts.concat(), text, "{count}");
            assert!(
                parts.iter().all(|part| part.is_empty() || part.starts_with(b"Package")),
                "{count}: {parts:?}"
            );
        }
    }
}
