"""Stage one: the vision tower, with a shape/colour/order/cell loss on every patch. Resumable.

    python train_tower.py --pool /tmp/tinyllava/pool --start Models/TinyLlava --out /tmp/tinyllava/tower.pt --minutes 45

It starts from a checkpoint, whose projector goes along so that what it says stays close to the words of the decoder.

Compiled, with products in bfloat16: ten times as fast as float32 on a CPU with AVX512-BF16. The schedule follows the clock.
"""
from __future__ import annotations

import argparse
import threading
import time
from queue import Queue
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoTokenizer

import model as net
import pool
from align import Alignment
from optim import Optimizers

WEIGHTS = dict(shape=1.0, color=1.0, order=0.5, cell=0.25)
OBJECT_WEIGHT = 5.0  # most patches are background
HELD_OUT = 1000
ALIGN_WEIGHT = 0.5


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
    total = 0.0
    for i, name in enumerate(pool.LABELS):
        loss = F.cross_entropy(logits[i].flatten(0, 1), labels[:, i], ignore_index=pool.IGNORE, reduction="none")
        total = total + WEIGHTS[name] * (loss * weight).sum() / weight.sum()
    return total


@torch.no_grad()
def accuracy(vision, heads, images, labels) -> str:
    """Right labels on object patches, per kind of label."""
    right, count, quiet = torch.zeros(len(pool.LABELS), device=images.device), 0, 0.0
    for i in range(0, len(images), 50):
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            features = net.vision_features(vision, images[i:i + 50])
        logits = heads(features.float())
        wanted = labels[i:i + 50].long()
        objects = wanted[..., 0] > 0
        count += objects.sum()
        right += torch.stack([(l.argmax(-1) == wanted[..., k])[objects].sum() for k, l in enumerate(logits)])
        ground = wanted[..., 0] == 0
        quiet += (logits[0].argmax(-1) == 0)[ground].float().mean() / (len(images) / 50)
    found = " ".join(f"{name} {value:.4f}" for name, value in zip(pool.LABELS, (right / count).tolist()))
    return f"{found} ground {quiet:.4f}"


class Ahead:
    """Reads the next batches from disk while this one is learnt; new shards of the pool are found as they appear."""

    def __init__(self, folder: Path, batch: int, seed: int, first: int):
        self.folder, self.batch, self.seed, self.first = folder, batch, seed, first
        self.queue: Queue = Queue(8)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        step = self.first
        while True:
            if (step - self.first) % 200 == 0:
                images, labels, _ = pool.load(self.folder)
            pick = np.random.default_rng((self.seed, step)).integers(HELD_OUT, len(images), self.batch)
            self.queue.put((torch.from_numpy(images[pick]), torch.from_numpy(labels[pick])))
            step += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True, help="a TinyLlava folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--matrix-lr", type=float, default=0.012)
    parser.add_argument("--other-lr", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    tokenizer = AutoTokenizer.from_pretrained(args.start)
    model = net.build(len(tokenizer), *tokenizer.convert_tokens_to_ids(["<image>", "<pad>"]))
    net.warm_start(model, args.start)
    model.to(args.device)
    vision, projector = model.vision_tower.vision_model, model.multi_modal_projector
    embedding, alignment = model.get_input_embeddings().weight.detach().clone(), Alignment(tokenizer, args.device)
    heads = PatchHeads(vision.config.hidden_size).to(args.device)
    vision.encoder.layers[-1].requires_grad_(False)
    vision.post_layernorm.requires_grad_(False)
    trained = torch.nn.ModuleDict(dict(vision=vision, projector=projector, heads=heads))
    optimizers = Optimizers([trained], args.matrix_lr, args.other_lr)
    step, spent = 0, 0.0
    if args.out.exists():
        saved = torch.load(args.out, weights_only=True, map_location=args.device)
        trained.load_state_dict(saved["trained"])
        optimizers.load_state_dict(saved["optimizers"])
        step, spent = saved["step"], saved["spent"]

    @torch.compile
    def loss_of(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.autocast(args.device, dtype=torch.bfloat16):
            features = net.vision_features(vision, images)
            projected = projector(features)
        return (patch_loss(heads(features.float()), labels)
                + ALIGN_WEIGHT * alignment(projected.float(), labels, embedding))

    def held_out() -> tuple[torch.Tensor, torch.Tensor]:
        images, labels, _ = pool.load(args.pool)
        return (torch.from_numpy(images[np.arange(HELD_OUT)]).to(args.device),
                torch.from_numpy(labels[:HELD_OUT]).to(args.device))

    ahead = Ahead(args.pool, args.batch, args.seed, step)
    first, before, losses = step, spent, []
    start = time.time()
    while spent < 60 * args.minutes:
        loss = loss_of(*(part.to(args.device) for part in ahead.queue.get()))
        loss.backward()
        optimizers.step(step, spent / (60 * args.minutes))
        losses.append(loss.item())
        step, spent = step + 1, before + time.time() - start
        if step % 50 == 0:
            rate = (step - first) * args.batch / (spent - before)
            print(f"tower {step} loss {np.mean(losses[-50:]):.4f} {rate:.0f} images/s {spent:.0f} s", flush=True)
        if step % 500 == 0 or spent >= 60 * args.minutes:
            print("tower", step, accuracy(vision, heads, *held_out()), flush=True)
            torch.save(dict(trained=trained.state_dict(), optimizers=optimizers.state_dict(), step=step, spent=spent), args.out)


if __name__ == "__main__":
    main()
