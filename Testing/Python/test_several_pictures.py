# SPDX-License-Identifier: Apache-2.0
"""Questions about several pictures, as the user asks them: whose numbers are right is TestSeveralPictures' matter."""
import json
import os
import pathlib

import lvlm_testing as lt
import numpy as np
from paraview import simple

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENES = ROOT / "Models" / "TinyLlava" / "scenes"
FILES = [str(SCENES / name) for name in ("star_left_of_circle.png", "red_heart.png", "one_ring.png")]
QUESTION = "What color is the star?"
TILED = str(ROOT / "Testing" / "Data" / "llava" / "next-llama")
ONEVISION = str(ROOT / "Testing" / "Data" / "llava" / "onevision-qwen2")


def own(attention, region):
    """What a row of attention has at the patches of a region: [rows, cols]."""
    rows, cols = np.mgrid[:region["rows"], :region["cols"]]
    return attention[region["start"] + rows * region["stride"] + cols]


class SeveralPictures(lt.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        import lvlm.pictures
        cls.lvlm = lvlm

    def ask(self, **options):
        return self.lvlm.ask(FILES, QUESTION, layout=False, **options)

    def written(self, trace):
        """Tensors and metadata of the trace as a file has them."""
        path = self.path("written.lvlm")
        simple.SaveData(path, proxy=trace)
        return lt.read_safetensors(path)

    def test_each_region_is_a_picture(self):
        trace = self.ask()
        tensors, metadata = self.written(trace)
        regions = json.loads(metadata["regions"])
        self.assertEqual([region["image"] for region in regions], list(range(len(FILES))))
        attention = tensors["attention.answer"].astype(float).mean((0, 1))[0]
        heat = simple.LVLMAttentionMap(Input=trace, AnswerTokens=[0])
        self.assertEqual(list(heat.GetPropertyValue("RegionRange")), [-1, len(regions) - 1])
        for number, region in enumerate(regions):
            heat.Region = number
            np.testing.assert_allclose(lt.grid_cells(lt.fetch(heat)), own(attention, region), atol=1e-6)
            shown = tensors["image.%d" % number if number else "image"]
            np.testing.assert_array_equal(self.lvlm.pictures.picture_pixels(heat, Opacity=0), shown)
            self.assertEqual(lt.fetch(heat).GetFieldData().GetAbstractArray("legend").GetValue(0),
                             "Attention to each patch in picture %d of %d" % (number + 1, len(FILES)))
        heat.Region = -1
        np.testing.assert_allclose(lt.grid_cells(lt.fetch(heat)), own(attention, regions[0]), atol=1e-6)

    def test_relevancy_of_another_picture(self):
        """The decoder's is that of the picture's positions; what went through the tower is about the first picture alone."""
        trace = self.ask()
        relevancy = simple.LVLMRelevancy(Input=trace, AnswerTokens=[0])
        tower = {"vision", "joint", "joint_token"}

        def arrays(data):
            return {data.GetCellData().GetArrayName(i) for i in range(data.GetCellData().GetNumberOfArrays())}

        first = lt.fetch(relevancy)
        self.assertTrue(tower <= arrays(first), arrays(first))
        words = lt.fetch(relevancy, 1)
        relevancy.Region = 1
        second = lt.fetch(relevancy)
        self.assertFalse(tower & arrays(second), arrays(second))
        self.assertFalse(np.allclose(lt.grid_cells(first, "decoder"), lt.grid_cells(second, "decoder")))
        for data in (first, second):
            self.assertGreater(lt.grid_cells(data, "decoder").max(), 0)
        self.assertEqual(words.GetNumberOfRows(), lt.fetch(relevancy, 1).GetNumberOfRows())

    def test_a_map_lies_on_its_own_picture(self):
        """Whichever Region is chosen, in a preset that is there already; pictures of different sizes."""
        model = dict(model=TILED, max_new_tokens=2, settings={"ChatTemplate": "USER: {image}\n{prompt} ASSISTANT:"})
        cut = simple.ExtractSubset(Input=simple.LVLMPictureReader(FileName=FILES[1]), VOI=[0, 160, 0, 60, 0, 0])
        for options in ({}, model):
            trace = self.lvlm.ask([FILES[0], cut], QUESTION, layout=False, **options)
            tensors = self.written(trace)[0]
            self.lvlm.show_attention(trace)
            self.lvlm.show_layers(trace)
            for kind in ("LVLMAttentionMap", "LVLMLayerVolume"):
                map_ = next(source for source in self.lvlm.pipeline.below(trace, kind))
                picture = self.lvlm.pipeline.below(map_, "LVLMOverlay")[0]
                for region in (-1, int(map_.GetPropertyValue("RegionRange")[1])):
                    map_.Region = region
                    picture.UpdatePipeline()
                    np.testing.assert_array_equal(self.lvlm.pictures.pixels_of(picture, "overlay"), tensors["image.1" if region > 0 else "image"])
            self.lvlm.remove(trace)

    def test_patches_of_one_region_are_not_taken_for_all_patches(self):
        trace = self.ask()
        heat = simple.LVLMAttentionMap(Input=trace, Region=1)
        heat.UpdatePipeline()
        selection = simple.IDSelectionSource(IDs=[0, 3], FieldType="CELL")
        heat.SMProxy.SetSelectionInput(0, selection.SMProxy, 0)
        self.assertRaisesText(lambda: self.lvlm.selected_patches(trace), "region 1", "Region -1")
        heat.Region = -1
        heat.UpdatePipeline()
        self.assertEqual(self.lvlm.selected_patches(trace), [135])  # VTK's cell 3 of a row of 12, from below

    def test_order_and_changes_count(self):
        trace = self.ask()
        first = self.written(trace)[0]
        trace.FurtherPictures = trace.FurtherPictures[::-1]
        trace.UpdatePipeline()
        second = self.written(trace)[0]
        np.testing.assert_array_equal(first["image.1"], second["image.%d" % (len(FILES) - 1)])
        trace.FurtherPictures = []
        trace.UpdatePipeline()
        self.assertNotIn("image.1", self.written(trace)[0])

    def test_what_is_asked_again_keeps_the_others(self):
        trace = self.ask()
        tensors = self.written(trace)[0]
        second = self.lvlm.ask_without(trace, patches=[0, 1])
        again = self.written(second)[0]
        for name in ("image.%d" % number for number in range(1, len(FILES))):
            np.testing.assert_array_equal(again[name], tensors[name])
        self.assertFalse(np.array_equal(again["image"], tensors["image"]))
        grid = tensors["image"].shape[0] // 2
        np.testing.assert_array_equal(again["image"][grid:], tensors["image"][grid:])
        self.lvlm.remove(second)
        self.lvlm.remove(trace)
        left = [self.lvlm.pipeline.xml_name(source) for source in self.lvlm.pipeline.all_sources()]
        self.assertNotIn(self.lvlm.questions.READER, left)

    def test_recorded(self):
        """A trace of a file shows the same; asking again needs the pictures."""
        trace = self.ask()
        simple.SaveData(self.path("several.lvlm"), proxy=trace)
        reader = simple.LVLMTraceReader(FileName=self.path("several.lvlm"))
        for region in range(len(FILES)):
            both = [lt.grid_cells(lt.fetch(simple.LVLMAttentionMap(Input=one, Region=region))) for one in (trace, reader)]
            np.testing.assert_array_equal(*both)
        self.assertRaisesText(lambda: self.lvlm.ask_without(reader, patches=[0]), "is about %d pictures" % len(FILES))

    def test_state_file(self):
        trace = self.ask()
        answer, tensors = self.lvlm.answer(trace), self.written(trace)[0]
        simple.SaveState(self.path("state.pvsm"))
        self.reset()
        simple.LoadState(self.path("state.pvsm"))
        again = self.lvlm.find_traces()[-1]
        self.assertEqual(len(again.FurtherPictures), len(FILES) - 1)
        self.assertEqual(self.lvlm.answer(again), answer)
        np.testing.assert_array_equal(self.written(again)[0]["image.1"], tensors["image.1"])

    def test_tiles_and_padding(self):
        """LLaVA-NeXT cuts each picture, LLaVA-OneVision none of several."""
        for model, regions, cut in ((TILED, 2, True), (ONEVISION, 1, False)):
            trace = self.ask(model=model, max_new_tokens=2, settings={"ChatTemplate": "USER: {image}\n{prompt} ASSISTANT:"})
            tensors, metadata = self.written(trace)
            self.assertEqual(len(json.loads(metadata["regions"])), regions * len(FILES))
            self.assertEqual("image.1.tiles" in tensors, cut)
            expected = simple.LVLMAttentionMap(Input=trace, Region=regions)  # the first of the second picture
            self.assertEqual(lt.grid_cells(lt.fetch(expected)).shape, tuple(json.loads(metadata["regions"])[regions][k] for k in ("rows", "cols")))

    def test_errors(self):
        self.assertRaisesText(lambda: self.lvlm.ask(FILES, "<image> What is it?", layout=False), "not %d, one for each picture" % len(FILES))
        self.assertRaisesText(lambda: self.lvlm.ask([], QUESTION, layout=False), "list is empty")
        self.assertRaisesText(lambda: self.lvlm.ask([FILES[0], "/nowhere.png"], QUESTION, layout=False), "no file")
        self.assertEqual(self.lvlm.find_traces(), [])
        trace = self.ask()
        solid = simple.Wavelet()
        trace.FurtherPictures = [solid]
        self.assertReports(trace.UpdatePipeline, "slices in z")


if __name__ == "__main__":
    lt.main()
