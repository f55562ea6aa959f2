//! A real registry on loopback, in front of which things can go wrong.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// `docker-registry`, with its data in a directory of its own.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

impl Registry {
    /// Starts one that keeps its data below `directory`. `more` is added to its configuration:
    /// `auth: …`; `http` to what it has under `http:`.
    pub fn new(directory: &Path, more: &str, http: &str) -> Self {
        // Somebody else may take the port meanwhile.
        let mut attempts = (0..5).filter_map(|_| Self::try_new(directory, more, http));
        attempts.next().unwrap_or_else(|| {
            let log = fs::read_to_string(directory.join("registry.log")).unwrap_or_default();
            panic!("the registry does not start: {log}")
        })
    }

    fn try_new(directory: &Path, more: &str, http: &str) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let config = directory.join(format!("registry-{port}.yml"));
        let data = directory.join(format!("registry-{port}"));
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http:\n  addr: \"{address}\"\n{http}\n{more}\n",
            data.display()
        );
        fs::write(&config, text).unwrap();
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.join("registry.log")).unwrap())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&address).is_err() {
            if Instant::now() > end || child.try_wait().unwrap().is_some() {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, address })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What happens to connections on their way.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// The first so many end when this number of bytes has gone to the server.
    Cut {
        /// How many.
        connections: usize,
        /// How many bytes.
        after: usize,
    },
    /// No more than so many bytes a second go to the server.
    Slow {
        /// How many.
        bytes: usize,
    },
    /// None at all: answers have what a registry says that lists by itself what is about an image.
    KnowsSubjects,
    /// The first so many get this status, whatever they ask.
    Status {
        /// How many.
        connections: usize,
        /// Which one.
        status: u16,
    },
}

/// Stands before a server on loopback. Its thread goes with the process.
#[derive(Debug)]
pub struct Troubled {
    /// `127.0.0.1:PORT`.
    pub address: String,
    met: Arc<AtomicUsize>,
}

impl Troubled {
    /// Before `server`.
    pub fn before(server: &str, trouble: Trouble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server: SocketAddr = server.parse().unwrap();
        let met = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&met);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let counter = Arc::clone(&counter);
                thread::spawn(move || {
                    // Whatever ends a connection here is part of the trouble.
                    let _ = carry(client, server, trouble, &counter);
                });
            }
        });
        Self { address, met }
    }

    /// How many connections met trouble.
    pub fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }
}

fn carry(mut client: TcpStream, server: SocketAddr, trouble: Trouble, met: &AtomicUsize) -> io::Result<()> {
    let mut limit = usize::MAX;
    match trouble {
        Trouble::Status { connections, status } => {
            // A TLS greeting is no question.
            let mut head = [0; 1];
            client.peek(&mut head)?;
            if head[0] != 0x16 && met.fetch_add(1, Ordering::SeqCst) < connections {
                let mut question = [0; 64 << 10];
                let _ = client.read(&mut question)?;
                write!(
                    client,
                    "HTTP/1.1 {status} Trouble\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )?;
                return Ok(());
            }
        }
        Trouble::Cut { after, .. } => limit = after,
        Trouble::Slow { .. } | Trouble::KnowsSubjects => {}
    }
    let mut upstream = TcpStream::connect(server)?;
    let (mut back, mut to_client) = (upstream.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = match trouble {
            Trouble::KnowsSubjects => with_subject(&mut back, &mut to_client),
            _ => io::copy(&mut back, &mut to_client).map(drop),
        };
        let _ = to_client.shutdown(Shutdown::Write);
    });
    let mut buffer = vec![0; 64 << 10];
    let mut carried = 0;
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return upstream.shutdown(Shutdown::Write);
        }
        upstream.write_all(&buffer[..count])?;
        carried += count;
        if let Trouble::Slow { bytes } = trouble {
            thread::sleep(Duration::from_secs_f64(count as f64 / bytes as f64));
        }
        if let Trouble::Cut { connections, .. } = trouble
            && carried > limit
            && met.fetch_add(1, Ordering::SeqCst) < connections
        {
            upstream.shutdown(Shutdown::Both)?;
            return client.shutdown(Shutdown::Both);
        }
    }
}

/// Carries answers, with the header of distribution-spec 1.1, "Pushing Manifests with Subject".
fn with_subject(from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&buffer[..count]);
        match text.starts_with("HTTP/1.1 201") {
            true => to.write_all(text.replacen("\r\n", "\r\nOCI-Subject: sha256:00\r\n", 1).as_bytes())?,
            false => to.write_all(&buffer[..count])?,
        }
    }
}
