//! Lua's `rpm.open`: files, read through decompression where the mode says so.
//!
//! A mode is letters as in fopen(3), a dot, and the name of a kind of stream: `r.gzdio`. What is
//! compressed can be read here, and not written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use mlua::{IntoLua, MetaMethod, UserData, UserDataMethods};

use super::library::{Library, Text, describe, errno_of};

/// Most bytes that are read where no number is asked for.
const MAX: u64 = 512 << 20;

pub(super) fn add(rpm: &Library<'_>) -> mlua::Result<()> {
    rpm.add("open", |_, _, (path, mode): (Text, Option<Text>)| {
        let mode = mode.map_or("r".to_owned(), |mode| mode.lossy());
        let source = open(&path, &mode).map_err(|error| {
            let why = error.raw_os_error().map_or_else(|| error.to_string(), describe);
            mlua::Error::runtime(format!("{} open failed: {why}", path.lossy()))
        })?;
        Ok(Stream { source, path })
    })
}

/// `rpm.fd`
struct Stream {
    source: Source,
    path: Text,
}

enum Source {
    Plain(File),
    Unpacked(Box<dyn Read>),
    Closed,
}

impl Source {
    /// Reads a file through what a kind of stream names.
    fn unpack(file: File, kind: &str) -> io::Result<Self> {
        Ok(match kind {
            "" | "ufdio" | "fdio" | "fpio" => Self::Plain(file),
            "gzdio" => Self::Unpacked(Box::new(flate2::read::MultiGzDecoder::new(file))),
            "bzdio" => Self::Unpacked(Box::new(bzip2::read::MultiBzDecoder::new(file))),
            "xzdio" | "lzdio" => {
                let decoder = liblzma::stream::Stream::new_auto_decoder(256 << 20, 0)?;
                Self::Unpacked(Box::new(liblzma::read::XzDecoder::new_stream(file, decoder)))
            }
            "zstdio" => Self::Unpacked(Box::new(zstd::Decoder::new(file)?)),
            kind => return Err(io::Error::other(format!("there is no stream \"{kind}\""))),
        })
    }

    fn file(&mut self) -> io::Result<&mut File> {
        match self {
            Self::Plain(file) => Ok(file),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn read(&mut self, length: Option<u64>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let length = length.unwrap_or(MAX);
        match self {
            Self::Plain(file) => file.take(length).read_to_end(&mut bytes)?,
            Self::Unpacked(reader) => reader.take(length).read_to_end(&mut bytes)?,
            Self::Closed => return Err(io::ErrorKind::NotConnected.into()),
        };
        Ok(bytes)
    }
}

fn open(path: &Text, mode: &str) -> io::Result<Source> {
    let (letters, kind) = mode.split_once('.').unwrap_or((mode, ""));
    let has = |letter| letters.contains(letter);
    let (writes, appends) = (has('w'), has('a'));
    let mut options = OpenOptions::new();
    options.read(!(writes || appends) || has('+'));
    options.write(writes || has('+')).truncate(writes).append(appends);
    if writes || appends {
        options.create(true).create_new(has('x'));
    }
    let file = options.open(path.path())?;
    match Source::unpack(file, kind)? {
        Source::Unpacked(_) if writes || appends => Err(io::ErrorKind::Unsupported.into()),
        source => Ok(source),
    }
}

impl Stream {
    fn failed(&self, what: &str, error: &io::Error) -> mlua::Error {
        let why = error
            .raw_os_error()
            .map_or_else(|| error.to_string(), |_| describe(errno_of(error).raw_os_error()));
        mlua::Error::runtime(format!("{what} {}: {why}", self.path.lossy()))
    }
}

impl UserData for Stream {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("read", |lua, this, length: Option<i64>| {
            // A negative number is all of it, as none is.
            let length = length.and_then(|length| u64::try_from(length).ok());
            let bytes = this.source.read(length).map_err(|e| this.failed("error reading", &e))?;
            lua.create_string(bytes)?.into_lua(lua)
        });
        methods.add_method_mut("write", |_, this, (bytes, length): (mlua::LuaString, Option<usize>)| {
            let bytes = bytes.as_bytes();
            let length = length.unwrap_or(bytes.len()).min(bytes.len());
            let written = this.source.file().and_then(|file| file.write_all(&bytes[..length]));
            written.map(|()| length).map_err(|e| this.failed("error writing", &e))
        });
        methods.add_method_mut("seek", |_, this, (whence, offset): (Option<String>, Option<i64>)| {
            let offset = offset.unwrap_or(0);
            let to = match whence.as_deref().unwrap_or("cur") {
                "set" => SeekFrom::Start(u64::try_from(offset).unwrap_or(u64::MAX)),
                "cur" => SeekFrom::Current(offset),
                "end" => SeekFrom::End(offset),
                other => return Err(mlua::Error::runtime(format!("invalid option '{other}'"))),
            };
            let place = this.source.file().and_then(|file| file.seek(to));
            place.map_err(|e| this.failed("seek failed on", &e))
        });
        methods.add_method_mut("flush", |_, _, ()| Ok(0));
        methods.add_method_mut("close", |_, this, ()| {
            let was_open = !matches!(this.source, Source::Closed);
            this.source = Source::Closed;
            Ok(if was_open { 0 } else { -1 })
        });
        methods.add_function("reopen", |_, (this, mode): (mlua::AnyUserData, String)| {
            let mut stream = this.borrow_mut::<Self>()?;
            let kind = mode.split_once('.').map_or("", |(_, kind)| kind);
            let reopened = match std::mem::replace(&mut stream.source, Source::Closed) {
                Source::Plain(file) => Source::unpack(file, kind),
                _ => Err(io::ErrorKind::Unsupported.into()),
            };
            stream.source = reopened.map_err(|e| stream.failed("stream reopen failed on", &e))?;
            drop(stream);
            Ok(this)
        });
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.path.lossy()));
    }
}
