"""Trains the tokenizer on the questions and answers and writes it in LLaMA's format, with the processor's files.

    python make_tokenizer.py --out Models/TinyLlava

LLaMA's tokenizer.json: `▁` for the space (one more at the start of each text), BPE without a pre-tokenizer, and bytes
`<0x00>`..`<0xFF>` for characters outside the vocabulary. The merges are learnt within words, as sentencepiece does.
"""
from __future__ import annotations

import argparse
import json
import string
from pathlib import Path
from typing import Iterator

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import scenes
from model import MEAN, STD
from pool import PATCH

PIECES = 420  # beside the special tokens and the 256 bytes
SPECIAL = ["<unk>", "<s>", "</s>"]
TEMPLATE = ("{% for message in messages %}{{ message['role'].upper() + ': ' }}"
            "{% for content in message['content'] if content['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
            "{% for content in message['content'] if content['type'] == 'text' %}{{ content['text'] + ' ' }}{% endfor %}"
            "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")
GENERAL = """A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and
polite answers to the user's questions. USER: ASSISTANT: What do you see in this picture? Which objects are on the table? Please
answer the question with one word. Why is that so? Who is there? Where did you look? This is an image of the small thing that
was in front of or behind another one, under it or over it, and not near the other. Tell me more about it. Yes No yes no"""


def corpus() -> Iterator[str]:
    """Questions as they follow the newline (no space before the first word), answers as they follow "ASSISTANT:"."""
    rng = np.random.default_rng(3)
    for _ in range(300):
        asked = scenes.questions(scenes.draw_scene(rng))
        for question in (asked[i] for i in rng.integers(0, len(asked), 30)):
            yield question.text
            yield f" USER: ASSISTANT: {question.answer}"
    for item in (*scenes.COLORS, *scenes.SHAPES, *map(scenes.plural, scenes.SHAPES), *scenes.NUMBERS):
        yield f" {item}" * 200
    yield " ".join([GENERAL.replace("\n", " ")] * 3)


def train() -> Tokenizer:
    letters = list("▁" + string.ascii_letters + string.digits + string.punctuation)
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")
    learner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split("▁", behavior="merged_with_next"),
                                                     pre_tokenizers.Punctuation("isolated"),
                                                     pre_tokenizers.Digits(individual_digits=True)])
    learner.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=PIECES, initial_alphabet=letters,
                                                              show_progress=False))
    learnt = json.loads(learner.to_str())["model"]
    pieces = SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)] + sorted(learnt["vocab"], key=learnt["vocab"].get)
    merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in learnt["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges,
                                     unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(content=" ", left=1, right=0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
                                                             special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL + ["<image>", "<pad>"]])
    return tokenizer


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def write_processor(out: Path, tokenizer: Tokenizer) -> None:
    added = {str(tokenizer.token_to_id(t)): dict(content=t, lstrip=False, normalized=False, rstrip=False,
                                                 single_word=False, special=True)
             for t in SPECIAL + ["<image>", "<pad>"]}
    names = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>")
    write_json(out / "special_tokens_map.json", names)
    write_json(out / "tokenizer_config.json", dict(
        names, add_bos_token=True, add_eos_token=False, added_tokens_decoder=added, clean_up_tokenization_spaces=False,
        legacy=True, model_max_length=2048, padding_side="left", processor_class="LlavaProcessor", sp_model_kwargs={},
        tokenizer_class="LlamaTokenizer", use_default_system_prompt=False))
    side = scenes.SIZE
    write_json(out / "preprocessor_config.json", dict(
        image_processor_type="CLIPImageProcessor", processor_class="LlavaProcessor", do_convert_rgb=True, do_resize=True,
        size=dict(shortest_edge=side), resample=3, do_center_crop=True, crop_size=dict(height=side, width=side),
        do_rescale=True, rescale_factor=1 / 255, do_normalize=True, image_mean=MEAN, image_std=STD))
    write_json(out / "processor_config.json", dict(
        image_token="<image>", num_additional_image_tokens=1,  # CLS; newer versions of transformers ask for it
        patch_size=PATCH, processor_class="LlavaProcessor", vision_feature_select_strategy="default"))
    write_json(out / "chat_template.json", dict(chat_template=TEMPLATE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = train()
    tokenizer.save(str(args.out / "tokenizer.json"))
    write_processor(args.out, tokenizer)
    print(tokenizer.get_vocab_size(), "tokens")


if __name__ == "__main__":
    main()
