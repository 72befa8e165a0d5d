#!/usr/bin/env bash
# On a GPU machine, from the folder that pack.sh made: is what the GPU computes Hugging Face's, and how fast is it?
#
#   bash check.sh [cuda | cpu] [7B | small] [UPSTREAM]
#
# 1. The unit tests whose numbers are Hugging Face's in float64 (Testing/Golden), with models on that device.
# 2. A random checkpoint of LLaVA-1.5-7B's shape: first token and further tokens beside Hugging Face's eager model, on that device.
# 3. With UPSTREAM, the folder of LVLM-Interpret's code, and transformers 4.46: relevancy of 16 tokens, beside it.
# Takes less than eight minutes on an H100; `cpu small` tries the script itself anywhere.
set -uo pipefail
cd "$(dirname "$0")"
device=${1:-cuda} shape=${2:-7B} upstream=${3:-}
torch=$(python3 -c 'import torch; print(torch.__path__[0])') || exit 1
libraries=$(find "$torch/lib" "$torch/../nvidia" -maxdepth 2 -type d -name lib 2>/dev/null | tr '\n' ':')
export LVLM_TEST_DEVICE=$device LD_LIBRARY_PATH=$PWD/lib:$libraries${LD_LIBRARY_PATH:-}
python3 -c 'import torch, transformers; print("torch", torch.__version__, "transformers", transformers.__version__,
      torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")'
failed=0
for test in bin/Test*; do
  start=$SECONDS
  "$test" > "$(basename "$test").log" 2>&1 || { failed=1; grep -a -m 20 -E "failed|LibTorch|error" "$(basename "$test").log"; }
  echo "$(basename "$test") on $device: $(tail -n 1 "$(basename "$test").log"), $((SECONDS - start)) s"
done

checkpoint=$(mktemp -d)
trap 'rm -rf "$checkpoint"' EXIT
size=(--shape "$shape") tokens=16 types=(bfloat16)
[ "$shape" = small ] && size=(--layers 2 --hidden 256 --heads 4 --intermediate 512 --vision-layers 2 --vision-hidden 64) tokens=4
python3 Testing/Benchmarks/inference/make_checkpoint.py "$checkpoint" "${size[@]}" --device "$device" &&
  python3 Testing/Benchmarks/inference/compare.py "$checkpoint" bin/BenchInference --tokens "$tokens" --types "${types[@]}" --device "$device" || failed=1
if [ -n "$upstream" ]; then
  python3 Testing/Benchmarks/relevancy/compare.py "$upstream" "$checkpoint" bin/BenchRelevancy --tokens "$tokens" --dtype bfloat16 --device "$device" || failed=1
fi
[ "$failed" = 0 ] && echo "all is well" || { echo "something failed"; exit 1; }
