use rusqlite::{Connection, MAIN_DB};

use super::*;
use crate::rpm::header::entry::kind;

const RPMLIB: u32 = 1 << 24;

fn main_header(more: Vec<Entry<'static>>) -> Header {
    let mut entries = vec![
        Entry::text(tag::NAME, "foo"),
        Entry::text(tag::VERSION, "1"),
        Entry::text(tag::RELEASE, "2"),
        Entry::text(tag::ARCH, "noarch"),
        Entry::text(tag::SOURCERPM, "foo-1-2.src.rpm"),
        Entry::texts(tag::BASENAMES, &["a", "b"]),
        Entry::texts(tag::DIRNAMES, &["/usr/"]),
        Entry::texts(tag::REQUIRENAME, &["rpmlib(X)", "/bin/sh", "(a if b)"]),
        Entry::numbers(tag::REQUIREFLAGS, &[RPMLIB, 1 << 12 | 1 << 9, 0]),
        Entry::texts(tag::TRIGGERNAME, &["t", "u", "t"]),
        Entry::texts(tag::FILETRIGGERNAME, &["/usr", "/etc"]),
        Entry::numbers(tag::FILETRIGGERINDEX, &[0, 3]),
    ];
    entries.extend(more);
    Header::build(tag::HEADERIMMUTABLE, entries).unwrap()
}

fn signature_header(more: Vec<Entry<'static>>) -> Header {
    let mut entries = vec![
        Entry::number(1000, 77),
        Entry::bytes(1004, kind::BINARY, &[7; 16]),
        Entry::text(tag::SHA1HEADER, "abc"),
    ];
    entries.extend(more);
    Header::build(tag::HEADERSIGNATURES, entries).unwrap()
}

fn row<'a>(header: &'a Header, signature: &'a Header) -> Row<'a> {
    Row { header, signature, states: &[0, 2], color: Some(3), install_time: 11, tid: 0x0102 }
}

fn open(bytes: &[u8]) -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), false).unwrap();
    connection
}

/// `KEY HNUM IDX` of each row of a table.
fn rows(connection: &Connection, table: &str) -> Vec<String> {
    let mut query = connection.prepare(&format!("SELECT quote(key), hnum, idx FROM '{table}'")).unwrap();
    let text = |row: &rusqlite::Row<'_>| {
        let (key, package, number): (String, u32, u32) = row.try_into()?;
        Ok(format!("{key} {package} {number}"))
    };
    query.query_map([], text).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_package_stands_in_the_tables_where_rpm_looks_for_it() {
    let (first, second) = (main_header(vec![]), main_header(vec![Entry::translated(tag::GROUP, "G")]));
    let signature = signature_header(vec![]);
    let bytes = write(&[row(&first, &signature), row(&second, &signature)]).unwrap();
    let connection = open(&bytes);
    let check = |table: &str, expected: &[&str]| assert_eq!(rows(&connection, table), expected, "{table}");
    check("Name", &["'foo' 1 0", "'foo' 2 0"]);
    check("Group", &["'Unknown' 1 0", "'G' 2 0"]);
    let required = ["'/bin/sh' 1 1", "'(a if b)' 1 2", "'a' 1 2", "'!b' 1 2"];
    assert_eq!(rows(&connection, "Requirename")[..4], required);
    assert_eq!(rows(&connection, "Triggername")[..2], ["'t' 1 0", "'u' 1 1"]);
    assert_eq!(rows(&connection, "Filetriggername")[..2], ["'/usr' 1 0", "'/etc' 1 3"]);
    assert_eq!(rows(&connection, "Basenames")[..2], ["'a' 1 0", "'b' 1 1"]);
    assert_eq!(rows(&connection, "Installtid")[0], "X'02010000' 1 0");
    assert_eq!(rows(&connection, "Sigmd5")[0], "X'07070707070707070707070707070707' 1 0");
    assert_eq!(rows(&connection, "Sha1header")[0], "'abc' 1 0");
    check("Enhancename", &[]);
}

#[test]
fn the_same_packages_make_the_same_sound_file() {
    let (header, signature) = (main_header(vec![]), signature_header(vec![]));
    let all: Vec<Row<'_>> = (0..300).map(|_| row(&header, &signature)).collect();
    let bytes = write(&all).unwrap();
    assert_eq!(bytes, write(&all).unwrap());
    // Pages of 4096 bytes; neither reader nor writer needs a write-ahead log; no version of sqlite.
    assert_eq!(bytes[16..20], [0x10, 0, 1, 1]);
    assert_eq!(bytes[92..100], [0; 8]);
    let check: String = open(&bytes).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let vacuumed = open(&bytes);
    vacuumed.execute_batch("VACUUM").unwrap();
    let pages: u32 = vacuumed.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    assert_eq!(pages as usize * 4096, bytes.len(), "nothing is left to be tidied");
}

#[test]
fn what_rpm_adds_is_behind_the_header() {
    let (header, signature) = (main_header(vec![]), signature_header(vec![]));
    let added: Vec<u32> =
        blob::added(&row(&header, &signature)).unwrap().iter().map(|entry| entry.tag).collect();
    assert_eq!(
        added,
        [
            tag::SIGSIZE,
            tag::SIGMD5,
            tag::SHA1HEADER,
            tag::FILESTATES,
            tag::INSTALLTID,
            tag::INSTALLTIME,
            tag::INSTALLCOLOR,
        ]
    );
    let bytes = write(&[row(&header, &signature)]).unwrap();
    let query = "SELECT blob FROM 'Packages' WHERE hnum = 1";
    let blob: Vec<u8> = open(&bytes).query_row(query, [], |row| row.get(0)).unwrap();
    let index = header.entries().count() * 16;
    assert_eq!(blob[8..8 + index], header.blob()[8..8 + index]);
    assert_eq!(blob[..4], (header.entries().count() as u32 + 7).to_be_bytes());
}

#[test]
fn packages_of_format_6_keep_only_their_new_signatures() {
    let header = main_header(vec![Entry::number(tag::RPMFORMAT, 6)]);
    let signature = signature_header(vec![Entry::texts(tag::OPENPGP, &["x"])]);
    let added = blob::added(&row(&header, &signature)).unwrap();
    let has = |tag| added.iter().any(|entry| entry.tag == tag);
    assert!(has(tag::OPENPGP) && has(tag::SHA1HEADER) && !has(tag::SIGMD5) && !has(tag::SIGSIZE));
}

#[test]
fn a_relocatable_package_is_where_it_was_made_for() {
    let header = main_header(vec![Entry::texts(tag::PREFIXES, &["/opt"])]);
    let signature = signature_header(vec![]);
    let added = blob::added(&row(&header, &signature)).unwrap();
    assert!(added.contains(&Entry::texts(tag::INSTPREFIXES, &["/opt"])));
}

#[test]
fn what_rpm_would_not_take_is_refused() {
    let (header, signature) = (main_header(vec![]), signature_header(vec![]));
    let refused = |header: &Header, signature: &Header, states| {
        let error = write(&[Row { states, ..row(header, signature) }]).unwrap_err();
        assert_eq!(error.to_string(), "foo-1-2 cannot be put into the package database");
        std::error::Error::source(&error).unwrap().to_string()
    };
    let odd = signature_header(vec![Entry::text(tag::RSAHEADER, "x")]);
    assert!(refused(&header, &odd, &[0, 0]).starts_with("tag 268 of its signature header"));
    let odd = main_header(vec![Entry::number(tag::INSTALLTIME, 1)]);
    assert!(refused(&odd, &signature, &[0, 0]).starts_with("its header has tag 1008"));
    let odd = main_header(vec![Entry::number(tag::SIGSIZE, 1)]);
    assert!(refused(&odd, &signature, &[0, 0]).starts_with("its header has tag 257"));
    assert_eq!(refused(&header, &signature, &[0]), "it has 2 files and 1 states of files");
}
