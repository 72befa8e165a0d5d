#!/usr/bin/env python3
"""Writes a random LLaVA checkpoint with Hugging Face's own code, for benchmarks (keep it outside the repository).

    python make_checkpoint.py FOLDER [--hidden 2048 --layers 8 --heads 16 --intermediate 5504 --shard 400MB]
    python make_checkpoint.py FOLDER --shape 7B|13B [--layers 8] [--device cuda]

The defaults make 0.54 billion parameters, 1.07 GB in bfloat16, with LLaVA-1.5's picture size and grid; `--shape 7B` is
LLaVA-1.5-7B's, tower and all (8 of its 32 layers fit beside a reference in float32), `13B` LLaVA-1.5-13B's, whose layers
are drawn and written one by one: all of it takes 26.7 GB on disk, and a machine of 24 GiB makes it, too.
Tokenizer and picture settings are copied from a golden checkpoint of Testing/Data/llava.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

GOLDEN = Path(__file__).resolve().parents[2] / "Data/llava/multihead-f32"


def add_layers(folder: Path, count: int) -> None:
    """Gives a saved model with one decoder layer `count` of them, each in a file of its own."""
    index_file = folder / "model.safetensors.index.json"
    index = json.loads(index_file.read_text())
    first = {name: tensor for file in sorted(set(index["weight_map"].values()))
             for name, tensor in load_file(folder / file).items() if ".layers.0." in name and "vision" not in name}
    for layer in range(1, count):
        drawn = {name.replace(".layers.0.", f".layers.{layer}."):
                 torch.ones_like(tensor) if tensor.dim() == 1 else torch.empty_like(tensor).normal_(0, 0.02) for name, tensor in first.items()}
        file = f"model-layer-{layer:02}.safetensors"
        save_file(drawn, folder / file, {"format": "pt"})
        index["weight_map"].update(dict.fromkeys(drawn, file))
    index_file.write_text(json.dumps(index))
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = count
    (folder / "config.json").write_text(json.dumps(config, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    small = dict(hidden=2048, layers=8, heads=16, intermediate=5504, vision_layers=4, vision_hidden=512)
    shapes = {"small": small, "7B": dict(hidden=4096, layers=32, heads=32, intermediate=11008, vision_layers=24, vision_hidden=1024),
              "13B": dict(hidden=5120, layers=40, heads=40, intermediate=13824, vision_layers=24, vision_hidden=1024)}
    for name in small:
        parser.add_argument("--" + name.replace("_", "-"), type=int)
    parser.add_argument("--shape", choices=tuple(shapes), default="small")
    parser.add_argument("--vocabulary", type=int, default=32064)
    parser.add_argument("--type", choices=("bfloat16", "float16"), default="bfloat16")
    parser.add_argument("--shard", default="400MB")
    parser.add_argument("--device", default="cpu", help="where the random numbers are drawn")
    args = parser.parse_args()
    for name, value in shapes[args.shape].items():
        setattr(args, name, getattr(args, name) or value)
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    torch.set_default_device(args.device)
    vision = CLIPVisionConfig(hidden_size=args.vision_hidden, intermediate_size=4 * args.vision_hidden,
                              num_hidden_layers=args.vision_layers, num_attention_heads=args.vision_hidden // 64,
                              image_size=336, patch_size=14)
    text = LlamaConfig(hidden_size=args.hidden, intermediate_size=args.intermediate,
                       num_hidden_layers=1 if args.shape == "13B" else args.layers,
                       num_attention_heads=args.heads, num_key_value_heads=args.heads, vocab_size=args.vocabulary,
                       rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2)
    image_token = json.loads((GOLDEN / "config.json").read_text())["image_token_index"]
    model = LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=text, image_token_index=image_token))
    model.to(getattr(torch, args.type)).save_pretrained(args.folder, max_shard_size=args.shard)
    if args.shape == "13B":
        add_layers(args.folder, args.layers)
    shutil.copy(GOLDEN / "tokenizer.json", args.folder)
    settings = json.loads((GOLDEN / "preprocessor_config.json").read_text())
    settings["size"] = {"shortest_edge": 336}
    settings["crop_size"] = {"height": 336, "width": 336}
    (args.folder / "preprocessor_config.json").write_text(json.dumps(settings))
    # No end token: benchmarks want answers of a known length.
    (args.folder / "generation_config.json").write_text(json.dumps({"eos_token_id": []}))
    config = json.loads((args.folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = config["eos_token_id"] = None
    (args.folder / "config.json").write_text(json.dumps(config, indent=1))
    print(args.folder, sum(file.stat().st_size for file in args.folder.glob("*.safetensors")) / 1e9, "GB")


if __name__ == "__main__":
    main()
