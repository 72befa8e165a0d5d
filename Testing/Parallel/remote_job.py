# SPDX-License-Identifier: Apache-2.0
"""A client of a pvserver, as test_remote.py starts it: remote_job.py PORT JOB FOLDER."""
import json
import os
import sys
import time

from paraview import servermanager, simple

PORT, JOB, FOLDER = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def path(name):
    return os.path.join(FOLDER, name)


def say(text):
    """Tells the test how far this client has come; at once, while pvpython's own sys.stdout may wait for the end."""
    os.write(1, (text + "\n").encode())


def connect():
    # The client knows the proxies from the server: it needs no plugin, and may have one without inference, which is
    # loaded before the connection is made as the GUI does with plugins that it loads by itself.
    if os.environ.get("LVLM_CLIENT_PLUGIN"):
        simple.LoadPlugin(os.environ["LVLM_CLIENT_PLUGIN"], remote=False, ns=None)
        say("client %s inference" % ("with" if hasattr(servermanager.filters, "LLaVAInference") else "without"))
    simple.Connect("127.0.0.1", PORT)
    # Another client may have loaded the server's plugin: of the two, a thin client's own has no LLaVAInference.
    mark = "LLaVAInference" if os.environ.get("LVLM_CLIENT_PLUGIN") else "LVLMTokens"
    if not hasattr(servermanager.filters, mark):
        simple.LoadPlugin(os.environ["LVLM_PLUGIN"], remote=True, ns=None)
    say("connected to %d ranks" % servermanager.ActiveConnection.GetNumberOfDataPartitions())


def picture(proxy, name, representation=None):
    view = simple.CreateView("RenderView")
    view.ViewSize = [400, 300]
    shown = simple.Show(proxy, view)
    if representation:
        shown.SetRepresentationType(representation)
    if not name.startswith("overlay"):
        simple.ColorBy(shown, ("POINTS" if representation else "CELLS", "attention"))
    view.ResetCamera()
    simple.Render(view)
    simple.SaveScreenshot(path(name), view, ImageResolution=[400, 300])


def analyse():
    connect()
    trace = simple.OpenDataFile(path("large.lvlm"))
    say("%s with %d time steps" % (trace.GetXMLName(), len(trace.TimestepValues)))
    heat = simple.LVLMAttentionMap(Input=trace, AnswerTokens=[0])
    picture(heat, "map.png")
    volume = simple.LVLMLayerVolume(Input=trace, AnswerTokens=[0])
    picture(volume, "volume.png", "Volume")
    small = simple.LVLMTraceReader(FileName=path("small.lvlm"))
    picture(simple.LVLMOverlay(Input=simple.LVLMAttentionMap(Input=small)), "overlay.png")
    sheet = simple.CreateView("SpreadSheetView")
    simple.Show(simple.LVLMTokens(Input=trace), sheet)
    simple.Render(sheet)
    say("%d rows" % sheet.GetClientSideObject().GetNumberOfRows())
    table = servermanager.Fetch(simple.LVLMHeadSummary(Input=trace, AnswerTokens=[0]), idx=1)
    say("summary of %d heads" % table.GetNumberOfRows())
    information = trace.GetDataInformation().GetArrayInformation("attention.answer", 0)
    say("attention in %s" % (information.GetComponentRange(0),))
    simple.SaveData(path("copy.lvlm"), proxy=small)
    say("done")


def pick():
    """Cells that ParaView picks in a view, in rectangles of it: what it calls them, and the attention of their patches."""
    connect()
    trace = simple.LVLMTraceReader(FileName=path("small.lvlm"))
    heat = simple.LVLMAttentionMap(Input=trace)
    simple.LVLMOverlay(Input=heat).UpdatePipeline()  # asks for the whole map, the view for pieces of it
    view = simple.CreateView("RenderView")
    view.ViewSize = [400, 300]
    simple.Show(heat, view)
    view.ResetCamera()
    simple.Render(view)
    for rectangle in ([0, 0, 200, 150], [180, 140, 330, 200], [0, 0, 400, 300]):
        simple.SelectSurfaceCells(Rectangle=rectangle, View=view)
        selection = servermanager._getPyProxy(heat.SMProxy.GetSelectionInput(0))
        picked, = selection.Input
        answers = simple.LVLMPatchAttention(Input=trace, Selection=selection)
        column = servermanager.Fetch(answers).GetColumnByName("attention")
        say("picked %s" % json.dumps({"ids": list(picked.IDs), "attention": [
            column.GetValue(row) for row in range(column.GetNumberOfTuples())]}))
    say("done")


def page():
    """A file to send, written on the client's disk, of a trace on the server's."""
    connect()
    import lvlm
    trace = simple.LVLMTraceReader(FileName=path("small.lvlm"))
    lvlm.save_page(trace, path("remote-%d.html" % servermanager.ActiveConnection.GetNumberOfDataPartitions()))
    chart = simple.GetViewsInLayout(lvlm.show_heads(trace))[0]
    from lvlm import columns, pipeline
    heat = simple.LVLMAttentionMap(Input=trace)
    pipeline.compute(heat)
    cells = columns.grid(heat, ["patch", "attention"])
    say("grid %s" % json.dumps({name: values.tolist() for name, values in cells.items()}))
    say("axes of layers %s and heads %s" % (list(chart.AxesGrid.XAxisLabels), list(chart.AxesGrid.YAxisLabels)))
    say("done")


def wrong():
    """Errors of the server reach the client, which goes on."""
    connect()
    trace = simple.LVLMTraceReader(FileName=path("small.lvlm"))
    heat = simple.LVLMAttentionMap(Input=trace, Layers=[99])
    heat.UpdatePipeline()
    heat.Layers = [0]
    heat.UpdatePipeline()
    say("range %s" % (heat.CellData["attention"].GetRange(),))


def wait():
    """Works, waits until the server is gone, and works on."""
    connect()
    trace = simple.LVLMTraceReader(FileName=path("small.lvlm"))
    simple.LVLMAttentionMap(Input=trace).UpdatePipeline()
    say("ready")
    while not os.path.exists(path("gone")):
        time.sleep(0.1)
    try:
        table = simple.LVLMTokens(Input=trace)
        table.UpdatePipeline()
        say("tokens: %d rows" % table.GetDataInformation().GetNumberOfRows())
    except Exception as error:  # whatever ParaView throws
        say("error: %s" % error)
    say("still here")


def endless_question():
    """A question whose answer has as many tokens as the test says."""
    image = simple.LVLMPictureReader(FileName=os.environ["LVLM_SCENE"])
    return simple.LLaVAInference(Input=image, ModelDirectory=path("endless"), CaptureFull=0,
                                 MaxNewTokens=int(os.environ["LVLM_TOKENS"]))


def long_question():
    """A question whose answer takes longer than the test lets this client live."""
    connect()
    trace = endless_question()
    say("asking")
    trace.UpdatePipeline()
    say("answered")


def long_relevancy():
    """Relevancy of so many tokens that the test does not let this client live until all are explained."""
    connect()
    trace = endless_question()
    trace.UpdatePipeline()
    say("asking")
    simple.LVLMRelevancy(Input=trace).UpdatePipeline()
    say("answered")


def ask():
    """One question; the answer and a map of it."""
    connect()
    image = simple.LVLMPictureReader(FileName=os.environ["LVLM_SCENE"])
    trace = simple.LLaVAInference(Input=image, Prompt="What color is the star?")
    say("asking")
    trace.UpdatePipeline()
    trace.UpdatePropertyInformation()
    say("answer: %s" % trace.GetPropertyValue("Answer"))
    heat = simple.LVLMAttentionMap(Input=trace, Layers=[-1])
    picture(heat, "asked.png")
    picture(simple.LVLMLayerVolume(Input=trace), "asked-volume.png", "Volume")
    say("done")


def edit():
    """The server's picture is edited and asked about again, alone and beside another one; what the model saw comes here."""
    connect()
    import lvlm.pictures
    scene, half = os.environ["LVLM_SCENE"], "rectangle 0 0 83 167 black"  # the left one
    told = lvlm.preview(scene, [half])
    say("previewed %d" % told.seen[:, :84].max())
    for several in (False, True):
        trace = lvlm.ask([scene, scene] if several else scene, "What color is the star?", layout=False)
        second = lvlm.edit_and_ask(trace, [half])
        before, after = (lvlm.pictures.picture_pixels(one).astype(int) for one in (trace, second))
        say("edited left %d, right %d, pictures %d" % (after[:, :84].max(), abs(after - before)[:, 84:].max(), lvlm.traces.pictures(second)))
        say("answers: %s | %s" % (lvlm.answer(trace), lvlm.answer(second)))
    say("done")


{"analyse": analyse, "pick": pick, "page": page, "wrong": wrong, "wait": wait, "ask": ask, "edit": edit, "long_question": long_question,
 "long_relevancy": long_relevancy}[JOB]()
sys.stdout.flush()
os._exit(0)
