# SPDX-License-Identifier: Apache-2.0
"""Relevancy maps (Chefer et al. 2021; Plugin/Documentation/relevancy.md, exact mode) by PyTorch's autograd, a layer at a time.

A forward pass without a graph keeps the input of each layer. Then, from the last layer to the first, each is run again with a graph of
its own, which gives C = mean over heads of max(0, gradient * attention), and is forgotten. Memory beside the model, for S positions and
N image tokens of width D: the layers' inputs (layers x S x D), one layer's graph (some heads x S x S) and the rows that are swept
(N + 1) x S, in float64, as what is added to the identity may be much smaller than 1. Each answer token has a pass of its own.
"""

import numpy as np
import torch

from .generation import last_row_only
from .model import Model
from .prompt import Prompt
from .taps import Call, attention_taps, first_of, recorded_calls


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
    """The maps of the tokens of one answer. Those over the vision tower are of LLaVAs that read one picture in one grid."""

    def __init__(self, model: Model, prompt: Prompt, answer: list[int], logprobs: list[float]):
        self.model, self.prompt, self.answer, self.logprobs = model, prompt, answer, logprobs
        self.tower = model.tower if model.tower and prompt.is_one_grid else None
        self.patches = slice(prompt.regions[0]["start"], prompt.regions[0]["start"] + prompt.regions[0]["rows"] * prompt.regions[0]["cols"])
        self.scale = getattr(model.text_config, "embedding_multiplier", 1)  # Granite's decoder begins with it
        if self.tower:
            with torch.no_grad(), recorded_calls(self.tower.layers) as self.tower_calls:
                self.levels = self.tower.states(prompt.inputs["pixel_values"])
                self.features = self.tower.project(self.levels)

    def maps(self, token: int) -> dict[str, np.ndarray]:
        """Normalized rows of answer token `token`: `decoder` [S], with a tower that has a class token `vision`, `joint` and `joint_token`
        [patches], with another one `joint`."""
        rows, gradient = self._decoder(token)
        row = rows[-1].clone()
        row[-1] -= 1  # the identity
        maps = {"decoder": _normalized(row, row.sum())}
        if self.tower:
            # With the identity, which is a patch's where the image ends the prompt.
            maps |= self._vision(gradient, rows[:-1, self.patches], rows[-1, self.patches], len(row) - 1 - self.patches.start)
        return maps

    def _read(self, token: int):
        """The prompt and the answer's tokens before `token`, read at once: the calls of the layers and of the norm."""
        model = self.model
        model.forget_positions()
        with torch.no_grad(), last_row_only(model.head), recorded_calls([*model.decoder_layers, model.decoder.norm]) as calls:
            logits = model.model(**model.longer(self.prompt.inputs, self.answer[:token]), use_cache=False).logits[0, -1]
        logprob = float(torch.log_softmax(logits.double(), 0)[self.answer[token]])
        if not abs(logprob - self.logprobs[token]) < 0.1:
            raise ValueError(f"relevancy: {model.name} read at once gives answer token {token} the log-probability {logprob:.4f}, token by "
                             f"token it was {self.logprobs[token]:.4f}: use a wider precision")
        return calls

    def _decoder(self, token: int):
        """Rows of R of the one grid's positions, where there is one, and, last, of the token's query; the gradient at the embeddings."""
        model = self.model
        calls = self._read(token)
        top = calls[-1].hidden[0, -1:].clone().requires_grad_()
        with torch.enable_grad():
            logit = model.scores(model.decoder.norm(top))[0, self.answer[token]]
        behind = torch.zeros_like(calls[-1].hidden)
        behind[0, -1:] = torch.autograd.grad(logit, top)[0]
        identity = torch.eye(behind.shape[1], device=behind.device, dtype=torch.float64)
        rows = identity[-1:]
        if self.tower:
            if not torch.equal(calls[0].hidden[0, self._features()], (self.features * self.scale).to(calls[0].hidden.dtype)):
                raise ValueError(f"{model.name}: relevancy of a decoder that changes its image tokens is not supported")
            rows = torch.cat([identity[self.patches], rows])
        count = len(model.decoder_layers)
        return _sweep(model.decoder_layers, calls, {count: behind}, rows, "decoder")

    def _features(self) -> slice:
        return slice(self.patches.start - self.prompt.pictures[0].leading, self.patches.stop)

    def _vision(self, gradient: torch.Tensor, image_block: torch.Tensor, image_row: torch.Tensor, own: int) -> dict[str, np.ndarray]:
        """`own`: the token's own position, counted from the first patch."""
        tower = self.tower
        with torch.enable_grad():
            levels = [level.clone().requires_grad_() for level in self.levels]
            features = tower.project(levels)
        found = torch.autograd.grad(features, levels, (gradient[0, self._features()] * self.scale).to(features.dtype))
        gradients: dict[int, torch.Tensor] = {}
        for level, slope in zip(tower.levels, found):
            gradients[level] = gradients.get(level, 0) + slope
        layers = tower.layers[:tower.layers_used]
        row = torch.eye(1, self.levels[0].shape[1], device=gradient.device, dtype=torch.float64) if tower.has_class_token else image_row[None]
        row = _sweep(layers, self.tower_calls, gradients, row, "vision")[0][0]
        if not tower.has_class_token:
            if 0 <= own < len(row):
                row[own] -= 1
            return {"joint": _normalized(row, row.sum())}
        cls, seen = row[0], row[1:]
        joint, token = seen @ image_block, seen + cls * image_row
        return {"vision": _normalized(seen, cls - 1 + seen.sum()), "joint": _normalized(joint, cls - 1 + joint.sum()),
                "joint_token": _normalized(token, cls + seen @ image_row - 1 + token.sum())}
