//! The answer to a request: a file, a part of it, or what the faults make of it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use ctr_forge_rootfs::Digest;

use super::{Fault, Request};

/// How often a slow answer goes on.
const TICK: Duration = Duration::from_millis(50);

/// An answer to be sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    head_only: bool,
    announced: Option<usize>,
    cut: Option<usize>,
    rate: Option<usize>,
}

/// A file, or what stands for it.
struct Content {
    bytes: Vec<u8>,
    modified: SystemTime,
}

impl Answer {
    /// The answer from the folder `root` with these faults.
    pub(super) fn new(root: &Path, request: &Request, faults: &[Fault]) -> Self {
        let mut answer = refusal(request, faults).unwrap_or_else(|| match content(root, request, faults) {
            Some(content) => of_content(content, request, faults.contains(&Fault::IgnoreRange)),
            None => Self::bare(404),
        });
        answer.head_only = request.method == "HEAD";
        for fault in faults {
            match fault {
                Fault::Cut(bytes) => answer.cut = Some(*bytes),
                Fault::Length(bytes) => answer.announced = Some(*bytes),
                Fault::Slow(bytes) => answer.rate = Some(*bytes),
                _ => {}
            }
        }
        answer
    }

    fn bare(status: u16) -> Self {
        let body = if status == 304 { Vec::new() } else { format!("{status}\n").into() };
        Self { status, headers: Vec::new(), body, head_only: false, announced: None, cut: None, rate: None }
    }

    fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    /// Whether the connection must end, as the client cannot tell where the answer does.
    pub(super) fn is_last(&self) -> bool {
        self.cut.is_some() || self.announced.is_some()
    }

    /// Sends it, but for what a fault keeps back.
    pub(super) fn send(&self, mut to: &TcpStream, is_ending: &dyn Fn() -> bool) -> io::Result<()> {
        let length = self.announced.unwrap_or(self.body.len());
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        // RFC 9110, 8.6: what was not modified has a length that is not this one's.
        if self.status != 304 {
            head += &format!("Content-Length: {length}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        to.write_all(format!("{head}\r\n").as_bytes())?;
        if self.head_only {
            return Ok(());
        }
        let body = &self.body[..self.cut.unwrap_or(usize::MAX).min(self.body.len())];
        let Some(rate) = self.rate else { return to.write_all(body) };
        for piece in body.chunks((rate / 20).max(1)) {
            to.write_all(piece)?;
            sleep(TICK);
            if is_ending() {
                break;
            }
        }
        Ok(())
    }
}

/// An answer that has nothing of the content, if it is to be one.
fn refusal(request: &Request, faults: &[Fault]) -> Option<Answer> {
    if !["GET", "HEAD"].contains(&request.method.as_str()) {
        return Some(Answer::bare(405).with("Allow", "GET, HEAD"));
    }
    faults.iter().find_map(|fault| match fault {
        Fault::Status(status) => Some(Answer::bare(*status)),
        Fault::Redirect(to) => Some(Answer::bare(302).with("Location", to)),
        Fault::Auth(user, password) => {
            let expected = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
            let authorised = request.header("authorization") == Some(&expected);
            (!authorised).then(|| Answer::bare(401).with("WWW-Authenticate", "Basic realm=\"tests\""))
        }
        _ => None,
    })
}

/// All of the content; `None` if there is no such file.
fn content(root: &Path, request: &Request, faults: &[Fault]) -> Option<Content> {
    let body = |fault: &Fault| match fault {
        Fault::Body(bytes) => Some(Content { bytes: bytes.clone(), modified: SystemTime::UNIX_EPOCH }),
        _ => None,
    };
    let mut content = faults.iter().find_map(body).or_else(|| read(&below(root, &request.path)?).ok())?;
    for fault in faults {
        if let Fault::Truncate(bytes) = fault {
            content.bytes.truncate(*bytes);
        }
    }
    Some(content)
}

fn read(path: &Path) -> io::Result<Content> {
    let mut file = File::open(path)?;
    let modified = file.metadata()?.modified()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Content { bytes, modified })
}

/// The file of a path, if that does not lead out of the folder.
fn below(root: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path.trim_start_matches('/'));
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    inside.then(|| root.join(path)).filter(|path| fs::metadata(path).is_ok_and(|found| found.is_file()))
}

/// The content, the part that was asked for, or that it is what the client has.
fn of_content(content: Content, request: &Request, ignore_range: bool) -> Answer {
    let etag = format!("\"{}\"", &Digest::of(&content.bytes).hex()[..16]);
    let date = httpdate::fmt_http_date(content.modified);
    let total = content.bytes.len();
    let answer = if is_known(request, &etag, &date) {
        Answer::bare(304)
    } else {
        let asked = request.header("range").filter(|_| !ignore_range);
        // RFC 9110, 13.1.5: a part of something else is of no use.
        let same = request.header("if-range").is_none_or(|known| known == etag || known == date);
        match asked.filter(|_| same).map(|range| part(range, total)) {
            None => Answer { body: content.bytes, ..Answer::bare(200) },
            Some(None) => Answer::bare(416).with("Content-Range", format!("bytes */{total}")),
            Some(Some(part)) => {
                let range = format!("bytes {}-{}/{total}", part.start, part.end - 1);
                let body = content.bytes[part].to_vec();
                Answer { body, ..Answer::bare(206) }.with("Content-Range", range)
            }
        }
    };
    answer.with("ETag", etag).with("Last-Modified", date).with("Accept-Ranges", "bytes")
}

/// Whether the client has it already (RFC 9110, 13.1.2 and 13.1.3).
fn is_known(request: &Request, etag: &str, modified: &str) -> bool {
    if let Some(known) = request.header("if-none-match") {
        return known.split(',').any(|known| [etag, "*"].contains(&known.trim()));
    }
    let parse = |date: &str| httpdate::parse_http_date(date).ok();
    let since = request.header("if-modified-since").and_then(parse);
    since.is_some_and(|since| parse(modified).is_some_and(|modified| modified <= since))
}

/// The one range of a header (RFC 9110, 14.1.2); `None` if there is nothing in it.
fn part(header: &str, total: usize) -> Option<Range<usize>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => first..last.saturating_add(1).min(total),
        (Ok(first), Err(_)) => first..total,
        (Err(_), Ok(length)) => total.saturating_sub(length)..total,
        (Err(_), Err(_)) => return None,
    };
    (!range.is_empty()).then_some(range)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        302 => "Found",
        304 => "Not Modified",
        401 => "Unauthorized",
        404 => "Not Found",
        416 => "Range Not Satisfiable",
        _ => "As Told",
    }
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let mut word = [0; 4];
        word[1..=group.len()].copy_from_slice(group);
        let word = u32::from_be_bytes(word);
        let digit = |at: usize| match at <= group.len() {
            true => char::from(DIGITS[(word >> (18 - 6 * at)) as usize & 63]),
            false => '=',
        };
        (0..4).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}
