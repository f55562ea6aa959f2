//! `--copy SRC:DST[:UID:GID[:MODE]]`.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use ctr_forge_plugin::{Error, Host, PathValue, Result};
use ctr_forge_rootfs::{Entry, Kind, RootPath, TOUCHED, walk_fd};

use crate::interpreter::{self, Interpreter};
use crate::layers::{Failure, send};
use crate::{Options, Sink, take};

/// One `--copy`, its words checked.
#[derive(Debug)]
pub(crate) struct Copy<'a> {
    value: &'a PathValue,
    destination: RootPath,
    owner: Option<(u32, u32)>,
    mode: Option<u16>,
}

impl<'a> Copy<'a> {
    pub(crate) fn parse(value: &'a PathValue) -> Result<Self> {
        let to = value.to.as_deref().unwrap_or_default();
        let wrong = |reason: String| {
            Error::usage(format!("\"{}:{to}\" does not fit --copy: {reason}", value.path)).option("copy")
        };
        let parts: Vec<_> = to.split(':').collect();
        let id =
            |word: &str| word.parse::<u32>().map_err(|_| wrong(format!("\"{word}\" is no numeric owner")));
        let octal = |word: &str| {
            let mode = u16::from_str_radix(word, 8).ok().filter(|mode| *mode <= 0o7777);
            mode.ok_or_else(|| wrong(format!("\"{word}\" is no octal mode")))
        };
        let (place, owner, mode) = match parts[..] {
            [place] => (place, None, None),
            [place, uid, gid] => (place, Some((id(uid)?, id(gid)?)), None),
            [place, uid, gid, mode] => (place, Some((id(uid)?, id(gid)?)), Some(octal(mode)?)),
            _ => return Err(wrong("expected SRC:DST, SRC:DST:UID:GID or SRC:DST:UID:GID:MODE".into())),
        };
        let mut place = place.to_owned();
        if place.ends_with('/') {
            let name = Path::new(&value.path).file_name();
            let name = name.ok_or_else(|| wrong("SRC has no name that could be kept".into()))?;
            place += &name.to_string_lossy();
        }
        let destination = RootPath::new(place.as_bytes()).map_err(|e| wrong(format!("DST {e}")))?;
        Ok(Self { value, destination, owner, mode })
    }

    pub(crate) fn destination(&self) -> &RootPath {
        &self.destination
    }

    /// Sends the copy; returns what the program needs in order to run, if it is one.
    pub(crate) fn write(
        &self,
        sink: &mut Sink,
        options: &Options,
        host: &Host,
    ) -> Result<Option<Interpreter>> {
        let (file, name) = take(self.value, host)?;
        host.phase(format!("Copying {name}"));
        let metadata = file.metadata().map_err(|e| Error::io(format!("cannot look at {name}"), e))?;
        if metadata.is_dir() {
            return self.write_folder(file, &name, sink, options, host).map(|()| None);
        }
        if !metadata.is_file() {
            return Err(Error::usage(format!("{name} is neither a file nor a folder")).option("copy"));
        }
        if self.destination.is_root() {
            return Err(Error::usage(format!("{name} is a file and cannot become the root directory"))
                .hint("End DST in / to keep the file's name.")
                .option("copy"));
        }
        let interpreter = interpreter::of(&file);
        let mut content = Held { file, offset: 0, name, before: metadata };
        let entry = self.entry(&content.before, options);
        sink.entry(&entry, &mut content).map_err(|e| Failure::Send(e).into_error())?;
        Ok(interpreter)
    }

    fn entry(&self, metadata: &Metadata, options: &Options) -> Entry {
        let kind = Kind::File { size: metadata.len() };
        let mode = if metadata.mode() & 0o111 != 0 { 0o755 } else { 0o644 };
        let mut entry = Entry::new(self.destination.clone(), kind, mode);
        entry.mtime = TOUCHED;
        if options.preserve {
            entry.mode = (metadata.mode() & 0o7777) as u16;
            (entry.uid, entry.gid, entry.mtime) = (metadata.uid(), metadata.gid(), metadata.mtime());
        }
        self.apply(&mut entry);
        entry
    }

    /// What the user said of owner and mode. A mode is that of files: a folder needs its x bits.
    fn apply(&self, entry: &mut Entry) {
        if let Some((uid, gid)) = self.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        if let (Some(mode), Kind::File { .. }) = (self.mode, &entry.kind) {
            entry.mode = mode;
        }
    }

    fn write_folder(
        &self,
        folder: File,
        name: &str,
        sink: &mut Sink,
        options: &Options,
        host: &Host,
    ) -> Result<()> {
        let warnings = walk_fd(folder.into(), Path::new(name), &options.walk(), &mut |mut entry, file| {
            if entry.path.is_root() && self.destination.is_root() {
                return Ok(());
            }
            entry.path = self.below(&entry.path).map_err(Failure::Stopped)?;
            if let Kind::HardLink(target) = &mut entry.kind {
                *target = self.below(target).map_err(Failure::Stopped)?;
            }
            self.apply(&mut entry);
            send(sink, &entry, file, host)
        });
        for warning in warnings.map_err(Failure::into_error)? {
            host.warn(warning.to_string());
        }
        Ok(())
    }

    /// A path of the folder, below DST.
    fn below(&self, path: &RootPath) -> Result<RootPath> {
        let path = self.destination.join(path.as_bytes());
        path.map_err(|e| Error::usage(format!("a path below {} {e}", self.destination)).option("copy"))
    }
}

/// A file that must stay as it was when its copy began.
struct Held {
    file: File,
    offset: u64,
    name: String,
    before: Metadata,
}

impl Read for Held {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = |metadata: &Metadata| {
            (metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec())
        };
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        // At its end, whether that came where it should or early.
        let ended = count == 0 || self.offset >= self.before.len();
        if ended && state(&self.file.metadata()?) != state(&self.before) {
            return Err(io::Error::other(format!("{} changed while it was read", self.name)));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(to: &str) -> PathValue {
        PathValue { path: "/src/hello".into(), file: None, to: Some(to.into()) }
    }

    #[test]
    fn destinations_owners_and_modes() {
        let parse = |to: &str| {
            let value = value(to);
            let copy = Copy::parse(&value).unwrap();
            (copy.destination.to_string(), copy.owner, copy.mode)
        };
        assert_eq!(parse("/bin/hello"), ("/bin/hello".into(), None, None));
        assert_eq!(parse("/bin/"), ("/bin/hello".into(), None, None));
        assert_eq!(parse("x:1:2"), ("/x".into(), Some((1, 2)), None));
        assert_eq!(parse("x:1:2:4755"), ("/x".into(), Some((1, 2)), Some(0o4755)));
        for bad in ["../x", "x:1", "x:a:b", "x:1:2:999", "x:1:2:70000", "x:1:2:3:4"] {
            assert!(Copy::parse(&value(bad)).is_err(), "{bad}");
        }
    }
}
