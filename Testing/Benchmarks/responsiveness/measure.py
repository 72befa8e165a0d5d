# SPDX-License-Identifier: Apache-2.0
"""How long each filter takes when a token, layer or head is changed on a recorded trace as large as a 7B model's.

    PYTHONPATH=Testing/Python LVLM_PLUGIN=build/lib/LVLMInterpret/LVLMInterpret.so pvpython Testing/Benchmarks/responsiveness/measure.py

32 layers x 32 heads, 24 x 24 patches, about 620 positions, 16 answer tokens, stored as float16 as the exporter does. The
file is in the page cache. Prints a row a filter and change: the median and the longest of REPEATS changes, milliseconds.
"""
import statistics
import tempfile
import time

import lvlm_testing as lt
import numpy as np
from paraview import simple

LAYERS = HEADS = 32
REPEATS = 9
TARGET = 100  # milliseconds


def write_trace(path):
    data = lt.TraceData(rows=24, cols=24, layers=LAYERS, heads=HEADS, answer=16, question=26, width=336, height=336)
    rng = np.random.default_rng(2)
    full = rng.exponential(size=(1, HEADS, data.K, data.K)).astype("<f4")
    full *= np.tri(data.K, dtype="<f4")
    full /= full.sum(axis=-1, keepdims=True)
    patches = data.rows * data.cols
    maps = rng.random((data.T, patches)).astype("<f4")
    decoder = rng.random((data.T, data.K)).astype("<f4")
    data.write(path, {
        "attention.answer": data.attention.astype("<f2"), "attention.full": full.astype("<f2"),
        "attention.full.layers": np.array([LAYERS - 1]), "relevancy.decoder": decoder, "relevancy.vision": maps,
        "relevancy.joint": maps, "relevancy.joint_token": maps})
    return data


def measure(filters, name, values):
    """Milliseconds until the filters, upstream first, are up to date after `name` of the first took each value."""
    taken = []
    for value in values:
        setattr(filters[0], name, value)
        filters[0].UpdateVTKObjects()
        begun = time.perf_counter()
        for proxy in filters:
            proxy.UpdatePipeline()
        taken.append(1000 * (time.perf_counter() - begun))
    return taken[1:]  # the first one reads the file


def changes(trace):
    """(what is seen, filters, property, values)."""
    tokens = [[t % 16] for t in range(REPEATS + 1)]
    layers = [[n * 3 % LAYERS] for n in range(REPEATS + 1)]
    heads = [[n * 5 % HEADS] for n in range(REPEATS + 1)]
    heat = simple.LVLMAttentionMap(Input=trace)
    overlaid = simple.LVLMAttentionMap(Input=trace)
    overlay = simple.LVLMOverlay(Input=overlaid)
    summary = simple.LVLMHeadSummary(Input=trace)
    volume = simple.LVLMLayerVolume(Input=trace)
    patches = simple.LVLMPatchAttention(Input=trace)
    relevancy = simple.LVLMRelevancy(Input=trace)
    causal = simple.LVLMCausalGraph(Input=trace, Heads=[0])
    for name, values in (("AnswerTokens", tokens), ("Layers", layers), ("Heads", heads)):
        yield "map", [heat], name, values
        yield "overlay of a map", [overlaid, overlay], name, values
        if name != "Heads":
            yield "head summary", [summary], name, values
        yield "layer volume", [volume], name, values
        if name != "AnswerTokens":
            yield "patch attention", [patches], name, values
    yield "patch attention", [patches], "Patches", [[7 * n] for n in range(REPEATS + 1)]
    yield "relevancy (recorded)", [relevancy], "AnswerTokens", tokens
    yield "causal graph, one head", [causal], "AnswerToken", [t[0] for t in tokens]
    yield "causal graph, one head", [causal], "Heads", heads


def main():
    simple.LoadPlugin(lt.PLUGIN, remote=False, ns=None)
    with tempfile.TemporaryDirectory() as folder:
        data = write_trace(folder + "/large.lvlm")
        print("%d layers x %d heads, %d positions, %d answer tokens" % (LAYERS, HEADS, data.K, data.T))
        trace = simple.LVLMTraceReader(FileName=folder + "/large.lvlm")
        print("%-26s %-14s %8s %8s" % ("filter", "changed", "median", "longest"))
        slow = []
        for what, filters, name, values in changes(trace):
            taken = measure(filters, name, values)
            median = statistics.median(taken)
            print("%-26s %-14s %8.1f %8.1f" % (what, name, median, max(taken)))
            if median > TARGET:
                slow.append("%s (%s)" % (what, name))
    print("slower than %d ms: %s" % (TARGET, ", ".join(slow) or "none"))


main()
