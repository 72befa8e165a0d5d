#!/usr/bin/env python3
"""Makes the golden numbers of TestRelevancy from the tiny checkpoints of llava_goldens.py.

    python relevancy_goldens.py LVLM_INTERPRET_DIR CHECKPOINTS_DIR OUTPUT_DIR [CASE ...]

LVLM_INTERPRET_DIR is a clone of https://github.com/IntelLabs/lvlm-interpret, whose own `construct_relevancy_map` is run on
Hugging Face's eager model (transformers 4.41 to 4.46). Each OUTPUT_DIR/<case>.safetensors holds

    image u8 [H, W, 3], ids [P], answer [T], logprob [T] (float32, as in a trace)
    compatible.<map>, compatible.raw.<map>   LVLM-Interpret, normalized and not: [T, K] (decoder) or [T, patches]
    exact.<map>, exact.raw.<map>             Chefer's rules with full matrices, autograd through Hugging Face's model
    gradient.decoder [L, Hd, S, S], gradient.vision [Lv, Hv, N, N]   of the logit of token GRADIENT_TOKEN

with the maps decoder, vision, joint and joint_token, all in float64, so that they do not depend on a CPU (see float64.py). How far the
same code in float32 is from a map is metadata, `float32_error.NAME`: the largest difference in a row, relative to the row's maximum.
The case `grid24` has a checkpoint of its own (made where it is not there; 24 x 24 patches, so that upstream runs as it is; elsewhere its
literal 576 is replaced) and no more than `compatible.*`. The decoder's rows are without the identity.
"""

import copy
import sys
import types
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.numpy import save_file
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from float64 import float64_throughout

ANSWER = 12
GRADIENT_TOKEN = 2
PROMPT = "USER: <image>\nHue? ASK:"
MAPS = ("decoder", "vision", "joint", "joint_token")
UPSTREAM = {"decoder": "llama_token", "vision": "vit", "joint": "all", "joint_token": "all_v2"}

# name of the golden file: checkpoint, sampling temperature (None: greedy), feature layer (None: the checkpoint's own)
CASES = {
    "multihead": ("multihead-f32", None, None),
    "grouped-sampled": ("grouped-bf16-sharded", 0.2, None),
    "bias": ("bias-bf16-qwen2", None, None),
    "window-sampled": ("window-f16-mistral", 0.7, None),
    "last-vision-layer": ("multihead-f32", None, -1),
    "grid24": (None, 0.2, None),
}


def load_upstream(folder: str, patches: int):
    """`construct_relevancy_map`, with its literal 576 replaced by the number of patches."""
    stand_in = types.ModuleType("gradio")  # imported for nothing but a progress bar
    stand_in.Progress = lambda **_: None
    sys.modules.setdefault("gradio", stand_in)
    module = types.ModuleType("utils_relevancy")
    sys.modules["utils_relevancy"] = module  # its logger and annotations look the name up
    source = (Path(folder) / "utils_relevancy.py").read_text()
    exec(source.replace("576", str(patches)), module.__dict__)
    module.tqdm = lambda steps, **_: steps
    return module.construct_relevancy_map


def load_model(folder: Path, feature_layer, dtype=torch.float32) -> LlavaForConditionalGeneration:
    model = LlavaForConditionalGeneration.from_pretrained(folder, torch_dtype=dtype, attn_implementation="eager").eval()
    model.generation_config.eos_token_id = None  # answers of a fixed length
    model.generation_config.pad_token_id = 0
    if feature_layer is not None:
        model.config.vision_feature_layer = feature_layer
    return model


def hook_attention(model) -> tuple[list, list]:
    """Lists that fill with every attention matrix of decoder and tower, gradients retained."""
    decoder, vision = [], []

    def keep(into):
        def hook(_module, _inputs, output):
            output[1].requires_grad_(True)
            output[1].retain_grad()
            into.append(output[1])

        return hook

    for layer in model.language_model.model.layers:
        layer.self_attn.register_forward_hook(keep(decoder))
    for layer in model.vision_tower.vision_model.encoder.layers:
        layer.self_attn.register_forward_hook(keep(vision))
    model.vision_tower.config.output_attentions = True
    return decoder, vision


@contextmanager
def sampled(answer):
    """Sampling draws these tokens, so that an answer can be given again in another precision."""
    multinomial, tokens = torch.multinomial, iter(answer)
    torch.multinomial = lambda probabilities, num_samples: torch.tensor([[next(tokens)]])
    try:
        yield
    finally:
        torch.multinomial = multinomial


def compatible_maps(construct, model, ids, pixels, length, temperature, normalize):
    """LVLM-Interpret on an answer of `length` tokens: ids, log-probabilities, {map: [length, ...]}."""
    model.enc_attn_weights, model.enc_attn_weights_vit = hook_attention(model)
    torch.manual_seed(11)
    sampling = dict(do_sample=True, temperature=temperature) if temperature else dict(do_sample=False)
    sample = torch.enable_grad(type(model)._sample)
    model._sample = types.MethodType(sample, model)
    outputs = model.generate(input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids),
                             max_new_tokens=length, min_new_tokens=length, use_cache=True, output_attentions=True,
                             return_dict_in_generate=True, output_scores=True, output_logits=True, **sampling)
    answer = outputs.sequences[0, ids.shape[1]:].tolist()
    logprob = [torch.log_softmax(z[0], 0)[i].item() for z, i in zip(outputs.logits, answer)]
    image_start = int((ids[0] == model.config.image_token_index).nonzero()[0])
    # A name of its own for each token: upstream joins maps by word and loses repeated words.
    names = [f"▁{t}" for t in range(length)]
    found = construct(None, model, ids, list(names), outputs, answer, image_start, apply_normalization=normalize)
    P, K = ids.shape[1], ids.shape[1] + ANSWER - 1
    patches = model.enc_attn_weights_vit[0].shape[-1] - 1
    maps = {m: np.zeros((length, K if m == "decoder" else patches)) for m in MAPS}
    for t, name in enumerate(names):
        row = found["llama_token"][name][-1].detach().cpu().clone()
        row[P - 1 + t] -= 1 if normalize else 0  # upstream adds the identity again after normalizing
        maps["decoder"][t, :P + t] = row
        for m in MAPS[1:]:
            maps[m][t] = found[UPSTREAM[m]][name][0, 1:].detach().cpu()
    return answer, logprob, maps


def head_mean(attention, gradient):
    return (attention * gradient).clamp(min=0).mean(0)


def chain(layers, start):
    for attention, gradient in layers:
        start = start + head_mean(attention, gradient) @ start
    return start


def normalized(relevancy):
    rest = relevancy - torch.eye(relevancy.shape[0])
    total = rest.sum(-1, keepdim=True)
    total[total == 0] = 1
    return rest / total


def exact_maps(model, ids, pixels, answer) -> dict:
    """The paper's rules 5, 6, 8 and 9 with every matrix in full."""
    decoder, vision = hook_attention(model)
    P, K = ids.shape[1], ids.shape[1] + len(answer) - 1
    start = int((ids[0] == model.config.image_token_index).nonzero()[0])
    used = model.config.vision_config.num_hidden_layers + 1 + model.config.vision_feature_layer
    tensors = {}
    for t, token in enumerate(answer):
        decoder.clear()
        vision.clear()
        sequence = torch.cat([ids, torch.tensor([answer[:t]], dtype=torch.long)], 1)
        logits = model(input_ids=sequence, pixel_values=pixels, attention_mask=torch.ones_like(sequence),
                       use_cache=False, output_attentions=True).logits
        attentions = decoder + vision[:used]
        gradients = torch.autograd.grad(logits[0, -1, token], attentions)
        pairs = [(a[0].detach(), g[0]) for a, g in zip(attentions, gradients)]
        text, seen = pairs[:len(decoder)], pairs[len(decoder):]
        S, N = P + t, seen[0][0].shape[-1]
        full = chain(text, torch.eye(S))
        image = slice(start, start + N - 1)
        joint = torch.zeros(N, N)
        joint[0, 0] = 1
        joint[1:, 1:] = full[image, image]
        token_start = torch.eye(N)
        token_start[0, 1:] += full[-1, image]
        token_start[1:, 0] += full[-1, image]
        results = {"decoder": full, "vision": chain(seen, torch.eye(N)),
                   "joint": chain(seen, joint), "joint_token": chain(seen, token_start)}
        for name, relevancy in results.items():
            for kind, value in (("exact", normalized(relevancy)),
                                ("exact.raw", relevancy - torch.eye(relevancy.shape[0]))):
                rows = tensors.setdefault(f"{kind}.{name}", np.zeros((len(answer), K if name == "decoder" else N - 1)))
                if name == "decoder":
                    rows[t, :S] = value[-1]
                else:
                    rows[t] = value[0, 1:]
        if t == GRADIENT_TOKEN:
            tensors["gradient.decoder"] = torch.stack([g for _, g in text]).numpy()
            tensors["gradient.vision"] = torch.stack([g for _, g in seen]).numpy()
    return tensors


def make_grid24(folder: Path, tokenizer_from: Path) -> None:
    """A tower with LLaVA-1.5's grid and little else."""
    torch.manual_seed(24)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tokenizer_from)
    vision = CLIPVisionConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
                              image_size=48, patch_size=2, projection_dim=8)
    text = LlamaConfig(hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
                       num_key_value_heads=2, vocab_size=320, max_position_embeddings=1024, rms_norm_eps=1e-5)
    model = LlavaForConditionalGeneration(LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=tokenizer.convert_tokens_to_ids("<image>"), image_seq_length=576))
    with torch.no_grad():  # larger than initializer_range, so that attention is far from uniform
        for p in model.parameters():
            p.mul_(6 if p.dim() > 1 else 1)
    model.generation_config.eos_token_id = 2
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    CLIPImageProcessor(size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48}).save_pretrained(folder)


def all_maps(construct, model, ids, pixels, answer, temperature, lengths, small) -> dict:
    """Every number of a golden file in the model's type. For `answer` None one is sampled."""
    tensors = {}
    for kind, normalize in (("compatible", True), ("compatible.raw", False))[:1 if small else 2]:
        for length in lengths:  # a fresh model: upstream's gradients stay in its graph
            with sampled(answer) if answer else nullcontext():
                found, logprob, maps = compatible_maps(construct, copy.deepcopy(model), ids, pixels, length, temperature, normalize)
            assert not answer or found == answer[:length]
            if length == lengths[0]:
                tensors |= {f"{kind}.{m}": v for m, v in maps.items()}
                tensors |= {"answer": np.array(found, np.int64), "logprob": np.array(logprob, np.float32)}
            for m, rows in maps.items():  # so one set of maps stands for answers of every length
                assert np.allclose(rows, tensors[f"{kind}.{m}"][:length], rtol=1e-9, atol=1e-12), (m, length)
    if not small:
        tensors |= exact_maps(copy.deepcopy(model), ids, pixels, tensors["answer"].tolist())
    return tensors


def row_error(ours, theirs) -> float:
    return float((np.abs(ours - theirs).max(-1) / np.abs(theirs).max(-1)).max())


def golden(upstream: str, folder: Path, picture: Path, target: Path, temperature, feature_layer, small=False) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    processor = CLIPImageProcessor.from_pretrained(folder)
    image = Image.open(picture).convert("RGB")
    pixels = processor(image, return_tensors="pt")["pixel_values"]
    seen = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    model = load_model(folder, feature_layer)
    vision = model.config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    construct = load_upstream(upstream, patches)
    image_id = model.config.image_token_index
    ids = torch.tensor([[i for token in tokenizer(PROMPT)["input_ids"]
                         for i in [token] * (patches if token == image_id else 1)]])
    narrow = all_maps(construct, model, ids, pixels, None, temperature, [ANSWER], small)
    with float64_throughout():
        numbers = all_maps(construct, load_model(folder, feature_layer, torch.float64), ids, pixels.double(),
                           narrow["answer"].tolist(), temperature, [ANSWER] if small else range(ANSWER, 0, -1), small)
    tensors = {"image": np.ascontiguousarray(seen.transpose(1, 2, 0)).astype(np.uint8), "ids": ids[0].numpy(), **numbers}
    errors = {f"float32_error.{name}": repr(row_error(narrow[name], value)) for name, value in numbers.items()
              if name.startswith(("compatible", "exact"))}
    metadata = {"checkpoint": folder.name, "prompt": PROMPT, "temperature": str(temperature or 1), "image_start":
                str(int((ids[0] == image_id).nonzero()[0])), "gradient_token": str(GRADIENT_TOKEN),
                "feature_layer": str(model.config.vision_feature_layer), "transformers": transformers.__version__, **errors}
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, target, metadata)
    print(f"{target}: P {ids.shape[1]}, answer {tensors['answer'].tolist()}, {target.stat().st_size} bytes, {errors}")


def main() -> None:
    upstream, checkpoints, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    for name in sys.argv[4:] or list(CASES):
        checkpoint, temperature, feature_layer = CASES[name]
        folder = checkpoints / checkpoint if checkpoint else output / f"{name}-bf16"
        if not folder.exists():
            make_grid24(folder, checkpoints / "multihead-f32")
        golden(upstream, folder, checkpoints / "picture.png", output / f"{name}.safetensors", temperature, feature_layer,
               small=not checkpoint)


if __name__ == "__main__":
    main()
