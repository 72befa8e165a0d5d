"""Hugging Face's own code in float64 throughout, so that golden numbers do not depend on the CPU that made them.

Two CPUs add up float32 numbers in different orders and get numbers that are 1e-5 apart; in float64 they agree to 1e-13. But a Hugging
Face model after `.double()` is not in float64: softmax, RMSNorm and the angles of rotary embedding are computed in float32 whatever
the model's type is. Inside of `float64_throughout()` their code runs as it is, and what it asks for in float32 is float64.
"""

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode


def widened(value):
    return torch.float64 if value is torch.float32 else value


class Widened(TorchFunctionMode):
    """Every call of torch that names float32 (`.to(torch.float32)`, `softmax(..., dtype=torch.float32)`) or is `.float()`, but not
    what tells safetensors how the bytes of a file are to be read."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.view:
            return func(*args, **(kwargs or {}))
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        return func(*map(widened, args), **{key: widened(value) for key, value in (kwargs or {}).items()})


@contextmanager
def float64_throughout():
    """Models must be loaded in here too, with torch_dtype=torch.float64: rotary embedding keeps frequencies from its construction."""
    standard = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with Widened():
            yield
    finally:
        torch.set_default_dtype(standard)


def largest_difference(a, b) -> float:
    return float((torch.as_tensor(a).double() - torch.as_tensor(b).double()).abs().max())
