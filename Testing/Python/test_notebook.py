# SPDX-License-Identifier: Apache-2.0
"""Runs Examples/Notebook/first_question.ipynb with nbclient in the system's Python, and looks at what its cells show.

Not in pvpython: a notebook's kernel is a python3 that imports ParaView.
"""
import base64
import html.parser
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest

try:
    import nbclient
    import nbformat
    import numpy as np
    from PIL import Image
except ImportError as error:
    print("skipped: %s (apt-get install python3-nbclient python3-ipykernel python3-pandas python3-pil)" % error)
    sys.exit(0)

SOURCE = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOK = SOURCE / "Examples" / "Notebook" / "first_question.ipynb"
# What the outputs are compared with, from the filters themselves.
FILTERS = """
import json
from paraview import servermanager
from vtkmodules.util.numpy_support import vtk_to_numpy
heat = simple.LVLMAttentionMap(Input=trace, AnswerTokens=[lvlm.telling_token(trace)])
def pixels(source, **properties):
    image = servermanager.Fetch(simple.LVLMOverlay(Input=source, **properties))
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetArray("overlay")).reshape(height, width, 3)[::-1].tolist()
summary = servermanager.Fetch(simple.LVLMHeadSummary(Input=trace, AnswerTokens=[lvlm.telling_token(trace)]), idx=1)
print(json.dumps({"picture": pixels(trace), "heat": pixels(heat, ColorMap="Inferno"), "answer": trace.Answer,
                  "attention": vtk_to_numpy(summary.GetColumnByName("attention")).tolist()}))
"""
OTHERS = """
unasked = simple.LLaVAInference(Input=simple.FindSource("star_left_of_circle.png"), Prompt="What shape is it?")
unasked
"""
REPR = "<paraview.servermanager."


class Html(html.parser.HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, text):
        self.text += text

    def pictures(self):
        return [np.asarray(Image.open(io.BytesIO(base64.b64decode(found["src"].partition("base64,")[2]))))
                for tag, found in self.tags if tag == "img"]


class Notebook(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.place = pathlib.Path(cls.folder.name) / "Examples" / "Notebook"  # as in a checkout, to which nothing is written
        cls.place.mkdir(parents=True)
        (pathlib.Path(cls.folder.name) / "Models").symlink_to(SOURCE / "Models")
        cls.notebook = nbformat.read(NOTEBOOK, as_version=4)
        nbformat.validate(cls.notebook)
        cls.stored = [cell.outputs for cell in cls.notebook.cells if cell.cell_type == "code"]
        cls.notebook.cells += [nbformat.v4.new_code_cell(source) for source in (FILTERS, OTHERS)]
        nbclient.NotebookClient(cls.notebook, timeout=240, resources={"metadata": {"path": str(cls.place)}}).execute()
        if os.environ.get("LVLM_KEEP"):
            nbformat.write(cls.notebook, os.path.join(os.environ["LVLM_KEEP"], "executed.ipynb"))

    def result(self, beginning):
        """What the cell that begins so shows, by MIME type; and the output with it."""
        cell = next(cell for cell in self.notebook.cells if cell.cell_type == "code" and cell.source.strip().startswith(beginning))
        found = [output for output in cell.outputs if output.output_type == "execute_result"]
        self.assertEqual(len(found), 1, cell.outputs)
        return found[0].data, found[0]

    def filters(self):
        cell = next(cell for cell in self.notebook.cells if cell.source == FILTERS)
        return json.loads("".join(output.text for output in cell.outputs if output.get("name") == "stdout"))

    def test_it_is_stored_without_outputs(self):
        self.assertEqual(self.stored, [[]] * len(self.stored))
        self.assertLess(NOTEBOOK.stat().st_size, 10000)

    def test_a_trace_shows_picture_words_and_map(self):
        data, _ = self.result("trace = lvlm.ask")
        self.assertLess(len(data["text/html"]), 400000)
        shown, expected = Html(data["text/html"]), self.filters()
        self.assertIn("What color is the star?", shown.text)
        words = [attributes for tag, attributes in shown.tags if tag == "span"]
        self.assertEqual(len(words), 6)  # The star is red . </s>
        self.assertIn("Thestarisred.", shown.text)
        self.assertEqual(expected["answer"], "The star is red.")
        self.assertTrue(all("%" in word["title"] and "background-color" in word["style"] for word in words))
        self.assertEqual(["border" in word["style"].replace("border-radius", "") for word in words], [False] * 3 + [True] + [False] * 2)
        picture, heat = shown.pictures()
        np.testing.assert_array_equal(picture, expected["picture"])
        np.testing.assert_array_equal(heat, expected["heat"])
        self.assertGreater(np.abs(heat.astype(int) - picture).max(), 50)
        self.assertFalse({tag for tag, _ in shown.tags} & {"script", "style", "iframe"})

    def test_tables(self):
        shown = Html(self.result("lvlm.tokens")[0]["text/html"])
        self.assertEqual(sum(tag == "tr" for tag, _ in shown.tags), 7)
        self.assertIn("probability", shown.text)
        frame = Html(self.result("heads = lvlm.rows")[0]["text/html"])
        best = max(self.filters()["attention"])
        self.assertIn("%.6f" % best, frame.text)

    def test_a_preset_shows_itself(self):
        data, output = self.result("lvlm.show_relevancy")
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")).astype(int)
        self.assertEqual(pixels.shape, (900, 1600, 3))
        for left in (0, 512, 1024):  # two maps side by side, and the words
            self.assertGreater(pixels[100:800, left:left + 500].std(), 8)
        self.assertEqual(output.metadata["image/png"]["width"], 800)

    def test_the_page_is_there(self):
        data, _ = self.result("lvlm.save_page")
        self.assertIn("first_question.html", data["text/plain"])
        self.assertIn("What color is the star?", (self.place / "first_question.html").read_text(encoding="utf-8"))

    def test_what_has_not_run_is_not_run_to_be_shown(self):
        data, _ = self.result("unasked")
        self.assertEqual(list(data), ["text/plain"])
        self.assertTrue(data["text/plain"].startswith(REPR))


if __name__ == "__main__":
    unittest.main(verbosity=2)
