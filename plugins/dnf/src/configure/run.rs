//! One scriptlet, run in the root with what rpm gives it (rpm's `lib/rpmscript.cc`).
//!
//! rpm writes the text to a file in `/var/tmp` and starts the interpreter with its path. Here
//! only the interpreter sees that file. Its name is always the same, so that nothing in the root
//! can come to depend on it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};

use ctr_forge_plugin::message::InsideRequest;
use ctr_forge_plugin::sandbox::{Cover, RunOutcome, RunParams};
use ctr_forge_plugin::{Error, ErrorKind, FileRef, Result, Role, Rootfs, lend};
use ctr_forge_rootfs::{Entry, RootPath, TOUCHED, Writer};

use super::lua::{Call, Ended};
use super::macros::Macros;
use super::script::Script;

/// Where the text of a script lies while it runs, and in which directory.
const SCRIPT: &str = "/var/tmp/rpm-tmp.script";
const PLACE: &str = "/var/tmp";

/// rpm's `SCRIPT_PATH`.
const PATH: &str = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin";

/// What a shell says where a program is not there (POSIX.1-2017, XCU 2.8.2).
const NOT_FOUND: i32 = 127;

/// What [`Source::inside`](ctr_forge_plugin::Source::inside) is asked for to run Lua.
pub const LUA: &str = "lua";

/// With what all scripts of a build run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of this plugin's component, whose `inside` is called for [`LUA`].
    pub component: String,
    /// `SOURCE_DATE_EPOCH`, in seconds since 1970.
    pub epoch: i64,
    /// Seconds that a script may take.
    pub timeout: Option<u64>,
    /// What macros in scripts stand for.
    pub macros: Macros,
    /// Whether the report is to have what each script changed: the whole root is looked through
    /// for that after each.
    pub changes: bool,
}

/// A script that is to be run.
#[derive(Debug, Clone)]
pub(super) struct Task<'t> {
    /// What messages call it: `%post(bash-5.2.37-1.fc42.x86_64)`.
    pub(super) name: String,
    pub(super) script: &'t Script,
    /// `$1` and so on.
    pub(super) arguments: Vec<usize>,
    /// Where the package's relocatable parts are.
    pub(super) prefixes: &'t [String],
    /// Paths that set it off.
    pub(super) paths: Option<Vec<u8>>,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Ran {
    /// Nothing where it was not even started.
    pub(super) outcome: Option<RunOutcome>,
    pub(super) failure: Option<Failure>,
}

/// Why a script failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// As rpm has it: `exit status 1`.
    pub(super) how: String,
    /// What it printed last.
    pub(super) lines: Vec<String>,
}

impl Failure {
    fn exit(code: i32, lines: Vec<String>) -> Self {
        Self { how: format!("exit status {code}"), lines }
    }
}

/// Runs a script. That it fails is no error.
///
/// # Errors
///
/// If the host cannot run it, or if it takes too long.
pub(super) fn run(rootfs: &Rootfs<'_>, settings: &Settings, task: &Task<'_>) -> Result<Ran> {
    let body = match task.script.text(&settings.macros) {
        Ok(body) => body,
        Err(why) => return Ok(not_run(why.to_owned())),
    };
    let paths = task.paths.as_deref().map(in_memory).transpose()?;
    let params = RunParams {
        env: environment(settings, task.prefixes),
        files: paths.iter().map(|paths| (0, lend(paths))).collect::<BTreeMap<i32, FileRef>>(),
        timeout: settings.timeout,
        ..RunParams::default()
    };
    let ran = match task.script.is_lua() {
        true => run_lua(rootfs, settings, task, &body.unwrap_or_default(), params)?,
        false => run_program(rootfs, task, body.as_deref(), params)?,
    };
    match &ran.outcome {
        Some(outcome) if outcome.timed_out => Err(too_long(&task.name, outcome)),
        _ => Ok(ran),
    }
}

fn run_program(rootfs: &Rootfs<'_>, task: &Task<'_>, body: Option<&[u8]>, params: RunParams) -> Result<Ran> {
    let mut argv = task.script.program.clone();
    let text = body.map(in_memory).transpose()?;
    if text.is_some() {
        make_place(rootfs)?;
        argv.push(SCRIPT.to_owned());
        argv.extend(task.arguments.iter().map(usize::to_string));
    }
    let covers = text.iter().map(|text| (SCRIPT.to_owned(), Cover::File(lend(text)))).collect();
    let interpreter = argv[0].clone();
    match rootfs.run(&RunParams { argv, covers, ..params }) {
        Ok(outcome) => Ok(Ran { failure: failure(&outcome), outcome: Some(outcome) }),
        // It could not be started. For rpm that is a failure of the script like any other.
        Err(error) if error.kind == ErrorKind::ToolFailed => {
            let why = error.causes.first().unwrap_or(&error.message);
            let why = format!("failed to exec scriptlet interpreter {interpreter}: {why}");
            Ok(Ran { outcome: None, failure: Some(Failure::exit(NOT_FOUND, vec![why])) })
        }
        Err(error) => Err(error.context(format!("{} cannot be run", task.name))),
    }
}

fn run_lua(
    rootfs: &Rootfs<'_>,
    settings: &Settings,
    task: &Task<'_>,
    body: &[u8],
    params: RunParams,
) -> Result<Ran> {
    let call = Call {
        words: task.script.program.clone(),
        numbers: task.arguments.clone(),
        prefixes: task.prefixes.to_vec(),
        has_paths: task.paths.is_some(),
        macros: settings.macros.clone(),
        ..Call::new(&task.name, body)
    };
    let wrong = |e: serde_json::Error| Error::plugin("a call of a script cannot be told").because(&e);
    let inside = InsideRequest {
        role: Role::Source,
        component: settings.component.clone(),
        name: LUA.to_owned(),
        params: serde_json::to_value(call).map_err(wrong)?,
    };
    let mut outcome = rootfs
        .run(&RunParams { inside: Some(inside), ..params })
        .map_err(|error| error.context(format!("{} cannot be run", task.name)))?;
    let failure = match outcome.answer.take() {
        Some(answer) => {
            let ended: Ended = serde_json::from_value(answer).map_err(wrong)?;
            ended.failure.map(|why| {
                let mut lines = outcome.last_lines();
                lines.push(format!("lua script failed: {why}"));
                Failure::exit(1, lines)
            })
        }
        None => Some(failure(&outcome).unwrap_or_else(|| Failure::exit(1, outcome.last_lines()))),
    };
    Ok(Ran { outcome: Some(outcome), failure })
}

/// How a program failed, if it did.
fn failure(outcome: &RunOutcome) -> Option<Failure> {
    let how = match (outcome.code, outcome.signal) {
        (Some(0), _) => return None,
        (Some(code), _) => return Some(Failure::exit(code, outcome.last_lines())),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit status".to_owned(),
    };
    Some(Failure { how, lines: outcome.last_lines() })
}

fn not_run(why: String) -> Ran {
    let failure = Failure { how: "not run".to_owned(), lines: vec![why] };
    Ran { outcome: None, failure: Some(failure) }
}

fn too_long(name: &str, outcome: &RunOutcome) -> Error {
    let mut error = Error::new(ErrorKind::ToolFailed, format!("{name} {}", outcome.how()));
    error.causes.extend(outcome.last_lines());
    error.hint("--script-timeout SECONDS gives scripts more time; 0 is without an end.")
}

/// All that a script finds in its environment.
fn environment(settings: &Settings, prefixes: &[String]) -> BTreeMap<String, String> {
    let all = [("PATH", PATH.to_owned()), ("HOME", "/".to_owned())];
    let own = [("SOURCE_DATE_EPOCH", settings.epoch.to_string())];
    let mut env: BTreeMap<String, String> =
        all.into_iter().chain(own).map(|(name, value)| (name.to_owned(), value)).collect();
    for (number, prefix) in prefixes.iter().enumerate() {
        env.insert(format!("RPM_INSTALL_PREFIX{number}"), prefix.clone());
    }
    if let Some(prefix) = prefixes.first() {
        env.insert("RPM_INSTALL_PREFIX".to_owned(), prefix.clone());
    }
    env
}

/// A file without a name, to be read from its start.
fn in_memory(content: &[u8]) -> Result<File> {
    let cannot = |e: io::Error| Error::io("cannot hand a script its text", e);
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("script", flags).map_err(|e| cannot(e.into()))?);
    file.write_all(content).and_then(|()| file.rewind()).map_err(cannot)?;
    Ok(file)
}

/// rpm makes the directory for its files where there is none yet.
fn make_place(rootfs: &Rootfs<'_>) -> Result<()> {
    if rootfs.list(PLACE)?.is_some() {
        return Ok(());
    }
    let path = RootPath::new(PLACE.as_bytes()).map_err(|e| Error::plugin(e.to_string()))?;
    rootfs.apply_from(|pipe| {
        let mut writer = Writer::new(BufWriter::new(pipe));
        let entry = Entry { mtime: TOUCHED, ..Entry::directory(path) };
        let cannot = "cannot write to the root";
        writer.entry(&entry, &mut io::empty()).map_err(|e| Error::plugin(cannot).because(&e))?;
        let finished = writer.finish().and_then(|mut sink| sink.flush());
        finished.map_err(|e| Error::io(cannot, e))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_rpms() {
        let settings = Settings {
            component: "dnf".into(),
            epoch: 7,
            timeout: None,
            macros: Macros::default(),
            changes: false,
        };
        let env = environment(&settings, &["/opt".to_owned(), "/srv".to_owned()]);
        let names: Vec<_> = env.keys().map(String::as_str).collect();
        let prefixes = ["RPM_INSTALL_PREFIX", "RPM_INSTALL_PREFIX0", "RPM_INSTALL_PREFIX1"];
        assert_eq!(names, [&["HOME", "PATH"][..], &prefixes, &["SOURCE_DATE_EPOCH"]].concat());
        assert_eq!((&*env["RPM_INSTALL_PREFIX"], &*env["RPM_INSTALL_PREFIX1"]), ("/opt", "/srv"));
    }

    #[test]
    fn failures_are_told_as_rpm_tells_them() {
        let outcome =
            |code, signal| RunOutcome { code, signal, output: "a\n".into(), ..RunOutcome::default() };
        assert_eq!(failure(&outcome(Some(0), None)), None);
        let failed = failure(&outcome(Some(3), None)).unwrap();
        assert_eq!((failed.how.as_str(), &failed.lines[..]), ("exit status 3", &["a".to_owned()][..]));
        assert_eq!(failure(&outcome(None, Some(9))).unwrap().how, "signal 9");
    }

    #[test]
    fn texts_are_read_from_their_start() {
        let text = io::read_to_string(in_memory(b"echo hi\n").unwrap()).unwrap();
        assert_eq!(text, "echo hi\n");
    }
}
