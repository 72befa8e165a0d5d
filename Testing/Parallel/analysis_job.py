# SPDX-License-Identifier: Apache-2.0
"""Runs every analysis on the ranks that it is started with (pvbatch --sym) and stores what each rank has.

    pvbatch --sym analysis_job.py FOLDER        the traces are FOLDER/*.lvlm, results go to FOLDER/ranks-N/
"""
import os
import pickle
import sys

import lvlm_testing as lt
from paraview import servermanager, simple
from vtkmodules.vtkParallelCore import vtkMultiProcessController

CONTROLLER = vtkMultiProcessController.GetGlobalController()
RANK, RANKS = CONTROLLER.GetLocalProcessId(), CONTROLLER.GetNumberOfProcesses()


def arrays_of(attributes):
    """Name -> list of texts or (bytes, dtype, shape), so that equal means equal to the bit."""
    found = {}
    for i in range(attributes.GetNumberOfArrays()):
        array = attributes.GetAbstractArray(i)
        if array.GetName() in ("vtkGhostType", "layer_begin"):  # of the piece, of the rank
            continue
        if array.IsA("vtkStringArray"):
            found[array.GetName()] = [array.GetValue(k) for k in range(array.GetNumberOfValues())]
        else:
            found[array.GetName()] = lt.array(array).copy()
    return found


def content(data):
    if data.IsA("vtkImageData"):
        return {"extent": data.GetExtent(), "spacing": data.GetSpacing(), "origin": data.GetOrigin(),
                "points": arrays_of(data.GetPointData()), "cells": arrays_of(data.GetCellData()),
                "fields": arrays_of(data.GetFieldData()) if data.GetNumberOfPoints() else {}}
    if data.IsA("vtkTable"):
        return {"columns": arrays_of(data.GetRowData())}
    points = lt.array(data.GetPoints().GetData()).copy() if data.GetNumberOfPoints() else None
    lists = [lt.array(cells.GetConnectivityArray()).copy() if cells.GetNumberOfCells() else None
             for cells in (data.GetVerts(), data.GetLines(), data.GetPolys())]
    return {"geometry": [points] + lists, "points": arrays_of(data.GetPointData()),
            "cells": arrays_of(data.GetCellData())}


def outputs(proxy):
    """What this rank has at each port, asked for as ParaView does: by pieces."""
    result = []
    for port in range(proxy.SMProxy.GetNumberOfOutputPorts()):
        proxy.UpdatePipeline()  # all ports
        result.append(content(proxy.GetClientSideObject().GetOutputDataObject(port)))
    return result


def cases(trace):
    """(name, proxy) of every analysis with selections on one rank, on some, and on all."""
    for layers in ([], [0], [-1], [1, -1, 0]):
        for more in ({}, {"Reduction": "Maximum", "Heads": [-1], "AnswerTokens": [2, -1]}):
            yield "map", simple.LVLMAttentionMap(Input=trace, Layers=layers, **more)
            yield "volume", simple.LVLMLayerVolume(Input=trace, Layers=layers, **more)
        yield "patches", simple.LVLMPatchAttention(Input=trace, Layers=layers, Patches=[3, -2, 0])
        for by in ("Heads", "Layers", "AnswerTokens"):
            yield "gallery", simple.LVLMMapGallery(Input=trace, Layers=layers, By=by, Order="ImageShare" if layers else "Localization")
        yield "matrix", simple.LVLMTokenMatrix(Input=trace, Layers=layers, JoinWords=len(layers) % 2)
        for source, measure in (("Image", "Localization"), ("Question", "Mean")):
            yield "summary", simple.LVLMHeadSummary(Input=trace, Layers=layers, Source=source, Measure=measure)
    for layer in (0, 1, -1):
        yield "heads", simple.LVLMLayerVolume(Input=trace, Axis="Heads", Layer=layer, Heads=[1, 0])
        yield "causal", simple.LVLMCausalGraph(Input=trace, Layer=layer, AttentionThreshold=0.01, Alpha=0.2)
        yield "causal union", simple.LVLMCausalGraph(
            Input=trace, Layer=layer, AnswerToken=-1, AttentionThreshold=0.01, Alpha=0.2, Drawing="Union of heads")
    yield "tokens", simple.LVLMTokens(Input=trace)
    yield "first time", simple.LVLMAttentionMap(Input=trace, FollowTime=1)
    heat = simple.LVLMAttentionMap(Input=trace, Layers=[-1])
    yield "overlay", simple.LVLMOverlay(Input=heat, Opacity=0.7)
    yield "overlaid map", heat  # asked for its piece after the overlay asked for all of it
    yield "picture", simple.LVLMOverlay(Input=trace)
    for method in ("RolloutMean", "RolloutMax"):
        yield "rollout", simple.LVLMRelevancy(Input=trace, Method=method, AnswerTokens=[1, 3])
    for more in ({}, {"Layers": [0, 2]}, {"FollowTime": 1}):
        yield "lens", simple.LVLMLogitLens(Input=trace, **more)  # what was recorded: there is no model
    for more in ({"Threshold": 1}, {"Dimensions": [4, 0], "Layers": [-1, 0], "AnswerTokens": [1]}):
        yield "sinks", simple.LVLMSinks(Input=trace, **more)
    yield "sink share", simple.LVLMHeadSummary(Input=trace, Measure="SinkShare")
    yield "column score", simple.LVLMHeadSummary(Input=trace, Measure="ColumnScore")
    for make in (simple.LVLMAttentionMap, simple.LVLMLayerVolume, simple.LVLMMapGallery, simple.LVLMPatchAttention):
        yield "without sinks", make(Input=trace, ExcludeSinks=1)
        for by in ("Localization", "ImageShare", "Entropy", "ColumnScore"):
            yield "best heads", make(Input=trace, BestHeads=3, BestBy=by)
    for more in (dict(Reduction="StrongestHead"), dict(Layers=[1, -1], AnswerTokens=[2]), dict(FollowTime=1)):
        yield "best heads", simple.LVLMAttentionMap(Input=trace, BestHeads=2, **more)
    yield "best heads of a layer", simple.LVLMLayerVolume(Input=trace, BestHeads=2, Axis="Heads", Layer=1)
    for by in ("Layers", "AnswerTokens"):
        yield "best heads", simple.LVLMMapGallery(Input=trace, BestHeads=2, By=by)
    yield "causal, best heads", simple.LVLMCausalGraph(Input=trace, Layer=1, AttentionThreshold=0.01, Alpha=0.2, BestHeads=1)
    yield "recorded", simple.LVLMRelevancy(Input=trace, AnswerTokens=[0], Words=1)
    for selection in selections(trace):
        yield "selection", simple.LVLMPatchAttention(Input=trace, Selection=selection)


def selections(trace):
    """Selections of cells of a map as ParaView makes them: one on n ranks names the patches that it names on one."""
    yield simple.GlobalIDSelectionSource(FieldType="CELL", GlobalIDs=[3, 5, 17])
    heat = simple.LVLMAttentionMap(Input=trace)
    heat.UpdatePipeline()
    shown = heat.GetClientSideObject().GetOutputDataObject(0).GetCellData().GetArray("patch")
    # Pairs of the rank and the cell of its own piece; with --sym each rank tells its own, a source of ParaView all.
    picked = [number for cell, patch in enumerate(lt.array(shown) if shown else ()) if patch in (3, 5, 17)
              for number in (RANK, cell)]
    yield simple.IDSelectionSource(FieldType="CELL", IDs=picked)
    yield simple.IDSelectionSource(FieldType="CELL", IDs=picked, InsideOut=1)
    width, height = lt.TraceData().image.shape[1::-1]
    box = [x for left in (0.3 * width, 0.8 * width) for low in (0.3 * height, 0.8 * height) for depth in (1, -1)
           for x in (left, low, depth, 1)]
    yield simple.FrustumSelectionSource(FieldType="CELL", Frustum=box)


def failures(folder, trace):
    """Name -> what VTK reported on this rank; afterwards the same filter works."""
    def reported(work):
        with lt.Errors() as errors:
            work()
        return errors.text
    result = {}
    heat = simple.LVLMAttentionMap(Input=trace, Layers=[99])
    result["layer"] = reported(heat.UpdatePipeline)
    heat.Layers = [0]
    result["layer, mended"] = reported(heat.UpdatePipeline)
    causal = simple.LVLMCausalGraph(Input=trace, Layer=7)
    result["causal layer"] = reported(causal.UpdatePipeline)
    damaged = simple.LVLMTraceReader(FileName=os.path.join(folder, "damaged.trace"))
    rollout = simple.LVLMRelevancy(Input=damaged, Method="RolloutMean")
    result["not finite"] = reported(rollout.UpdatePipeline)  # in the last layer, hence on one rank
    short = simple.LVLMTraceReader(FileName=os.path.join(folder, "short.trace"))
    result["truncated"] = reported(short.UpdatePipeline)
    result["truncated, below"] = reported(simple.LVLMTokens(Input=short).UpdatePipeline)
    # A file that one rank does not see, as on a host where it is missing.
    name = "damaged.trace" if RANK == 0 else "missing.trace"
    absent = simple.LVLMTraceReader(FileName=os.path.join(folder, name))  # --sym: each rank has its own
    result["missing on some"] = reported(absent.UpdatePipeline)
    writer = servermanager.writers.LVLMTraceWriter(Input=trace, FileName=os.path.join(folder, "no/such/w.lvlm"))
    result["writer"] = reported(writer.UpdatePipeline)
    result["at the end"] = reported(simple.LVLMHeadSummary(Input=trace).UpdatePipeline)
    return result


def aborted(trace):
    """Rank 0 stops filters while they work: nothing comes out on any rank, and no error; then they work again."""
    def rows():
        return graph.GetClientSideObject().GetOutputDataObject(1).GetNumberOfRows()

    def cells():
        return heat.GetClientSideObject().GetOutputDataObject(0).GetNumberOfCells()
    graph = simple.LVLMCausalGraph(Input=trace, Layer=0, AttentionThreshold=0.01, Alpha=0.2)  # the first rank's
    heat = simple.LVLMAttentionMap(Input=trace)
    result = []
    for proxy, size in ((graph, rows), (heat, cells)):
        algorithm = proxy.GetClientSideObject()
        stop = algorithm.AddObserver("ProgressEvent", lambda filter, _: filter.SetAbortExecute(1)) if RANK == 0 else None
        with lt.Errors() as errors:
            proxy.UpdatePipeline()
        result.append((size(), errors.text))
        if stop is not None:
            algorithm.RemoveObserver(stop)
            algorithm.SetAbortExecute(0)
        proxy.Heads = [0]
        proxy.UpdatePipeline()
        result.append((size(), ""))
    return result


def main(folder):
    simple.LoadPlugin(lt.PLUGIN, remote=False, ns=None)
    out = os.path.join(folder, "ranks-%d" % RANKS)
    results = {}
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".lvlm")):
        trace = simple.LVLMTraceReader(FileName=os.path.join(folder, name))
        trace.UpdatePipeline()
        blocks = trace.GetClientSideObject().GetOutputDataObject(0)
        held = lt.block(blocks, "attention.answer")
        results[name, "held"] = held.GetNumberOfPoints() if held else 0
        for number, (what, proxy) in enumerate(cases(trace)):
            results[name, "%s %d" % (what, number)] = outputs(proxy)
        writer = servermanager.writers.LVLMTraceWriter(Input=trace, FileName=os.path.join(out, name))
        writer.UpdatePipeline()
    results["errors"] = failures(folder, trace)
    results["aborted"] = aborted(trace)
    with open(os.path.join(out, "rank-%d" % RANK), "wb") as file:
        pickle.dump(results, file)
    print("rank %d of %d done" % (RANK, RANKS), flush=True)


main(sys.argv[1])
