//! rpm's own Lua: the interpreter of `-p <lua>` scriptlets (rpm-lua(7)).
//!
//! | module | what it has |
//! |---|---|
//! | `files` | `posix`: files and directories |
//! | `people` | `posix`: users and groups |
//! | `process` | `posix`: processes and their environment, `os.exit` |
//! | `mode` | permissions as texts |
//! | `rpm` | `rpm`: macros, programs, versions; `macros` |
//! | `stream` | `rpm.open` |
//! | `glob` | `rpm.glob` |
//! | `library` | what these share |
//!
//! It runs in a process of its own that has entered the root: what a script reads, writes and
//! starts is the root's. Numbers are floating ones and errors `nil`, text, number wherever rpm
//! has them so; scripts test for that. Other than in rpm, scripts do not see each other's
//! variables, directories are sorted, and users are read from the root's files without its C library.
//! `rpm.register`, `unregister`, `call` and `interactive` are left out: they are of use to rpm
//! itself, and to somebody at a terminal.

mod files;
mod glob;
mod library;
mod mode;
mod people;
mod process;
mod rpm;
mod stream;

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, Write};
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ctr_forge_plugin::{Error, Result};
use mlua::{Lua, Table};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::macros::Macros;
use library::State;

/// Most bytes of memory that a script may take.
const MEMORY: usize = if cfg!(test) { 16 << 20 } else { 1 << 30 };

/// Where modules lie that scripts ask for (`%{_rpmluadir}`).
const MODULES: &str = "/usr/lib/rpm/lua/?.lua";

/// A script that is run in the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Call {
    /// What messages call it: `%post(glibc-2.41-1.fc42.x86_64)`.
    pub(super) name: String,
    /// Its text, in base64: it need not be UTF-8.
    pub(super) body: String,
    /// `arg[1]` and so on: the interpreter's words.
    pub(super) words: Vec<String>,
    /// What follows these.
    pub(super) numbers: Vec<usize>,
    /// `RPM_INSTALL_PREFIX`, if there is any.
    pub(super) prefixes: Vec<String>,
    /// Whether standard input is a list of paths.
    pub(super) has_paths: bool,
    /// What macros stand for.
    pub(super) macros: Macros,
}

impl Call {
    /// A call of a script.
    pub(super) fn new(name: &str, body: &[u8]) -> Self {
        Self { name: name.to_owned(), body: STANDARD.encode(body), ..Self::default() }
    }
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// Why it failed, if it did.
    pub(super) failure: Option<String>,
}

/// Runs a script; this process has entered the root, and has one thread.
///
/// # Errors
///
/// If this is no call of a script. That the script fails is in the answer.
pub fn inside(params: Value) -> Result<Value> {
    let wrong = |e: &dyn std::error::Error| Error::plugin("a call of a script is not understood").because(e);
    let call: Call = serde_json::from_value(params).map_err(|e| wrong(&e))?;
    let body = STANDARD.decode(&call.body).map_err(|e| wrong(&e))?;
    let input: Option<Box<dyn BufRead>> = call.has_paths.then(|| Box::new(io::stdin().lock()) as Box<_>);
    let ended = Ended { failure: run(&call, &body, input).err() };
    serde_json::to_value(ended).map_err(|e| wrong(&e))
}

/// Runs a script; `input` has the paths that set it off.
fn run(call: &Call, body: &[u8], input: Option<Box<dyn BufRead>>) -> Result<(), String> {
    let state = Rc::new(State {
        process: std::process::id(),
        errno: Cell::new(0),
        macros: RefCell::new(call.macros.clone()),
        input: RefCell::new(input),
    });
    let lua = Lua::new();
    let ended = prepare(&lua, &state, call).and_then(|()| execute(&lua, call, body));
    if state.has_forked() {
        // A copy of this process that the script made and did not end must not go on as this one,
        // nor write what this one is going to write.
        let _ = writeln!(io::stderr(), "no exec() called after fork() in {}", call.name);
        process::leave(1);
    }
    // Files that the script left open are written when this goes.
    drop(lua);
    ended.map_err(|error| library::reason(&error))
}

/// Makes everything that a script finds beside Lua's own libraries.
fn prepare(lua: &Lua, state: &Rc<State>, call: &Call) -> mlua::Result<()> {
    lua.set_memory_limit(MEMORY)?;
    let globals = lua.globals();
    globals.get::<Table>("package")?.set("path", MODULES)?;
    let posix = library::Library::new(lua, state)?;
    files::add(&posix)?;
    people::add(&posix)?;
    process::add(&posix)?;
    posix.publish("posix")?;
    rpm::publish(lua, state)?;
    if !call.prefixes.is_empty() {
        globals.set("RPM_INSTALL_PREFIX", lua.create_sequence_from(call.prefixes.iter().cloned())?)?;
    }
    // What it prints and what programs print that it starts must not change places.
    lua.load("io.stdout:setvbuf('no')").exec()
}

fn execute(lua: &Lua, call: &Call, body: &[u8]) -> mlua::Result<()> {
    // As rpm has it, and on the script's first line, so that numbers of lines stay what they are.
    let mut text = b"local opt, arg = ...;".to_vec();
    text.extend_from_slice(body);
    let arguments = lua.create_sequence_from(call.words.iter().cloned())?;
    for &number in &call.numbers {
        arguments.push(number)?;
    }
    lua.load(text)
        .set_name(&call.name)
        .set_mode(mlua::chunk::ChunkMode::Text)
        .call((lua.create_table()?, arguments))
}

#[cfg(test)]
mod tests;
