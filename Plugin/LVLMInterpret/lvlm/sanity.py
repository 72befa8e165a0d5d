# SPDX-License-Identifier: Apache-2.0
"""Does a map depend on what the model has learned? Its layers are randomized from the top down, and the maps made again.

J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt, B. Kim: Sanity Checks for Saliency Maps, NeurIPS 2018.
"""
import json
import os
import re
import shutil
import tempfile
from contextlib import ExitStack

from paraview import servermanager, simple

try:  # all else of lvlm does without
    import numpy as np
    from .columns import grid
except ImportError:
    np = None

from . import pipeline, traces
from .editing import KEPT, property_value
from .errors import Error

LARGEST = 200 << 20  # bytes of weights: each step writes them anew
NAMES = "model.safetensors", "model.safetensors.index.json"
# Name: filter, its settings, output and array.
MAPS = {
    "attention": ("LVLMAttentionMap", {}, 0, "attention"),
    "rollout": ("LVLMRelevancy", {"Method": "RolloutMean"}, 0, "decoder"),
    "relevancy: decoder": ("LVLMRelevancy", {}, 0, "decoder"),
    "relevancy: joint_token": ("LVLMRelevancy", {}, 0, "joint_token"),
    "relevancy: vision": ("LVLMRelevancy", {}, 0, "vision"),
    "token activation": ("LVLMRelevancy", {"Method": "TokenActivation"}, 0, "activation"),
    "occlusion": ("LVLMOcclusion", {}, 0, "drop"),
    "causal weights": ("LVLMCausalGraph", {}, 3, "weight"),
}


def sanity_check(trace=None, token=None, maps=None, seed=0):
    """Maps of an answer token after the model's parts are randomized one after the other, from the output down to the pixels.

    maps: names, of lvlm.sanity.MAPS; default: all of them. What is randomized has its own numbers in a random order, as seed decides.
    For small models on this machine: each step writes the weights anew. Returns a row for each step and map: `part`, the last one that
    was randomized ("" in the first rows: none yet), `parts`, how many, `map`, `correlation`, Spearman's with the map of the true model
    (nan for a map that is the same everywhere), and `values`, the map, row 0 at the top.
    """
    if np is None:
        raise Error("this Python has no numpy, which the sanity check is made with: apt-get install python3-numpy")
    chosen = list(MAPS) if maps is None else [maps] if isinstance(maps, str) else list(maps)
    for name in chosen:
        if name not in MAPS:
            raise Error("maps: %r is none of %s" % (name, ", ".join(MAPS)))
    trace = traces.resolve(trace)
    token = traces.telling_token(trace) if token is None else traces.check_token(trace, token)
    model = _Model(_folder(trace))
    asked = _Asked(trace, token)
    rows, true, rng = pipeline.Rows(), {}, np.random.default_rng(seed)
    with tempfile.TemporaryDirectory(prefix="lvlm-sanity-") as folder:
        for step in range(len(model.parts) + 1):
            if step > 0:
                model.randomize(step - 1, rng)
            for name, values in asked.maps(model.written(os.path.join(folder, str(step))), folder, chosen).items():
                true.setdefault(name, values)
                rows.append({"part": model.parts[step - 1] if step else "", "parts": step, "map": name,
                             "correlation": spearman(true[name], values), "values": values})
    return rows


def spearman(first, second):
    """Rank correlation of two arrays; equal numbers share their mean rank. nan where one is the same everywhere."""
    ranks = [_ranks(np.ravel(values)) for values in (first, second)]
    first, second = (rank - rank.mean() for rank in ranks)
    size = np.sqrt((first ** 2).sum() * (second ** 2).sum())
    return float((first * second).sum() / size) if size > 0 else float("nan")


def _ranks(values):
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]


def _folder(trace):
    """Where the trace's model lies."""
    if pipeline.is_remote():
        raise Error("sanity_check writes models on this machine's disk: it cannot be used on a server")
    told = _field(trace, "model_directory")
    if not os.path.isfile(os.path.join(told, NAMES[0])):
        raise Error("sanity_check: the trace's model must be a folder with the one file %s: %r" % (NAMES[0], told))
    if os.path.getsize(os.path.join(told, NAMES[0])) > LARGEST:
        raise Error("sanity_check is for small models: %s holds more than %d MB" % (told, LARGEST >> 20))
    return told


def _field(trace, name):
    """A text of the trace's metadata, on this machine."""
    trace.UpdatePipeline()
    told = trace.GetClientSideObject().GetOutputDataObject(0).GetFieldData().GetAbstractArray(name)
    return told.GetValue(0) if told is not None else ""


def read_safetensors(path):
    """Entries of the header, by name, its metadata, and the bytes of all tensors."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return {name: entry for name, entry in header.items() if name != "__metadata__"}, header.get("__metadata__", {}), file.read()


def write_safetensors(path, entries, metadata, data):
    text = json.dumps({"__metadata__": metadata, **entries}).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data)


class _Model:
    """A model's weights, of which parts are randomized."""

    def __init__(self, folder):
        self.folder = folder
        self.entries, self.metadata, data = read_safetensors(os.path.join(folder, NAMES[0]))
        self.data = bytearray(data)
        order = {name: _depth(name) for name in self.entries}
        self.named = {}
        for name in sorted(self.entries, key=lambda name: order[name][0]):
            self.named.setdefault(order[name][1], []).append(name)
        self.parts = list(self.named)

    def randomize(self, part, rng):
        """The numbers of each tensor in a random order, whatever their type."""
        for name in self.named[self.parts[part]]:
            begin, end = self.entries[name]["data_offsets"]
            count = int(np.prod(self.entries[name]["shape"], dtype=np.int64))
            width = (end - begin) // max(count, 1)
            numbers = np.frombuffer(self.data, "u1", end - begin, begin).reshape(count, width) if count else None
            if numbers is not None:
                self.data[begin:end] = rng.permutation(numbers).tobytes()

    def written(self, folder):
        """A folder of the model as it is now."""
        os.mkdir(folder)
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            if os.path.isfile(path) and name not in NAMES:
                shutil.copy(path, folder)
        write_safetensors(os.path.join(folder, NAMES[0]), self.entries, self.metadata, bytes(self.data))
        return folder


def _depth(name):
    """A tensor's place from the output down to the pixels, and what it is a part of."""
    vision, layer = "vision" in name, re.search(r"layers\.(\d+)\.", name)
    number = int(layer.group(1)) if layer else -1
    if vision and layer:
        return (5, -number), "vision layer %d" % number
    if vision:  # post_layernorm, which LLaVA does not use, or what comes before all layers
        return ((5, -10000), "vision norm") if "post_" in name else ((6, 0), "patch embedding")
    if "projector" in name:
        return (4, 0), "projector"
    if layer:
        return (2, -number), "decoder layer %d" % number
    return ((3, 0), "token embeddings") if "embed_tokens" in name else ((1, 0), "output")


def _rows(trace):
    """Of each position: id, token, text and role."""
    with pipeline.temporary("LVLMTokens", Input=trace) as table:
        pipeline.update(table, "the tokens")
        return pipeline.rows(table)


class _Asked:
    """The question with the answer up to a token, to ask any model about."""

    def __init__(self, trace, token):
        self.trace, self.token = trace, token
        rows = _rows(trace)
        first = next(i for i, row in enumerate(rows) if row["role"] == "answer")
        self.told = [row["id"] for row in rows[:first + token]]
        self.said = rows[first + token]
        image = next(row["token"] for row in rows if row["role"] == "image")
        special = rows[0]["token"] if rows[0]["role"] == "special" else ""
        prompt = _field(trace, "prompt")
        prompt = prompt[len(special):] if prompt.startswith(special) else prompt
        self.question = traces.question(trace)
        self.template = prompt.replace(image, "{image}", 1).replace(self.question, "{prompt}", 1) + "".join(row["text"] for row in rows[first:first + token])

    def maps(self, model, folder, chosen):
        """What a model's maps of the token are, [rows, cols] each."""
        settings = {name: property_value(getattr(self.trace, name)) for name in KEPT} if pipeline.xml_name(self.trace) == "LLaVAInference" else {}
        settings.update(ModelDirectory=model, ChatTemplate=self.template, CaptureFull=1, CaptureFullLayers=[], MaxNewTokens=1, Temperature=0)
        path = os.path.join(folder, "asked.lvlm")
        with ExitStack() as stack:
            picture = stack.enter_context(pipeline.temporary("LVLMOverlay", Input=self.trace))
            asked = stack.enter_context(pipeline.temporary("LLaVAInference", Input=picture, Prompt=self.question, ImageMode="Resize", **settings))
            pipeline.update(asked, "asking the model in %s" % model)
            self._require_same(asked)
            servermanager.writers.LVLMTraceWriter(Input=asked, FileName=path).UpdatePipeline()
        self._name_token(path)
        with ExitStack() as stack:
            read = stack.enter_context(pipeline.temporary("LVLMTraceReader", FileName=path))
            pipeline.update(read, "reading what the model in %s did" % model)
            return {name: _map(stack, read, *MAPS[name]) for name in chosen}

    def _require_same(self, asked):
        now = [row["id"] for row in _rows(asked) if row["role"] != "answer"]
        if now != self.told:
            raise Error("sanity_check: the answer up to token %d cannot be asked for again as text: %r becomes other tokens" % (
                self.token, self.template))

    def _name_token(self, path):
        """Makes the recorded answer the true one, which a randomized model need not give: its maps are explained, and it has no
        log-probability that could be compared."""
        entries, metadata, data = read_safetensors(path)
        begin, end = entries["tokens.id"]["data_offsets"]
        data = data[:end - 8] + self.said["id"].to_bytes(8, "little") + data[end:]
        pieces, texts = json.loads(metadata["tokens"]), json.loads(metadata["text"])
        metadata.update(tokens=json.dumps(pieces[:-1] + [self.said["token"]]), text=json.dumps(texts[:-1] + [self.said["text"]]))
        for name in ("answer.topk_token", "answer.topk_text"):
            metadata.pop(name, None)
        gone = ("answer.logprob", "answer.topk_id", "answer.topk_logprob")
        kept, blobs, at = {}, [], 0
        for name, entry in entries.items():
            if name not in gone:
                begin, end = entry["data_offsets"]
                kept[name] = {**entry, "data_offsets": [at, at + end - begin]}
                blobs.append(data[begin:end])
                at += end - begin
        write_safetensors(path, kept, metadata, b"".join(blobs))


def _map(stack, trace, proxy_name, settings, port, array):
    choice = {"AnswerToken": 0} if proxy_name == "LVLMCausalGraph" else {"AnswerTokens": [0]}
    made = stack.enter_context(pipeline.temporary(proxy_name, Input=trace, **settings, **choice))
    pipeline.update(made, "the map %s" % array, port)
    return grid(simple.OutputPort(made, port), [array])[array].astype(float)
