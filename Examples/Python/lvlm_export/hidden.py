# SPDX-License-Identifier: Apache-2.0
"""Hidden states of the decoder, written as they come, and which words they say through the model's norm and head (logit lens)."""

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import numpy as np
import torch

from .model import Model
from .prompt import text_after
from .taps import first_of, removed_afterwards
from .trace_file import Array, RowStore

BLOCK_NUMBERS = 1 << 24  # of logits that are in memory at a time


class StateStore(RowStore):
    """[layers, positions, width] on disk. Layer 0 are the embeddings, l is what leaves layer l - 1, before the final norm."""

    def __init__(self, folder: Path, layers: list[int], positions: int, model: Model):
        kept = "bf16" if model.head.weight.dtype == torch.bfloat16 else "f32"  # nothing is lost
        super().__init__(folder, len(layers), 1, positions, model.text_config.hidden_size, kept)
        self.layers, self.fed = layers, 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape[0], self.rows, self.columns

    def states(self, slab: int, first: int, count: int) -> torch.Tensor:
        bits = torch.from_numpy(np.array(self.data[slab, 0, first:first + count]).view("<i2" if self.dtype == "BF16" else "<f4"))
        return bits.view(torch.bfloat16) if self.dtype == "BF16" else bits

    @contextmanager
    def taps(self, decoder_layers) -> Iterator[None]:
        """Everything that enters and leaves the layers meanwhile goes to its place; `fed` counts the positions."""
        def take(number, hidden):
            if number in self.layers:
                self.write(self.layers.index(number), self.fed, hidden.float())

        def entering(_module, args, kwargs):
            take(0, args[0] if args else kwargs["hidden_states"])

        handles = [decoder_layers[0].register_forward_pre_hook(entering, with_kwargs=True)]
        for index, layer in enumerate(decoder_layers):
            handles.append(layer.register_forward_hook(lambda _module, _args, output, number=index + 1: take(number, first_of(output))))
        with removed_afterwards(handles):
            yield


@torch.no_grad()
def lens_tensors(model: Model, store: StateStore, best: int, before: int, progress=lambda text: None) -> tuple[dict, dict[str, str]]:
    """`lens.id`, `lens.logprob` [layers, positions, best], and what each of the ids says after the token `before`."""
    vocabulary = model.head.weight.shape[0]
    best, step = min(best, vocabulary), max(16, BLOCK_NUMBERS // vocabulary)
    layers, K, _ = store.shape
    ids, logprobs = np.zeros((layers, K, best), np.int64), np.zeros((layers, K, best), np.float32)
    for slab in range(layers):
        progress(f"lens, layer {store.layers[slab]}")
        for first in range(0, K, step):
            states = store.states(slab, first, min(step, K - first)).to(model.device, model.head.weight.dtype)
            scores = model.scores(model.decoder.norm(states))
            total = scores.double().logsumexp(-1, keepdim=True)
            if not torch.isfinite(total).all():
                raise ValueError(f"{model.name}: the lens of layer {store.layers[slab]} is not finite: use a wider precision")
            values, index = scores.topk(best)
            ids[slab, first:first + step] = index.cpu().numpy()
            logprobs[slab, first:first + step] = (values.double() - total).float().cpu().numpy()
    texts = {str(i): text_after(model.tokenizer, before, int(i)) for i in np.unique(ids)}
    return {"lens.id": Array(ids), "lens.logprob": Array(logprobs)}, texts
