# SPDX-License-Identifier: Apache-2.0
"""Hugging Face's LlavaForConditionalGeneration taken apart, alike for all releases of transformers from 4.41 on.

The attention matrices are taken where they are made, by hooks on the `self_attn` modules, and go no further: `output_attentions=True`
would keep those of all layers until the step is over.
"""

import inspect
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Iterator

import torch
from transformers import AutoConfig, AutoImageProcessor, AutoProcessor, LlavaForConditionalGeneration

from .logits import check_generation_config, end_tokens

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass
class Call:
    """What a layer was called with."""
    hidden: torch.Tensor
    args: tuple
    kwargs: dict


@contextmanager
def attention_taps(layers, take: Callable[[int, torch.Tensor], None]) -> Iterator[None]:
    """Gives every attention matrix of `layers`, [1, heads, n, S] after the softmax, to `take(layer, matrix)`, and drops it."""
    handles = []

    def ask(_module, args, kwargs):
        return args, {**kwargs, "output_attentions": True}

    def tap(index):
        def hook(_module, _args, output):
            if output[1] is None:
                raise ValueError(f"layer {index} gives no attention: the model must be loaded with attn_implementation='eager'")
            take(index, output[1])
            return (output[0], None, *output[2:])

        return hook

    for index, layer in enumerate(layers):
        attention = layer.self_attn
        if "output_attentions" in inspect.signature(attention.forward).parameters:
            handles.append(attention.register_forward_pre_hook(ask, with_kwargs=True))
        handles.append(attention.register_forward_hook(tap(index)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def recorded_calls(modules) -> Iterator[list[Call]]:
    """The calls of the modules, in order: what is needed to run any of them again."""
    calls: list[Call] = []

    def hook(_module, args, kwargs):
        kwargs = dict(kwargs)
        hidden = args[0] if args else kwargs.pop("hidden_states")
        calls.append(Call(hidden.detach(), args[1:], kwargs))

    handles = [module.register_forward_pre_hook(hook, with_kwargs=True) for module in modules]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def first_of(output) -> torch.Tensor:
    """A layer's hidden states: newer releases return them alone."""
    return output[0] if isinstance(output, tuple) else output


class Llava:
    """The parts of a loaded model: `tower` (vision), `projector`, `decoder` (without its head) and `head`."""

    def __init__(self, model, processor, image_processor, name: str):
        self.name, self.processor, self.image_processor = name, processor, image_processor
        self.tokenizer = processor.tokenizer
        self.config = model.config
        core = model.model if hasattr(getattr(model, "model", None), "vision_tower") else model
        self.tower, self.projector = core.vision_tower, core.multi_modal_projector
        language = core.language_model
        self.decoder = language.model if hasattr(language, "lm_head") else language
        self.head = model.get_output_embeddings()
        encoder = getattr(getattr(self.tower, "vision_model", self.tower), "encoder", None)
        if encoder is None or not hasattr(self.decoder, "layers"):
            raise ValueError(f"{name}: a vision tower {type(self.tower).__name__} with a decoder {type(self.decoder).__name__} is not "
                             "supported (towers like CLIP's and decoders like LLaMA's are)")
        self.tower_layers, self.decoder_layers = list(encoder.layers), list(self.decoder.layers)
        for key in ("final_logit_softcapping", "logit_scale", "logits_scaling"):
            if getattr(self.config.text_config, key, None) not in (None, 1, 1.0):
                raise ValueError(f"{name}: {key} = {getattr(self.config.text_config, key)} of the decoder is not supported")
        self.generation_config = model.generation_config
        check_generation_config(self.generation_config, name)
        self.end_tokens = set(end_tokens(self.generation_config))
        self._find_grid()
        self.model = model.eval().requires_grad_(False)  # keeps the parts alive

    def _find_grid(self) -> None:
        vision = self.config.vision_config
        self.image_size, self.grid = int(vision.image_size), int(vision.image_size) // int(vision.patch_size)
        self.patch_size = int(vision.patch_size)
        embeddings = getattr(self.tower, "vision_model", self.tower).embeddings
        self.has_class_token = hasattr(embeddings, "class_embedding")
        strategy = self.config.vision_feature_select_strategy
        if strategy not in ("default", "full"):
            raise ValueError(f"{self.name}: vision_feature_select_strategy {strategy!r} is neither 'default' nor 'full'")
        if strategy == "default" and not self.has_class_token:
            raise ValueError(f"{self.name}: vision_feature_select_strategy 'default' drops the first patch, as the vision tower has "
                             "no class token")
        self.drops_first = strategy == "default"
        self.keeps_class_token = self.has_class_token and not self.drops_first
        count = len(self.tower_layers)
        chosen = self.config.vision_feature_layer
        levels = [level if level >= 0 else count + 1 + level for level in (chosen if isinstance(chosen, (list, tuple)) else [chosen])]
        if any(not 0 <= level <= count for level in levels):
            raise ValueError(f"{self.name}: vision_feature_layer {chosen} of a tower with {count} layers")
        self.feature_levels = levels  # a level i is the input of layer i
        self.layers_used = max(levels)

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    @property
    def image_id(self) -> int:
        return getattr(self.config, "image_token_index", None) or self.config.image_token_id

    @property
    def image_token(self) -> str:
        return self.tokenizer.convert_ids_to_tokens(self.image_id)

    @property
    def image_features(self) -> int:
        return self.grid**2 + self.keeps_class_token

    def see(self, image) -> tuple[torch.Tensor, torch.Tensor]:
        """What the model sees of a PIL image: u8 [H, W, 3], and the normalized [1, 3, H, W]."""
        image = image.convert("RGB")
        seen = self.image_processor(image, do_rescale=False, do_normalize=False, return_tensors="pt")["pixel_values"][0]
        seen = seen[:, :self.grid * self.patch_size, :self.grid * self.patch_size]  # what lies under patches
        pixels = self.image_processor(image, return_tensors="pt")["pixel_values"]
        if tuple(pixels.shape) != (1, 3, self.image_size, self.image_size):
            raise ValueError(f"{self.name}: preprocessing gives pixels of shape {list(pixels.shape)}, the vision tower takes "
                             f"{self.image_size} x {self.image_size}")
        return seen.permute(1, 2, 0).to(torch.uint8), pixels.to(self.device, self.head.weight.dtype)

    def project(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """Image features [features, D] from the hidden states [1, N, Dv] of `feature_levels`."""
        return self.projector(torch.cat([h[:, 1:] if self.drops_first else h for h in levels], -1))[0]

    def embed(self, ids: list[int], features: torch.Tensor, start: int) -> torch.Tensor:
        """[1, P, D], the image's positions taken by its features."""
        count = features.shape[0]
        text = torch.tensor([ids[:start] + [0] * count + ids[start + count:]], device=self.device)
        embedded = self.decoder.get_input_embeddings()(text)
        embedded[0, start:start + count] = features.to(embedded.dtype)
        return embedded


def load(name: str, device: str = "cpu", precision: str = "float32") -> Llava:
    """The checkpoint `name`, a folder or a name on Hugging Face's hub."""
    config = AutoConfig.from_pretrained(name)
    if config.model_type != "llava":
        raise ValueError(f"{name}: model_type {config.model_type!r} is not supported, 'llava' is")
    try:
        target = torch.device(device)
        torch.empty(1, device=target)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} is not available here: {str(error).splitlines()[0]}") from error
    model = LlavaForConditionalGeneration.from_pretrained(name, torch_dtype=PRECISIONS[precision], attn_implementation="eager")
    # Pillow's resampling, to the bit; and not for the tokenizer, where use_fast means another thing.
    image_processor = AutoImageProcessor.from_pretrained(name, use_fast=False)
    return Llava(model.to(target), AutoProcessor.from_pretrained(name), image_processor,
                 os.path.basename(os.path.abspath(name)) if os.path.isdir(name) else name)
