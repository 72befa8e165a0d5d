# SPDX-License-Identifier: Apache-2.0
"""The answer, token by token, with its attention written as it comes."""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Iterator

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from .hidden import StateStore
from .logits import logits_processors, processed
from .model import Model
from .prompt import Prompt
from .taps import attention_taps, removed_afterwards
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


class Choice(LogitsProcessor):
    """Chooses each token as the plugin does. `generate()` does the rest: positions, masks and cache differ from model to model."""

    def __init__(self, model: Model, prompt: Prompt, answer: Answer, sampling: Sampling, max_new_tokens: int, alternatives: int, progress):
        self.model, self.prompt, self.answer, self.sampling = model, prompt, answer, sampling
        self.alternatives, self.progress = alternatives, progress
        self.processors = logits_processors(model.generation_config, len(prompt.ids), max_new_tokens)
        self.logits: torch.Tensor | None = None  # of the step, as the model gives them

    def see(self, _module, _args, output) -> None:
        self.logits = output.logits[0, -1].float().cpu()
        if not torch.isfinite(self.logits).all():
            raise ValueError(f"{self.model.name}: the logits of answer token {len(self.answer.ids)} are not finite: the weights are damaged, "
                             "or the precision is too low for this model")

    def __call__(self, _ids, scores):
        token = self.sampling.next(processed(self.processors, self.prompt.ids + self.answer.ids, self.logits))
        self.answer.add(token, self.logits, self.alternatives)
        self.progress(f"{len(self.answer.ids)} tokens answered")
        chosen = torch.full_like(scores, -torch.inf)
        chosen[0, token] = 0
        return chosen


@contextmanager
def last_row_only(head) -> Iterator[None]:
    """Logits of the whole prompt would take more memory than the model."""
    def cut(_module, args):
        return (args[0][:, -1:], *args[1:])

    with removed_afterwards([head.register_forward_pre_hook(cut)]):
        yield


@torch.no_grad()
def generate(model: Model, prompt: Prompt, stores: Stores, sampling: Sampling, max_new_tokens: int, alternatives: int,
             progress=lambda text: None) -> Answer:
    """Asks. One layer's matrix is in memory at a time, besides the cache of keys and values."""
    answer, capture = Answer(), Capture(stores, len(prompt.ids))
    choice = Choice(model, prompt, answer, sampling, max_new_tokens, alternatives, progress)

    whole = prompt.pictures[0].whole(model.family.whole_last)

    def see(layer, matrix):
        stores.vision.write(layer, 0, matrix[whole])

    def count(_module, _args, output):
        capture.fed += output[0].shape[1]
        if stores.hidden is not None:
            stores.hidden.fed = capture.fed

    progress("reading the prompt")
    with ExitStack() as taps:
        taps.enter_context(attention_taps(model.decoder_layers, capture))
        if stores.vision is not None:
            taps.enter_context(attention_taps(model.vision_layers, see))
        if stores.hidden is not None:
            taps.enter_context(stores.hidden.taps(model.decoder_layers))
        taps.enter_context(last_row_only(model.head))
        taps.enter_context(removed_afterwards([model.decoder.register_forward_hook(count), model.model.register_forward_hook(choice.see)]))
        model.forget_positions()
        model.model.generate(**prompt.inputs, max_new_tokens=max_new_tokens, do_sample=False, use_cache=True,
                             logits_processor=LogitsProcessorList([choice]))
    return answer
