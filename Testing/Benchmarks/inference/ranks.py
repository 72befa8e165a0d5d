# SPDX-License-Identifier: Apache-2.0
"""Weights that each rank keeps in memory, and the time of a question, on one rank and on several.

    LVLM_PLUGIN=build/lib/LVLMInterpret/LVLMInterpret.so PYTHONPATH=Testing/Python \\
        mpirun -np 2 --bind-to none pvbatch --sym Testing/Benchmarks/inference/ranks.py CHECKPOINT [TOKENS]

CHECKPOINT as make_checkpoint.py writes it, TOKENS of an answer (16). The question is asked twice; the second time, when the
file's pages are there, is told. Relevancy of its last token follows, and the weights in memory are told again: it may touch
no others.
"""
import os
import re
import sys
import time

import numpy as np
from paraview import simple
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkParallelCore import vtkMultiProcessController

import lvlm_testing as lt

CONTROLLER = vtkMultiProcessController.GetGlobalController()
RANK, RANKS = CONTROLLER.GetLocalProcessId(), CONTROLLER.GetNumberOfProcesses()


def picture():
    image = vtkImageData()
    if RANK == 0:
        image.SetDimensions(336, 336, 1)
        values = numpy_to_vtk(np.full((336 * 336, 3), 100, "u1"), deep=True)
        values.SetName("colors")
        image.GetPointData().SetScalars(values)
    source = simple.TrivialProducer()
    source.GetClientSideObject().SetOutput(image)
    return source


def resident():
    """Bytes of mapped .safetensors files in memory, and of anonymous memory."""
    weights, mine = 0, False
    with open("/proc/self/smaps") as maps:
        for line in maps:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                mine = line.rstrip().endswith(".safetensors")
            elif mine and line.startswith("Rss:"):
                weights += int(line.split()[1]) * 1024
    with open("/proc/self/status") as status:
        anonymous, = [int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:")]
    return weights, anonymous


def timed(proxy):
    start = time.time()
    proxy.UpdatePipeline()
    return time.time() - start


def main():
    simple.LoadPlugin(lt.PLUGIN, remote=False, ns=None)
    before = resident()[1]
    folder = os.path.abspath(sys.argv[1])
    files = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".safetensors")]
    if not files:
        sys.exit("%s: holds no .safetensors file" % folder)  # on all ranks: else each would measure nothing
    whole = sum(map(os.path.getsize, files))
    tokens = int(sys.argv[2]) if len(sys.argv) > 2 else 16
    trace = simple.LLaVAInference(Input=picture(), ModelDirectory=folder, Prompt="What is in it?", MaxNewTokens=tokens)
    timed(trace)
    trace.Seed = 1
    seconds = timed(trace)
    weights, anonymous = resident()
    relevancy = timed(simple.LVLMRelevancy(Input=trace, AnswerTokens=[-1]))
    print("rank %d of %d: weights in memory %.0f MB (%.0f %% of the files), after relevancy %.0f MB; anonymous %.0f MB more "
          "than before; question %.2f s, relevancy %.2f s"
          % (RANK, RANKS, weights / 1e6, 100 * weights / whole, resident()[0] / 1e6, (anonymous - before) / 1e6, seconds,
             relevancy), flush=True)


main()
