//! A package's stanza in `/var/lib/dpkg/status`.
//!
//! dpkg writes the fields it knows in an order of its own, then the others as they came.
//! What it knows a value to mean it writes anew; here each value stays as it is, byte for
//! byte, which for all that `dpkg-gencontrol` wrote is the same.

use super::record::Record;
use super::{Mode, conffiles};

/// A field of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    name: String,
    /// With the blanks that follow the colon and all lines that continue it, without the
    /// newline at the end.
    value: Vec<u8>,
}

/// The order of dpkg's `fieldinfos` (`lib/dpkg/parse.c`). `Status` and `Conffiles` are the
/// database's own.
const ORDER: &[&str] = &[
    "Package",
    "Essential",
    "Protected",
    "Status",
    "Priority",
    "Section",
    "Installed-Size",
    "Origin",
    "Maintainer",
    "Bugs",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
    "Conffiles",
    "Description",
];

/// What only the database may say; dpkg refuses packages that say it of themselves.
const OWN: &[&str] = &["Status", "Config-Version", "Conffiles", "Triggers-Pending", "Triggers-Awaited"];

/// Takes one stanza apart. On failure, returns what is wrong with it.
pub(super) fn parse(stanza: &[u8]) -> Result<Vec<Field>, String> {
    let mut fields: Vec<Field> = Vec::new();
    let mut ended = false;
    for line in stanza.split(|&b| b == b'\n') {
        let blank = line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r'));
        if line.contains(&0) {
            return Err("has a NUL byte in it".to_owned());
        }
        match fields.last_mut() {
            _ if blank => ended = !fields.is_empty(),
            _ if ended => return Err("has a blank line in it".to_owned()),
            Some(last) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                last.value.push(b'\n');
                last.value.extend_from_slice(line);
            }
            _ => fields.push(parse_field(line, &fields)?),
        }
    }
    Ok(fields)
}

fn parse_field(line: &[u8], before: &[Field]) -> Result<Field, String> {
    let colon = line.iter().position(|&b| b == b':');
    let (name, value) = match colon {
        Some(colon) if colon > 0 && line[..colon].iter().all(u8::is_ascii_graphic) => line.split_at(colon),
        _ => return Err(format!("has the line \"{}\", which is no field", line.escape_ascii())),
    };
    let name = String::from_utf8_lossy(name).into_owned();
    if OWN.iter().any(|own| own.eq_ignore_ascii_case(&name)) {
        return Err(format!("has a field {name}, which only dpkg's database may have"));
    }
    match before.iter().any(|field| field.name.eq_ignore_ascii_case(&name)) {
        true => Err(format!("has the field {name} twice")),
        false => Ok(Field { name, value: value[1..].to_vec() }),
    }
}

/// The value of a field of one line of UTF-8.
pub(super) fn text<'f>(fields: &'f [Field], name: &str) -> Option<&'f str> {
    let field = find(fields, name)?;
    std::str::from_utf8(&field.value).ok().map(str::trim)
}

fn find<'f>(fields: &'f [Field], name: &str) -> Option<&'f Field> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
}

/// The stanza of `record`, with the blank line that ends it.
pub(super) fn stanza(record: &Record, mode: Mode) -> Vec<u8> {
    let mut out = Vec::new();
    for name in ORDER {
        match *name {
            "Status" => line(&mut out, name, state(record, mode).as_bytes()),
            "Conffiles" => match conffiles::field(record) {
                lines if lines.is_empty() => {}
                lines => line(&mut out, name, &lines),
            },
            _ => {
                if let Some(field) = find(&record.fields, name) {
                    line(&mut out, name, &field.value);
                }
            }
        }
    }
    for field in &record.fields {
        if !ORDER.iter().any(|name| name.eq_ignore_ascii_case(&field.name)) {
            line(&mut out, &field.name, &field.value);
        }
    }
    out.push(b'\n');
    out
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn state(record: &Record, mode: Mode) -> &'static str {
    match mode {
        Mode::Custom if record.has_nothing_to_run() => " install ok installed",
        Mode::Custom | Mode::Extract => " install ok unpacked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_are() {
        let fields = parse(b"\nPackage: a\nDescription: b \n c  \n .\n\td\nX-odd:e\n\n\n").unwrap();
        let values: Vec<&[u8]> = fields.iter().map(|field| field.value.as_slice()).collect();
        assert_eq!(values, [b" a".as_slice(), b" b \n c  \n .\n\td", b"e"]);
        assert_eq!(text(&fields, "package"), Some("a"));
    }

    #[test]
    fn no_second_stanza_can_be_smuggled_in() {
        for (stanza, what) in [
            ("Package: a\n\nPackage: b\n", "has a blank line in it"),
            ("Package: a\n \t\nPackage: b\n", "has a blank line in it"),
            ("Package: a\npackage: b\n", "has the field package twice"),
            (" a\n", "has the line \" a\", which is no field"),
            ("a b: c\n", "has the line \"a b: c\", which is no field"),
            ("a: b\nstatus: c\n", "has a field status, which only dpkg's database may have"),
        ] {
            assert_eq!(parse(stanza.as_bytes()), Err(what.to_owned()), "{stanza:?}");
        }
    }
}
