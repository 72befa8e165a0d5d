#!/usr/bin/env python3
"""Makes the golden numbers of questions about several pictures, of checkpoints that are there, with the newest transformers.

    python several_goldens.py DATA_DIR      # DATA_DIR: Testing/Data

DATA_DIR/llava/several.golden.safetensors has, for each checkpoint of NAMES (prefix `NAME.`), of Hugging Face in float64:

    picture.N u8 [H, W, 3]                        the pictures, of several shapes
    seen.N u8 [h, w, 3] or [tiles, h, w, 3]       what its processor (the one that uses Pillow) makes of each
    ids i64 [P], answer i64 [T], logprob [T]
    attention.answer [L, Hd, T, K]
    relevancy.decoder [T, K], and where pictures are not tiled relevancy.joint [T, patches] through the tower of the first picture

and as metadata `float32_error.NAME.TENSOR`, how far Hugging Face's own float32 is from them. LLaVA-OneVision reads pictures that share a
question each in one piece (`batch_num_images`), as its processor does for a conversation.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file
from transformers.image_processing_utils import select_best_resolution

from family_goldens import hook_attention, tower_map
from float64 import float64_throughout, largest_difference
from llava_goldens import QUESTION, image_processor, layers_used, load
from relevancy_goldens import chain
from tile_goldens import NextProcessor, OnevisionProcessor, pictures, places

NAMES = ("multihead-f32", "siglip-qwen2", "vipllava", "next-llama", "next-granite", "onevision-qwen2")
PICTURES = (5, 1, 0)
PROMPT = "USER: " + "<image>\n" * len(PICTURES) + f"{QUESTION} ASSISTANT:"
ANSWER = 4


def processor_of(folder: Path):
    kind = {"next": NextProcessor, "onevision": OnevisionProcessor}.get(folder.name.split("-")[0])
    return kind.from_pretrained(folder) if kind else image_processor(folder)


def processed(folder: Path, images: list, **options) -> dict:
    together = [images] if folder.name.startswith("onevision") else images
    return dict(processor_of(folder)(together, **options))


def inputs_of(folder: Path, images: list) -> dict:
    made = processed(folder, images, return_tensors="pt")
    return {name: torch.as_tensor(value) for name, value in made.items()}


def counts_of(model, images: list) -> list:
    """Image tokens of each picture."""
    vision = model.config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    if model.config.model_type == "llava_onevision":
        return [patches + 1] * len(images)
    if model.config.model_type != "llava_next":
        return [patches] * len(images)
    counts = []
    for image in images:
        size = (image.height, image.width)
        canvas = select_best_resolution(size, model.config.image_grid_pinpoints)
        tiles = 1 + canvas[0] * canvas[1] // vision.image_size ** 2
        counts.append(len(places(model, size, tiles, canvas)))
    return counts


def expanded(ids: list, image_id: int, counts: list) -> list:
    left = iter(counts)
    return [token for one in ids for token in [one] * (next(left) if one == image_id else 1)]


def run(model, ids: list, inputs: dict):
    given = {name: value.to(model.dtype) if value.is_floating_point() else value for name, value in inputs.items()}
    return model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), use_cache=False, **given)


@torch.no_grad()
def greedy(model, ids: list, inputs: dict) -> list:
    answer = []
    while len(answer) < ANSWER and 2 not in answer:
        answer.append(int(run(model, ids + answer, inputs).logits[0, -1].argmax()))
    return answer


def numbers_of(model, ids: list, answer: list, inputs: dict, first: slice, tiled: bool) -> dict:
    model.model.vision_tower.config._attn_implementation = "eager"
    decoder, vision = hook_attention(model)
    P, K = len(ids), len(ids) + len(answer) - 1
    found = {"relevancy.decoder": np.zeros((len(answer), K))}
    for t, token in enumerate(answer):
        decoder.clear()
        vision.clear()
        logits = run(model, ids + answer[:t], inputs).logits[0, -1]
        attentions = decoder + ([] if tiled else vision[:layers_used(model.config)])
        gradients = torch.autograd.grad(logits[token], attentions)
        pairs = [(a[0].detach(), g[0]) for a, g in zip(attentions, gradients)]  # of the first picture
        full = chain(pairs[:len(decoder)], torch.eye(P + t))
        found["relevancy.decoder"][t, :P + t] = (full[-1] - torch.eye(P + t)[-1]) / (full[-1].sum() - 1)
        if not tiled:
            seen = pairs[len(decoder):]
            row, total = tower_map(seen, full, first, seen[0][0].shape[-1] > first.stop - first.start)["joint"]
            found.setdefault("relevancy.joint", np.zeros((len(answer), len(row))))[t] = row / total
    decoder.clear()
    with torch.no_grad():
        logits = run(model, ids + answer[:-1], inputs).logits[0, P - 1:]
    return found | {"logprob": torch.log_softmax(logits, -1)[range(len(answer)), answer].numpy(),
                    "attention.answer": torch.cat(decoder)[:, :, P - 1:].detach().numpy()}


def seen_by(folder: Path, images: list, model) -> list:
    vision = model.config.vision_config
    edge = vision.image_size // vision.patch_size * vision.patch_size
    seen = processed(folder, images, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"]
    found = []
    for image, pixels in zip(images, seen):
        if model.config.model_type == "llava_next":  # filled up to the largest number of tiles
            canvas = select_best_resolution((image.height, image.width), model.config.image_grid_pinpoints)
            pixels = pixels[:1 + canvas[0] * canvas[1] // vision.image_size ** 2]
        elif pixels.ndim == 4:
            pixels = pixels[0]
        found.append(np.moveaxis(pixels, -3, -1)[..., :edge, :edge, :].astype(np.uint8))
    return found


def golden(folder: Path, images: list) -> tuple:
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    inputs, image_id = inputs_of(folder, images), tokenizer.convert_tokens_to_ids("<image>")
    with float64_throughout():
        model = load(folder, torch.float64)
        counts = counts_of(model, images)
        ids = expanded(tokenizer(PROMPT)["input_ids"], image_id, counts)
        first = slice(ids.index(image_id), ids.index(image_id) + counts[0])
        tiled = model.config.model_type in ("llava_next", "llava_onevision")
        answer = greedy(model, ids, inputs)
        exact = numbers_of(model, ids, answer, inputs, first, tiled)
    narrow = load(folder, torch.float32)
    assert greedy(narrow, ids, inputs) == answer, "an answer that hangs on rounding is no golden one"
    others = numbers_of(narrow, ids, answer, inputs, first, tiled)
    tensors = {"ids": np.array(ids), "answer": np.array(answer), **exact}
    for number, (image, seen) in enumerate(zip(images, seen_by(folder, images, model))):
        tensors |= {f"picture.{number}": np.asarray(image), f"seen.{number}": seen}
    errors = {f"float32_error.{folder.name}.{name}": repr(largest_difference(torch.as_tensor(exact[name]), torch.as_tensor(others[name])))
              for name in exact}
    print(folder.name, "tokens", counts, "of", len(ids), "answer", answer, errors)
    return {f"{folder.name}.{name}": np.ascontiguousarray(value) for name, value in tensors.items()}, errors


def main() -> None:
    data = Path(sys.argv[1]) / "llava"
    everything = pictures()
    tensors, metadata = {}, {"prompt": PROMPT, "question": QUESTION, "pictures": str(len(PICTURES)), "names": " ".join(NAMES),
                             "transformers": transformers.__version__}
    for name in NAMES:
        more, errors = golden(data / name, [everything[number] for number in PICTURES])
        tensors |= more
        metadata |= errors
    target = data / "several.golden.safetensors"
    save_file(tensors, target, metadata)
    print(target, target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
