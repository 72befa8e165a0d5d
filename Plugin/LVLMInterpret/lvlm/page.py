# SPDX-License-Identifier: Apache-2.0
"""A trace as one HTML file: to send, to keep, to open in any browser without ParaView and without a network."""
import os
from pathlib import Path

from . import traces
from .errors import Error, numpy_module
from .whole_files import readable, replacing

MEGABYTE = 1000000


def save_page(trace, path, megabytes=4, relevancy=None):
    """Writes a trace as one self-contained HTML file: picture, words, the maps of layers and heads, relevancy. Returns its path.

    It needs nothing but a browser. trace: None: that of the active source, else the newest. path: of the file, on the client's
    disk; it is written whole or not at all. megabytes: of a million bytes, the largest size; what does not fit is left out, and
    the page says what it has: the mean map of every word and the map of every head for the whole answer always, then the maps of
    single layers and of single heads for each word, the strongest heads first. Numbers are a byte each; the page states the worst
    error. relevancy: None: where the trace has it recorded; True: computed for every word, which takes a while on a large model;
    an LVLMRelevancy filter: with its settings; False: none.
    """
    target, room = _target(path), _room(megabytes)
    content = numpy_module("page_content", "pages are").page(traces.resolve(trace), room, relevancy)
    try:
        with replacing(target) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise Error("path: %s cannot be written: %s" % (readable(target), error.strerror or error)) from None
    return str(target)


def _target(path):
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise Error("path: %r is no file name" % (path,))
    return Path(os.path.abspath(os.path.expanduser(path)))


def _room(megabytes):
    if isinstance(megabytes, bool) or not isinstance(megabytes, (int, float)) or not 0 < megabytes < 2000:
        raise Error("megabytes: %r is no size of a file" % (megabytes,))
    return int(megabytes * MEGABYTE)
