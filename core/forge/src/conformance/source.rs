//! A source at work: its stream, its manners, the same bytes twice, cancelled.

use std::io;
use std::time::Instant;

use ctr_forge_plugin::message::method;
use ctr_forge_plugin::{BuildTarget, Error, ErrorKind, Role};
use ctr_forge_rootfs::{Digest, Exclude};
use serde_json::Value;

use super::{Outcome, Subject, manners, text};
use crate::Attachments;
use crate::ops::{self, SourceRequest};
use crate::options::Files;
use crate::worker::Trace;

pub(super) fn check(subject: &Subject<'_>, add: &mut dyn FnMut(&str, Outcome)) {
    let first = match build(subject) {
        Ok((digest, trace)) => {
            add("builds", Outcome::Passed);
            manners(&trace, add);
            digest
        }
        Err(error) if error.kind == ErrorKind::Usage => {
            let why = format!("{}: give options with --with NAME=VALUE", text(&error));
            add("builds", Outcome::Skipped(why));
            return;
        }
        Err(error) => return add("builds", Outcome::Failed(text(&error))),
    };
    add(
        "same bytes twice",
        match build(subject) {
            Ok((second, _)) if second == first => Outcome::Passed,
            Ok((second, _)) => Outcome::Failed(format!("the same request gave {first}, then {second}")),
            Err(error) => Outcome::Failed(text(&error)),
        },
    );
    add("obeys CANCEL", Outcome::of(cancel(subject)));
}

fn asked(subject: &Subject<'_>) -> SourceRequest {
    SourceRequest {
        component: subject.component.id.clone(),
        options: subject.options.clone(),
        arch: "amd64".into(),
        exclude: Exclude::default(),
        exclude_patterns: Vec::new(),
        lock: None,
        sandbox: ctr_forge_sandbox::Choice::Auto,
        sink: ops::Sink::Nowhere,
    }
}

fn build(subject: &Subject<'_>) -> Result<(Digest, Trace), Error> {
    ops::source_digest(subject.forge, subject.plugin, &asked(subject), subject.limits.call)
}

/// CANCEL comes while the plugin works; whether it still finishes or stops, it must answer soon.
fn cancel(subject: &Subject<'_>) -> Result<(), String> {
    let failed = |error: Error| text(&error);
    let mut job = subject.job().map_err(failed)?;
    let (mut stream, theirs) = io::pipe().map_err(|e| e.to_string())?;
    let mut files = Attachments::new();
    let target = BuildTarget { lock: Value::Null, rootfs: files.add(theirs) };
    let options = subject.options.to_request(Files::Opened, &mut files).map_err(failed)?;
    let id = &subject.component.id;
    let request = ops::request(subject.forge, Role::Source, id, "amd64", options, target);
    let call = job.send_call(method::BUILD, request, files).map_err(failed)?;
    job.cancel(call);
    let before = Instant::now();
    job.set_deadline(Some(subject.limits.cancel));
    std::thread::scope(|scope| {
        // Nobody may be kept from stopping by a pipe that is full.
        scope.spawn(move || io::copy(&mut stream, &mut io::sink()));
        let answer = job.wait::<Value>(call, method::BUILD);
        drop(job);
        match answer {
            Ok(_) => Ok(()),
            Err(error) if error.kind != ErrorKind::Plugin => Ok(()),
            Err(_) if before.elapsed() >= subject.limits.cancel => {
                Err(format!("it had not answered {:?} after CANCEL", subject.limits.cancel))
            }
            Err(error) => Err(text(&error)),
        }
    })
}
