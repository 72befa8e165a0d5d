#!/usr/bin/env python3
"""Makes a tiny random checkpoint of each further family of LLaVA with the newest transformers, and its golden numbers.

    python family_goldens.py DATA_DIR [NAME ...]      # DATA_DIR: Testing/Data; names of FAMILIES

DATA_DIR/llava/NAME is a genuine folder with `golden.safetensors` as llava_goldens.py makes it, without `attention.full`.
DATA_DIR/relevancy/NAME.safetensors is as relevancy_goldens.py makes it, but for LVLM-Interpret's part, which knows no such models:

    image u8 [H, W, 3], ids [P], answer [T], logprob [T] (float32, as in a trace)
    exact.<map>, exact.raw.<map>   Chefer's rules with full matrices, autograd through Hugging Face's model, in float64

where a tower without CLS has the maps `decoder` and `joint`: the decoder's row at the patches times the tower's product.
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
    GemmaConfig,
    GraniteConfig,
    LlamaConfig,
    LlavaConfig,
    Phi3Config,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    SiglipVisionConfig,
    VipLlavaConfig,
)

from float64 import float64_throughout
from llava_goldens import (
    ImageProcessor,
    PROMPT,
    SiglipProcessor,
    expanded,
    golden,
    greedy,
    image_processor,
    layers_used,
    load,
    make_tokenizer,
)
from relevancy_goldens import PROMPT as SHORT_PROMPT
from relevancy_goldens import chain, row_error

TEXT = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=320, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0)
VISION = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, image_size=42, patch_size=14)
CLIP = (CLIPVisionConfig, dict(projection_dim=16))
SIGLIP = (SiglipVisionConfig, dict(vision_use_head=False))
STEPS = 8
ANSWER = 5

# name: tower, text config, its numbers, the top level's, how much larger than at the start weights are: decoder, tower
FAMILIES = {
    "siglip-qwen2": dict(tower=SIGLIP, text=Qwen2Config, numbers={}, large=(6, 2),
                         top=dict(vision_feature_select_strategy="full", vision_feature_layer=-1)),
    "siglip-llama": dict(tower=SIGLIP, text=LlamaConfig, numbers={}, large=(6, 2),
                         top=dict(vision_feature_select_strategy="full", vision_feature_layer=-2)),
    "joined-layers": dict(tower=CLIP, text=LlamaConfig, numbers={}, large=(6, 4), top=dict(vision_feature_layer=[-1, 1, -2])),
    "vipllava": dict(config=VipLlavaConfig, tower=CLIP, text=LlamaConfig, numbers={}, large=(6, 4),
                     top=dict(vision_feature_layer=[-1, -2, -3, 0, 2])),
    "gemma": dict(tower=CLIP, text=GemmaConfig, numbers=dict(head_dim=12, num_key_value_heads=1), large=(6, 4), top={}),
    "qwen3": dict(tower=CLIP, text=Qwen3Config, numbers=dict(head_dim=12, attention_bias=True), large=(6, 4), top={}),
    "phi3": dict(tower=CLIP, text=Phi3Config, numbers=dict(sliding_window=12), large=(6, 4), top={}),
    "granite": dict(tower=CLIP, text=GraniteConfig, large=(6, 4), top={}, numbers=dict(
        embedding_multiplier=3.3, residual_multiplier=0.37, attention_multiplier=0.21, logits_scaling=2.0, mlp_bias=True)),
}


def make_model(folder: Path, case: dict, seed: int) -> None:
    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    tower, more = case["tower"]
    text = case["text"](**{**TEXT, **case["numbers"]})
    config = case.get("config", LlavaConfig)(
        vision_config=tower(**VISION, **more), text_config=text, image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=9, tie_word_embeddings=text.tie_word_embeddings, **case["top"])
    model = transformers.AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():  # larger than at the start, so that attention is far from uniform
        for name, p in model.named_parameters():
            if p.dim() > 1:
                p.mul_(case["large"]["vision_tower" in name])
            else:
                p.add_(0.2 * torch.randn_like(p))
    model.generation_config.eos_token_id = 2
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    edge = VISION["image_size"]
    square = {"height": edge, "width": edge}
    (SiglipProcessor(size=square) if case["tower"] is SIGLIP else
     ImageProcessor(size={"shortest_edge": edge}, crop_size=square)).save_pretrained(folder)


def hook_attention(model) -> tuple[list, list]:
    """Lists that fill with every attention matrix of decoder and tower."""
    decoder, vision = [], []
    core = model.model
    for layers, into in ((core.language_model.layers, decoder), (core.vision_tower.encoder.layers, vision)):
        for layer in layers:
            layer.self_attn.register_forward_hook(lambda _module, _inputs, output, into=into: into.append(output[1]))
    return decoder, vision


def tower_map(seen, full, image, class_token: bool) -> dict:
    """The maps that lead through the tower, without the identity, normalized and not: {name: (map, total)}."""
    N = seen[0][0].shape[-1]
    through = chain(seen, torch.eye(N))
    if not class_token:
        joint = full[-1, image] @ through
        return {"joint": (joint, joint.sum())}
    start, both = torch.zeros(N, N), torch.eye(N)
    start[0, 0] = 1
    start[1:, 1:] = full[image, image]
    both[0, 1:] += full[-1, image]
    both[1:, 0] += full[-1, image]
    rows = {name: (through @ first)[0] - torch.eye(N)[0] for name, first in
            (("vision", torch.eye(N)), ("joint", start), ("joint_token", both))}
    return {name: (row[1:], row.sum()) for name, row in rows.items()}


def exact_maps(model, ids: list, pixels, answer: list, image_id: int) -> dict:
    decoder, vision = hook_attention(model)
    P, K = len(ids), len(ids) + len(answer) - 1
    first, patches = ids.index(image_id), ids.count(image_id)
    image = slice(first, first + patches)
    tensors = {}
    for t, token in enumerate(answer):
        decoder.clear()
        vision.clear()
        sequence = torch.tensor([ids + answer[:t]])
        logits = model(input_ids=sequence, pixel_values=pixels.to(model.dtype), use_cache=False, output_attentions=True).logits
        attentions = decoder + vision[:layers_used(model.config)]
        gradients = torch.autograd.grad(logits[0, -1, token], attentions)
        pairs = [(a[0].detach(), g[0]) for a, g in zip(attentions, gradients)]
        text, seen = pairs[:len(decoder)], pairs[len(decoder):]
        full = chain(text, torch.eye(P + t))
        rows = {"decoder": (full[-1] - torch.eye(P + t)[-1], full[-1].sum() - 1), **tower_map(seen, full, image, class_token=seen[0][0].shape[-1] > patches)}
        for name, (row, total) in rows.items():
            for kind, value in (("exact", row / total), ("exact.raw", row)):
                all_rows = tensors.setdefault(f"{kind}.{name}", np.zeros((len(answer), K if name == "decoder" else patches)))
                all_rows[t, :len(value)] = value
    return tensors


def relevancy_golden(folder: Path, image: Image.Image, target: Path) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    processor = image_processor(folder)
    pixels = processor(image, return_tensors="pt")["pixel_values"]
    seen = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    ids = expanded(tokenizer(SHORT_PROMPT)["input_ids"], image_id, (VISION["image_size"] // VISION["patch_size"]) ** 2)
    with float64_throughout():
        model = load(folder, torch.float64)
        with torch.no_grad():
            answer = greedy(model, ids, pixels, ANSWER)
            logits = model(input_ids=torch.tensor([ids + answer[:-1]]), pixel_values=pixels.to(model.dtype)).logits[0, len(ids) - 1:]
        logprob = torch.log_softmax(logits, -1)[range(len(answer)), answer]
        numbers = exact_maps(model, ids, pixels, answer, image_id)
    narrow = exact_maps(load(folder, torch.float32), ids, pixels, answer, image_id)
    errors = {f"float32_error.{name}": repr(row_error(narrow[name], value)) for name, value in numbers.items()}
    tensors = {"image": seen.transpose(1, 2, 0).astype(np.uint8), "ids": np.array(ids), "answer": np.array(answer),
               "logprob": logprob.numpy().astype(np.float32), **numbers}
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, target,
              {"checkpoint": folder.name, "prompt": SHORT_PROMPT, "temperature": "1", "image_start": str(ids.index(image_id)),
               "transformers": transformers.__version__, **errors})
    print(f"{target}: P {len(ids)}, answer {answer}, {target.stat().st_size} bytes, {errors}")


def main() -> None:
    data = Path(sys.argv[1])
    image = Image.open(data / "llava" / "picture.png").convert("RGB")
    for seed, (name, case) in enumerate(FAMILIES.items()):
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        folder = data / "llava" / name
        make_model(folder, case, seed)
        golden(folder, PROMPT, image, folder / "golden.safetensors", kept=("logits", "attention.answer", "attention.vision"), steps=STEPS)
        relevancy_golden(folder, image, data / "relevancy" / f"{name}.safetensors")


if __name__ == "__main__":
    main()
