"""Packs several questions about one image into one sequence in which they cannot see one another.

    <s> USER : ▁ [image] | ▁ \\n What … ASSISTANT: answer </s> | ▁ \\n Where … ASSISTANT: answer </s> | …

Each block sees the prefix and itself, and its positions restart after the image: for the model it is as if every question
stood alone, but the image is computed once.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

import torch
from transformers import PreTrainedTokenizerFast

from scenes import Question

NOT_SCORED = -100


@dataclass
class Batch:
    ids: torch.Tensor  # [B, S]
    positions: torch.Tensor  # [B, S]
    labels: torch.Tensor  # [B, S]: the token that follows, NOT_SCORED outside the answers
    question: torch.Tensor  # [B, S]: number of the question in its scene, from 1; 0 in the prefix, -1 in the padding

    def weight(self) -> torch.Tensor:
        """[B, S]: an answer of n tokens weighs sqrt(n): descriptions teach most, but must not drown the rest. Sums to 1."""
        scored = self.labels != NOT_SCORED
        answer = (torch.arange(len(self.ids))[:, None] * 64 + self.question)[scored]
        weight = torch.zeros(self.ids.shape)
        weight[scored] = torch.bincount(answer).float()[answer].rsqrt()
        return weight / weight.sum()


def attention_mask(owner: torch.Tensor) -> torch.Tensor:
    """float [B, 1, S, S] from Batch.question: 0 where attention is allowed, else very low."""
    length = owner.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=owner.device).tril()
    allowed = before & ((owner[:, None, :] == owner[:, :, None]) | (owner[:, None, :] == 0))  # [B, query, key]
    return torch.where(allowed, 0.0, -1e4)[:, None]


class Packer:
    def __init__(self, tokenizer: PreTrainedTokenizerFast, image_tokens: int):
        self.tokenizer = tokenizer
        self.image_id = tokenizer.convert_tokens_to_ids("<image>")
        head = self._ids("USER: <image>", special=True)
        assert head[-1] == self.image_id
        self.prefix = head[:-1] + [self.image_id] * image_tokens
        self.image_start = len(head) - 1
        self.known: dict[str, list[int]] = {}

    def _ids(self, text: str, special: bool = False) -> list[int]:
        return self.tokenizer(text, add_special_tokens=special).input_ids

    def block(self, question: Question) -> tuple[list[int], list[int]]:
        """Ids from the newline to </s>, and the answer's ids alone, exactly as in the complete prompt."""
        if question.text not in self.known:
            self.known[question.text] = self._ids(f"<image>\n{question.text} ASSISTANT:")[1:]
        if question.answer not in self.known:
            with_answer = self._ids(f"<image>ASSISTANT: {question.answer}</s>")
            self.known[question.answer] = with_answer[len(self._ids("<image>ASSISTANT:")):]
        return self.known[question.text] + self.known[question.answer], self.known[question.answer]

    def fitting(self, questions: Iterable[Question], length: int) -> list[Question]:
        """Those that find room in a sequence of this length, in their order."""
        room, chosen = length - len(self.prefix), []
        for question in questions:
            needed = len(self.block(question)[0])
            if needed <= room:
                chosen.append(question)
                room -= needed
        return chosen

    def __call__(self, asked: list[list[Question]], length: int) -> Batch:
        """A row a scene, padded to the length."""
        rows = []
        for questions in asked:
            ids, owner, labels = list(self.prefix), [0] * len(self.prefix), [NOT_SCORED] * len(self.prefix)
            positions = list(range(len(ids)))
            for number, question in enumerate(questions, 1):
                block, answer = self.block(question)
                ids += block
                owner += [number] * len(block)
                labels += [NOT_SCORED] * (len(block) - len(answer) - 1) + answer + [NOT_SCORED]
                positions += range(len(self.prefix), len(self.prefix) + len(block))
            rows.append((ids, positions, labels, owner))
        fill = (2, 0, NOT_SCORED, -1)
        return Batch(*(torch.tensor([row[k] + [fill[k]] * (length - len(row[k])) for row in rows]) for k in range(4)))
