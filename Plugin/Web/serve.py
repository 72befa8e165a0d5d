# SPDX-License-Identifier: Apache-2.0
"""What the launcher `lvlm-web` starts in pvpython."""
import importlib.util
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
NEEDED = ("trame", "trame_client", "trame_server", "trame_vtk", "trame_vuetify", "aiohttp")


def require_trame(packages, requirements):
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit("lvlm-web: there is no %s for this Python (%d.%d): python3 -m pip install --target %s -r %s"
                 % (", ".join(missing), *sys.version_info[:2], packages, requirements))


def main():
    at = sys.argv.index("--packages")
    packages, _, requirements = sys.argv[at + 1:at + 4]
    require_trame(packages, requirements)
    from lvlm_web.front import main as serve
    serve(sys.argv[1:at] + sys.argv[at + 4:])


main()
