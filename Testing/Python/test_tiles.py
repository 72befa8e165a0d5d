# SPDX-License-Identifier: Apache-2.0
"""A model that reads a picture in tiles, through the pipeline: every filter, on the fine grid over the whole picture and on one
region alone.

Maps are compared with numpy on the trace's own attention: what a coarse patch has is shared out by area, counted on the pixels.
"""
import os
import unittest

import numpy as np
from lvlm_testing import Errors, TestCase, array, block, fetch, grid_cells, main, read_safetensors

MODEL = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Data", "llava", "next-llama")
QUESTION = "What color is the star?"


class Tiles(TestCase):
    def setUp(self):
        super().setUp()
        self.golden, _ = read_safetensors(os.path.join(MODEL, "golden.safetensors"))

    def picture(self, number):
        from paraview import simple
        from vtkmodules.util.numpy_support import numpy_to_vtk
        from vtkmodules.vtkCommonDataModel import vtkImageData
        pixels = self.golden[f"{number}.picture"]
        rows, cols = pixels.shape[:2]
        image = vtkImageData()
        image.SetDimensions(cols, rows, 1)
        values = numpy_to_vtk(np.ascontiguousarray(pixels[::-1]).reshape(rows * cols, -1), deep=True)
        values.SetName("colors")
        image.GetPointData().SetScalars(values)
        source = simple.TrivialProducer()
        source.GetClientSideObject().SetOutput(image)
        return source

    def ask(self, number, **properties):
        from paraview import simple
        settings = {"ModelDirectory": MODEL, "Prompt": QUESTION, "ChatTemplate": "USER: {image}\n{prompt} ASSISTANT:",
                    "MaxNewTokens": 4, **properties}
        return simple.LLaVAInference(Input=self.picture(number), **settings)

    def regions(self, trace):
        import json
        return json.loads(fetch(trace).GetFieldData().GetAbstractArray("regions").GetValue(0))

    def attention(self, trace):
        """[L, Hd, T, K]"""
        image = block(fetch(trace), "attention.answer")
        K, T, slabs = image.GetDimensions()
        heads = int(fetch(trace).GetFieldData().GetArray("heads").GetValue(0))
        return array(image.GetPointData().GetArray(0)).reshape(slabs // heads, heads, T, K)

    def finest(self, regions):
        """The one with the smallest patches, whose grid maps have: in a thin picture that may be the whole one's."""
        def area(region):
            left, top, right, bottom = region["box"]
            return (right - left) * (bottom - top) / (region["rows"] * region["cols"])
        return min(regions, key=area)

    def own(self, row, region):
        positions = region["start"] + np.arange(region["rows"])[:, None] * region["stride"] + np.arange(region["cols"])
        return row[positions]

    def joined(self, row, regions):
        """The fine region's numbers and the coarse one's, by pixels of a fine raster."""
        fine = self.finest(regions)
        coarse = next(region for region in regions if region is not fine)
        values, scale = self.own(row, fine).astype(float), 24
        left, top, right, bottom = (round(edge * scale) for edge in coarse["box"])
        x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)

        def patch(region, x, y):
            a, b, c, d = (edge * scale for edge in region["box"])
            col = np.floor((x - a) / (c - a) * region["cols"]).astype(int)
            r = np.floor((y - b) / (d - b) * region["rows"]).astype(int)
            inside = (col >= 0) & (col < region["cols"]) & (r >= 0) & (r < region["rows"])
            return np.where(inside, r * region["cols"] + col, -1)

        source, target = patch(coarse, x, y), patch(fine, x, y)
        own = self.own(row, coarse).ravel()
        shares = np.zeros((len(own), values.size))
        np.add.at(shares, (source[target >= 0], target[target >= 0]), 1)
        return values + (own @ (shares / shares.sum(1, keepdims=True))).reshape(values.shape)

    def test_maps_of_every_shape(self):
        from paraview import simple
        for number in range(6):
            trace = self.ask(number)
            heat = simple.LVLMAttentionMap(Input=trace)
            heat.UpdatePipeline()
            self.assertEqual(list(heat.GetPropertyValue("RegionRange")), [-1, 1])
            regions = self.regions(trace)
            row = self.attention(trace).mean((0, 1, 2))
            data = fetch(heat)
            # Where a coarse patch lies on the edge of a fine one the raster is off by less than a line of it.
            np.testing.assert_allclose(grid_cells(data, "attention"), self.joined(row, regions), atol=2e-3 * row.max())
            image_mass = sum(self.own(row, region).sum() for region in regions)
            self.assertAlmostEqual(grid_cells(data, "attention").sum(), image_mass, places=6)
            for index, region in enumerate(regions):
                heat.Region = index
                heat.UpdatePipeline()
                data = fetch(heat)
                np.testing.assert_allclose(grid_cells(data, "attention"), self.own(row, region), rtol=1e-6)
                left, right, low, high, _, _ = data.GetBounds()
                _, height, _ = block(fetch(trace), "image").GetDimensions()
                np.testing.assert_allclose([left, height - high, right, height - low], region["box"], atol=1e-9)
            simple.Delete(heat)

    def test_another_picture_has_another_grid(self):
        from paraview import simple
        trace = self.ask(0)
        heat = simple.LVLMAttentionMap(Input=trace)
        volume = simple.LVLMLayerVolume(Input=trace)
        for number in (0, 1, 2, 1):
            trace.Input = self.picture(number)
            heat.UpdatePipeline()
            volume.UpdatePipeline()
            fine = self.finest(self.regions(trace))
            cols, rows, _ = fetch(heat).GetDimensions()
            self.assertEqual((rows - 1, cols - 1), (fine["rows"], fine["cols"]))
            self.assertEqual(fetch(volume).GetDimensions()[:2], (fine["cols"], fine["rows"]))

    def test_every_filter(self):
        """Each gives something of the fine grid's size, and none an error."""
        from paraview import simple
        trace = self.ask(1, CaptureHidden=1, CaptureLens=1, CaptureFull=1, CaptureFullLayers=[0, 1])
        fine = self.finest(self.regions(trace))
        cells = fine["rows"] * fine["cols"]
        for make, name in ((simple.LVLMAttentionMap, "attention"), (simple.LVLMRelevancy, "decoder"), (simple.LVLMSinks, "sink_value"),
                           (simple.LVLMOcclusion, "drop")):
            source = make(Input=trace)
            source.UpdatePipeline()
            self.assertEqual(fetch(source).GetCellData().GetArray(name).GetNumberOfTuples(), cells, name)
        for properties in (dict(Weighting="Gradient"), dict(Weighting="Relative"), dict(Reduction="StrongestHead"), dict(ExcludeSinks=1),
                           dict(Weighting="Gradient", Region=0), dict(Weighting="Relative", Region=1)):
            heat = simple.LVLMAttentionMap(Input=trace, **properties)
            heat.UpdatePipeline()
            self.assertTrue(np.isfinite(grid_cells(fetch(heat), "attention")).all(), properties)
        for properties in (dict(Method="RolloutMean"), dict(Method="TokenActivation"), dict(Mode="Compatible"), dict(Region=0)):
            relevancy = simple.LVLMRelevancy(Input=trace, **properties)
            relevancy.UpdatePipeline()
            self.assertGreater(fetch(relevancy).GetCellData().GetNumberOfArrays(), 3, properties)
        gallery = simple.LVLMMapGallery(Input=trace)
        gallery.UpdatePipeline()
        self.assertGreater(fetch(gallery).GetNumberOfCells(), 8 * cells)
        graph = simple.LVLMCausalGraph(Input=trace, AttentionThreshold=0.0, Alpha=0.05)
        graph.UpdatePipeline()
        self.assertEqual(fetch(graph, 3).GetNumberOfCells(), cells)
        lens = simple.LVLMLogitLens(Input=trace)
        lens.UpdatePipeline()
        self.assertEqual(fetch(lens, 2).GetNumberOfCells(), cells)
        test = simple.LVLMFaithfulness(Input=trace, Maps=[simple.LVLMAttentionMap(Input=trace)], Steps=4, Random=2)
        test.UpdatePipeline()
        curves = fetch(test)
        self.assertGreater(curves.GetNumberOfRows(), 3)
        for properties in (dict(), dict(From="Patches", Patches=[0, 5], To="Answer")):
            knockout = simple.LVLMKnockout(Input=trace, **properties)
            knockout.UpdatePipeline()
            self.assertGreater(fetch(knockout).GetNumberOfRows(), 0)

    def test_overlay_leaves_what_the_map_does_not_cover(self):
        from paraview import simple
        trace = self.ask(3)  # thin: most of the canvas is black
        heat = simple.LVLMAttentionMap(Input=trace)
        shown = simple.LVLMOverlay(Input=heat, Opacity=1)
        shown.UpdatePipeline()
        data = fetch(shown)
        cols, rows, _ = data.GetDimensions()
        pixels = array(data.GetPointData().GetArray("overlay")).reshape(rows, cols, 3)[::-1]
        left, top, right, bottom = (round(edge) for edge in self.finest(self.regions(trace))["box"])
        outside = np.ones((rows, cols), bool)
        outside[top:bottom, left:right] = False
        image = array(block(fetch(trace), "image").GetPointData().GetArray("image")).reshape(rows, cols, 3)[::-1]
        np.testing.assert_array_equal(pixels[outside], image[outside])
        self.assertTrue((pixels[~outside] != image[~outside]).any(1).mean() > 0.9)

    def test_ask_without_asks_about_the_picture_and_not_the_canvas(self):
        import lvlm
        trace = self.ask(1)
        first = self.regions(trace)
        fine = self.finest(first)
        self.assertEqual(lvlm.traces.grid(trace), (fine["rows"], fine["cols"]))
        second = lvlm.editing.ask_again(trace, lvlm.editing.without_black(trace, lvlm.paint_over(trace, [0, 1])), QUESTION)
        self.assertEqual(self.regions(second), first)
        with self.assertRaises(lvlm.Error):
            lvlm.paint_over(trace, [fine["rows"] * fine["cols"]])

    def test_file(self):
        from paraview import simple
        trace = self.ask(5)
        path = os.path.join(self.folder.name, "tiles.lvlm")
        simple.SaveData(path, proxy=trace)
        read = simple.OpenDataFile(path)
        read.UpdatePipeline()
        self.assertEqual(self.regions(read), self.regions(trace))
        with_model, from_file = (simple.LVLMRelevancy(Input=source, Region=region) for source, region in ((trace, -1), (read, -1)))
        with_model.UpdatePipeline()
        from_file.UpdatePipeline()
        np.testing.assert_array_equal(grid_cells(fetch(with_model), "decoder"), grid_cells(fetch(from_file), "decoder"))

    def test_what_cannot_be(self):
        from paraview import simple
        trace = self.ask(0)
        heat = simple.LVLMAttentionMap(Input=trace)
        heat.Region = 7
        with Errors() as errors:
            heat.UpdatePipeline()
        self.assertIn("Region: 7 is out of range", errors.text)
        wrong = self.ask(0, ImageMode="Pad")
        with Errors() as errors:
            wrong.UpdatePipeline()
        self.assertIn("ImageMode must be Default", errors.text)


if __name__ == "__main__":
    main()
