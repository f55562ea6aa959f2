//! Methods and requests that no component should fall over.

use ctr_forge_plugin::message::{CompleteRequest, Completions, Diagnosis, method};
use ctr_forge_plugin::{Error, ErrorKind, OptionSpec, PROTOCOL, Role, ValueType};
use serde_json::{Value, json};

use super::{Outcome, Subject, text};
use crate::options::{Files, plain_value};
use crate::{Attachments, ops};

/// Returns whether the plugin loads at all; if not, no other check says more.
pub(super) fn check(subject: &Subject<'_>, add: &mut dyn FnMut(&str, Outcome)) -> bool {
    let loads = subject.job().map(drop).map_err(|error| text(&error));
    let usable = loads.is_ok();
    add("loads", Outcome::of(loads));
    if !usable {
        return false;
    }
    add("answers an unknown method", Outcome::of(unknown_method(subject)));
    add("answers garbage", Outcome::of(garbage(subject)));
    add("refuses an unknown option", Outcome::of(unknown_option(subject)));
    if !subject.component.options.is_empty() {
        add("knows the options of its manifest", known_options(subject));
    }
    add("answers doctor and complete", Outcome::of(side_methods(subject)));
    true
}

/// The method of the component that is asked for whatever it does in the end, with nothing to do.
fn first_method(subject: &Subject<'_>) -> &'static str {
    match subject.role {
        Role::Source => method::RESOLVE,
        Role::Output => method::PACKAGE,
    }
}

fn call(subject: &Subject<'_>, method: &str, params: Value) -> Result<Value, Error> {
    subject.job()?.call(method, params, Attachments::new())
}

fn unknown_method(subject: &Subject<'_>) -> Result<(), String> {
    let request = request(subject, json!({}));
    let answer = subject
        .job()
        .and_then(|mut job| job.call_optional::<Value>("no-such-method", request, Attachments::new()));
    match answer {
        Ok(None) => Ok(()),
        Ok(Some(answer)) => Err(format!("it answered a method that does not exist: {answer}")),
        Err(error) => Err(format!("expected \"unknown method\", got: {}", text(&error))),
    }
}

/// Requests that are no requests must be refused with an error, by a plugin that lives on.
fn garbage(subject: &Subject<'_>) -> Result<(), String> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let long = json!({ "protocol": PROTOCOL, "component": "x".repeat(1 << 20) });
    let mut job = subject.job().map_err(|error| text(&error))?;
    for params in [json!(null), json!(17), json!("text"), json!([]), json!({}), deep, long] {
        let shown: String = params.to_string().chars().take(40).collect();
        match job.call::<Value>(first_method(subject), params, Attachments::new()) {
            Err(error) if error.kind == ErrorKind::Plugin => {
                return Err(format!("on {shown}: {}", text(&error)));
            }
            Err(_) => {}
            Ok(_) => return Err(format!("it took {shown} for a request")),
        }
    }
    Ok(())
}

fn unknown_option(subject: &Subject<'_>) -> Result<(), String> {
    match call(subject, first_method(subject), request(subject, json!({ "no-such-option": 1 }))) {
        Err(error) if error.kind == ErrorKind::Usage => Ok(()),
        Err(error) => Err(format!("expected an error of kind \"usage\", got: {}", text(&error))),
        Ok(_) => Err("it took an option that its manifest does not have".into()),
    }
}

/// Of options whose good values the manifest tells, none may be refused.
fn known_options(subject: &Subject<'_>) -> Outcome {
    let sample = |option: &OptionSpec| {
        let word = option.default.as_ref().or(option.choices.first()).map(String::as_str);
        let word = word.or_else(|| (option.kind == ValueType::Bool).then_some("true"))?;
        let value = plain_value(option, word).ok()?;
        Some((option.name.clone(), if option.is_list() { json!([value]) } else { value }))
    };
    let samples: Vec<_> = subject.component.options.iter().filter_map(sample).collect();
    if samples.is_empty() {
        return Outcome::Skipped("no option has a default or choices".into());
    }
    for (name, value) in samples {
        match call(subject, first_method(subject), request(subject, json!({ &name: value }))) {
            Err(error) if error.kind == ErrorKind::Plugin => {
                return Outcome::Failed(format!("with --{name}: {}", text(&error)));
            }
            Err(error) if error.option.as_ref() == Some(&name) => {
                return Outcome::Failed(format!(
                    "its manifest has --{name}, its code refuses it: {}",
                    text(&error)
                ));
            }
            _ => {}
        }
    }
    Outcome::Passed
}

fn side_methods(subject: &Subject<'_>) -> Result<(), String> {
    let mut job = subject.job().map_err(|error| text(&error))?;
    let failed = |error: Error| text(&error);
    // A plugin may leave both out.
    job.call_optional::<Diagnosis>(method::DOCTOR, request(subject, json!({})), Attachments::new())
        .map_err(failed)?;
    for option in &subject.component.options {
        let request = CompleteRequest {
            protocol: PROTOCOL,
            role: subject.role,
            component: subject.component.id.clone(),
            option: option.name.clone(),
            prefix: String::new(),
        };
        job.call_optional::<Completions>(method::COMPLETE, request, Attachments::new()).map_err(failed)?;
    }
    Ok(())
}

/// A request that lacks nothing but a real target, with `extra` options over those given.
fn request(subject: &Subject<'_>, extra: Value) -> Value {
    // Without files: whoever refuses an option must do so before it opens anything.
    let options = subject.options.to_request(Files::Named, &mut Attachments::new());
    let mut options = options.unwrap_or_else(|_| json!({}));
    if let (Some(options), Value::Object(extra)) = (options.as_object_mut(), extra) {
        options.extend(extra);
    }
    let target = match subject.role {
        Role::Source => Value::Null,
        Role::Output => json!({
            "image": { "os": "linux", "arch": "amd64", "created": 0 },
            "layers": [],
            "destination": null,
        }),
    };
    let request = ops::request(subject.forge, subject.role, &subject.component.id, "amd64", options, target);
    serde_json::to_value(request).unwrap_or_default()
}
