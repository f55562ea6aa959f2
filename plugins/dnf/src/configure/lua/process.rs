//! Lua's `posix` library: processes, their environment, and what the machine is; and `os.exit`.
//!
//! Unsafe code is here because a process is what it is about: a copy of it, its environment, its
//! end. The process that runs scripts has one thread, so nobody else is in the middle of anything.

use std::os::unix::process::CommandExt;
use std::process::Command;

use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Table, Value, Variadic};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

use super::library::{Library, State, Text, describe, errno_of, number, select};

/// What sysconf(3) answers on Linux; a script must not find out where it is built.
const SYSTEM: [(&str, i32); 10] = [
    ("arg_max", 2_097_152),
    ("child_max", -1),
    ("clk_tck", 100),
    ("ngroups_max", 65_536),
    ("stream_max", 16),
    ("tzname_max", -1),
    ("open_max", 1024),
    ("job_control", 1),
    ("saved_ids", 1),
    ("version", 200_809),
];

/// What pathconf(3) answers on Linux.
const PATHS: [(&str, i32); 9] = [
    ("link_max", 65_000),
    ("max_canon", 255),
    ("max_input", 255),
    ("name_max", 255),
    ("path_max", 4096),
    ("pipe_buf", 4096),
    ("chown_restricted", 1),
    ("no_trunc", 1),
    ("vdisable", 0),
];

pub(super) fn add(posix: &Library<'_>) -> mlua::Result<()> {
    add_processes(posix)?;
    add_environment(posix)?;
    add_machine(posix)?;
    let exit = Library::new(posix.lua, posix.state)?;
    exit.add("exit", |_, state, code: Option<i32>| {
        state.must_have_forked("exit")?;
        end(code.unwrap_or(0));
        Ok(())
    })?;
    posix.lua.globals().get::<Table>("os")?.set("exit", exit.table.get::<Value>("exit")?)
}

fn add_processes(posix: &Library<'_>) -> mlua::Result<()> {
    posix.add("fork", |lua, state, ()| {
        // SAFETY: this process has one thread. The copy goes on in the script and ends with it.
        let pid = unsafe { libc::fork() };
        let result = if pid < 0 { Err(errno_of(&std::io::Error::last_os_error())) } else { Ok(pid) };
        state.answer(lua, result, None)
    })?;
    posix.add("exec", |lua, state, (program, words): (Text, Variadic<Text>)| {
        state.must_have_forked("exec")?;
        let error = Command::new(program.os()).args(words.iter().map(Text::os)).exec();
        state.error(lua, errno_of(&error), Some(&program))
    })?;
    posix.add("wait", |lua, state, pid: Option<i32>| state.answer(lua, wait(pid.unwrap_or(-1)), None))?;
    posix.add("kill", |lua, state, (pid, signal): (i32, Option<i32>)| {
        let signal = signal.unwrap_or(Signal::TERM.as_raw());
        state.answer(lua, kill(pid, signal).map(|()| 0.0), None)
    })?;
    posix.add("sleep", |_, _, seconds: u32| {
        std::thread::sleep(std::time::Duration::from_secs(seconds.into()));
        Ok(0.0)
    })?;
    posix.add("redirect2null", |lua, state, fd: i32| redirect_to_null(lua, state, fd))?;
    posix.add("errno", |_, state, ()| Ok((describe(state.errno.get()), f64::from(state.errno.get()))))
}

/// Points a standard descriptor at `/dev/null`, in a copy of the process that is about to become
/// another program.
pub(super) fn redirect_to_null(lua: &Lua, state: &State, fd: i32) -> mlua::Result<MultiValue> {
    state.must_have_forked("redirect2null")?;
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null");
    let result = null.map_err(|error| errno_of(&error)).and_then(|null| match fd {
        0 => rustix::stdio::dup2_stdin(null),
        1 => rustix::stdio::dup2_stdout(null),
        2 => rustix::stdio::dup2_stderr(null),
        _ => Err(Errno::BADF),
    });
    state.answer(lua, result.map(|()| fd), None)
}

fn wait(pid: i32) -> Result<i32, Errno> {
    let options = WaitOptions::empty();
    let ended = match pid {
        -1 => rustix::process::wait(options)?.map(|(pid, _)| pid),
        0 => rustix::process::waitpgid(rustix::process::getpgrp(), options)?.map(|(pid, _)| pid),
        1.. => rustix::process::waitpid(Pid::from_raw(pid), options)?.map(|(pid, _)| pid),
        _ => {
            let group = pid.checked_neg().and_then(Pid::from_raw).ok_or(Errno::INVAL)?;
            rustix::process::waitpgid(group, options)?.map(|(pid, _)| pid)
        }
    };
    Ok(ended.map_or(0, |pid| pid.as_raw_nonzero().get()))
}

fn kill(pid: i32, signal: i32) -> Result<(), Errno> {
    use rustix::process;
    let process = Pid::from_raw(pid.checked_abs().ok_or(Errno::INVAL)?);
    if signal == 0 {
        return match (process, pid) {
            (None, _) => process::test_kill_current_process_group(),
            (Some(process), 1..) => process::test_kill_process(process),
            (Some(group), _) => process::test_kill_process_group(group),
        };
    }
    let signal = Signal::from_named_raw(signal).ok_or(Errno::INVAL)?;
    match (process, pid) {
        (None, _) => process::kill_current_process_group(signal),
        (Some(process), 1..) => process::kill_process(process, signal),
        (Some(group), _) => process::kill_process_group(group, signal),
    }
}

/// Ends this process at once: of what it is a copy of, nothing may run on the way but what Lua
/// itself has not written yet.
pub(super) fn end(code: i32) {
    // SAFETY: writes out what is buffered, and ends a process that has one thread.
    unsafe {
        libc::fflush(std::ptr::null_mut());
        libc::_exit(code)
    }
}

/// As [`end`], and what is not written yet is lost.
pub(super) fn leave(code: i32) {
    // SAFETY: ends a process that has one thread.
    unsafe { libc::_exit(code) }
}

fn add_environment(posix: &Library<'_>) -> mlua::Result<()> {
    posix.add("getenv", |lua, _, name: Option<Text>| match name {
        Some(name) => match std::env::var_os(name.os()) {
            Some(value) => Ok(Value::String(lua.create_string(value.as_encoded_bytes())?)),
            None => Ok(Value::Nil),
        },
        None => all_variables(lua),
    })?;
    posix.add("setenv", |lua, state, (name, value, replace): (Text, Text, Option<bool>)| {
        let set = match std::env::var_os(name.os()) {
            Some(_) if replace == Some(false) => Ok(()),
            _ => set_variable(&name, Some(&value)),
        };
        state.answer(lua, set.map(|()| 0.0), Some(&name))
    })?;
    posix.add("putenv", |lua, state, text: Text| {
        let set = match text.0.iter().position(|&byte| byte == b'=') {
            Some(at) => set_variable(&Text(text.0[..at].to_vec()), Some(&Text(text.0[at + 1..].to_vec()))),
            None => set_variable(&text, None),
        };
        state.answer(lua, set.map(|()| 0.0), Some(&text))
    })?;
    posix.add("unsetenv", |_, _, name: Text| {
        // A name that cannot be is not there.
        let _ = set_variable(&name, None);
        Ok(())
    })
}

fn all_variables(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    for (name, value) in std::env::vars_os() {
        table
            .set(lua.create_string(name.as_encoded_bytes())?, lua.create_string(value.as_encoded_bytes())?)?;
    }
    Ok(Value::Table(table))
}

fn set_variable(name: &Text, value: Option<&Text>) -> Result<(), Errno> {
    if name.0.is_empty() || name.0.contains(&b'=') {
        return Err(Errno::INVAL);
    }
    // SAFETY: this process has one thread. Names that cannot be were refused, and a text has no NUL.
    unsafe {
        match value {
            Some(value) => std::env::set_var(name.os(), value.os()),
            None => std::env::remove_var(name.os()),
        }
    }
    Ok(())
}

fn add_machine(posix: &Library<'_>) -> mlua::Result<()> {
    posix.table.set("version", "posix library for Lua 5.4")?;
    posix.add("ttyname", |_, _, _: Option<i32>| Ok(Value::Nil))?;
    posix.add("ctermid", |_, _, ()| Ok("/dev/tty"))?;
    posix.add("sysconf", |lua, _, selector: Option<Text>| constants(lua, selector.as_ref(), &SYSTEM))?;
    posix.add("pathconf", |lua, _, (_, selector): (Text, Option<Text>)| {
        constants(lua, selector.as_ref(), &PATHS)
    })?;
    posix.add("uname", |lua, _, format: Option<Text>| uname(lua, format))?;
    posix.add("times", |lua, _, selector: Option<Text>| {
        // SAFETY: a struct of plain numbers, for which zero is a value; it outlives the call.
        let (elapsed, times) = unsafe {
            let mut times: libc::tms = std::mem::zeroed();
            (libc::times(&raw mut times), times)
        };
        // Ticks by what is no number of ticks: so it is in rpm.
        #[expect(clippy::cast_precision_loss, reason = "a time")]
        let time = |ticks: libc::clock_t| Value::Number(ticks as f64 / 1_000_000.0);
        let times = vec![
            ("utime", time(times.tms_utime)),
            ("stime", time(times.tms_stime)),
            ("cutime", time(times.tms_cutime)),
            ("cstime", time(times.tms_cstime)),
            ("elapsed", time(elapsed)),
        ];
        select(lua, selector.as_ref(), times)
    })
}

fn constants(lua: &Lua, selector: Option<&Text>, constants: &[(&'static str, i32)]) -> mlua::Result<Value> {
    select(lua, selector, constants.iter().map(|&(name, value)| (name, number(value))).collect())
}

fn uname(lua: &Lua, format: Option<Text>) -> mlua::Result<Value> {
    let uname = rustix::system::uname();
    let format = format.map_or("%s %n %r %v %m".to_owned(), |format| format.lossy());
    let mut text = Vec::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        let part = match letter {
            '%' => match letters.next() {
                Some('%') => b"%",
                Some('m') => uname.machine().to_bytes(),
                Some('n') => uname.nodename().to_bytes(),
                Some('r') => uname.release().to_bytes(),
                Some('s') => uname.sysname().to_bytes(),
                Some('v') => uname.version().to_bytes(),
                other => {
                    let message = format!("unknown format option `{}'", other.unwrap_or(' '));
                    return Err(mlua::Error::runtime(message));
                }
            },
            letter => {
                text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        };
        text.extend_from_slice(part);
    }
    lua.create_string(text)?.into_lua(lua)
}

/// Runs a program and waits for its end: 0, or nil, how it ended, and the code or signal.
pub(super) fn execute(lua: &Lua, state: &State, command: &mut Command) -> mlua::Result<MultiValue> {
    use std::os::unix::process::ExitStatusExt;
    let status = match command.status() {
        Ok(status) => status,
        Err(error) => return state.error(lua, errno_of(&error), None),
    };
    match (status.code(), status.signal()) {
        (Some(0), _) => 0.0.into_lua_multi(lua),
        (Some(code), _) => (Value::Nil, "exit code", f64::from(code)).into_lua_multi(lua),
        (None, signal) => (Value::Nil, "exit signal", f64::from(signal.unwrap_or(0))).into_lua_multi(lua),
    }
}
