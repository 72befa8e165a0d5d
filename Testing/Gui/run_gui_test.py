#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a script inside ParaView's GUI on an X server of its own, with a fresh home.

    run_gui_test.py SCRIPT PLUGIN DRIVER [--pictures FOLDER] [--screen 1600x1000] [--expected REGEX]

Fails when the script's result is missing or bad, when ParaView does not end by itself, or when it says a word of warning
that is not expected.
"""
import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

# What ParaView and the X server of a container say without the plugin, too.
HARMLESS = re.compile(
    r"XDG_RUNTIME_DIR|QStandardPaths|libEGL|MESA|dri[23]|_ZINK|OpenMPI|Qt: Session management error|propagateSizeHints|"
    r"QXcbConnection|QXcbClipboard")
SUSPICIOUS = re.compile(r"warn|error|fail|critical|traceback|cannot|no such|undefined|QObject::|QWidget::", re.IGNORECASE)


def settings(home):
    """No dialogs at the start, nor before the first tool tip."""
    folder = home / ".config" / "ParaView"
    folder.mkdir(parents=True)
    said = subprocess.run(["pvpython", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    for version in (said.split()[-1], ""):  # 5.x has settings for each version, 6.1 for all together
        (folder / ("ParaView%s.ini" % version)).write_text(
            "[General]\nGeneralSettings.ShowWelcomeDialog=false\nGeneralSettings.ShowSplashScreen=false\n"
            "pqTooltipSelection=true\n")


def run(arguments, home, result):
    plugin = pathlib.Path(arguments.plugin)
    folder = pathlib.Path(__file__).resolve().parent
    environment = dict(
        os.environ, HOME=str(home), LVLM_GUI_DRIVER=arguments.driver, LVLM_GUI_RESULT=str(result),
        LVLM_GUI_PICTURES=arguments.pictures or "", LVLM_PLUGIN=str(plugin), PYTHONDONTWRITEBYTECODE="1",
        PYTHONPATH=os.pathsep.join(map(str, (folder, folder.parent / "Python"))), LC_ALL="C.UTF-8", LIBGL_ALWAYS_SOFTWARE="1")
    command = ["paraview", "--plugin-search-paths=%s" % plugin.parent, "--plugins=%s" % plugin.stem,
               "--script=%s" % arguments.script]
    if arguments.screen:
        command = ["bash", str(folder.parent / "on_screen.sh"), arguments.screen, *command]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=arguments.timeout)
            return output, process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.communicate()[0] + "\nParaView did not end within %d s" % arguments.timeout, -1


def main():
    parser = argparse.ArgumentParser()
    for name in ("script", "plugin", "driver"):
        parser.add_argument(name)
    parser.add_argument("--pictures")
    parser.add_argument("--screen", default="1600x1000", help="of an X server of its own; empty: the one that is there")
    parser.add_argument("--timeout", type=int, default=870)
    parser.add_argument("--expected", default="^$", help="messages that belong to the test")
    arguments = parser.parse_args()
    if arguments.pictures:
        os.makedirs(arguments.pictures, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home, result = pathlib.Path(folder) / "home", pathlib.Path(folder) / "result"
        settings(home)
        output, code = run(arguments, home, result)
        text = result.read_text() if result.exists() else "the script wrote no result\n"
    loud = [line for line in output.splitlines() if SUSPICIOUS.search(line)
            and not HARMLESS.search(line) and not re.search(arguments.expected, line)]
    print(text)
    print(output)
    for line in loud:
        print("ParaView said: " + line, file=sys.stderr)
    if code != 0:
        print("ParaView ended with %d" % code, file=sys.stderr)
    return 0 if text.rstrip().endswith("PASSED") and not loud and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
