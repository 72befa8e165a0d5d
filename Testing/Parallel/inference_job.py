# SPDX-License-Identifier: Apache-2.0
"""What every rank does in test_inference_ranks: `mpirun -np N pvbatch --sym inference_job.py FOLDER`.

Each rank writes what it has, as it is, into FOLDER; test_inference_ranks.py compares. Nothing is asserted here, since a
rank that stops would leave the others waiting.
"""
import json
import os
import re
import sys
import traceback

import numpy as np
from paraview import simple
from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.vtkCommonDataModel import vtkDataObject
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline
from vtkmodules.vtkParallelCore import vtkMultiProcessController

import lvlm_testing as lt

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EMBEDDED = os.path.join(ROOT, "Models", "TinyLlava")
SCENE = os.path.join(EMBEDDED, "scenes", "star_left_of_circle.png")
CONTROLLER = vtkMultiProcessController.GetGlobalController()
RANK, RANKS = CONTROLLER.GetLocalProcessId(), CONTROLLER.GetNumberOfProcesses()
LAST = RANKS - 1


def output(proxy, port=0):
    """This rank's own part of an output."""
    return proxy.GetClientSideObject().GetOutputDataObject(port)


def ask(picture, **properties):
    settings = {"Prompt": "What color is the star?", "MaxNewTokens": 8, **properties}
    return simple.LLaVAInference(Input=picture, **settings)


def contents(trace):
    """(arrays by name, texts by name) of a trace."""
    arrays, texts = {}, {}
    fields = trace.GetFieldData()
    for i in range(fields.GetNumberOfArrays()):
        values, name = fields.GetAbstractArray(i), fields.GetArrayName(i)
        if values.IsA("vtkStringArray"):
            texts["field " + name] = [values.GetValue(j) for j in range(values.GetNumberOfValues())]
        else:
            arrays["field " + name] = lt.array(values)
    for index in range(trace.GetNumberOfBlocks()):
        name, data = trace.GetMetaData(index).Get(trace.NAME()), trace.GetBlock(index)
        if data is not None and data.IsA("vtkTable"):
            for c in range(data.GetNumberOfColumns()):
                column = data.GetColumn(c)
                key = "%s %s" % (name, column.GetName())
                (texts if column.IsA("vtkStringArray") else arrays)[key] = lt.column(data, column.GetName())
        elif data is not None and data.GetNumberOfPoints() > 0:
            arrays[name] = lt.array(data.GetPointData().GetArray(name))
            arrays["extent of " + name] = np.array(data.GetExtent())
    return arrays, texts


def resident_weights(folder):
    """Bytes of the model's files that this process has in memory."""
    resident, mine = 0, False
    with open("/proc/self/smaps") as maps:
        for line in maps:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                mine = os.path.realpath(folder) in line and line.rstrip().endswith(".safetensors")
            elif mine and line.startswith("Rss:"):
                resident += int(line.split()[1]) * 1024
    return resident


class Rank:
    """Collects this rank's results."""

    def __init__(self, folder):
        self.folder, self.facts, self.attempts = folder, {}, 0

    def save(self, name, trace):
        arrays, texts = contents(trace)
        np.savez(os.path.join(self.folder, "%s.%d.%d.npz" % (name, RANKS, RANK)), **arrays)
        self.facts[name] = {"texts": texts, "blocks": trace.GetNumberOfBlocks()}

    def attempt(self, name, proxy):
        """Updates a proxy and notes what VTK reported and what came out."""
        # With --sym each rank sets its own properties. One that changes everywhere makes all of them run.
        self.attempts += 1
        proxy.Seed = self.attempts
        with lt.Errors() as errors:
            proxy.UpdatePipeline()
        self.facts[name] = {"errors": errors.text, "blocks": output(proxy).GetNumberOfBlocks()}

    def write(self):
        with open(os.path.join(self.folder, "facts.%d.%d.json" % (RANKS, RANK)), "w") as file:
            json.dump(self.facts, file)


def save_map(rank, name, maps):
    """This rank's part of the maps, and where it lies."""
    maps.UpdatePipeline()
    image = output(maps, maps.Port)
    names = [image.GetCellData().GetArrayName(i) for i in range(image.GetCellData().GetNumberOfArrays())]
    np.savez(os.path.join(rank.folder, "%s.%d.%d.npz" % (name, RANKS, RANK)), extent=np.array(image.GetExtent()),
             **{name: lt.array(image.GetCellData().GetArray(name)) for name in names})


def relevancy(rank, trace):
    """Relevancy, and weighted attention, too."""
    for mode in ("Exact", "Compatible"):
        save_map(rank, mode, simple.LVLMRelevancy(Input=trace, Mode=mode))
    for weighting in ("Gradient", "Relative"):
        save_map(rank, weighting, simple.LVLMAttentionMap(Input=trace, Weighting=weighting, Layers=[-1, 0]))
    save_map(rank, "Activation", simple.LVLMRelevancy(Input=trace, Method="TokenActivation"))


def interventions(rank, trace):
    """What an answer depends on: a map in parts, and a test of maps that lie in parts."""
    occlusion = simple.LVLMOcclusion(Input=trace, AnswerTokens=[3], Window=4, Stride=4)
    save_map(rank, "Occlusion", occlusion)
    tested = simple.LVLMFaithfulness(Input=trace, Maps=[simple.LVLMAttentionMap(Input=trace), occlusion], AnswerTokens=[3], Steps=3,
                                     Random=2)
    rank.facts["scores"] = columns(tested, 1)
    knockout = simple.LVLMKnockout(Input=trace, From="Question", AnswerTokens=[3], WindowSize=2, MaxNewTokens=6)
    rank.facts["knockout"] = columns(knockout)
    rank.save("under", output(knockout, 1))
    graph = simple.LVLMCausalGraph(Input=trace, AnswerToken=3)
    rank.facts["nodes"] = columns(simple.LVLMNodeTest(Input=trace, Nodes=simple.OutputPort(graph, 1), Draws=3))
    patching = simple.LVLMPatching(Input=trace, Corrupted=ask(own_picture((30, 30, 200))), AnswerTokens=[3], Positions="Patches", Layers=[0, -1])
    rank.facts["patching"] = columns(patching, 1)
    save_map(rank, "Restored", simple.OutputPort(patching, 2))


def columns(source, port=0):
    """A table's texts, by column."""
    source.UpdatePipeline()
    table = output(source, port)
    return {table.GetColumnName(c): [table.GetValue(r, c).ToString() for r in range(table.GetNumberOfRows())]
            for c in range(table.GetNumberOfColumns())}


def lens(rank, picture):
    """Hidden states of some layers, what they say, and what a trace without them is read again for."""
    trace = ask(picture, CaptureHidden=1, CaptureHiddenLayers=[0, 2, -1], CaptureLens=1)
    trace.UpdatePipeline()
    rank.save("hidden", output(trace))
    for name, of in (("lens", trace), ("reread", ask(picture))):
        shown = simple.LVLMLogitLens(Input=of, Word="star")
        shown.UpdatePipeline()
        image = output(shown)
        np.savez(os.path.join(rank.folder, "%s.%d.%d.npz" % (name, RANKS, RANK)), extent=np.array(image.GetExtent()),
                 **{key: lt.array(image.GetPointData().GetArray(key)) for key in ("probability", "top_probability", "top_id")})
        rank.facts[name] = {"rows": [output(shown, port).GetNumberOfRows() for port in (1, 3)]}
    rank.facts["weights after the lens"] = resident_weights(EMBEDDED)
    wrong = simple.LVLMLogitLens(Input=trace, Layers=[1])
    with lt.Errors() as errors:
        wrong.UpdatePipeline()
    rank.facts["layer that was not captured"] = errors.text


def answers(rank, picture):
    """The embedded model: everything that is captured, its weights, relevancy, and a second question."""
    trace = ask(picture, CaptureFullLayers=[], CaptureVision=1)
    trace.UpdatePipeline()
    rank.save("trace", output(trace))
    rank.facts["weights"] = resident_weights(EMBEDDED)
    ran = []
    tag = trace.GetClientSideObject().AddObserver("ProgressEvent", lambda *_: ran.append(1))
    trace.UpdatePipeline(2.0)  # another time is no other question
    rank.facts["reports for another time"] = len(ran)
    trace.GetClientSideObject().RemoveObserver(tag)
    relevancy(rank, trace)
    interventions(rank, trace)
    rank.facts["weights after relevancy"] = resident_weights(EMBEDDED)
    trace.Prompt = "What color is the circle?"
    trace.UpdatePipeline()
    rank.save("second", output(trace))


def own_picture(colour):
    """A picture that exists on the first rank only; elsewhere the source is empty."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    image = vtkImageData()
    if RANK == 0:
        image.SetDimensions(40, 30, 1)
        values = numpy_to_vtk(np.tile(np.array(colour, "u1"), (1200, 1)), deep=True)
        values.SetName("colors")
        image.GetPointData().SetScalars(values)
    source = simple.TrivialProducer()
    source.GetClientSideObject().SetOutput(image)
    return source


def first_rank_picture(rank):
    """The first rank's picture decides whether there is something to do."""
    trace = ask(own_picture((200, 30, 30)))
    trace.UpdatePipeline()
    rank.save("red", output(trace))
    trace.Input = own_picture((30, 30, 200))
    trace.UpdatePipeline()
    rank.save("blue", output(trace))


def failures(rank, picture, folder):
    """Something is wrong on one rank; afterwards the filter works."""
    trace = ask(picture, ModelDirectory=os.path.join(folder, "none") if RANK == LAST else EMBEDDED)
    rank.attempt("missing on the last", trace)
    trace.ModelDirectory = os.path.join(folder, "nan") if RANK == LAST else EMBEDDED
    rank.attempt("damaged on the last", trace)
    trace.ModelDirectory = os.path.join(folder, "none")
    rank.attempt("missing on all", trace)
    trace.ModelDirectory = EMBEDDED
    if RANK == 0:
        trace.Prompt = "What color is the star?\n<image><image>"
    rank.attempt("wrong on the first", trace)
    trace.Prompt = "What color is the star?"
    rank.attempt("after failures", trace)
    rank.attempt("a missing picture", ask(simple.PNGSeriesReader(FileNames=[os.path.join(folder, "none.png")])))
    rank.attempt("a missing picture of ours", ask(simple.LVLMPictureReader(FileName=os.path.join(folder, "none.png"))))


class Source(VTKPythonAlgorithmBase):
    """A picture whose source fails on one rank, as VTK's readers do: RequestData gives 0."""

    def __init__(self, bad):
        super().__init__(nInputPorts=0, nOutputPorts=1, outputType="vtkImageData")
        self.bad = bad

    def RequestInformation(self, request, inputs, outputs):
        outputs.GetInformationObject(0).Set(vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT(), (0, 39, 0, 29, 0, 0), 6)
        return 1

    def RequestData(self, request, inputs, outputs):
        if self.bad == RANK:
            return 0
        output = outputs.GetInformationObject(0).Get(vtkDataObject.DATA_OBJECT())
        output.SetExtent(0, 39, 0, 29, 0, 0)
        output.AllocateScalars(3, 3)  # unsigned char, RGB
        lt.array(output.GetPointData().GetScalars())[:] = 100
        return 1


def source_fails(rank, picture):
    """Of the picture, on one rank; then not any more."""
    for name, bad in (("source fails on the last", LAST), ("source fails on the first", 0)):
        source, trace = Source(bad), ask(picture)
        trace.GetClientSideObject().SetInputConnection(source.GetOutputPort())
        rank.attempt(name, trace)
        with lt.Errors():
            simple.LVLMAttentionMap(Input=trace).UpdatePipeline()  # exchanges on all ranks or on none
        source.bad = None
        source.Modified()
        rank.attempt(name + ", mended", trace)


def abort(rank, picture):
    """The first rank aborts, at reports that are its own and at ones of other ranks."""
    for count in (3, 9, 14, 20):
        trace = ask(picture)
        filter_ = trace.GetClientSideObject()
        seen = []

        def stop(*_):
            seen.append(filter_.GetProgress())
            if RANK == 0 and len(seen) == count:
                filter_.AbortExecuteOn()
        tag = filter_.AddObserver("ProgressEvent", stop)
        rank.attempt("abort %d" % count, trace)
        rank.facts["abort %d" % count]["reports"] = len(seen)
        filter_.RemoveObserver(tag)
        filter_.AbortExecuteOff()
        trace.UpdatePipeline()  # nothing has changed: all ranks must think the same about it
        trace.MaxNewTokens = 7
        rank.attempt("after abort %d" % count, trace)


def main():
    folder = sys.argv[1]
    simple.LoadPlugin(lt.PLUGIN, remote=False, ns=None)
    rank = Rank(folder)
    try:
        picture = simple.LVLMPictureReader(FileName=SCENE)
        answers(rank, picture)
        lens(rank, picture)
        first_rank_picture(rank)
        failures(rank, picture, folder)
        source_fails(rank, picture)
        abort(rank, picture)
    except Exception:  # the test shows it; the other ranks end by its time limit
        rank.facts["exception"] = traceback.format_exc()
    rank.write()


main()
