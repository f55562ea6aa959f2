//! Lua's `posix` library: users and groups, by the root's `/etc/passwd` and `/etc/group`
//! (passwd(5), group(5)).
//!
//! They are read as texts. The C library would load modules of the root into this process to ask
//! them, and those need not even be for the same C library.

use std::fs::File;
use std::io::Read;

use mlua::{IntoLua, Lua, Value};
use rustix::fs::{Gid, Uid};

use super::library::{Library, Text, number, select};

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// Most bytes of such a file that are read.
const MAX: u64 = 16 << 20;

pub(super) fn add(posix: &Library<'_>) -> mlua::Result<()> {
    posix.add("getpasswd", |lua, _, (who, selector): (Value, Option<Text>)| {
        let who = if who.is_nil() { number(rustix::process::geteuid().as_raw()) } else { who };
        match find(lua, USERS, &who)? {
            Some(fields) => select(lua, selector.as_ref(), passwd(lua, &fields)?),
            None => Ok(Value::Nil),
        }
    })?;
    posix.add("getgroup", |lua, _, who: Value| match find(lua, GROUPS, &who)? {
        Some(fields) => entry_of_group(lua, &fields),
        None => Ok(Value::Nil),
    })?;
    posix.add("getlogin", |_, _, ()| Ok(Value::Nil))?;
    posix.add("getprocessid", |lua, _, selector: Option<Text>| {
        let id = |pid: Option<rustix::process::Pid>| number(pid.map_or(0, |pid| pid.as_raw_nonzero().get()));
        let ids = vec![
            ("egid", number(rustix::process::getegid().as_raw())),
            ("euid", number(rustix::process::geteuid().as_raw())),
            ("gid", number(rustix::process::getgid().as_raw())),
            ("uid", number(rustix::process::getuid().as_raw())),
            ("pgrp", id(Some(rustix::process::getpgrp()))),
            ("pid", id(Some(rustix::process::getpid()))),
            ("ppid", id(rustix::process::getppid())),
        ];
        select(lua, selector.as_ref(), ids)
    })?;
    posix.add("setuid", |lua, state, who: Value| {
        let user = user(lua, who)?.unwrap_or(Uid::from_raw(u32::MAX));
        state.answer(lua, rustix::thread::set_thread_uid(user).map(|()| 0.0), None)
    })?;
    posix.add("setgid", |lua, state, who: Value| {
        let group = group(lua, who)?.unwrap_or(Gid::from_raw(u32::MAX));
        state.answer(lua, rustix::thread::set_thread_gid(group).map(|()| 0.0), None)
    })
}

/// A user by name or number. One that nobody knows is none, and so is nil: as in rpm, `chown`
/// leaves the owner then.
pub(super) fn user(lua: &Lua, who: Value) -> mlua::Result<Option<Uid>> {
    Ok(id(lua, USERS, who)?.map(Uid::from_raw))
}

/// A group, as [`user`].
pub(super) fn group(lua: &Lua, who: Value) -> mlua::Result<Option<Gid>> {
    Ok(id(lua, GROUPS, who)?.map(Gid::from_raw))
}

fn id(lua: &Lua, file: &str, who: Value) -> mlua::Result<Option<u32>> {
    match who {
        Value::Nil => Ok(None),
        who => match as_number(lua, &who)? {
            Some(id) => Ok(u32::try_from(id).ok().filter(|&id| id != u32::MAX)),
            None => Ok(find(lua, file, &who)?.and_then(|fields| fields.get(2)?.parse().ok())),
        },
    }
}

/// The number that a value is, as a text too.
fn as_number(lua: &Lua, who: &Value) -> mlua::Result<Option<i64>> {
    match who {
        Value::Integer(_) | Value::Number(_) | Value::String(_) => lua.coerce_integer(who.clone()),
        other => Err(mlua::Error::runtime(format!("string or number expected, got {}", other.type_name()))),
    }
}

/// The fields of the line with this name, or this number.
fn find(lua: &Lua, file: &str, who: &Value) -> mlua::Result<Option<Vec<String>>> {
    let (wanted, place) = match as_number(lua, who)? {
        Some(id) => (id.to_string(), 2),
        None => (Text::try_from_value(lua, who)?.lossy(), 0),
    };
    let mut text = Vec::new();
    // Without the file there is nobody.
    let _ = File::open(file).and_then(|file| file.take(MAX).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.len() >= 4 && fields[place] == wanted);
    Ok(line.map(|fields| fields.into_iter().map(str::to_owned).collect()))
}

impl Text {
    fn try_from_value(lua: &Lua, value: &Value) -> mlua::Result<Self> {
        mlua::FromLua::from_lua(value.clone(), lua)
    }
}

fn passwd(lua: &Lua, fields: &[String]) -> mlua::Result<Vec<(&'static str, Value)>> {
    let text = |place: usize| fields.get(place).map_or("", String::as_str).into_lua(lua);
    let id = |place: usize| number(fields.get(place).and_then(|id| id.parse::<u32>().ok()).unwrap_or(0));
    Ok(vec![
        ("name", text(0)?),
        ("uid", id(2)),
        ("gid", id(3)),
        ("dir", text(5)?),
        ("shell", text(6)?),
        ("gecos", text(4)?),
        ("passwd", text(1)?),
    ])
}

fn entry_of_group(lua: &Lua, fields: &[String]) -> mlua::Result<Value> {
    let members = fields.get(3).map_or("", String::as_str).split(',').filter(|name| !name.is_empty());
    let group = lua.create_sequence_from(members)?;
    group.set("name", fields[0].as_str())?;
    group.set("gid", number(fields[2].parse::<u32>().unwrap_or(0)))?;
    Ok(Value::Table(group))
}
