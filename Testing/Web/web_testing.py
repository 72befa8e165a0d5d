# SPDX-License-Identifier: Apache-2.0
"""What the tests of the page in the browser share: the server, started as a user starts it, and a browser."""
import asyncio
import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

LAUNCHER = os.environ["LVLM_WEB"]
SOURCE = pathlib.Path(__file__).resolve().parents[2]
SCENES = SOURCE / "Models" / "TinyLlava" / "scenes"
SLOW = SOURCE / "Testing" / "Data" / "llava" / "multihead-f32"  # never ends an answer by itself
SKIPPED = 77  # CTest's SKIP_RETURN_CODE


def skip_without(what, found):
    """Ends a test for which something is missing, and says so."""
    if not found:
        print("Skipped: there is no %s" % what, flush=True)
        os._exit(SKIPPED)


skip_without("trame (python3 -m pip install --target %s -r Plugin/Web/requirements.txt)" % os.environ.get("LVLM_WEB_PACKAGES"),
             importlib.util.find_spec("trame"))


def main(browser=True):
    """Runs the tests of the calling module."""
    skip_without("Chromium (apt-get install chromium)", chromium() or not browser)
    good = unittest.main(verbosity=2, exit=False).result.wasSuccessful()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if good else 1)  # ParaView's own clean-up must not change the answer


def chromium():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Server:
    """lvlm-web at a free port, as long as the block runs."""

    def __init__(self, *arguments, **environment):
        self.arguments, self.environment = arguments, environment

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="web-test-")
        self.process = start("--port", "0", "--folder", self.folder, *self.arguments, **self.environment)
        line = self.process.stdout.readline()
        if "is at " not in line:
            raise AssertionError("%s%s" % (line, self.process.communicate()))
        self.address = line.split("is at ")[1].strip()
        self.root = self.address.split("?")[0]
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.errors = self.process.communicate(timeout=30)[1]
        left = os.listdir(self.folder)
        shutil.rmtree(self.folder)
        if left:
            raise AssertionError("left behind: %s" % left)

    def processes(self):
        """Of ParaView: those of the visitors, and of the one that waits for the next."""
        return [int(child) for child in children(self.process.pid) if b"process.py" in pathlib.Path("/proc/%s/cmdline" % child).read_bytes()]


def children(pid):
    return pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()


def start(*arguments, **environment):
    """The launcher. An environment's value of None takes a variable away."""
    merged = {**os.environ, **environment}
    return subprocess.Popen([LAUNCHER, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            encoding="utf-8", errors="replace", env={key: value for key, value in merged.items() if value is not None})


def sentence(*arguments, **environment):
    """What the launcher says when it cannot serve: it must end by itself, with one line."""
    process = start("--port", "0", *arguments, **environment)
    try:
        output, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError("it serves: %s" % (process.communicate(),)) from None
    lines = errors.strip().splitlines()
    if process.returncode == 0 or output or len(lines) != 1 or not lines[0].startswith("lvlm-web: "):
        raise AssertionError("ended with %d: %s%s" % (process.returncode, output, errors))
    return lines[0]


def temporary_folder():
    return tempfile.TemporaryDirectory(prefix="web-test-")


def run(test):
    """A coroutine with a browser: test(browser)."""
    from browser import Browser

    async def inside():
        async with Browser(chromium(), tempfile.mkdtemp(prefix="web-test-")) as browser:
            return await test(browser)
    return asyncio.run(inside())
