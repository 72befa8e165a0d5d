#!/usr/bin/env python3
"""Makes tiny checkpoints of the families that Examples/Python/export_trace.py records, by Hugging Face's own classes, and their traces.

    python record_goldens.py models FOLDER [NAME ...]     # checkpoints alone, FOLDER/NAME, as the live part of test_recorded.py needs them
    python record_goldens.py traces OUTPUT [NAME ...]     # and OUTPUT/NAME.lvlm: Testing/Data/export

Families that the installed transformers lacks are left out with a message. Weights are random, with one exception, so that it can be
seen in a trace whether each image token lies on its own part of the picture: the tower's layers add nothing (their last matrices are 0),
it has no position embeddings and its first convolution averages, so that a patch says how bright it is and nothing else; and the first
decoder layer compares queries and keys in the two numbers per head that rotary embedding does not turn. So what a query there gives to an
image token is a function of the token's brightness, which `settled()` makes a steep and rising one. The second layer is random.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors import safe_open
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Examples" / "Python"))

from export_trace import Options, export, load  # noqa: E402
from lvlm_export.model import Model  # noqa: E402

QUESTION = "What is it?"
TEXT = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
            max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0)
VISION = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, patch_size=4)
SQUARE = dict(image_mean=[0.5, 0.45, 0.4], image_std=[0.3, 0.25, 0.27])
THETA = 1e12
NEW = int(transformers.__version__.split(".")[0]) >= 5


def ramp(width: int = 60, height: int = 40) -> Image.Image:
    """Ever brighter to the right and, more slowly, downwards, so that no two patches are equally bright, and a bright rectangle."""
    y, x = np.mgrid[0:height, 0:width]
    values = 10 + 150 * (0.8 * x / width + 0.2 * y / height)
    values[height // 8:height * 3 // 8, width // 10:width * 4 // 10] += 80
    return Image.fromarray(np.repeat(values.round().astype(np.uint8)[..., None], 3, 2), "RGB")


def make_tokenizer(special: list[str], kind: str = "PreTrainedTokenizerFast", **named):
    """Bytes and letters, and the family's own tokens; those that are `named` are known to its processor as `NAME_token`."""
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += ["▁"] + [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("ABESUIRNTW?.,:")
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.BPE(vocab, [], byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ["<unk>", "<s>", "</s>", *special]])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    more = {"extra_special_tokens": {f"{name}_token": token for name, token in named.items()}} if named else {}
    made = getattr(transformers, "PreTrainedTokenizerFast" if NEW else kind)  # transformers 4 has processors that look at the class
    return made(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>",
                clean_up_tokenization_spaces=False, **more)


def template(picture: str) -> str:
    return ("{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}{% if c['type'] == 'image' %}" + picture +
            "{% else %}{{ c['text'] }}{% endif %}{% endfor %}\n{% endfor %}assistant:")


def rope(new: bool, **more) -> dict:
    """Rotary embedding as transformers 5 and 4 have it."""
    return dict(rope_parameters=dict(rope_type="default", rope_theta=THETA, **more)) if new else dict(rope_theta=THETA)


def pil(name: str):
    return getattr(transformers, name + "Pil", None) or getattr(transformers, name)


CROP = dict(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}, **SQUARE)
CANVASES = [[24, 48], [48, 24], [48, 48], [48, 72]]


def llava(kind: str = "Llava", reads: str = "Llava", pictures: str = "CLIP", more: dict = {}):
    tokenizer = make_tokenizer(["<image>"])
    text = transformers.LlamaConfig(**TEXT, vocab_size=len(tokenizer), **rope(NEW))
    vision = transformers.CLIPVisionConfig(**VISION, image_size=24, projection_dim=16)
    layers = dict(vision_feature_layers=[-2, -1]) if kind == "VipLlava" else {}
    config = getattr(transformers, f"{kind}Config")(vision_config=vision, text_config=text, **more, **layers, image_seq_length=36,
                                                    image_token_index=tokenizer.convert_tokens_to_ids("<image>"))
    class_token = dict(num_additional_image_tokens=1) if NEW else {}  # which is dropped, but counted
    return config, getattr(transformers, f"{reads}Processor")(
        pil(f"{pictures}ImageProcessor")(**CROP, **more), tokenizer, patch_size=4, vision_feature_select_strategy="default",
        chat_template=template("<image>\n"), **class_token)


def vipllava():
    return llava("VipLlava")


def llava_next():
    return llava("LlavaNext", "LlavaNext", "LlavaNext", dict(image_grid_pinpoints=CANVASES))


def llava_onevision():
    tokenizer = make_tokenizer(["<image>", "<video>"])
    text = transformers.Qwen2Config(**{k: v for k, v in TEXT.items() if k != "head_dim"}, vocab_size=len(tokenizer), **rope(NEW))
    vision = transformers.SiglipVisionConfig(**VISION, image_size=24, vision_use_head=False)
    bound = "anyres_max_4" if NEW else "anyres_max_9"  # the one that the processor of transformers 4.46 knows
    config = transformers.LlavaOnevisionConfig(
        vision_config=vision, text_config=text, image_grid_pinpoints=CANVASES, vision_aspect_ratio=bound,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"), video_token_index=tokenizer.convert_tokens_to_ids("<video>"))
    images = pil("LlavaOnevisionImageProcessor")(size={"height": 24, "width": 24}, image_grid_pinpoints=CANVASES, **SQUARE)
    videos = transformers.LlavaOnevisionVideoProcessor(size={"height": 24, "width": 24})
    how = dict(vision_aspect_ratio=bound) if NEW else {}
    return config, transformers.LlavaOnevisionProcessor(images, tokenizer, videos, num_image_tokens=36, vision_feature_select_strategy="full",
                                                        chat_template=template("<image>\n"), **how)


def qwen_tokenizer():
    return make_tokenizer(["<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>"], "Qwen2TokenizerFast")


def qwen_ids(tokenizer) -> dict:
    names = dict(image_token_id="<|image_pad|>", video_token_id="<|video_pad|>", vision_start_token_id="<|vision_start|>",
                 vision_end_token_id="<|vision_end|>")
    return {key: tokenizer.convert_tokens_to_ids(token) for key, token in names.items()}


def qwen_processor(kind, tokenizer, videos=None):
    images = pil("Qwen2VLImageProcessor")(patch_size=4, merge_size=2, min_pixels=64, max_pixels=4096, **SQUARE)
    # In this order whatever a release names them: image processor, tokenizer, video processor.
    return kind(images, tokenizer, *([videos(patch_size=4, merge_size=2)] if videos else []),
                chat_template=template("<|vision_start|><|image_pad|><|vision_end|>"))


def qwen2_vl():
    tokenizer = qwen_tokenizer()
    numbers = {key: value for key, value in TEXT.items() if key != "head_dim"}
    vision = dict(depth=2, embed_dim=16, hidden_size=32, num_heads=2, mlp_ratio=2, patch_size=4, spatial_merge_size=2, temporal_patch_size=2)
    if NEW:
        config = transformers.Qwen2VLConfig(text_config=dict(**numbers, vocab_size=len(tokenizer), **rope(True, mrope_section=[1, 1, 2])),
                                            vision_config=vision, **qwen_ids(tokenizer))
        return config, qwen_processor(transformers.Qwen2VLProcessor, tokenizer, transformers.Qwen2VLVideoProcessor)
    config = transformers.Qwen2VLConfig(**numbers, vocab_size=len(tokenizer), rope_theta=THETA, vision_config=vision,
                                        rope_scaling=dict(type="mrope", mrope_section=[1, 1, 2]), **qwen_ids(tokenizer))
    return config, qwen_processor(transformers.Qwen2VLProcessor, tokenizer)


def qwen2_5_vl():
    tokenizer = qwen_tokenizer()
    numbers = {key: value for key, value in TEXT.items() if key != "head_dim"}
    vision = dict(depth=2, hidden_size=16, out_hidden_size=32, num_heads=2, intermediate_size=24, patch_size=4, spatial_merge_size=2,
                  temporal_patch_size=2, window_size=16, fullatt_block_indexes=[1])  # windows of 2 x 2 tokens
    config = transformers.Qwen2_5_VLConfig(text_config=dict(**numbers, vocab_size=len(tokenizer), **rope(True, mrope_section=[1, 1, 2])),
                                           vision_config=vision, **qwen_ids(tokenizer))
    return config, qwen_processor(transformers.Qwen2_5_VLProcessor, tokenizer, transformers.Qwen2VLVideoProcessor)


def qwen3_vl():
    tokenizer = qwen_tokenizer()
    vision = dict(depth=2, hidden_size=16, out_hidden_size=32, num_heads=2, intermediate_size=24, patch_size=4, spatial_merge_size=2,
                  temporal_patch_size=2, num_position_embeddings=64, deepstack_visual_indexes=[0])
    config = transformers.Qwen3VLConfig(text_config=dict(**TEXT, vocab_size=len(tokenizer), **rope(True, mrope_section=[1, 1, 2])),
                                        vision_config=vision, **qwen_ids(tokenizer))
    return config, qwen_processor(transformers.Qwen3VLProcessor, tokenizer, transformers.Qwen3VLVideoProcessor)


def internvl():
    tokenizer = make_tokenizer(["<img>", "</img>", "<IMG_CONTEXT>", "<video>"], start_image="<img>", end_image="</img>",
                               context_image="<IMG_CONTEXT>", video="<video>")
    text = transformers.Qwen2Config(**{k: v for k, v in TEXT.items() if k != "head_dim"}, vocab_size=len(tokenizer), **rope(True))
    vision = transformers.InternVLVisionConfig(**{**VISION, "patch_size": [4, 4]}, image_size=[24, 24])
    config = transformers.InternVLConfig(vision_config=vision, text_config=text, image_seq_length=9, tie_word_embeddings=False,
                                         image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"))
    images = pil("GotOcr2ImageProcessor")(size={"height": 24, "width": 24}, crop_to_patches=True, max_patches=6, **SQUARE)
    return config, transformers.InternVLProcessor(images, tokenizer, transformers.InternVLVideoProcessor(size={"height": 24, "width": 24}),
                                                  image_seq_length=9, chat_template=template("<IMG_CONTEXT>\n"))


def gemma3():
    tokenizer = make_tokenizer(["<start_of_image>", "<image_soft_token>", "<end_of_image>"], boi="<start_of_image>",
                               image="<image_soft_token>", eoi="<end_of_image>")
    text = transformers.Gemma3TextConfig(**TEXT, vocab_size=len(tokenizer), sliding_window=20, query_pre_attn_scalar=8,
                                         layer_types=["full_attention", "sliding_attention"],
                                         rope_parameters={kind: dict(rope_type="default", rope_theta=THETA)
                                                          for kind in ("full_attention", "sliding_attention")})
    vision = transformers.SiglipVisionConfig(**VISION, image_size=32, vision_use_head=False)
    ids = {f"{name}_token_index": tokenizer.convert_tokens_to_ids(token) for name, token in
           (("boi", "<start_of_image>"), ("eoi", "<end_of_image>"), ("image", "<image_soft_token>"))}
    config = transformers.Gemma3Config(vision_config=vision, text_config=text, mm_tokens_per_image=16, **ids)
    images = pil("Gemma3ImageProcessor")(size={"height": 32, "width": 32}, **SQUARE)
    return config, transformers.Gemma3Processor(images, tokenizer, image_seq_length=16, chat_template=template("<start_of_image>"))


def paligemma():
    tokenizer = make_tokenizer(["<image>"], "GemmaTokenizerFast")
    vision = transformers.SiglipVisionConfig(**VISION, image_size=24, vision_use_head=False, projection_dim=32)
    images = pil("SiglipImageProcessor")(size={"height": 24, "width": 24}, **SQUARE)
    images.image_seq_length = 36
    processor = transformers.PaliGemmaProcessor(images, tokenizer)  # adds tokens of its own
    text = transformers.GemmaConfig(**{**TEXT, "num_key_value_heads": 1}, vocab_size=len(tokenizer), **rope(NEW))
    config = transformers.PaliGemmaConfig(vision_config=vision.to_dict(), text_config=text.to_dict(), projection_dim=32, hidden_size=32,
                                          image_token_index=tokenizer.convert_tokens_to_ids("<image>"), vocab_size=len(tokenizer))
    return config, processor


def idefics_parts():
    places = [f"<row_{row + 1}_col_{col + 1}>" for row in range(6) for col in range(6)]
    tokenizer = make_tokenizer(["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", "<video>", *places])
    text = transformers.LlamaConfig(**TEXT, vocab_size=len(tokenizer), **rope(NEW))
    return tokenizer, text, {**VISION, "image_size": 24}, tokenizer.convert_tokens_to_ids("<image>")


def idefics3():
    tokenizer, text, vision, image = idefics_parts()
    config = transformers.Idefics3Config(vision_config=vision, text_config=text.to_dict(), image_token_id=image, scale_factor=2, pad_token_id=0)
    images = pil("Idefics3ImageProcessor")(size={"longest_edge": 72}, max_image_size={"longest_edge": 24}, **SQUARE)
    return config, transformers.Idefics3Processor(images, tokenizer, image_seq_len=9, chat_template=template("<image>"))


def smolvlm():
    tokenizer, text, vision, image = idefics_parts()
    config = transformers.SmolVLMConfig(vision_config=vision, text_config=text.to_dict(), image_token_id=image, scale_factor=2, pad_token_id=0)
    images = pil("SmolVLMImageProcessor")(size={"longest_edge": 72}, max_image_size={"longest_edge": 24}, **SQUARE)
    videos = transformers.SmolVLMVideoProcessor(size={"longest_edge": 24}, max_image_size={"longest_edge": 24})
    return config, transformers.SmolVLMProcessor(images, tokenizer, videos, image_seq_len=9, chat_template=template("<image>"))


# name: who makes it, the class that it needs
CASES = {"llava": (llava, "LlavaConfig"), "vipllava": (vipllava, "VipLlavaConfig"), "llava_next": (llava_next, "LlavaNextConfig"),
         "llava_onevision": (llava_onevision, "LlavaOnevisionConfig"), "qwen2_vl": (qwen2_vl, "Qwen2VLConfig"), "qwen2_5_vl": (qwen2_5_vl, "Qwen2_5_VLConfig"),
         "qwen3_vl": (qwen3_vl, "Qwen3VLConfig"), "internvl": (internvl, "InternVLConfig"), "gemma3": (gemma3, "Gemma3Config"),
         "paligemma": (paligemma, "PaliGemmaConfig"), "idefics3": (idefics3, "Idefics3Config"), "smolvlm": (smolvlm, "SmolVLMConfig")}
NOT_CAUSAL = ("gemma3", "paligemma")  # traces of these have complete matrices
SEVERAL = ("qwen2_5_vl", "idefics3")  # a second trace of these has two pictures

# Of a layer of a tower what it adds at the end, and position embeddings.
SILENT = re.compile(r"(layers?|blocks)\.\d+\.(.*(out_proj|attn\.proj|projection_layer|fc2|down_proj)\b|lambda_)|pos_embed|position_embedding")
TOWER = re.compile(r"vision_tower|visual|vision_model")


@torch.no_grad()
def prepare(model) -> None:
    """Random numbers large enough for attention that is far from uniform; the tower says brightness; see the head of this file."""
    for name, p in model.named_parameters():
        if p.dim() > 1 and not p.any():  # what a trained model never has as it begins
            p.normal_(0, 0.1)
        if not TOWER.search(name):
            p.mul_(6) if p.dim() > 1 else p.add_(0.2 * torch.randn_like(p))
        elif SILENT.search(name):
            p.zero_()
        elif p.dim() >= 4:  # the convolution: a mean of each channel, whose mean and deviation are its own, so that norms keep brightness
            p.copy_(torch.randn(*p.shape[:2], *[1] * (p.dim() - 2)).expand_as(p) / p[0, 0].numel())
        elif p.dim() > 1:
            p.mul_(6)
        else:
            p.add_(0.5 * torch.randn_like(p))
    attention = first_attention(model)
    size = attention.head_dim
    kept = torch.zeros(attention.k_proj.weight.shape[0], dtype=torch.bool)
    kept[[head * size + at for head in range(len(kept) // size) for at in (size // 2 - 1, size - 1)]] = True
    for part in (attention.k_proj.weight, attention.k_proj.bias):
        if part is not None:
            part[~kept] = 0
    for part in (attention.q_proj, attention.k_proj):  # all heads alike
        for numbers in (part.weight, part.bias):
            if numbers is not None:
                numbers.copy_(numbers[:size].repeat(len(numbers) // size, *[1] * (numbers.dim() - 1)))


def first_attention(model):
    return next(module for name, module in model.named_modules() if name.endswith("layers.0.self_attn") and not TOWER.search(name))


@torch.no_grad()
def scale(attention, factor: float) -> None:
    """What its queries and keys agree on becomes `factor` times as much."""
    norm = getattr(attention, "q_norm", None)
    if norm is None:
        for numbers in (attention.q_proj.weight, attention.q_proj.bias):
            if numbers is not None:
                numbers.mul_(factor)
    elif "Gemma" in type(norm).__name__:  # its weight is one less than what it multiplies by
        norm.weight.copy_((1 + norm.weight) * factor - 1)
    else:
        norm.weight.mul_(factor)


def seen_by(model: Model, picture: Image.Image):
    """Of the first query in the first layer: [patches] brightness and logarithm of attention, all regions."""
    with tempfile.TemporaryDirectory() as there:
        target = Path(there) / "t.lvlm"
        export(model, picture, QUESTION, target, Options(max_new_tokens=1, full_layers=[]))
        with safe_open(target, "np") as file:
            metadata, image, attention = file.metadata(), file.get_tensor("image"), file.get_tensor("attention.answer")
    regions = json.loads(metadata.get("regions", "null")) or [dict(
        zip(("start", "rows", "cols", "stride"), map(int, f"{metadata['image_start']},{metadata['grid']},{metadata['grid'].split(',')[1]}".split(","))),
        box=[0, 0, image.shape[1], image.shape[0]])]
    bright, looked = [], []
    for region in regions:
        left, top, right, bottom = region["box"]
        ys, xs = np.linspace(top, bottom, region["rows"] + 1), np.linspace(left, right, region["cols"] + 1)
        for row in range(region["rows"]):
            for col in range(region["cols"]):
                bright.append(image[int(ys[row]):int(ys[row + 1]), int(xs[col]):int(xs[col + 1])].mean())
                looked.append(attention[0, :, 0, region["start"] + row * region["stride"] + col].mean())
    return np.array(bright), np.log(np.maximum(looked, 1e-30))


def settled(model, processor) -> bool:
    """Makes the first layer look at a patch the more, the brighter it is: from the darkest to the brightest by a factor of e^3. False if
    that is not to be had by another scale. (A model whose adapter is wrong never is.)"""
    taken_apart = Model(model, processor, "tiny")
    for _ in range(3):
        bright, looked = seen_by(taken_apart, ramp())
        rise = looked[bright.argmax()] - looked[bright.argmin()]
        if not abs(rise) > 0.02 or abs(in_order(bright, looked)) < 0.85:
            return False
        scale(first_attention(model), 3 / rise)
    return in_order(*seen_by(taken_apart, ramp())) > 0.97


def in_order(bright: np.ndarray, looked: np.ndarray) -> float:
    """1: the brighter, the more attention; the ranks' correlation."""
    return float(np.corrcoef(bright.argsort().argsort(), looked.argsort().argsort())[0, 1])


def make(name: str, folder: Path) -> None:
    for seed in range(400):
        torch.manual_seed(seed)
        config, processor = CASES[name][0]()
        model = transformers.AutoModelForImageTextToText.from_config(config, attn_implementation="eager")
        model.generation_config.eos_token_id = 2
        kept = model.generation_config
        prepare(model)
        if settled(model, processor):
            model.generation_config = kept
            model.save_pretrained(folder)
            processor.save_pretrained(folder)
            print(f"{name}: seed {seed}")
            return
    raise ValueError(f"{name}: no seed gives a model that sees brightness")


def main() -> None:
    what, target, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3:] or list(CASES)
    with tempfile.TemporaryDirectory() as there:
        folders = target if what == "models" else Path(there)
        for name in names:
            if not hasattr(transformers, CASES[name][1]):
                print(f"{name}: transformers {transformers.__version__} has no {CASES[name][1]}")
                continue
            make(name, folders / name)
            if what == "traces":
                record(name, folders / name, target)


def record(name: str, folder: Path, target: Path) -> None:
    whole = [0, 1] if name in NOT_CAUSAL else []
    model, options = load(str(folder)), Options(max_new_tokens=3, payload="f16", full_layers=whole, alternatives=2)
    export(model, ramp(), QUESTION, target / f"{name}.lvlm", options)
    if name in SEVERAL:
        export(model, [ramp(), ramp(24, 48)], QUESTION, target / f"{name}_two.lvlm", options)
    for path in sorted(target.glob(f"{name}*.lvlm")):
        print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
