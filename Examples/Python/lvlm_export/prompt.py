# SPDX-License-Identifier: Apache-2.0
"""From a question to the positions of the sequence and their roles, as Models/Llava/Prompt of the plugin gives them."""

import os
from dataclasses import dataclass

import torch

from .families import Read
from .model import Model
from .pictures import Picture, place, whole_box

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
    text: str  # with one image token for each picture
    layout: str  # the template with its slots, as the plugin's ChatTemplate takes it
    ids: list[int]  # [P], with an image token for each image position
    pieces: list[str]  # [P]
    roles: list[str]  # [P]
    regions: list[dict]  # as the metadata key `regions` has them
    pictures: list[Picture]
    inputs: dict  # what the model takes

    @property
    def is_one_grid(self) -> bool:
        """One grid in one piece over the whole picture, as version 1 of the format describes it."""
        first = self.regions[0]
        return len(self.regions) == 1 and first["stride"] == first["cols"] and tuple(first["box"]) == whole_box(self.pictures[0].shown)


def _messages(question: str, system: str, image_token: str, pictures: int, in_parts: bool) -> list[dict]:
    """One question, its content as parts or as one text: templates of tokenizers take only that."""
    placed = image_token in question
    if in_parts:
        content = [{"type": "image"}] * (0 if placed else pictures) + [{"type": "text", "text": question}]
    else:
        content = question if placed else f"{image_token}\n" * pictures + question
    instruction = [{"type": "text", "text": system}] if in_parts else system
    return [{"role": "system", "content": instruction}] * bool(system) + [{"role": "user", "content": content}]


def chat_layout(model: Model, with_system: bool, pictures: int, image_in_question: bool) -> str:
    """The checkpoint's own chat template as text with slots."""
    processor, image_token = model.processor, model.placeholder
    template = getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)
    if not template and model.family.layout:
        return model.family.layout
    if not template:
        raise ValueError("the checkpoint has no chat template: give one, such as --template 'USER: {image}\\n{prompt} ASSISTANT:'")
    question = (image_token if image_in_question else "") + "{prompt}"
    owner = processor if getattr(processor, "chat_template", None) else processor.tokenizer
    wanted = {"{prompt}": 1, "{image}": 0 if image_in_question else pictures, "{system}": int(with_system)}
    problem = ""
    for in_parts in (True, False):
        messages = _messages(question, "{system}" * with_system, image_token, pictures, in_parts)
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
        missing = [slot for slot, count in wanted.items() if layout.count(slot) != count]
        if not missing:
            return layout
        times = {1: "once", 0: "not at all"}.get(wanted[missing[0]], f"{wanted[missing[0]]} times")
        problem = f"gives {layout!r}, which does not hold {missing[0]} {times}"
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
            for number, text in enumerate(question.split(image_token)):
                parts += [("image", image_token)] * (number > 0) + [("question", text)]
    return [part for part in parts if part[1]]


def _token_roles(ids: list[int], parts: list[tuple[str, str]], tokenizer, **how) -> list[str]:
    """Of each token, by the part of the text that it begins in; one across a border counts to what follows."""
    roles, head, begin, asked = ["special"] * len(ids), "", 0, False
    for index, (kind, text) in enumerate(parts):
        head += text
        end = len(ids)
        if index + 1 < len(parts):
            known = tokenizer(head, **how)["input_ids"]
            common = next((i for i, pair in enumerate(zip(ids, known)) if pair[0] != pair[1]), min(len(ids), len(known)))
            end = max(begin, common)
        asked = asked or kind == "question"
        role = kind if kind != "template" else "special" if asked else "system"
        roles[begin:end] = [role] * (end - begin)
        begin = end
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    return ["special" if token in special else role for token, role in zip(ids, roles)]


class Listening:
    """A processor's tokenizer, for one call: what it is given is the prompt with all the image tokens that the processor put there."""

    def __init__(self, tokenizer):
        self.tokenizer, self.text, self.how = tokenizer, None, {}

    def __call__(self, text=None, **options):
        self.text = text if isinstance(text, str) else text[0]
        self.how = {key: options[key] for key in ("add_special_tokens",) if key in options}
        return self.tokenizer(text, **options)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)


def _grown(parts: list[tuple[str, str]], text: str) -> list[tuple[str, str]]:
    """The same parts in the text that a processor made: what it put in a picture's place is the part `image`."""
    groups: list[list[tuple[str, str]]] = [[]]
    for part in parts:
        groups.append([]) if part[0] == "image" else groups[-1].append(part)
    grown, at = [], 0
    for number, group in enumerate(groups):
        own = "".join(part for _, part in group)
        begin = text.rfind(own) if number == len(groups) - 1 else text.find(own, at)
        if begin < at:
            raise ValueError(f"the processor changes the prompt's text: {own!r} is not in {text!r}")
        grown += [("image", text[at:begin])] + group
        at = begin + len(own)
    grown.append(("template", text[at:]))
    return [part for part in grown if part[1]]


@dataclass
class Tokens:
    """A prompt's, with an image token for each image position. Roles are those of the text that a token comes from."""
    ids: list[int]
    roles: list[str]
    pictures: list[Picture]
    inputs: dict


def _counted(model: Model, parts: list[tuple[str, str]], images: list) -> Tokens:
    """Of a LLaVA, whose image tokens are counted by its sizes alone."""
    text = "".join(part for _, part in parts)
    once = model.tokenizer(text)["input_ids"]
    if once.count(model.image_id) != len(images):
        raise ValueError(f"the prompt has {once.count(model.image_id)} image tokens ({model.image_token!r}), exactly "
                         f"{'one is' if len(images) == 1 else f'{len(images)} are'} needed: {text!r}")
    made = model.processor.image_processor(model.family.together(images), return_tensors="pt")
    inputs = {key: torch.as_tensor(made[key]) for key in ("pixel_values", "image_sizes", "batch_num_images") if key in made}
    read = Read(made["pixel_values"], inputs, text, model.image_token, [image.size for image in images])
    pictures = model.family.pictures(model.config, model.processor, read)
    left = iter([picture.count for picture in pictures])
    counts = [next(left) if token == model.image_id else 1 for token in once]
    roles = _token_roles(once, parts, model.tokenizer)
    return Tokens([token for token, count in zip(once, counts) for _ in range(count)],
                  [role for role, count in zip(roles, counts) for _ in range(count)], pictures, inputs)


def _processed(model: Model, parts: list[tuple[str, str]], images: list) -> Tokens:
    """As the model's own processor reads them."""
    processor, listening = model.processor, Listening(model.tokenizer)
    processor.tokenizer = listening
    try:
        made = processor(text=["".join(part for _, part in parts)], images=images, return_tensors="pt")
    except (TypeError, IndexError, RuntimeError) as error:
        raise ValueError(f"{model.name}: its processor cannot read the question: {error}") from error
    finally:
        processor.tokenizer = model.tokenizer
    inputs = {key: value for key, value in made.items() if isinstance(value, torch.Tensor) and key != "labels"}
    read = Read(inputs["pixel_values"], inputs, listening.text, model.image_token, [image.size for image in images])
    ids = inputs["input_ids"][0].tolist()
    return Tokens(ids, _token_roles(ids, _grown(parts, read.text), model.tokenizer, **listening.how),
                  model.family.pictures(model.config, processor, read), inputs)


def make_prompt(model: Model, layout: str, question: str, system: str, images: list) -> Prompt:
    if layout.count("{image}") == 1:  # with line breaks between if one follows
        layout = layout.replace("{image}", ("\n" if "{image}\n" in layout else "").join(["{image}"] * len(images)))
    parts = prompt_parts(layout, question, system, model.placeholder)
    made = (_counted if model.tower else _processed)(model, parts, images)
    placed = place(made.pictures, [position for position, token in enumerate(made.ids) if token == model.image_id], model.name)
    # What belongs to a picture and is no patch of it (newlines, marks of its beginning and end) is `special`.
    roles = ["special" if role == "image" else role for role in made.roles]
    for position in placed.patches:
        roles[position] = "image"
    inputs = {"attention_mask": torch.ones(1, len(made.ids), dtype=torch.long), **made.inputs, "input_ids": torch.tensor([made.ids])}
    return Prompt("".join(part for _, part in parts), layout, made.ids, pieces_of(model.tokenizer, made.ids), roles, placed.regions,
                  made.pictures, model.on_device(inputs))
