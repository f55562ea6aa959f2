//! `resolve`: from words to a lock.

use std::collections::HashMap;

use ctr_forge_packages::file;
use ctr_forge_plugin::{
    CheckedBy, Error, ErrorKind, Host, Package as Reported, PathValue, Request, Resolved, Result,
    SourceReport, TrustLink, Vouch,
};

use crate::apk::Apk;
use crate::dependency::Dependency;
use crate::index::{self, Index};
use crate::lock::{Lock, LockedPackage, LockedRepository};
use crate::options::Options;
use crate::package::{Package, parse_index, purl};
use crate::places::{self, Places};
use crate::releases;
use crate::repository::package_url;
use crate::resolve::{self, Offer, ResolveError};

/// The packages of Alpine's own images, without those that they need (`scripts/mkimg.minirootfs.sh`
/// of aports).
const BASE: [&str; 5] = ["alpine-baselayout", "alpine-keys", "apk-tools", "busybox", "libc-utils"];

/// A package file of the user's.
struct Local {
    apk: Apk,
    size: u64,
    link: TrustLink,
}

/// Chooses the packages.
pub(crate) fn choose(request: &Request<Options>, host: &Host) -> Result<Resolved> {
    let options = &request.options;
    let arch = apk_arch(&request.context.arch)?;
    let mut world = world(options, host)?;
    let places = places::places(options, arch, host)?;
    let locals = locals(options, &places, host)?;
    for local in &locals {
        // As `apk add FILE` has it: this package and no other of its name.
        let package = local.apk.control.package().map_err(|e| broken(&e))?;
        world.push(format!("{}><{}", package.name, local.apk.identity));
    }
    if world.is_empty() {
        return Err(Error::usage("no package was named").hint("Name packages, or leave --no-base away."));
    }
    if options.release.is_none() && !places.release.is_empty() {
        host.info(format!("Using Alpine {}; --release names another", places.release));
    }
    host.phase("Reading the signed indexes");
    let indexes = index::indexes(host, &places, arch, options.allow_untrusted)?;

    host.phase("Choosing packages");
    let offers = offers(&indexes, &locals, &places, arch, host)?;
    let wants = wants(&world)?;
    let tags: Vec<Option<&str>> = places.all.iter().map(|place| place.repository.tag.as_deref()).collect();
    let asked = resolve::Request { wants: &wants, tags: &tags };
    let chosen = resolve::resolve(&offers, &asked).map_err(|error| unresolved(&error, options, &places))?;

    let epoch = chosen.iter().map(|&id| offers[id].package.build_time).max().unwrap_or(0);
    let packages = chosen.into_iter().map(|id| locked(&offers[id], &places.release)).collect();
    world.sort();
    world.dedup();
    let lock = Lock {
        release: places.release,
        arch: arch.to_owned(),
        epoch,
        repositories: places
            .all
            .iter()
            .map(|place| LockedRepository {
                url: place.repository.url.clone(),
                tag: place.repository.tag.clone(),
            })
            .collect(),
        trust: indexes
            .into_iter()
            .map(|index| index.link)
            .chain(locals.into_iter().map(|l| l.link))
            .collect(),
        world,
        packages,
    };
    Ok(Resolved { lock: lock.to_value()?, open: None })
}

/// Alpine's name of an architecture.
pub(crate) fn apk_arch(arch: &str) -> Result<&'static str> {
    releases::arch(arch).map(|arch| arch.name.as_str()).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("Alpine has no architecture for \"{arch}\""))
            .option("arch")
    })
}

/// What is asked for: words of a world.
pub(crate) fn world(options: &Options, host: &Host) -> Result<Vec<String>> {
    let mut world: Vec<String> = Vec::new();
    for word in options.words() {
        let parsed = Dependency::parse(word).map_err(|e| Error::usage(e.to_string()).option("package"))?;
        world.push(parsed.to_string());
    }
    for value in &options.world {
        for word in file::text(value, host)?.split_ascii_whitespace() {
            let parsed = Dependency::parse(word).map_err(|e| Error::usage(e.to_string()).option("world"));
            world.push(parsed.map_err(|error| error.context(value.path.clone()))?.to_string());
        }
    }
    if !options.no_base && options.world.is_empty() {
        world.extend(BASE.map(str::to_owned));
    }
    Ok(world)
}

fn wants(world: &[String]) -> Result<Vec<Dependency<'_>>> {
    world.iter().map(|word| Dependency::parse(word).map_err(|e| Error::usage(e.to_string()))).collect()
}

fn locals(options: &Options, places: &Places, host: &Host) -> Result<Vec<Local>> {
    options.files().map(|value| local(value, options, places, host)).collect()
}

fn local(value: &PathValue, options: &Options, places: &Places, host: &Host) -> Result<Local> {
    let name = file::name(&value.path).to_owned();
    let mut file = file::package(value, host)?;
    let sum = host.digest(&file)?;
    let clone = file.try_clone().map_err(|e| Error::io(format!("cannot read {name}"), e))?;
    let apk = Apk::open(clone)
        .map_err(|e| Error::new(e.kind(), format!("{} cannot be used", value.path)).because(&e))?;
    let keys = (places.file_keys.0.as_slice(), places.file_keys.1.as_slice());
    let signers = match (options.allow_untrusted, apk.signatures.is_empty()) {
        (false, true) => {
            return Err(Error::new(ErrorKind::Verification, format!("nobody has signed {}", value.path))
                .hint("If you mean it: --allow-untrusted."));
        }
        // A key that is given has to fit.
        (true, _) if apk.signatures.is_empty() || options.key.is_empty() => {
            host.warn(format!("{} is used without a signature, as --allow-untrusted says", value.path));
            Vec::new()
        }
        _ => {
            let signed = apk.signed(&mut file).map_err(|e| Error::io(format!("cannot read {name}"), e))?;
            index::verify(host, &name, &signed, &apk.signatures, keys)
                .map_err(|error| error.hint("If you mean it without a signature: --allow-untrusted."))?
        }
    };
    let link = TrustLink {
        subject: name,
        digest: sum.digest,
        how: if signers.is_empty() { Vouch::User } else { Vouch::Signature },
        signers: signers.into_iter().map(|signer| signer.fingerprint).collect(),
        listed_in: None,
        checked_by: CheckedBy::Plugin,
    };
    Ok(Local { apk, size: sum.size, link })
}

fn broken(error: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(ErrorKind::Input, "a package file cannot be used").because(error)
}

/// All that is offered: of a package that several repositories have, the first's.
fn offers<'a>(
    indexes: &'a [Index],
    locals: &'a [Local],
    places: &Places,
    arch: &str,
    host: &Host,
) -> Result<Vec<Offer<'a>>> {
    let mut offers: Vec<Offer<'a>> = Vec::new();
    let mut known: HashMap<&'a str, usize> = HashMap::new();
    for (number, index) in indexes.iter().enumerate() {
        for parsed in parse_index(&index.text) {
            let package = match parsed {
                Ok(package) => package,
                Err((stanza, error)) => {
                    let first: String = stanza.lines().take(3).collect::<Vec<_>>().join(" ");
                    host.debug(format!("{}: {first}: {error}", places.all[number].title()));
                    continue;
                }
            };
            // A repository says what it is for by its folder; what is for others is none of it.
            if ![arch, "noarch", "all", ""].contains(&package.arch) {
                continue;
            }
            match known.get(package.identity) {
                Some(&known) => offers[known].repositories |= 1 << number,
                None => {
                    known.insert(package.identity, offers.len());
                    offers.push(Offer { package, repositories: 1 << number });
                }
            }
        }
    }
    for local in locals {
        let package = local.apk.control.package().map_err(|e| broken(&e))?;
        let package = Package { identity: &local.apk.identity, size: local.size, ..package };
        offers.push(Offer { package, repositories: 0 });
    }
    Ok(offers)
}

fn locked(offer: &Offer<'_>, release: &str) -> LockedPackage {
    let package = &offer.package;
    let is_local = offer.repositories == 0;
    LockedPackage {
        name: package.name.to_owned(),
        version: package.version.to_owned(),
        arch: package.arch.to_owned(),
        repository: (!is_local).then_some(offer.repositories.trailing_zeros() as usize),
        identity: package.identity.to_owned(),
        size: package.size,
        installed_size: package.installed_size,
        purl: purl("alpine", release, package.name, package.version, package.arch),
        licences: Some(package.license.to_owned())
            .filter(|licence| !licence.is_empty())
            .into_iter()
            .collect(),
    }
}

fn unresolved(error: &ResolveError, options: &Options, places: &Places) -> Error {
    let kind = match error {
        ResolveError::Unsatisfiable(_) => ErrorKind::Unsatisfiable,
        _ => ErrorKind::NotFound,
    };
    match error {
        ResolveError::Unsatisfiable(why) => {
            let mut said = Error::new(kind, "the packages asked for cannot be installed together");
            said.causes.push(why.clone());
            said
        }
        ResolveError::Unknown { name, .. } if !options.no_base && BASE.contains(&name.as_str()) => {
            Error::new(kind, error.to_string())
                .hint("It is one of Alpine's own base; --no-base takes only what you name.")
        }
        ResolveError::Unknown { .. } => {
            let titles: Vec<&str> = places.all.iter().map(|place| place.title()).collect();
            Error::new(kind, error.to_string())
                .hint(format!("Looked for in {}; --repo adds others.", titles.join(", ")))
                .option("package")
        }
        ResolveError::UnknownTag { tag, .. } => Error::new(kind, error.to_string())
            .hint(format!("Name the repository with it: --repo '@{tag} URL'."))
            .option("repo"),
    }
}

/// What a build from a lock reports, before it is made.
pub(crate) fn plan(lock: &Lock) -> SourceReport {
    let url = |package: &LockedPackage| {
        let repository = lock.repositories.get(package.repository?)?;
        Some(package_url(&repository.url, &lock.arch, &package.name, &package.version))
    };
    let package = |package: &LockedPackage| Reported {
        name: package.name.clone(),
        version: package.version.clone(),
        arch: Some(package.arch.clone()),
        size: Some(package.size),
        purl: Some(package.purl.clone()),
        url: url(package),
        licences: package.licences.clone(),
        ..Reported::default()
    };
    SourceReport {
        packages: lock.packages.iter().map(package).collect(),
        trust: lock.trust.clone(),
        epoch: Some(lock.epoch),
        ..SourceReport::default()
    }
}
