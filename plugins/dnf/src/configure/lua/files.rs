//! Lua's `posix` library: files and directories.

use std::fs;
use std::os::unix::ffi::OsStringExt;

use mlua::{IntoLuaMulti, Lua, MultiValue, Value};
use rustix::fs::{Access, CWD, FileType, Mode, OFlags, RawMode, Stat, Timespec, Timestamps};
use rustix::io::Errno;

use super::library::{Library, State, Text, errno_of, number, select};
use super::{mode, people};

/// Names that `mkstemp` tries.
const TRIES: u32 = 10_000;

pub(super) fn add(posix: &Library<'_>) -> mlua::Result<()> {
    posix.add_path("chdir", |path| rustix::process::chdir(path))?;
    posix.add_path("mkdir", |path| rustix::fs::mkdir(path, Mode::from_raw_mode(0o777)))?;
    posix.add_path("mkfifo", |path| {
        rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o777), 0)
    })?;
    posix.add_path("rmdir", |path| rustix::fs::rmdir(path))?;
    posix.add_path("unlink", |path| rustix::fs::unlink(path))?;
    posix.add("link", |lua, state, (old, new): (Text, Text)| {
        state.answer(lua, rustix::fs::link(old.path(), new.path()).map(|()| 0.0), None)
    })?;
    posix.add("symlink", |lua, state, (old, new): (Text, Text)| {
        state.answer(lua, rustix::fs::symlink(old.path(), new.path()).map(|()| 0.0), None)
    })?;
    posix.add("readlink", readlink)?;
    posix.add("getcwd", |lua, state, ()| match rustix::process::getcwd(Vec::new()) {
        Ok(path) => lua.create_string(path.as_bytes())?.into_lua_multi(lua),
        Err(error) => state.error(lua, error, Some(&Text(b".".to_vec()))),
    })?;
    posix.add("dir", |lua, state, path: Option<Text>| match names(path) {
        Ok(names) => lua.create_sequence_from(strings(lua, names)?)?.into_lua_multi(lua),
        Err((path, error)) => state.error(lua, error, Some(&path)),
    })?;
    posix.add("files", each)?;
    posix.add("access", access)?;
    posix.add("chmod", chmod)?;
    posix.add("chown", chown)?;
    posix.add("umask", umask)?;
    posix.add("utime", utime)?;
    posix.add("stat", stat)?;
    posix.add("mkstemp", mkstemp)
}

fn readlink(lua: &Lua, state: &State, path: Text) -> mlua::Result<MultiValue> {
    match rustix::fs::readlink(path.path(), Vec::new()) {
        Ok(target) => lua.create_string(target.as_bytes())?.into_lua_multi(lua),
        Err(error) => state.error(lua, error, Some(&path)),
    }
}

/// Names in a directory, sorted, those of itself and its parent first.
fn names(path: Option<Text>) -> Result<Vec<Vec<u8>>, (Text, Errno)> {
    let path = path.unwrap_or_else(|| Text(b".".to_vec()));
    let read = fs::read_dir(path.path()).and_then(|entries| {
        let names = entries.map(|entry| Ok(entry?.file_name().into_vec()));
        names.collect::<std::io::Result<Vec<_>>>()
    });
    let mut names = read.map_err(|error| (path, errno_of(&error)))?;
    names.sort();
    names.splice(0..0, [b".".to_vec(), b"..".to_vec()]);
    Ok(names)
}

fn strings(lua: &Lua, names: Vec<Vec<u8>>) -> mlua::Result<Vec<mlua::LuaString>> {
    names.into_iter().map(|name| lua.create_string(name)).collect()
}

/// A function that gives one name after the other.
fn each(lua: &Lua, state: &State, path: Option<Text>) -> mlua::Result<MultiValue> {
    let names = match names(path) {
        Ok(names) => std::cell::RefCell::new(names.into_iter()),
        Err((path, error)) => return state.error(lua, error, Some(&path)),
    };
    let next = lua.create_function(move |lua, _: MultiValue| {
        names.borrow_mut().next().map(|name| lua.create_string(name)).transpose()
    });
    next?.into_lua_multi(lua)
}

fn access(lua: &Lua, state: &State, (path, wanted): (Text, Option<Text>)) -> mlua::Result<MultiValue> {
    let mut access = Access::EXISTS;
    for letter in wanted.iter().flat_map(|wanted| &wanted.0) {
        access |= match letter {
            b'r' => Access::READ_OK,
            b'w' => Access::WRITE_OK,
            b'x' => Access::EXEC_OK,
            b'f' | b' ' => Access::EXISTS,
            other => {
                let message = format!("unknown mode option `{}'", char::from(*other));
                return Err(mlua::Error::runtime(message));
            }
        };
    }
    state.answer(lua, rustix::fs::access(path.path(), access).map(|()| 0.0), Some(&path))
}

fn chmod(lua: &Lua, state: &State, (path, text): (Text, Text)) -> mlua::Result<MultiValue> {
    let there = match rustix::fs::stat(path.path()) {
        Ok(there) => there.st_mode,
        Err(error) => return state.error(lua, error, Some(&path)),
    };
    let mode = mode::change(there, &text.lossy()).ok_or_else(|| mlua::Error::runtime("bad mode"))?;
    let changed = rustix::fs::chmod(path.path(), Mode::from_raw_mode(mode as RawMode));
    state.answer(lua, changed.map(|()| 0.0), Some(&path))
}

fn chown(lua: &Lua, state: &State, (path, user, group): (Text, Value, Value)) -> mlua::Result<MultiValue> {
    let (user, group) = (people::user(lua, user)?, people::group(lua, group)?);
    let changed = rustix::fs::chown(path.path(), user, group);
    state.answer(lua, changed.map(|()| 0.0), Some(&path))
}

/// The umask as what it leaves; set first, where there is an argument.
fn umask(_: &Lua, _: &State, text: Option<Text>) -> mlua::Result<Option<String>> {
    let mask = rustix::process::umask(Mode::empty());
    let left = !mask.as_raw_mode() & 0o777;
    let wanted = match &text {
        Some(text) => mode::change(left, &text.lossy()).map(|mode| mode & 0o777),
        None => Some(left),
    };
    rustix::process::umask(wanted.map_or(mask, |left| Mode::from_raw_mode(!left as RawMode & 0o777)));
    Ok(wanted.map(mode::show))
}

#[expect(clippy::cast_possible_truncation, reason = "rpm cuts them off too")]
fn utime(
    lua: &Lua,
    state: &State,
    (path, modified, accessed): (Text, Option<f64>, Option<f64>),
) -> mlua::Result<MultiValue> {
    let time = |seconds: Option<f64>| match seconds {
        Some(seconds) => Timespec { tv_sec: seconds as i64, tv_nsec: 0 },
        None => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
    };
    let times = Timestamps { last_access: time(accessed), last_modification: time(modified) };
    let changed = rustix::fs::utimensat(CWD, path.path(), &times, rustix::fs::AtFlags::empty());
    state.answer(lua, changed.map(|()| 0.0), Some(&path))
}

fn stat(lua: &Lua, state: &State, (path, selector): (Text, Option<Text>)) -> mlua::Result<MultiValue> {
    match rustix::fs::lstat(path.path()) {
        Ok(stat) => select(lua, selector.as_ref(), fields(lua, &stat)?)?.into_lua_multi(lua),
        Err(error) => state.error(lua, error, Some(&path)),
    }
}

fn fields(lua: &Lua, stat: &Stat) -> mlua::Result<Vec<(&'static str, Value)>> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => "regular",
        FileType::Symlink => "link",
        FileType::Directory => "directory",
        FileType::CharacterDevice => "character device",
        FileType::BlockDevice => "block device",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::Unknown => "?",
    };
    Ok(vec![
        ("mode", Value::String(lua.create_string(mode::show(stat.st_mode))?)),
        ("ino", number(stat.st_ino)),
        ("dev", number(stat.st_dev)),
        ("nlink", number(stat.st_nlink)),
        ("uid", number(stat.st_uid)),
        ("gid", number(stat.st_gid)),
        ("size", number(stat.st_size)),
        ("atime", number(stat.st_atime)),
        ("mtime", number(stat.st_mtime)),
        ("ctime", number(stat.st_ctime)),
        ("type", Value::String(lua.create_string(kind)?)),
        ("_mode", number(stat.st_mode)),
    ])
}

/// Makes a file in place of a template that ends in `XXXXXX`; returns its name, and the file open.
fn mkstemp(lua: &Lua, state: &State, template: Text) -> mlua::Result<MultiValue> {
    let Some(start) = template.0.strip_suffix(b"XXXXXX") else {
        return state.error(lua, Errno::INVAL, Some(&template));
    };
    for number in 0..TRIES {
        let path = Text([start, format!("{number:06}").as_bytes()].concat());
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(path.path(), flags, Mode::from_raw_mode(0o600)) {
            Ok(_) => {
                let io: mlua::Table = lua.globals().get("io")?;
                let path = lua.create_string(&path.0)?;
                let file: Value = io.get::<mlua::Function>("open")?.call((&path, "a+"))?;
                return (path, file).into_lua_multi(lua);
            }
            Err(Errno::EXIST) => {}
            Err(error) => return state.error(lua, error, Some(&template)),
        }
    }
    state.error(lua, Errno::EXIST, Some(&template))
}
