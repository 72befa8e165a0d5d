# SPDX-License-Identifier: Apache-2.0
"""A visitor's process: ParaView with the plugin, and the page. The front starts it in pvpython, with the number of its channel.

It listens on the loopback address alone, and answers nobody but the front, which knows its key.
"""
import hmac
import logging
import os
import sys

# A filter may run for minutes, in which no heartbeat is answered: set before wslink is imported.
os.environ["WSLINK_HEART_BEAT"] = "0"
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lvlm_web import screen  # noqa: E402
from lvlm_web.channel import KEY, Channel  # noqa: E402

PROBE = (64, 48)
ANSWERING = 10  # seconds that a ParaView server may take


def load(settings):
    """ParaView with the plugin, on the remote server where one is named."""
    from paraview import simple
    if settings["server"]:
        host, port = settings["server"]
        if simple.Connect(host, port, timeout=ANSWERING) is None:
            raise RuntimeError("the ParaView server %s:%d does not answer" % (host, port))
        simple.LoadPlugin(settings["server_plugin"], remote=True)
    simple.LoadPlugin(settings["plugin"], remote=False)
    simple.LoadPalette("WhiteBackground")  # as the page's own


def model_information(folder):
    """What the model is, in a line. Raises RuntimeError for a folder that cannot be used."""
    from lvlm import pipeline
    inference = pipeline.proxy_class("LLaVAInference")()
    inference.ModelDirectory = folder
    inference.UpdateVTKObjects()
    for name in ("ModelInformation", "LayerRange"):
        inference.SMProxy.UpdatePropertyInformation(inference.SMProxy.GetProperty(name))
    if inference.SMProxy.GetProperty("LayerRange").GetElement(0) == 0:
        raise RuntimeError(inference.ModelInformation)
    return inference.ModelInformation


def first_view():
    """An empty view that has drawn. Raises RuntimeError where there is nothing to draw on, which would end the process."""
    from paraview import simple
    from vtkmodules.vtkRenderingCore import vtkRenderWindow
    if vtkRenderWindow().IsA("vtkXOpenGLRenderWindow"):
        fault = screen.fault_of(os.environ.get("DISPLAY", ""))
        if fault:
            raise RuntimeError(fault)
    view = simple.CreateView("RenderView")
    view.ViewSize = PROBE
    view.StillRender()
    return view


def only_for_the_front(application, key):
    from aiohttp import web

    @web.middleware
    async def check(request, handler):
        if not hmac.compare_digest(request.headers.get(KEY, "").encode(), key.encode()):
            raise web.HTTPForbidden(text="This port is not for browsers.")
        return await handler(request)
    application.middlewares.append(check)


def serve(channel, settings):
    import asyncio
    from trame.app import get_server
    load(settings)
    view = first_view()
    settings["model_information"] = model_information(settings["model"])
    from lvlm_web.app import App
    from lvlm_web.page import build
    server = get_server("lvlm", client_type="vue3")
    app = App(server, channel, settings)
    app.turned = build(server, view)
    server.controller.on_server_bind.add(lambda wslink: only_for_the_front(wslink.app, settings["key"]))

    def ready(**_):
        # Idle, the process hears the channel's end; `abort` comes too late then, and counts for nothing.
        asyncio.get_event_loop().add_reader(channel.socket.fileno(), channel.receive)
        channel.send(ready=server.port, www=server._www, serve={name: str(path) for name, path in server.serve.items()})
    server.controller.on_server_ready.add(ready)
    server.start(port=0, host="127.0.0.1", open_browser=False, show_connection_info=False, timeout=0)


def main():
    logging.basicConfig(level=logging.WARNING)
    channel = Channel(int(sys.argv[1]))
    settings = channel.first()
    channel.folder = settings["folder"]
    sys.argv[1:] = []  # trame reads it
    try:
        serve(channel, settings)
    except Exception as error:
        logging.exception("lvlm-web")
        channel.send(failed=str(error) or type(error).__name__)
        os._exit(1)


if __name__ == "__main__":
    main()
