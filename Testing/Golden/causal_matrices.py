# SPDX-License-Identifier: Apache-2.0
"""Attention matrices from integers: not stored, made again by the C++ tests (Testing/Causal/Generate.h)."""

import numpy as np


class Lcg:
    """Knuth's MMIX generator; 31 upper bits."""

    def __init__(self, seed):
        self.state = seed & (2**64 - 1)

    def next(self, bound):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        return (self.state >> 33) % bound


def _rescaled(row):
    """Integers that add up to about a million: keeps mixtures of mixtures small."""
    total = sum(row)
    return [w * 1000000 // total for w in row]


def weights(kind, n, seed, sparsity):
    """Non-negative integer weights [n][n], lower triangular; row / sum is an attention matrix.

    sparse     each entry is 0 with probability sparsity / 1000
    sink       the same, most of the weight on token 0
    local      the same, ten times the weight on the last 4 tokens
    chain      a row is a mixture of up to 2 earlier rows and sparse noise: many independences given few
    latent     a row is a mixture of one of 4 hidden rows, an earlier row and sparse noise: hidden common causes
    constant   all entries equal        identity  diagonal only        first  token 0 only
    duplicate  every third row repeats the row before     rank2  mixtures of two vectors
    zero       every fourth row empty
    """
    lcg = Lcg(seed)
    hidden = [[lcg.next(1000) if lcg.next(1000) >= 500 else 0 for _ in range(n)] for _ in range(4)]
    rows = []
    for i in range(n):
        row = [1 + lcg.next(1000) if lcg.next(1000) >= sparsity else 0 for _ in range(i + 1)]
        row[i] += 1 + lcg.next(100)
        row += [0] * (n - 1 - i)
        if kind == "sink":
            row[0] += 500 * (i + 1)
        elif kind == "local":
            row = [w * 10 if i - j < 4 else w for j, w in enumerate(row)]
        elif kind in ("chain", "latent"):
            row = _rescaled(row)
            if kind == "latent":
                mix = hidden[lcg.next(4)]
                share = 1 + lcg.next(3)
                row = [w + share * 500 * h * (j <= i) for j, (w, h) in enumerate(zip(row, mix))]
            for _ in range(2 if kind == "chain" else 1):
                if i > 0 and lcg.next(1000) < 700:
                    parent, share = rows[lcg.next(i)], 1 + lcg.next(3)
                    row = [w + share * p for w, p in zip(row, parent)]
            row = _rescaled(row)
        elif kind == "constant":
            row = [1] * (i + 1) + [0] * (n - 1 - i)
        elif kind == "identity":
            row = [int(j == i) for j in range(n)]
        elif kind == "first":
            row = [int(j == 0) for j in range(n)]
        elif kind == "duplicate" and i % 3 == 2:
            row = list(rows[i - 1])
        elif kind == "rank2" and i > 1:
            a, b = 1 + lcg.next(50), 1 + lcg.next(50)
            row = [a * u + b * v for u, v in zip(rows[0], rows[1])]
        elif kind == "zero" and i % 4 == 3:
            row = [0] * n
        rows.append(row)
    return rows


def attention(kind, n, seed, sparsity):
    """float32 [n, n]"""
    w = np.array(weights(kind, n, seed, sparsity), dtype=np.float64)
    total = w.sum(axis=1, keepdims=True)
    return np.divide(w, total, out=np.zeros_like(w), where=total > 0).astype(np.float32)


def image_attention(n, image_start, image_count, seed):
    """float32 [n, n] like a decoder's: strong first token, patches that copy from few others, some salient patches."""
    lcg = Lcg(seed)
    salient = [image_start + lcg.next(image_count) for _ in range(12)]
    rows = []
    for i in range(n):
        row = [1 + lcg.next(20) for _ in range(i + 1)] + [0] * (n - 1 - i)
        row[0] += 40 * (i + 1)
        row[i] += 10 * (i + 1)
        for _ in range(6):
            patch = salient[lcg.next(12)] + lcg.next(4)
            if patch <= i:
                row[patch] += (1 + lcg.next(20)) * 40
        row = _rescaled(row)
        for _ in range(2):
            if i > 0:
                parent = rows[max(0, i - 1 - lcg.next(40))]
                share = lcg.next(3)
                row = [w + share * p for w, p in zip(row, parent)]
        rows.append(_rescaled(row))
    w = np.array(rows, dtype=np.float64)
    return (w / w.sum(axis=1, keepdims=True)).astype(np.float32)
