# SPDX-License-Identifier: Apache-2.0
"""Cuts off one rank's copy of a trace and of a model's weights, and stores what each rank is told then.

    pvbatch --sym changed_job.py FOLDER        rank r has FOLDER/r/trace.lvlm and, with inference, FOLDER/r/model/
"""
import os
import pickle
import sys

import lvlm_testing as lt
from paraview import servermanager, simple
from vtkmodules.vtkParallelCore import vtkMultiProcessController

CONTROLLER = vtkMultiProcessController.GetGlobalController()
RANK, RANKS = CONTROLLER.GetLocalProcessId(), CONTROLLER.GetNumberOfProcesses()
FOLDER = os.path.join(sys.argv[1], str(RANK))


def cut(name):
    CONTROLLER.Barrier()
    if RANK == RANKS - 1:
        path = os.path.join(FOLDER, name)
        os.truncate(path, os.path.getsize(path) // 4)
    CONTROLLER.Barrier()


def told(proxy):
    """(messages, elements of the output) of a filter."""
    with lt.Errors() as errors:
        proxy.UpdatePipeline()
    data = proxy.GetClientSideObject().GetOutputDataObject(0)
    return errors.text, sum(data.GetNumberOfElements(kind) for kind in range(7)) if data else 0


def traces():
    trace = simple.LVLMTraceReader(FileName=os.path.join(FOLDER, "trace.lvlm"))
    yield "whole", told(simple.LVLMAttentionMap(Input=trace))
    cut("trace.lvlm")
    yield "map", told(simple.LVLMAttentionMap(Input=trace))
    yield "summary", told(simple.LVLMHeadSummary(Input=trace))
    yield "causal", told(simple.LVLMCausalGraph(Input=trace, AttentionThreshold=0.01))
    yield "rollout", told(simple.LVLMRelevancy(Input=trace, Method="RolloutMean"))
    with lt.Errors() as errors:
        servermanager.writers.LVLMTraceWriter(Input=trace, FileName=os.path.join(FOLDER, "copy.lvlm")).UpdatePipeline()
    yield "writer", (errors.text, len([name for name in os.listdir(FOLDER) if "copy" in name or "partial" in name]))


def weights():
    picture = simple.LVLMPictureReader(FileName=os.environ["LVLM_PICTURE"])
    asked = simple.LLaVAInference(Input=picture, ModelDirectory=os.path.join(FOLDER, "model"), MaxNewTokens=3)
    yield "answer", told(asked)
    cut("model/model-00002-of-00002.safetensors")
    asked.Prompt = "And now?"
    yield "no answer", told(asked)


def main():
    simple.LoadPlugin(os.environ["LVLM_PLUGIN"], remote=False, ns=None)
    found = dict(traces())
    if os.environ.get("LVLM_PICTURE"):
        found.update(weights())
    with open(os.path.join(FOLDER, "told"), "wb") as file:
        pickle.dump(found, file)


main()
