//! A web server on this machine alone, which serves a folder, fails as it is told and
//! remembers what it was asked for.
//!
//! ```ignore
//! let server = Server::new(folder);
//! server.fault_times(2, "*.deb", Fault::Status(503));
//! server.fault("*/InRelease", Fault::Silent);
//! // … server.url("dists/bookworm/InRelease") …
//! assert_eq!(server.count("*.deb"), 3);
//! ```
//!
//! It is also a proxy: what it is asked for in a URL of another host comes from the same folder,
//! and [`Request::proxied_for`] says which host. All connections end when it is dropped.

use std::io::{self, BufReader};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

mod answer;
mod request;

pub use request::Request;

use answer::Answer;

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The answer has this status and nothing else.
    Status(u16),
    /// The answer leads elsewhere: to a path of this server or a URL.
    Redirect(String),
    /// Who does not say this name and password is not served.
    Auth(String, String),
    /// The content is this, whatever the folder has.
    Body(Vec<u8>),
    /// The content ends after so many bytes, and the answer says that this is all.
    Truncate(usize),
    /// The connection ends after so many bytes of the answer's content.
    Cut(usize),
    /// The answer announces so many bytes of content, whatever it has; then the connection ends.
    Length(usize),
    /// The content is sent from its beginning, whatever part was asked for.
    IgnoreRange,
    /// The content comes at so many bytes each second, 20 or more.
    Slow(usize),
    /// There is no answer, and the connection ends.
    HangUp,
    /// There is no answer, and the connection stays open.
    Silent,
}

/// A server. Paths in patterns begin with a slash, and `*` stands for any characters.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    root: PathBuf,
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<Request>>,
    /// `None` once the server ends: no more are taken then.
    connections: Mutex<Option<Vec<TcpStream>>>,
}

#[derive(Debug)]
struct Rule {
    pattern: String,
    fault: Fault,
    times: Option<usize>,
}

impl Server {
    /// Serves a folder at a port of its own.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            root: root.into(),
            rules: Mutex::default(),
            requests: Mutex::default(),
            connections: Mutex::new(Some(Vec::new())),
        });
        let shared = state.clone();
        let thread = std::thread::spawn(move || listen(&listener, &shared));
        Self { address, state, thread: Some(thread) }
    }

    /// The URL of a path below the folder. With an empty one it has no slash at its end, and is
    /// what a user of the proxy sets.
    pub fn url(&self, path: &str) -> String {
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        format!("http://{}{slash}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, this happens to paths like `pattern`. Faults of several rules add up.
    pub fn fault(&self, pattern: &str, fault: Fault) {
        self.state.rules.lock().unwrap().push(Rule { pattern: pattern.into(), fault, times: None });
    }

    /// As [`Server::fault`], for so many requests.
    pub fn fault_times(&self, times: usize, pattern: &str, fault: Fault) {
        let rule = Rule { pattern: pattern.into(), fault, times: Some(times) };
        self.state.rules.lock().unwrap().push(rule);
    }

    /// All is well again.
    pub fn heal(&self) {
        self.state.rules.lock().unwrap().clear();
    }

    /// What it was asked for, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How many requests were for paths like `pattern`.
    pub fn count(&self, pattern: &str) -> usize {
        self.requests().iter().filter(|request| matches(pattern, &request.path)).count()
    }

    /// Forgets what it was asked for.
    pub fn forget(&self) {
        self.state.requests.lock().unwrap().clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let connections = self.state.connections.lock().unwrap().take();
        for connection in connections.iter().flatten() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        // The listener waits for one more, and sees then that there are to be none.
        let _ = TcpStream::connect(self.address);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || !matches!(ended, Some(Err(_))), "the server panicked");
    }
}

impl State {
    fn is_ending(&self) -> bool {
        self.connections.lock().unwrap().is_none()
    }

    /// What happens to a request for this path, which uses up faults that do not last.
    fn faults(&self, path: &str) -> Vec<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let mut faults = Vec::new();
        for rule in rules.iter_mut().filter(|rule| matches(&rule.pattern, path)) {
            match &mut rule.times {
                Some(0) => continue,
                Some(times) => *times -= 1,
                None => {}
            }
            faults.push(rule.fault.clone());
        }
        faults
    }
}

fn listen(listener: &TcpListener, state: &Arc<State>) {
    let mut threads = Vec::new();
    for connection in listener.incoming() {
        let Ok(connection) = connection else { continue };
        match state.connections.lock().unwrap().as_mut() {
            Some(open) => open.push(connection.try_clone().unwrap()),
            None => break,
        }
        let state = state.clone();
        threads.push(std::thread::spawn(move || {
            // A client may leave whenever it likes.
            let _ = converse(&connection, &state);
            let _ = connection.shutdown(Shutdown::Both);
        }));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

fn converse(connection: &TcpStream, state: &State) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    while let Some(mut request) = Request::read(&mut reader)? {
        let faults = state.faults(&request.path);
        let answer = Answer::new(&state.root, &request, &faults);
        let (silent, hangs_up) = (faults.contains(&Fault::Silent), faults.contains(&Fault::HangUp));
        request.status = if silent || hangs_up { 0 } else { answer.status };
        let is_last = request.is_last();
        state.requests.lock().unwrap().push(request);
        if silent {
            return io::copy(&mut reader, &mut io::sink()).map(drop);
        }
        if hangs_up {
            break;
        }
        answer.send(connection, &|| state.is_ending())?;
        if is_last || answer.is_last() {
            break;
        }
    }
    Ok(())
}

/// Whether `text` is like `pattern`, in which `*` stands for any characters.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            let mut ends = text.char_indices().map(|(at, _)| &text[at..]).chain([""]);
            ends.any(|end| matches(rest, end))
        }),
    }
}
