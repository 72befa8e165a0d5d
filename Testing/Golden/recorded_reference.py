#!/usr/bin/env python3
"""What Hugging Face itself says of a question, for traces of Examples/Python/export_trace.py to be compared with.

    python recorded_reference.py MODEL QUESTION TOKENS OUTPUT.npz PICTURE [PICTURE ...]

The processor's own prompt and inputs, `generate()` with its attentions and logits kept, and relevancy of the first answer token by Chefer's
rules with full matrices and one graph of the whole model: nothing of the exporter's. OUTPUT has ids [P + T], logprob [T], answer [L, Hd, T,
K], full [L, Hd, P, P], hidden [L + 1, P, D] (the last one after the norm) and relevancy [P].
"""

import inspect
import sys

import numpy as np
import torch
import transformers
from PIL import Image

from relevancy_goldens import chain


def inputs_of(folder: str, question: str, pictures: list) -> dict:
    processor = transformers.AutoProcessor.from_pretrained(folder)
    processor.image_processor = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False)
    if processor.chat_template:
        content = [{"type": "image"}] * len(pictures) + [{"type": "text", "text": question}]
        text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False)
    else:
        text = "<image>" * len(pictures) + question
    together = [pictures] if "Onevision" in type(processor).__name__ else pictures  # where it matters whose question a picture is of
    made = processor(text=[text], images=together, return_tensors="pt")
    return {key: value for key, value in made.items() if key != "labels"}


def relevancy(model, inputs: dict, token: int) -> np.ndarray:
    out = model(**inputs, output_attentions=True, use_cache=False)
    gradients = torch.autograd.grad(out.logits[0, -1, token], out.attentions)
    P = inputs["input_ids"].shape[1]
    full = chain([(a[0].detach().double(), g[0].double()) for a, g in zip(out.attentions, gradients)], torch.eye(P, dtype=torch.float64))
    row = full[-1] - torch.eye(P, dtype=torch.float64)[-1]
    return (row / row.sum()).numpy()


def main() -> None:
    folder, question, tokens, target, *paths = sys.argv[1:]
    inputs = inputs_of(folder, question, [Image.open(path).convert("RGB") for path in paths])
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager").eval()
    model.config.image_seq_length = 0  # LLaVA of transformers 4.46 would take a single token for an old processor's prompt, and mask keys that are 0
    inputs = {key: value for key, value in inputs.items() if key in inspect.signature(model.forward).parameters}
    with torch.no_grad():
        out = model.generate(**inputs, max_new_tokens=int(tokens), do_sample=False, output_attentions=True, output_logits=True,
                             output_hidden_states=True, return_dict_in_generate=True)
    P, T = inputs["input_ids"].shape[1], len(out.logits)
    K, ids = P + T - 1, out.sequences[0]
    answer = np.zeros((len(out.attentions[0]), out.attentions[0][0].shape[1], T, K))
    for step, layers in enumerate(out.attentions):
        for layer, matrix in enumerate(layers):
            row = matrix[0, :, -1]
            answer[layer, :, step, P + step - row.shape[-1]:P + step] = row
    logprob = [float(torch.log_softmax(logits[0].double(), 0)[token]) for logits, token in zip(out.logits, ids[P:])]
    np.savez(target, ids=ids, logprob=logprob, answer=answer, full=torch.cat(out.attentions[0]), hidden=torch.cat(out.hidden_states[0]),
             relevancy=relevancy(model, inputs, int(ids[P])))


if __name__ == "__main__":
    main()
