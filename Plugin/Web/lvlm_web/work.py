# SPDX-License-Identifier: Apache-2.0
"""Long work of a visitor's process: waits for its turn, tells its progress, can be aborted.

While a filter runs, this process looks at no network. ParaView's progress events are where it tells the front how far it is,
and where it looks whether the visitor wants to stop.
"""
import time
from contextlib import contextmanager

import lvlm
from lvlm import pipeline
from paraview import servermanager

PAUSE = 0.1  # seconds between two looks at the channel


class Work:
    def __init__(self, channel):
        self.channel = channel
        self.last = 0.0

    @contextmanager
    def turn(self, what):
        """Runs the block when it is this visitor's turn. Raises lvlm.Error where the visitor stops waiting."""
        self.channel.send(want=what)
        try:
            self._wait(what)
            handler = servermanager.ActiveConnection.Session.GetProgressHandler()
            tag = handler.AddObserver("ProgressEvent", self._on_progress)
            try:
                yield
            finally:
                handler.RemoveObserver(tag)
        finally:
            self.channel.send(done=True)

    @contextmanager
    def drawing(self):
        """Tells the page that the block takes a moment."""
        self.channel.send(drawing=True)
        try:
            yield
        finally:
            self.channel.send(drawing=False)

    def _wait(self, what):
        while True:
            for message in self.channel.receive(None):
                if "abort" in message:
                    raise lvlm.Error("%s: aborted" % what)
                if "go" in message:
                    return

    def _on_progress(self, handler, _event):
        now = time.monotonic()
        if now - self.last < PAUSE:
            return
        self.last = now
        text = handler.GetLastProgressText() or ""
        if not text.startswith("vtk"):  # a class's name tells a visitor nothing
            self.channel.send(progress=handler.GetLastProgress(), text=text)
        if any("abort" in message for message in self.channel.receive()):
            abort()


def abort():
    """Every filter of this process. A filter that does not run clears the mark when it next does. One on a remote server
    cannot be reached: there the front ends this process."""
    for source in pipeline.all_sources():
        algorithm = source.GetClientSideObject()
        if algorithm is not None and hasattr(algorithm, "SetAbortExecute"):
            algorithm.SetAbortExecute(1)
