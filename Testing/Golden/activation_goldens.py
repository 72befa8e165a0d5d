#!/usr/bin/env python3
"""Token activation maps of Hugging Face's LLaVA on the tiny checkpoints, in float64.

    python activation_goldens.py TAM_DIR Testing/Data          # Testing/Data/activation/NAME.safetensors of all CASES
    python activation_goldens.py TAM_DIR Testing/Data NAME ... # of some of them

Needs transformers 5 and scipy. TAM_DIR is a clone of https://github.com/xmed-lab/TAM: each map is made here from the definition, and must
be what the authors' own `TAM()` makes of the same logits, which gives whole numbers in [0, 255]; but for the answer's first token, where
theirs is the map of the question's first word. Prompt and answer are those of the checkpoint's golden.safetensors. In the file:

    rows [T, K]   for each answer token the filtered map at the image, the words' scores at the question and the answer before it
    question [n]  positions of the question

Metadata: `float32_error`, the largest difference of a row from the logits of their float32 run.
"""

import sys
import types
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedTokenizerFast

from float64 import float64_throughout
from llava_goldens import PROMPT, QUESTION, expanded, image_processor, load

CASES = ("multihead-f32", "bias-bf16-qwen2", "siglip-llama", "gemma", "granite")


@torch.no_grad()
def logits_of(folder: Path, dtype, ids: list, pixels) -> np.ndarray:
    """[K, V]"""
    sequence = torch.tensor([ids])
    out = load(folder, dtype)(input_ids=sequence, pixel_values=pixels.to(dtype), attention_mask=torch.ones_like(sequence))
    return out.logits[0].numpy()


def smooth(grid: np.ndarray) -> np.ndarray:
    """Weights by rank: a Gaussian around the middle one of nine, as wide as they vary."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(grid, 1, mode="reflect"), (3, 3)).reshape(*grid.shape, 9)
    ranked = np.sort(windows, -1)
    mean, deviation = ranked.mean(-1, keepdims=True), ranked.std(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.exp(-0.5 * (np.arange(-4, 5) * mean / deviation) ** 2)
        values = (weights * ranked).sum(-1) / weights.sum(-1)
    return np.where(mean[..., 0] <= 0, 0, np.where(deviation[..., 0] == 0, mean[..., 0], values))


def row(logits, ids: list, answer: list, question: list, image: np.ndarray, edge: int, token: int) -> np.ndarray:
    P, target = len(ids), answer[token]
    positive = np.maximum(logits, 0)
    words = [ids[p] for p in question] + answer[:token]
    classes = [int(logits[question[0]].argmax())] + words[1:]
    if token > 0:
        classes[len(question)] = ids[-1]
    read = question + [P - 1 + t for t in range(token)]
    scores = positive[read, target]
    weights = np.where(np.array(words) == target, 0, scores)
    common = positive[np.ix_(image, classes)] @ (weights / (weights.sum() + 1e-8))
    own = positive[image, target]
    if common.any():
        own = np.maximum(own - common * (own @ common / (common @ common)), 0)
    both = np.concatenate([own, scores])
    both = (both - both.min()) / np.ptp(both)
    found = np.zeros(len(logits))
    found[image] = smooth(both[:len(image)].reshape(edge, -1)).ravel()
    found[question + [P + t for t in range(token)]] = both[len(image):]
    return found


def load_upstream(folder: str):
    for name in ("cv2", "fitz"):  # for drawing alone
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["cv2"].cvtColor, sys.modules["cv2"].COLOR_RGB2BGR = (lambda picture, _: picture), None
    module = types.ModuleType("tam")
    exec((Path(folder) / "tam.py").read_text(), module.__dict__)
    return module.TAM


class Words:
    """A processor whose words are ids."""

    def __init__(self):
        self.tokenizer = self

    def batch_decode(self, lists, **_):
        return [[str(int(i)) for i in one] for one in lists]

    def tokenize(self, words):
        return words


def upstream_maps(run, logits, ids: list, answer: list, question: list, image_id: int, edge: int) -> list:
    """[T] of [edge, edge] in whole numbers. Authors' special ids lead to the same positions as in their LLaVA."""
    P = len(ids)
    before, after = ids[question[0] - 3:question[0]], ids[question[-1] + 1:question[-1] + 4]
    special = {"img_id": [image_id], "prompt_id": [before, after], "answer_id": [ids[-6:], -1]}
    steps = [torch.tensor(logits[:P])[None]] + [torch.tensor(logits[P + t])[None, None] for t in range(len(answer) - 1)]
    records, picture = [], Image.new("RGB", (8, 8))
    return [run(ids + answer, (edge, edge), steps, special, [picture], Words(), "", t, records, True) for t in range(len(answer))]


def golden(upstream, folder: Path, picture: Image.Image, target: Path) -> None:
    known = load_file(folder / "golden.safetensors")
    ids, answer = known["ids"].tolist(), known["answer"].tolist()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    start = len(expanded(tokenizer(PROMPT[:PROMPT.index(QUESTION)])["input_ids"], image_id, ids.count(image_id)))
    question = list(range(start, start + len(QUESTION)))  # a token a letter
    assert tokenizer.decode([ids[p] for p in question]) == QUESTION
    image = np.flatnonzero(np.array(ids) == image_id)
    edge = int(np.sqrt(len(image)))
    pixels = image_processor(folder)(picture, return_tensors="pt")["pixel_values"]
    with float64_throughout():
        logits = logits_of(folder, torch.float64, ids + answer[:-1], pixels)
    assert logits.dtype == np.float64
    rows = np.stack([row(logits, ids, answer, question, image, edge, t) for t in range(len(answer))])
    theirs = upstream_maps(upstream, logits, ids, answer, question, image_id, edge)
    compared = 0
    for t in range(1, len(answer)):
        ours = rows[t, image].reshape(edge, edge) * 255
        assert np.all((ours - theirs[t] > -1e-4) & (ours - theirs[t] < 1 + 1e-4)), (t, ours, theirs[t])
        compared += np.count_nonzero(theirs[t])
    narrow = logits_of(folder, torch.float32, ids + answer[:-1], pixels)
    error = max(np.abs(row(narrow, ids, answer, question, image, edge, t) - rows[t]).max() for t in range(len(answer)))
    target.parent.mkdir(exist_ok=True)
    save_file({"rows": rows, "question": np.array(question)}, target,
              {"checkpoint": folder.name, "transformers": transformers.__version__, "float32_error": repr(float(error))})
    print(f"{target}: {rows.shape}, {compared} numbers of the authors' met, {target.stat().st_size} bytes, float32 {error:.1e}")


def main() -> None:
    upstream, data = load_upstream(sys.argv[1]), Path(sys.argv[2])
    picture = Image.open(data / "llava" / "picture.png").convert("RGB")
    for name in sys.argv[3:] or CASES:
        golden(upstream, data / "llava" / name, picture, data / "activation" / f"{name}.safetensors")


if __name__ == "__main__":
    main()
