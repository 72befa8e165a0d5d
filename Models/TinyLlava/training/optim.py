"""Muon for the matrices of the hidden layers, AdamW for everything else, and a schedule."""
from __future__ import annotations

import math
from collections import defaultdict

import torch


@torch.no_grad()
def orthogonalize(update: torch.Tensor) -> torch.Tensor:
    """Newton-Schulz iteration (Jordan et al. 2024) towards the nearest orthogonal matrix, [n, rows, cols]; bfloat16 will do."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = update.shape[1] > update.shape[2]
    x = update.transpose(1, 2) if tall else update
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.transpose(1, 2) if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalized; matrices of equal shape go through Newton-Schulz together."""

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:  # parts that this step did not use
                    by_shape[p.shape].append(p)
            for shape, params in by_shape.items():
                updates = []
                for p in params:
                    buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
                    buffer.lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(buffer, group["momentum"]))
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for p, update in zip(params, orthogonalize(torch.stack(updates))):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-scale)


class Optimizers:
    """Both optimizers as one, with warm-up and a cosine to a fiftieth of the peak."""

    def __init__(self, modules: list[torch.nn.Module], matrix_lr: float, other_lr: float, warmup: int = 100):
        named = [(n, p) for m in modules for n, p in m.named_parameters() if p.requires_grad]
        matrices = [p for n, p in named if p.ndim == 2 and "embed" not in n and "head" not in n]
        taken = {id(p) for p in matrices}
        others = [p for _, p in named if id(p) not in taken]
        self.parts = [Muon(matrices, matrix_lr, weight_decay=0.01),
                      torch.optim.AdamW(others, other_lr, betas=(0.9, 0.98), weight_decay=0.0)]
        self.peaks = (matrix_lr, other_lr)
        self.parameters = [p for _, p in named]
        self.warmup = warmup

    def step(self, number: int, progress: float) -> None:
        """`progress` from 0 to 1 is where the schedule stands: of the updates, or of the time that there is."""
        factor = min(1.0, (number + 1) / self.warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for part, peak in zip(self.parts, self.peaks):
            for group in part.param_groups:
                group["lr"] = peak * factor
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict]:
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, state: list[dict]) -> None:
        for part, saved in zip(self.parts, state):
            part.load_state_dict(saved)
