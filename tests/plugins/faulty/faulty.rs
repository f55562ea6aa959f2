//! A source plugin that breaks the contract, in a way that its option `fault` chooses.
//!
//! One library serves all tests: they patch the option's default in a copy, so
//! that `plugin test`, which gives no options, meets the fault too.
//!
//! | module | what it holds |
//! |---|---|
//! | `faults` | what a plugin written with the Rust crates can do wrong |
//! | `raw` | what takes the C interface to do wrong |
//! | `streams` | root filesystems, good and bad |

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "it is here to misbehave")]

mod faults;
mod raw;
mod streams;

use ctr_forge_plugin::{BuildTarget, Error, Host, Request, Resolved, Result, Source, SourceReport};
use serde_json::{Map, Value};

/// The plugin as it should be; `raw` exports it under its real name, with another `invoke`.
mod sdk {
    ctr_forge_plugin::export_plugin!(
        faulty_sdk ["plugins/faulty/plugin.toml"]: source "faulty" => crate::Faulty
    );
}

/// The source.
#[derive(Debug)]
struct Faulty;

/// Unparsed, since what is refused depends on the fault.
type Options = Map<String, Value>;

impl Source for Faulty {
    type Options = Options;

    fn resolve(&self, request: &Request<Options>, _: &Host) -> Result<Resolved> {
        check_options(&request.options)?;
        Ok(Resolved::default())
    }

    fn build(&self, request: &Request<Options, BuildTarget>, host: &Host) -> Result<SourceReport> {
        check_options(&request.options)?;
        let stream = host.take(request.target.rootfs)?;
        host.phase("Faulty begins");
        faults::build(fault(&request.options), stream, host)?;
        Ok(SourceReport::default())
    }

    fn inside(&self, name: &str, params: Value, host: &Host) -> Result<Value> {
        faults::inside(name, params, host)
    }
}

fn fault(options: &Options) -> &str {
    options.get("fault").and_then(Value::as_str).unwrap_or_default().trim()
}

fn check_options(options: &Options) -> Result<()> {
    let known = |name: &str| match name {
        "fault" => true,
        "extra" => fault(options) != "forgets-option",
        _ => fault(options) == "takes-any-option",
    };
    match options.keys().find(|name| !known(name)) {
        Some(name) => Err(Error::usage(format!("unknown option \"{name}\"")).option(name)),
        None => Ok(()),
    }
}
