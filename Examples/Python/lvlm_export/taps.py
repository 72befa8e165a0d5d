# SPDX-License-Identifier: Apache-2.0
"""What passes through a model's layers, taken where it is made, alike for all releases of transformers from 4.46 on.

The attention matrices are taken by hooks on the `self_attn` modules, and go no further: `output_attentions=True` would keep those of
all layers until the step is over.
"""

import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Iterator

import torch


@dataclass
class Call:
    """What a layer was called with."""
    hidden: torch.Tensor
    args: tuple
    kwargs: dict


@contextmanager
def removed_afterwards(handles) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def attention_taps(layers, take: Callable[[int, torch.Tensor], None]) -> Iterator[None]:
    """Gives every attention matrix of `layers`, [1, heads, n, S] after the softmax, to `take(layer, matrix)`, and drops it."""
    handles = []

    def ask(_module, args, kwargs):
        return args, {**kwargs, "output_attentions": True}

    def tap(index):
        def hook(_module, _args, output):
            if output[1] is None:
                raise ValueError(f"layer {index} gives no attention: the model must be loaded with attn_implementation='eager'")
            take(index, output[1])
            return (output[0], None, *output[2:])

        return hook

    for index, layer in enumerate(layers):
        attention = layer.self_attn
        if "output_attentions" in inspect.signature(attention.forward).parameters:
            handles.append(attention.register_forward_pre_hook(ask, with_kwargs=True))
        handles.append(attention.register_forward_hook(tap(index)))
    with removed_afterwards(handles):
        yield


@contextmanager
def recorded_calls(modules) -> Iterator[list[Call]]:
    """The calls of the modules, in order: what is needed to run any of them again."""
    calls: list[Call] = []

    def hook(_module, args, kwargs):
        kwargs = dict(kwargs)
        hidden = args[0] if args else kwargs.pop("hidden_states")
        calls.append(Call(hidden.detach(), args[1:], kwargs))

    with removed_afterwards([module.register_forward_pre_hook(hook, with_kwargs=True) for module in modules]):
        yield calls


def first_of(output) -> torch.Tensor:
    """A layer's hidden states: newer releases return them alone."""
    return output[0] if isinstance(output, tuple) else output
