# SPDX-License-Identifier: Apache-2.0
"""What a visitor's process and the front tell one another beside the page: lines of JSON over a pair of sockets.

From the process: `ready`, `failed`, `want` (a turn at computing), `progress`, `done`, `drawing`. From the front: the settings, then `go` and
`abort`. The channel's end is the end of the process.
"""
import json
import os
import select
import shutil
import socket

LONGEST = 1 << 16  # bytes of a message
KEY = "X-LVLM-Key"  # header of the front's requests to the process, with the secret that the settings tell


class Channel:
    """The process's end."""

    def __init__(self, descriptor):
        self.socket = socket.socket(fileno=descriptor)
        self.rest = b""
        self.folder = None  # the visitor's, deleted should the front be gone without doing so

    def send(self, **message):
        try:
            self.socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._end()

    def receive(self, seconds=0):
        """The messages that have come, after waiting for the first one as long (None: for ever). Ends the process with the front."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return []
        got = self.socket.recv(LONGEST)
        if not got:
            self._end()
        *lines, self.rest = (self.rest + got).split(b"\n")
        return [json.loads(line) for line in lines]

    def _end(self):
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(0)  # no clean-up: a filter may be running

    def first(self):
        """The first message, as soon as it is there."""
        while True:
            for message in self.receive(None):
                return message
