//! @NAME@: a source plugin for ctr-forge.
//!
//! It builds a root filesystem of one directory and one file:
//!
//! ```text
//! etc/
//! etc/greeting    the option "greeting" and a line feed
//! ```
//!
//! Start from here: the options in `plugin.toml` and the trait below are what
//! makes this plugin what it is.

use std::io::{self, BufWriter, Write};

use ctr_forge_plugin::{
    BuildTarget, Check, Error, ErrorKind, Host, Request, Resolved, Result, Source, SourceReport,
};
use ctr_forge_rootfs::{Entry, Kind, RootPath, Writer};
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest greeting, in bytes.
const MAX_GREETING: usize = 4096;

struct @TYPE@;

ctr_forge_plugin::export_plugin!(@IDENT@: source "@NAME@" => @TYPE@);

/// The options, as the manifest has them. The lock holds the same.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Options {
    greeting: String,
}

impl Source for @TYPE@ {
    type Options = Options;

    fn resolve(&self, request: &Request<Options>, _: &Host) -> Result<Resolved> {
        let greeting = checked(&request.options.greeting)?;
        Ok(Resolved {
            lock: json!({ "greeting": greeting }),
            ..Resolved::default()
        })
    }

    fn build(&self, request: &Request<Options, BuildTarget>, host: &Host) -> Result<SourceReport> {
        let content = format!("{}\n", greeting(&request.options, &request.target.lock)?);
        host.check_cancelled()?;
        host.phase("digest");
        log_digest(&content, host)?;
        host.phase("write");
        let stream = BufWriter::new(host.take(request.target.rootfs)?);
        write_rootfs(stream, &content, host)?;
        Ok(SourceReport::default())
    }

    fn complete(&self, option: &str, prefix: &str, _: &Host) -> Result<Vec<String>> {
        let greetings: &[&str] = if option == "greeting" {
            &["hello", "welcome"]
        } else {
            &[]
        };
        Ok(greetings
            .iter()
            .filter(|g| g.starts_with(prefix))
            .map(ToString::to_string)
            .collect())
    }

    fn doctor(&self, host: &Host) -> Result<Vec<Check>> {
        let ok = host
            .host_info()?
            .services
            .iter()
            .any(|service| service == "file.digest");
        let hint = (!ok).then(|| "Use a newer ctr-forge.".to_owned());
        Ok(vec![Check {
            name: "host service file.digest".to_owned(),
            ok,
            hint,
        }])
    }
}

/// The greeting from the lock where there is one, else from the options.
fn greeting(options: &Options, lock: &Value) -> Result<String> {
    if lock.is_null() {
        return checked(&options.greeting).map(str::to_owned);
    }
    let locked = Options::deserialize(lock)
        .map_err(|e| Error::input("the lock is not one of this plugin").because(&e))?;
    checked(&locked.greeting).map(str::to_owned)
}

fn checked(greeting: &str) -> Result<&str> {
    if greeting.len() <= MAX_GREETING {
        return Ok(greeting);
    }
    let message = format!(
        "a greeting of {} bytes is over the limit of {MAX_GREETING}",
        greeting.len()
    );
    Err(Error::usage(message)
        .option("greeting")
        .hint("Choose a shorter one."))
}

/// Lets the host digest the content, through a file that has no name.
///
/// Shows how files travel. A host without these services is no reason to fail.
fn log_digest(content: &str, host: &Host) -> Result<()> {
    let mut file = match host.temp_file() {
        Err(error) if error.kind == ErrorKind::Unsupported => return Ok(()),
        file => file?,
    };
    file.write_all(content.as_bytes())
        .map_err(|e| Error::io("cannot write a temporary file", e))?;
    host.info(format!("etc/greeting is {}", host.digest(&file)?.digest));
    Ok(())
}

/// The same bytes for the same content: entries in order, owned by 0:0, dated 1970.
fn write_rootfs(stream: impl Write, content: &str, host: &Host) -> Result<()> {
    let mut writer = Writer::new(stream);
    let directory = Entry::directory(path("etc")?);
    writer.entry(&directory, &mut io::empty()).map_err(failed)?;
    host.progress(1, 2, "entries")?;
    let kind = Kind::File {
        size: content.len() as u64,
    };
    let file = Entry::new(path("etc/greeting")?, kind, 0o644);
    writer
        .entry(&file, &mut content.as_bytes())
        .map_err(failed)?;
    host.progress(2, 2, "entries")?;
    let mut stream = writer.finish().map_err(failed)?;
    stream.flush().map_err(failed)
}

fn path(name: &str) -> Result<RootPath> {
    RootPath::new(name.as_bytes())
        .map_err(|e| Error::usage(format!("the path \"{name}\"")).because(&e))
}

fn failed(error: impl std::error::Error) -> Error {
    Error::new(ErrorKind::Io, "cannot write the root filesystem").because(&error)
}
