#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs into a prefix below DESTDIR, looks at what is there, builds a plugin from outside on it, and runs both.

The folder that DESTDIR and prefix make is then the prefix: whatever was installed must be movable.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
PREFIX = "/opt/lvlm"


def run(*command, **environment):
    command = [str(part) for part in command]
    print("+ " + " ".join(command), flush=True)
    finished = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", errors="replace")
    if finished.returncode:
        sys.exit("%s\nended with %d" % (finished.stdout, finished.returncode))
    return finished.stdout


def only(paths):
    found = sorted(paths)
    if len(found) != 1:
        sys.exit("expected one file, found %s" % found)
    return found[0]


def install(args, stage):
    run(args.cmake, "--install", args.build, "--prefix", PREFIX, DESTDIR=str(stage))
    prefix = stage / PREFIX.lstrip("/")
    strays = [path for path in stage.rglob("*") if prefix not in path.parents and path not in [prefix, *prefix.parents]]
    archives = list(prefix.rglob("*.a"))
    if strays or archives:
        sys.exit("installed where it should not be: %s" % (strays + archives))
    return prefix


def check_run_paths(prefix, build):
    """Libraries find one another relative to themselves."""
    for library in sorted(prefix.rglob("*.so")):
        paths = [line for line in run("readelf", "-d", library).splitlines() if "R" in line and "PATH)" in line]
        if any(str(build) in line or "$ORIGIN" not in line for line in paths) or not paths:
            sys.exit("%s: run path %s" % (library, paths))


def build_outside(args, prefix, folder):
    run(args.cmake, "-S", HERE / "Outside", "-B", folder, "-G", args.generator, "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_CXX_COMPILER_LAUNCHER=" + args.launcher, "-DCMAKE_PREFIX_PATH=%s" % prefix,
        "-DParaView_DIR=" + args.paraview, "-Wno-dev")
    run(args.cmake, "--build", folder)
    return only(folder.rglob("Outside.so"))


def check_web(prefix, home):
    """The page's launcher finds its files, and says what it misses or does not take in one line."""
    finished = subprocess.run([prefix / "bin" / "lvlm-web", "--port", "-1"], env={**os.environ, "HOME": str(home)}, encoding="utf-8",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    requirements = only(prefix.rglob("requirements.txt"))
    if finished.returncode == 0 or not finished.stdout.startswith("lvlm-web: ") or finished.stdout.count("\n") != 1 or (
            "trame" in finished.stdout and str(requirements) not in finished.stdout):
        sys.exit("lvlm-web: %s" % finished.stdout)


def main():
    parser = argparse.ArgumentParser()
    for name in ("cmake", "build", "work", "generator", "paraview", "pvpython"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--launcher", default="")
    args = parser.parse_args()
    work = pathlib.Path(args.work)
    shutil.rmtree(work, ignore_errors=True)
    home = work / "home"
    home.mkdir(parents=True)

    prefix = install(args, work / "stage")
    check_run_paths(prefix, args.build)
    plugin = only(prefix.rglob("LVLMInterpret.so"))
    listing = only(prefix.rglob("lvlm.plugins.xml"))
    outside = build_outside(args, prefix, work / "outside")
    print(run(args.pvpython, HERE / "outside_filter.py", plugin, outside, SOURCE / "Testing/Data/export/star.lvlm",
              HOME=str(home)))
    # The module lvlm loads the plugin itself, in ParaView's Python and in the system's.
    python_path = only(prefix.rglob("lvlm.py")).parent
    question = "import lvlm; assert len(lvlm.find_traces()) == 0, lvlm; import lvlm.traces"
    for python in (args.pvpython, sys.executable):
        run(python, "-c", question, HOME=str(home), PYTHONPATH=str(python_path))
    check_web(prefix, home)
    # A list of plugins that the user names.
    run(args.pvpython, "-c", "from paraview import simple; simple.LVLMTraceReader", HOME=str(home),
        PV_PLUGIN_CONFIG_FILE=str(listing))


if __name__ == "__main__":
    main()
