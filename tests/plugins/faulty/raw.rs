//! What takes the C interface to do wrong: answers and events that are no JSON, methods taken on trust.

use std::hint::black_box;

use ctr_forge_plugin::abi::{Bytes, ERR, HostTable, OK, PluginTable, Reply};
use serde_json::Value;

use crate::sdk;

/// The entry: the plugin as the crates make it, with [`invoke`] before its own.
#[unsafe(no_mangle)]
extern "C" fn ctr_forge_plugin_v1_faulty() -> *const PluginTable {
    if fault(&Value::Null) == "no-table" {
        return std::ptr::null();
    }
    // The host reads it as long as the process lives.
    Box::into_raw(Box::new(PluginTable { invoke: Some(invoke), ..table() }))
}

fn table() -> PluginTable {
    // The tests patch the manifest, so what the compiler knows of it counts for nothing.
    // SAFETY: the table is a static of this library.
    unsafe { *black_box(sdk::ctr_forge_plugin()) }
}

/// The fault that a request asks for, or else the default of the manifest.
fn fault(request: &Value) -> String {
    if let Some(fault) = request["options"]["fault"].as_str() {
        return fault.trim().to_owned();
    }
    // SAFETY: the manifest is a static of this library.
    let manifest = String::from_utf8_lossy(unsafe { table().manifest.as_slice() }).into_owned();
    let default = manifest.split("default = \"").nth(1).and_then(|rest| rest.split('"').next());
    default.unwrap_or_default().trim().to_owned()
}

/// # Safety
/// As the ABI has it.
unsafe extern "C" fn invoke(
    host: *const HostTable,
    method: Bytes,
    params: Bytes,
    reply: *const Reply,
) -> i32 {
    // SAFETY: the caller's promise.
    let (name, text) = unsafe { (method.as_slice(), params.as_slice()) };
    let request: Value = serde_json::from_slice(text).unwrap_or_default();
    let fault = fault(&request);
    // SAFETY: the caller's promise.
    let put = |bytes: &[u8]| unsafe { ((*reply).put.unwrap())((*reply).ctx, Bytes::new(bytes)) };
    // SAFETY: the caller's promise.
    let tell = |bytes: &[u8]| unsafe { ((*host).event.unwrap())((*host).ctx, Bytes::new(bytes)) };
    match (fault.as_str(), name) {
        ("takes-any-method", b"no-such-method") => put(b"{}"),
        ("chokes", b"resolve") if !request["options"].is_object() => std::process::abort(),
        ("doctor-not-json", b"doctor") => put(b"nonsense"),
        ("answer-not-json", b"build") => put(b"nonsense"),
        ("answer-nothing", b"build") => {}
        ("answer-wrong-type", b"build") => put(b"17"),
        ("answer-no-error", b"build") => {
            put(b"{\"kind\":17}");
            return ERR;
        }
        ("answer-code", b"build") => {
            put(b"{}");
            return 77;
        }
        ("answer-huge", b"build") => (0..100).for_each(|_| put(&vec![b'0'; 1_000_000])),
        (_, name) => {
            if (fault.as_str(), name) == ("event-huge", b"build") {
                tell(&vec![b'0'; 100_000_000]);
            }
            if (fault.as_str(), name) == ("event-not-json", b"build") {
                tell(b"nonsense");
            }
            // SAFETY: the caller's promise, passed on.
            return unsafe { (table().invoke.unwrap())(host, method, params, reply) };
        }
    }
    OK
}
