#!/usr/bin/env python3
"""What Hugging Face's LLaVA has in its layers, and what it says there through its own norm and head, in float64.

    python hidden_goldens.py Testing/Data          # Testing/Data/hidden/NAME.safetensors of all CASES
    python hidden_goldens.py Testing/Data NAME ... # of some of them

Needs transformers 5. The sequence is that of the checkpoint's golden.safetensors (llava_goldens.py, family_goldens.py): prompt and
greedy answer, all positions that were fed. In the file, of K positions, L layers, width D:

    states [L+1, K, D]  (float32) after l layers; the last before the final norm: `output_hidden_states` has it behind, so it is
                        taken from the norm's input, and the script checks that the norm makes theirs of it
    best.id, best.logprob [L+1, K, 5]  softmax(head(norm(states)))
    word.id [n], word.logprob [n, L+1, K]  of the answer's words

Metadata: `float32_error.states`, the largest difference of their float32 run relative to the largest number of a layer, and
`float32_error.logprob`.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.numpy import load_file, save_file

from float64 import float64_throughout
from llava_goldens import image_processor, load

CASES = ("multihead-f32", "bias-bf16-qwen2", "gemma", "phi3", "granite")
BEST = 5


def decoder_of(model):
    """The decoder without its head."""
    return model.model.language_model


@torch.no_grad()
def run(model, ids: list, pixels) -> torch.Tensor:
    """[L+1, K, D], the last before the final norm."""
    entering = []
    hook = decoder_of(model).norm.register_forward_hook(lambda _module, inputs, output: entering.extend((inputs[0], output)))
    sequence = torch.tensor([ids])
    out = model(input_ids=sequence, pixel_values=pixels.to(model.dtype), attention_mask=torch.ones_like(sequence), output_hidden_states=True)
    hook.remove()
    before, after = entering
    assert torch.equal(out.hidden_states[-1], after) and not torch.equal(before, after)
    return torch.cat([*out.hidden_states[:-1], before])


@torch.no_grad()
def logprobs_of(model, states: torch.Tensor) -> torch.Tensor:
    """[L+1, K, V]"""
    return torch.log_softmax(model.lm_head(decoder_of(model).norm(states)), -1)


def golden(folder: Path, image: Image.Image, target: Path) -> None:
    known = load_file(folder / "golden.safetensors")
    ids, answer = known["ids"].tolist(), known["answer"].tolist()
    fed, words = ids + answer[:-1], sorted(set(answer))
    pixels = image_processor(folder)(image, return_tensors="pt")["pixel_values"]
    with float64_throughout():
        model = load(folder, torch.float64)
        states = run(model, fed, pixels)
        logprobs = logprobs_of(model, states)
    assert states.dtype == logprobs.dtype == torch.float64
    best, index = logprobs.topk(BEST)
    narrow = load(folder, torch.float32)
    narrow_states = run(narrow, fed, pixels)
    size = states.abs().amax(dim=(1, 2), keepdim=True)
    errors = {"float32_error.states": repr(float(((narrow_states - states).abs() / size).max())),
              "float32_error.logprob": repr(float((logprobs_of(narrow, narrow_states) - logprobs).abs().max()))}
    tensors = {"states": states.numpy().astype(np.float32), "best.id": index.numpy(), "best.logprob": best.numpy(),
               "word.id": np.array(words), "word.logprob": logprobs[..., words].permute(2, 0, 1).numpy()}
    target.parent.mkdir(exist_ok=True)
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, target,
              {"checkpoint": folder.name, "transformers": transformers.__version__, **errors})
    print(f"{target}: {list(states.shape)}, {len(words)} words, {target.stat().st_size} bytes, {errors}")


def main() -> None:
    data = Path(sys.argv[1])
    image = Image.open(data / "llava" / "picture.png").convert("RGB")
    for name in sys.argv[2:] or CASES:
        golden(data / "llava" / name, image, data / "hidden" / f"{name}.safetensors")


if __name__ == "__main__":
    main()
