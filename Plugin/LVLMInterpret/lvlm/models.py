# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that lie in Hugging Face's cache on this machine."""
import json
import os
import pathlib

from . import pipeline
from .errors import Error

LARGEST_CONFIG = 1 << 20  # bytes; those of models have some thousands


def models(cache=None):
    """The LLaVAs in Hugging Face's cache on this machine, as rows; the last one that was fetched comes first.

    cache: its folder with the `models--*`; default: the one that Hugging Face's own code uses (`HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`,
    else ~/.cache/huggingface/hub). Each row has `name` as on the hub, `folder` (what `ask` takes as `model`), `bytes` of its weights, `usable`, and
    `information`: what it is and what memory a question takes, or why it cannot be used.
    """
    if pipeline.is_remote():
        raise Error("models: the server's disk cannot be looked through from here; name the folder of the model")
    hub = pathlib.Path(cache) if cache is not None else _hub()
    found = [(folder.stat().st_mtime, folder) for folder in sorted(hub.glob("models--*/snapshots/*")) if _is_llava(folder)]
    return pipeline.Rows(_row(folder) for _, folder in sorted(found, reverse=True))


def _hub():
    environment = os.environ.get
    home = environment("HF_HOME") or os.path.join(environment("XDG_CACHE_HOME") or os.path.join("~", ".cache"), "huggingface")
    return pathlib.Path(os.path.expanduser(environment("HF_HUB_CACHE") or os.path.join(home, "hub")))


def _is_llava(folder):
    """Whether its configuration says so; what is no folder of a model is passed over."""
    try:
        with open(folder / "config.json", "rb") as file:
            config = json.loads(file.read(LARGEST_CONFIG))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and "llava" in str(config.get("model_type", ""))


def _row(folder):
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors") if file.exists())  # links, broken ones where a fetch ended early
    usable, information = _probe(folder)
    name = folder.parents[1].name[len("models--"):].replace("--", "/")
    return {"name": name, "folder": str(folder), "bytes": size, "usable": usable, "information": information}


def _probe(folder):
    proxy = pipeline.proxy_class("LLaVAInference")()  # registered nowhere: no source of the pipeline
    proxy.ModelDirectory = str(folder)
    proxy.UpdateVTKObjects()

    def told(name):
        """Of one property alone: others would ask for a picture."""
        proxy.SMProxy.UpdatePropertyInformation(proxy.SMProxy.GetProperty(name))
        return proxy.SMProxy.GetProperty(name).GetElement(0)

    information, usable = told("ModelInformation"), told("LayerRange") != 0
    return usable, information + ("; " + told("CostInformation").split(":")[0] if usable else "")
