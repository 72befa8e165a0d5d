"""Ties what the projector says about a patch to the words of the language model.

Without this the decoder needs thousands of updates to find out that the word "star" and the patches of a star have anything in
common. The loss asks that a projected object patch lies close (dot product) to the embeddings of its shape's, its colour's
and its place's words, and the background close to none. It starts the decoder's training and then stays as a small term.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F

import pool
import scenes

PLACE_WORDS = ("top", "bottom", "left", "right", "center")


class Alignment:
    def __init__(self, tokenizer, device: str = "cpu"):
        def ids(words):
            found = [tokenizer.convert_tokens_to_ids("▁" + word) for word in words]
            assert tokenizer.unk_token_id not in found, "each word must be one token"
            return torch.tensor(found, device=device)

        self.word_sets = [(ids(scenes.SHAPES), 0), (ids(map(scenes.plural, scenes.SHAPES)), 0), (ids(scenes.COLORS), 1)]
        self.places = ids(PLACE_WORDS)
        truth = [[word in place.split() for word in PLACE_WORDS] for place in scenes.PLACES]
        self.place_truth = torch.tensor([[False] * len(PLACE_WORDS)] + truth, device=device).float()  # row 0: background

    def __call__(self, projected: torch.Tensor, labels: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """projected [B, patches, width], labels i8 [B, patches, 4] of pool.LABELS, embedding [vocabulary, width]."""
        clear = (labels[..., 0] != pool.IGNORE).flatten()
        x, labels = projected.flatten(0, 1), labels.flatten(0, 1).long().clamp(min=0)
        weight = torch.where(labels[:, 0] > 0, 5.0, 1.0) * clear
        weight = weight / weight.sum()
        labels = torch.where(labels[:, :1] == pool.UNKNOWN, 0, labels)  # no word for it
        total = 0.0
        for words, column in self.word_sets:
            logits = x @ embedding[words].T * x.shape[1] ** -0.5
            logits = torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)  # "none of the words" has the logit 0
            total = total + (F.cross_entropy(logits, labels[:, column], reduction="none") * weight).sum()
        logits = x @ embedding[self.places].T * x.shape[1] ** -0.5
        wrong = F.binary_cross_entropy_with_logits(logits, self.place_truth[labels[:, 3]], reduction="none").mean(-1)
        return total + (wrong * weight).sum()
