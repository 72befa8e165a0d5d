#!/usr/bin/env bash
# Installs the Debian package on this system, which is changed by it, and proves that it works; then removes it again.
#   bash check_deb.sh PACKAGE.deb PICTURE
# For a container or a chroot (deb_in_chroot.sh), as root.
set -euo pipefail
package=$(realpath "$1")
picture=$(realpath "$2")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export HOME=$(mktemp -d) DEBIAN_FRONTEND=noninteractive

step() { printf '\n== %s\n' "$*"; }

step "installation"
apt-get update -q
apt-get install -q -y --no-install-recommends xvfb xauth
apt-get install -q -y --no-install-recommends "$package"

step "pvpython lists the plugin, and loads it by its name"
pvpython "$here/listed.py" listed

step "import lvlm in pvpython"
xvfb-run -a pvpython "$here/ask.py" "$picture"

step "import lvlm in python3"
xvfb-run -a python3 "$here/ask.py" "$picture"

step "paraview lists the plugin, and loads it by its name"
LVLM_RESULT="$HOME/listed" xvfb-run -a -s "-screen 0 1280x1024x24" paraview --script="$here/listed.py" --exit
cat "$HOME/listed"
LVLM_RESULT="$HOME/loaded" xvfb-run -a -s "-screen 0 1280x1024x24" paraview --plugins=LVLMInterpret --script="$here/listed.py" --exit
cat "$HOME/loaded"
grep -q "LVLMInterpret.*listed" "$HOME/listed"
grep -q "LVLMInterpret.*loaded" "$HOME/loaded"

step "removal"
apt-get purge -q -y lvlm-interpret
left=$(find /usr -path '*lvlm*' -o -path '*LVLM*' -o -name paraview.conf)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
echo "all is well"
