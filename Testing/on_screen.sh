#!/usr/bin/env bash
# Runs a command on an X server of its own, and says what the command said.
#   bash Testing/on_screen.sh WIDTHxHEIGHT COMMAND [ARGUMENT ...]
# The server itself takes a free number, so that several can start at the same moment; xvfb-run -a looks first and starts then.
# Without -noreset a server starts anew when its last client has left, and may refuse the next one meanwhile.
set -euo pipefail
size=$1
shift
folder=$(mktemp -d)
mkfifo "$folder/number"
# It ends when this script does, in whatever way.
setpriv --pdeathsig TERM Xvfb -displayfd 3 -screen 0 "${size}x24" -noreset -nolisten tcp 3> "$folder/number" > /dev/null 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -r "$folder"' EXIT
read -r number < "$folder/number" || { echo "Xvfb does not start" >&2; exit 1; }
DISPLAY=:$number "$@" || exit
