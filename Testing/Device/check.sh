#!/usr/bin/env bash
# On a GPU machine, from the folder that pack.sh made: is what the GPU computes Hugging Face's, and how fast is it?
#
#   bash check.sh [cuda | cpu] [7B | small] [UPSTREAM] [OLDER]
#
# 1. The unit tests whose numbers are Hugging Face's in float64 (Testing/Golden), with models on that device.
# 2. A random checkpoint of LLaVA-1.5-7B's shape: first token and further tokens beside Hugging Face's eager model, on that device;
#    then the same where only a part of the weights fits there.
# 3. With UPSTREAM, the folder of LVLM-Interpret's code, and OLDER, a folder with transformers 4.46, or nothing where it is installed:
#    relevancy of 16 tokens, beside it.
# Takes less than eight minutes on an H100; `cpu small` tries the script itself anywhere.
set -uo pipefail
cd "$(dirname "$0")"
device=${1:-cuda} shape=${2:-7B} upstream=${3:-} older=${4:-}
torch=$(python3 -c 'import torch; print(torch.__path__[0])') || exit 1
libraries=$(find "$torch/lib" "$torch/../nvidia" -maxdepth 2 -type d -name lib 2>/dev/null | tr '\n' ':')
# The programs find the libraries, python3 does not: it has its own.
mkdir -p run logs
for program in bin/*; do
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$PWD/lib:$libraries" "$PWD/$program" > "run/${program#bin/}"
done
chmod +x run/*
python3 -c 'import torch, transformers; print("torch", torch.__version__, "transformers", transformers.__version__,
      torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")'
failed=0
checkpoint=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)")
trap 'rm -rf "$checkpoint"' EXIT

tests=(run/Test*)
running=()
for test in "${tests[@]}"; do
  LVLM_TEST_DEVICE=$device OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive "$test" > "logs/$(basename "$test").log" 2>&1 &
  running+=($!)
done
for i in "${!tests[@]}"; do
  name=$(basename "${tests[$i]}")
  wait "${running[$i]}" || { failed=1; grep -a -m 20 -E "failed|LibTorch|error" "logs/$name.log"; }
  echo "$name on $device: $(tail -n 1 "logs/$name.log"), $SECONDS s after the start"
done

size=(--shape "$shape") tokens=16
[ "$shape" = small ] && size=(--layers 2 --hidden 256 --heads 4 --intermediate 512 --vision-layers 2 --vision-hidden 64) tokens=4
# What transformers 4.46 saves, every later one reads.
PYTHONPATH=$older python3 Testing/Benchmarks/inference/make_checkpoint.py "$checkpoint" "${size[@]}" --device "$device" &&
  python3 Testing/Benchmarks/inference/compare.py "$checkpoint" run/BenchInference --tokens "$tokens" --types bfloat16 --device "$device" ||
  failed=1
if [ "$device" = cuda ]; then
  # Another process holds all but 10 GiB of the device's memory, so that the later layers' weights are streamed.
  python3 -c 'import time, torch
held = torch.empty(max(0, torch.cuda.mem_get_info()[0] - (10 << 30)), dtype=torch.uint8, device="cuda"); print("held", flush=True); time.sleep(600)' > logs/held &
  holder=$!
  until grep -q held logs/held || ! kill -0 "$holder" 2>/dev/null; do sleep 0.2; done
  echo "with 10 GiB of the device's memory free:"
  run/BenchInference "$checkpoint" 4 Float32 1 "$device" || failed=1
  kill "$holder"
  wait "$holder" 2>/dev/null
fi
if [ -n "$upstream" ]; then
  PYTHONPATH=$older python3 Testing/Benchmarks/relevancy/compare.py "$upstream" "$checkpoint" run/BenchRelevancy \
    --tokens "$tokens" --dtype bfloat16 --device "$device" || failed=1
fi
[ "$failed" = 0 ] && echo "all is well" || { echo "something failed"; exit 1; }
