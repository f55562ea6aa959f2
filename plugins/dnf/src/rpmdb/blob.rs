//! What rpm adds to a package's header when it installs the package.
//!
//! The entries of the signature header come first, under numbers that do not clash with those of
//! the main header (`lib/package.c`, `headerMergeLegacySigs`), then what is known of the
//! installation (`lib/psm.c`, `dbAdd`). The header itself stays as it is: its signature is checked
//! again whenever it is read.

use super::{Fault, Row};
use crate::rpm::header::Header;
use crate::rpm::header::entry::{Entry, kind};
use crate::rpm::tag;

/// Below are the tags of signatures and digests; `HEADER_TAGBASE`. Those above are not of
/// packages of format 6.
const FIRST_OF_MAIN: u32 = 1000;
/// No value has more.
const MAX_COUNT: u32 = 16 << 20;

/// An entry of signature headers.
struct Known {
    /// Its tag there (`RPMSIGTAG_*`).
    there: u32,
    /// Its tag in the database.
    tag: u32,
    kind: u32,
    /// How many values it has, where only one number will do.
    count: Option<u32>,
    /// It may be in the main header instead.
    is_in_either: bool,
}

const fn known(there: u32, tag: u32, kind: u32, count: Option<u32>) -> Known {
    let is_in_either = matches!(tag, tag::ARCHIVESIZE | tag::FILESIGNATURES | tag::FILESIGNATURELENGTH);
    Known { there, tag, kind, count, is_in_either }
}

const KNOWN: [Known; 17] = [
    known(1000, tag::SIGSIZE, kind::INT32, Some(1)),
    known(1002, tag::SIGPGP, kind::BINARY, None),
    known(1004, tag::SIGMD5, kind::BINARY, Some(16)),
    known(1005, tag::SIGGPG, kind::BINARY, None),
    known(1007, tag::ARCHIVESIZE, kind::INT32, Some(1)),
    known(274, tag::FILESIGNATURES, kind::STRINGS, None),
    known(275, tag::FILESIGNATURELENGTH, kind::INT32, Some(1)),
    known(276, tag::VERITYSIGNATURES, kind::STRINGS, None),
    known(277, tag::VERITYSIGNATUREALGO, kind::INT32, Some(1)),
    known(269, tag::SHA1HEADER, kind::STRING, Some(1)),
    known(273, tag::SHA256HEADER, kind::STRING, Some(1)),
    known(279, tag::SHA3_256HEADER, kind::STRING, Some(1)),
    known(267, tag::DSAHEADER, kind::BINARY, None),
    known(268, tag::RSAHEADER, kind::BINARY, None),
    known(270, tag::LONGSIGSIZE, kind::INT64, Some(1)),
    known(271, tag::LONGARCHIVESIZE, kind::INT64, Some(1)),
    known(278, tag::OPENPGP, kind::STRINGS, None),
];

/// All that rpm adds to the header of a package.
pub(super) fn added<'a>(row: &Row<'a>) -> Result<Vec<Entry<'a>>, Fault> {
    let mut entries = signature_entries(row.header, row.signature)?;
    entries.extend(retrofits(row.header));
    let files = row.header.count(tag::BASENAMES);
    if files != row.states.len() {
        return Err(Fault::States { files, states: row.states.len() });
    }
    entries.push(Entry::bytes(tag::FILESTATES, kind::CHAR, row.states));
    entries.push(Entry::number(tag::INSTALLTID, row.tid));
    entries.push(Entry::number(tag::INSTALLTIME, row.install_time));
    entries.extend(row.color.map(|color| Entry::number(tag::INSTALLCOLOR, color)));
    match entries.iter().find(|entry| row.header.has(entry.tag)) {
        Some(entry) => Err(Fault::Installed { tag: entry.tag }),
        None => Ok(entries),
    }
}

fn signature_entries<'a>(header: &Header, signature: &'a Header) -> Result<Vec<Entry<'a>>, Fault> {
    let is_of_6 = header.number(tag::RPMFORMAT).is_some_and(|format| format >= 6);
    let mut entries = Vec::new();
    for known in &KNOWN {
        let entry = signature.entry(known.there).filter(|_| !is_of_6 || known.there < FIRST_OF_MAIN);
        let Some(entry) = entry else {
            if header.has(known.tag) && (is_of_6 || !known.is_in_either) {
                return Err(Fault::Installed { tag: known.tag });
            }
            continue;
        };
        let is_count = known.count.is_none_or(|count| count == entry.count);
        if entry.kind != known.kind || entry.count == 0 || entry.count > MAX_COUNT || !is_count {
            return Err(Fault::Signature { tag: known.there });
        }
        entries.push(Entry { tag: known.tag, ..entry });
    }
    Ok(entries)
}

/// What newer packages have of their own (`applyRetrofits`), and where a package that may go
/// elsewhere has gone (`lib/relocation.c`, `addPrefixes`).
fn retrofits(header: &Header) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    if !header.has(tag::SOURCERPM) && !header.has(tag::SOURCEPACKAGE) {
        entries.push(Entry::text(tag::SOURCERPM, "(none)"));
    }
    let prefixes = header.entry(tag::PREFIXES).filter(|_| !header.has(tag::INSTPREFIXES));
    entries.extend(prefixes.map(|entry| Entry { tag: tag::INSTPREFIXES, ..entry }));
    entries
}
