# SPDX-License-Identifier: Apache-2.0
"""Attention of the embedded model's last layer by Hugging Face, as input for causal_goldens.py --attention.

    causal_attention.py Models/TinyLlava OUTPUT_DIR
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPImageProcessor, LlavaForConditionalGeneration, PreTrainedTokenizerFast

PROMPT = "USER: <image>\nDescribe the image. ASSISTANT:"
LONGEST = 24


def main() -> None:
    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    model = LlavaForConditionalGeneration.from_pretrained(
        folder, torch_dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    picture = Image.open(folder / "scenes/star_left_of_circle.png").convert("RGB")
    pixels = CLIPImageProcessor.from_pretrained(folder)(picture, return_tensors="pt")["pixel_values"]
    image, vision = model.config.image_token_index, model.config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    ids = [i for token in tokenizer(PROMPT)["input_ids"] for i in [token] * (patches if token == image else 1)]
    answer = []
    with torch.no_grad():
        while len(answer) < LONGEST and (not answer or answer[-1] != tokenizer.eos_token_id):
            sequence = torch.tensor([ids + answer])
            out = model(input_ids=sequence, pixel_values=pixels, attention_mask=torch.ones_like(sequence),
                        output_attentions=True)
            answer.append(int(out.logits[0, -1].argmax()))
    output.mkdir(parents=True, exist_ok=True)
    np.save(output / "attention.npy", out.attentions[-1][0].numpy())  # [heads, K, K]
    (output / "layout.json").write_text(json.dumps({
        "image_start": ids.index(image), "image_count": patches, "prompt_length": len(ids),
        "answer_tokens": [0, 2, 5, 7, 11]}))


if __name__ == "__main__":
    main()
