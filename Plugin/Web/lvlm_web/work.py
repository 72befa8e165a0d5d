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
from paraview.modules.vtkRemotingCore import vtkPVSession

PAUSE = 0.1  # seconds between two looks at the channel
# What the plugin on a remote server looks for while it works: Plugin/Server/vtkSILVLMAskedSource.cxx.
STOP_TAG, STOP_TEXT = 720151, "\1LVLM Interpret: stop what runs for this client\2"


class Work:
    def __init__(self, channel):
        self.channel = channel
        self.last = 0.0
        self.aborted = False

    @contextmanager
    def turn(self, what):
        """Runs the block when it is this visitor's turn. Raises lvlm.Error where the visitor stops waiting."""
        self.channel.send(want=what)
        self.aborted = False
        try:
            self._wait(what)
            handler = servermanager.ActiveConnection.Session.GetProgressHandler()
            tag = handler.AddObserver("ProgressEvent", self._on_progress)
            try:
                yield
            except lvlm.Error:
                if self.aborted:  # of a remote server's work the module sees only that it gave nothing
                    raise lvlm.Error("%s: aborted" % what) from None
                raise
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
            self.aborted = True
            abort()


def abort():
    """Every filter of this process, or what a remote server does for it. A filter that does not run clears the mark when it
    next does."""
    server = servermanager.ActiveConnection.Session.GetController(vtkPVSession.DATA_SERVER)
    if server is not None:
        server.TriggerRMI(1, STOP_TEXT, STOP_TAG)
    for source in pipeline.all_sources():
        algorithm = source.GetClientSideObject()
        if algorithm is not None and hasattr(algorithm, "SetAbortExecute"):
            algorithm.SetAbortExecute(1)
