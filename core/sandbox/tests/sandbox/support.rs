//! A root with the machine's own busybox, or any static shell, in it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use ctr_forge_plugin::sandbox::{RunOutcome, RunParams, Rung};
use ctr_forge_rootfs::{Device, Entry, Kind, Reader, RootPath, Writer};
use ctr_forge_sandbox::{Choice, Sandbox, Settings};

thread_local! {
    /// Whether the roots of the test on this thread are built in memory.
    pub(crate) static IN_MEMORY: Cell<bool> = const { Cell::new(false) };
}

/// Why a rung cannot be had here, if it cannot.
pub(crate) fn cannot_be_had(rung: Rung) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    Sandbox::start(&settings(directory.path(), rung)).err().map(|error| error.to_string())
}

pub(crate) fn word(rung: Rung) -> String {
    Choice::Only(rung).to_string()
}

pub(crate) fn settings(directory: &Path, rung: Rung) -> Settings {
    Settings {
        executable: std::env::current_exe().unwrap(),
        env: Vec::new(),
        temp_dir: directory.to_owned(),
        choice: Choice::Only(rung),
        arch: String::new(),
        // A megabyte fits into the memory of every machine that builds this.
        bytes: IN_MEMORY.get().then_some(1 << 20),
    }
}

/// A root in which a shell runs.
pub(crate) struct World {
    pub(crate) sandbox: Option<Sandbox>,
    pub(crate) directory: tempfile::TempDir,
}

pub(crate) fn path(text: &str) -> RootPath {
    RootPath::new(text.as_bytes()).unwrap()
}

impl World {
    pub(crate) fn new(rung: Rung) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::start(&settings(directory.path(), rung)).unwrap();
        let mut world = Self { sandbox: Some(sandbox), directory };
        let shell = fs::read("/bin/busybox").expect("busybox-static is installed");
        let mut entries = vec![file("bin/busybox", 0o755, &shell)];
        for name in ["sh", "ls", "cat", "stat", "id", "sleep", "mknod", "chown", "chmod", "touch", "mkdir"] {
            let link = Entry::new(path(&format!("bin/{name}")), Kind::Symlink((*b"busybox").into()), 0o777);
            entries.push((link, Vec::new()));
        }
        entries.push(owned("etc/shadow", 0, 42));
        world.apply(entries);
        world
    }

    pub(crate) fn sandbox(&mut self) -> &mut Sandbox {
        self.sandbox.as_mut().unwrap()
    }

    pub(crate) fn apply(&mut self, entries: Vec<(Entry, Vec<u8>)>) {
        let (reader, writer) = std::io::pipe().unwrap();
        let thread = std::thread::spawn(move || {
            let mut tar = Writer::new(writer).with_packages();
            for (entry, content) in entries {
                tar.entry(&entry, &mut &content[..]).unwrap();
            }
            tar.finish().unwrap();
        });
        self.sandbox().apply(OwnedFd::from(reader)).unwrap();
        thread.join().unwrap();
    }

    pub(crate) fn export(&mut self) -> BTreeMap<String, (Entry, Vec<u8>)> {
        let (reader, writer) = std::io::pipe().unwrap();
        let thread = std::thread::spawn(move || {
            let mut tar = Reader::new(reader);
            let mut entries = BTreeMap::new();
            while let Some(entry) = tar.next_entry().unwrap() {
                let mut content = Vec::new();
                tar.read_to_end(&mut content).unwrap();
                entries.insert(entry.path.to_string().trim_start_matches('/').to_owned(), (entry, content));
            }
            entries
        });
        self.sandbox().export(OwnedFd::from(writer), Vec::new()).unwrap();
        thread.join().unwrap()
    }

    pub(crate) fn run_with(&mut self, params: RunParams) -> RunOutcome {
        self.sandbox().run(params, Vec::new(), &mut |_| ()).unwrap()
    }

    pub(crate) fn sh_any(&mut self, script: &str) -> RunOutcome {
        self.run_with(shell(script))
    }

    /// What a script prints that succeeds.
    pub(crate) fn sh(&mut self, script: &str) -> String {
        let outcome = self.sh_any(script);
        assert!(outcome.is_success(), "{outcome:?}");
        outcome.output
    }
}

pub(crate) fn shell(script: &str) -> RunParams {
    RunParams {
        argv: ["/bin/sh", "-ec", script].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]),
        ..RunParams::default()
    }
}

pub(crate) fn file(name: &str, mode: u16, content: &[u8]) -> (Entry, Vec<u8>) {
    let kind = Kind::File { size: content.len() as u64 };
    (Entry::new(path(name), kind, mode), content.to_vec())
}

pub(crate) fn owned(name: &str, uid: u32, gid: u32) -> (Entry, Vec<u8>) {
    let (entry, content) = file(name, 0o640, b"x");
    (Entry { uid, gid, ..entry }, content)
}

pub(crate) fn device(name: &str) -> (Entry, Vec<u8>) {
    let kind = Kind::CharDevice(Device { major: 1, minor: 3 });
    (Entry { gid: 5, ..Entry::new(path(name), kind, 0o620) }, Vec::new())
}

/// What a plugin would write for a program's standard input, kept for tests that need a file.
pub(crate) fn temporary(content: &[u8]) -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file.into()
}

/// Knows one method, which is in this very program.
pub(crate) struct NoPlugins;

impl ctr_forge_sandbox::Loader for NoPlugins {
    fn load(
        &self,
        params: &ctr_forge_plugin::sandbox::RunParams,
        code: &serde_json::Value,
        _: &[std::os::fd::OwnedFd],
    ) -> ctr_forge_plugin::Result<ctr_forge_sandbox::Method> {
        let (name, code) = (params.inside.as_ref().unwrap().name.clone(), code.clone());
        Ok(Box::new(move || match name.as_str() {
            "write" => {
                std::io::stdout().write_all(b"writing\n").unwrap();
                std::fs::write("/etc/from-inside", code.as_str().unwrap()).unwrap();
                std::os::unix::fs::chown("/etc/from-inside", Some(7), Some(8)).unwrap();
                Ok(serde_json::json!({ "wrote": code, "uid": rustix::process::getuid().as_raw() }))
            }
            "environment" => {
                let vars = std::env::vars().collect::<std::collections::BTreeMap<_, _>>();
                Ok(serde_json::json!(vars))
            }
            "abort" => std::process::abort(),
            name => Err(ctr_forge_plugin::Error::usage(format!("no {name}"))),
        }))
    }
}
