//! The plugin's end of the wire: frames in, `invoke`, frames out.
//!
//! The host's own worker runs this around a library it has loaded, and a plugin
//! that is a program runs it around its own table; so both speak the same
//! frames, and the C ABI is the only way into a plugin's code.

use std::collections::{HashMap, HashSet};
use std::ffi::c_void;
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Condvar, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::abi::{self, Bytes, HostTable, Invoke, PluginTable, Reply};
use crate::files::{borrow, from_frame, to_frame};
use crate::frame::{self, Frame, Kind, MAX_PAYLOAD, Receiver, SOCKET_FD};
use crate::host::put;
use crate::{Error, ErrorKind, Result};

/// Serves a plugin that is a program: `fn main() -> ExitCode { serve(ctr_forge_plugin) }`.
///
/// Started by anything but ctr-forge, it fails at once.
pub fn serve(entry: extern "C" fn() -> *const PluginTable) -> ExitCode {
    // SAFETY: the host opened this descriptor for this process, and nothing
    // else has taken it; that it is a socket is checked before it is used.
    let socket = unsafe { OwnedFd::from_raw_fd(SOCKET_FD) };
    if rustix::net::sockopt::socket_type(&socket).is_err() {
        // Not ours then, perhaps not even open: leave it as it is.
        let _ = socket.into_raw_fd();
        let message = "this program is a plugin of ctr-forge: see \"ctr-forge plugin list\"\n";
        let _ = rustix::io::write(std::io::stderr(), message.as_bytes());
        return ExitCode::from(ErrorKind::Usage.exit_code());
    }
    // What the plugin starts has no business with the host.
    let _ = rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC);
    // SAFETY: the entry returns the plugin's own static table.
    match unsafe { serve_on(socket, Receiver::new(), entry()) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(ErrorKind::Plugin.exit_code()),
    }
}

/// Serves the plugin behind `table` on `socket` until the host closes it.
/// `receiver` may hold what has been read from the socket already.
///
/// # Safety
/// `table` must point to a plugin's table that lives as long as the process.
pub unsafe fn serve_on(socket: OwnedFd, receiver: Receiver, table: *const PluginTable) -> io::Result<()> {
    // SAFETY: the caller's promise.
    let invoke = unsafe { abi::plugin_invoke(table) };
    let invoke = invoke.ok_or_else(|| io::Error::other("the plugin's table has no invoke"))?;
    // A thread that the plugin leaves behind may still hold its table when this returns.
    let wire: &'static Wire = Box::leak(Box::new(Wire::new(socket)));
    let (calls, queue) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| wire.receive_all(receiver, calls));
        for call in queue {
            let id = call.id;
            let answer = wire.run(invoke, call);
            if let Err(error) = wire.send_result(id, answer) {
                // The answer could not go out as it is; the reason can.
                let error = Error::plugin("the answer cannot be sent").because(&error);
                wire.send_result(id, json!({ "error": error })).map_err(io::Error::other)?;
            }
        }
        Ok(())
    })
}

/// Calls a method of the plugin behind `table` where there is no host: services are unknown,
/// and `event` is told what the plugin reports.
///
/// # Errors
///
/// The plugin's own, and if it does not know the method.
///
/// # Safety
/// As for [`serve_on`].
pub unsafe fn invoke_alone(
    table: *const PluginTable,
    method: &str,
    params: &Value,
    event: &mut dyn FnMut(&[u8]),
) -> Result<Value> {
    // SAFETY: the caller's promise.
    let invoke = unsafe { abi::plugin_invoke(table) };
    let invoke = invoke.ok_or_else(|| Error::plugin("the plugin's table has no invoke"))?;
    let mut event: Alone<'_> = Mutex::new(event);
    let host = HostTable {
        size: size_of::<HostTable>() as u32,
        abi_minor: abi::ABI_MINOR,
        ctx: (&raw mut event).cast(),
        event: Some(event_alone),
        cancelled: Some(never_cancelled),
        call: Some(no_service),
        extension: Some(extension),
    };
    let mut answer = Answer::default();
    let reply = Reply { ctx: (&raw mut answer).cast(), put: Some(put_bounded) };
    let params = encode(params)?;
    // SAFETY: the ABI's contract; all that is lent outlives the call.
    let code = unsafe { invoke(&host, Bytes::new(method.as_bytes()), Bytes::new(&params), &reply) };
    let mut answer = answer.into_result(code, method);
    if let Some(ok) = answer.get_mut("ok") {
        return Ok(ok.take());
    }
    let unknown = || Error::plugin(format!("it has no method \"{method}\""));
    Err(serde_json::from_value(answer["error"].take()).unwrap_or_else(|_| unknown()))
}

/// Who is told of events where there is no host.
type Alone<'a> = Mutex<&'a mut dyn FnMut(&[u8])>;

/// # Safety
/// `ctx` must point to an [`Alone`] for as long as the call that it was made for lasts.
unsafe extern "C" fn event_alone(ctx: *mut c_void, json: Bytes) -> i32 {
    // SAFETY: the caller's promise.
    let (event, json) = unsafe { (&*ctx.cast::<Alone<'_>>(), json.as_slice()) };
    (event.lock().unwrap_or_else(PoisonError::into_inner))(json);
    0
}

unsafe extern "C" fn never_cancelled(_: *mut c_void) -> i32 {
    0
}

unsafe extern "C" fn no_service(_: *mut c_void, _: Bytes, _: Bytes, _: *const Reply) -> i32 {
    abi::UNKNOWN_METHOD
}

/// The connection as the threads of a plugin share it.
struct Wire {
    socket: OwnedFd,
    /// Held while a frame is sent, so that frames of several threads do not mix.
    sending: Mutex<()>,
    /// Answers of the host that nobody has fetched yet; `None` while one is awaited.
    answers: Mutex<HashMap<u32, Option<Frame>>>,
    arrived: Condvar,
    next_id: AtomicU32,
    /// The host's call that runs now.
    current: AtomicU32,
    /// Whether that call is to end.
    cancelled: AtomicBool,
    closed: AtomicBool,
    /// Calls that the host cancelled before they began; held while one begins,
    /// so that no CANCEL falls between its CALL and its start.
    cancelled_early: Mutex<HashSet<u32>>,
}

/// Calls cancelled before they began that are remembered: a host has a few under way at most.
const MAX_CANCELLED_EARLY: usize = 64;

impl Wire {
    fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            sending: Mutex::default(),
            answers: Mutex::default(),
            arrived: Condvar::new(),
            next_id: AtomicU32::new(1),
            current: AtomicU32::new(0),
            cancelled: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            cancelled_early: Mutex::default(),
        }
    }

    /// Takes in all that the host sends, until it closes the connection.
    fn receive_all(&self, mut receiver: Receiver, calls: mpsc::Sender<Frame>) {
        // A frame that cannot be read ends the connection as its close does:
        // there is no telling where the next one would begin.
        while let Ok(Some(frame)) = receiver.receive(&self.socket) {
            match frame.kind {
                Kind::Call => {
                    // The receiving end lives as long as this thread's scope.
                    let _ = calls.send(frame);
                }
                Kind::Cancel => self.cancel(frame.id),
                Kind::Result => self.deliver(frame),
                _ => {}
            }
        }
        {
            let _beginning = self.cancelled_early.lock().unwrap_or_else(PoisonError::into_inner);
            self.closed.store(true, Ordering::Release);
            self.cancelled.store(true, Ordering::Release);
        }
        let _answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        self.arrived.notify_all();
    }

    fn cancel(&self, id: u32) {
        let mut early = self.cancelled_early.lock().unwrap_or_else(PoisonError::into_inner);
        if id == self.current.load(Ordering::Acquire) {
            self.cancelled.store(true, Ordering::Release);
        } else if early.len() < MAX_CANCELLED_EARLY {
            early.insert(id);
        }
    }

    fn begin(&self, id: u32) {
        let mut early = self.cancelled_early.lock().unwrap_or_else(PoisonError::into_inner);
        let cancelled = early.remove(&id) || self.closed.load(Ordering::Acquire);
        self.current.store(id, Ordering::Release);
        self.cancelled.store(cancelled, Ordering::Release);
    }

    fn deliver(&self, frame: Frame) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = answers.get_mut(&frame.id) {
            *slot = Some(frame);
            self.arrived.notify_all();
        }
    }

    /// Runs one call of the host and returns the payload of its answer.
    fn run(&self, invoke: Invoke, call: Frame) -> Value {
        self.begin(call.id);
        let (method, params) = match decode_call(call) {
            Ok(call) => call,
            Err(error) => return json!({ "error": error }),
        };
        let table = self.table();
        let mut answer = Answer::default();
        let reply = Reply { ctx: (&raw mut answer).cast(), put: Some(put_bounded) };
        // SAFETY: the ABI's contract; all that is lent outlives the call.
        let code = unsafe { invoke(&table, Bytes::new(method.as_bytes()), Bytes::new(&params), &reply) };
        answer.into_result(code, &method)
    }

    fn table(&self) -> HostTable {
        HostTable {
            size: size_of::<HostTable>() as u32,
            abi_minor: abi::ABI_MINOR,
            ctx: std::ptr::from_ref(self).cast_mut().cast(),
            event: Some(event),
            cancelled: Some(cancelled),
            call: Some(call),
            extension: Some(extension),
        }
    }

    fn send(&self, kind: Kind, id: u32, payload: &[u8], files: &[i32]) -> Result<()> {
        // SAFETY: the numbers came over the plugin boundary just now, as those of
        // descriptors that the plugin keeps open during the call.
        let files = unsafe { borrow(files)? };
        let _sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        frame::send(&self.socket, kind, id, payload, &files)
            .map_err(|e| Error::plugin("cannot send to the host").because(&e))
    }

    fn send_result(&self, id: u32, mut answer: Value) -> Result<()> {
        let files = to_frame(&mut answer)?;
        let payload = encode(&answer)?;
        self.send(Kind::Result, id, &payload, &files)
    }

    /// Calls a service of the host and waits for its answer.
    fn call(&self, method: &str, params: &[u8]) -> Result<Value> {
        let mut params: Value = serde_json::from_slice(params)
            .map_err(|e| Error::plugin(format!("the parameters of \"{method}\" are not JSON")).because(&e))?;
        let files = to_frame(&mut params)?;
        let payload = encode(&json!({ "method": method, "params": params }))?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(id, None);
        let answer = self.send(Kind::Call, id, &payload, &files).and_then(|()| self.wait(id));
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let frame = answer?;
        let mut answer: Value = serde_json::from_slice(&frame.payload)
            .map_err(|e| Error::new(ErrorKind::Internal, "the host answered with no JSON").because(&e))?;
        from_frame(&mut answer, frame.files)?;
        Ok(answer)
    }

    fn wait(&self, id: u32) -> Result<Frame> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(frame) = answers.get_mut(&id).and_then(Option::take) {
                return Ok(frame);
            }
            if self.closed.load(Ordering::Acquire) {
                return Err(Error::new(ErrorKind::Cancelled, "the host is gone"));
            }
            answers = self.arrived.wait(answers).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Method and parameters of a call, descriptors by their numbers and no longer owned here.
fn decode_call(call: Frame) -> Result<(String, Vec<u8>)> {
    let broken = |e: serde_json::Error| Error::new(ErrorKind::Internal, "a call is not JSON").because(&e);
    let mut value: Value = serde_json::from_slice(&call.payload).map_err(broken)?;
    let method = value["method"].as_str().unwrap_or_default().to_owned();
    let mut params = value["params"].take();
    from_frame(&mut params, call.files)?;
    Ok((method, encode(&params)?))
}

fn encode(value: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::plugin("cannot encode a message").because(&e))
}

/// A plugin's answer, no longer than a frame can be.
#[derive(Default)]
struct Answer {
    bytes: Vec<u8>,
    total: usize,
}

impl Answer {
    fn into_result(self, code: i32, method: &str) -> Value {
        if self.total > MAX_PAYLOAD {
            let message = format!("its answer of {} bytes is over the limit of {MAX_PAYLOAD}", self.total);
            let error =
                Error::plugin(message).hint("Large data belongs into a file: see docs/PLUGIN-PROTOCOL.md.");
            return json!({ "error": error });
        }
        if code == abi::UNKNOWN_METHOD {
            return json!({ "unknown-method": method });
        }
        match (code, serde_json::from_slice::<Value>(&self.bytes)) {
            (abi::OK, Ok(answer)) => json!({ "ok": answer }),
            (abi::ERR | abi::PANIC, Ok(error)) => json!({ "error": error }),
            (_, Ok(_)) => {
                json!({ "error": Error::plugin(format!("it answered with code {code}, which means nothing")) })
            }
            (_, Err(e)) => json!({ "error": Error::plugin("its answer is not JSON").because(&e) }),
        }
    }
}

/// # Safety
/// `ctx` must point to an [`Answer`] that nobody else uses during the call.
unsafe extern "C" fn put_bounded(ctx: *mut c_void, part: Bytes) {
    // SAFETY: the caller's promise.
    let answer = unsafe { &mut *ctx.cast::<Answer>() };
    answer.total = answer.total.saturating_add(part.len);
    if answer.total <= MAX_PAYLOAD {
        // SAFETY: the ABI's contract for what is lent to a call.
        unsafe { put((&raw mut answer.bytes).cast(), part) };
    }
}

/// # Safety
/// `ctx` must be that of a table made by [`Wire::table`], and the call it was made for not over.
unsafe extern "C" fn event(ctx: *mut c_void, json: Bytes) -> i32 {
    // SAFETY: the caller's promise; the wire lives until the process ends.
    let (wire, json) = unsafe { (&*ctx.cast::<Wire>(), json.as_slice()) };
    let id = wire.current.load(Ordering::Acquire);
    if let Err(error) = wire.send(Kind::Event, id, json, &[]) {
        // Too long to send; that it was is worth knowing.
        let event = crate::Event::Warning { message: format!("an event was dropped: {error}"), hint: None };
        if let Ok(json) = serde_json::to_vec(&event) {
            let _ = wire.send(Kind::Event, id, &json, &[]);
        }
    }
    wire.cancelled.load(Ordering::Acquire).into()
}

/// # Safety
/// As for [`event`].
unsafe extern "C" fn cancelled(ctx: *mut c_void) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { &*ctx.cast::<Wire>() }.cancelled.load(Ordering::Acquire).into()
}

/// # Safety
/// As for [`event`]; `reply` must be a valid reply.
unsafe extern "C" fn call(ctx: *mut c_void, method: Bytes, params: Bytes, reply: *const Reply) -> i32 {
    // SAFETY: the caller's promise.
    let (wire, method, params) = unsafe { (&*ctx.cast::<Wire>(), method.as_slice(), params.as_slice()) };
    let method = String::from_utf8_lossy(method);
    let (code, answer) = match wire.call(&method, params) {
        Ok(answer) if answer.get("unknown-method").is_some() => return abi::UNKNOWN_METHOD,
        Ok(mut answer) => match answer.get_mut("ok") {
            Some(answer) => (abi::OK, answer.take()),
            None => (abi::ERR, answer["error"].take()),
        },
        Err(error) => (abi::ERR, json!(error)),
    };
    let bytes = answer.to_string();
    // SAFETY: the caller's promise; the bytes live for the call.
    unsafe {
        if let Some(put) = (*reply).put {
            put((*reply).ctx, Bytes::new(bytes.as_bytes()));
        }
    }
    code
}

/// No extension exists yet.
unsafe extern "C" fn extension(_: *mut c_void, _: Bytes) -> *const c_void {
    std::ptr::null()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_what_went_wrong() {
        let answer = |code, bytes: &[u8]| {
            let answer = Answer { bytes: bytes.to_vec(), total: bytes.len() };
            answer.into_result(code, "build")
        };
        assert_eq!(answer(abi::OK, b"{}"), json!({"ok": {}}));
        assert_eq!(answer(abi::UNKNOWN_METHOD, b""), json!({"unknown-method": "build"}));
        assert_eq!(answer(abi::OK, b"nonsense")["error"]["kind"], "plugin");
        assert_eq!(answer(77, b"{}")["error"]["kind"], "plugin");
        let huge = Answer { bytes: Vec::new(), total: MAX_PAYLOAD + 1 };
        assert_eq!(huge.into_result(abi::OK, "build")["error"]["kind"], "plugin");
    }
}
