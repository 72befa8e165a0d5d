# SPDX-License-Identifier: Apache-2.0
"""What is drawn: upright, aligned, with sensible defaults; and cells that are selected in a view.

Set LVLM_KEEP to a folder to keep the screenshots.
"""
import os
import shutil

import numpy as np

import lvlm_testing as lt
from paraview import simple

SIZE = 280


def shown_as(setting):
    return list(setting) if hasattr(setting, "__len__") and not isinstance(setting, str) else setting.GetData()


class Pictures(lt.TestCase):
    def setUp(self):
        super().setUp()
        # Dark left, bright right, with a red patch row 0, column 0 (top left) and a hot patch row 1, column 2.
        data = lt.TraceData(rows=4, cols=4, layers=6, heads=4, width=56, height=56)
        data.image[...] = np.linspace(40, 200, 56).astype("u1")[None, :, None]
        data.image[:14, :14] = (255, 0, 0)
        data.attention[...] = 0.001
        data.attention[:, :, :, data.image_start + 6] = np.linspace(.2, .9, 6)[:, None, None]
        self.data = data
        self.trace = self.reader(data)
        self.view = simple.CreateRenderView()
        self.view.ViewSize = [SIZE, SIZE]
        self.view.OrientationAxesVisibility = 0
        self.view.UseColorPaletteForBackground = 0
        self.view.Background = [0, 0, 0]

    def screenshot(self, name, flat=True):
        """Pixels [SIZE, SIZE, 3], row 0 at the top; the picture fills the view when `flat`."""
        if flat:
            self.view.CameraPosition, self.view.CameraFocalPoint = [28, 28, 100], [28, 28, 0]
            self.view.CameraViewUp, self.view.CameraParallelProjection = [0, 1, 0], 1
            self.view.CameraParallelScale = 28
        else:
            simple.ResetCamera(self.view)
            self.view.GetActiveCamera().Azimuth(35)
            self.view.GetActiveCamera().Elevation(25)
        path = self.path(name + ".png")
        simple.SaveScreenshot(path, self.view, ImageResolution=[SIZE, SIZE])
        if os.environ.get("LVLM_KEEP"):
            shutil.copy(path, os.environ["LVLM_KEEP"])
        image = lt.fetch(simple.PNGSeriesReader(FileNames=[path]))
        pixels = lt.array(image.GetPointData().GetScalars()).reshape(SIZE, SIZE, -1)
        return pixels[::-1, :, :3].astype(int)

    @staticmethod
    def patch(pixels, row, col):
        """The colour in the middle of a patch."""
        step = SIZE // 4
        return pixels[row * step + step // 2, col * step + step // 2]

    def test_overlay_shows_the_picture_upright_in_its_own_colours(self):
        simple.Show(simple.LVLMOverlay(Input=self.trace), self.view)
        pixels = self.screenshot("picture")
        np.testing.assert_allclose(self.patch(pixels, 0, 0), (255, 0, 0), atol=3)
        left, right = self.patch(pixels, 2, 0), self.patch(pixels, 2, 3)
        self.assertEqual(np.ptp(left), 0)
        self.assertGreater(right[0], left[0] + 80)

    def test_map_is_hot_where_the_model_looked(self):
        shown = simple.LVLMAttentionMap(Input=self.trace)
        display = simple.Show(shown, self.view)
        self.assertEqual(display.Representation, "Surface")
        simple.ColorBy(display, ("CELLS", "attention"))
        pixels = self.screenshot("map")
        warmth = [[int(c[0] - c[2]) for c in (self.patch(pixels, row, col) for col in range(4))] for row in range(4)]
        for row in range(4):
            for col in range(4):  # the default colours run from blue to red
                self.assertEqual(warmth[row][col] > 60, (row, col) == (1, 2), (row, col))

    def test_overlay_is_hot_where_the_map_is(self):
        simple.Show(simple.LVLMOverlay(Input=simple.LVLMAttentionMap(Input=self.trace)), self.view)
        pixels = self.screenshot("overlay")
        hot, cold = self.patch(pixels, 1, 2), self.patch(pixels, 3, 2)
        self.assertGreater(hot[0] - hot[2], cold[0] - cold[2] + 60)

    def test_cells_selected_in_the_view_are_the_patches_drawn_there(self):
        """In ParaView's own representation, and in that of the presets, which frames and labels what is selected in the same way."""
        palette = simple.GetSettingsProxy("ColorPalette").SMProxy
        color = palette.GetProperty("SelectionColor")
        self.addCleanup(color.SetElements3, *map(color.GetElement, range(3)))
        color.SetElements3(0, 1, 0)
        palette.UpdateVTKObjects()
        settings = {}
        for kind in ("UniformGridRepresentation", "LVLMMapRepresentation"):
            shown = simple.LVLMAttentionMap(Input=self.trace)
            display = simple.Show(shown, self.view, kind)
            self.assertEqual((display.SMProxy.GetXMLName(), display.Representation), (kind, "Surface"))
            settings[kind] = {name: shown_as(display.GetProperty(name)) for name in display.ListProperties() if name.startswith("Selection") and name != "Selection"}
            before = self.screenshot("before selection")
            step = SIZE // 4
            # Pixels count from the bottom left: row 1, column 2 of the patches.
            middle = (2 * step + step // 2, 2 * step + step // 2)
            rectangle = [middle[0] - 3, middle[1] - 3, middle[0] + 3, middle[1] + 3]
            simple.SelectSurfaceCells(Rectangle=rectangle, View=self.view)
            selection = shown.GetSelectionInput(shown.Port)
            self.assertIsNotNone(selection)
            by_view = lt.fetch(simple.LVLMPatchAttention(Input=self.trace, Selection=simple.servermanager._getPyProxy(selection)))
            by_list = lt.fetch(simple.LVLMPatchAttention(Input=self.trace, Patches=[6]))
            np.testing.assert_array_equal(lt.column(by_view, "attention"), lt.column(by_list, "attention"))
            after = self.screenshot("after selection " + kind)
            self.assertGreater((after == (0, 255, 0)).all(2).sum(), step)
            rows, cols = np.nonzero((after != before).any(2))
            box = (rows.min(), rows.max(), cols.min(), cols.max())
            np.testing.assert_allclose(box, (step, 2 * step, 2 * step, 3 * step), atol=3)  # a frame is a few pixels thick
            simple.Delete(shown)
        self.assertEqual(*settings.values())

    def test_volume_is_drawn(self):
        volume = simple.LVLMLayerVolume(Input=self.trace)
        display = simple.Show(volume, self.view)
        self.assertEqual(display.Representation, "Volume")
        simple.ColorBy(display, ("POINTS", "attention"))
        simple.Show(simple.LVLMOverlay(Input=self.trace), self.view)
        pixels = self.screenshot("volume", flat=False)
        self.assertGreater(pixels.max(), 100)

    def test_head_summary_is_drawn(self):
        display = simple.Show(simple.LVLMHeadSummary(Input=self.trace), self.view)
        simple.ColorBy(display, ("POINTS", "attention"))
        simple.ResetCamera(self.view)
        path = self.path("heads.png")
        simple.SaveScreenshot(path, self.view)
        if os.environ.get("LVLM_KEEP"):
            shutil.copy(path, os.environ["LVLM_KEEP"])

    def test_a_trace_is_drawn_as_an_outline(self):
        display = simple.Show(self.trace, self.view)
        self.assertEqual(display.Representation, "Outline")
        simple.Render(self.view)

    def test_follow_time_animates(self):
        self.data.attention[...] = 0.001
        for token in range(self.data.T):
            self.data.attention[:, :, token, self.data.image_start + token] = 0.9
        trace = self.reader(self.data, name="steps.lvlm")
        shown = simple.LVLMAttentionMap(Input=trace, FollowTime=1)
        simple.Show(shown, self.view)
        scene = simple.GetAnimationScene()
        scene.UpdateAnimationUsingDataTimeSteps()
        self.assertEqual(list(simple.GetTimeKeeper().TimestepValues), [0, 1, 2, 3, 4])
        for token in (*range(self.data.T), 0, 3, 0):  # and back to that at which the trace was read
            scene.AnimationTime = token
            simple.Render(self.view)
            output = shown.GetClientSideObject().GetOutputDataObject(0)
            self.assertEqual(int(lt.grid_cells(output).argmax()), token)
            self.assertEqual(output.GetInformation().Get(output.DATA_TIME_STEP()), token)


if __name__ == "__main__":
    lt.main()
