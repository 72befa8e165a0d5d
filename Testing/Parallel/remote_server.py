# SPDX-License-Identifier: Apache-2.0
"""A pvserver on some ranks, for tests with clients of it."""
import os
import re
import signal
import subprocess
import time

SECONDS = 180  # after that something hangs
# pvpython is an MPI process of its own: its variables would make mpirun believe to be one of its ranks.
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_", "PMI_", "OPAL_", "ORTE_"))}


class Server:
    """pvserver on some ranks, until it is left or killed."""

    def __init__(self, folder, ranks=2, *options):
        self.log = os.path.join(folder, "server-%d.log" % time.monotonic_ns())
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [os.environ["LVLM_MPIRUN"], "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", str(ranks),
                 os.environ["LVLM_PVSERVER"], "--server-port=0", "--force-offscreen-rendering", *options],
                stdout=log, stderr=subprocess.STDOUT,
                env={k: v for k, v in CLEAN.items() if k != "DISPLAY"})  # a server has none
        self.port = int(self.wait_for(r"Accepting connection\(s\): \S+:(\d+)"))

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_for(self, pattern):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(pattern, self.output())
            if found:
                return found.group(1)
            time.sleep(0.1)
        raise AssertionError("the server did not say %r: %s" % (pattern, self.output()))

    def kill(self):
        """At once, as when the machine goes: mpirun gives its ranks process groups of their own."""
        if self.process.poll() is None:
            for pid in descendants(self.process.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait()


def descendants(pid):
    """The process and everything that it started, the ranks first."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name, encoding="ascii", errors="replace") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(name))
    found, at = [pid], 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found[::-1]
