//! The tree of commands, and what all commands share.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, ArgMatches, Command};
use ctr_forge_core::discovery::Catalog;
use ctr_forge_core::policy::Policy;
use ctr_forge_core::{Cancel, Forge};
use ctr_forge_plugin::{Error, ErrorKind, Result, Role};

use crate::terminal::{Console, Verbosity};
use crate::{commands, components, environment, terminal};

/// What every command has at hand.
pub(crate) struct Session {
    pub(crate) forge: Forge,
    pub(crate) catalog: Catalog,
    pub(crate) json: bool,
    pub(crate) verbosity: Verbosity,
}

/// Runs the command line `words`, without the program's name.
pub(crate) fn run(words: &[OsString]) -> Result<ExitCode> {
    let (files, directories) = plugin_words(words);
    // The commands that plugins bring are known only when the plugins are; the others need none.
    let needs_plugins = command_word(words).is_some();
    let (policy, catalog) = match needs_plugins {
        true => {
            let policy = environment::policy()?;
            let search = environment::search_path(files, &directories)?;
            let catalog = Catalog::find(&search, &policy, &environment::version());
            (policy, catalog)
        }
        false => Default::default(),
    };
    check_named_files(&catalog, words)?;
    let program = std::iter::once(OsString::from("ctr-forge"));
    let matches = match command(&catalog).try_get_matches_from(program.chain(words.iter().cloned())) {
        Ok(matches) => matches,
        Err(error) => {
            return explain(error, &catalog, &policy, words).inspect_err(|_| {
                if means_tar_on_stdout(words) {
                    terminal::break_off_tar();
                }
            });
        }
    };
    let verbosity = match (matches.get_flag("quiet"), matches.get_count("verbose")) {
        (true, _) => Verbosity::Quiet,
        (_, 0) => Verbosity::Normal,
        (_, 1) => Verbosity::Verbose,
        _ => Verbosity::Debug,
    };
    let json = matches.get_flag("json");
    // What `plugin test` does is no work that anyone waits for; its own lines tell how far it is.
    let silent = matches.subcommand_name() == Some("plugin") && verbosity == Verbosity::Normal;
    let console = Console::new(if silent { Verbosity::Quiet } else { verbosity }, json);
    let forge = environment::forge(Box::new(console), cancel_on_signals()?, matches.get_flag("offline"))?;
    let session = Session { forge, catalog, json, verbosity };
    dispatch(&session, &matches)
}

/// Whether words that cannot be understood were meant to give a tar on standard output.
fn means_tar_on_stdout(words: &[OsString]) -> bool {
    let to_file = |pair: &[OsString]| {
        let (word, next) = (pair[0].as_encoded_bytes(), pair.get(1).map(|next| next.as_encoded_bytes()));
        match word.strip_prefix(b"--output").or_else(|| word.strip_prefix(b"-o")) {
            Some(b"") => next.is_some_and(|next| next != b"-"),
            Some(b"=-" | b"-") | None => false,
            Some(_) => true,
        }
    };
    let written = (0..words.len()).any(|index| to_file(&words[index..]));
    let written = written || words.iter().any(|word| word == "--dry-run");
    let others = [
        "output",
        "inspect",
        "squash",
        "push",
        "attach",
        "load",
        "sign",
        "verify",
        "plugin",
        "clean",
        "completions",
        "help",
    ];
    // A mistyped "source" is none of the others.
    command_word(words).is_some_and(|word| !others.iter().any(|other| word == other)) && !written
}

/// The first word that is neither an option nor the value of one: the command.
fn command_word(words: &[OsString]) -> Option<&OsString> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--plugin" || word == "--plugin-dir" {
            words.next();
        } else if !word.as_encoded_bytes().starts_with(b"-") {
            return Some(word);
        }
    }
    None
}

fn dispatch(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    match matches.subcommand() {
        Some(("source", matches)) => commands::source::run(session, matches),
        Some(("output", matches)) => commands::output::run(session, matches),
        Some(("inspect", matches)) => commands::inspect::run(session, matches),
        Some(("squash", matches)) => commands::squash::run(session, matches),
        Some(("push", matches)) => commands::push::run(session, matches),
        Some(("attach", matches)) => commands::attach::run(session, matches),
        Some(("load", matches)) => commands::load::run(session, matches),
        Some(("sign", matches)) => commands::sign::run(session, matches),
        Some(("verify", matches)) => commands::verify::run(session, matches),
        Some(("plugin", matches)) => commands::plugin::run(session, matches),
        Some(("clean", matches)) => commands::clean::run(session, matches),
        Some(("completions", matches)) => commands::completions::run(session, matches),
        _ => Err(Error::new(ErrorKind::Internal, "a command without code")),
    }
}

/// The whole command line.
pub(crate) fn command(catalog: &Catalog) -> Command {
    Command::new("ctr-forge")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Forges minimal container images from any Linux distribution")
        .after_help(AFTER_HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(global_arguments())
        .subcommand(components::command(Role::Source, catalog))
        .subcommand(components::command(Role::Output, catalog))
        .subcommand(commands::inspect::cli())
        .subcommand(commands::squash::cli())
        .subcommand(commands::push::cli())
        .subcommand(commands::attach::cli())
        .subcommand(commands::load::cli())
        .subcommand(commands::sign::cli())
        .subcommand(commands::verify::cli())
        .subcommand(commands::plugin::cli())
        .subcommand(commands::clean::cli())
        .subcommand(commands::completions::cli())
}

const AFTER_HELP: &str = "\
Examples:
  ctr-forge source debootstrap bookworm --variant minbase curl -o rootfs.tar
  ctr-forge source scratch --copy hello:/hello -o hello.tar
  ctr-forge output oci hello.tar -o image --tag hello:1 --entrypoint '[\"/hello\"]'
  ctr-forge source scratch --tar rootfs.tar.xz | docker import - mini

Exit codes are listed in docs/EXIT-CODES.md: 0 is success, 2 a wrong command line.";

/// Over the options that every command has.
const HEADING: &str = "Everywhere";

fn global_arguments() -> [Arg; 6] {
    [
        Arg::new("plugin")
            .long("plugin")
            .value_name("FILE")
            .global(true)
            .action(ArgAction::Append)
            .value_parser(clap::value_parser!(PathBuf))
            .help_heading(HEADING)
            .help("Use this plugin, before any other of its name"),
        Arg::new("plugin-dir")
            .long("plugin-dir")
            .value_name("DIR")
            .global(true)
            .action(ArgAction::Append)
            .value_parser(clap::value_parser!(PathBuf))
            .help_heading(HEADING)
            .help("Look for plugins here first"),
        Arg::new("quiet")
            .short('q')
            .long("quiet")
            .global(true)
            .action(ArgAction::SetTrue)
            .help_heading(HEADING)
            .help("Print errors only"),
        Arg::new("verbose")
            .short('v')
            .long("verbose")
            .global(true)
            .action(ArgAction::Count)
            .help_heading(HEADING)
            .help("Print what plugins and tools say; twice for all there is"),
        Arg::new("json")
            .long("json")
            .global(true)
            .action(ArgAction::SetTrue)
            .help_heading(HEADING)
            .help("Print results and errors as JSON"),
        Arg::new("offline")
            .long("offline")
            .global(true)
            .action(ArgAction::SetTrue)
            .help_heading(HEADING)
            .help("Do without the network: use what the cache has"),
    ]
}

/// `--plugin` and `--plugin-dir`, which must be known before the rest can be parsed.
fn plugin_words(words: &[OsString]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    let mut words = words.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let bytes = word.as_encoded_bytes();
        for (name, list) in [("--plugin", &mut files), ("--plugin-dir", &mut directories)] {
            match bytes.strip_prefix(name.as_bytes()) {
                Some([]) => list.extend(words.next().map(PathBuf::from)),
                Some([b'=', path @ ..]) => {
                    list.push(PathBuf::from(OsStr::from_bytes(path)));
                }
                _ => {}
            }
        }
    }
    (files, directories)
}

/// A plugin that the user named and that cannot be used is an error, not a thing to pass over.
fn check_named_files(catalog: &Catalog, words: &[OsString]) -> Result<()> {
    // There the refusal is the answer, not an error.
    if command_word(words).is_some_and(|word| word == "plugin") {
        return Ok(());
    }
    let named = catalog.refused.iter().find(|refused| {
        refused.origin == ctr_forge_core::discovery::Origin::CommandLine
            && words
                .iter()
                .any(|word| word.as_encoded_bytes().ends_with(refused.path.as_os_str().as_encoded_bytes()))
    });
    match named {
        Some(refused) => Err(refused
            .error
            .clone()
            .context(format!("cannot use the plugin {}", refused.path.display()))
            .option("plugin")),
        None => Ok(()),
    }
}

/// Ctrl-C, and the signals that ask a process to end, become a wish to stop.
fn cancel_on_signals() -> Result<Cancel> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let cancel = Cancel::new()?;
    let cannot = |e| Error::io("cannot watch for signals", e);
    // Whoever started us with a signal ignored (nohup, `&` in a script) meant it.
    let watched = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !environment::ignores(signal));
    let mut signals = signal_hook::iterator::Signals::new(watched).map_err(cannot)?;
    let wish = cancel.clone();
    let listen = move || {
        for signal in signals.forever() {
            wish.cancel();
            // Some waits nothing can end: the third time, the signal does what it does to any program.
            if wish.times() > 2 {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen).map_err(cannot)?;
    // What a plugin leaves behind becomes our child, so that it can be found and ended.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(|e| cannot(e.into()))?;
    Ok(cancel)
}

/// Turns clap's complaint into ours; help and version are no complaint.
fn explain(error: clap::Error, catalog: &Catalog, policy: &Policy, words: &[OsString]) -> Result<ExitCode> {
    use clap::error::ErrorKind as Clap;
    match error.kind() {
        Clap::DisplayHelp | Clap::DisplayVersion => {
            terminal::print(&error.render().to_string())?;
            return Ok(ExitCode::SUCCESS);
        }
        Clap::DisplayHelpOnMissingArgumentOrSubcommand => {
            terminal::say(error.render().to_string().trim_end());
            return Ok(ExitCode::from(ErrorKind::Usage.exit_code()));
        }
        _ => {}
    }
    if let Some(error) = unknown_component(&error, catalog, policy, words) {
        return Err(error);
    }
    let text = error.render().to_string();
    let mut parts = text.trim_end().split("\n\n");
    let message = parts.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let mut ours = Error::usage(message.split_whitespace().collect::<Vec<_>>().join(" "));
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        match part.strip_prefix("tip: ") {
            Some(tip) => ours = ours.hint(sentence(tip)),
            None if part.starts_with("For more information") => {
                ours = ours.hint("\"--help\" lists what can be given.")
            }
            None => {}
        }
    }
    Err(ours)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// The error for `source X` and `output X` where there is no X: with what is near, and how to get it.
fn unknown_component(
    error: &clap::Error,
    catalog: &Catalog,
    policy: &Policy,
    words: &[OsString],
) -> Option<Error> {
    use clap::error::ErrorKind as Clap;
    let command = command_word(words)?;
    let role = [Role::Source, Role::Output].into_iter().find(|role| command == role.name());
    let Some(role) = role else { return misplaced_component(command, catalog) };
    let known: Vec<_> = catalog.components(role).iter().map(|(_, component)| component.id.as_str()).collect();
    // Where there are no subcommands at all, clap takes the word for an argument.
    let id = match (error.kind(), known.is_empty()) {
        (Clap::InvalidSubcommand, _) => error.get(ContextKind::InvalidSubcommand)?,
        (Clap::UnknownArgument, true) => error.get(ContextKind::InvalidArg)?,
        _ => return None,
    };
    let ContextValue::String(id) = id else { return None };
    let mut error = Error::usage(format!("there is no {} \"{}\"", role.name(), id.escape_debug()));
    if let Some(near) = ctr_forge_core::suggest(id, known.iter().copied()) {
        error = error.hint(format!("Did you mean \"{near}\"?"));
    }
    if let Some(hint) = policy.install_hint(id) {
        error = error.hint(format!("Install it: {hint}"));
    }
    for refused in
        catalog.refused.iter().filter(|refused| refused.path.to_string_lossy().contains(id.as_str()))
    {
        error = error.hint(format!("{} was refused: {}.", refused.path.display(), refused.error));
    }
    Some(match known.is_empty() {
        true => error.hint("No plugin was found. In a checkout, \"cargo build\" makes them; \"ctr-forge plugin list\" says more."),
        false => error.hint(format!("Known: {}. \"ctr-forge plugin list\" says more.", known.join(", "))),
    })
}

/// The error for a source or output named as if it were a command.
fn misplaced_component(word: &OsString, catalog: &Catalog) -> Option<Error> {
    let word = word.to_str()?;
    let role =
        [Role::Source, Role::Output].into_iter().find(|&role| catalog.component(role, word).is_some())?;
    let message = format!(
        "\"{word}\" is no command but a{} {}",
        if role == Role::Output { "n" } else { "" },
        role.name()
    );
    Some(Error::usage(message).hint(format!("Write it as: ctr-forge {} {word}", role.name())))
}
