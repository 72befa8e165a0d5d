#!/usr/bin/env python3
"""Time and memory of an answer with its attention: Hugging Face (eager, output_attentions) beside this library, in one run.

    python compare.py CHECKPOINT BENCH_INFERENCE_EXE [--tokens 12] [--runs 3] [--types bfloat16 float32] [--device cuda] [--small CHECKPOINT]

CHECKPOINT comes from make_checkpoint.py. Each side runs in a process of its own on the same threads (OMP_NUM_THREADS or all
cores), the fastest of the runs counts; first token is the time until the first token is known, picture included. Memory is
anonymous memory over what the process had before it asked; Hugging Face's weights are mapped where it maps them. Needs a quiet
machine; nothing here is a test.

With --small, a checkpoint that Hugging Face can run in float64, how exact each side is as well: the attention of the query that predicts the first
token, in all layers and heads, and that token's log-probability, largest difference from Hugging Face's float64 on the same ids and pixels.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "relevancy"))
from compare import PeakMemory  # noqa: E402

POSITIONS_OF_TEXT = 36  # with 576 patches about as many as BenchInference's question


def theirs(args) -> None:
    import torch
    from transformers import LlavaForConditionalGeneration

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    torch.manual_seed(1)
    model = LlavaForConditionalGeneration.from_pretrained(args.checkpoint, torch_dtype=getattr(torch, args.child),
                                                          attn_implementation="eager").eval().to(args.device)
    vision = model.config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    image = model.config.image_token_index
    text = torch.randint(3, 1000, (POSITIONS_OF_TEXT,)).tolist()
    ids = torch.tensor([[1] + text[:5] + [image] * patches + text[6:]]).to(args.device)
    pixels = torch.rand(1, 3, vision.image_size, vision.image_size).to(args.device, model.dtype)
    memory = PeakMemory()
    best = {}
    for _ in range(args.runs + 1):  # the first one warms up
        times = [time.perf_counter()]
        with torch.no_grad():
            cache, given, kept = None, ids, []
            for step in range(args.tokens):
                out = model(input_ids=given, pixel_values=pixels if step == 0 else None, past_key_values=cache, use_cache=True,
                            attention_mask=torch.ones(1, ids.shape[1] + step, dtype=torch.long, device=args.device), output_attentions=True)
                cache, given = out.past_key_values, out.logits[:, -1:].argmax(-1)
                # What a trace keeps: the rows that predict tokens, and every row of the last layer.
                kept.append([a[0, :, -1].float().cpu() for a in out.attentions] + [out.attentions[-1][0].float().cpu()])
                times.append(time.perf_counter())
        first, further = times[1] - times[0], (times[-1] - times[1]) / max(1, args.tokens - 1)
        best = {"first": min(first, best.get("first", first)), "further": min(further, best.get("further", further))}
    print(json.dumps(best | {"memory": memory.peak - memory.first, "positions": ids.shape[1]}))


def numbers_of(checkpoint: Path, dtype, device: str, ids, seen) -> tuple:
    """Hugging Face's attention of the last query [layers, heads, positions] and log-probabilities [vocabulary] on a trace's picture."""
    import torch
    from transformers import CLIPImageProcessor, LlavaForConditionalGeneration

    model = LlavaForConditionalGeneration.from_pretrained(checkpoint, torch_dtype=dtype, attn_implementation="eager").eval().to(device)
    pixels = CLIPImageProcessor.from_pretrained(checkpoint)(seen, do_resize=False, do_center_crop=False, return_tensors="pt")["pixel_values"]
    given = torch.from_numpy(ids)[None].to(device)
    with torch.no_grad():
        out = model(input_ids=given, pixel_values=pixels.to(device, dtype), attention_mask=torch.ones_like(given), output_attentions=True)
    return torch.stack([a[0, :, -1] for a in out.attentions]).double().cpu().numpy(), out.logits[0, -1].double().log_softmax(-1).cpu().numpy()


def errors(args) -> None:
    """The other process with --small: prints how far each side is from float64."""
    import numpy as np
    import torch
    from safetensors import safe_open

    with tempfile.TemporaryDirectory() as folder:
        traces = {}
        for name in ("BFloat16", "Float32"):
            path = Path(folder) / f"{name}.lvlm"
            subprocess.run(list(map(str, (args.bench, args.small, 2, name, 0, args.device, path))), check=True, stdout=subprocess.DEVNULL)
            with safe_open(path, "np") as file:
                traces[name] = {"prompt": int(file.metadata()["prompt_length"]),
                                **{key: file.get_tensor(key) for key in ("image", "tokens.id", "attention.answer", "answer.logprob")}}
    trace = traces["Float32"]
    P = trace["prompt"]
    ids = trace["tokens.id"][:P]
    theirs = {name: numbers_of(args.small, getattr(torch, name), args.device, ids, trace["image"]) for name in ("float64", "bfloat16", "float32")}
    attention, logprob = theirs.pop("float64")
    found = {f"Hugging Face, {name}": (rows, logprobs[trace["tokens.id"][P]]) for name, (rows, logprobs) in theirs.items()}
    found |= {f"this library, {name}": (one["attention.answer"][:, :, 0, :P], one["answer.logprob"][0] if one["tokens.id"][P] == trace["tokens.id"][P] else None)
              for name, one in traces.items()}
    for name, (rows, one) in found.items():
        told = "another token" if one is None else f"{abs(one - logprob[trace['tokens.id'][P]]):.1e}"
        print(f"{name:<24} attention off by {np.abs(rows - attention).max():.1e} (its largest is {attention.max():.1e}), log-probability by {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("bench")
    parser.add_argument("--tokens", type=int, default=12)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--types", nargs="+", default=["bfloat16", "float32"], choices=("bfloat16", "float32"))
    parser.add_argument("--device", default="cpu", help="of both sides: cpu or cuda")
    parser.add_argument("--small", type=Path, help="a checkpoint for the errors")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        errors(args) if args.child == "errors" else theirs(args)
        return

    def run(*command) -> dict:
        done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout.strip().splitlines()[-1])

    results = {}
    for name in args.types:
        results[f"Hugging Face, {name}"] = run(sys.executable, __file__, args.checkpoint, args.bench, "--tokens", args.tokens,
                                               "--runs", args.runs, "--device", args.device, "--child", name)
    for name in ("BFloat16", "Float32"):
        results[f"this library, {name}"] = run(args.bench, args.checkpoint, args.tokens, name, args.runs, args.device)
    base = results["Hugging Face, bfloat16"]
    print(f"{os.environ.get('OMP_NUM_THREADS', os.cpu_count())} threads, about {base['positions']} positions")
    for name, found in results.items():
        print(f"{name:<24} first token {found['first']:8.2f} s ({base['first'] / found['first']:5.2f} x), "
              f"a further one {found['further']:7.3f} s ({base['further'] / found['further']:5.2f} x), "
              f"{found['memory'] / 1e6:8.0f} MB")
    if args.small:
        subprocess.run([sys.executable, __file__, args.checkpoint, args.bench, "--device", args.device, "--small", args.small, "--child", "errors"], check=True)


if __name__ == "__main__":
    main()
