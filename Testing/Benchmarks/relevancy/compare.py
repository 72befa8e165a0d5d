#!/usr/bin/env python3
"""Time and memory of the relevancy of a whole answer: LVLM-Interpret's procedure beside ours, in one run.

    python compare.py LVLM_INTERPRET_DIR CHECKPOINT BENCH_RELEVANCY_EXE [--tokens 16] [--device cuda]

CHECKPOINT is a random model of about 300 million parameters with LLaVA-1.5's grid, so that upstream runs unchanged:
    (made by the same transformers, 4.46: it does not know the names of later ones)
    python ../inference/make_checkpoint.py CHECKPOINT --hidden 1024 --layers 14 --heads 16 --intermediate 2816 --vision-layers 12

Each side runs in a process of its own on the same threads (OMP_NUM_THREADS or all cores). Upstream's side is
generation with the graph retained plus its own `construct_relevancy_map`; its two times are given apart. It loads
models in bfloat16 itself; the default here is float32, in which both sides compute the same numbers.
Memory is the peak of anonymous memory over what the process had before the model was opened. The maps of both sides
are compared as well. Needs a quiet machine (on a busy one look at the CPU time with OMP_NUM_THREADS=1); nothing here
is a test.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROMPT = "USER: <image>\nWhat color is the star? ASK:"
MAPS = ("decoder", "vision", "joint", "joint_token")


class PeakMemory(threading.Thread):
    """Samples this process's anonymous memory."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = self.first = self.now()
        self.start()

    @staticmethod
    def now() -> int:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no RssAnon")

    def run(self) -> None:
        while True:
            self.peak = max(self.peak, self.now())
            time.sleep(0.005)


def upstream(args, trace: Path) -> None:
    """The other process: writes the trace with upstream's maps, prints its numbers."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Golden"))
    import numpy as np
    import relevancy_goldens as goldens
    import torch
    from PIL import Image
    from safetensors.numpy import save_file
    from transformers import CLIPImageProcessor, PreTrainedTokenizerFast

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.checkpoint)
    processor = CLIPImageProcessor.from_pretrained(args.checkpoint)
    picture = Image.open(Path(__file__).resolve().parents[2] / "Data/llava/picture.png").convert("RGB")
    memory = PeakMemory()
    model = goldens.load_model(args.checkpoint, None).to(args.device, getattr(torch, args.dtype))
    vision = model.config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    image_id = model.config.image_token_index
    ids = torch.tensor([[i for token in tokenizer(PROMPT)["input_ids"]
                         for i in [token] * (patches if token == image_id else 1)]]).to(args.device)
    pixels = processor(picture, return_tensors="pt")["pixel_values"].to(args.device, model.dtype)
    seen = processor(picture, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    goldens.ANSWER = args.tokens
    construct = goldens.load_upstream(args.upstream, patches)
    mark = {}

    def timed(*rest, **named):
        mark["generated"] = time.perf_counter()
        return construct(*rest, **named)

    start, cpu = time.perf_counter(), time.process_time()
    answer, logprob, maps = goldens.compatible_maps(timed, model, ids, pixels, args.tokens, None, True)
    end = time.perf_counter()
    P, start_image = ids.shape[1], int((ids[0] == image_id).nonzero()[0])
    roles = ["system"] * start_image + ["image"] * patches + ["question"] * (P - start_image - patches)
    sequence = ids[0].tolist() + answer
    tensors = {"image": np.ascontiguousarray(seen.transpose(1, 2, 0)).astype(np.uint8),
               "tokens.id": np.array(sequence, np.int64), "answer.logprob": np.array(logprob, np.float32)}
    tensors |= {f"relevancy.{m}": v.astype(np.float32) for m, v in maps.items()}
    edge = int(patches ** 0.5)
    save_file(tensors, trace, {
        "format": "lvlm-trace", "version": "1", "model": args.checkpoint.name, "prompt": PROMPT, "answer": "",
        "tokens": json.dumps([f"▁{i}" for i in sequence]), "roles": json.dumps(roles + ["answer"] * len(answer)),
        "prompt_length": str(P), "image_start": str(start_image), "grid": f"{edge},{edge}",
        "precision": {"float32": "Float32", "bfloat16": "BFloat16"}[args.dtype]})
    print(json.dumps({"generation": mark["generated"] - start, "seconds": end - start,
                      "cpu": time.process_time() - cpu,
                      "memory": memory.peak - memory.first,
                      "parameters": sum(p.numel() for p in model.parameters()), "positions": len(sequence)}))


def largest_difference(a, b) -> float:
    """Over all tokens, relative to each map's maximum."""
    return float((abs(a - b).max(-1) / abs(b).max(-1)).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("upstream")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("bench")
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--device", default="cpu", help="of both sides: cpu or cuda")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"), help="of upstream's side")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        upstream(args, args.child)
        return
    from safetensors.numpy import load_file

    def run(*command) -> dict:
        out = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(out.strip().splitlines()[-1])

    def line(name: str, result: dict) -> None:
        print(f"{name:<42} {result['seconds']:8.1f} s {result['cpu']:8.1f} s CPU {result['memory'] / 1e6:8.0f} MB"
              f"   {theirs['seconds'] / result['seconds']:5.1f} x faster "
              f"({theirs['cpu'] / result['cpu']:.1f} x in CPU time), memory / {theirs['memory'] / result['memory']:.1f}")

    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "upstream.lvlm"
        theirs = run(sys.executable, __file__, args.upstream, args.checkpoint, args.bench, "--tokens", args.tokens,
                     "--dtype", args.dtype, "--device", args.device, "--child", trace)
        print(f"{theirs['parameters'] / 1e6:.0f} M parameters, {theirs['positions']} positions, {args.tokens} answer tokens, upstream in {args.dtype}, "
              f"{os.environ.get('OMP_NUM_THREADS', os.cpu_count())} threads")
        line("LVLM-Interpret, all maps", theirs)
        print(f"{'  of which generation with the graph':<42} {theirs['generation']:8.1f} s")
        exact = None  # our maps in Float32
        for mode, which, precision in (("compatible", "all", "Float32"), ("compatible", "all", "BFloat16"), ("exact", "all", "Float32"),
                                       ("exact", "all", "BFloat16"), ("compatible", "decoder", "Float32"), ("exact", "decoder", "Float32")):
            output = Path(folder) / f"{mode}.lvlm"
            line(f"ours, {mode}, {'all maps' if which == 'all' else which}, {precision}",
                 run(args.bench, args.checkpoint, trace, output, mode, 1, which, args.device, precision))
            if mode == "compatible" and which == "all":
                maps, upstreams = load_file(output), load_file(trace)
                exact = exact or maps
                for m in MAPS:
                    key = f"relevancy.{m}"
                    print(f"    {m:<12} differs by {largest_difference(maps[key], upstreams[key]):.1e} of the map's maximum from LVLM-Interpret's, "
                          f"by {largest_difference(maps[key], exact[key]):.1e} from ours in Float32")


if __name__ == "__main__":
    main()
