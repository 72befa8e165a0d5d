"""Stage two: projector and decoder, with the vision tower frozen, as LLaVA does. Resumable; exports as it goes.

    python train_decoder.py --pool /tmp/tinyllava/pool --tower /tmp/tinyllava/tower.pt --tokenizer Models/TinyLlava \\
        --out /tmp/tinyllava/decoder.pt --export /tmp/tinyllava/interim --steps 5000
"""
from __future__ import annotations

import argparse
import copy
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoTokenizer

import model as net
import pool
import scenes
from align import Alignment
from export import export
from optim import Optimizers
from packing import NOT_SCORED, Batch, Packer

EASY_KINDS = ("color", "shape", "position")
EXTRA_KINDS = ("position", "presence", "count", "count", "count", "relation", "relation", "relation", "relation")
HELD_OUT = 300
ALIGN_WEIGHT = 0.1


class Features:
    """Frozen features of the pool's images, computed when first asked for, and whitened per channel.

    The tower's residual stream has channels of very different size, on which the projector learns badly. The exported
    projector takes the plain features: fold() moves the whitening into its first matrix.
    """

    def __init__(self, vision: torch.nn.Module, images: np.ndarray, width: int):
        self.vision, self.images = vision, torch.from_numpy(images)
        self.cache = torch.empty(len(images), pool.GRID ** 2, width, dtype=torch.float16)
        self.known = torch.zeros(len(images), dtype=torch.bool)
        with torch.no_grad():
            sample = net.vision_features(vision, self.images[:200]).flatten(0, 1)
        self.mean, std = sample.mean(0), sample.std(0)
        self.std = std.clamp(min=0.1 * std.median().item())
        print(f"features: std {std.min():.2f} to {std.max():.2f}, median {std.median():.2f}, mean {self.mean.abs().max():.2f}")

    def fold(self, projector: torch.nn.Module) -> torch.nn.Module:
        folded = copy.deepcopy(projector)
        folded.linear_1.weight.data /= self.std
        folded.linear_1.bias.data -= folded.linear_1.weight.data @ self.mean
        return folded

    @torch.no_grad()
    def __call__(self, pick: torch.Tensor) -> torch.Tensor:
        missing = pick[~self.known[pick]]
        if len(missing):
            plain = net.vision_features(self.vision, self.images[missing])
            self.cache[missing] = ((plain - self.mean) / self.std).half()
            self.known[missing] = True
        return self.cache[pick].float()


def answer_logits(model, packer: Packer, image: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Logits at the scored positions only: [n, vocabulary]. `image` is the projector's output."""
    embedded = model.get_input_embeddings()(batch.ids)
    start, end = packer.image_start, packer.image_start + image.shape[1]
    embedded = torch.cat([embedded[:, :start], image, embedded[:, end:]], dim=1)
    hidden = model.language_model.model(inputs_embeds=embedded, attention_mask=batch.mask, position_ids=batch.positions,
                                        use_cache=False).last_hidden_state
    return model.language_model.lm_head(hidden[batch.labels != NOT_SCORED])


def weighted_loss(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Cross entropy in which an answer of n tokens weighs sqrt(n): descriptions teach most, but must not drown the rest."""
    scored = batch.labels != NOT_SCORED
    rows = torch.arange(len(batch.ids))[:, None].expand_as(batch.ids)[scored]
    answer = rows * 64 + batch.question[scored]
    weight = torch.bincount(answer).float()[answer].rsqrt()
    loss = F.cross_entropy(logits, batch.labels[scored], reduction="none")
    return (loss * weight).sum() / weight.sum()


@torch.no_grad()
def validate(model, packer: Packer, features: Features, asked: list[list[scenes.Question]]) -> dict[str, float]:
    """Share of answers right in every token, per kind. An answer that is right token by token is what greedy gives."""
    right, count = defaultdict(int), defaultdict(int)
    for first in range(0, len(asked), 10):
        batch = packer(asked[first:first + 10])
        image = model.multi_modal_projector(features(torch.arange(first, first + len(batch.ids))))
        logits = answer_logits(model, packer, image, batch)
        scored = batch.labels != NOT_SCORED
        wrong = torch.zeros_like(scored)
        wrong[scored] = logits.argmax(-1) != batch.labels[scored]
        for row, questions in enumerate(asked[first:first + 10]):
            for number, question in enumerate(questions, 1):
                right[question.kind] += not wrong[row, batch.question[row] == number].any()
                count[question.kind] += 1
    return {kind: right[kind] / count[kind] for kind in scenes.KINDS}


def pick_questions(rng: np.random.Generator, objects: list[scenes.SceneObject], easy: bool) -> list[scenes.Question]:
    """Easy: a dozen look-ups. Otherwise one question of every kind that the scene allows, and more of the slow ones."""
    asked = scenes.questions(scenes.Scene(None, objects))
    possible = {q.kind for q in asked}
    wanted = EASY_KINDS * 4 if easy else scenes.KINDS + EXTRA_KINDS
    return [scenes.sample_question(rng, asked, kind) for kind in wanted if kind in possible]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("pool", "tower", "tokenizer", "out", "export"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4400)
    parser.add_argument("--easy", type=int, default=400, help="until this update, easy scenes and questions only")
    parser.add_argument("--align", type=int, default=100, help="until this update, the alignment loss only")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--matrix-lr", type=float, default=0.01)
    parser.add_argument("--other-lr", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer)
    model = net.build(len(tokenizer), *tokenizer.convert_tokens_to_ids(["<image>", "<pad>"]))
    model.vision_tower.vision_model.load_state_dict(torch.load(args.tower, weights_only=True)["vision"])
    model.vision_tower.requires_grad_(False)
    trained = torch.nn.ModuleList([model.multi_modal_projector, model.language_model])
    optimizers = Optimizers([trained], args.matrix_lr, args.other_lr, args.steps)
    first = 0
    if args.out.exists():
        saved = torch.load(args.out, weights_only=True)
        trained.load_state_dict(saved["trained"])
        optimizers.load_state_dict(saved["optimizers"])
        first = saved["step"]

    images, labels, objects = pool.load(args.pool)
    labels = torch.from_numpy(labels)
    alignment, embedding = Alignment(tokenizer), model.get_input_embeddings().weight
    packer = Packer(tokenizer, pool.GRID ** 2)
    features = Features(model.vision_tower.vision_model, images, model.config.vision_config.hidden_size)
    asked = [pick_questions(np.random.default_rng((9, i)), objects[i], easy=False) for i in range(HELD_OUT)]
    everything = np.arange(HELD_OUT, len(images))
    simple = np.array([i for i in everything if len(objects[i]) <= 2])
    print(f"decoder: {len(everything)} scenes, from update {first}", flush=True)
    start, losses = time.time(), []
    for step in range(first, args.steps):
        rng = np.random.default_rng((args.seed, step))
        easy = args.align <= step < args.easy
        pick = rng.choice(simple if easy else everything, args.batch, replace=False)
        image = model.multi_modal_projector(features(torch.from_numpy(pick)))
        aligned = alignment(image, labels[pick], embedding)
        if step < args.align:
            loss = aligned
        else:
            batch = packer([pick_questions(rng, objects[i], easy) for i in pick])
            loss = weighted_loss(answer_logits(model, packer, image, batch), batch)
        (loss if step < args.align else loss + ALIGN_WEIGHT * aligned).backward()
        optimizers.step(step)
        losses.append(loss.item())
        done = step + 1
        if done % 50 == 0:
            spent = time.time() - start
            print(f"decoder {done} loss {np.mean(losses[-50:]):.4f} {spent / (done - first):.3f} s/update {spent:.0f} s "
                  f"alignment {aligned.item():.3f} "
                  f"image norm {image.norm(dim=-1).mean().item():.1f}", flush=True)
        if done % 250 == 0 or done == args.steps:
            result = validate(model, packer, features, asked)
            mean = float(np.mean(list(result.values())))
            print(f"decoder {done} right {mean:.4f}", " ".join(f"{k} {v:.3f}" for k, v in result.items()), flush=True)
            torch.save(dict(trained=trained.state_dict(), optimizers=optimizers.state_dict(), step=done), args.out)
            if mean > 0.8:
                export(model, features.fold(model.multi_modal_projector), args.tokenizer, args.export)


if __name__ == "__main__":
    main()
