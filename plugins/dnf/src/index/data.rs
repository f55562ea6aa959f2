//! The files that a `repomd.xml` lists: fetched by their digests, unpacked within bounds, read.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};

use ctr_forge_plugin::{Error, ErrorKind, FetchRequest, Fetched, Host, Result, TrustLink, Unpacked};
use ctr_forge_rootfs::Decoder;

use super::repomd::{self, Accepted};
use super::{Index, Wanted, listed};
use crate::metadata::comps::Comps;
use crate::metadata::modules::Modules;
use crate::metadata::repomd::DataFile;
use crate::metadata::{Texts, filelists as lists, primary};
use crate::places::{self, Place};
use crate::repository::{is_local, url_of};
use crate::resolve;

/// Largest file, compressed, in bytes: five times Fedora's lists of files.
const MAX_PACKED: u64 = 512 << 20;
/// Largest list of packages or of their files, unpacked, in bytes: four times Fedora's.
const MAX_LIST: u64 = 4 << 30;
/// Largest list of groups or modules, unpacked, in bytes.
const MAX_SMALL: u64 = 256 << 20;
/// Most packages of a repository that are complained of one by one.
const MAX_COMPLAINTS: usize = 10;
/// Bytes that are unpacked at once.
const BUFFER: usize = 256 << 10;

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Primary,
    Comps,
    Modules,
}

/// A file, unpacked, and what vouches for it.
struct Opened {
    reader: BufReader<std::io::Take<Decoder<File>>>,
    /// Bytes that it may have. One more can be read, by which that shows.
    limit: u64,
    link: TrustLink,
}

/// Reads what is wanted of each repository.
pub(super) fn load(
    host: &Host,
    places: &[Place],
    accepted: Vec<(usize, Result<Accepted>)>,
    wanted: &Wanted,
    texts: &mut Texts,
) -> Result<Vec<(usize, Result<Index>)>> {
    let mut requests = Vec::new();
    let mut plans = Vec::new();
    for (n, accepted) in accepted {
        let planned = accepted.and_then(|accepted| {
            let files = files(&accepted, wanted);
            let asked = files.iter().map(|(_, file)| request(&places[n], &accepted, file));
            requests.extend(asked.collect::<Result<Vec<_>>>()?);
            Ok((accepted, files))
        });
        plans.push((n, planned));
    }
    // All of them are on their way while the first are read.
    let mut fetches = places::fetch(host, places, requests)?;
    let mut indexes = Vec::new();
    for (n, planned) in plans {
        host.check_cancelled()?;
        let index = planned.and_then(|(accepted, files)| {
            let fetched: Vec<_> = fetches.by_ref().take(files.len()).collect();
            index(host, &places[n], accepted, files.into_iter().zip(fetched), wanted, texts)
        });
        match index {
            Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
            index => indexes.push((n, index)),
        }
    }
    Ok(indexes)
}

/// The files that matter.
fn files(accepted: &Accepted, wanted: &Wanted) -> Vec<(Kind, DataFile)> {
    let repomd = &accepted.repomd;
    let group = repomd.group().filter(|_| wanted.groups).map(|file| (Kind::Comps, file));
    let primary = repomd.primary().map(|file| (Kind::Primary, file));
    let modules = repomd.modules().map(|file| (Kind::Modules, file));
    let all = primary.into_iter().chain(group).chain(modules);
    all.map(|(kind, file)| (kind, file.clone())).collect()
}

fn request(place: &Place, accepted: &Accepted, file: &DataFile) -> Result<FetchRequest> {
    let is_strong = |digest: &str| digest.starts_with("sha256:") || digest.starts_with("sha512:");
    if !is_strong(&file.checksum) {
        let kind = file.checksum.split(':').next().unwrap_or_default();
        let message = format!("its {} is listed with a digest of {kind}, which is not taken", file.kind);
        return Err(Error::new(ErrorKind::Verification, message));
    }
    if is_local(&file.location) && !accepted.is_local() {
        let message = format!("its {} is said to be a file of this machine: {}", file.kind, file.location);
        return Err(Error::input(message));
    }
    let limit = file_limit(&file.kind);
    for (size, limit) in [(file.size, MAX_PACKED), (file.open_size, limit)] {
        if let Some(size) = size.filter(|size| *size > limit) {
            let message = format!("its {} has {size} bytes, more than the {limit} it may", file.kind);
            return Err(Error::input(message));
        }
    }
    let open = file.open_checksum.clone().filter(|digest| is_strong(digest) && *digest != file.checksum);
    Ok(FetchRequest {
        name: format!("{} of {}", file.kind, place.id),
        urls: repomd::urls(&accepted.bases, &file.location),
        digest: Some(file.checksum.clone()),
        size: file.size,
        unpacked: open.zip(file.open_size).map(|(digest, size)| Unpacked { digest, size }),
        max_size: Some(MAX_PACKED),
    })
}

fn file_limit(kind: &str) -> u64 {
    match kind {
        "primary" | "filelists" => MAX_LIST,
        _ => MAX_SMALL,
    }
}

fn index(
    host: &Host,
    place: &Place,
    accepted: Accepted,
    files: impl Iterator<Item = ((Kind, DataFile), Result<Fetched>)>,
    wanted: &Wanted,
    texts: &mut Texts,
) -> Result<Index> {
    let mut index = Index {
        place: accepted.place,
        packages: Vec::new(),
        comps: Comps::default(),
        modules: Modules::default(),
        trust: accepted.link.iter().cloned().collect(),
        timestamp: accepted.repomd.timestamp(),
        canonical: accepted.canonical.clone(),
        accepted,
    };
    for ((kind, file), fetched) in files {
        let Opened { mut reader, limit, link } = open(&index.accepted, &file, fetched?)?;
        let bad =
            |e: &dyn std::error::Error| Error::input(format!("its {} cannot be used", file.kind)).because(e);
        match kind {
            Kind::Primary => read_primary(host, place, reader, wanted, texts, &mut index)?,
            Kind::Comps => index.comps = Comps::parse(reader).map_err(|e| bad(&e))?,
            Kind::Modules => {
                let mut text = String::new();
                reader.read_to_string(&mut text).map_err(|e| bad(&e))?;
                // What is cut may still be YAML.
                if text.len() as u64 > limit {
                    let message = format!("its {} has more than the {limit} bytes it may", file.kind);
                    return Err(Error::input(message));
                }
                index.modules = Modules::parse(&text).map_err(|e| bad(&e))?;
            }
        }
        index.trust.push(link);
    }
    Ok(index)
}

fn open(accepted: &Accepted, file: &DataFile, fetched: Fetched) -> Result<Opened> {
    let bad =
        |e: &dyn std::error::Error| Error::input(format!("its {} cannot be unpacked", file.kind)).because(e);
    let mut content = fetched.file;
    content.rewind().map_err(|e| bad(&e))?;
    let decoder = Decoder::new(content).map_err(|e| bad(&e))?;
    // What is longer than it says is cut there, and mostly no XML then.
    let limit = file.open_size.unwrap_or(file_limit(&file.kind));
    let reader = BufReader::with_capacity(BUFFER, decoder.take(limit.saturating_add(1)));
    let subject = url_of(&accepted.canonical, &file.location);
    Ok(Opened { reader, limit, link: listed(subject, &file.checksum, &accepted.subject) })
}

fn read_primary(
    host: &Host,
    place: &Place,
    reader: impl BufRead,
    wanted: &Wanted,
    texts: &mut Texts,
    index: &mut Index,
) -> Result<()> {
    let complaints = Cell::new(0);
    let complain = |name: &str, why: &str| {
        complaints.set(complaints.get() + 1);
        if complaints.get() <= MAX_COMPLAINTS {
            host.warn(format!("package \"{name}\" of {} is left out: {why}", place.id));
        }
    };
    let is_of_machine = index.accepted.is_local();
    let sink = primary::Sink {
        wanted: &|arch| resolve::runs(&wanted.arch, arch),
        package: &mut |package| match is_local(&package.location) && !is_of_machine {
            true => complain(&package.name, "it is said to be a file of this machine"),
            false => index.packages.push(package),
        },
        bad: &mut |bad| complain(&bad.name, &bad.why),
    };
    primary::read(reader, texts, sink)
        .map_err(|e| Error::input("its packages cannot be read").because(&e))?;
    let more = complaints.get().saturating_sub(MAX_COMPLAINTS);
    if more > 0 {
        host.warn(format!("{more} more packages of {} are left out", place.id));
    }
    Ok(())
}

/// The `wanted` files of each repository's packages, and what vouches for the list.
pub(super) fn filelists(
    host: &Host,
    places: &[Place],
    indexes: &[Index],
    wanted: &dyn Fn(&str) -> bool,
    texts: &mut Texts,
) -> Result<Vec<(Vec<lists::Files>, Option<TrustLink>)>> {
    let asked = indexes.iter().map(|index| {
        let file = index.accepted.repomd.filelists();
        file.map(|file| request(&places[index.place], &index.accepted, file)).transpose()
    });
    let requests = asked.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let mut fetches = places::fetch(host, places, requests)?;
    let mut all = Vec::new();
    for index in indexes {
        let place = &places[index.place];
        let Some(file) = index.accepted.repomd.filelists() else {
            all.push((Vec::new(), None));
            continue;
        };
        let lost = || Err(Error::new(ErrorKind::Internal, "a download was lost"));
        let cannot = |error: Error| error.context(format!("cannot use {}", place.title()));
        let fetched = fetches.next().unwrap_or_else(lost).map_err(cannot)?;
        let Opened { reader, link, .. } = open(&index.accepted, file, fetched).map_err(cannot)?;
        let mut found = Vec::new();
        lists::read(reader, texts, wanted, &mut |files| found.push(files))
            .map_err(|e| cannot(Error::input("its list of files cannot be read").because(&e)))?;
        all.push((found, Some(link)));
    }
    Ok(all)
}
