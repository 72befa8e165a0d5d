# SPDX-License-Identifier: Apache-2.0
"""What the launcher `lvlm-web` starts in pvpython."""
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
NEEDED = ("trame.app", "trame_vtk", "trame_vuetify", "aiohttp")


def require_trame(packages, requirements):
    """Ends the program where it is not there, or there for another Python."""
    try:
        for name in NEEDED:
            importlib.import_module(name)
    except ImportError as error:
        sys.exit("lvlm-web: there is no trame for this Python (%d.%d; %s): python3 -m pip install --target %s -r %s"
                 % (*sys.version_info[:2], error, packages, requirements))


def main():
    at = sys.argv.index("--packages")
    packages, _, requirements = sys.argv[at + 1:at + 4]
    require_trame(packages, requirements)
    from lvlm_web.front import main as serve
    serve(sys.argv[1:at] + sys.argv[at + 4:])


main()
