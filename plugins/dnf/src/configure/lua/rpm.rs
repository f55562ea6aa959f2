//! Lua's `rpm` library, and the table `macros`.

use std::fs::{File, OpenOptions};
use std::io::BufRead;
use std::process::{Command, Stdio};
use std::rc::Rc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use mlua::{
    IntoLua, Lua, MetaMethod, MultiValue, Table, UserData, UserDataFields, UserDataMethods, Value, Variadic,
};

use super::library::{Library, State, Text, errno_of};
use super::{glob, process, stream};
use crate::configure::evr::{self, Parts};

/// Characters in a line of base64, where none are asked for.
const LINE: usize = 64;

/// What rpm quotes words with that have blanks in them.
const QUOTE: u8 = 0x1f;

/// Makes both known to scripts.
pub(super) fn publish(lua: &Lua, state: &Rc<State>) -> mlua::Result<()> {
    let rpm = Library::new(lua, state)?;
    add_macros(&rpm)?;
    add_programs(&rpm)?;
    add_texts(&rpm)?;
    stream::add(&rpm)?;
    rpm.add("glob", |_, _, (pattern, _): (Text, Value)| Ok(glob::glob(&pattern.lossy())))?;
    if state.input.borrow().is_some() {
        // The code has the one name, the manual the other.
        for name in ["next_file", "next_line"] {
            rpm.add(name, |lua, state, ()| next_path(lua, state))?;
        }
    }
    rpm.publish("rpm")?;
    publish_macros(lua, state)
}

/// The next path that set the script off; nil behind the last.
fn next_path(lua: &Lua, state: &State) -> mlua::Result<Value> {
    let mut line = Vec::new();
    if let Some(input) = &mut *state.input.borrow_mut() {
        input.read_until(b'\n', &mut line).map_err(mlua::Error::external)?;
    }
    let path = line.strip_suffix(b"\n").unwrap_or(&line);
    if line.is_empty() { Ok(Value::Nil) } else { lua.create_string(path)?.into_lua(lua) }
}

fn add_macros(rpm: &Library<'_>) -> mlua::Result<()> {
    rpm.add("expand", |_, state, text: Text| Ok(state.macros.borrow().expand(&text.lossy())))?;
    rpm.add("define", |_, state, text: Text| {
        define(state, &text.lossy()).ok_or_else(|| mlua::Error::runtime("error defining macro"))
    })?;
    rpm.add("undefine", |_, state, name: Text| {
        state.macros.borrow_mut().undefine(&name.lossy());
        Ok(())
    })?;
    rpm.add("isdefined", |_, state, name: Text| {
        Ok((state.macros.borrow().get(&name.lossy()).is_some(), false))
    })?;
    rpm.add("load", |_, state, path: Text| {
        let Ok(text) = std::fs::read_to_string(path.path()) else { return Ok(-1.0) };
        for line in text.lines().filter_map(|line| line.trim_start().strip_prefix('%')) {
            define(state, line);
        }
        Ok(0.0)
    })
}

/// `NAME BODY`
fn define(state: &State, text: &str) -> Option<()> {
    let (name, body) = text.trim_start().split_once(char::is_whitespace)?;
    let is_name = name.len() >= 2 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| state.macros.borrow_mut().define(name, body.trim_start()))
}

/// `macros.NAME`: what it expands to, or nil; assigned, it is defined, or no more.
fn publish_macros(lua: &Lua, state: &Rc<State>) -> mlua::Result<()> {
    let meta = Library::new(lua, state)?;
    meta.add("__index", |_, state, (_, name): (Table, Text)| {
        let macros = state.macros.borrow();
        Ok(macros.get(&name.lossy()).map(|body| macros.expand(body)))
    })?;
    meta.add("__newindex", |_, state, (_, name, body): (Table, Text, Option<Text>)| {
        match body {
            Some(body) => state.macros.borrow_mut().define(&name.lossy(), &body.lossy()),
            None => state.macros.borrow_mut().undefine(&name.lossy()),
        }
        Ok(())
    })?;
    let macros = lua.create_table()?;
    macros.set_metatable(Some(meta.table))?;
    lua.globals().set("macros", macros)
}

fn add_programs(rpm: &Library<'_>) -> mlua::Result<()> {
    rpm.add("execute", |lua, state, (program, words): (Text, Variadic<Text>)| {
        process::execute(lua, state, Command::new(program.os()).args(words.iter().map(Text::os)))
    })?;
    rpm.add("spawn", |lua, state, (words, actions): (Vec<Text>, Option<Table>)| {
        spawn(lua, state, &words, actions)
    })?;
    rpm.add("redirect2null", process::redirect_to_null)
}

fn spawn(lua: &Lua, state: &State, words: &[Text], actions: Option<Table>) -> mlua::Result<MultiValue> {
    let Some((program, words)) = words.split_first() else {
        return Err(mlua::Error::runtime("command not supplied"));
    };
    let mut command = Command::new(program.os());
    command.args(words.iter().map(Text::os));
    for action in actions.iter().flat_map(Table::pairs::<Text, Text>) {
        let (stream, path) = action?;
        let opened = match &stream.0[..] {
            b"stdin" => File::open(path.path()),
            b"stdout" | b"stderr" => OpenOptions::new().append(true).create(true).open(path.path()),
            _ => {
                let message = format!("invalid spawn directive: {}", stream.lossy());
                return Err(mlua::Error::runtime(message));
            }
        };
        let file = match opened {
            Ok(file) => Stdio::from(file),
            Err(error) => return state.error(lua, errno_of(&error), None),
        };
        match &stream.0[..] {
            b"stdin" => command.stdin(file),
            b"stdout" => command.stdout(file),
            _ => command.stderr(file),
        };
    }
    process::execute(lua, state, &mut command)
}

fn add_texts(rpm: &Library<'_>) -> mlua::Result<()> {
    rpm.add("b64encode", |_, _, (text, line): (mlua::LuaString, Option<i64>)| {
        Ok(encode(&text.as_bytes(), line))
    })?;
    rpm.add("b64decode", |lua, _, text: mlua::LuaString| match decode(&text.as_bytes()) {
        Some(bytes) => lua.create_string(bytes)?.into_lua(lua),
        None => Ok(Value::Nil),
    })?;
    rpm.add("vercmp", |_, _, (one, two): (Text, Text)| {
        let (one, two) = (Version::parse(&one.lossy())?, Version::parse(&two.lossy())?);
        Ok(one.parts().compare(&two.parts()) as i64)
    })?;
    rpm.add("ver", |_, _, parts: Variadic<Option<Text>>| {
        let parts: Vec<_> = parts.iter().map(|part| part.as_ref().map(Text::lossy)).collect();
        match &parts[..] {
            [Some(evr)] => Version::parse(evr),
            [epoch, Some(version), release] => {
                Ok(Version { epoch: epoch.clone(), version: version.clone(), release: release.clone() })
            }
            parts => Err(mlua::Error::runtime(format!("invalid number of arguments: {}", parts.len()))),
        }
    })?;
    rpm.add("splitargs", |lua, _, text: Text| {
        let words: mlua::Result<Vec<_>> =
            split(&text.0).into_iter().map(|word| lua.create_string(word)).collect();
        lua.create_sequence_from(words?)
    })?;
    rpm.add("unsplitargs", |lua, _, words: Vec<Text>| lua.create_string(unsplit(&words)))
}

/// Base64 in lines of whole groups, each with an end, or all in one without, if 0 is asked for.
fn encode(bytes: &[u8], line: Option<i64>) -> String {
    let text = general_purpose::STANDARD.encode(bytes);
    let width = line.and_then(|width| usize::try_from(width).ok()).unwrap_or(LINE) / 4 * 4;
    if width == 0 {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / width + 1);
    for (at, c) in text.chars().enumerate() {
        lines.push(c);
        if (at + 1) % width == 0 || at + 1 == text.len() {
            lines.push('\n');
        }
    }
    lines
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    GeneralPurpose::new(&STANDARD, config).decode(text).ok()
}

/// Words between blanks.
fn split(text: &[u8]) -> Vec<Vec<u8>> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), None::<Vec<u8>>, false);
    for &byte in text {
        match byte {
            QUOTE => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            b' ' | b'\t' if !is_quoted => words.extend(word.take()),
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

fn unsplit(words: &[Text]) -> Vec<u8> {
    let quoted = words.iter().map(|Text(word)| match word.is_empty() || word.contains(&b' ') {
        true => [&[QUOTE], &word[..], &[QUOTE]].concat(),
        false => word.clone(),
    });
    quoted.collect::<Vec<_>>().join(&b' ')
}

/// `rpm.ver`
#[derive(Debug, Clone)]
struct Version {
    epoch: Option<String>,
    version: String,
    release: Option<String>,
}

impl Version {
    fn parse(text: &str) -> mlua::Result<Self> {
        let parts = evr::parse(text).ok_or_else(|| mlua::Error::runtime("invalid version"))?;
        let owned = |part: Option<&str>| part.map(str::to_owned);
        Ok(Self {
            epoch: owned(parts.epoch),
            version: parts.version.to_owned(),
            release: owned(parts.release),
        })
    }

    fn parts(&self) -> Parts<'_> {
        Parts { epoch: self.epoch.as_deref(), version: &self.version, release: self.release.as_deref() }
    }
}

impl UserData for Version {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("e", |_, this| Ok(this.epoch.clone()));
        fields.add_field_method_get("v", |_, this| Ok(this.version.clone()));
        fields.add_field_method_get("r", |_, this| Ok(this.release.clone()));
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        type Other = mlua::UserDataRef<Version>;
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            let epoch = this.epoch.as_ref().map(|epoch| format!("{epoch}:")).unwrap_or_default();
            let release = this.release.as_ref().map(|release| format!("-{release}")).unwrap_or_default();
            Ok(format!("{epoch}{}{release}", this.version))
        });
        methods.add_meta_method(MetaMethod::Eq, |_, this, other: Other| {
            Ok(this.parts().compare(&other.parts()).is_eq())
        });
        methods.add_meta_method(MetaMethod::Lt, |_, this, other: Other| {
            Ok(this.parts().compare(&other.parts()).is_lt())
        });
        methods.add_meta_method(MetaMethod::Le, |_, this, other: Other| {
            Ok(this.parts().compare(&other.parts()).is_le())
        });
    }
}
