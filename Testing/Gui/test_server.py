# SPDX-License-Identifier: Apache-2.0
"""The GUI as the client of a pvserver of two ranks: it asks, the server answers, the presets show it.

The client's plugin may be a thin one, built without inference (CONTRIBUTING.md); LVLM_SERVER_PLUGIN names the server's then.
LVLM_AT_FILE_DIALOG, for whoever wants to look, is a shell command that runs while the model chooser's file dialog is open and
has to close it.
"""
import os
import re
import shutil
import subprocess
import tempfile
import time

import gui_testing as gui
from paraview import servermanager, simple

import lvlm

DIALOG = "LVLMAskDialog/"
RANKS = 2
LONGEST = 600  # seconds
folder = tempfile.TemporaryDirectory()


def offers_inference():
    return hasattr(servermanager.filters, "LLaVAInference")


def a_client_without_inference_says_so():
    if offers_inference():
        return
    gui.press("actionLVLMAsk")
    gui.wait_for(lambda: "without inference" in gui.prop(DIALOG + "Model/Status", "text"), "the reason")
    gui.equal(gui.prop(DIALOG + "Ask", "enabled"), "false", "nothing to ask")
    gui.picture("alone")
    gui.close("LVLMAskDialog")


def start_server():
    """Its port, once it listens. The server ends with its client, or after a while if none comes; at once when ParaView goes, since
    the X server that it draws on goes then, too."""
    path = os.path.join(folder.name, "server.log")
    # This process is MPI's, too. The display stays: without one ParaView asks the user to do without remote rendering.
    without = ("OMPI_", "PMIX_", "PMI_", "OPAL_", "ORTE_")
    with open(path, "w", encoding="utf-8") as log:
        subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "timeout", str(LONGEST), shutil.which("mpirun"), "--allow-run-as-root", "--oversubscribe",
             "--bind-to", "none", "-np", str(RANKS), shutil.which("pvserver"), "--server-port=0", "--force-offscreen-rendering"], stdout=log, stderr=log,
            start_new_session=True,
            env={k: v for k, v in os.environ.items() if not k.startswith(without)})
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with open(path, encoding="utf-8", errors="replace") as log:
            found = re.search(r"Accepting connection\(s\): \S+:(\d+)", log.read())
        if found:
            return int(found.group(1))
        time.sleep(0.1)
    raise AssertionError("no server within 60 s")


def connects():
    simple.Connect("127.0.0.1", start_server())
    simple.LoadPlugin(os.environ.get("LVLM_SERVER_PLUGIN") or os.environ["LVLM_PLUGIN"], remote=True, ns=None)
    gui.wait(500)
    gui.equal(servermanager.ActiveConnection.GetNumberOfDataPartitions(), RANKS, "ranks")
    gui.true(offers_inference(), "the server's definitions")
    gui.true(gui.enabled("actionLVLMAsk"), "the toolbar")


def the_dialog_knows_the_servers_models():
    gui.press("actionLVLMAsk")
    gui.wait_for(lambda: "rank 0 of %d" % RANKS in gui.prop(DIALOG + "Model/Status", "text"), "the server's embedded model")
    gui.type_text(DIALOG + "Model/FileLineEdit", folder.name)
    gui.wait_for(lambda: "config.json" in gui.prop(DIALOG + "Model/Status", "text"), "the reason why a folder is no model")
    command = os.environ.get("LVLM_AT_FILE_DIALOG")
    if command:
        with subprocess.Popen(["sh", "-c", command]):
            gui.click(DIALOG + "Model/FileButton")
    gui.type_text(DIALOG + "Model/FileLineEdit", "")
    gui.wait_for(lambda: "layers" in gui.prop(DIALOG + "Model/Status", "text"), "the embedded model again")


def asks():
    gui.choose(DIALOG + "Picture", "Example: star left of circle")  # on the server's disk
    gui.type_text(DIALOG + "Question", "What color is the star?")
    gui.wait(500)
    gui.picture("dialog")
    gui.click(DIALOG + "Ask")
    gui.wait_for(lambda: lvlm.find_traces() and lvlm.answer(), "an answer", 60)
    gui.equal(gui.exists("LVLMMessage"), False, "a message")
    gui.wait(500)
    gui.picture("asked")


def presets_open():
    """The volume is drawn by both ranks. The others take long where software draws: LVLM_ALL_PRESETS, by hand."""
    presets = {"Layers": "Layers 3D"}
    if os.environ.get("LVLM_ALL_PRESETS"):
        presets.update({"Heads": "Heads", "Gallery": "Heads gallery", "Lens": "Lens", "Relevancy": "Relevancy", "Causality": "Causality"})
    for name, title in presets.items():
        simple.SetActiveSource(lvlm.find_traces()[-1])
        gui.wait(200)
        gui.press("actionLVLM" + name)
        gui.equal(gui.exists("LVLMMessage"), False, "a message after %s" % name)
        gui.true(any(tab.startswith(title) for tab, _ in simple.GetLayouts()), "a tab %s" % title)
        gui.picture(name.lower())


gui.main(a_client_without_inference_says_so, connects, the_dialog_knows_the_servers_models, asks, presets_open)
