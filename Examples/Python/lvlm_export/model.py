# SPDX-License-Identifier: Apache-2.0
"""A model of Hugging Face's transformers taken apart, alike for all releases from 4.46 on."""

import inspect
import os
from operator import attrgetter

import torch
import transformers
from transformers import AutoConfig, AutoImageProcessor, AutoProcessor, GenerationConfig

from .families import Family, family_of, has_class_token
from .logits import check_generation_config, end_tokens

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Where releases have the decoder without its head, and the vision tower.
DECODERS = ("model.language_model.model", "model.language_model", "model.text_model", "language_model.model", "language_model", "model")
TOWERS = ("model.vision_tower", "vision_tower", "model.vision_model", "vision_model")


def found(model, paths: tuple[str, ...], member: str):
    """The first of the modules that there is and that has `member`."""
    for path in paths:
        try:
            module = attrgetter(path)(model)
        except AttributeError:
            continue
        if hasattr(module, member):
            return module
    return None


class Model:
    """The parts of a loaded model: `decoder` (without its head) and `head`; of LLaVAs also `tower` and `projector`."""

    def __init__(self, model, processor, name: str):
        self.name, self.processor, self.tokenizer, self.config = name, processor, processor.tokenizer, model.config
        self.family: Family = family_of(model.config.model_type, name)
        self.text_config = model.config.get_text_config()
        self.decoder, self.head = found(model, DECODERS, "layers"), model.get_output_embeddings()
        if self.decoder is None or not hasattr(self.decoder, "norm"):
            raise ValueError(f"{name}: a decoder {type(self.decoder or model).__name__} is not supported (those like LLaMA's are)")
        self.decoder_layers = list(self.decoder.layers)
        self.tower = Tower(model, name) if "llava" in model.config.model_type else None
        self.generation_config = model.generation_config
        check_generation_config(self.generation_config, name)
        self.end_tokens = set(end_tokens(self.generation_config))
        # How tokens are chosen is ours to say (logits.py), and so is the kind of cache.
        model.generation_config = GenerationConfig(eos_token_id=sorted(self.end_tokens) or None, pad_token_id=0)
        model.config.image_seq_length = 0  # so that a LLaVA of transformers 4.46 never takes a prompt for one without its image positions
        self.model = model.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    @property
    def image_id(self) -> int:
        # The older name first: it may be 0, but never None where there is one.
        old = getattr(self.config, "image_token_index", None)
        return self.config.image_token_id if old is None else old

    @property
    def image_token(self) -> str:
        return self.tokenizer.convert_ids_to_tokens(self.image_id)

    @property
    def placeholder(self) -> str:
        """What a prompt has in a picture's place."""
        return self.family.placeholder(self.processor, self.image_token)

    @property
    def vision_layers(self) -> list:
        """Those of the tower that are used, and whose attention can be taken."""
        if self.tower:
            return self.tower.layers[:self.tower.layers_used]
        module = found(self.model, TOWERS, "encoder") or found(self.model, tuple(f"{path}.vision_model" for path in TOWERS), "encoder")
        layers = getattr(getattr(module, "encoder", None), "layers", None)
        if layers is None:
            raise ValueError(f"{self.name}: the attention of this vision tower cannot be recorded (those like CLIP's and SigLIP's can)")
        return list(layers)

    @property
    def vision_positions(self) -> int:
        vision = self.config.vision_config
        return (vision.image_size // vision.patch_size)**2 + bool(self.tower and self.tower.has_class_token)

    def on_device(self, inputs: dict) -> dict:
        """What the model takes of these, pixels in its type."""
        known = inspect.signature(self.model.forward).parameters
        return {key: value.to(self.device, self.head.weight.dtype if value.is_floating_point() else value.dtype)
                for key, value in inputs.items() if key in known}

    def longer(self, inputs: dict, answer: list[int]) -> dict:
        """The same with an answer behind the prompt."""
        more, P = {}, inputs["input_ids"].shape[1]
        for key, value in inputs.items():
            if value.dim() == 2 and value.shape == (1, P) and not value.is_floating_point():
                filled = {"attention_mask": 1, "token_type_ids": self.family.answer_type}.get(key, 0)
                tail = torch.tensor([answer]) if key == "input_ids" else torch.full((1, len(answer)), filled)
                more[key] = torch.cat([value, tail.to(value.device, value.dtype)], 1)
        return {**inputs, **more}

    def scores(self, normed: torch.Tensor) -> torch.Tensor:
        """Logits from what the decoder's norm gives."""
        scores, cap = self.head(normed).float(), getattr(self.text_config, "final_logit_softcapping", None)
        return scores if cap is None else cap * torch.tanh(scores / cap)

    def forget_positions(self) -> None:
        """Qwen-VL of 4.46 remembers those of the last question."""
        for module in (self.model, getattr(self.model, "model", None)):
            if getattr(module, "rope_deltas", None) is not None:
                module.rope_deltas = None


class Tower:
    """A LLaVA's vision tower and projector."""

    def __init__(self, model, name: str):
        self.name, self.config = name, model.config
        core = model.model if hasattr(getattr(model, "model", None), "vision_tower") else model
        self.module, self.projector = core.vision_tower, core.multi_modal_projector
        encoder = getattr(getattr(self.module, "vision_model", self.module), "encoder", None)
        if encoder is None:
            raise ValueError(f"{name}: a vision tower {type(self.module).__name__} is not supported (those like CLIP's are)")
        self.layers = list(encoder.layers)
        self.has_class_token = has_class_token(model.config)
        strategy = getattr(model.config, "vision_feature_select_strategy", "default")
        if strategy not in ("default", "full"):
            raise ValueError(f"{name}: vision_feature_select_strategy {strategy!r} is neither 'default' nor 'full'")
        if strategy == "default" and not self.has_class_token:
            raise ValueError(f"{name}: vision_feature_select_strategy 'default' drops the first patch, as the vision tower has no class "
                             "token")
        self.drops_first = strategy == "default"
        count = len(self.layers)
        chosen = getattr(model.config, "vision_feature_layers", None) or model.config.vision_feature_layer
        levels = [level if level >= 0 else count + 1 + level for level in (chosen if isinstance(chosen, (list, tuple)) else [chosen])]
        if any(not 0 <= level <= count for level in levels):
            raise ValueError(f"{name}: vision_feature_layer {chosen} of a tower with {count} layers")
        self.levels = levels  # a level i is the input of layer i
        self.layers_used = max(levels)

    def states(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        states = self.module(pixels, output_hidden_states=True).hidden_states
        return [states[level] for level in self.levels]

    def project(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """Image features [features, D] from the hidden states [1, N, Dv] of `levels`."""
        return self.projector(torch.cat([h[:, 1:] if self.drops_first else h for h in levels], -1))[0]


def load(name: str, device: str = "cpu", precision: str = "float32") -> Model:
    """The checkpoint `name`, a folder or a name on Hugging Face's hub."""
    version = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    if version < (4, 46):
        raise ValueError(f"transformers {transformers.__version__} is too old, 4.46 or newer is needed")
    family_of(AutoConfig.from_pretrained(name).model_type, name)
    try:
        target = torch.device(device)
        torch.empty(1, device=target)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} is not available here: {str(error).splitlines()[0]}") from error
    model = transformers.AutoModelForImageTextToText.from_pretrained(name, torch_dtype=PRECISIONS[precision], attn_implementation="eager")
    processor = AutoProcessor.from_pretrained(name)
    # Pillow's resampling, to the bit; and not for the tokenizer, where use_fast means another thing.
    processor.image_processor = AutoImageProcessor.from_pretrained(name, use_fast=False)
    return Model(model.to(target), processor, os.path.basename(os.path.abspath(name)) if os.path.isdir(name) else name)
