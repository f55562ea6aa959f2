//! `ctr-forge load`: an archive into a running engine, through the socket that docker's own client
//! uses (Docker Engine API, `POST /images/load`; podman has the same).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ctr_forge_image::{Format, ImageFile};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use serde::Deserialize;

use crate::Forge;

/// How long an engine may think before it answers.
const PATIENCE: Duration = Duration::from_secs(300);

/// Longest line and largest answer, in bytes.
const MAX_ANSWER: u64 = 1 << 20;

/// Bytes sent at a time.
const BUFFER: usize = 256 << 10;

/// An engine's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// `unix:///var/run/docker.sock`.
    Unix(PathBuf),
    /// `tcp://127.0.0.1:2375`, without TLS.
    Tcp(String),
}

impl Engine {
    /// Reads `DOCKER_HOST`.
    ///
    /// # Errors
    ///
    /// If it is of a kind that is not spoken here.
    pub fn parse(text: &str) -> Result<Self> {
        let unknown = || {
            Error::new(ErrorKind::Unsupported, format!("DOCKER_HOST is \"{}\"", text.escape_debug()))
                .hint("Only unix:///PATH and tcp://HOST:PORT are understood; docker load takes the file from others.")
        };
        match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("tcp", host)) if !host.is_empty() => Ok(Self::Tcp(host.trim_end_matches('/').to_owned())),
            _ => Err(unknown()),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix://{}", path.display()),
            Self::Tcp(host) => format!("tcp://{host}"),
        }
    }

    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
            Self::Tcp(host) => {
                let stream = TcpStream::connect(host)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
        })
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// Hands the archive at `path` to the first of `engines` that is there; returns what it says.
///
/// # Errors
///
/// If it is no archive that engines load, or none is there, or it refuses.
pub fn load(forge: &Forge, path: &Path, engines: &[Engine]) -> Result<Vec<String>> {
    match ImageFile::open(path, &forge.temp_dir)?.format() {
        Format::Docker | Format::OciArchive => {}
        other => {
            let message = format!(
                "engines load archives, and {} is in the format \"{}\"",
                path.display(),
                other.name()
            );
            return Err(
                Error::usage(message).hint("ctr-forge squash IMAGE --format docker -o image.tar makes one.")
            );
        }
    }
    let mut causes = Vec::new();
    for engine in engines {
        match engine.connect() {
            Ok(stream) => {
                forge.reporter.phase(&format!("Loading into {}", engine.name()));
                return send(forge, path, stream, engine);
            }
            Err(error) => causes.push(format!("{}: {error}", engine.name())),
        }
    }
    let mut error = Error::new(ErrorKind::NotFound, "no engine is running that could load the image");
    error.causes = causes;
    Err(error
        .hint("DOCKER_HOST names its socket; podman has one after: systemctl --user start podman.socket"))
}

fn send(forge: &Forge, path: &Path, mut stream: Box<dyn Stream>, engine: &Engine) -> Result<Vec<String>> {
    let reading = |e| Error::io(format!("cannot read {}", path.display()), e);
    let talking = |e| Error::io(format!("cannot talk to {}", engine.name()), e);
    let mut file = File::open(path).map_err(reading)?;
    let size = file.metadata().map_err(reading)?.len();
    write!(
        stream,
        "POST /images/load?quiet=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-tar\r\n\
         Content-Length: {size}\r\nConnection: close\r\n\r\n"
    )
    .map_err(talking)?;
    let mut buffer = vec![0; BUFFER];
    let mut done = 0;
    loop {
        forge.cancel.check()?;
        match file.read(&mut buffer).map_err(reading)? {
            0 => break,
            count => {
                // Who refuses says so and stops listening.
                if stream.write_all(&buffer[..count]).is_err() {
                    break;
                }
                done += count as u64;
                forge.reporter.progress(done, size, "bytes");
            }
        }
    }
    let (status, body) = answer(stream).map_err(talking)?;
    told(engine, status, &body)
}

/// Status and content of an answer (RFC 9112).
fn answer(stream: Box<dyn Stream>) -> io::Result<(u16, Vec<u8>)> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut reader = BufReader::new(stream.take(2 * MAX_ANSWER));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| invalid("it does not speak HTTP"))?;
    let mut chunked = false;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        chunked |= header.starts_with("transfer-encoding:") && header.ends_with("chunked");
        if header.is_empty() {
            break;
        }
    }
    let mut body = Vec::new();
    if !chunked {
        reader.take(MAX_ANSWER).read_to_end(&mut body)?;
        return Ok((status, body));
    }
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let digits = line.trim().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(digits, 16).map_err(|_| invalid("a chunk without a size"))?;
        if size == 0 || body.len() as u64 + size > MAX_ANSWER {
            return Ok((status, body));
        }
        reader.by_ref().take(size).read_to_end(&mut body)?;
        line.clear();
        reader.read_line(&mut line)?;
    }
}

/// What an engine says: lines of JSON, of which one may be an error although the status is not.
fn told(engine: &Engine, status: u16, body: &[u8]) -> Result<Vec<String>> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Line {
        stream: Option<String>,
        error: Option<String>,
        message: Option<String>,
    }
    let text = String::from_utf8_lossy(body);
    let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
    let error = lines.iter().find_map(|line| line.error.clone());
    let refusal = error.or_else(|| {
        (status >= 400)
            .then(|| lines.iter().find_map(|line| line.message.clone()).unwrap_or(format!("status {status}")))
    });
    match refusal {
        Some(why) => {
            let mut error = Error::new(ErrorKind::ToolFailed, format!("{} refuses the image", engine.name()));
            error.causes.push(why);
            Err(error)
        }
        None => {
            let said = lines.into_iter().filter_map(|line| line.stream);
            Ok(said.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read_as_docker_reads_them() {
        assert_eq!(Engine::parse("unix:///run/x.sock").unwrap(), Engine::Unix("/run/x.sock".into()));
        assert_eq!(Engine::parse("tcp://h:2375/").unwrap(), Engine::Tcp("h:2375".into()));
        for bad in ["", "ssh://h", "unix://relative", "/run/x.sock", "tcp://"] {
            assert!(Engine::parse(bad).is_err(), "{bad}");
        }
    }

    fn parsed(text: &str) -> Option<(u16, String)> {
        let (status, body) = answer(Box::new(io::Cursor::new(text.as_bytes().to_vec()))).ok()?;
        Some((status, String::from_utf8(body).unwrap()))
    }

    #[test]
    fn answers_in_both_forms() {
        let plain = "HTTP/1.1 200 OK\r\nContent-Type: x\r\n\r\n{}\n";
        assert_eq!(parsed(plain), Some((200, "{}\n".into())));
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
        assert_eq!(parsed(chunked), Some((200, "abcde".into())));
        for bad in ["", "SSH-2.0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_error_is_one_whatever_the_status() {
        let engine = Engine::Tcp("h".into());
        let good = told(&engine, 200, b"{\"stream\":\"Loaded image: a:1\\n\"}\n").unwrap();
        assert_eq!(good, ["Loaded image: a:1"]);
        assert!(told(&engine, 200, b"{\"error\":\"no\"}").unwrap_err().to_string().contains("refuses"));
        assert!(
            told(&engine, 500, b"{\"message\":\"bad tar\"}")
                .unwrap_err()
                .causes
                .contains(&"bad tar".to_owned())
        );
    }
}
