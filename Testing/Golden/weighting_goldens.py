#!/usr/bin/env python3
"""Weighted attention (J. Zhang et al., ICLR 2025) of Hugging Face's LLaVA on the tiny checkpoints, in float64.

    python weighting_goldens.py Testing/Data          # Testing/Data/weighting/NAME.safetensors of all CASES
    python weighting_goldens.py Testing/Data NAME ... # of some of them

Needs transformers 5. Picture, prompt and greedy answer are those of the checkpoint's golden.safetensors. In the file, of L layers, Hd
heads, N patches and the answer tokens `tokens` [n], from autograd through Hugging Face's eager model:

    gradient [n, L, Hd, N]   d log p(token) / dA, of the row that predicts the token
    attention [n, L, Hd, N]  A
    generic [L, Hd, N]       A of the last row of the same prompt with GENERIC in the question's place

Metadata: `float32_error.NAME`, the largest difference of their float32 run relative to the largest number of a layer.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedTokenizerFast

from family_goldens import hook_attention
from float64 import float64_throughout
from llava_goldens import PROMPT, QUESTION, expanded, image_processor, load

CASES = ("multihead-f32", "bias-bf16-qwen2", "siglip-llama", "gemma", "granite")
GENERIC = "Write a general description of the image."


def attention_run(folder: Path, dtype, ids: list, pixels, token: int) -> tuple:
    """[L, Hd, N] of the last row at the image: attention, and the gradient of the next token's log-probability with respect to it."""
    model = load(folder, dtype)
    kept, _ = hook_attention(model)
    sequence = torch.tensor([ids])
    out = model(input_ids=sequence, pixel_values=pixels.to(dtype), attention_mask=torch.ones_like(sequence), use_cache=False)
    gradients = torch.autograd.grad(torch.log_softmax(out.logits[0, -1], 0)[token], kept)
    image = sequence[0] == model.config.image_token_id
    return tuple(torch.stack([one[0, :, -1, image] for one in rows]).detach() for rows in (kept, gradients))


def numbers_of(folder: Path, ids: list, generic: list, answer: list, tokens: list, pixels, dtype) -> dict:
    runs = [attention_run(folder, dtype, ids + answer[:t], pixels, answer[t]) for t in tokens]
    attention, gradient = (torch.stack(rows) for rows in zip(*runs))
    return {"attention": attention, "gradient": gradient, "generic": attention_run(folder, dtype, generic, pixels, answer[0])[0]}


def golden(folder: Path, image: Image.Image, target: Path) -> None:
    known = load_file(folder / "golden.safetensors")
    ids, answer = known["ids"].tolist(), known["answer"].tolist()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    patches = ids.count(image_id)
    assert expanded(tokenizer(PROMPT)["input_ids"], image_id, patches) == ids
    generic = expanded(tokenizer(PROMPT.replace(QUESTION, GENERIC))["input_ids"], image_id, patches)
    tokens = [0, 2, len(answer) - 1]
    pixels = image_processor(folder)(image, return_tensors="pt")["pixel_values"]
    with float64_throughout():
        numbers = numbers_of(folder, ids, generic, answer, tokens, pixels, torch.float64)
    narrow = numbers_of(folder, ids, generic, answer, tokens, pixels, torch.float32)
    assert all(value.dtype == torch.float64 for value in numbers.values())
    errors = {}
    for name, value in numbers.items():
        size = value.abs().amax(dim=(-2, -1), keepdim=True)
        errors[f"float32_error.{name}"] = repr(float(((narrow[name] - value).abs() / size).max()))
    target.parent.mkdir(exist_ok=True)
    tensors = {"tokens": np.array(tokens), **{name: np.ascontiguousarray(value.numpy()) for name, value in numbers.items()}}
    save_file(tensors, target, {"checkpoint": folder.name, "generic": GENERIC, "transformers": transformers.__version__, **errors})
    print(f"{target}: {list(numbers['gradient'].shape)}, {target.stat().st_size} bytes, {errors}")


def main() -> None:
    data = Path(sys.argv[1])
    image = Image.open(data / "llava" / "picture.png").convert("RGB")
    for name in sys.argv[2:] or CASES:
        golden(data / "llava" / name, image, data / "weighting" / f"{name}.safetensors")


if __name__ == "__main__":
    main()
