#!/usr/bin/env python3
"""@NAME@: an output plugin for ctr-forge.

It writes the image's one layer as it is: a tar of the root filesystem. An image
of several layers is refused, for their tars one after the other would not be a
tar, and merging layers is the host's business.

Start from here: the sidecar (this program's name and ".toml") says what is
written and in which form layers come, the class below does it.
ctr_forge_plugin.py beside it speaks to the host and can stay as it is.
"""

import os

import ctr_forge_plugin
from ctr_forge_plugin import Error

PIECE = 1 << 20  # bytes read at once


class @TYPE@(ctr_forge_plugin.Output):
    def package(self, request, host):
        layer = find_layer(request.target)
        destination = request.target.get("destination")
        if not isinstance(destination, dict) or destination.get("kind") != "file":
            raise Error("usage", "the destination is not a file")
        host.phase("write")
        with host.open(destination.get("file"), "wb") as to:
            copy(layer["file"], to, layer["size"], host)
        return {"hints": ['Unpack it with "tar -xpf {}".']}


def find_layer(target):
    layers = target.get("layers")
    if not isinstance(layers, list):
        raise Error("usage", "the request has no layers")
    if len(layers) != 1:
        message = "a rootfs tar holds one layer, and this image has %d" % len(layers)
        raise Error("unsupported", message, hints=["Squash the image to one layer first."])
    layer = layers[0]
    if not isinstance(layer, dict) or layer.get("form") != "tar":
        raise Error("usage", "the layer is not a plain tar")
    if not isinstance(layer.get("file"), ctr_forge_plugin.File) or type(layer.get("size")) is not int:
        raise Error("usage", "the layer has no file or no size")
    return layer


def copy(layer, to, size, host):
    """Copies from offset 0: where the descriptor stands is anyone's guess."""
    done = 0
    while done < size:
        piece = os.pread(layer.fileno(), min(PIECE, size - done), done)
        if not piece:
            raise Error("input", "the layer ends after %d of %d bytes" % (done, size))
        to.write(piece)
        done += len(piece)
        host.progress(done, size, "bytes")


if __name__ == "__main__":
    ctr_forge_plugin.serve(outputs={"@NAME@": @TYPE@()})
