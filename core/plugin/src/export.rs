//! What [`export_plugin!`](crate::export_plugin) expands to: the C side of a plugin in Rust.
//!
//! A panic must not cross into the host's copy of the standard library (that
//! aborts), so it is caught here, in the plugin's own copy; and because a
//! plugin may be built to abort on panic, a hook reports the message first.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Once, PoisonError, RwLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::abi::{self, Bytes, HostTable, Reply};
use crate::host::RawHost;
use crate::message::{CompleteRequest, Completions, Diagnosis, InsideRequest, method};
use crate::{Check, Error, ErrorKind, Event, Host, Output, Result, Role, Source};

/// A component as the exported table knows it.
#[derive(Clone, Copy)]
pub struct Component {
    id: &'static str,
    object: Object,
}

#[derive(Clone, Copy)]
enum Object {
    Source(&'static (dyn SourceObject + Sync)),
    Output(&'static (dyn OutputObject + Sync)),
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.role().name(), self.id)
    }
}

impl Component {
    /// The component `source id`.
    pub const fn source<T: Source>(id: &'static str, source: &'static T) -> Self {
        Self { id, object: Object::Source(source) }
    }

    /// The component `output id`.
    pub const fn output<T: Output>(id: &'static str, output: &'static T) -> Self {
        Self { id, object: Object::Output(output) }
    }

    fn role(&self) -> Role {
        match self.object {
            Object::Source(_) => Role::Source,
            Object::Output(_) => Role::Output,
        }
    }

    /// Answers a method; `None` where the component has no such method.
    fn handle(&self, method: &str, params: Value, host: &Host) -> Option<Result<Value>> {
        match (self.object, method) {
            (Object::Source(source), method::RESOLVE) => Some(source.resolve(params, host)),
            (Object::Source(source), method::PLAN) => Some(source.plan(params, host)),
            (Object::Source(source), method::BUILD) => Some(source.build(params, host)),
            (Object::Source(source), method::INSIDE) => Some(
                decode(params)
                    .and_then(|request: InsideRequest| source.inside(&request.name, request.params, host)),
            ),
            (Object::Output(output), method::PACKAGE) => Some(output.package(params, host)),
            (object, method::COMPLETE) => Some(decode(params).and_then(|request: CompleteRequest| {
                let candidates = object.complete(&request, host)?;
                encode(Completions { candidates })
            })),
            (object, method::DOCTOR) => {
                Some(object.doctor(host).and_then(|checks| encode(Diagnosis { checks })))
            }
            _ => None,
        }
    }
}

impl Object {
    fn complete(self, request: &CompleteRequest, host: &Host) -> Result<Vec<String>> {
        match self {
            Object::Source(source) => source.complete(&request.option, &request.prefix, host),
            Object::Output(output) => output.complete(&request.option, &request.prefix, host),
        }
    }

    fn doctor(self, host: &Host) -> Result<Vec<Check>> {
        match self {
            Object::Source(source) => source.doctor(host),
            Object::Output(output) => output.doctor(host),
        }
    }
}

/// [`Source`] with its option type behind JSON, so that sources fit one table.
trait SourceObject {
    fn resolve(&self, params: Value, host: &Host) -> Result<Value>;
    fn plan(&self, params: Value, host: &Host) -> Result<Value>;
    fn build(&self, params: Value, host: &Host) -> Result<Value>;
    fn inside(&self, name: &str, params: Value, host: &Host) -> Result<Value>;
    fn complete(&self, option: &str, prefix: &str, host: &Host) -> Result<Vec<String>>;
    fn doctor(&self, host: &Host) -> Result<Vec<Check>>;
}

impl<T: Source> SourceObject for T {
    fn resolve(&self, params: Value, host: &Host) -> Result<Value> {
        encode(Source::resolve(self, &decode(params)?, host)?)
    }

    fn plan(&self, params: Value, host: &Host) -> Result<Value> {
        encode(Source::plan(self, &decode(params)?, host)?)
    }

    fn build(&self, params: Value, host: &Host) -> Result<Value> {
        encode(Source::build(self, &decode(params)?, host)?)
    }

    fn inside(&self, name: &str, params: Value, host: &Host) -> Result<Value> {
        Source::inside(self, name, params, host)
    }

    fn complete(&self, option: &str, prefix: &str, host: &Host) -> Result<Vec<String>> {
        Source::complete(self, option, prefix, host)
    }

    fn doctor(&self, host: &Host) -> Result<Vec<Check>> {
        Source::doctor(self, host)
    }
}

/// [`Output`] with its option type behind JSON.
trait OutputObject {
    fn package(&self, params: Value, host: &Host) -> Result<Value>;
    fn complete(&self, option: &str, prefix: &str, host: &Host) -> Result<Vec<String>>;
    fn doctor(&self, host: &Host) -> Result<Vec<Check>>;
}

impl<T: Output> OutputObject for T {
    fn package(&self, params: Value, host: &Host) -> Result<Value> {
        encode(Output::package(self, &decode(params)?, host)?)
    }

    fn complete(&self, option: &str, prefix: &str, host: &Host) -> Result<Vec<String>> {
        Output::complete(self, option, prefix, host)
    }

    fn doctor(&self, host: &Host) -> Result<Vec<Check>> {
        Output::doctor(self, host)
    }
}

fn decode<T: DeserializeOwned>(params: Value) -> Result<T> {
    serde_json::from_value(params).map_err(|e| {
        let error = Error::usage("the request does not fit this plugin")
            .because(&e)
            .hint("The plugin's manifest and its code disagree, or the plugin is older than this ctr-forge.");
        // serde has no other way to tell which field it was.
        let text = e.to_string();
        match text.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
            Some((option, _)) => error.option(option),
            None => error,
        }
    })
}

fn encode(answer: impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(answer).map_err(|e| Error::plugin("cannot encode the answer").because(&e))
}

/// The host of the call that runs now, for the panic hook alone.
static CURRENT: RwLock<Option<RawHost>> = RwLock::new(None);

fn set_current(host: Option<RawHost>) {
    *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = host;
}

/// Reports panics as events, at once: whoever is built to abort has no later.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let message = info.payload_as_str().unwrap_or("(no message)").to_owned();
            let location = info.location().map(ToString::to_string).unwrap_or_default();
            if let Some(host) = *CURRENT.read().unwrap_or_else(PoisonError::into_inner) {
                host.event(&Event::Panic { message, location });
            }
        }));
    });
}

/// `invoke` of a plugin with these components.
///
/// # Safety
/// The pointers must be what the ABI says they are.
pub unsafe fn invoke(
    components: &'static [Component],
    host: *const HostTable,
    method: Bytes,
    params: Bytes,
    reply: *const Reply,
) -> i32 {
    // SAFETY: the caller's promise.
    let Some(raw) = (unsafe { RawHost::read(host) }) else { return abi::ERR };
    install_panic_hook();
    set_current(Some(raw));
    // SAFETY: the caller's promise.
    let (method, params) = unsafe { (method.as_slice(), params.as_slice()) };
    let outcome = catch_unwind(AssertUnwindSafe(|| dispatch(components, raw, method, params)));
    let (code, answer) = match outcome {
        Ok(None) => (abi::UNKNOWN_METHOD, None),
        Ok(Some(Ok(value))) => (abi::OK, serde_json::to_vec(&value).ok()),
        Ok(Some(Err(error))) => (abi::ERR, serde_json::to_vec(&error).ok()),
        Err(payload) => (abi::PANIC, serde_json::to_vec(&panicked(payload)).ok()),
    };
    // SAFETY: the caller's promise; the answer lives for the call.
    unsafe {
        if let (Some(answer), Some(put)) = (answer, (*reply).put) {
            put((*reply).ctx, Bytes::new(&answer));
        }
    }
    set_current(None);
    code
}

fn dispatch(components: &[Component], raw: RawHost, method: &[u8], params: &[u8]) -> Option<Result<Value>> {
    // Whatever its parameters are: a method of a newer host is unknown, not wrong.
    let known = [
        method::RESOLVE,
        method::PLAN,
        method::BUILD,
        method::INSIDE,
        method::PACKAGE,
        method::COMPLETE,
        method::DOCTOR,
    ];
    let method = known.into_iter().find(|known| known.as_bytes() == method)?;
    let mut params: Value = match serde_json::from_slice(params) {
        Ok(params) => params,
        Err(e) => return Some(Err(Error::usage("the request is not JSON").because(&e))),
    };
    let host = Host::new(raw);
    // SAFETY: the request has just come over the boundary.
    if let Err(error) = unsafe { host.adopt(&mut params) } {
        return Some(Err(error));
    }
    if let Some(protocol) = params["protocol"].as_u64().filter(|&p| p != u64::from(crate::PROTOCOL)) {
        let message = format!("the host speaks protocol {protocol}, this plugin {}", crate::PROTOCOL);
        return Some(Err(Error::new(ErrorKind::Unsupported, message)));
    }
    let (role, id) =
        (params["role"].as_str().unwrap_or_default(), params["component"].as_str().unwrap_or_default());
    let Some(component) = components.iter().find(|c| c.id == id && c.role().name() == role) else {
        return Some(Err(Error::usage(format!("this plugin has no {role} \"{id}\""))));
    };
    component.handle(method, params, &host)
}

fn panicked(payload: Box<dyn Any + Send>) -> Error {
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no message)".to_owned());
    // A payload whose drop panics would panic outside of any catch.
    std::mem::forget(payload);
    Error::plugin(format!("panicked: {message}"))
}

/// Exports a plugin: the manifest as a note, the entry symbol, the components.
///
/// ```text
/// ctr_forge_plugin::export_plugin!(my_source: source "my-source" => MySource);
/// ctr_forge_plugin::export_plugin!(both: source "a" => A, output "b" => B);
/// ```
///
/// The first word is the manifest's `name` with `-` written as `_`. The manifest
/// is `plugin.toml` beside `Cargo.toml`; another place follows the name in
/// brackets: `export_plugin!(name ["path/from/Cargo.toml"]: …)`. The components
/// must be constants.
///
/// The expansion defines `pub extern "C" fn ctr_forge_plugin`, which a program
/// hands to [`serve`](crate::serve()).
#[macro_export]
macro_rules! export_plugin {
    ($name:ident: $($rest:tt)+) => {
        $crate::export_plugin!($name ["plugin.toml"]: $($rest)+);
    };
    ($name:ident [$manifest:literal]: $($role:ident $id:literal => $component:expr),+ $(,)?) => {
        /// The plugin's entry: the table of what it offers.
        #[unsafe(export_name = concat!("ctr_forge_plugin_v1_", stringify!($name)))]
        pub extern "C" fn ctr_forge_plugin() -> *const $crate::abi::PluginTable {
            const MANIFEST: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $manifest));
            const LENGTH: usize = MANIFEST.len();
            #[used]
            #[unsafe(link_section = ".note.ctr-forge")]
            static NOTE: $crate::note::Note<LENGTH> = $crate::note::Note::new(
                MANIFEST.first_chunk::<LENGTH>().expect("an array of its own length"),
                cfg!(panic = "unwind"),
            );
            const COMPONENTS: &[$crate::export::Component] =
                &[$($crate::export::Component::$role($id, &$component)),+];
            unsafe extern "C" fn invoke(
                host: *const $crate::abi::HostTable,
                method: $crate::abi::Bytes,
                params: $crate::abi::Bytes,
                reply: *const $crate::abi::Reply,
            ) -> i32 {
                // SAFETY: the host keeps the ABI's contract.
                unsafe { $crate::export::invoke(COMPONENTS, host, method, params, reply) }
            }
            static TABLE: $crate::abi::PluginTable = $crate::abi::PluginTable {
                size: size_of::<$crate::abi::PluginTable>() as u32,
                abi_minor: $crate::abi::ABI_MINOR,
                manifest: $crate::abi::Bytes::new(NOTE.manifest()),
                invoke: Some(invoke),
                extension: None,
            };
            &raw const TABLE
        }
    };
}
