#!/usr/bin/env python3
"""What Hugging Face's `generate()` answers under many a `generation_config.json`.

    python generation_goldens.py ../Data/llava ../Data/llava/generation.json

For the checkpoints multihead-f32 and bias-bf16-qwen2 of llava_goldens.py and each of the CASES: the ids of the greedy answer of at
most STEPS tokens, which `generate()` finds with the folder's own generation_config.json replaced. In float32 and in float64: a case whose
answers differ hangs on rounding, is no golden one and ends the script. Each case but those of SAME changes the answer, or ends the script, too.
The file is the same from transformers 4.46 and from the newest.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from llava_goldens import PROMPT, ImageProcessor, expanded, load
from PIL import Image
from transformers import PreTrainedTokenizerFast

STEPS = 16
CASES = {
    "plain": {},
    "no-end": {"eos_token_id": None},
    "repetition": {"repetition_penalty": 1.7},
    "encouraged": {"repetition_penalty": 0.6},
    "ngram-1": {"no_repeat_ngram_size": 1},
    "ngram-2": {"no_repeat_ngram_size": 2},
    "ngram-3": {"no_repeat_ngram_size": 3},
    "bad-words": {"bad_words_ids": "FIRST"},
    "suppress": {"suppress_tokens": "FEW"},
    "begin-suppress": {"begin_suppress_tokens": "FEW"},
    "several-ends": {"eos_token_id": "LATE"},
    "min-new": {"eos_token_id": "LATE", "min_new_tokens": 9},
    "min-length": {"eos_token_id": "LATE", "min_length": "P+11"},
    "both-minima": {"eos_token_id": "LATE", "min_length": "P+14", "min_new_tokens": 8},
    "bad-end": {"eos_token_id": "LATE", "bad_words_ids": "END"},
    "forced-end": {"forced_eos_token_id": 2},
    "forced-ends": {"forced_eos_token_id": [7, 5]},
    "forced-begin": {"forced_bos_token_id": 9},
    "decay": {"exponential_decay_length_penalty": [3, 2.5]},
    "invalid": {"remove_invalid_values": True, "suppress_tokens": "FEW"},
    "bias": {"sequence_bias": "BIAS"},
    "order": {"repetition_penalty": 1.4, "no_repeat_ngram_size": 2, "sequence_bias": "BIAS", "begin_suppress_tokens": "FEW",
              "eos_token_id": "LATE", "min_new_tokens": 7, "forced_eos_token_id": 2},
}
SAME = {"plain", "no-end", "forced-begin"}  # a prompt of one token there is not, and this answer does not end early


def filled(case: dict, plain: list, prompt_length: int) -> dict:
    """The placeholders made of what is answered otherwise."""
    distinct = list(dict.fromkeys(plain))
    late = next(token for i, token in enumerate(plain) if i >= 3 and token not in plain[:3])
    values = {"FIRST": [[distinct[0]], plain[1:4], [late, distinct[-1]]], "FEW": distinct[:4], "LATE": [2, late], "END": [[late], [distinct[1]]],
              "BIAS": [[[distinct[0]], -3.5], [[11], 2.25], [plain[1:3], -6.0], [plain[3:5], -6.0]]}
    result = {}
    for key, value in case.items():
        if isinstance(value, str):
            value = prompt_length + int(value[2:]) if value.startswith("P+") else values[value]
        result[key] = value
    return result


@torch.no_grad()
def answer(folder: Path, config: dict, ids: list, pixels, dtype) -> list:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / folder.name
        shutil.copytree(folder, copy)
        (copy / "generation_config.json").write_text(json.dumps(config))
        model = load(copy, dtype)
    sequence = torch.tensor([ids])
    out = model.generate(input_ids=sequence, pixel_values=pixels.to(dtype), attention_mask=torch.ones_like(sequence),
                         max_new_tokens=STEPS, do_sample=False, pad_token_id=0)
    return out[0, len(ids):].tolist()


def main() -> None:
    root, target = Path(sys.argv[1]), Path(sys.argv[2])
    result = {"prompt": PROMPT, "steps": STEPS, "models": {}}
    for name in ("multihead-f32", "bias-bf16-qwen2"):
        folder = root / name
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        pixels = ImageProcessor.from_pretrained(folder)(Image.open(root / "picture.png").convert("RGB"), return_tensors="pt")["pixel_values"]
        ids = expanded(tokenizer(PROMPT)["input_ids"], tokenizer.convert_tokens_to_ids("<image>"), 9)
        plain = answer(folder, {"eos_token_id": 2}, ids, pixels, torch.float32)
        cases = result["models"][name] = {}
        for case, settings in CASES.items():
            config = {"eos_token_id": 2, "bos_token_id": 1} | filled(settings, plain, len(ids))
            found = answer(folder, config, ids, pixels, torch.float32)
            assert found == answer(folder, config, ids, pixels, torch.float64), (name, case)
            assert (found == plain) == (case in SAME), (name, case, found, plain)
            cases[case] = {"config": config, "answer": found}
            print(name, case, found)
    lines = json.dumps(result, indent=1)
    target.write_text(lines.replace("\n     ", " ").replace("\n    ]", "]") + "\n")


if __name__ == "__main__":
    main()
