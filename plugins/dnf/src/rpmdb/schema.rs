//! The tables of the database, and how they become bytes (rpm's `lib/backend/sqlite.c`).
//!
//! Each table is filled at once and indexed thereafter, so that its pages lie together and are
//! full, as `VACUUM` would leave them. What rpm's own databases have beside it, statistics for
//! sqlite's planner and the mark that there is a write-ahead log, depends on what was done to them
//! and is made again when the root's rpm first writes.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, MAIN_DB, params};

use super::{DatabaseError, Fault, Installed, keys};
use crate::rpm::tag;

/// What decides the form of the file. The size of a page is sqlite's usual one, and so rpm's.
const SETTINGS: &str = "
    PRAGMA page_size = 4096;
    PRAGMA auto_vacuum = NONE;
    PRAGMA encoding = 'UTF-8';
    PRAGMA foreign_keys = OFF;
    PRAGMA journal_mode = OFF;";

const PACKAGES: &str = "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)";

/// A table that says which packages have a value of a tag.
struct Index {
    name: &'static str,
    tag: u32,
    /// Its keys are texts, and sqlite has an index of them.
    is_text: bool,
    /// A package may have several, and sqlite has an index of the packages.
    is_many: bool,
}

const fn one(name: &'static str, tag: u32) -> Index {
    Index { name, tag, is_text: true, is_many: false }
}

const fn many(name: &'static str, tag: u32) -> Index {
    Index { is_many: true, ..one(name, tag) }
}

const fn bytes(name: &'static str, tag: u32) -> Index {
    Index { is_text: false, ..one(name, tag) }
}

/// In the order in which rpm makes them.
const INDEXES: [Index; 18] = [
    one("Name", tag::NAME),
    many("Basenames", tag::BASENAMES),
    one("Group", tag::GROUP),
    many("Requirename", tag::REQUIRENAME),
    many("Providename", tag::PROVIDENAME),
    many("Conflictname", tag::CONFLICTNAME),
    many("Obsoletename", tag::OBSOLETENAME),
    many("Triggername", tag::TRIGGERNAME),
    many("Dirnames", tag::DIRNAMES),
    bytes("Installtid", tag::INSTALLTID),
    bytes("Sigmd5", tag::SIGMD5),
    one("Sha1header", tag::SHA1HEADER),
    many("Filetriggername", tag::FILETRIGGERNAME),
    many("Transfiletriggername", tag::TRANSFILETRIGGERNAME),
    many("Recommendname", tag::RECOMMENDNAME),
    many("Suggestname", tag::SUGGESTNAME),
    many("Supplementname", tag::SUPPLEMENTNAME),
    many("Enhancename", tag::ENHANCENAME),
];

/// The bytes of the database.
pub(super) fn write(packages: &[Installed<'_>]) -> Result<Vec<u8>, DatabaseError> {
    let mut connection = Connection::open_in_memory()?;
    connection.execute_batch(SETTINGS)?;
    connection.execute_batch("BEGIN")?;
    write_packages(&connection, packages)?;
    let is_big_endian = keys::is_big_endian(packages);
    for index in &INDEXES {
        write_index(&connection, index, packages, is_big_endian)?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(connection.serialize(MAIN_DB)?.to_vec())
}

fn write_packages(connection: &Connection, packages: &[Installed<'_>]) -> Result<(), DatabaseError> {
    connection.execute_batch(PACKAGES)?;
    let mut insert = connection.prepare("INSERT INTO 'Packages' VALUES(?, ?)")?;
    for (package, number) in packages.iter().zip(1_u32..) {
        let header = package.row.header;
        let blob = header.blob_with(package.added.clone());
        let blob = blob.map_err(|error| Fault::from(error).of(header))?;
        insert.execute(params![number, blob])?;
    }
    Ok(())
}

fn write_index(
    connection: &Connection,
    index: &Index,
    packages: &[Installed<'_>],
    is_big_endian: bool,
) -> rusqlite::Result<()> {
    let Index { name, tag, is_text, is_many } = *index;
    let kind = if is_text { "TEXT" } else { "BLOB" };
    connection.execute_batch(&format!(
        "CREATE TABLE '{name}' (key '{kind}' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL, \
         FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum))"
    ))?;
    let mut insert = connection.prepare(&format!("INSERT INTO '{name}' VALUES(?, ?, ?)"))?;
    for (package, number) in packages.iter().zip(1_u32..) {
        for (key, value) in keys::keys(tag, package, is_big_endian) {
            // A name may be in any encoding, and is a text for rpm nevertheless.
            let key = if is_text { ValueRef::Text(&key) } else { ValueRef::Blob(&key) };
            insert.execute(params![ToSqlOutput::Borrowed(key), number, value])?;
        }
    }
    for (column, is_there) in [("key", is_text), ("hnum", is_many)] {
        if is_there {
            let index = format!("CREATE INDEX '{name}_{column}_idx' ON '{name}'({column} ASC)");
            connection.execute_batch(&index)?;
        }
    }
    Ok(())
}
