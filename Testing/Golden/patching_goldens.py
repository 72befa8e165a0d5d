#!/usr/bin/env python3
"""Makes the golden numbers of TestPatching: an answer's log-probabilities with states of another run put into Hugging Face's model.

    python patching_goldens.py DATA_DIR [CASE ...]      # DATA_DIR: Testing/Data; transformers 4.46

Clean are the questions and answers of relevancy_goldens.py. Corrupted is the same with the picture upside down, its red and blue exchanged, and
two words of the question replaced. Each DATA_DIR/patching/CASE.safetensors holds

    picture u8 [H, W, 3], ids i64 [P]    what the corrupted run is asked
    logprob f64 [2 + variants, T]        of the clean answer: in the clean run, in the corrupted run, and with states of the clean run in it

and in its metadata `variants`, a JSON list of {"part", "positions", "layer"}. Hooks on layers, their self_attn and their mlp keep the clean run's
outputs, and put them into the corrupted run at those positions; float64 throughout. `float32_error` is how far the same in float32 is.
"""

import json
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors import safe_open
from safetensors.numpy import save_file
from transformers import CLIPImageProcessor

from float64 import float64_throughout
from relevancy_goldens import load_model

CASES = ("multihead", "grouped-sampled", "bias", "window-sampled", "last-vision-layer")
PARTS = {"Hidden": lambda layer: layer, "Attention": lambda layer: layer.self_attn, "FeedForward": lambda layer: layer.mlp}


def variants(P: int, T: int, start: int, patches: int) -> list:
    """Single positions, parts of the picture, words, the answer, and everything, after each layer."""
    image, text = list(range(start, start + patches)), list(range(start + patches, P))
    places = [[P - 1], image, image[1:3], text, [P + T - 2], [0, start, P], list(range(P + T - 1))]
    return [dict(part=part, positions=positions, layer=layer) for part in PARTS for positions in places for layer in range(3)]


@contextmanager
def hooked(model, work):
    """Every layer's parts through work(part, number of the layer, output), which may return another one."""
    with ExitStack() as stack:
        for number, layer in enumerate(model.language_model.model.layers):
            for part, find in PARTS.items():
                def hook(_module, _inputs, output, part=part, number=number):
                    whole = isinstance(output, tuple)
                    changed = work(part, number, output[0] if whole else output)
                    return (changed, *output[1:]) if whole else changed

                stack.callback(find(layer).register_forward_hook(hook).remove)
        yield


def scores(model, processor, clean, corrupted, answer, all_variants) -> np.ndarray:
    def read(asked, work):
        seen, ids = asked
        pixels = processor(seen, do_resize=False, do_center_crop=False, return_tensors="pt")["pixel_values"]
        sequence = torch.tensor([[*ids, *answer[:-1]]])
        with torch.no_grad(), hooked(model, work):
            logits = model(input_ids=sequence, pixel_values=pixels.to(model.dtype), attention_mask=torch.ones_like(sequence),
                           use_cache=False).logits[0, len(ids) - 1:]
        return torch.log_softmax(logits.double(), -1)[range(len(answer)), answer].numpy()

    kept = {}

    def keep(part, number, output):
        kept[part, number] = output.clone()
        return output

    rows = [read(clean, keep), read(corrupted, lambda _part, _number, output: output)]
    for variant in all_variants:
        def put(part, number, output, variant=variant):
            if (part, number) != (variant["part"], variant["layer"]):
                return output
            output = output.clone()
            output[0, variant["positions"]] = kept[part, number][0, variant["positions"]]
            return output

        rows.append(read(corrupted, put))
    return np.array(rows)


def golden(data: Path, name: str) -> None:
    with safe_open(data / "relevancy" / f"{name}.safetensors", "numpy") as file:
        metadata, seen, ids, answer = file.metadata(), *(file.get_tensor(key) for key in ("image", "ids", "answer"))
    folder = next(path for path in (data / "relevancy" / metadata["checkpoint"], data / "llava" / metadata["checkpoint"]) if path.exists())
    layer, P, T = int(metadata["feature_layer"]), len(ids), len(answer)
    processor = CLIPImageProcessor.from_pretrained(folder)
    picture = np.ascontiguousarray(seen[::-1, :, ::-1])
    others = ids.copy()
    others[-4], others[-3] = ids[-3], ids[-5]
    with float64_throughout():
        model = load_model(folder, layer, torch.float64)
        patches = (model.config.vision_config.image_size // model.config.vision_config.patch_size) ** 2
        chosen = variants(P, T, int(metadata["image_start"]), patches)
        run = dict(clean=(seen, ids.tolist()), corrupted=(picture, others.tolist()), answer=answer.tolist(), all_variants=chosen)
        exact = scores(model, processor, **run)
    narrow = scores(load_model(folder, layer), processor, **run)
    target = data / "patching" / f"{name}.safetensors"
    target.parent.mkdir(exist_ok=True)
    save_file({"logprob": exact, "picture": picture, "ids": others}, target, {
        "variants": json.dumps(chosen), "float32_error": repr(float(np.abs(exact - narrow).max())), "transformers": transformers.__version__})
    print(f"{target}: {exact.shape}, float32 error {np.abs(exact - narrow).max()}, corrupted by {np.abs(exact[1] - exact[0]).max():.3f}, "
          f"moved by {np.abs(exact[2:] - exact[1]).max(1).round(3)}")


def main() -> None:
    for name in sys.argv[2:] or CASES:
        golden(Path(sys.argv[1]), name)


if __name__ == "__main__":
    main()
