#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a vision-language model with Hugging Face's transformers and writes what happened as a `.lvlm` trace, for ParaView to open elsewhere.

    python export_trace.py --model FOLDER_OR_HUB_NAME --image PICTURE [PICTURE ...] --question TEXT --output TRACE.lvlm
                           [--device cuda] [--precision float16] [--payload f16] [--full-layers -1 ...] [--vision] [--relevancy]
                           [--hidden] [--lens [5]] [--hidden-layers 0 16 -1]

Models: LLaVA, VipLLaVA, LLaVA-NeXT, LLaVA-OneVision, Qwen2-VL, Qwen2.5-VL, Qwen3-VL, InternVL, Gemma 3, PaliGemma, Idefics3, SmolVLM
(lvlm_export/families.py). Needs torch, transformers (4.46 or newer) and Pillow, but no ParaView. In a loop over many questions, load the
model once:

    from export_trace import Options, export, load
    model = load("llava-hf/llava-1.5-7b-hf", device="cuda", precision="float16")
    export(model, Image.open("cat.png"), "What is this?", Path("cat.lvlm"), Options(payload="f16"))

Memory beside model and cache: one layer's attention [heads, n, n] at a time. What is recorded goes to disk as it comes: beside the
trace, room for the trace once more is needed until it is complete. The trace appears under its name only when it is.
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lvlm_export.generation import Answer, Sampling, Stores, generate  # noqa: E402
from lvlm_export.hidden import StateStore, lens_tensors  # noqa: E402
from lvlm_export.model import PRECISIONS, Model, load  # noqa: E402
from lvlm_export.prompt import Prompt, chat_layout, make_prompt, pieces_of, text_after, texts_of  # noqa: E402
from lvlm_export.relevancy import Relevancy  # noqa: E402
from lvlm_export.trace_file import PAYLOADS, Array, RowStore, scratch_folder, write_trace  # noqa: E402


@dataclass
class Options:
    system: str = ""
    template: str | None = None  # with {image} and {prompt}; None: the checkpoint's own
    max_new_tokens: int = 64
    alternatives: int = 5
    sampling: Sampling = field(default_factory=Sampling)
    payload: str = "f32"  # of attention
    full_layers: list[int] = field(default_factory=lambda: [-1])  # whose matrices are kept whole
    answer: bool = True  # keep the answer's rows of all layers
    vision: bool = False  # keep the vision tower's attention
    relevancy: bool = False
    hidden: bool = False  # keep the hidden states of hidden_layers
    lens: int = 0  # how many of the best words of their positions are kept, which the logit lens shows without the model
    hidden_layers: list[int] | None = None  # 0: the embeddings, l: after l layers, -1: before the final norm; None: all
    progress: bool = False  # on stderr

    def __post_init__(self):
        if self.max_new_tokens < 1:
            raise ValueError(f"max-new-tokens {self.max_new_tokens} is less than 1")
        if self.alternatives < 1:
            raise ValueError(f"alternatives {self.alternatives} is less than 1")
        if self.lens < 0:
            raise ValueError(f"lens {self.lens} is less than 0")
        if self.payload not in PAYLOADS:
            raise ValueError(f"payload {self.payload!r} is none of {', '.join(PAYLOADS)}")

    def say(self, text: str) -> None:
        if self.progress:
            print(f"\r{text:<60}", end="", file=sys.stderr, flush=True)


def resolved_layers(layers: list[int], count: int, what: str = "the decoder has layers") -> list[int]:
    for layer in layers:
        if not -count <= layer < count:
            raise ValueError(f"layer {layer} is out of range: {what} 0 to {count - 1}")
    return sorted({layer % count for layer in layers})


def make_stores(model: Model, folder: Path, prompt_length: int, options: Options) -> Stores:
    """Room for the longest answer; what is not written takes no disk."""
    T, K = options.max_new_tokens, prompt_length + options.max_new_tokens - 1
    layers, heads = len(model.decoder_layers), model.text_config.num_attention_heads
    full = resolved_layers(options.full_layers, layers)
    every = list(range(layers + 1))
    hidden = resolved_layers(every if options.hidden_layers is None else options.hidden_layers, layers + 1, "there are hidden states")
    stores = Stores(
        RowStore(folder, layers, heads, T, K, options.payload) if options.answer else None,
        RowStore(folder, len(full), heads, K, K, options.payload) if full else None,
        None, full, StateStore(folder, hidden, K, model) if hidden and (options.hidden or options.lens) else None)
    if options.vision:
        seen, heads = model.vision_positions, model.config.vision_config.num_attention_heads
        stores.vision = RowStore(folder, len(model.vision_layers), heads, seen, seen, options.payload)
    return stores


def attention_tensors(stores: Stores, prompt_length: int, answer_length: int) -> dict:
    tensors, K = {}, prompt_length + answer_length - 1
    if stores.answer is not None:
        stores.answer.crop(answer_length, K)
        tensors["attention.answer"] = stores.answer
    if stores.full is not None:
        stores.full.crop(K, K)
        tensors |= {"attention.full": stores.full, "attention.full.layers": Array(np.array(stores.full_layers, np.int64))}
    if stores.vision is not None:
        tensors["attention.vision"] = stores.vision
    return tensors


def hidden_tensors(model: Model, stores: Stores, prompt: Prompt, answer_length: int, options: Options) -> tuple[dict, dict]:
    """Tensors and metadata."""
    store = stores.hidden
    if store is None:
        return {}, {}
    store.crop(len(prompt.ids) + answer_length - 1, store.columns)
    tensors: dict = {"hidden.layers": Array(np.array(store.layers, np.int64))}
    metadata: dict[str, str] = {}
    if options.hidden:
        tensors["hidden.states"] = store
    if options.lens:
        words, texts = lens_tensors(model, store, options.lens, prompt.ids[-1], options.say)
        tensors |= words
        metadata["lens.text"] = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return tensors, metadata


def relevancy_tensors(model: Model, prompt: Prompt, answer: Answer, options: Options) -> dict:
    relevancy, T = Relevancy(model, prompt, answer.ids, answer.logprob), len(answer.ids)
    tables: dict[str, np.ndarray] = {}
    for token in range(T):
        options.say(f"relevancy of token {token + 1} of {T}")
        for name, row in relevancy.maps(token).items():
            width = len(prompt.ids) + T - 1 if name == "decoder" else len(row)
            tables.setdefault(name, np.zeros((T, width), np.float32))[token, :len(row)] = row
    return {f"relevancy.{name}": Array(table) for name, table in tables.items()}


def picture_tensors(prompt: Prompt) -> dict:
    tensors = {}
    for number, picture in enumerate(prompt.pictures):
        name = f"image.{number}" if number else "image"
        tensors[name] = Array(picture.shown)
        if picture.tiles is not None:
            tensors[f"{name}.tiles"] = Array(picture.tiles)
    return tensors


def answer_tensors(prompt: Prompt, answer: Answer) -> dict:
    return {"tokens.id": Array(np.array(prompt.ids + answer.ids, np.int64)),
            "answer.logprob": Array(np.array(answer.logprob, np.float32)),
            "answer.topk_id": Array(np.array(answer.topk_id, np.int64)),
            "answer.topk_logprob": Array(np.array(answer.topk_logprob, np.float32))}


def said_by(model: Model, ids: list[int]) -> list[str]:
    """What each token says; image tokens in one run all say the same, as one of them alone does."""
    kept = [at for at, token in enumerate(ids) if token != model.image_id or at == 0 or ids[at - 1] != token]
    texts = texts_of(model.tokenizer, [ids[at] for at in kept])
    ends = [*kept[1:], len(ids)]
    return [text for text, begin, end in zip(texts, kept, ends) for _ in range(end - begin)]


def geometry(prompt: Prompt, images: list[Image.Image]) -> dict[str, str]:
    """Where the patches are, and the version of the format that can say it."""
    region = prompt.regions[0]
    if prompt.is_one_grid:
        told = {"version": "1", "image_start": str(region["start"]), "grid": f"{region['rows']},{region['cols']}"}
    else:
        told = {"version": "2", "regions": json.dumps(prompt.regions)}
    sizes = [f"{image.width},{image.height}" for image, picture in zip(images, prompt.pictures) if picture.tiles is not None]
    if sizes:
        told["picture_size"] = ";".join(sizes)
    return told


def metadata_of(model: Model, prompt: Prompt, answer: Answer, question: str, options: Options) -> dict[str, str]:
    """The names and values are those that the plugin itself writes."""
    def text(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def pieces(ids):
        return pieces_of(model.tokenizer, ids)

    before = [prompt.ids[-1], *answer.ids]
    precision = {v: k for k, v in PRECISIONS.items()}[model.head.weight.dtype]
    where = model.model.name_or_path
    metadata = {
        "format": "lvlm-trace", "model": model.name, "prompt": prompt.text,
        "answer": model.tokenizer.decode(answer.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),
        "tokens": text(prompt.pieces + pieces(answer.ids)), "text": text(said_by(model, prompt.ids + answer.ids)),
        "roles": text(prompt.roles + ["answer"] * len(answer.ids)), "prompt_length": str(len(prompt.ids)),
        "answer.topk_token": text([pieces(row) for row in answer.topk_id]),
        "answer.topk_text": text([[text_after(model.tokenizer, last, token) for token in row] for last, row in zip(before, answer.topk_id)]),
        "model_directory": os.path.abspath(where) if os.path.isdir(where) else where,
        "question": question, "system_prompt": options.system, "chat_template": prompt.layout, "image_mode": "Default",
        "temperature": f"{options.sampling.temperature:g}", "top_p": f"{options.sampling.top_p:g}", "seed": str(options.sampling.seed),
        "precision": {"float32": "Float32", "bfloat16": "BFloat16", "float16": "Float16"}[precision],
        "device": str(model.device), "written_by": f"export_trace.py, transformers {transformers.__version__}"}
    if options.relevancy:
        metadata |= {"relevancy.mode": "exact", "relevancy.normalized": "1"}
    return metadata


def export(model: Model, image: Image.Image | list[Image.Image], question: str, target: Path, options: Options = Options()) -> str:
    """Asks about a picture, or several, writes the trace `target` and returns the answer. Raises ValueError or OSError that says what is
    wrong."""
    target = Path(target)
    images = [one.convert("RGB") for one in (image if isinstance(image, (list, tuple)) else [image])]
    layout = options.template or chat_layout(model, bool(options.system), len(images), model.placeholder in question)
    prompt = make_prompt(model, layout, question, options.system, images)
    with scratch_folder(target) as folder:
        stores = make_stores(model, folder, len(prompt.ids), options)
        answer = generate(model, prompt, stores, options.sampling, options.max_new_tokens, options.alternatives, options.say)
        tensors = picture_tensors(prompt) | answer_tensors(prompt, answer) | attention_tensors(stores, len(prompt.ids), len(answer.ids))
        seen_inside, words = hidden_tensors(model, stores, prompt, len(answer.ids), options)
        tensors |= seen_inside
        if options.relevancy:
            tensors |= relevancy_tensors(model, prompt, answer, options)
        options.say("writing")
        metadata = metadata_of(model, prompt, answer, question, options) | geometry(prompt, images) | words
        write_trace(target, tensors, metadata)
    options.say("")
    return metadata["answer"]


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="export_trace.py", description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="checkpoint folder, or a name on Hugging Face's hub")
    parser.add_argument("--image", required=True, type=Path, nargs="+", help="a picture, or several, such as the frames of a clip")
    parser.add_argument("--question", required=True)
    parser.add_argument("--output", required=True, type=Path, help="the trace to write, .lvlm")
    parser.add_argument("--system", default="", help="system prompt")
    parser.add_argument("--template", help=r"chat template with {image} and {prompt}, e.g. 'USER: {image}\n{prompt} ASSISTANT:'; "
                        r"\n is a line break (default: the checkpoint's own)")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=0.0, help="0: the likeliest token each time (default)")
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alternatives", type=int, default=5, help="likeliest tokens recorded at each step")
    parser.add_argument("--payload", choices=list(PAYLOADS), default="f32", help="number type of the recorded attention")
    parser.add_argument("--full-layers", nargs="*", default=["-1"], metavar="LAYER",
                        help="layers whose matrices are kept whole: indices (negative ones from the end), 'all', or nothing; "
                        "default: the last one")
    parser.add_argument("--no-answer", action="store_true", help="leave out the answer's attention rows of all layers")
    parser.add_argument("--vision", action="store_true", help="keep the vision tower's attention")
    parser.add_argument("--hidden", action="store_true", help="keep the hidden states of --hidden-layers")
    parser.add_argument("--lens", nargs="?", type=int, const=5, default=0, metavar="WORDS",
                        help="keep the likeliest words (5) that each position says after these layers, for LVLM Logit Lens without the model")
    parser.add_argument("--hidden-layers", nargs="+", default=["all"], metavar="LAYER",
                        help="0: the embeddings, 1: after the first layer, -1: after the last, before the final norm; default: all")
    parser.add_argument("--relevancy", action="store_true", help="compute relevancy maps of all answer tokens (exact mode)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ...")
    parser.add_argument("--precision", choices=list(PRECISIONS), default="float32", help="number type of the computation")
    return parser.parse_args(argv)


def layers_of(option: str, words: list[str], count: int) -> list[int]:
    try:
        return list(range(count)) if words == ["all"] else [int(layer) for layer in words]
    except ValueError as error:
        raise ValueError(f"{option} {' '.join(words)!r}: neither indices of layers nor 'all'") from error


def opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot be read as a picture: {error}") from error


def run(args: argparse.Namespace) -> str:
    images = [opened(path) for path in args.image]
    options = Options(
        system=args.system, template=args.template and args.template.replace(r"\n", "\n"), max_new_tokens=args.max_new_tokens,
        alternatives=args.alternatives, sampling=Sampling(args.temperature, args.top_p, args.seed), payload=args.payload,
        full_layers=[], hidden=args.hidden, lens=args.lens, answer=not args.no_answer, vision=args.vision, relevancy=args.relevancy,
        progress=sys.stderr.isatty())
    model = load(args.model, args.device, args.precision)
    count = len(model.decoder_layers)
    options.full_layers = layers_of("full-layers", args.full_layers, count)
    options.hidden_layers = layers_of("hidden-layers", args.hidden_layers, count + 1)
    return export(model, images, args.question, args.output, options)


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    try:
        answer = run(args)
    except (OSError, ValueError, KeyError, torch.cuda.OutOfMemoryError) as error:
        print(f"export_trace.py: error: {error}", file=sys.stderr)
        return 1
    print(f"{answer}\n{args.output}: {args.output.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
