//! `resolve`: from words to a lock.

mod asked;

use std::collections::HashSet;

use ctr_forge_plugin::{
    CheckedBy, Error, ErrorKind, Host, Package as Reported, Request, Resolved, Result, SourceReport,
    TrustLink, Vouch,
};

use self::asked::Asked;
use crate::archives::{Local, Verifier, local_files};
use crate::index::{self, Index, Wanted};
use crate::lock::{Lock, LockedPackage, LockedRepository};
use crate::options::Options;
use crate::package::Package;
use crate::places::{self, Place, Places};
use crate::repository::url_of;
use crate::resolve::{self, Hidden, Names, Offer, Paths, ResolveError, Want};

/// What dnf takes for the priority of a repository that names none.
const USUAL_PRIORITY: u32 = 99;

/// Chooses the packages.
pub(crate) fn choose(request: &Request<Options>, host: &Host) -> Result<Resolved> {
    let options = &request.options;
    let words: Vec<&str> = options.words().collect();
    let places = places::of_request(options, &request.context.arch, host)?;
    places.tell(host);
    let locals = local_files(options, host)?;
    if words.is_empty() && locals.is_empty() {
        return Err(Error::usage("no package was named").hint("Name packages, or @core for a small system."));
    }
    if options.release.is_none()
        && let Some(release) = &places.release
    {
        host.info(format!("Using {}; --release names another", release.title()));
    }
    let mut trust = checked(&locals, &places, options, host)?;
    host.phase("Reading the repositories");
    let wanted =
        Wanted { arch: places.arch.rpm.clone(), groups: words.iter().any(|word| word.starts_with('@')) };
    let mut indexes = index::indexes(host, &places.all, &wanted)?;

    host.phase("Choosing packages");
    let asked = Asked::of(&words, &mut indexes, &places)?;
    let local_packages = locals.iter().map(package_of).collect::<Result<Vec<_>>>()?;
    let files: Vec<Want> = (0..local_packages.len()).map(Want::Offer).collect();
    let groups = asked.of_groups(&offers(&local_packages, &indexes, &places, &asked), &options.exclude, host);
    let wants: Vec<Want> = files.into_iter().chain(asked.wants.iter().cloned()).chain(groups).collect();
    let request = resolve::Request {
        wants: &wants,
        arch: &places.arch.rpm,
        weak: options.weak_deps,
        exclude: &options.exclude,
    };
    if resolve::needs_filelists(&offers(&local_packages, &indexes, &places, &asked), &request) {
        add_files(host, &places, &mut indexes, &local_packages, &words)?;
    }
    let offers = offers(&local_packages, &indexes, &places, &asked);
    let chosen = resolve::resolve(&offers, &request).map_err(|error| unresolved(&error, &places))?;

    let epoch = chosen.iter().map(|&id| offers[id].package.build_time).max().unwrap_or(0);
    let packages = chosen.into_iter().map(|id| locked(id, &offers[id], &locals, &indexes, &places));
    let packages = packages.collect::<Result<Vec<_>>>()?;
    trust.extend(indexes.iter().flat_map(|index| index.trust.iter().cloned()));
    let release = places.release.as_ref();
    let lock = Lock {
        distro: release.map(|release| release.id().to_owned()).unwrap_or_default(),
        release: release
            .map(|release| release.version.clone())
            .or(options.release.clone())
            .unwrap_or_default(),
        arch: places.arch.rpm.clone(),
        epoch,
        repositories: indexes.iter().map(|index| repository(index, &places)).collect(),
        trust,
        packages,
    };
    Ok(Resolved { lock: lock.to_value()?, open: None })
}

fn repository(index: &Index, places: &Places) -> LockedRepository {
    LockedRepository { id: places.all[index.place].id.clone(), url: index.canonical.clone() }
}

/// Who signed the user's package files, each as a link of trust.
fn checked(locals: &[Local], places: &Places, options: &Options, host: &Host) -> Result<Vec<TrustLink>> {
    let verifier = Verifier::new(host, places, options)?;
    let mut links = Vec::new();
    for local in locals {
        let signers = verifier.check(&local.rpm, &local.path, None)?;
        if signers.is_empty() {
            host.warn(format!("{} is used without a signature, as --allow-untrusted says", local.path));
        }
        links.push(TrustLink {
            subject: ctr_forge_packages::file::name(&local.path).to_owned(),
            digest: local.digest.clone(),
            how: if signers.is_empty() { Vouch::User } else { Vouch::Signature },
            signers: signers.into_iter().map(|signer| signer.fingerprint).collect(),
            listed_in: None,
            checked_by: CheckedBy::Plugin,
        });
    }
    Ok(links)
}

fn package_of(local: &Local) -> Result<Package> {
    let package = local
        .rpm
        .package()
        .map_err(|e| Error::new(e.kind(), format!("{} cannot be used", local.path)).because(&e))?;
    Ok(Package { digest: local.digest.clone(), size: local.size, ..package })
}

/// All that there is: the user's files, then what the repositories have.
fn offers<'a>(
    locals: &'a [Package],
    indexes: &'a [Index],
    places: &'a Places,
    asked: &Asked,
) -> Vec<Offer<'a>> {
    let local =
        |package| Offer { package, repository: 0, priority: USUAL_PRIORITY, is_local: true, hidden: None };
    let mut offers: Vec<Offer<'a>> = locals.iter().map(local).collect();
    let all = || locals.iter().chain(indexes.iter().flat_map(|index| &index.packages));
    for (number, index) in by_cost(indexes, places).into_iter().enumerate() {
        let place = &places.all[index.place];
        let (include, exclude) = (Names::of(&place.include, all()), Names::of(&place.exclude, all()));
        let hidden = |package: &Package| {
            if !place.include.is_empty() && !include.have(package) || exclude.have(package) {
                return Some(Hidden::ByRepository(&place.id));
            }
            (!place.module_hotfixes && asked.modules.hides(package)).then_some(Hidden::ByModules)
        };
        let priority = u32::try_from(place.priority.max(0)).unwrap_or(USUAL_PRIORITY);
        offers.extend(index.packages.iter().map(|package| Offer {
            package,
            repository: number + 1,
            priority,
            is_local: false,
            hidden: hidden(package),
        }));
    }
    offers
}

/// Repositories, those that cost less in front: of a package that several have alike, the first
/// one's is taken.
fn by_cost<'a>(indexes: &'a [Index], places: &Places) -> Vec<&'a Index> {
    let mut sorted: Vec<&Index> = indexes.iter().collect();
    sorted.sort_by_key(|index| places.all[index.place].cost);
    sorted
}

/// Reads which packages have the files that somebody asks for.
fn add_files(
    host: &Host,
    places: &Places,
    indexes: &mut [Index],
    locals: &[Package],
    words: &[&str],
) -> Result<()> {
    let asked: HashSet<String> = {
        let packages = indexes.iter().flat_map(|index| &index.packages).chain(locals);
        Paths::of(packages, std::iter::empty()).named().map(str::to_owned).collect()
    };
    let words = Paths::of(std::iter::empty(), words.iter().copied());
    index::add_files(host, &places.all, indexes, &|path| asked.contains(path) || words.have(path))
}

fn locked(
    id: usize,
    offer: &Offer<'_>,
    locals: &[Local],
    indexes: &[Index],
    places: &Places,
) -> Result<LockedPackage> {
    let package = offer.package;
    let index = by_cost(indexes, places).get(offer.repository.wrapping_sub(1)).copied();
    let repository = index.and_then(|index| indexes.iter().position(|other| std::ptr::eq(other, index)));
    if index.is_some() && !["sha256:", "sha512:"].iter().any(|strong| package.digest.starts_with(strong)) {
        let kind = package.digest.split(':').next().unwrap_or_default();
        let what = format!(
            "the repository vouches for {} by {kind}, which is no digest to rely on",
            package.nevra()
        );
        return Err(Error::new(ErrorKind::Verification, what));
    }
    let distro = places.release.as_ref().map(|release| release.id()).unwrap_or_default();
    let version = places.release.as_ref().map(|release| release.version.as_str()).unwrap_or_default();
    Ok(LockedPackage {
        name: package.name.to_string(),
        epoch: package.evr.epoch,
        version: package.evr.version.to_string(),
        release: package.evr.release.as_deref().unwrap_or_default().to_owned(),
        arch: package.arch.to_string(),
        repository,
        location: if index.is_some() { package.location.clone() } else { String::new() },
        digest: locals.get(id).map_or_else(|| package.digest.clone(), |local| local.digest.clone()),
        size: package.size,
        installed_size: package.installed_size,
        purl: package.purl(distro, version),
        licences: Some(package.license.to_string())
            .filter(|licence| !licence.is_empty())
            .into_iter()
            .collect(),
    })
}

fn unresolved(error: &ResolveError, places: &Places) -> Error {
    match error {
        ResolveError::Unsatisfiable(why) => {
            let message = "the packages asked for cannot be installed together";
            let mut said = Error::new(ErrorKind::Unsatisfiable, message);
            said.causes.push(why.clone());
            said
        }
        ResolveError::Unfit { .. } => {
            Error::new(ErrorKind::Unsatisfiable, error.to_string()).option("package")
        }
        ResolveError::Unknown { .. } => {
            let titles: Vec<String> = places.all.iter().map(Place::title).collect();
            Error::new(ErrorKind::NotFound, error.to_string())
                .hint(format!("Looked for in {}; --repo adds others.", titles.join(", ")))
                .option("package")
        }
        ResolveError::UnknownOffer(_) | ResolveError::TooLarge => {
            Error::new(ErrorKind::Input, error.to_string())
        }
    }
}

/// What a build from a lock reports, before it is made.
pub(crate) fn plan(lock: &Lock) -> SourceReport {
    let url = |package: &LockedPackage| {
        let repository = lock.repositories.get(package.repository?)?;
        Some(url_of(&repository.url, &package.location))
    };
    let package = |package: &LockedPackage| Reported {
        name: package.name.clone(),
        version: package.evr(),
        arch: Some(package.arch.clone()),
        digest: Some(package.digest.clone()),
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
