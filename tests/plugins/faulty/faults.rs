//! What a plugin written with the Rust crates can do wrong while it builds.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, SystemTime};

use ctr_forge_plugin::sandbox::RunParams;
use ctr_forge_plugin::{Error, Host, Result};
use ctr_forge_rootfs::Hasher;
use serde_json::{Value, json};

use crate::streams;

/// Shows the fault, and builds what can still be built.
pub(crate) fn build(fault: &str, stream: File, host: &Host) -> Result<()> {
    let (fault, parameter) = fault.split_once(':').unwrap_or((fault, ""));
    if let Some(name) = fault.strip_prefix("stream-") {
        return write(stream, &streams::bad(name));
    }
    let mut content = b"content".to_vec();
    match fault {
        "stays-open" => return keep_open(stream),
        "random" => content = format!("{:?}", SystemTime::now()).into_bytes(),
        "slow" => slow(host)?,
        "deaf" => std::thread::sleep(Duration::from_millis(2600)),
        "hang" => hang(),
        "connect" => connect(parameter)?,
        "surroundings" => surroundings()?,
        "in-root" => return in_root("answers", stream, host),
        "in-root-fails" => return in_root("fails", stream, host),
        "in-root-panics" => return in_root("panics", stream, host),
        "in-root-aborts" => return in_root("aborts", stream, host),
        "in-root-hangs" => return in_root("hangs", stream, host),
        _ => {
            crash(fault);
            tell(fault, host)?;
            leave_behind(fault);
            call(fault, host)?;
        }
    }
    write(stream, &streams::good(&content))
}

/// Has the plugin's own method called in a root, which then is the result.
fn in_root(name: &str, stream: File, host: &Host) -> Result<()> {
    let rootfs = host.rootfs("", None)?;
    let run = RunParams { timeout: Some(2), ..RunParams::default() };
    let (answer, _) = rootfs.run_inside("faulty", name, json!({ "content": "by the plugin" }), &run)?;
    assert_eq!(answer, json!({ "root": ["dev", "made", "proc", "sys"] }));
    rootfs.export(&stream).map(drop)
}

/// That method.
pub(crate) fn inside(name: &str, params: Value, host: &Host) -> Result<Value> {
    match name {
        "answers" => {
            host.info("told from the root");
            assert!(host.temp_file().is_err(), "there is no service");
            fs::write("/made", params["content"].as_str().unwrap()).unwrap();
            let mut names: Vec<_> = fs::read_dir("/")
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            Ok(json!({ "root": names }))
        }
        "panics" => panic!("the root is falling"),
        "aborts" => std::process::abort(),
        "hangs" => loop {
            std::thread::park();
        },
        _ => Err(Error::usage("it fails in the root")),
    }
}

fn write(mut stream: File, bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes).map_err(|e| Error::io("cannot write the root filesystem", e))
}

/// The stream's end is never closed by the plugin.
fn keep_open(mut stream: File) -> Result<()> {
    stream.write_all(&streams::good(b"content")).map_err(|e| Error::io("cannot write", e))?;
    std::mem::forget(stream);
    Ok(())
}

fn crash(fault: &str) {
    match fault {
        "panic" => panic!("the sky is falling"),
        "panic-thread" => {
            let thread = std::thread::spawn(|| panic!("the sky is falling in a thread"));
            thread.join().expect("a thread that ends well");
        }
        "abort" => std::process::abort(),
        "exit" => std::process::exit(7),
        // SAFETY: sends a signal to this process.
        "segfault" => unsafe {
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            libc::raise(libc::SIGSEGV);
        },
        _ => {}
    }
}

fn tell(fault: &str, host: &Host) -> Result<()> {
    match fault {
        "prints" => println!("words on standard output"),
        "complains" => eprintln!("words on standard error \x1b[31m"),
        "complains-and-aborts" => {
            eprintln!("these are my last words");
            std::process::abort();
        }
        "flood" => (0..200_000).for_each(|number| host.debug(format!("event {number}"))),
        "progress-back" => {
            host.progress(7, 10, "steps")?;
            host.progress(3, 10, "steps")?;
        }
        _ => {}
    }
    Ok(())
}

#[allow(clippy::zombie_processes, reason = "that is the fault")]
fn leave_behind(fault: &str) {
    match fault {
        // A child in the job's process group.
        "child" => drop(Command::new("sleep").arg("600").spawn().unwrap()),
        // One that left it, and whose parent is gone.
        "daemon" => drop(Command::new("setsid").args(["-f", "sleep", "600"]).status().unwrap()),
        _ => {}
    }
}

fn call(fault: &str, host: &Host) -> Result<()> {
    match fault {
        "unknown-service" => host.call::<Value>("no.such.service", json!({})).map(drop),
        "digest-pipe" => {
            let (reader, _writer) = io::pipe().map_err(|e| Error::io("cannot make a pipe", e))?;
            host.call::<Value>("file.digest", json!({ "file": { "$fd": fd(&reader) } })).map(drop)
        }
        "digest-not-open" => host.call::<Value>("file.digest", json!({ "file": { "$fd": 999 } })).map(drop),
        "digest-nothing" => host.call::<Value>("file.digest", json!({})).map(drop),
        "services" => services(host),
        _ => Ok(()),
    }
}

fn fd(file: &impl std::os::fd::AsRawFd) -> i32 {
    file.as_raw_fd()
}

/// Every service, from eight threads at once, each seeing its own answers.
fn services(host: &Host) -> Result<()> {
    let work = |thread: usize| {
        (0..40).try_for_each(|round| {
            let content = format!("thread {thread}, round {round}");
            let mut file = host.temp_file()?;
            file.write_all(content.as_bytes()).map_err(|e| Error::io("cannot write", e))?;
            let mut hasher = Hasher::new();
            hasher.update(content.as_bytes());
            let digest = host.digest(&file)?;
            let right = digest.digest == hasher.finish().to_string() && digest.size == content.len() as u64;
            let known = host.host_info()?.services.iter().any(|service| service == "file.digest");
            if right && known { Ok(()) } else { Err(Error::input("an answer was another's")) }
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap())
    })
}

/// Takes a minute, but asks.
fn slow(host: &Host) -> Result<()> {
    for _ in 0..1200 {
        host.check_cancelled()?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Obeys neither CANCEL nor SIGTERM, nor does its child in the same group.
#[allow(clippy::zombie_processes, reason = "that is the fault")]
fn hang() {
    // SAFETY: changes a disposition of this process.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    let _child = Command::new("sleep").arg("600").spawn().unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

fn connect(port: &str) -> Result<()> {
    let port: u16 = port.parse().unwrap();
    TcpStream::connect(("127.0.0.1", port)).map(drop).map_err(|e| Error::io("cannot connect to 127.0.0.1", e))
}

/// An error that lists what is not as the protocol promises.
fn surroundings() -> Result<()> {
    let mut wrong = Vec::new();
    let mut check = |what: String, right: bool| {
        if !right {
            wrong.push(what);
        }
    };
    let names: BTreeSet<_> = std::env::vars().map(|(name, _)| name).collect();
    for name in &names {
        let known = ["LC_ALL", "PATH", "RUST_BACKTRACE", "TMPDIR", "TZ"].contains(&name.as_str());
        check(format!("variable {name}"), known);
    }
    check("locale".into(), std::env::var("LC_ALL").is_ok_and(|value| value == "C.UTF-8"));
    check("time zone".into(), std::env::var("TZ").is_ok_and(|value| value == "UTC"));
    let directory = std::env::current_dir().unwrap();
    check(format!("directory {}", directory.display()), directory.as_os_str() == "/");
    // SAFETY: asks and changes what belongs to this process.
    let (umask, leads) = unsafe { (libc::umask(0o022), libc::getpgid(0) == libc::getpid()) };
    check(format!("umask {umask:03o}"), umask == 0o022);
    check("process group".into(), leads);
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    check("signal mask".into(), status.lines().any(|line| line == "SigBlk:\t0000000000000000"));
    check("standard input".into(), fs::read_link("/proc/self/fd/0").unwrap().as_os_str() == "/dev/null");
    for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let file = fs::read_link(entry.path()).unwrap_or_default();
        let file = file.display().to_string();
        let own = !file.starts_with('/') || ["/dev/null", "/proc/"].iter().any(|own| file.starts_with(own));
        check(format!("open file {file}"), own || file.ends_with(".so"));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Error::input(format!("not as promised: {}", wrong.join(", "))))
    }
}
