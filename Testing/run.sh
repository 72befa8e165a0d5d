#!/usr/bin/env bash
# Installs the packages, builds everything, and runs all tests.
#   bash Testing/run.sh [BUILD_DIR]                (default: build)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
bash Examples/install-packages.sh
cmake -S . -B "$build" -G Ninja -DBUILD_TESTING=ON
cmake --build "$build" --parallel
ctest --test-dir "$build" --output-on-failure --no-tests=error
