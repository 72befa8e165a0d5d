#!/usr/bin/env bash
# Installs the packages, builds everything, and runs all tests.
#   bash Testing/run.sh [BUILD_DIR]                (default: build)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
bash Examples/install-packages.sh
# trame, for the page in the browser. Without a network its tests are skipped, and say so.
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --upgrade --target "$build/web-packages" -r Plugin/Web/requirements.txt ||
  echo "No trame from PyPI: the page in the browser is not tested" >&2
cmake -S . -B "$build" -G Ninja -DBUILD_TESTING=ON
cmake --build "$build" --parallel
# Threads that wait for others sleep: spinning, as they would on an idle machine, they took fifty times as long on a busy one.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
ctest --test-dir "$build" --parallel 2 --output-on-failure --no-tests=error
