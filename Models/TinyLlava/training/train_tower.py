"""Stage one: the vision tower alone, with a shape/colour/order/cell loss on every patch. Resumable.

    python train_tower.py --pool /tmp/tinyllava/pool --out /tmp/tinyllava/tower.pt --steps 4000
"""
from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import model as net
import pool
from optim import Optimizers

WEIGHTS = dict(shape=1.0, color=1.0, order=0.5, cell=0.25)
OBJECT_WEIGHT = 5.0  # most patches are background


class PatchHeads(torch.nn.Module):
    """Linear probes that exist during this stage only; linear, so that the projector finds the same information."""

    def __init__(self, width: int):
        super().__init__()
        self.head = torch.nn.Linear(width, sum(pool.CLASSES))

    def forward(self, features: torch.Tensor) -> list[torch.Tensor]:
        return list(self.head(features).split(pool.CLASSES, dim=-1))


def patch_loss(logits: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    labels = labels.long().flatten(0, 1)  # [B * patches, 4]
    weight = torch.where(labels[:, 0] > 0, OBJECT_WEIGHT, 1.0) * (labels[:, 0] != pool.IGNORE)
    total = torch.zeros(())
    for i, name in enumerate(pool.LABELS):
        loss = F.cross_entropy(logits[i].flatten(0, 1), labels[:, i], ignore_index=pool.IGNORE, reduction="none")
        total = total + WEIGHTS[name] * (loss * weight).sum() / weight.sum()
    return total


@torch.no_grad()
def accuracy(vision, heads, images, labels) -> str:
    """Right labels on object patches, per kind of label."""
    right, count = torch.zeros(len(pool.LABELS)), 0
    for i in range(0, len(images), 50):
        logits = heads(net.vision_features(vision, images[i:i + 50]))
        wanted = labels[i:i + 50].long()
        objects = wanted[..., 0] > 0
        count += objects.sum()
        right += torch.stack([(l.argmax(-1) == wanted[..., k])[objects].sum() for k, l in enumerate(logits)])
    return " ".join(f"{name} {value:.4f}" for name, value in zip(pool.LABELS, (right / count).tolist()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--matrix-lr", type=float, default=0.02)
    parser.add_argument("--other-lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    vision = net.build(600, 599, 598).vision_tower.vision_model
    heads = PatchHeads(vision.config.hidden_size)
    vision.encoder.layers[-1].requires_grad_(False)
    vision.post_layernorm.requires_grad_(False)
    optimizers = Optimizers([vision, heads], args.matrix_lr, args.other_lr, args.steps)
    first = 0
    if args.out.exists():
        saved = torch.load(args.out, weights_only=True)
        vision.load_state_dict(saved["vision"])
        heads.load_state_dict(saved["heads"])
        optimizers.load_state_dict(saved["optimizers"])
        first = saved["step"]

    images, labels, _ = (torch.from_numpy(a) if i < 2 else a for i, a in enumerate(pool.load(args.pool)))
    held_out = 300
    print(f"{len(images)} scenes, from step {first}", flush=True)
    start = time.time()
    for step in range(first, args.steps):
        chooser = torch.Generator().manual_seed(args.seed * 1_000_003 + step)
        pick = torch.randint(held_out, len(images), (args.batch,), generator=chooser)
        loss = patch_loss(heads(net.vision_features(vision, images[pick])), labels[pick])
        loss.backward()
        optimizers.step(step)
        done = step + 1
        if done % 50 == 0:
            rate = (done - first) * args.batch / (time.time() - start)
            print(f"tower {done} loss {loss.item():.4f} {rate:.0f} images/s {time.time() - start:.0f} s", flush=True)
        if done % 250 == 0 or done == args.steps:
            print("tower", done, accuracy(vision, heads, images[:held_out], labels[:held_out]), flush=True)
            torch.save(dict(vision=vision.state_dict(), heads=heads.state_dict(), step=done,
                            optimizers=optimizers.state_dict()), args.out)


if __name__ == "__main__":
    main()
