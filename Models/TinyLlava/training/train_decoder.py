"""Stage two: everything together: answers, and the patch losses of stage one as well. Resumable; exports as it goes.

    python train_decoder.py --pool /tmp/tinyllava/pool --start Models/TinyLlava --tower /tmp/tinyllava/tower.pt \\
        --out /tmp/tinyllava/decoder.pt --export /tmp/tinyllava/interim --minutes 40

The decoder starts from the checkpoint in --start, the tower and the projector from stage one.
"""
from __future__ import annotations

import argparse
import threading
import time
from collections import defaultdict
from pathlib import Path
from queue import Queue

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoTokenizer

import model as net
import oddities
import pool
import scenes
from align import Alignment
from export import export
from optim import Optimizers
from packing import NOT_SCORED, Batch, Packer, attention_mask
from phrasing import reworded
from train_tower import PatchHeads, patch_loss

HELD_OUT = 1000
VALIDATED = 400
LENGTH = 384  # tokens of a row: the picture and some nine questions
SCORED = 160  # of them at most, in the answers
ALIGN_WEIGHT, PATCH_WEIGHT = 0.05, 0.5
KINDS = scenes.KINDS + ("describe", "presence", "count", "count", "relation", "relation", "position", "shape", "color")


def pick_questions(rng: np.random.Generator, packer: Packer, objects: list[scenes.SceneObject], reword: float = 0.0,
                   length: int = LENGTH) -> list[scenes.Question]:
    """Questions of all kinds, in random order, as many as there is room for. A picture of nothing known gets a few."""
    asked = scenes.questions(scenes.Scene(None, objects)) if objects else oddities.questions(rng)
    possible = {q.kind for q in asked}
    wanted = [kind for kind in rng.permutation(KINDS) if kind in possible]
    chosen = [scenes.sample_question(rng, asked, kind) for kind in (wanted if objects else wanted[:5])]
    return packer.fitting((reworded(rng, q, reword) for q in chosen), length)


def logits_of(model, packer: Packer, projected: torch.Tensor, ids: torch.Tensor, positions: torch.Tensor,
              owner: torch.Tensor, scored: torch.Tensor) -> torch.Tensor:
    """[B, K, vocabulary] at the positions `scored` [B, K]; `projected` is what the projector says of the pictures."""
    decoder = model.language_model
    start = packer.image_start
    hidden = decoder.model.embed_tokens(ids)
    hidden = torch.cat([hidden[:, :start], projected, hidden[:, start + projected.shape[1]:]], dim=1)
    mask, turns = attention_mask(owner), decoder.model.rotary_emb(hidden, positions)
    for layer in decoder.model.layers:
        hidden = layer(hidden, attention_mask=mask, position_ids=positions, position_embeddings=turns)[0]
    return decoder.lm_head(decoder.model.norm(hidden.gather(1, scored[..., None].expand(-1, -1, hidden.shape[-1]))))


def scored_positions(labels: torch.Tensor) -> torch.Tensor:
    """[B, SCORED]: the positions of the answers' tokens (most others are the picture's), then some that are not scored."""
    return (labels != NOT_SCORED).int().argsort(dim=1, descending=True, stable=True)[:, :SCORED]


class Ahead:
    """Reads and packs the next batches while this one is learnt."""

    def __init__(self, folder: Path, packer: Packer, batch: int, seed: int, first: int):
        self.images, self.labels, self.scenes = pool.load(folder)
        self.packer, self.batch, self.seed, self.first = packer, batch, seed, first
        self.queue: Queue = Queue(4)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        step = self.first
        while True:
            rng = np.random.default_rng((self.seed, step))
            pick = rng.integers(HELD_OUT, len(self.images), self.batch)
            asked = [pick_questions(rng, self.packer, self.scenes[i].objects, 0.25) for i in pick]
            batch = self.packer(asked, LENGTH)
            scored = scored_positions(batch.labels)
            self.queue.put((torch.from_numpy(self.images[pick]), torch.from_numpy(self.labels[pick]), batch.ids,
                            batch.positions, batch.question, scored, batch.labels.gather(1, scored),
                            batch.weight().gather(1, scored)))
            step += 1


@torch.no_grad()
def validate(model, packer: Packer, images: pool.Images, kept: list[scenes.Scene]) -> tuple[float, str]:
    """Share of answers right in every token (which is what greedy gives), by kind of question and by kind of picture."""
    right = defaultdict(list)
    asked = [pick_questions(np.random.default_rng((9, i)), packer, kept[i].objects) for i in range(VALIDATED)]
    for first in range(0, VALIDATED, 20):
        pick = np.arange(first, min(first + 20, VALIDATED))
        batch: Batch = packer([asked[i] for i in pick], LENGTH)
        device = model.device
        with torch.autocast(device.type, dtype=torch.bfloat16):
            features = net.vision_features(model.vision_tower.vision_model, torch.from_numpy(images[pick]).to(device))
            projected = model.multi_modal_projector(features)
            scored = scored_positions(batch.labels)
            logits = logits_of(model, packer, projected,
                               *(t.to(device) for t in (batch.ids, batch.positions, batch.question, scored)))
        labels, owner = batch.labels.gather(1, scored), batch.question.gather(1, scored)
        wrong = (labels != NOT_SCORED) & (logits.argmax(-1).cpu() != labels)
        for row, i in enumerate(pick):
            world = "odd" if not kept[i].objects else "new" if hasattr(kept[i], "background") else "old"
            for number, question in enumerate(asked[i], 1):
                good = not wrong[row, owner[row] == number].any()
                right[world].append(good)
                if world == "new":
                    right[question.kind].append(good)
    shares = {key: float(np.mean(values)) for key, values in right.items()}
    return shares["new"], " ".join(f"{k} {v:.3f}" for k, v in shares.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("pool", "start", "tower", "out", "export"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--matrix-lr", type=float, default=0.006)
    parser.add_argument("--other-lr", type=float, default=1e-3)
    parser.add_argument("--tower-share", type=float, default=0.4, help="of these rates, for the tower")
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
    vision.encoder.layers[-1].requires_grad_(False)
    vision.post_layernorm.requires_grad_(False)
    heads = PatchHeads(vision.config.hidden_size).to(args.device)
    sight = torch.nn.ModuleDict(dict(vision=vision, projector=projector, heads=heads))
    sight.load_state_dict(torch.load(args.tower, weights_only=True, map_location=args.device)["trained"])
    optimizers = [Optimizers([model.language_model, projector], args.matrix_lr, args.other_lr),
                  Optimizers([vision, heads], args.tower_share * args.matrix_lr, args.tower_share * args.other_lr)]
    step, spent = 0, 0.0
    if args.out.exists():
        saved = torch.load(args.out, weights_only=True, map_location=args.device)
        sight.load_state_dict(saved["sight"])
        model.language_model.load_state_dict(saved["decoder"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        step, spent = saved["step"], saved["spent"]

    packer, alignment = Packer(tokenizer, pool.GRID ** 2), Alignment(tokenizer, args.device)
    embedding = model.get_input_embeddings().weight

    @torch.compile
    def losses_of(images, labels, ids, positions, owner, scored, following, weight):
        with torch.autocast(args.device, dtype=torch.bfloat16):
            features = net.vision_features(vision, images)
            projected = projector(features)
            logits = logits_of(model, packer, projected, ids, positions, owner, scored)
        answers = F.cross_entropy(logits.float().flatten(0, 1), following.flatten(), ignore_index=NOT_SCORED, reduction="none")
        answer_loss = (answers * weight.flatten()).sum()
        return answer_loss, (answer_loss + ALIGN_WEIGHT * alignment(projected.float(), labels, embedding)
                             + PATCH_WEIGHT * patch_loss(heads(features.float()), labels))

    ahead = Ahead(args.pool, packer, args.batch, args.seed, step)
    print(f"decoder: {len(ahead.images)} scenes, from update {step}", flush=True)
    first, before, losses, start = step, spent, [], time.time()
    while spent < 60 * args.minutes:
        answer_loss, loss = losses_of(*(part.to(args.device) for part in ahead.queue.get()))
        loss.backward()
        for optimizer in optimizers:
            optimizer.step(step, spent / (60 * args.minutes))
        losses.append((answer_loss.item(), loss.item()))
        step, spent = step + 1, before + time.time() - start
        if step % 25 == 0:
            rate = (step - first) * args.batch / (spent - before)
            recent = np.mean(losses[-25:], axis=0)
            print(f"decoder {step} answers {recent[0]:.4f} all {recent[1]:.4f} {rate:.0f} scenes/s {spent:.0f} s", flush=True)
        if step % 250 == 0 or spent >= 60 * args.minutes:
            share, text = validate(model, packer, ahead.images, ahead.scenes)
            print(f"decoder {step} right {text}", flush=True)
            torch.save(dict(sight=sight.state_dict(), decoder=model.language_model.state_dict(), step=step, spent=spent,
                            optimizers=[optimizer.state_dict() for optimizer in optimizers]), args.out)
            if share > 0.6:
                export(model, args.start, args.export)


if __name__ == "__main__":
    main()
