#!/usr/bin/env python3
"""Makes tiny random checkpoints that read a picture in tiles (llava_next, llava_onevision), with the newest transformers, and their golden numbers.

    python tile_goldens.py DATA_DIR [NAME ...]      # DATA_DIR: Testing/Data; names of CASES

DATA_DIR/llava/NAME is a genuine folder as Hugging Face saves it, image processor and all. Its `golden.safetensors` has, for pictures 0, 1
... of other shapes (prefix `0.` ...), of Hugging Face in float64:

    picture u8 [H, W, 3], tiles u8 [tiles, h, w, 3]     what its processor (the one that uses Pillow) cuts
    places f64 [tokens, 2]                              what `pack_image_features` makes of features that say where their patch is: x, y
                                                        on the canvas; -1000 - patch, -1 of the whole picture; -1, -1 a newline
    ids i64 [P], answer i64 [T], logprob f32 [T]
    attention.answer [L, Hd, T, K], attention.vision [Lv, Hv, Nv, Nv] of the first tile
    relevancy [T, K], relevancy.raw [T, K]              Chefer's rules over the decoder with full matrices and autograd

and as metadata `float32_error.N.NAME`, how far Hugging Face's own float32 is from them.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.numpy import save_file
from transformers import (
    CLIPVisionConfig,
    GraniteConfig,
    LlamaConfig,
    LlavaNextConfig,
    LlavaOnevisionConfig,
    MistralConfig,
    Qwen2Config,
    SiglipVisionConfig,
)

from transformers.image_processing_utils import select_best_resolution

from float64 import float64_throughout, largest_difference
from llava_goldens import PROMPT, expanded, layers_used, load, make_tokenizer
from relevancy_goldens import chain

NextProcessor = getattr(transformers, "LlavaNextImageProcessorPil", transformers.LlavaNextImageProcessor)
OnevisionProcessor = getattr(transformers, "LlavaOnevisionImageProcessorPil", transformers.LlavaOnevisionImageProcessor)
TEXT = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=320, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0)
VISION = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, patch_size=14)
CLIP = (CLIPVisionConfig, dict(projection_dim=16, image_size=42))
SIGLIP = (SiglipVisionConfig, dict(vision_use_head=False, image_size=47))  # 5 pixels beside the patches of each tile
ANSWER = 4

# name: tower, text config, its numbers, canvases (height, width) in tiles, the top level's numbers
CASES = {
    "next-llama": dict(tower=CLIP, text=LlamaConfig, numbers={}, canvases=[(1, 2), (2, 1), (2, 2), (3, 1), (1, 3)], top={}),
    "next-mistral": dict(tower=CLIP, text=MistralConfig, numbers=dict(sliding_window=30), canvases=[(2, 1), (1, 2)], top={}),
    "next-granite": dict(tower=SIGLIP, text=GraniteConfig, canvases=[(1, 1), (1, 2), (2, 2), (1, 4)],
                         numbers=dict(embedding_multiplier=3.3, residual_multiplier=0.37, attention_multiplier=0.21),
                         top=dict(vision_feature_select_strategy="full", vision_feature_layer=[-2, 1, -1])),
    "onevision-qwen2": dict(config=LlavaOnevisionConfig, tower=SIGLIP, text=Qwen2Config, numbers={}, top=dict(vision_aspect_ratio="anyres_max_2"),
                            canvases=[(rows, cols) for rows in range(1, 5) for cols in range(1, 5)]),
}
SHAPES = [(50, 50), (97, 31), (23, 76), (200, 13), (9, 200), (151, 90)]  # width, height


def pictures() -> list:
    rng = np.random.default_rng(11)
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8), "RGB") for w, h in SHAPES]


def make_model(folder: Path, case: dict, seed: int) -> None:
    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    tower, more = case["tower"]
    edge = more["image_size"]
    canvases = [[rows * edge, cols * edge] for rows, cols in case["canvases"]]
    config = case.get("config", LlavaNextConfig)(
        vision_config=tower(**VISION, **more), text_config=case["text"](**{**TEXT, **case["numbers"]}),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"), image_grid_pinpoints=canvases, **case["top"])
    model = transformers.AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():  # larger than at the start, so that attention is far from uniform
        for name, p in model.named_parameters():
            if p.dim() > 1:
                p.mul_(3 if "vision_tower" in name else 6)
            else:
                p.add_(0.2 * torch.randn_like(p))
    model.generation_config.eos_token_id = 2
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    numbers = dict(image_grid_pinpoints=canvases, image_mean=[0.48, 0.45, 0.4], image_std=[0.26, 0.26, 0.27])
    square = {"height": edge, "width": edge}
    processor = OnevisionProcessor(size=square, **numbers) if "config" in case else NextProcessor(
        size={"shortest_edge": edge}, crop_size=square, **numbers)
    processor.save_pretrained(folder)


def places(model, size: tuple, tiles: int, canvas: tuple) -> np.ndarray:
    """Where Hugging Face's own packing takes each token from, by features that say where they are."""
    config = model.config
    edge, patch = config.vision_config.image_size, config.vision_config.patch_size
    grid = edge // patch
    cols = canvas[1] // edge
    features = torch.zeros(tiles, grid * grid, 2, dtype=torch.float64)
    features[0, :, 0], features[0, :, 1] = -1000.0 - torch.arange(grid * grid), -1.0
    for tile in range(1, tiles):
        y, x = torch.meshgrid(torch.arange(grid) + 0.5, torch.arange(grid) + 0.5, indexing="ij")
        features[tile, :, 0] = (x.flatten() * edge / grid) + (tile - 1) % cols * edge
        features[tile, :, 1] = (y.flatten() * edge / grid) + (tile - 1) // cols * edge
    newline = torch.tensor([-1.0, -1.0], dtype=torch.float64)
    if config.model_type == "llava_onevision":
        packed, _ = model.model.pack_image_features([features], torch.tensor([size]), image_newline=newline, vision_aspect_ratio=config.vision_aspect_ratio)
    else:
        packed, _ = model.model.pack_image_features([features], torch.tensor([size]), config.vision_feature_select_strategy, image_newline=newline)
    return packed[0].numpy()


def inputs_of(model, ids: list, pixels, size: tuple) -> dict:
    return dict(input_ids=torch.tensor([ids]), pixel_values=pixels.to(model.dtype), image_sizes=torch.tensor([size]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long))


def numbers_of(model, ids: list, answer: list, pixels, size: tuple) -> dict:
    attentions = []
    hooks = [layer.self_attn.register_forward_hook(lambda _m, _i, output: attentions.append(output[1]))
             for layer in model.model.language_model.layers]
    P, K = len(ids), len(ids) + len(answer) - 1
    found = {"relevancy": np.zeros((len(answer), K)), "relevancy.raw": np.zeros((len(answer), K))}
    for t, token in enumerate(answer):
        attentions.clear()
        logits = model(**inputs_of(model, ids + answer[:t], pixels, size), use_cache=False).logits[0, -1]
        gradients = torch.autograd.grad(logits[token], attentions, retain_graph=False)
        full = chain([(a[0].detach(), g[0]) for a, g in zip(attentions, gradients)], torch.eye(P + t))
        row = full[-1] - torch.eye(P + t)[-1]
        found["relevancy.raw"][t, :P + t] = row
        found["relevancy"][t, :P + t] = row / row.sum()
    attentions.clear()
    with torch.no_grad():
        out = model(**inputs_of(model, ids + answer[:-1], pixels, size), use_cache=False)
        seen = model.model.vision_tower(pixels[0, :1].to(model.dtype), output_attentions=True)
    for hook in hooks:
        hook.remove()
    logits = out.logits[0, P - 1:]
    return found | {"logprob": torch.log_softmax(logits, -1)[range(len(answer)), answer],
                    "attention.answer": torch.cat(attentions)[:, :, P - 1:],
                    "attention.vision": torch.cat(seen.attentions[:layers_used(model.config)])}


@torch.no_grad()
def greedy(model, ids: list, pixels, size: tuple) -> list:
    answer = []
    while len(answer) < ANSWER and 2 not in answer:
        answer.append(int(model(**inputs_of(model, ids + answer, pixels, size)).logits[0, -1].argmax()))
    return answer


def golden(folder: Path, number: int, image: Image.Image) -> tuple:
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    processor = (OnevisionProcessor if "onevision" in folder.name else NextProcessor).from_pretrained(folder)
    pixels = processor(image, return_tensors="pt")["pixel_values"]
    seen = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    size = (image.height, image.width)
    with float64_throughout():
        model = load(folder, torch.float64)
        canvas = select_best_resolution(size, model.config.image_grid_pinpoints)
        where = places(model, size, len(seen), canvas)
        ids = expanded(tokenizer(PROMPT)["input_ids"], tokenizer.convert_tokens_to_ids("<image>"), len(where))
        answer = greedy(model, ids, pixels, size)
        exact = numbers_of(model, ids, answer, pixels, size)
    narrow = load(folder, torch.float32)
    assert greedy(narrow, ids, pixels, size) == answer, "an answer that hangs on rounding is no golden one"
    others = numbers_of(narrow, ids, answer, pixels, size)
    edge = model.config.vision_config.image_size // VISION["patch_size"] * VISION["patch_size"]
    tensors = {"picture": np.asarray(image), "tiles": seen.transpose(0, 2, 3, 1)[:, :edge, :edge].astype(np.uint8), "places": where,
               "ids": np.array(ids), "answer": np.array(answer), **{k: np.asarray(v) for k, v in exact.items()}}
    errors = {f"float32_error.{number}.{k}": repr(largest_difference(exact[k], others[k])) for k in exact}
    print(folder.name, image.size, "tiles", len(seen), "tokens", len(where), "answer", answer, errors)
    return {f"{number}.{k}": np.ascontiguousarray(v) for k, v in tensors.items()}, errors


def main() -> None:
    data = Path(sys.argv[1])
    for seed, (name, case) in enumerate(CASES.items()):
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        folder = data / "llava" / name
        make_model(folder, case, seed)
        tensors, metadata = {}, {"prompt": PROMPT, "transformers": transformers.__version__, "pictures": str(len(SHAPES))}
        for number, image in enumerate(pictures()):
            more, errors = golden(folder, number, image)
            tensors |= more
            metadata |= errors
        save_file(tensors, folder / "golden.safetensors", metadata)
        print(folder, (folder / "golden.safetensors").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
