//! A request, as a client sent it.

use std::io::{self, BufRead};

use percent_encoding::percent_decode_str;

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `HEAD`.
    pub method: String,
    /// The path, decoded, with its slash; without host and query.
    pub path: String,
    /// The host and port of the URL, where it was asked for as a proxy.
    pub proxied_for: Option<String>,
    /// The status of the answer; 0 if there was none.
    pub status: u16,
    version: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// The value of a header, whose name is in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Reads the next one of a connection; `None` at its end.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut word = || words.next().ok_or(io::ErrorKind::InvalidData);
        let (method, target, version) = (word()?, word()?, word()?);
        let (proxied_for, path) = split(&target);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
        let headers = read_headers(reader)?;
        Ok(Some(Self { method, path, proxied_for, status: 0, version, headers }))
    }

    /// Whether the connection ends after the answer.
    pub(super) fn is_last(&self) -> bool {
        let close = self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        close || self.version != "HTTP/1.1"
    }
}

/// The host, if it is named (RFC 9112, 3.2.2), and the path.
fn split(target: &str) -> (Option<String>, &str) {
    match target.strip_prefix("http://") {
        Some(url) => {
            let end = url.find('/').unwrap_or(url.len());
            (Some(url[..end].into()), if end == url.len() { "/" } else { &url[end..] })
        }
        None => (None, target),
    }
}

fn read_headers(reader: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.split_once(':') else { return Ok(headers) };
        headers.push((name.to_ascii_lowercase(), value.trim().into()));
    }
}
