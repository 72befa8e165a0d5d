# SPDX-License-Identifier: Apache-2.0
"""Damaged and hostile traces, one table: each is refused with the file's name and what is wrong, and the next good file opens."""
import json
import struct

import numpy as np

import lvlm_testing as lt
from paraview import simple


# One of two tensors with shapes that contradict each other: either may be named.
TOGETHER = {"answer.topk_id": "answer.topk_", "answer.topk_logprob": "answer.topk_", "attention.full.layers": "attention.full"}


class Content:
    """The parts of a good trace, to be spoilt."""

    def __init__(self, path):
        with open(path, "rb") as file:
            content = file.read()
        size, = struct.unpack("<Q", content[:8])
        self.header, self.body = json.loads(content[8:8 + size]), content[8 + size:]
        self.length = None  # what the file says of its header; None: the truth

    @property
    def text(self):
        return json.dumps(self.header).encode()

    def bytes(self, text=None):
        text = self.text if text is None else text
        return struct.pack("<Q", len(text) if self.length is None else self.length) + text + self.body


class Hostile(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.data = lt.TraceData()
        self.good = self.data.write(self.path("good.lvlm"), tensors=self.data.more_tensors())
        self.count = 0

    def refuses(self, content, *needles):
        """A reader of these bytes reports, with the file's name, and then reads a good file."""
        self.count += 1
        path = self.path(f"bad{self.count}.lvlm")
        with open(path, "wb") as file:
            file.write(content)
        reader = simple.LVLMTraceReader(FileName=path)
        self.assertReports(reader.UpdatePipeline, path, *needles)
        output = reader.GetClientSideObject().GetOutputDataObject(0)
        self.assertEqual(output.GetNumberOfBlocks(), 0)
        reader.FileName = self.good
        with lt.Errors() as errors:
            reader.UpdatePipeline()
        self.assertEqual(errors.text, "")
        self.assertGreater(reader.GetClientSideObject().GetOutputDataObject(0).GetNumberOfBlocks(), 8)
        simple.Delete(reader)

    def changed(self, change):
        """The good file after `change(content)`."""
        content = Content(self.good)
        text = change(content)
        return content.bytes(text)

    def test_truncated(self):
        """At the header's borders, inside of it, and around the border of every tensor."""
        whole = open(self.good, "rb")
        with whole:
            content = whole.read()
        parts = Content(self.good)
        begin = len(content) - len(parts.body)
        cuts = {0, 1, 7, 8, 9, begin // 2, begin - 1, begin, len(content) - 1}
        for name, entry in parts.header.items():
            if name != "__metadata__":
                cuts |= {begin + entry["data_offsets"][0] + shift for shift in (-1, 0, 1)}
        for cut in sorted(cuts):
            needle = "empty" if cut == 0 else "truncated"
            with self.subTest(bytes=cut, of=len(content)):
                self.refuses(content[:cut], needle)

    def test_headers(self):
        def length(value):
            def change(content):
                content.length = value
            return change

        def replaced(old, new):
            return lambda content: content.text.replace(old, new, 1)

        def offsets(name, pair):
            def change(content):
                content.header[name]["data_offsets"] = pair
            return change

        tensor = "answer.logprob"
        first, last = Content(self.good).header[tensor]["data_offsets"]
        size = len(Content(self.good).body)
        for what, change, *needles in (
                ("a header of 16 exabytes", length(2**64 - 1), "header length 18446744073709551615"),
                ("a header longer than the file", length(10**6), "header length 1000000", "truncated"),
                ("a header cut short", length(50), "malformed JSON"),
                ("no header", length(0), "malformed JSON"),
                ("a list", lambda content: b"[]", "not a JSON object"),
                ("zeros", lambda content: bytes(64), "malformed JSON"),
                ("deep nesting", lambda content: b'{"a":' * 50000, "nested deeper than 64"),
                ("deep nesting in the metadata", lambda content: b'{"__metadata__":' + b"[" * 1000 + b"]" * 1000 + b"}", "nested deeper"),
                ("no UTF-8", replaced(b"lvlm-trace", b"lvlm\xfftrace"), "UTF-8"),
                ("half a surrogate", replaced(b"lvlm-trace", b"lvlm\\ud800"), "malformed JSON"),
                ("a key twice", replaced(b'"version"', b'"format"'), '"format" stands twice'),
                ("a tensor twice", replaced(b'"relevancy.vision"', b'"relevancy.joint"'), '"relevancy.joint" stands twice'),
                ("metadata of numbers", replaced(b'"version": "1"', b'"version": 1'), "'version' is not a string"),
                ("an entry without type", replaced(b'"dtype": "U8", ', b""), "'image'", "without dtype"),
                ("offsets as text", offsets(tensor, ["0", "20"]), f"'{tensor}'", "not a length"),
                ("three offsets", offsets(tensor, [0, 8, 20]), f"'{tensor}'", "data_offsets"),
                ("negative offsets", offsets(tensor, [-20, 0]), f"'{tensor}'", "-20"),
                ("offsets with fractions", offsets(tensor, [0.5, 20.5]), f"'{tensor}'", "0.5"),
                ("offsets that go back", offsets(tensor, [last, first]), f"'{tensor}'", "data_offsets"),
                ("offsets behind the end", offsets(tensor, [size, size + 20]), f"'{tensor}'", f"leave the {size} bytes"),
                ("offsets that wrap around", offsets(tensor, [2**64 - 20, 2**64 - 1]), f"'{tensor}'", "18446744073709551615"),
                ("offsets beyond 64 bits", offsets(tensor, [0, 2**70]), f"'{tensor}'", "not a length"),
                ("no whole number of elements", offsets(tensor, [first, last - 1]), f"'{tensor}'", "does not fill"),
                ("two tensors in one place", offsets(tensor, [first + 4, last + 4]), f"'{tensor}'", "overlap"),
                ("two tensors at one place", offsets("relevancy.joint", Content(self.good).header["relevancy.vision"]["data_offsets"]),
                 "'relevancy.joint'", "overlap")):
            with self.subTest(what):
                self.refuses(self.changed(change), *needles)

    def test_tensors_of_a_wrong_kind(self):
        """Each known tensor with another type and with other shapes of the same size or kind."""
        data = self.data
        T, K, cells, L, H = data.T, data.K, data.rows * data.cols, data.layers, data.heads
        for name, wrong in {
                "image": (np.zeros((30, 56, 3), "f4"), np.zeros((30, 56, 4), "u1"), np.zeros((30, 56), "u1"), np.zeros((0, 56, 3), "u1")),
                "tokens.id": (data.ids.astype("f4"), data.ids[:-1], data.ids[None], np.zeros(0, "i8")),
                "answer.logprob": (np.zeros(T, "i8"), np.zeros(T + 1, "f4"), np.zeros((T, 1), "f4")),
                "answer.topk_id": (np.zeros((T, 3), "f4"), np.zeros((T, 2), "i8"), np.zeros((T, 0), "i8"), np.zeros(T * 3, "i8"), None),
                "answer.topk_logprob": (np.zeros((T, 3), "i8"), np.zeros((T + 1, 3), "f4"), None),
                "attention.answer": (np.zeros((L, H, T, K), "i8"), np.zeros((L, H, T, K + 1), "f4"), np.zeros((L, H, T + 1, K), "f4"),
                                     np.zeros((L * H, T, K), "f4"), np.zeros((0, H, T, K), "f4"), np.zeros((L, 0, T, K), "f4")),
                "attention.full": (np.zeros((L, H, K, K), "u1"), np.zeros((L, H, K, K + 1), "f4"), np.zeros((L - 1, H, K, K), "f4"), None),
                "attention.full.layers": (np.zeros(L, "f4"), np.zeros(L + 1, "i8"), np.zeros((L, 1), "i8"), None),
                "attention.vision": (np.zeros((2, 3, 5, 5), "i8"), np.zeros((2, 3, 5, 4), "f4"), np.zeros((3, 5, 5), "f4")),
                "relevancy.decoder": (np.zeros((T, K), "i8"), np.zeros((T, K - 1), "f4"), np.zeros(K, "f4")),
                "relevancy.vision": (np.zeros((T, cells), "i8"), np.zeros((T, cells + 1), "f4")),
                "relevancy.joint": (np.zeros((T, cells), "u1"), np.zeros((T - 1, cells), "f4")),
                "relevancy.joint_token": (np.zeros((T, cells), "i8"), np.zeros((cells, T), "f4"))}.items():
            for value in wrong:
                with self.subTest(tensor=name, value=None if value is None else (value.dtype.name, value.shape)):
                    path = data.write(self.path("wrong.lvlm"), tensors={**data.more_tensors(), name: value})
                    with open(path, "rb") as file:
                        self.refuses(file.read(), f"'{TOGETHER.get(name, name)}")

    def test_metadata(self):
        data = self.data
        for key, value, needle in (
                ("format", None, "'format' is missing"), ("format", "gguf", "'gguf'"), ("version", "1.0", "'1.0'"), ("version", None, "'version'"),
                ("tokens", None, "'tokens' is missing"), ("tokens", "", "'tokens'"), ("tokens", "{}", "'tokens'"), ("tokens", "[null]", "'tokens'"),
                ("tokens", json.dumps(data.tokens[:-1]), str(len(data.tokens) - 1)), ("tokens", "[]", "prompt_length"),
                ("roles", json.dumps(data.roles[1:]), "roles"), ("roles", json.dumps(["Image"] * len(data.roles)), "'Image'"),
                ("roles", json.dumps(data.roles[::-1]), "position 0"),
                ("prompt_length", "0", "prompt_length 0"), ("prompt_length", str(len(data.roles)), str(len(data.roles))),
                ("prompt_length", "9223372036854775808", "9223372036854775808"), ("prompt_length", " 20", "' 20'"), ("prompt_length", "2e1", "'2e1'"),
                ("prompt_length", "-9223372036854775808", "-9223372036854775808"),
                ("image_start", "-1", "-1"), ("image_start", str(data.P - 3), str(data.P - 3)), ("image_start", "9223372036854775807", "9223372036854775807"),
                ("image_start", str(data.image_start + 1), "position 2"),
                ("prompt_length", "é" * 30, "éé"), ("grid", "a" + "é" * 30, "aéé"), ("grid", "12", "'12'"), ("grid", "3;4", "'3;4'"), ("grid", "-3,-4", "-3,-4"), ("grid", "4,4", "position"), ("grid", "3,4,1", "'4,1'"),
                ("grid", "65537,65537", "65537,65537"), ("grid", "4294967296,4294967296", "grid")):
            with self.subTest(key=key, value=value):
                path = data.write(self.path("wrong.lvlm"), tensors=data.more_tensors(), metadata={key: value})
                with open(path, "rb") as file:
                    self.refuses(file.read(), needle)

    def test_unaligned_tensors_read_well(self):
        """Offsets that are no multiple of the element's size are allowed by the format."""
        data = self.data
        content = Content(data.write(self.path("aligned.lvlm"), tensors=data.more_tensors()))
        moved = {"__metadata__": content.header.pop("__metadata__")}
        for name, entry in content.header.items():  # one byte further than aligned
            moved[name] = {**entry, "data_offsets": [at + 1 for at in entry["data_offsets"]]}
        content.header, content.body = moved, b"\0" + content.body
        with open(self.path("odd.lvlm"), "wb") as file:
            file.write(content.bytes())
        trace = simple.LVLMTraceReader(FileName=self.path("odd.lvlm"))
        attention = lt.block(lt.fetch(trace), "attention.answer").GetPointData().GetArray(0)
        np.testing.assert_array_equal(lt.array(attention).reshape(data.attention.shape), data.attention)


if __name__ == "__main__":
    lt.main()
