#!/usr/bin/env python3
"""Makes the golden numbers of TestIntervention: the recorded answer's log-probabilities with something hidden from Hugging Face's model.

    python intervention_goldens.py DATA_DIR [CASE ...]      # DATA_DIR: Testing/Data; transformers 4.46

The questions and answers are those of relevancy_goldens.py. Each DATA_DIR/intervention/CASE.safetensors holds

    logprob f64 [1 + variants, T]    row 0 as it was asked; each token after the recorded ones before it
    blurred u8 [H, W, 3]             the picture convolved by scipy.ndimage, as the fill `Blur` hides patches
    under.N.ids i64 [n <= T]         the greedy answer that comes out when attention is cut as in variant N, the whole sequence read
    under.N.logprob f64 [n]          anew for each token; N are those variants that do nothing but cut attention

and in its metadata `variants`, a JSON list of {"patches", "fill", "blocked": [{"queries", "keys", "layers"}]} that the test makes too.
All of it with hooks in Hugging Face's eager model, in float64 throughout: pixels are replaced before normalization, embeddings where the
projector gives them, and attention is cut in the mask that a layer's attention is given. `float32_error` is how far the same in float32 is.
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
from scipy.ndimage import gaussian_filter
from transformers import CLIPImageProcessor

from float64 import float64_throughout
from relevancy_goldens import load_model

CASES = ("multihead", "grouped-sampled", "bias", "window-sampled", "last-vision-layer", "grid24")
LAYERS = 3


def variants(P: int, T: int, start: int, patches: int, window: int) -> list:
    """Every kind of change, alone and together."""
    image, question, answer = (list(range(a, b)) for a, b in ((start, start + patches), (start + patches, P), (P - 1, P + T - 1)))
    # A position that is cut off from all of its window would see nothing.
    near = question if window == 0 else question[-2:]
    some = [1, patches // 2, patches - 1]
    cut = [dict(queries=answer, keys=image, layers=list(range(LAYERS)))]
    return [
        *(dict(patches=some, fill=fill, blocked=[]) for fill in ("MeanColor", "Black", "Blur", "MeanEmbedding", "ZeroEmbedding")),
        dict(patches=list(range(patches)), fill="MeanColor", blocked=[]),
        dict(patches=list(range(patches)), fill="ZeroEmbedding", blocked=[]),
        dict(patches=[patches - 1], fill="ZeroEmbedding", blocked=[]),
        dict(patches=[], fill="MeanColor", blocked=[]),
        dict(patches=[], fill="MeanColor", blocked=cut),
        dict(patches=[], fill="MeanColor", blocked=[dict(queries=answer, keys=image, layers=[1])]),
        dict(patches=[], fill="MeanColor", blocked=[dict(queries=question, keys=image, layers=[0, 2])]),
        dict(patches=[], fill="MeanColor", blocked=[dict(queries=answer[1:], keys=near[:-1], layers=[2])]),
        dict(patches=[], fill="MeanColor", blocked=[dict(queries=[answer[-1]], keys=[start, answer[0]], layers=[0, 1]),
                                                    dict(queries=[answer[-1], answer[0]], keys=[start + 1], layers=[1])]),
        dict(patches=some, fill="MeanEmbedding", blocked=cut),
        dict(patches=[0], fill="Black", blocked=[dict(queries=question[1:], keys=image[:2], layers=[1])]),
    ]


def blurred(seen: np.ndarray, deviation: float) -> np.ndarray:
    """Weights cut at three deviations and at the edges of the picture, where what is left counts more."""
    spread = lambda x: gaussian_filter(x, (deviation, deviation, 0), mode="constant", truncate=np.ceil(3 * deviation) / deviation)
    return np.round(spread(seen.astype(float)) / spread(np.ones(seen.shape))).astype(np.uint8)


def without(seen: np.ndarray, patches: list, fill: str, size: int) -> np.ndarray:
    cover = {"MeanColor": lambda: np.floor(seen.reshape(-1, 3).mean(0) + 0.5) + np.zeros_like(seen), "Black": lambda: np.zeros_like(seen),
             "Blur": lambda: blurred(seen, size)}[fill]()
    hidden, columns = seen.copy(), seen.shape[1] // size
    for patch in patches:
        y, x = patch // columns * size, patch % columns * size
        hidden[y:y + size, x:x + size] = cover[y:y + size, x:x + size]
    return hidden


@contextmanager
def hooked(model, variant: dict):
    """The model with embeddings replaced and attention cut."""
    with ExitStack() as stack:
        def hold(handle):
            stack.callback(handle.remove)

        def replace(_module, _inputs, output):
            output = output.clone()
            mean = output[0].mean(0)
            for patch in variant["patches"]:
                output[0, patch] = mean if variant["fill"] == "MeanEmbedding" else 0
            return output

        if variant["fill"].endswith("Embedding"):
            hold(model.multi_modal_projector.register_forward_hook(replace))
        for index, layer in enumerate(model.language_model.model.layers):
            cuts = [cut for cut in variant["blocked"] if index in cut["layers"]]

            def block(_module, inputs, keywords, cuts=cuts):
                mask = keywords["attention_mask"].clone()
                for cut in cuts:
                    mask[0, 0, np.array(cut["queries"])[:, None], np.array(cut["keys"])] = torch.finfo(mask.dtype).min
                return inputs, {**keywords, "attention_mask": mask}

            hold(layer.self_attn.register_forward_pre_hook(block, with_kwargs=True))
        yield


def scores(model, processor, seen, ids, answer, all_variants) -> np.ndarray:
    size = model.config.vision_config.patch_size
    sequence = torch.tensor([[*ids, *answer[:-1]]])
    rows = []
    for variant in [dict(patches=[], fill="MeanColor", blocked=[]), *all_variants]:
        picture = seen if variant["fill"].endswith("Embedding") else without(seen, variant["patches"], variant["fill"], size)
        pixels = processor(picture, do_resize=False, do_center_crop=False, return_tensors="pt")["pixel_values"]
        with torch.no_grad(), hooked(model, variant):
            logits = model(input_ids=sequence, pixel_values=pixels.to(model.dtype), attention_mask=torch.ones_like(sequence),
                           use_cache=False).logits[0, len(ids) - 1:]
        rows.append(torch.log_softmax(logits.double(), -1)[range(len(answer)), answer].numpy())
    return np.array(rows)


def answer_under(model, processor, seen, ids, length, variant) -> tuple:
    """The most probable token again and again, under cuts; their log-probabilities."""
    pixels = processor(seen, do_resize=False, do_center_crop=False, return_tensors="pt")["pixel_values"].to(model.dtype)
    answer, logprobs = [], []
    for step in range(length):
        known = len(ids) + step  # of the positions that are cut off, those that are there
        cuts = [{**cut, **{side: [p for p in cut[side] if p < known] for side in ("queries", "keys")}} for cut in variant["blocked"]]
        sequence = torch.tensor([[*ids, *answer]])
        with torch.no_grad(), hooked(model, {**variant, "blocked": cuts}):
            logits = model(input_ids=sequence, pixel_values=pixels, attention_mask=torch.ones_like(sequence), use_cache=False).logits[0, -1]
        scores = torch.log_softmax(logits.double(), -1)
        if int(scores.argmax()) == model.config.image_token_index:
            break  # Hugging Face's model would look for a second picture
        answer.append(int(scores.argmax()))
        logprobs.append(float(scores.max()))
    return np.array(answer), np.array(logprobs)


def golden(data: Path, name: str) -> None:
    with safe_open(data / "relevancy" / f"{name}.safetensors", "numpy") as file:
        metadata, seen, ids, answer = file.metadata(), *(file.get_tensor(key) for key in ("image", "ids", "answer"))
    ids, answer = ids.tolist(), answer.tolist()
    folder = next(path for path in (data / "relevancy" / metadata["checkpoint"], data / "llava" / metadata["checkpoint"]) if path.exists())
    layer = int(metadata["feature_layer"])
    processor = CLIPImageProcessor.from_pretrained(folder)
    with float64_throughout():
        model = load_model(folder, layer, torch.float64)
        config = model.config
        patches = (config.vision_config.image_size // config.vision_config.patch_size) ** 2
        chosen = variants(len(ids), len(answer), int(metadata["image_start"]), patches, getattr(config.text_config, "sliding_window", 0) or 0)
        exact = scores(model, processor, seen, ids, answer, chosen)
        under = {}
        for number, variant in enumerate(chosen):
            if variant["blocked"] and not variant["patches"]:
                found = answer_under(model, processor, seen, ids, len(answer), variant)
                under.update({f"under.{number}.ids": found[0], f"under.{number}.logprob": found[1]})
    narrow = scores(load_model(folder, layer), processor, seen, ids, answer, chosen)
    target = data / "intervention" / f"{name}.safetensors"
    target.parent.mkdir(exist_ok=True)
    save_file({"logprob": exact, "blurred": blurred(seen, config.vision_config.patch_size), **under}, target, {
        "variants": json.dumps(chosen), "float32_error": repr(float(np.abs(exact - narrow).max())), "transformers": transformers.__version__})
    print(f"{target}: {exact.shape}, float32 error {np.abs(exact - narrow).max()}, moved by {np.abs(exact[1:] - exact[0]).max(1).round(3)}")


def main() -> None:
    for name in sys.argv[2:] or CASES:
        golden(Path(sys.argv[1]), name)


if __name__ == "__main__":
    main()
