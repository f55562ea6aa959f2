"""What a plugin of ctr-forge in Python needs: one file, Python 3.8 or newer, no packages.

A plugin is a program that the host starts with a socket on descriptor 3. This
module speaks the frames on that socket, runs the host's calls one after the
other in the main thread, and gives the plugin's code a `Host` to talk to:

    class MySource(ctr_forge_plugin.Source):
        options = {"greeting": str}

        def build(self, request, host):
            with host.open(request.target["rootfs"], "wb") as stream:
                ...
            return {}

    ctr_forge_plugin.serve(sources={"my-source": MySource()})

What travels is described in docs/PLUGIN-PROTOCOL.md of ctr-forge.

SPDX-License-Identifier: MIT OR Apache-2.0
"""

import array
import collections
import io
import itertools
import json
import os
import queue
import select
import socket
import struct
import sys
import threading
import traceback

PROTOCOL = 1
SOCKET_FD = 3
MAX_PAYLOAD = 16 << 20
MAX_FILES = 250
HEADER = struct.Struct("<IBBHI")  # length, kind, files, zero, id
CALL, RESULT, EVENT, CANCEL = 1, 2, 3, 4
METHODS = {
    "source": ("resolve", "build", "complete", "doctor"),
    "output": ("package", "complete", "doctor"),
}


class Error(Exception):
    """A failure as the host reports it.

    `kind` decides the exit code: usage, config, input, io, permission,
    missing-tool, network, verification, tool-failed, unsupported, plugin,
    cancelled, internal. `message` is a lower-case fragment that says what failed
    and on what, `causes` say why, `hints` are sentences that say what to do next,
    `option` names the option at fault.
    """

    def __init__(self, kind, message, causes=(), hints=(), option=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.causes = list(causes)
        self.hints = list(hints)
        self.option = option

    def to_json(self):
        optional = {"causes": self.causes, "hints": self.hints, "option": self.option}
        fields = {name: value for name, value in optional.items() if value}
        return {"kind": self.kind, "message": self.message, **fields}

    @classmethod
    def from_json(cls, fields):
        error = {"kind": "internal", "message": "the host gave no reason"}
        error.update(fields if isinstance(fields, dict) else {})
        names = ("kind", "message", "causes", "hints", "option")
        return cls(**{name: error[name] for name in names if name in error})


class UnknownService(Error):
    """The host has no service of that name: it is older than the plugin."""

    def __init__(self, name):
        message = 'this ctr-forge has no service "%s"' % name
        super().__init__("unsupported", message, hints=["Use a newer ctr-forge."])


class File:
    """A file that came with a message; in JSON it is `{"$fd": N}`.

    It is closed when the call that it came with ends, unless `detach` gave it away.
    """

    def __init__(self, descriptor):
        self._descriptor = descriptor

    def fileno(self):
        if self._descriptor is None:
            raise ValueError("the file was taken or closed already")
        return self._descriptor

    def detach(self):
        """The descriptor, which is the caller's to close from now on."""
        descriptor, self._descriptor = self.fileno(), None
        return descriptor

    def close(self):
        if self._descriptor is not None:
            os.close(self.detach())


class Request:
    """What the host asks for: `method`, `role`, `component`, `options`, `context`, `target`."""

    def __init__(self, method, params):
        self.method = method
        self.role = params.get("role")
        self.component = params.get("component")
        self.options = params.get("options", {})
        self.context = params.get("context", {})
        self.target = params.get("target")
        self.params = params


class _Component:
    # The options by name, with the type of their value in JSON.
    options = {}

    def complete(self, option, prefix, host):
        """Values that an option could take, given what is typed of it."""
        return []

    def doctor(self, host):
        """What is missing on this machine: a list of {"name", "ok", "hint"}."""
        return []

    def check_options(self, options):
        if not isinstance(options, dict):
            raise Error("usage", "the options are not an object")
        for name, value in options.items():
            if name not in self.options:
                raise Error("usage", 'there is no option "%s"' % name, option=name)
            wanted = self.options[name]
            # For Python, true is an int; for JSON it is not.
            if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
                message = 'the value of "%s" is not of type %s' % (name, wanted.__name__)
                raise Error("usage", message, option=name)


class Source(_Component):
    """Makes a root filesystem."""

    def resolve(self, request, host):
        """The lock: all that decides the result. It comes back in `request.target["lock"]`."""
        return None

    def build(self, request, host):
        """Writes a PAX tar stream to `request.target["rootfs"]`; returns a report."""
        raise NotImplementedError


class Output(_Component):
    """Packages finished layers."""

    def package(self, request, host):
        """Writes the image to `request.target["destination"]`; returns a report."""
        raise NotImplementedError


class Host:
    """The host, for as long as one call lasts. All methods may be used from any thread."""

    def __init__(self, wire, call_id):
        self._wire = wire
        self._id = call_id
        self._cancelled = threading.Event()
        self._files = []

    @property
    def cancelled(self):
        return self._cancelled.is_set()

    def check_cancelled(self):
        """Raises an Error if the job was cancelled: to be asked now and then in long work."""
        if self.cancelled:
            raise Error("cancelled", "the job was cancelled")

    def event(self, kind, **fields):
        try:
            self._wire.send(EVENT, self._id, {"t": kind, **fields})
        except OSError:
            pass  # the host is gone, which cancels the job
        except (ValueError, TypeError) as error:
            self.warn("an event was dropped: %s" % error)

    def debug(self, message):
        self.event("log", level="debug", message=message)

    def info(self, message):
        self.event("log", level="info", message=message)

    def warn(self, message, hint=None):
        self.event("warning", message=message, **({"hint": hint} if hint else {}))

    def phase(self, name):
        """A new stretch of work begins."""
        self.event("phase", name=name)

    def progress(self, done, total, unit):
        """How far the stretch of work is; raises an Error if the job was cancelled."""
        self.event("progress", done=done, total=total, unit=unit)
        self.check_cancelled()

    def call(self, method, **params):
        """Calls a service of the host; raises UnknownService where it has none of that name."""
        return self._wire.call(self, method, params)

    def open(self, file, mode="rb"):
        """The file behind a reference, as a Python file that is the caller's to close.

        Each can be opened once. `wb` gives a writer for pipes that a cancelled job
        does not stay stuck in.
        """
        if not isinstance(file, File):
            raise Error("usage", "the request names no file where one should be")
        if mode == "wb":
            return io.BufferedWriter(_Writer(file.detach(), self), 1 << 16)
        return os.fdopen(file.detach(), mode)

    def _adopt(self, files):
        self._files.extend(files)

    def _close_files(self):
        for file in self._files:
            file.close()


class _Writer(io.RawIOBase):
    """Writes no more at once than a pipe that is ready has room for, and looks around in between."""

    def __init__(self, descriptor, host):
        super().__init__()
        self._descriptor = descriptor
        self._host = host
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLOUT)

    def writable(self):
        return True

    def fileno(self):
        return self._descriptor

    def write(self, data):
        self._host.check_cancelled()
        while not self._ready.poll(100):
            self._host.check_cancelled()
        return os.write(self._descriptor, data[: select.PIPE_BUF])

    def close(self):
        if not self.closed:
            super().close()
            os.close(self._descriptor)


class _Wire:
    """The connection: one thread reads, any thread writes."""

    def __init__(self, connection):
        self._connection = connection
        self._bytes = bytearray()
        self._files = collections.deque()
        self._sending = threading.Lock()
        self._state = threading.Lock()
        self._ids = itertools.count(1)
        self._answers = {}  # our calls that have no answer yet: id -> queue of one
        self._jobs = {}  # the host's calls that have no answer yet: id -> Host
        self._closed = False
        self.calls = queue.Queue()  # (Host, payload, files) each, then None

    def send(self, kind, call_id, message):
        files = []

        def reference(value):
            if not hasattr(value, "fileno"):
                raise TypeError("a %s cannot be sent" % type(value).__name__)
            files.append(value.fileno())
            return {"$fd": len(files) - 1}

        # What is not UTF-8, in a file's name perhaps, is shown replaced.
        text = json.dumps(message, default=reference, ensure_ascii=False, allow_nan=False)
        payload = text.encode("utf-8", "replace")
        if len(payload) > MAX_PAYLOAD or len(files) > MAX_FILES:
            message = "a message of %d bytes and %d files is over the limits"
            raise ValueError(message % (len(payload), len(files)))
        rest = memoryview(HEADER.pack(len(payload), kind, len(files), 0, call_id) + payload)
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        with self._sending:
            while rest:
                rest = rest[self._connection.sendmsg([rest], control) :]
                control = []

    def answer(self, job, message):
        try:
            self.send(RESULT, job._id, message)
        except (ValueError, TypeError, RecursionError) as error:
            # The answer could not go out as it is; the reason can.
            problem = Error("plugin", "the answer cannot be sent", [str(error)])
            self.send(RESULT, job._id, {"error": problem.to_json()})
        finally:
            with self._state:
                self._jobs.pop(job._id, None)

    def call(self, job, method, params):
        answer = queue.Queue(1)
        with self._state:
            if self._closed:
                raise Error("cancelled", "the host is gone")
            call_id = next(self._ids) & 0xFFFFFFFF
            self._answers[call_id] = answer
        try:
            self.send(CALL, call_id, {"method": method, "params": params})
            frame = answer.get()
        except OSError as error:
            raise Error("cancelled", "the host is gone", [str(error)]) from error
        finally:
            with self._state:
                self._answers.pop(call_id, None)
        if frame is None:
            raise Error("cancelled", "the host is gone")
        result = _decode(frame, job)
        if isinstance(result, dict) and "ok" in result:
            return result["ok"]
        if isinstance(result, dict) and "unknown-method" in result:
            raise UnknownService(method)
        raise Error.from_json(result.get("error") if isinstance(result, dict) else None)

    def receive(self):
        """Takes in all that the host sends, in a thread of its own."""
        try:
            while self._receive_frame():
                pass
        except (OSError, ValueError):
            # There is no telling where the next frame would begin.
            pass
        with self._state:
            self._closed = True
            for job in self._jobs.values():
                job._cancelled.set()
            for answer in self._answers.values():
                answer.put(None)
        self.calls.put(None)

    def _receive_frame(self):
        if not self._fill(HEADER.size):
            return False
        length, kind, count, zero, call_id = HEADER.unpack_from(self._bytes)
        if length > MAX_PAYLOAD or count > MAX_FILES or zero or kind not in (CALL, RESULT, CANCEL):
            raise ValueError("what arrived is not a message")
        if not self._fill(HEADER.size + length) or len(self._files) < count:
            return False
        payload = bytes(self._bytes[HEADER.size : HEADER.size + length])
        del self._bytes[: HEADER.size + length]
        self._dispatch(kind, call_id, payload, [self._files.popleft() for _ in range(count)])
        return True

    def _fill(self, size):
        while len(self._bytes) < size:
            space = socket.CMSG_SPACE(MAX_FILES * array.array("i").itemsize)
            data, control, _, _ = self._connection.recvmsg(1 << 16, space, socket.MSG_CMSG_CLOEXEC)
            for level, kind, content in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    numbers = array.array("i")
                    numbers.frombytes(content[: len(content) // numbers.itemsize * numbers.itemsize])
                    self._files.extend(File(number) for number in numbers)
            if not data:
                return False
            self._bytes += data
        return True

    def _dispatch(self, kind, call_id, payload, files):
        with self._state:
            if kind == CALL:
                # From here on a CANCEL finds it, even if it has yet to begin.
                job = self._jobs[call_id] = Host(self, call_id)
                self.calls.put((job, payload, files))
            elif kind == CANCEL and call_id in self._jobs:
                self._jobs[call_id]._cancelled.set()
            elif kind == RESULT and call_id in self._answers:
                self._answers[call_id].put((payload, files))
                files = []
        if kind != CALL:
            for file in files:
                file.close()


def _decode(frame, job):
    """The JSON of a frame, with a File for each reference; the files are the job's to close."""
    payload, files = frame
    job._adopt(files)

    def resolve(value):
        if list(value) != ["$fd"]:
            return value
        index = value["$fd"]
        if type(index) is not int or not 0 <= index < len(files):
            raise ValueError("a message names file %r, which did not come with it" % (index,))
        return files[index]

    try:
        return json.loads(payload.decode("utf-8"), object_hook=resolve)
    except (ValueError, RecursionError) as error:
        raise Error("internal", "a message of the host cannot be read", [str(error)]) from error


def _run(components, frame, host):
    """Runs one call of the host and returns the payload of its answer."""
    message = _decode(frame, host)
    method = message.get("method") if isinstance(message, dict) else None
    if not isinstance(method, str):
        raise Error("usage", "the call names no method")
    if not any(method in methods for methods in METHODS.values()):
        return {"unknown-method": method}
    params = message.get("params")
    if not isinstance(params, dict):
        raise Error("usage", "the request is not an object")
    if params.get("protocol", PROTOCOL) != PROTOCOL:
        text = "the host speaks protocol %s, this plugin %d"
        raise Error("unsupported", text % (params["protocol"], PROTOCOL))
    request = Request(method, params)
    component = components.get("%s %s" % (request.role, request.component))
    if component is None:
        raise Error("usage", 'this plugin has no %s "%s"' % (request.role, request.component))
    if method not in METHODS[request.role]:
        return {"unknown-method": method}
    host.check_cancelled()
    return {"ok": _call_component(component, request, host)}


def _call_component(component, request, host):
    if request.method == "complete":
        option, prefix = request.params.get("option", ""), request.params.get("prefix", "")
        return {"candidates": component.complete(option, prefix, host)}
    if request.method == "doctor":
        return {"checks": component.doctor(host)}
    component.check_options(request.options)
    if request.method == "resolve":
        return {"lock": component.resolve(request, host)}
    if not isinstance(request.target, dict):
        raise Error("usage", "the request has no target")
    return getattr(component, request.method)(request, host) or {}


def _error_of(error, host):
    """What the host is told of an exception."""
    if isinstance(error, Error):
        return error
    if host.cancelled:
        return Error("cancelled", "the job was cancelled")
    if isinstance(error, OSError):
        kind = "permission" if isinstance(error, PermissionError) else "io"
        what = "cannot use %s" % error.filename if error.filename else "an operation of the system failed"
        return Error(kind, what, [error.strerror or str(error)])
    text = "%s: %s" % (type(error).__name__, error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    host.event("panic", message=text, location="%s:%d" % (where.filename, where.lineno))
    return Error("plugin", "panicked: %s" % text)


def _answer_of(components, frame, host):
    try:
        return _run(components, frame, host)
    except (Exception, SystemExit) as error:
        return {"error": _error_of(error, host).to_json()}


def serve(sources=None, outputs=None):
    """Serves these components until the host closes the connection, then ends the process.

    `sources` and `outputs` map the ids in the manifest to Source and Output objects.
    """
    try:
        connection = socket.socket(fileno=SOCKET_FD)
    except OSError:
        sys.stderr.write('this program is a plugin of ctr-forge: see "ctr-forge plugin list"\n')
        sys.exit(2)
    # The programs that the plugin runs have no business with it.
    connection.set_inheritable(False)
    components = {"source %s" % name: source for name, source in (sources or {}).items()}
    components.update(("output %s" % name, output) for name, output in (outputs or {}).items())
    wire = _Wire(connection)
    threading.Thread(target=wire.receive, daemon=True).start()
    with connection:
        for host, payload, files in iter(wire.calls.get, None):
            answer = _answer_of(components, (payload, files), host)
            host._close_files()
            try:
                wire.answer(host, answer)
            except OSError:
                return  # the host is gone
