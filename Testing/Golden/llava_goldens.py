#!/usr/bin/env python3
"""Makes tiny random LLaVA checkpoints with Hugging Face's own code, and what its eager model answers in float64.

    python llava_goldens.py OUTPUT_DIR                      # all checkpoints and their golden numbers
    python llava_goldens.py OUTPUT_DIR NAME ...             # some of them
    python llava_goldens.py --numbers OUTPUT_DIR [NAME ...] # golden numbers alone, of checkpoints and the picture that are there
    python llava_goldens.py --model DIR GOLDEN              # golden numbers of an existing checkpoint folder
    python llava_goldens.py --variants OUTPUT_DIR           # golden numbers of multihead-f32 with other settings (VARIANTS)
    python llava_goldens.py --resaved OUTPUT_DIR            # RESAVED as this transformers saves them, without the weights, and their numbers

Run with transformers 4.46 for the old tensor names and with transformers >= 4.52 for the new ones; a checkpoint whose
names need the other version is skipped with a message; the variants and what was saved again are those of the newest version. Each checkpoint folder is a genuine one (config.json,
*.safetensors, tokenizer.json, preprocessor_config.json, generation_config.json); `golden.safetensors` in it holds

    pixel_values [3, H, W] (float32), ids [P] (expanded), answer [T], logits [T, V],
    attention.answer [L, Hd, T, K], attention.full [L, Hd, K, K], attention.vision [Lv, Hv, Nv, Nv]

all from one eager run of the whole sequence (teacher-forced with the greedy answer), so they do not depend on a key/value
cache; and in float64, so they do not depend on a CPU (see float64.py). How far Hugging Face's float32 run of the same sequence is from
them is metadata, `float32_error.NAME` (largest absolute difference): what a float32 computation of this model can be asked to
meet; and `bfloat16_error.NAME`. The prompt is metadata, too.
"""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.numpy import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipImageProcessor,
)

from float64 import float64_throughout, largest_difference

# Those that use Pillow: transformers 5 takes torchvision where that is installed, which resizes otherwise.
ImageProcessor = getattr(transformers, "CLIPImageProcessorPil", CLIPImageProcessor)
SiglipProcessor = getattr(transformers, "SiglipImageProcessorPil", SiglipImageProcessor)

NEW_NAMES = tuple(map(int, transformers.__version__.split(".")[:2])) >= (4, 52)
STEPS = 24
QUESTION = "What color is the star?"
PROMPT = f"USER: <image>\n{QUESTION} ASSISTANT:"

TEXT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4, vocab_size=320,
            max_position_embeddings=512, rms_norm_eps=1e-5)
VISION = dict(hidden_size=32, intermediate_size=56, num_hidden_layers=3, num_attention_heads=4, image_size=42,
              patch_size=14, projection_dim=16)

# name: text config class, its numbers, stored type, shard size, image first in the prompt, new names, extra top level
CASES = {
    "multihead-f32": dict(text=LlamaConfig, numbers=dict(num_key_value_heads=4), dtype=torch.float32),
    "grouped-bf16-sharded": dict(text=LlamaConfig, numbers=dict(num_key_value_heads=2, rope_theta=5e5, head_dim=16),
                                 dtype=torch.bfloat16, shard="40KB"),
    "tied-f32": dict(text=LlamaConfig, numbers=dict(num_key_value_heads=1, tie_word_embeddings=True),
                     dtype=torch.float32, image_first=True),
    "bias-bf16-qwen2": dict(text=Qwen2Config, numbers=dict(num_key_value_heads=2), dtype=torch.bfloat16),
    # Milder weights in the tower: with 6 float32 is further off there than the tolerance of attention.
    "window-f16-mistral": dict(text=MistralConfig, numbers=dict(num_key_value_heads=2, sliding_window=12),
                               dtype=torch.float16, tower=4),
    "new-names-f32-sharded": dict(text=LlamaConfig, numbers=dict(num_key_value_heads=2), dtype=torch.float32, new=True,
                                  shard="60KB"),
    "new-names-tied-bf16": dict(text=LlamaConfig, numbers=dict(num_key_value_heads=4, tie_word_embeddings=True),
                                dtype=torch.bfloat16, new=True, image_first=True),
    "llama3-rope-f32": dict(text=LlamaConfig, numbers=dict(
        num_key_value_heads=2, rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0,
                                                 high_freq_factor=4.0, original_max_position_embeddings=32)),
        dtype=torch.float32),
}


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte fallback and single letters only: a small vocabulary in the LLaMA format."""
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += ["▁"] + [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("ABESUIRNT?.,:")
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.BPE(vocab, [], byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocab["<s>"])])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>",
                                   clean_up_tokenization_spaces=False)


def picture(edge: int) -> Image.Image:
    """A fixed picture of another size and shape than the model's, so that preprocessing counts."""
    rng = np.random.default_rng(5)
    return Image.fromarray(rng.integers(0, 256, (edge + 9, edge * 2 + 3, 3), dtype=np.uint8), "RGB")


def make_checkpoint(folder: Path, case: dict, seed: int) -> None:
    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    text = case["text"](**{**TEXT, **case["numbers"]}, bos_token_id=1, eos_token_id=2)
    config = LlavaConfig(vision_config=CLIPVisionConfig(**VISION), text_config=text, image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
                         image_seq_length=9, tie_word_embeddings=text.tie_word_embeddings)
    model = LlavaForConditionalGeneration(config)
    with torch.no_grad():  # larger than initializer_range, so that attention is far from uniform
        for name, p in model.named_parameters():
            large = case.get("tower", 6) if "vision_tower" in name else 6
            p.mul_(large if p.dim() > 1 else 1)
            if p.dim() == 1:
                p.add_(0.2 * torch.randn_like(p))
    model.generation_config.eos_token_id = 2
    model.to(case["dtype"]).save_pretrained(folder, max_shard_size=case.get("shard", "5GB"))
    tokenizer.save_pretrained(folder)
    size = VISION["image_size"]
    ImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size}).save_pretrained(folder)
    for extra in ("special_tokens_map.json",):
        (folder / extra).unlink(missing_ok=True)


def expanded(ids: list, image_id: int, patches: int) -> list:
    """The image token repeated for each patch, as the processor does."""
    return [token for one in ids for token in [one] * (patches if one == image_id else 1)]


def load(folder: Path, dtype):
    return AutoModelForImageTextToText.from_pretrained(folder, torch_dtype=dtype, attn_implementation="eager").eval()


def image_processor(folder: Path):
    """The folder's own, in the form that uses Pillow."""
    siglip = "Siglip" in (folder / "preprocessor_config.json").read_text() if (folder / "preprocessor_config.json").exists() else False
    return (SiglipProcessor if siglip else ImageProcessor).from_pretrained(folder)


def layers_used(config) -> int:
    """Layers of the tower that run, up to the last one that the projector reads."""
    chosen = config.vision_feature_layer
    count = config.vision_config.num_hidden_layers
    return max(layer if layer >= 0 else count + 1 + layer for layer in ([chosen] if isinstance(chosen, int) else chosen))


def greedy(model, ids: list, pixels, steps: int) -> list:
    """The answer, each step from the start: no cache."""
    eos = model.generation_config.eos_token_id
    end = set(eos if isinstance(eos, list) else [eos])
    answer = []
    while len(answer) < steps and not (answer and answer[-1] in end):
        sequence = torch.tensor([ids + answer])
        out = model(input_ids=sequence, pixel_values=pixels.to(model.dtype), attention_mask=torch.ones_like(sequence))
        answer.append(int(out.logits[0, -1].argmax()))
    return answer


def numbers_of(model, ids: list, answer: list, pixels) -> dict:
    """What the whole sequence gives, in the model's type."""
    pixels = pixels.to(model.dtype)
    sequence = torch.tensor([ids + answer[:-1]])
    out = model(input_ids=sequence, pixel_values=pixels, attention_mask=torch.ones_like(sequence), output_attentions=True)
    tower = model.vision_tower if hasattr(model, "vision_tower") else model.model.vision_tower
    seen = tower(pixels, output_attentions=True)
    P, T = len(ids), len(answer)
    assert out.logits.shape[1] == P + T - 1, out.logits.shape
    attention = torch.cat(out.attentions)  # [L, Hd, K, K]
    used = seen.attentions[:layers_used(model.config)]
    return {"logits": out.logits[0, P - 1:], "attention.answer": attention[:, :, P - 1:], "attention.full": attention,
            "attention.vision": torch.cat(used) if used else None}


@torch.no_grad()
def golden(folder: Path, prompt: str, image: Image.Image, target: Path, full: bool = True, steps: int = STEPS,
           kept: tuple = ()) -> None:
    vision = AutoConfig.from_pretrained(folder).vision_config
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    pixels = image_processor(folder)(image, return_tensors="pt")["pixel_values"]
    patches = (vision.image_size // vision.patch_size) ** 2
    ids = expanded(tokenizer(prompt)["input_ids"], tokenizer.convert_tokens_to_ids("<image>"), patches)
    with float64_throughout():
        model = load(folder, torch.float64)
        answer = greedy(model, ids, pixels, steps)
        numbers = numbers_of(model, ids, answer, pixels)
    assert greedy(load(folder, torch.float32), ids, pixels, steps) == answer, "an answer that hangs on rounding is no golden one"
    kept = kept or (list(numbers) if full else ["logits", "attention.answer"])
    assert all(numbers[name].dtype == torch.float64 for name in kept)
    errors = {}
    for kind in ("float32", "bfloat16"):
        others = numbers_of(load(folder, getattr(torch, kind)), ids, answer, pixels)
        errors |= {f"{kind}_error.{name}": repr(largest_difference(numbers[name], others[name])) for name in kept}
    tensors = {"pixel_values": pixels[0].numpy(), "ids": np.array(ids, dtype=np.int64),
               "answer": np.array(answer, dtype=np.int64), **{name: numbers[name].numpy() for name in kept}}
    text = tokenizer.decode(answer, skip_special_tokens=True)
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, target,
              {"prompt": prompt, "answer": text, "transformers": transformers.__version__, **errors})
    print(f"{target}: P {len(ids)}, T {len(answer)}, answer {text!r}, {target.stat().st_size} bytes, {errors}")


def small_biases(tensors: dict) -> dict:
    """A bias for every linear map of the decoder's layers, of numbers that TestLlava makes again."""
    pattern = re.compile(r"language_model\.model\.layers\..*_proj\.weight")
    return {name.replace("weight", "bias"): ((np.arange(len(value)) * 7 % 11 - 5) / 32).astype(np.float32)
            for name, value in tensors.items() if pattern.fullmatch(name)}


# Folders whose weights say one thing and whose configuration another, and a rare configuration: changes to the top and to the
# text_config of multihead-f32, whether biases are added.
VARIANTS = {
    "unwanted-biases": ({}, {}, True),
    "biases": ({}, {"attention_bias": True, "mlp_bias": True}, True),
    "projector-without-biases": ({"multimodal_projector_bias": False}, {}, False),
    "tied-with-a-head": ({"tie_word_embeddings": True}, {"tie_word_embeddings": True}, False),
    "no-vision-layers": ({"vision_feature_layer": -4}, {}, False),  # of three; transformers 5.24 fails at 0, which means the same
}


def make_variant(original: Path, folder: Path, top: dict, text: dict, biases: bool) -> None:
    shutil.copytree(original, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= top
    config["text_config"] |= text
    (folder / "config.json").write_text(json.dumps(config))
    if biases:
        tensors = load_file(folder / "model.safetensors")
        save_file(tensors | small_biases(tensors), folder / "model.safetensors", {"format": "pt"})


def make_variants(root: Path, prompt: str, image: Image.Image) -> None:
    for name, changes in VARIANTS.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / name
            make_variant(root / "multihead-f32", folder, *changes)
            golden(folder, prompt, image, root / f"{name}.golden.safetensors", full=False, steps=4)


# Checkpoints of an older release that are saved again by the running one: folder names below OUTPUT_DIR/resaved, and the originals.
RESAVED = {"llama": "multihead-f32", "llama3-rope": "llama3-rope-f32", "theta": "grouped-bf16-sharded", "tied": "tied-f32",
           "qwen2": "bias-bf16-qwen2", "mistral": "window-f16-mistral"}
TEMPLATE = """{%- for message in messages %}{{ message['role'] | upper }}: {% for part in message['content'] -%}
{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %} {% endfor -%}
{% if add_generation_prompt %}ASSISTANT:{% endif %}"""


def save_again(original: Path, folder: Path) -> transformers.ProcessorMixin:
    """The whole folder as the running transformers writes it: model and processor."""
    model = LlavaForConditionalGeneration.from_pretrained(original, torch_dtype="auto")
    model.save_pretrained(folder)
    processor = transformers.LlavaProcessor(
        ImageProcessor.from_pretrained(original), PreTrainedTokenizerFast.from_pretrained(original), patch_size=VISION["patch_size"],
        vision_feature_select_strategy="default", num_additional_image_tokens=1, chat_template=TEMPLATE)
    processor.save_pretrained(folder)
    return transformers.AutoProcessor.from_pretrained(folder)


def make_resaved(root: Path, image: Image.Image) -> None:
    for name, original in RESAVED.items():
        target = root / "resaved" / name
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / name
            processor = save_again(root / original, folder)
            parts = [{"type": "image"}, {"type": "text", "text": QUESTION}]
            prompt = processor.apply_chat_template([{"role": "user", "content": parts}], add_generation_prompt=True)
            golden(folder, prompt, image, target / "golden.safetensors", full=False, steps=4)
            assert processor(text=prompt, images=image)["input_ids"][0] == load_file(target / "golden.safetensors")["ids"].tolist()
            for file in folder.iterdir():
                if ".safetensors" not in file.name:
                    shutil.copy(file, target)


def main() -> None:
    if sys.argv[1] == "--model":
        folder = Path(sys.argv[2])
        scene = folder / "scenes" / "star_left_of_circle.png"
        golden(folder, "USER: <image>\nDescribe the image. ASSISTANT:", Image.open(scene).convert("RGB"), Path(sys.argv[3]),
               full=False)
        return
    if sys.argv[1] == "--variants":
        root = Path(sys.argv[2])
        make_variants(root, PROMPT, Image.open(root / "picture.png").convert("RGB"))
        return
    if sys.argv[1] == "--resaved":
        make_resaved(Path(sys.argv[2]), Image.open(Path(sys.argv[2]) / "picture.png").convert("RGB"))
        return
    numbers_only = sys.argv[1] == "--numbers"
    root, *names = sys.argv[2 if numbers_only else 1:]
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    if not numbers_only:
        picture(VISION["image_size"]).save(root / "picture.png")
    image = Image.open(root / "picture.png").convert("RGB")
    for seed, (name, case) in enumerate(CASES.items()):
        if names and name not in names:
            continue
        if case.get("new", False) != NEW_NAMES:
            print(f"{name}: needs the {'newer' if case.get('new') else 'older'} transformers, skipped")
            continue
        folder = root / name
        if not numbers_only:
            make_checkpoint(folder, case, seed)
        prompt = f"<image>\n{QUESTION}" if case.get("image_first") else PROMPT
        golden(folder, prompt, image, folder / "golden.safetensors")


if __name__ == "__main__":
    main()
