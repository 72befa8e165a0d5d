# SPDX-License-Identifier: Apache-2.0
"""From a question to the positions of the sequence and their roles, as Models/Llava/Prompt of the plugin gives them."""

import os
from dataclasses import dataclass

SLOTS = ("{image}", "{prompt}", "{system}")


def pieces_of(tokenizer, ids: list[int]) -> list[str]:
    """The tokenizer's own pieces; empty for an id of the model that the tokenizer does not know."""
    return [piece or "" for piece in tokenizer.convert_ids_to_tokens(ids)]


def texts_of(tokenizer, ids: list[int]) -> list[str]:
    """What each token adds to the decoded text; a character whose bytes are spread over several stands at the first of them."""
    def decoded(end):
        return tokenizer.decode(ids[:end], skip_special_tokens=False, clean_up_tokenization_spaces=False)

    whole, texts, done, owner = decoded(len(ids)), [""] * len(ids), 0, None
    for at in range(len(ids)):
        now = decoded(at + 1)
        reached = max(done, len(os.path.commonprefix([whole, now])))
        own = done
        if owner is not None and reached > done:
            texts[owner] += whole[done]
            own, owner = own + 1, None
        texts[at] += whole[own:reached]
        if owner is None and len(now) > reached:  # it ends with a part of a character
            owner = at
        done = reached
    return texts


def text_after(tokenizer, before: int, token: int) -> str:
    """What a token says after another one; U+FFFD for a part of a character."""
    def decoded(*ids):
        return tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)

    first, both = decoded(before), decoded(before, token)
    return both[len(first):] if both.startswith(first) else decoded(token)


@dataclass
class Prompt:
    text: str  # with one image token
    layout: str  # the template with its slots, as the plugin's ChatTemplate takes it
    ids: list[int]  # [P], the image token repeated for each image position
    pieces: list[str]  # [P]
    roles: list[str]  # [P]
    image_start: int  # the first patch
    feature_start: int  # the first image position: one before, where the class token is kept


def _messages(question: str, system: str, image_token: str, in_parts: bool) -> list[dict]:
    """One question, its content as parts or as one text: templates of tokenizers take only that."""
    placed = image_token in question
    if in_parts:
        text = {"type": "text", "text": question}
        content = [text] if placed else [{"type": "image"}, text]
    else:
        content = question if placed else f"{image_token}\n{question}"
    instruction = [{"type": "text", "text": system}] if in_parts else system
    return [{"role": "system", "content": instruction}] * bool(system) + [{"role": "user", "content": content}]


def chat_layout(processor, with_system: bool, image_token: str, image_in_question: bool) -> str:
    """The checkpoint's own chat template as text with slots."""
    template = getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)
    if not template:
        raise ValueError("the checkpoint has no chat template: give one, such as --template 'USER: {image}\\n{prompt} ASSISTANT:'")
    question = (image_token if image_in_question else "") + "{prompt}"
    owner = processor if getattr(processor, "chat_template", None) else processor.tokenizer
    wanted = ["{prompt}"] + ["{image}"] * (not image_in_question) + ["{system}"] * with_system
    problem = ""
    for in_parts in (True, False):
        messages = _messages(question, "{system}" * with_system, image_token, in_parts)
        try:
            layout = owner.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        except Exception as error:  # whatever a template that takes other contents raises
            problem = problem or f"cannot be used: {error}"
            continue
        begin = processor.tokenizer.bos_token
        added = processor.tokenizer("a")["input_ids"][:1] == [processor.tokenizer.bos_token_id]
        if begin and added and layout.startswith(begin):  # the tokenizer adds it
            layout = layout[len(begin):]
        layout = layout.replace(image_token, "" if image_in_question else "{image}")
        missing = [slot for slot in wanted if layout.count(slot) != 1]
        if not missing:
            return layout
        problem = f"gives {layout!r}, which does not hold {missing[0]} once"
    raise ValueError(f"the checkpoint's chat template {problem}: give another one with --template")


def prompt_parts(layout: str, question: str, system: str, image_token: str) -> list[tuple[str, str]]:
    """The prompt as (kind, text): kinds `template`, `system`, `image`, `question`. Free-form templates as the plugin has them."""
    if not question.strip():
        raise ValueError("the question is empty")
    in_question = image_token in question
    if "{prompt}" not in layout or not ("{image}" in layout or in_question):
        raise ValueError(f"the template {layout!r} lacks {{image}} or {{prompt}}")
    if system and "{system}" not in layout:
        raise ValueError(f"the template {layout!r} has no {{system}} for the system prompt")
    parts, rest = [], layout
    while rest:
        at, slot = min(((rest.find(s), s) for s in SLOTS if s in rest), default=(len(rest), ""))
        parts.append(("template", rest[:at]))
        rest = rest[at + len(slot):]
        if slot == "{image}" and in_question:
            rest = rest[rest.startswith("\n"):]
        elif slot == "{image}":
            parts.append(("image", image_token))
        elif slot == "{system}":
            parts.append(("system", system))
        elif slot == "{prompt}":
            before, mark, after = question.partition(image_token)
            parts += [("question", before), ("image", mark), ("question", after)]
    return [part for part in parts if part[1]]


def _token_roles(ids: list[int], parts: list[tuple[str, str]], tokenizer) -> list[str]:
    """Of each token, by the part of the text that it begins in; one across a border counts to what follows."""
    roles, head, begin, asked = ["special"] * len(ids), "", 0, False
    for index, (kind, text) in enumerate(parts):
        head += text
        end = len(ids)
        if index + 1 < len(parts):
            known = tokenizer(head)["input_ids"]
            common = next((i for i, pair in enumerate(zip(ids, known)) if pair[0] != pair[1]), min(len(ids), len(known)))
            end = max(begin, common)
        asked = asked or kind == "question"
        role = kind if kind != "template" else "special" if asked else "system"
        roles[begin:end] = [role] * (end - begin)
        begin = end
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    return ["special" if token in special else role for token, role in zip(ids, roles)]


def make_prompt(parts: list[tuple[str, str]], layout: str, tokenizer, image_id: int, features: int, class_token: bool) -> Prompt:
    """Tokenizes the whole text at once, then repeats the image token for `features` positions, the first of which is the class
    token's where that is kept."""
    text = "".join(part for _, part in parts)
    ids = tokenizer(text)["input_ids"]
    images = ids.count(image_id)
    if images != 1:
        raise ValueError(f"the prompt has {images} image tokens ({tokenizer.convert_ids_to_tokens(image_id)!r}), exactly one is "
                         f"needed: {text!r}")
    at = ids.index(image_id)
    roles = _token_roles(ids, parts, tokenizer)
    pieces = pieces_of(tokenizer, ids)
    span = ["special"] * class_token + ["image"] * (features - class_token)
    return Prompt(text, layout, ids[:at] + [image_id] * features + ids[at + 1:],
                  pieces[:at] + [pieces[at]] * features + pieces[at + 1:],
                  roles[:at] + span + roles[at + 1:], at + class_token, at)
