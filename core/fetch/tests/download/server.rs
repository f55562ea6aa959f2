//! A small HTTP/1.1 server that does what a test tells it to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) target: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Where the wanted range begins.
    pub(crate) fn first(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What to do.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Send this.
    Send { status: u16, headers: Vec<(String, String)>, body: Vec<u8>, cut: Option<usize> },
    /// Say nothing until the client hangs up.
    Silence,
    /// Say this much of a body, which has this length or ends where the connection does,
    /// and no more until the client hangs up.
    Stall(Option<u64>, Vec<u8>),
    /// Become a tunnel.
    Tunnel(SocketAddr),
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Reply::Send { status, headers: Vec::new(), body: Vec::new(), cut: None }.header("Content-Length", "0")
    }

    /// The whole content.
    pub(crate) fn whole(content: &[u8]) -> Self {
        Self::undelimited(200, content).header("Content-Length", &content.len().to_string())
    }

    /// A body that ends where the connection does, unless a header says otherwise.
    pub(crate) fn undelimited(status: u16, content: &[u8]) -> Self {
        Reply::Send { status, headers: Vec::new(), body: content.to_vec(), cut: None }
    }

    /// The whole, or the rest if that is what is asked for.
    pub(crate) fn ranged(asked: &Asked, content: &[u8]) -> Self {
        match asked.first() {
            None => Self::whole(content),
            Some(first) if first >= content.len() => Self::status(416),
            Some(first) => {
                let range = format!("bytes {first}-{}/{}", content.len() - 1, content.len());
                let rest = &content[first..];
                Self::undelimited(206, rest)
                    .header("Content-Length", &rest.len().to_string())
                    .header("Content-Range", &range)
            }
        }
    }

    pub(crate) fn redirect(location: &str) -> Self {
        Self::status(302).header("Location", location)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Reply::Send { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Closes the connection after so many bytes of the body.
    pub(crate) fn cut(mut self, after: usize) -> Self {
        if let Reply::Send { cut, .. } = &mut self {
            *cut = Some(after);
        }
        self
    }
}

/// Decides on a request; the number counts requests from 0.
type Handler = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

/// A server until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

struct Shared {
    handler: Box<Handler>,
    asked: Mutex<Vec<Asked>>,
    stopped: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
}

impl Server {
    pub(crate) fn new(handler: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Box::new(handler), None)
    }

    /// One that always has this content.
    pub(crate) fn with(content: &[u8]) -> Self {
        let content = content.to_vec();
        Self::new(move |asked, _| Reply::ranged(asked, &content))
    }

    /// With the certificate in `tls/`.
    pub(crate) fn tls(handler: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::start(Box::new(handler), Some(Arc::new(config)))
    }

    fn start(handler: Box<Handler>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (asked, stopped) = (Mutex::default(), AtomicBool::default());
        let shared = Arc::new(Shared { handler, asked, stopped, tls });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A client that hangs up is what tests are about.
                thread::spawn(move || drop(shared.connection(stream)));
            }
        });
        Self { address, scheme, shared }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

/// A connection, with TLS or without.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Shared {
    fn connection(&self, tcp: TcpStream) -> io::Result<()> {
        let raw = tcp.try_clone()?;
        let stream: Box<dyn Stream> = match &self.tls {
            Some(config) => {
                let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(tls, tcp))
            }
            None => Box::new(tcp),
        };
        let mut stream = BufReader::new(stream);
        while let Some(asked) = read_request(&mut stream)? {
            let number = {
                let mut all = self.asked.lock().unwrap();
                all.push(asked.clone());
                all.len() - 1
            };
            if !answer((self.handler)(&asked, number), &mut stream, &raw)? {
                break;
            }
        }
        Ok(())
    }
}

fn read_request(stream: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let Some((first, rest)) = lines.split_first() else { return Ok(None) };
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers = rest.iter().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Ok(Some(Asked { target, headers }))
}

/// Returns whether the connection can be used again.
fn answer(reply: Reply, stream: &mut BufReader<Box<dyn Stream>>, raw: &TcpStream) -> io::Result<bool> {
    let (status, headers, body, cut) = match reply {
        Reply::Send { status, headers, body, cut } => (status, headers, body, cut),
        Reply::Silence => return stream.read(&mut [0]).map(|_| false),
        Reply::Stall(length, body) => {
            let length = length.map(|length| format!("Content-Length: {length}\r\n")).unwrap_or_default();
            stream.get_mut().write_all(format!("HTTP/1.1 200 OK\r\n{length}\r\n").as_bytes())?;
            stream.get_mut().write_all(&body)?;
            return stream.read(&mut [0]).map(|_| false);
        }
        Reply::Tunnel(to) => {
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            return tunnel(raw, to).map(|()| false);
        }
    };
    let mut text = format!("HTTP/1.1 {status} Status\r\n");
    let mut delimited = matches!(status, 304);
    for (name, value) in &headers {
        delimited |= name == "Content-Length" || name == "Transfer-Encoding";
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut message = text.into_bytes();
    message.extend(&body[..cut.unwrap_or(body.len())]);
    stream.get_mut().write_all(&message)?;
    stream.get_mut().flush()?;
    Ok(delimited && cut.is_none())
}

/// Passes bytes both ways.
pub(crate) fn tunnel(one: &TcpStream, to: SocketAddr) -> io::Result<()> {
    let other = TcpStream::connect(to)?;
    let (mut a, mut b) = (one.try_clone()?, other.try_clone()?);
    let back = thread::spawn(move || {
        drop(io::copy(&mut b, &mut a));
        drop(a.shutdown(std::net::Shutdown::Write));
    });
    let (mut a, mut b) = (one.try_clone()?, other);
    drop(io::copy(&mut a, &mut b));
    drop(b.shutdown(std::net::Shutdown::Write));
    drop(back.join());
    Ok(())
}
