#!/usr/bin/env python3
"""@NAME@: a source plugin for ctr-forge.

It builds a root filesystem of one directory and one file:

    etc/
    etc/greeting    the option "greeting" and a line feed

Start from here: the options in the sidecar (this program's name and ".toml") and
the class below are what makes this plugin what it is. ctr_forge_plugin.py beside
it speaks to the host and can stay as it is.
"""

import io
import tarfile

import ctr_forge_plugin
from ctr_forge_plugin import Error, UnknownService

MAX_GREETING = 4096  # bytes


class @TYPE@(ctr_forge_plugin.Source):
    options = {"greeting": str}

    def resolve(self, request, host):
        return {"greeting": read_greeting(request)}

    def build(self, request, host):
        content = read_greeting(request).encode() + b"\n"
        host.phase("digest")
        log_digest(content, host)
        host.phase("write")
        with host.open(request.target.get("rootfs"), "wb") as stream:
            write_rootfs(stream, content, host)
        return {}

    def complete(self, option, prefix, host):
        greetings = ["hello", "welcome"] if option == "greeting" else []
        return [greeting for greeting in greetings if greeting.startswith(prefix)]

    def doctor(self, host):
        services = host.call("host.info").get("services", [])
        check = {"name": "host service file.digest", "ok": "file.digest" in services}
        if not check["ok"]:
            check["hint"] = "Use a newer ctr-forge."
        return [check]


def read_greeting(request):
    """The greeting from the lock where there is one, else from the options."""
    lock = (request.target or {}).get("lock")
    if lock is None:
        greeting = request.options.get("greeting")
        if greeting is None:
            raise Error("usage", "the request has no greeting", option="greeting")
    else:
        greeting = lock.get("greeting") if isinstance(lock, dict) else None
        if not isinstance(greeting, str):
            raise Error("input", "the lock names no greeting")
    length = len(greeting.encode("utf-8", "replace"))
    if length > MAX_GREETING:
        message = "a greeting of %d bytes is over the limit of %d" % (length, MAX_GREETING)
        raise Error("usage", message, hints=["Choose a shorter one."], option="greeting")
    return greeting


def log_digest(content, host):
    """Lets the host digest the content, through a file that has no name.

    Shows how files travel. A host without these services is no reason to fail.
    """
    try:
        with host.open(host.call("file.temp")["file"], "r+b") as file:
            file.write(content)
            file.flush()
            host.info("etc/greeting is %s" % host.call("file.digest", file=file)["digest"])
    except UnknownService:
        pass


def write_rootfs(stream, content, host):
    """The same bytes for the same content: entries in order, owned by 0:0, dated 1970."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        directory = tarfile.TarInfo("etc")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(directory)
        host.progress(1, 2, "entries")
        file = tarfile.TarInfo("etc/greeting")
        file.size, file.mode = len(content), 0o644
        tar.addfile(file, io.BytesIO(content))
        host.progress(2, 2, "entries")


if __name__ == "__main__":
    ctr_forge_plugin.serve(sources={"@NAME@": @TYPE@()})
