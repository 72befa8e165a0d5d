#!/usr/bin/env bash
# Installs the packages, builds the plugin, and asks the embedded model a first question.
#   bash Examples/quickstart.sh [BUILD_DIR]        (default: build)
# Pictures, the trace and a state file for the GUI are written to BUILD_DIR/first_question.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
bash Examples/install-packages.sh
cmake -S . -B "$build" -G Ninja -DBUILD_TESTING=OFF
cmake --build "$build" --parallel
# A virtual screen: the first question also works over ssh.
xvfb-run -a -s "-screen 0 1280x1024x24 -noreset" \
  pvpython Examples/Python/first_question.py --plugin "$build/lib/LVLMInterpret/LVLMInterpret.so" \
  --output "$build/first_question"
