#!/usr/bin/env python3
"""What transformers makes of the files beside tokenizer.json: added tokens, and special tokens around a text.

    python tokenizer_config_goldens.py ../Data/tokenizer/config_cases.json

Run with transformers 5 for CASES and with transformers 4 for CASES_OF_4, where 5 ignores what the files say; each run keeps the other's
cases in the file. A case: "tokenizer" (changes to tokenizer.json of Data/llava/resaved/llama), "files" (what lies beside it) and
"ids" of each of the TEXTS, as AutoTokenizer finds them in a LLaVA's folder; "special" are the ids that are special tokens.
"""

import json
import sys
import tempfile
from pathlib import Path

import transformers
from transformers import AutoTokenizer

BASE = Path(__file__).resolve().parent.parent / "Data" / "llava" / "resaved" / "llama" / "tokenizer.json"
TEXTS = ["USER:  <image>  \nWhat <pad>?", "the <image>x<fake> </s>", "<pad><fake> a"]
LLAMA = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
FAST = dict(LLAMA, tokenizer_class="TokenizersBackend")
NO_IMAGE = {"added_tokens": "without <image>"}
PLAIN = {"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
                            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {}}}
NONE = {"post_processor": None}


def token(content: str, **flags: bool) -> dict:
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True, **flags}


def decoder(**more: dict) -> dict:
    known = {str(i): token(content) for i, content in enumerate(("<unk>", "<s>", "</s>"))}
    return {"added_tokens_decoder": known | {key[1:]: value for key, value in more.items()}}


CASES = {
    "bos by the post-processor": ({}, {"tokenizer_config.json": LLAMA}),
    "no bos by the post-processor": (PLAIN, {"tokenizer_config.json": LLAMA}),
    "no post-processor": (NONE, {"tokenizer_config.json": LLAMA}),
    "another class": (PLAIN, {"tokenizer_config.json": FAST | {"add_bos_token": True}}),
    "no configuration": ({}, {}),
    "image in the decoder alone": (NO_IMAGE, {"tokenizer_config.json": LLAMA | decoder(_299=token("<image>"))}),
    "not special there": (NO_IMAGE, {"tokenizer_config.json": LLAMA | decoder(_299=token("<image>", special=False, normalized=True))}),
    "ids say the order": (NO_IMAGE, {"tokenizer_config.json": LLAMA | decoder(_500=token("<image>"), _301=token("<fake>"))}),
    "other flags": ({}, {"tokenizer_config.json": LLAMA | decoder(_299=token("<image>", lstrip=True, rstrip=True))}),
    "other kind": ({}, {"tokenizer_config.json": LLAMA | decoder(_299=token("<image>", special=False, normalized=True))}),
    "named pad": ({}, {"tokenizer_config.json": LLAMA | {"pad_token": "<pad>"}}),
    "named pad in a decoder": ({}, {"tokenizer_config.json": FAST | decoder(_299=token("<image>")) | {"pad_token": "<pad>"}}),
    "image_token": (NO_IMAGE, {"tokenizer_config.json": FAST | {"image_token": "<image>"}}),
    "extra list": (NO_IMAGE, {"tokenizer_config.json": FAST | {"extra_special_tokens": ["<image>", "<fake>"]}}),
    "extra names": (NO_IMAGE, {"tokenizer_config.json": FAST | {"extra_special_tokens": {"image_token": "<image>"}}}),
    "additional": (NO_IMAGE, {"tokenizer_config.json": LLAMA | {"additional_special_tokens": ["<image>"], "pad_token": "<pad>"}}),
    "special tokens map": (NO_IMAGE, {"tokenizer_config.json": LLAMA, "special_tokens_map.json": {
        "pad_token": {"content": "<pad>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False},
        "additional_special_tokens": ["<image>"]}}),
    "map beside a decoder": (NO_IMAGE, {"tokenizer_config.json": LLAMA | decoder(_299=token("<image>")),
                                        "special_tokens_map.json": {"pad_token": "<pad>"}}),
    "added tokens of old": (NO_IMAGE, {"tokenizer_config.json": LLAMA | {"pad_token": "<pad>"},
                                       "added_tokens.json": {"<fake>": 301, "<image>": 299, "<pad>": 300}}),
}
CASES_OF_4 = {
    "bos refused": ({}, {"tokenizer_config.json": LLAMA | decoder(_299=token("<image>")) | {"add_bos_token": False}}),
    "bos asked for": (PLAIN, {"tokenizer_config.json": LLAMA | decoder(_299=token("<image>")) | {"add_bos_token": True}}),
    "both asked for": (NONE, {"tokenizer_config.json": LLAMA | {"add_bos_token": True, "add_eos_token": True}}),
    "neither": ({}, {"tokenizer_config.json": LLAMA | {"add_bos_token": False, "add_eos_token": False}}),
}


def answer(changes: dict, files: dict) -> dict:
    content = json.loads(BASE.read_text(encoding="utf-8")) | changes
    if content["added_tokens"] == NO_IMAGE["added_tokens"]:
        content["added_tokens"] = [t for t in json.loads(BASE.read_text())["added_tokens"] if t["content"] != "<image>"]
        changes = changes | {"added_tokens": content["added_tokens"]}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "config.json").write_text('{"model_type": "llava"}')
        for name, file in (files | {"tokenizer.json": content}).items():
            (folder / name).write_text(json.dumps(file))
        tokenizer = AutoTokenizer.from_pretrained(folder)
    special = sorted(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)
    return {"tokenizer": changes, "files": files, "ids": [tokenizer(text)["input_ids"] for text in TEXTS], "special": special}


def main() -> None:
    target = Path(sys.argv[1])
    newest = int(transformers.__version__.split(".")[0]) >= 5
    known = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    kept = CASES_OF_4 if newest else CASES
    result = {"texts": TEXTS, "cases": {name: case for name, case in known.get("cases", {}).items() if name in kept}}
    for name, case in (CASES if newest else CASES_OF_4).items():
        result["cases"][name] = answer(*case)
        print(name, result["cases"][name]["ids"], result["cases"][name]["special"])
    result["cases"] = dict(sorted(result["cases"].items()))
    target.write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")).replace('},"', '},\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
