#!/usr/bin/env bash
# Packs what a bare GPU machine lacks: the unit tests and benchmarks, built here, with their data and the libraries that they need.
#
#   bash Testing/Device/pack.sh TORCH_FOLDER PACK.tar.xz
#
# TORCH_FOLDER is the LibTorch that the GPU machine has, in the same version: .../site-packages/torch of PyPI's wheel, or an unpacked
# libtorch. Neither a GPU nor the CUDA toolkit is needed for it. On the GPU machine, where python3 has that torch and transformers:
#
#   tar xf PACK.tar.xz && bash device/check.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
torch=$(realpath "${1:?the folder of LibTorch}")
pack=$(realpath -m "${2:?the file to write}")
build=build-device
tests=(TestProducts TestLlava TestTiles TestRelevancy TestWeighting TestLens TestIntervention TestPatching)
benches=(inference/BenchInference relevancy/BenchRelevancy)

cmake -S . -B "$build" -G Ninja -DLVLM_ENABLE_PARAVIEW=OFF -DBUILD_TESTING=ON -DLVLM_BUILD_BENCHMARKS=ON -DLVLM_TEST_ROOT=. -DCMAKE_PREFIX_PATH="$torch"
cmake --build "$build" --target "${tests[@]}" "${benches[@]#*/}"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
to=$folder/device
mkdir -p "$to/bin" "$to/lib" "$to/Testing"
cp "${tests[@]/#/$build/Testing/Cpp/}" "${benches[@]/#/$build/Testing/Benchmarks/}" "$to/bin"
cp -r Testing/Data Testing/Golden Testing/Benchmarks "$to/Testing"
cp Testing/Device/check.sh "$to"
mkdir -p "$to/Models" && cp -r Models/TinyLlava "$to/Models"
# All but LibTorch, what lies beside it, and the C library's own.
ldd "$to"/bin/* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
  grep -Ev "^$(dirname "$torch")/|/(libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s)\.so" | xargs -I{} cp -L {} "$to/lib"
XZ_OPT=-T0 tar -C "$folder" -cJf "$pack" device
ls -l "$pack"
