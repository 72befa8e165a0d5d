# SPDX-License-Identifier: Apache-2.0
"""Visitors of the page: each has a process of ParaView, a private folder, and a turn at computing."""
import asyncio
import collections
import json
import logging
import os
import shutil
import signal
import socket
import tempfile
import time

from . import guard

LONGEST_LINE = 1 << 20
STARTING = 120  # seconds that a process may take
PROCESS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "process.py")
log = logging.getLogger("lvlm-web")


class Refused(Exception):
    """Why there is no visitor, in a sentence for him."""


class Visitor:
    def __init__(self, options, display, turns):
        self.options, self.display, self.turns = options, display, turns
        self.name, self.cookie, self.key = guard.new_secret(), guard.new_secret(), guard.new_secret()
        self.folder = tempfile.mkdtemp(prefix="lvlm-web-", dir=options.folder)
        self.uploads = 0
        self.page = None  # where the process serves its page, once it is ready
        self.listeners = set()  # queues of those who want to know how far the work is
        self.sockets = 0  # open connections of the page
        self.left = time.monotonic()  # when the last of them closed
        self.heard = time.monotonic()  # when the page last said something
        self.busy = False  # waits for its turn, or computes
        self.last_words = collections.deque(maxlen=20)
        self.task = None

    async def start(self):
        """Returns when the page is there; raises Refused."""
        ours, theirs = socket.socketpair()
        environment = {**os.environ, "DISPLAY": self.display, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": self.folder}
        self.process = await asyncio.create_subprocess_exec(
            self.options.pvpython, "--no-mpi", "--dr", "--force-offscreen-rendering", PROCESS, str(theirs.fileno()), pass_fds=[theirs.fileno()],
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            env=environment, start_new_session=True, limit=LONGEST_LINE)
        theirs.close()
        self.reader, self.writer = await asyncio.open_connection(sock=ours, limit=LONGEST_LINE)
        self._send({**self.options.for_process(), "folder": self.folder, "key": self.key})
        self.ready = asyncio.get_running_loop().create_future()
        self.task = asyncio.gather(self._listen(), self._keep_last_words())
        try:
            failure = await asyncio.wait_for(asyncio.shield(self.ready), STARTING)
        except asyncio.TimeoutError:
            failure = "it did not start within %d seconds" % STARTING
        if failure:
            await self.close()
            raise Refused("The page cannot be served: %s" % failure)
        return self

    def _send(self, message):
        self.writer.write(json.dumps(message).encode() + b"\n")

    async def _keep_last_words(self):
        while True:
            try:
                line = await self.process.stderr.readline()
            except ValueError:  # longer than any line should be
                continue
            if not line:
                return
            self.last_words.append(line.decode(errors="replace").strip())
            log.info("%s", self.last_words[-1])

    async def _listen(self):
        """What the process says, until it ends."""
        turn = None
        while True:
            line = await self.reader.readline()
            if not line:
                break
            message = json.loads(line)
            if "ready" in message:
                self.page = message
                self.ready.set_result(None)
            elif "failed" in message:
                self.failure(message["failed"])
            elif "want" in message:
                self.busy = True
                self.tell(busy=message["want"], progress=0, progress_text="")
                turn = asyncio.ensure_future(self._take_turn())
            elif "drawing" in message:
                self.tell(drawing=message["drawing"])
            elif "progress" in message:
                self.tell(progress=message["progress"], progress_text=message["text"])
            elif "done" in message:
                self.busy, self.heard = False, time.monotonic()
                await self._end_turn(turn)
                turn = None
                self.tell(busy="", progress=0, progress_text="")
        await self._end_turn(turn)
        await self.process.wait()
        self.failure(self._why())
        self.tell(ended="The process behind this page has ended.", busy="")

    def failure(self, why):
        if not self.ready.done():
            self.ready.set_result(why)

    def _why(self):
        """What a process that ended by itself said last."""
        words = [line for line in self.last_words if line]
        return words[-1] if words else "it ended at once"

    async def _take_turn(self):
        ahead = self.turns.waiting
        if ahead or self.turns.locked():
            self.tell(progress_text="waiting for %d before you" % (ahead + 1))
        await self.turns.acquire()
        self._send({"go": True})
        self.tell(progress_text="")

    async def _end_turn(self, turn):
        if turn is None:
            return
        if turn.done():
            self.turns.release()
        else:
            turn.cancel()

    def abort(self):
        self._send({"abort": True})

    def tell(self, **news):
        for listener in self.listeners:
            listener.put_nowait(news)

    def has_left(self, now):
        return (not self.sockets and now - self.left > self.options.leave_after) or (
            not self.busy and now - self.heard > self.options.idle)

    async def close(self):
        """Ends the process and deletes everything that the visitor brought."""
        if self.process.returncode is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)  # it may be deep in a computation
            except ProcessLookupError:
                pass
        await asyncio.gather(self.task, return_exceptions=True)
        self.writer.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Turns(asyncio.Semaphore):
    """Who computes: so many at a time, the others wait in a queue."""

    def __init__(self, count):
        super().__init__(count)
        self.waiting = 0

    async def acquire(self):
        self.waiting += 1
        try:
            return await super().acquire()
        finally:
            self.waiting -= 1


class Visitors:
    """All of them, and a process that waits for the next one."""

    def __init__(self, options, display):
        self.options, self.display = options, display
        self.turns = Turns(options.at_once)
        self.inside = []
        self.spare = None

    def prepare(self):
        """Starts the process of the next visitor. A remote ParaView server has room for one."""
        if self.spare is None and len(self.inside) < self.options.visitors:
            self.spare = asyncio.ensure_future(self._new())
        return self.spare

    async def _new(self):
        visitor = None
        try:
            visitor = Visitor(self.options, self.display, self.turns)
            return await visitor.start()
        except OSError as error:  # no room on the disk, no room for a process
            if visitor is not None:
                shutil.rmtree(visitor.folder, ignore_errors=True)
            raise Refused("The page cannot be served: %s" % error.strerror) from None

    async def enter(self):
        if len(self.inside) >= self.options.visitors:
            raise Refused("All %d places of this server are taken: try again later." % self.options.visitors)
        if self.spare is not None and self.spare.done() and self.spare.exception():
            self.spare = None  # what it failed for may be better now
        started, self.spare = self.prepare(), None
        self.inside.append(None)  # the place is taken, while the process may still start
        try:
            visitor = await started
            if visitor.process.returncode is not None:  # the waiting one was killed
                await visitor.close()
                visitor = await self._new()
        finally:
            self.inside.remove(None)
        visitor.left = visitor.heard = time.monotonic()
        self.inside.append(visitor)
        self.prepare()
        return visitor

    def find(self, name, cookie):
        """The visitor of that page, if the browser is his; else None."""
        for visitor in self.inside:
            if visitor is not None and guard.same(name, visitor.name) and guard.same(cookie, visitor.cookie):
                return visitor
        return None

    async def watch(self):
        """Shows out those who have left."""
        while True:
            await asyncio.sleep(min(1, self.options.leave_after / 2))
            now = time.monotonic()
            for visitor in [each for each in self.inside if each is not None]:
                if visitor.process.returncode is not None or visitor.has_left(now):
                    self.inside.remove(visitor)
                    log.info("a visitor has left, %d inside", len(self.inside))
                    await visitor.close()
            self.prepare()

    async def close(self):
        if self.spare is not None:
            started, self.spare = self.spare, None
            try:
                self.inside.append(await started)
            except Refused:
                pass
        await asyncio.gather(*(visitor.close() for visitor in self.inside if visitor is not None))
