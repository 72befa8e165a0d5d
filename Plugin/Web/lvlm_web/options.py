# SPDX-License-Identifier: Apache-2.0
"""What `lvlm-web` is told on its command line."""
import argparse
import json
import os
import socket

from . import guard


class Options(argparse.Namespace):
    def for_process(self):
        """What a visitor's process needs to know."""
        return {"plugin": self.plugin, "server_plugin": self.server_plugin or self.plugin, "server": self.server, "model": self.model,
                "model_name": os.path.basename(os.path.normpath(self.model)) if self.model else "embedded model TinyLlava",
                "examples": self.examples, "uploads": self.uploads, "pixels": self.megapixels * 1000000}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message):
        self.exit(2, "lvlm-web: %s\n" % message)


def parse(arguments):
    parser = Parser(prog="lvlm-web", description="Serves a page in the browser: ask a large vision-language model "
                                     "about a picture, and see where it looked.")
    add = parser.add_argument
    add("--model", default="", metavar="FOLDER", help="checkpoint folder in Hugging Face's format; default: the embedded model")
    add("--port", type=number(0, 65535), default=8080, help="default: 8080; 0: a free one")
    add("--host", default="127.0.0.1", help="address to listen at; default: 127.0.0.1. Any other than a loopback address asks for a "
        "token, which the printed address has at its end")
    add("--server", type=server, metavar="HOST:PORT", help="a running pvserver, which then has the model and draws; for one visitor at a time")
    add("--server-plugin", metavar="FILE", help="LVLMInterpret.so on the server's disk, where it is another than here")
    add("--visitors", type=number(1, 1000), default=8, help="how many at a time; default: 8")
    add("--at-once", type=number(1, 100), default=1, help="how many of them compute at a time, the others wait; default: 1")
    add("--upload-megabytes", type=number(1, 1000), default=20, help="of a picture's file; default: 20")
    add("--megapixels", type=number(1, 1000), default=50, help="of a picture; default: 50")
    add("--uploads", type=number(1, 1000), default=20, help="pictures of a visitor; default: 20")
    add("--leave-after", type=number(1, 86400), default=60, metavar="SECONDS", help="a visitor whose browser is gone for so long has left; default: 60")
    add("--idle", type=number(1, 604800), default=7200, metavar="SECONDS", help="a page that nobody used for so long ends; default: 7200")
    add("--folder", help="where uploaded pictures are kept, each visitor's in a folder of its own, until he leaves; default: the system's. "
        "With --server one that the server sees under the same name")
    add("--verbose", action="store_true", help="tells who comes and goes")
    for name in ("--plugin", "--pvpython", "--example-folder"):  # from the launcher
        add(name, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments, Options())
    if options.model and not options.server:
        require_model(parser, options.model)
        options.model = os.path.abspath(options.model)
    if options.folder is not None and not os.path.isdir(options.folder):
        parser.error("--folder %s: there is no such folder" % options.folder)
    if options.server:
        options.visitors = 1
    options.examples = examples(options.example_folder)
    options.upload_bytes = options.upload_megabytes << 20
    options.token = "" if guard.is_loopback(options.host) else guard.new_secret()
    options.shown_host = socket.gethostname() if options.host in ("0.0.0.0", "::", "") else options.host
    return options


def examples(folder):
    """The pictures that come with the embedded model: title, file, and a question that it can answer."""
    with open(os.path.join(folder, "scenes.json"), encoding="utf-8") as file:
        scenes = json.load(file)["scenes"]
    return [(scene["name"].replace("_", " "), os.path.join(folder, scene["image"]), scene["questions"][0]["question"]) for scene in scenes]


def require_model(parser, folder):
    """What would be told at the first question, told at once. What the folder holds, the plugin looks at."""
    try:
        os.listdir(folder)
        with open(os.path.join(folder, "config.json"), "rb"):
            pass
    except OSError as error:
        parser.error("--model %s: %s" % (error.filename, error.strerror))


def number(low, high):
    def convert(text):
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError("%d is not between %d and %d" % (value, low, high))
        return value
    convert.__name__ = "whole number"
    return convert


def server(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError("%r is not HOST:PORT" % text)
    return host.strip("[]"), int(port)
