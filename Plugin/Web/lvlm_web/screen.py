# SPDX-License-Identifier: Apache-2.0
"""A screen to draw on: the one that there is, else a virtual one (Xvfb) for as long as the server runs."""
import ctypes
import ctypes.util
import os
import shutil
import signal
import subprocess


PR_SET_PDEATHSIG = 1


def end_with_parent():
    """In a new process: it ends when the one that started it does, in whatever way."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class NoScreen(RuntimeError):
    pass


class Screen:
    """One screen for all visitors."""

    def __init__(self):
        self.process = None
        self.display = os.environ.get("DISPLAY", "")
        if not self.display:
            self._start()

    def _start(self):
        program = shutil.which("Xvfb")
        if program is None:
            raise NoScreen("there is no screen: DISPLAY is not set, and there is no Xvfb to make one (apt-get install xvfb)")
        reading, writing = os.pipe()
        # It chooses a free number and tells it.
        self.process = subprocess.Popen(
            [program, "-displayfd", str(writing), "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset"],
            pass_fds=[writing], preexec_fn=end_with_parent, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(writing)
        with os.fdopen(reading) as answer:
            number = answer.readline().strip()
        if not number:
            raise NoScreen("there is no screen: DISPLAY is not set, and Xvfb does not start")
        self.display = ":" + number

    def close(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


def fault_of(display):
    """What an X screen lacks for drawing, or None: VTK ends the process where it cannot draw."""
    name = ctypes.util.find_library("X11") or "libX11.so.6"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return None  # then nothing here draws on X
    library.XOpenDisplay.restype = ctypes.c_void_p
    connection = library.XOpenDisplay(display.encode())
    if not connection:
        return "there is no screen %s" % display
    numbers = [ctypes.c_int() for _ in range(3)]
    found = library.XQueryExtension(ctypes.c_void_p(connection), b"GLX", *(ctypes.byref(number) for number in numbers))
    library.XCloseDisplay(ctypes.c_void_p(connection))
    return None if found else "the screen %s has no OpenGL (GLX)" % display
