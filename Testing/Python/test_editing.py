# SPDX-License-Identifier: Apache-2.0
"""Edits of a picture against numpy, what a model will see of it, and asking about it again.

Tolerance of a blur: 1 of 255, where a mean lies between two bytes.
"""
import json
import os
import pathlib
import re

import lvlm_testing as lt
import numpy as np
from paraview import simple

SCENES = pathlib.Path(__file__).resolve().parents[2] / "Models" / "TinyLlava" / "scenes"
STAR = str(SCENES / "star_left_of_circle.png")
QUESTION = "What color is the star?"


def made_up(width=61, height=40):
    """Rows from the top."""
    return np.random.default_rng(4).integers(0, 256, (height, width, 3), dtype=np.uint8)


def rectangle(shape, x0, y0, x1, y1):
    """Where pixels are, rows from the top; y counts from the bottom."""
    inside = np.zeros(shape[:2], bool)
    inside[::-1][y0:y1 + 1, x0:x1 + 1] = True
    return inside


def brush(shape, radius, *path):
    """Pixels whose middle is near enough to one of many points of the line: a sampled line, not a formula for its distance."""
    y, x = np.mgrid[:shape[0], :shape[1]]
    y = shape[0] - 1 - y
    points = np.array(path, float).reshape(-1, 2)
    line = np.concatenate([points[:1]] + [np.linspace(a, b, 4001) for a, b in zip(points, points[1:])])
    return np.any([(x - px) ** 2 + (y - py) ** 2 <= radius ** 2 for px, py in line], axis=0)


def rounded(values):
    return np.floor(np.asarray(values) + 0.5).astype(np.uint8)


def box_mean(values, reach):
    """Along the first axis, the edges repeated."""
    padded = np.pad(values, [(reach, reach)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    return np.mean([padded[i:i + len(values)] for i in range(2 * reach + 1)], axis=0)


def blurred(picture):
    reach = max(1, min(picture.shape[:2]) // 24)
    result = picture.astype(float)
    for _ in range(3):
        result = box_mean(result.swapaxes(0, 1), reach).swapaxes(0, 1)
    for _ in range(3):
        result = box_mean(result, reach)
    return result


def ring(inside, width=3):
    """Pixels that are not inside but no more than so many away, also along diagonals."""
    padded = np.pad(inside, width)
    near = np.any([padded[dy:dy + inside.shape[0], dx:dx + inside.shape[1]]
                   for dy in range(2 * width + 1) for dx in range(2 * width + 1)], axis=0)
    return near & ~inside


def noise(shape):
    """SplitMix64 by its authors' formula."""
    z = (np.arange(1, shape[0] * shape[1] + 1, dtype=np.uint64)) * np.uint64(0x9e3779b97f4a7c15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
    z ^= z >> np.uint64(31)
    return np.stack([(z >> np.uint64(8 * c)).astype(np.uint8) for c in range(3)], axis=-1).reshape(shape)


class EditTest(lt.TestCase):
    def setUp(self):
        super().setUp()
        import lvlm
        self.lvlm = lvlm

    def write(self, pixels, name="picture.ppm"):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(b"P6\n%d %d\n255\n" % (pixels.shape[1], pixels.shape[0]) + np.ascontiguousarray(pixels).tobytes())
        return path

    def pixels(self, source, port=0):
        """Rows from the top."""
        image = lt.fetch(source, port)
        width, height, _ = image.GetDimensions()
        return lt.array(image.GetPointData().GetArray("picture")).reshape(height, width, 3)[::-1]


class Pixels(EditTest):
    def edited(self, picture, *edits):
        return self.pixels(simple.LVLMEditPicture(Input=simple.LVLMPictureReader(FileName=self.write(picture)), Edits=list(edits)))

    def test_fills(self):
        picture = made_up()
        shapes = {"rectangle 5 3 30 20": rectangle(picture.shape, 5, 3, 30, 20), "rectangle 60 0 60 39": rectangle(picture.shape, 60, 0, 60, 39),
                  "brush 4.5 10 10 40 30 42 5": brush(picture.shape, 4.5, 10, 10, 40, 30, 42, 5),
                  "brush 6 -2 38": brush(picture.shape, 6, -2, 38)}
        for shape, inside in shapes.items():
            self.assertTrue(0 < inside.sum() < inside.size)
            wanted = {"mean": rounded(picture.reshape(-1, 3).mean(axis=0)), "surrounding": rounded(picture[ring(inside)].mean(axis=0)),
                      "blur": blurred(picture)[inside], "noise": noise(picture.shape)[inside], "black": 0, "white": 255}
            for fill, values in wanted.items():
                found = self.edited(picture, "%s %s" % (shape, fill))
                np.testing.assert_array_equal(found[~inside], picture[~inside], "%s %s" % (shape, fill))
                worst = np.abs(found[inside].astype(float) - values).max()
                self.assertLessEqual(worst, 0.51 if fill == "blur" else 0, "%s %s" % (shape, fill))
        np.testing.assert_array_equal(self.edited(picture, "rectangle 5 3 30 20"), self.edited(picture, "rectangle 5 3 30 20 mean"))

    def test_a_blur_is_that_of_the_whole_picture(self):
        picture = made_up(150, 130)  # reach 5
        inside = rectangle(picture.shape, 40, 50, 90, 100)
        found = self.edited(picture, "rectangle 40 50 90 100 blur")[inside]
        self.assertLessEqual(np.abs(found - blurred(picture)[inside]).max(), 0.51)
        self.assertLess(found.std(), picture[inside].std() / 10)

    def test_edits_come_one_after_the_other_and_the_crop_last(self):
        picture = made_up()
        found = self.edited(picture, "crop 0 0 3 3", "rectangle 10 10 40 30 white", "crop 8 9 42 35", "rectangle 20 15 50 20 surrounding", " ")
        wanted = picture.copy()
        wanted[rectangle(picture.shape, 10, 10, 40, 30)] = 255
        second = rectangle(picture.shape, 20, 15, 50, 20)
        wanted[second] = rounded(wanted[ring(second)].mean(axis=0))
        np.testing.assert_array_equal(found, wanted[::-1][9:36, 8:43][::-1])

    def test_a_picture_without_surrounding_has_its_mean(self):
        picture = made_up()
        found = self.edited(picture, "rectangle 0 0 60 39 surrounding")
        self.assertEqual(np.unique(found.reshape(-1, 3), axis=0).tolist(), [rounded(picture.reshape(-1, 3).mean(axis=0)).tolist()])

    def test_bad_edits_are_named(self):
        reader = simple.LVLMPictureReader(FileName=self.write(made_up()))
        for edit, needles in (
                ("circle 1 2 3", ("'circle 1 2 3'", "none of rectangle, brush, crop")), ("rectangle 1 2 3", ("'rectangle 1 2 3'", "four numbers")),
                ("rectangle 1 2 3 x", ("'x'", "place")), ("rectangle 1 2 3.5 4", ("3.5", "whole")), ("rectangle 1 2 3 4 green", ("four numbers", "5")),
                ("rectangle 1 2 61 4", ("x = 1 to 61", "0 to 60")), ("rectangle 5 2 4 4", ("x = 5 to 4",)), ("crop 0 0 1 40", ("y = 0 to 40", "0 to 39")),
                ("crop 0 0 1 1 mean", ("no fill",)), ("brush 3", ("radius and points",)), ("brush 3 1", ("radius and points",)),
                ("brush 0 1 1", ("radius 0",)), ("brush -1 1 1", ("radius -1",)), ("brush nan 1 1", ("'nan'",)), ("brush 1e9 1 1", ("'1e9'",)),
                ("brush 3 500 500", ("touches no pixel", "61 x 40")), ("brush 1" + " 1 1" * 20001, ("20001 points", "20000")), ("mean", ("none of",))):
            with self.subTest(edit[:40]):
                proxy = simple.LVLMEditPicture(Input=reader, Edits=[edit])
                self.assertReports(proxy.UpdatePipeline, *needles)
                self.assertEqual(proxy.GetClientSideObject().GetOutputDataObject(0).GetNumberOfPoints(), 0)

    def test_a_state_file_keeps_edits(self):
        source = simple.LVLMEditPicture(registrationName="edited", Input=simple.LVLMPictureReader(FileName=self.write(made_up())),
                                        Edits=["rectangle 1 2 30 20 noise", "crop 3 3 50 35"])
        before = self.pixels(source).copy()
        simple.SaveState(self.path("state.pvsm"))
        simple.ResetSession()
        simple.LoadState(self.path("state.pvsm"))
        np.testing.assert_array_equal(self.pixels(simple.FindSource("edited")), before)


class Seen(EditTest):
    def test_what_is_cut_is_told(self):
        """Of 1200 x 400 pixels the embedded model sees the middle third, unless it is padded or squeezed."""
        picture = np.full((400, 1200, 3), 255, np.uint8)
        picture[100:300, 50:250] = (255, 0, 0)
        picture[100:300, 950:1150] = (0, 0, 255)
        path = self.write(picture)
        seen = self.lvlm.preview(path)
        self.assertEqual(seen.text, "The model sees 33 % of the picture: columns 400 to 799 of 1200. The rest is cut off.")
        self.assertEqual((seen.part, seen.size, seen.small.shape), ([400, 800, 0, 400], [1200, 400], (171, 512, 3)))
        self.assertEqual(np.unique(seen.seen).tolist(), [255], "both shapes are gone")
        for mode, whole in (("Pad", True), ("Resize", True), ("Crop", False)):
            seen = self.lvlm.preview(path, image_mode=mode)
            self.assertEqual("whole picture" in seen.text, whole, mode)
            self.assertEqual(seen.part, [0, 1200, 0, 400] if whole else [400, 800, 0, 400])
            self.assertEqual((seen.seen[..., 2] > seen.seen[..., 0].astype(int) + 99).any(), whole, "blue with " + mode)
        tall = self.lvlm.preview(self.write(np.swapaxes(picture, 0, 1), "tall.ppm"))
        self.assertEqual((tall.text, tall.part), ("The model sees 33 % of the picture: rows 400 to 799 of 1200 from the top. The rest is cut off.", [0, 400, 400, 800]))

    def test_it_is_what_the_model_is_shown(self):
        picture = self.write(made_up(300, 200))
        for mode in ("Default", "Crop", "Pad", "Resize"):
            trace = self.lvlm.ask(picture, QUESTION, image_mode=mode, max_new_tokens=1, layout=False)
            width, height = self.lvlm.views.picture_size(trace)
            shown = lt.array(lt.block(lt.fetch(trace), "image").GetPointData().GetArray(0)).reshape(height, width, 3)[::-1]
            np.testing.assert_array_equal(self.lvlm.preview(picture, image_mode=mode).seen, shown, mode)

    def test_edits_and_a_crop(self):
        picture = made_up(300, 200)
        path = self.write(picture)
        seen = self.lvlm.preview(path, edits=["rectangle 0 0 99 99 black", "crop 100 50 219 149"], longest=300)
        self.assertEqual(seen.size, [300, 200])
        # CLIP makes 201 x 168 of the part's 120 x 100, and cuts off what is left of column 16 and right of column 184.
        np.testing.assert_allclose(seen.part, [100 + 16 * 120 / 201, 100 + 184 * 120 / 201, 50, 150])
        inside = rectangle(picture.shape, 0, 0, 99, 99)
        self.assertEqual(np.abs(seen.small[inside]).max(), 0)
        np.testing.assert_array_equal(seen.small[~inside], picture[~inside], "the uncropped picture")
        self.assertEqual(simple.GetSources(), {}, "nothing stays")

    def test_tiles(self):
        model = str(pathlib.Path(__file__).resolve().parents[1] / "Data" / "llava" / "next-llama")
        seen = self.lvlm.preview(self.write(made_up(90, 30)), model=model)
        self.assertRegex(seen.text, r"^The model sees the whole picture once, and again in \d x \d tiles of \d+ x \d+ pixels\.$")
        self.assertEqual(seen.part, [0, 90, 0, 30])
        rows, cols, edge = map(int, re.search(r"in (\d) x (\d) tiles of (\d+)", seen.text).groups())
        self.assertEqual(seen.seen.shape, (rows * edge, cols * edge, 3))
        self.assertRaisesText(lambda: self.lvlm.preview(self.write(made_up(90, 30)), model=model, image_mode="Crop"), "ImageMode must be Default")

    def test_errors(self):
        with lt.Errors() as errors:
            self.assertRaisesText(lambda: self.lvlm.preview(self.path("none.png")), "none.png")
            self.assertRaisesText(lambda: self.lvlm.preview(STAR, edits=["crop 0 0 168 1"]), "0 to 167")
            self.assertRaisesText(lambda: self.lvlm.preview(STAR, model=self.folder.name), "config.json")
            self.assertRaisesText(lambda: self.lvlm.preview(7), "7")
            told = json.loads(self.lvlm.seeing.write_preview(self.folder.name, STAR, ["crop 0 0 168 1"]))
        self.assertEqual(errors.text, "")
        self.assertIn("0 to 167", told["error"])
        self.assertTrue(os.path.exists(self.path("small.png")) and not os.path.exists(self.path("seen.png")))


class Asking(EditTest):
    def test_ask_without_the_star(self):
        """What is asked about the edited picture is answered as if somebody had edited the file."""
        lvlm = self.lvlm
        first = lvlm.ask(STAR, QUESTION, layout=False)
        edits = ["rectangle 10 60 70 120 surrounding"]
        second = lvlm.edit_and_ask(first, edits)
        self.assertIn("red", lvlm.answer(first))
        self.assertNotIn("red", lvlm.answer(second))
        names = [name for name, _ in simple.GetLayouts()]
        self.assertIn("Compare: %s | %s (2)" % (QUESTION, QUESTION), names)
        file = self.write(self.pixels(simple.FindSource("Edited (star_left_of_circle.png)")), "mine.ppm")
        third = lvlm.ask(file, QUESTION, layout=False)
        np.testing.assert_array_equal(lt.column(lt.fetch(simple.LVLMTokens(Input=third)), "logprob"),
                                      lt.column(lt.fetch(simple.LVLMTokens(Input=second)), "logprob"))
        # An edit of an edit; a part alone; and everything goes with its question.
        fourth = lvlm.edit_and_ask(second, ["crop 84 42 167 125"], question="What shape is blue?")
        self.assertEqual((lvlm.question(fourth), lvlm.answer(fourth)), ("What shape is blue?", lvlm.answer(fourth)))
        said = [lt.column(lt.fetch(source), "Text")[0] for source in simple.GetSources().values() if source.GetXMLName() == "LVLMCaption"]
        self.assertTrue(any("another part of the picture each" in text for text in said), said)
        for trace in (third, fourth, second, first):
            lvlm.remove(trace)
        self.assertEqual([name for name, _ in simple.GetSources()], [])

    def test_the_mode_stays(self):
        lvlm = self.lvlm
        picture = np.full((100, 300, 3), 255, np.uint8)
        first = lvlm.ask(self.write(picture), QUESTION, image_mode="Pad", max_new_tokens=2, layout=False)
        self.assertEqual(lvlm.edit_and_ask(first, ["rectangle 0 0 9 9 black"]).ImageMode, "Pad")

    def test_a_failed_edit_leaves_nothing(self):
        first = self.lvlm.ask(STAR, QUESTION, layout=False)
        before = set(simple.GetSources())
        for edits, needle in ((["circle"], "circle"), ([], "empty"), ([7], "7"), (["crop 0 0 400 1"], "400")):
            with lt.Errors():
                self.assertRaisesText(lambda: self.lvlm.edit_and_ask(first, edits), needle)
        self.assertEqual(set(simple.GetSources()), before)

    def test_a_recorded_trace(self):
        lvlm = self.lvlm
        live = lvlm.ask(STAR, QUESTION, layout=False)
        simple.SaveData(self.path("star.lvlm"), proxy=live)
        recorded = simple.LVLMTraceReader(FileName=self.path("star.lvlm"))
        second = lvlm.edit_and_ask(recorded, ["rectangle 10 60 70 120 mean"])
        self.assertNotIn("red", lvlm.answer(second))


if __name__ == "__main__":
    lt.main()
