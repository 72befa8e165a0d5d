# SPDX-License-Identifier: Apache-2.0
"""Traces with complete attention for the causal graphs' tests: the generated matrices whose results with causality-lab
are in Testing/Data/causal/pipeline.json."""
import json
import pathlib
import sys

import numpy as np

import lvlm_testing as lt

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing" / "Golden"))
from causal_goldens import image_attention  # noqa: E402

WORDS = ["▁What", "▁colour", "▁is", "▁the", "▁star", "?", "\n", "▁ASSISTANT", ":", "▁left", "▁of", "▁it", "Ġbig", "▁größe"]
ANSWER = ["▁The", "▁star", "▁is", "▁red", ",", "▁I", "▁think", "."]


def goldens():
    return json.loads((ROOT / "Testing" / "Data" / "causal" / "pipeline.json").read_text())["cases"]


class CausalTrace(lt.TraceData):
    """`attention` [Lf, Hd, K, K] of the layers `layers`, around a square image."""

    def __init__(self, attention, image_start, image_count, prompt_length, layers=(3,), pixels=None):
        self.full, self.full_layers = attention, np.array(layers, "i8")
        self.K = attention.shape[-1]
        self.P, self.T, self.image_start = prompt_length, self.K + 1 - prompt_length, image_start
        self.rows = self.cols = int(round(image_count ** .5))
        question = prompt_length - image_start - image_count
        self.roles = (["system"] * image_start + ["image"] * image_count + ["question"] * question
                      + ["answer"] * self.T)
        self.tokens = (["▁A"] * image_start + ["<image>"] * image_count
                       + [WORDS[i % len(WORDS)] for i in range(question)]
                       + [ANSWER[i % len(ANSWER)] for i in range(self.T)])
        self.ids = np.arange(len(self.roles))
        self.image = np.full((336, 336, 3), 200, "u1") if pixels is None else pixels

    def tensors(self):
        return {"image": self.image, "tokens.id": self.ids, "attention.full": self.full,
                "attention.full.layers": self.full_layers}

    @property
    def centres(self):
        """Pixel coordinates of the patches' centres, y up, by row-major patch."""
        height, width = self.image.shape[:2]
        row, col = np.divmod(np.arange(self.rows * self.cols), self.cols)
        return np.stack([(col + .5) * width / self.cols, height - (row + .5) * height / self.rows], axis=-1)


def golden_trace(case):
    """The trace of a golden case, one head."""
    matrix = image_attention(case["positions"], case["image_start"], case["image_count"], case["seed"])
    return CausalTrace(matrix[None, None], case["image_start"], case["image_count"], case["prompt_length"])


def several_heads(seeds=(11, 12, 13, 14), layers=(3,), positions=60, image_start=10, image_count=36, prompt_length=50):
    """A trace whose heads (and layers) differ."""
    matrices = [[image_attention(positions, image_start, image_count, seed + 100 * layer) for seed in seeds]
                for layer in range(len(layers))]
    return CausalTrace(np.array(matrices), image_start, image_count, prompt_length, layers)
