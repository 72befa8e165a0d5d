"""The network: Hugging Face's own LLaVA classes with a small configuration, and how its weights start."""
from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
from transformers.models.clip.modeling_clip import CLIPVisionTransformer

from pool import PATCH
from scenes import SIZE

MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's
STD = (0.26862954, 0.26130258, 0.27577711)
FEATURE_LAYER = -2  # as in LLaVA-1.5: the last layer never runs


def config(vocabulary: int, image_token: int, pad_token: int) -> LlavaConfig:
    vision = CLIPVisionConfig(hidden_size=128, intermediate_size=768, num_hidden_layers=7, num_attention_heads=4,
                              image_size=SIZE, patch_size=PATCH, projection_dim=128)
    text = LlamaConfig(vocab_size=vocabulary, hidden_size=128, intermediate_size=352, num_hidden_layers=4,
                       num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=2048, rms_norm_eps=1e-5,
                       bos_token_id=1, eos_token_id=2, pad_token_id=pad_token, tie_word_embeddings=False)
    return LlavaConfig(vision, text, image_token_index=image_token, projector_hidden_act="gelu",
                       vision_feature_select_strategy="default", vision_feature_layer=FEATURE_LAYER,
                       image_seq_length=(SIZE // PATCH) ** 2, tie_word_embeddings=False)


def build(vocabulary: int, image_token: int, pad_token: int) -> LlavaForConditionalGeneration:
    model = LlavaForConditionalGeneration._from_config(config(vocabulary, image_token, pad_token),
                                                       attn_implementation="sdpa")
    initialize(model.vision_tower)
    initialize(model.language_model)
    initialize(model.multi_modal_projector)
    mimetic(model.language_model)
    return model


@torch.no_grad()
def warm_start(model: LlavaForConditionalGeneration, folder: Path) -> None:
    """The weights of a smaller checkpoint. What is new (tower layers that did not run there, feed-forward units) adds nothing
    to the residual stream at first, so that the model starts as that checkpoint."""
    known = {name: p for file in folder.glob("*.safetensors") for name, p in load_file(file).items()}
    layers = [int(name.split("layers.")[1].split(".")[0]) for name in known if "encoder.layers." in name]
    used = max(layers) + 1 + FEATURE_LAYER + 1
    for name, p in model.named_parameters():
        new_layer = "encoder.layers." in name and int(name.split("layers.")[1].split(".")[0]) >= used
        if new_layer and any(part in name for part in ("out_proj", "fc2")):
            p.zero_()
        elif not new_layer and name in known:
            if "fc2.weight" in name:
                p.zero_()
            p[tuple(slice(n) for n in known[name].shape)] = known[name].float()


@torch.no_grad()
def mimetic(decoder: torch.nn.Module) -> None:
    """Attention that starts out as "find what is like me, and copy what it says" (Trockman and Kolter 2023).

    Keys equal queries, the output matrix is the transpose of the value matrix, and the head reads what the embedding wrote.
    Finding the patches of "the star" by the word "star" is then a matter of sharpening, not of discovery.
    """
    for layer in decoder.model.layers:
        attention = layer.self_attn
        attention.k_proj.weight.copy_(attention.q_proj.weight)
        attention.o_proj.weight.copy_(0.4 * attention.v_proj.weight.T)
    decoder.lm_head.weight.copy_(0.15 * decoder.model.embed_tokens.weight)


def initialize(part: torch.nn.Module) -> None:
    """Hugging Face's 0.02 is meant for wide layers; here the width itself sets the scale."""
    for name, p in part.named_parameters():
        if p.ndim != 2 or "embed" in name:
            if "patch_embedding" in name:
                torch.nn.init.normal_(p, std=0.04)
            elif "position_embedding" in name or "class_embedding" in name:
                torch.nn.init.normal_(p, std=0.3)
            elif "embed_tokens" in name:
                torch.nn.init.normal_(p, std=0.5)
            continue
        std = p.shape[1] ** -0.5
        if any(word in name for word in ("out_proj", "fc2", "o_proj", "down_proj")):
            std *= 0.35
        elif "lm_head" in name:
            std *= 0.3
        torch.nn.init.normal_(p, std=std)


def normalize(images: torch.Tensor) -> torch.Tensor:
    """u8 [B, H, W, 3] to float [B, 3, H, W], as the image processor does at the native size."""
    mean, std = torch.tensor(MEAN, device=images.device), torch.tensor(STD, device=images.device)
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def vision_features(vision: CLIPVisionTransformer, images: torch.Tensor) -> torch.Tensor:
    """What the projector gets: float [B, patches, width] of the feature layer, without CLS. Skips the unused layer."""
    hidden = vision.pre_layrnorm(vision.embeddings(normalize(images)))
    for layer in vision.encoder.layers[:FEATURE_LAYER + 1]:
        hidden = layer(hidden, None, None)[0]
    return hidden[:, 1:]
