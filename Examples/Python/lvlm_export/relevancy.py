# SPDX-License-Identifier: Apache-2.0
"""Relevancy maps (Chefer et al. 2021; Plugin/Documentation/relevancy.md, exact mode) by PyTorch's autograd, a layer at a time.

A forward pass without a graph keeps the input of each layer. Then, from the last layer to the first, each is run again with a graph of
its own, which gives C = mean over heads of max(0, gradient * attention), and is forgotten. Memory beside the model, for S positions and
N image tokens of width D: the layers' inputs (layers x S x D), one layer's graph (some heads x S x S) and the rows that are swept
(N + 1) x S, in float64, as what is added to the identity may be much smaller than 1. Each answer token has a pass of its own.
"""

import numpy as np
import torch

from .llava import Call, Llava, attention_taps, first_of, recorded_calls
from .prompt import Prompt


def _sweep(layers, calls: list[Call], gradients: dict[int, torch.Tensor], rows: torch.Tensor, what: str):
    """`rows` times the product of (I + C) over the layers, and the gradient at the first layer's input. `gradients[i]` is what
    arrives at the input of layer i from elsewhere than layer i (at `len(layers)`: from behind the last)."""
    gradient = torch.zeros_like(gradients[len(layers)])
    for index in reversed(range(len(layers))):
        gradient = gradient + gradients.get(index + 1, 0)
        call, held = calls[index], []
        hidden = call.hidden.clone().requires_grad_()
        with torch.enable_grad(), attention_taps([layers[index]], lambda _, matrix: held.append(matrix)):
            output = first_of(layers[index](hidden, *call.args, **call.kwargs))
        gradient, slope = torch.autograd.grad(output, (hidden, held[0]), gradient)
        pull = slope[0].float().mul_(held[0][0].detach().float()).clamp_(min=0)
        moved = pull.mean(0, dtype=torch.float64)  # C, [S, S]
        if not torch.isfinite(moved).all() or not torch.isfinite(gradient).all():
            raise ValueError(f"relevancy: a gradient in {what} layer {index} is not finite: use a wider precision")
        rows = rows + rows @ moved
    return rows, gradient + gradients.get(0, 0)


def _normalized(row: torch.Tensor, total: torch.Tensor) -> np.ndarray:
    return (row if total == 0 else row / total).cpu().numpy()


class Relevancy:
    """The maps of the tokens of one answer."""

    def __init__(self, llava: Llava, prompt: Prompt, pixels: torch.Tensor):
        if not hasattr(llava.decoder, "norm"):
            raise ValueError(f"{llava.name}: relevancy of a decoder {type(llava.decoder).__name__} is not supported")
        self.llava, self.prompt = llava, prompt
        with torch.no_grad(), recorded_calls(llava.tower_layers) as self.tower_calls:
            states = llava.tower(pixels, output_hidden_states=True).hidden_states
            self.levels = [states[level] for level in llava.feature_levels]
            self.features = llava.project(self.levels)

    def maps(self, answer: list[int], token: int) -> dict[str, np.ndarray]:
        """Normalized rows of answer token `token`: `decoder` [S], and for a tower with a class token `vision`, `joint` and
        `joint_token` [patches]."""
        llava, start = self.llava, self.prompt.image_start
        patches = slice(start, start + llava.grid**2)
        rows, gradient = self._decoder(answer, token, patches)
        row = rows[-1].clone()
        row[-1] -= 1  # the identity
        maps = {"decoder": _normalized(row, row.sum())}
        if llava.has_class_token:
            # With the identity, which is a patch's where the image ends the prompt.
            maps |= self._vision(gradient, rows[:-1, patches], rows[-1, patches])
        return maps

    def _decoder(self, answer: list[int], token: int, patches: slice):
        """Rows of R of the image's positions and, last, of the token's query; the gradient at the embeddings."""
        llava = self.llava
        ids = self.prompt.ids + answer[:token]
        with torch.no_grad(), recorded_calls([*llava.decoder_layers, llava.decoder.norm]) as calls:
            embedded = llava.embed(ids, self.features, self.prompt.feature_start)
            llava.decoder(inputs_embeds=embedded, use_cache=False)
        if not torch.equal(calls[0].hidden, embedded):
            raise ValueError(f"{llava.name}: relevancy of a decoder that scales its embeddings is not supported")
        top = calls[-1].hidden[0, -1:].clone().requires_grad_()
        with torch.enable_grad():
            logit = llava.head(llava.decoder.norm(top))[0, answer[token]]
        behind = torch.zeros_like(calls[-1].hidden)
        behind[0, -1:] = torch.autograd.grad(logit, top)[0]
        identity = torch.eye(len(ids), device=behind.device, dtype=torch.float64)
        rows = torch.cat([identity[patches], identity[-1:]])
        count = len(llava.decoder_layers)
        return _sweep(llava.decoder_layers, calls, {count: behind}, rows, "decoder")

    def _vision(self, gradient: torch.Tensor, image_block: torch.Tensor, image_row: torch.Tensor) -> dict[str, np.ndarray]:
        llava = self.llava
        begin = self.prompt.feature_start
        with torch.enable_grad():
            levels = [level.clone().requires_grad_() for level in self.levels]
            features = llava.project(levels)
        found = torch.autograd.grad(features, levels, gradient[0, begin:begin + len(features)].to(features.dtype))
        gradients: dict[int, torch.Tensor] = {}
        for level, slope in zip(llava.feature_levels, found):
            gradients[level] = gradients.get(level, 0) + slope
        layers = llava.tower_layers[:llava.layers_used]
        first = torch.eye(1, self.levels[0].shape[1], device=gradient.device, dtype=torch.float64)  # row CLS
        row = _sweep(layers, self.tower_calls, gradients, first, "vision")[0][0]
        cls, seen = row[0], row[1:]
        joint, token = seen @ image_block, seen + cls * image_row
        return {"vision": _normalized(seen, cls - 1 + seen.sum()), "joint": _normalized(joint, cls - 1 + joint.sum()),
                "joint_token": _normalized(token, cls + seen @ image_row - 1 + token.sum())}
