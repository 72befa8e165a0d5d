# SPDX-License-Identifier: Apache-2.0
"""How much of a trace of LLaVA-1.5-7B's shape a page of lvlm.save_page holds, and how long that takes.

    pvpython Testing/Benchmarks/page/measure.py PLUGIN FOLDER [WORDS ...]      (default: 20 200)

The attention is made up: for each head a blob in the picture, sinks, and noise that is another one for every word. A byte of
noise hardly compresses, so a page of a real trace holds more. FOLDER gets the traces and the pages.
"""
import json
import os
import re
import sys
import time

import numpy as np

os.environ["LVLM_PLUGIN"] = sys.argv[1]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Python"))
import lvlm_testing as lt  # noqa: E402: from the tests

LAYERS = HEADS = 32
GRID, START, QUESTION, MEGABYTES = 24, 5, 40, 4


def softmax(scores):
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def head_rows(rng, words, prompt):
    """[words, keys] of one head."""
    scores = rng.normal(size=(words, prompt + words - 1)) * 1.2
    rows, cols = np.mgrid[:GRID, :GRID]
    center, width = rng.uniform(0, GRID, 2), rng.uniform(2, 8)
    blob = rng.uniform(0, 5) * np.exp(-((rows - center[0]) ** 2 + (cols - center[1]) ** 2) / (2 * width ** 2))
    scores[:, START:START + GRID ** 2] += blob.ravel() - rng.uniform(-1, 3) + 0.8 * rng.normal(size=GRID ** 2)
    scores[:, 0] += rng.uniform(3, 9)  # the sink at the first position
    scores[:, START + rng.integers(0, GRID ** 2, 3)] += 3  # and some in the picture
    later = np.arange(scores.shape[1]) > prompt - 1 + np.arange(words)[:, None]
    return softmax(np.where(later, -np.inf, scores))


def write_trace(path, words):
    rng = np.random.default_rng(1)
    roles = ["special", *["system"] * 4, *["image"] * GRID ** 2, *["question"] * QUESTION, *["special"] * 4, *["answer"] * words]
    prompt = len(roles) - words
    attention = np.zeros((LAYERS, HEADS, words, len(roles) - 1), "f2")
    for layer in range(LAYERS):
        for head in range(HEADS):
            attention[layer, head] = head_rows(rng, words, prompt)
    ids = rng.integers(0, 50, len(roles))
    slope = np.add.outer(np.arange(336), np.arange(336))[:, :, None] / 3
    image = np.clip(slope + rng.normal(size=(336, 336, 3)) * 8, 0, 255).astype("u1")
    lt.write_safetensors(path, {
        "image": image, "tokens.id": ids, "answer.logprob": -2 * rng.random(words).astype("f4"), "attention.answer": attention,
        "answer.topk_id": rng.integers(0, 50, (words, 5)), "answer.topk_logprob": np.sort(-5 * rng.random((words, 5)).astype("f4"))[:, ::-1]}, {
        "format": "lvlm-trace", "version": "1", "model": "the shape of LLaVA-1.5-7B", "prompt": "", "answer": "made up",
        "question": "What do you see?", "tokens": json.dumps(["\u2581w%d" % number for number in ids]), "roles": json.dumps(roles),
        "prompt_length": str(prompt), "image_start": str(START), "grid": "%d,%d" % (GRID, GRID)})


def main():
    from paraview import simple
    simple.LoadPlugin(sys.argv[1], remote=False)
    import lvlm
    for words in map(int, sys.argv[3:] or (20, 200)):
        trace, page = (os.path.join(sys.argv[2], "words-%d.%s" % (words, kind)) for kind in ("lvlm", "html"))
        write_trace(trace, words)
        start = time.monotonic()
        lvlm.save_page(simple.LVLMTraceReader(FileName=trace), page, megabytes=MEGABYTES)
        seconds = time.monotonic() - start
        with open(page, encoding="utf-8") as file:
            contents = re.search("This page has[^<]*", file.read()).group(0)
        print("%d words: trace %.0f MB, page %.2f MB in %.1f s\n  %s" % (
            words, os.path.getsize(trace) / 1e6, os.path.getsize(page) / 1e6, seconds, contents))


main()
