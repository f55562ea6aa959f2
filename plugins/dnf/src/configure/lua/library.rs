//! What the libraries of Lua share: their state, arguments, and how they tell of errors.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::io::{self, BufRead};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use mlua::{FromLua, FromLuaMulti, IntoLuaMulti, Lua, MultiValue, Table, Value};
use rustix::io::Errno;

use crate::configure::macros::Macros;

/// What functions of one script share.
pub(super) struct State {
    /// The process that began the script.
    pub(super) process: u32,
    /// The last error of a system call.
    pub(super) errno: Cell<i32>,
    pub(super) macros: RefCell<Macros>,
    /// The paths that set it off, one in a line.
    pub(super) input: RefCell<Option<Box<dyn BufRead>>>,
}

impl State {
    /// Whether this is a copy of the process that began.
    pub(super) fn has_forked(&self) -> bool {
        std::process::id() != self.process
    }

    /// An error unless this is such a copy: what ends a process must not end that one.
    pub(super) fn must_have_forked(&self, function: &str) -> mlua::Result<()> {
        match self.has_forked() {
            true => Ok(()),
            false => Err(mlua::Error::runtime(format!("{function} not permitted in this context"))),
        }
    }

    /// The answer to a system call: a number, or nil, why, and the error's number.
    pub(super) fn answer<T: Into<f64>>(
        &self,
        lua: &Lua,
        result: Result<T, Errno>,
        about: Option<&Text>,
    ) -> mlua::Result<MultiValue> {
        match result {
            Ok(number) => number.into().into_lua_multi(lua),
            Err(error) => self.error(lua, error, about),
        }
    }

    /// nil, why, and the error's number.
    pub(super) fn error(&self, lua: &Lua, error: Errno, about: Option<&Text>) -> mlua::Result<MultiValue> {
        self.errno.set(error.raw_os_error());
        let why = describe(error.raw_os_error());
        let why = match about {
            Some(about) => [&about.0[..], b": ", why.as_bytes()].concat(),
            None => why.into_bytes(),
        };
        (Value::Nil, lua.create_string(why)?, f64::from(error.raw_os_error())).into_lua_multi(lua)
    }
}

/// What an error's number means, as strerror(3) has it.
pub(super) fn describe(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    let end = text.rfind(" (os error").unwrap_or(text.len());
    text[..end].to_owned()
}

/// The error's number, if it has one.
pub(super) fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Why a script, or a function of ours, failed, as rpm's messages have it: without the way there.
pub(super) fn reason(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } | mlua::Error::BadArgument { cause, .. } => reason(cause),
        mlua::Error::RuntimeError(message) | mlua::Error::SyntaxError { message, .. } => {
            message.split("\nstack traceback:").next().unwrap_or_default().to_owned()
        }
        error => error.to_string(),
    }
}

/// Makes a function of one whose first value says whether it worked: where it did not, the next is
/// why, and that becomes an error at the place of the call, as errors of Lua's own functions are.
const RAISE: &str = "
    local call = ...
    local function answer(worked, ...)
        if worked then return ... end
        error((...), 2)
    end
    return function(...) return answer(call(...)) end";

/// A text that goes to the system: of any bytes but NUL. A number is one too, as everywhere in Lua.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text(pub(super) Vec<u8>);

impl Text {
    pub(super) fn os(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    pub(super) fn path(&self) -> &Path {
        Path::new(self.os())
    }

    pub(super) fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl FromLua for Text {
    fn from_lua(value: Value, lua: &Lua) -> mlua::Result<Self> {
        let kind = value.type_name();
        match lua.coerce_string(value)?.map(|text| text.as_bytes().to_vec()) {
            Some(bytes) if bytes.contains(&0) => Err(mlua::Error::runtime("a text has a NUL byte in it")),
            Some(bytes) => Ok(Self(bytes)),
            None => Err(mlua::Error::runtime(format!("string expected, got {kind}"))),
        }
    }
}

/// A table of functions on its way.
pub(super) struct Library<'l> {
    pub(super) lua: &'l Lua,
    pub(super) state: &'l Rc<State>,
    pub(super) table: Table,
}

impl<'l> Library<'l> {
    pub(super) fn new(lua: &'l Lua, state: &'l Rc<State>) -> mlua::Result<Self> {
        Ok(Self { lua, state, table: lua.create_table()? })
    }

    /// Adds a function.
    pub(super) fn add<A: FromLuaMulti, R: IntoLuaMulti>(
        &self,
        name: &str,
        function: impl Fn(&Lua, &State, A) -> mlua::Result<R> + 'static,
    ) -> mlua::Result<()> {
        let state = self.state.clone();
        let call = self.lua.create_function(move |lua, arguments: MultiValue| {
            let answer =
                A::from_lua_multi(arguments, lua).and_then(|arguments| function(lua, &state, arguments));
            let (mut values, worked) = match answer {
                Ok(values) => (values.into_lua_multi(lua)?, true),
                Err(error) => (reason(&error).into_lua_multi(lua)?, false),
            };
            values.push_front(Value::Boolean(worked));
            Ok(values)
        })?;
        let function: Value = self.lua.load(RAISE).set_name("=rpm").call(call)?;
        self.table.set(name, function)
    }

    /// Adds a function of one path that says whether it worked.
    pub(super) fn add_path(
        &self,
        name: &str,
        function: impl Fn(&Path) -> Result<(), Errno> + 'static,
    ) -> mlua::Result<()> {
        self.add(name, move |lua, state, path: Text| {
            state.answer(lua, function(path.path()).map(|()| 0.0), Some(&path))
        })
    }

    /// Makes it known to scripts by a name.
    pub(super) fn publish(self, name: &str) -> mlua::Result<()> {
        self.lua.globals().set(name, self.table)
    }
}

/// A value by its name out of several, or all of them in a table where none is named.
pub(super) fn select(
    lua: &Lua,
    selector: Option<&Text>,
    values: Vec<(&'static str, Value)>,
) -> mlua::Result<Value> {
    match selector {
        None => Ok(Value::Table(lua.create_table_from(values)?)),
        Some(selector) => {
            let found = values.into_iter().find(|(name, _)| name.as_bytes() == selector.0);
            let unknown = || mlua::Error::runtime(format!("invalid option '{}'", selector.lossy()));
            found.map(|(_, value)| value).ok_or_else(unknown)
        }
    }
}

/// A number as rpm has it.
#[expect(clippy::cast_precision_loss, reason = "rpm's numbers are floating ones too")]
pub(super) fn number(value: impl Into<i128>) -> Value {
    Value::Number(value.into() as f64)
}
