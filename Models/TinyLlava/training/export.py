"""Writes the complete Hugging Face checkpoint folder: weights in float16, configuration, tokenizer and processor files."""
from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import torch
from transformers import GenerationConfig, LlavaForConditionalGeneration, PretrainedConfig

PROCESSOR_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "preprocessor_config.json",
                   "processor_config.json", "chat_template.json")


def slim_config(path: Path) -> None:
    """Drops the hundred generation defaults that save_pretrained writes into the nested configurations."""
    config = json.loads(path.read_text())
    defaults = PretrainedConfig().to_dict()
    for part in ("text_config", "vision_config"):
        config[part] = {k: v for k, v in config[part].items()
                        if k not in ("id2label", "label2id") and not k.startswith("_")
                        and (k not in defaults or v != defaults[k])}
    config["text_config"]["architectures"] = ["LlamaForCausalLM"]
    config["text_config"]["tie_word_embeddings"] = False
    path.write_text(json.dumps(config, indent=2) + "\n")


def export(model: LlavaForConditionalGeneration, processor: Path, out: Path) -> None:
    """`processor` is the folder that make_tokenizer.py wrote; `out` appears, or is replaced, in one go."""
    text = model.config.text_config
    half = copy.deepcopy(model).to("cpu", torch.float16)
    half.generation_config = GenerationConfig(bos_token_id=text.bos_token_id, eos_token_id=text.eos_token_id,
                                              pad_token_id=text.pad_token_id)
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    half.save_pretrained(part, safe_serialization=True)
    slim_config(part / "config.json")
    for name in PROCESSOR_FILES:
        shutil.copy(processor / name, part / name)
    for file in part.iterdir():
        file.chmod(0o644)
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
