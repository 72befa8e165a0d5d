# SPDX-License-Identifier: Apache-2.0
"""The answer, token by token, with its attention written as it comes."""

from contextlib import nullcontext
from dataclasses import dataclass, field

import torch

from .hidden import StateStore
from .llava import Llava, attention_taps
from .logits import logits_processors, processed
from .prompt import Prompt
from .trace_file import RowStore


@dataclass
class Sampling:
    temperature: float = 0.0  # 0: the likeliest token each time
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self):
        if not self.temperature >= 0:
            raise ValueError(f"temperature {self.temperature} is less than 0")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top-p {self.top_p} is not in (0, 1]")
        self.generator = torch.Generator().manual_seed(self.seed)

    def next(self, logits: torch.Tensor) -> int:
        if self.temperature == 0:
            return int(logits.argmax())
        probabilities = torch.softmax(logits.double() / self.temperature, 0)
        best, index = probabilities.sort(descending=True)
        best[best.cumsum(0) - best >= self.top_p] = 0  # the likeliest ones that reach top_p together
        return int(index[torch.multinomial(best, 1, generator=self.generator)])


@dataclass
class Answer:
    ids: list[int] = field(default_factory=list)
    logprob: list[float] = field(default_factory=list)
    topk_id: list[list[int]] = field(default_factory=list)
    topk_logprob: list[list[float]] = field(default_factory=list)

    def add(self, token: int, logits: torch.Tensor, alternatives: int) -> None:
        logprobs = torch.log_softmax(logits.double(), 0)
        best, index = logprobs.topk(min(alternatives, len(logprobs)))
        self.ids.append(token)
        self.logprob.append(float(logprobs[token]))
        self.topk_id.append(index.tolist())
        self.topk_logprob.append(best.tolist())


@dataclass
class Stores:
    """Where attention and hidden states go; None: they are not kept."""
    answer: RowStore | None
    full: RowStore | None
    vision: RowStore | None
    full_layers: list[int]
    hidden: StateStore | None = None


class Capture:
    """Takes each attention matrix of a step and writes the rows that are asked for."""

    def __init__(self, stores: Stores, prompt_length: int):
        self.stores, self.prompt_length = stores, prompt_length
        self.fed = 0  # positions before this step

    def __call__(self, layer: int, matrix: torch.Tensor) -> None:
        rows = matrix[0]  # [heads, n, S]
        n, end = rows.shape[1], self.fed + rows.shape[1]
        if rows.shape[2] < end:  # a cache that keeps a sliding window only: its keys are the last ones
            rows = torch.nn.functional.pad(rows, (end - rows.shape[2], 0))
        if self.stores.answer is not None:  # the last row is the query that predicts the next token
            self.stores.answer.write(layer, end - self.prompt_length, rows[:, -1:])
        if layer in self.stores.full_layers:
            self.stores.full.write(self.stores.full_layers.index(layer), self.fed, rows)


@torch.no_grad()
def generate(llava: Llava, prompt: Prompt, pixels: torch.Tensor, stores: Stores, sampling: Sampling, max_new_tokens: int,
             alternatives: int, progress=lambda text: None) -> Answer:
    """Asks. One layer's matrix is in memory at a time, besides the cache of keys and values."""
    def see(layer, matrix):
        if stores.vision is not None and layer < llava.layers_used:
            stores.vision.write(layer, 0, matrix[0])

    progress("looking at the picture")
    with attention_taps(llava.tower_layers, see):
        states = llava.tower(pixels, output_hidden_states=True).hidden_states
    features = llava.project([states[level] for level in llava.feature_levels])
    if features.shape[0] != llava.image_features:
        raise ValueError(f"{llava.name}: the vision tower gives {features.shape[0]} features, its configuration says "
                         f"{llava.image_features}")
    embedded = llava.embed(prompt.ids, features, prompt.feature_start)
    del states, features
    answer, capture, cache = Answer(), Capture(stores, len(prompt.ids)), None
    processors = logits_processors(llava.generation_config, len(prompt.ids), max_new_tokens)
    states = stores.hidden.taps(llava.decoder_layers) if stores.hidden is not None else nullcontext()
    with attention_taps(llava.decoder_layers, capture), states:
        while True:
            progress(f"{len(answer.ids)} tokens answered" if answer.ids else "reading the prompt")
            output = llava.decoder(inputs_embeds=embedded, past_key_values=cache, use_cache=True)
            logits, cache = llava.head(output.last_hidden_state[0, -1]).float().cpu(), output.past_key_values
            capture.fed += embedded.shape[1]
            if stores.hidden is not None:
                stores.hidden.fed = capture.fed
            if not torch.isfinite(logits).all():
                raise ValueError(f"{llava.name}: the logits of answer token {len(answer.ids)} are not finite: the weights are damaged, "
                                 "or the precision is too low for this model")
            token = sampling.next(processed(processors, prompt.ids + answer.ids, logits))
            answer.add(token, logits, alternatives)
            if token in llava.end_tokens or len(answer.ids) == max_new_tokens:
                return answer
            embedded = llava.decoder.get_input_embeddings()(torch.tensor([[token]], device=llava.device))
