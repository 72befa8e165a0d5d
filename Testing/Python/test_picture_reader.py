# SPDX-License-Identifier: Apache-2.0
"""Pictures are read as PIL reads them, upright; damaged files are errors that name them."""
import json
import os
import pathlib

import numpy as np
from PIL import Image

import lvlm_testing as lt
from paraview import servermanager, simple

PICTURES = pathlib.Path(__file__).resolve().parents[1] / "Data" / "image"


class PictureReader(lt.TestCase):
    def read(self, path):
        """Pixels [H, W, 3], row 0 at the top."""
        image = lt.fetch(simple.LVLMPictureReader(FileName=str(path)))
        width, height, _ = image.GetDimensions()
        self.assertEqual(image.GetPointData().GetScalars().GetName(), "picture")
        return lt.array(image.GetPointData().GetScalars()).reshape(height, width, 3)[::-1]

    def assertLikePIL(self, path, tolerance=0):
        theirs = np.asarray(Image.open(path).convert("RGB")).astype(int)
        np.testing.assert_allclose(self.read(path).astype(int), theirs, rtol=0, atol=tolerance, err_msg=str(path))

    def test_equal_to_pil(self):
        files = sorted(PICTURES.glob("*.png"))
        self.assertGreater(len(files), 10)
        for path in files:
            self.assertLikePIL(path)
        self.assertLikePIL(PICTURES / "exif.jpg", 1)  # JPEG decoders may round differently

    def test_formats_and_names(self):
        """Upright in every format; the content decides, not the name."""
        picture = Image.open(PICTURES / "odd.png").convert("RGB")
        for name, options in (("a.bmp", {}), ("a.tif", {}), ("b.tiff", {"compression": "tiff_lzw"}), ("a.webp", {"lossless": True}),
                              ("with blank and ümlaut.tif", {})):
            path = self.path(name)
            picture.save(path, **options)
            self.assertLikePIL(path)
        os.rename(self.path("a.bmp"), self.path("bmp.png"))
        self.assertLikePIL(self.path("bmp.png"))

    def test_animations_show_their_first_frame(self):
        for name in ("animated.webp", "animated_lossless.webp", "animated.gif"):
            recorded = self.recorded(name)
            np.testing.assert_array_equal(self.read(PICTURES / "formats" / name), recorded, err_msg=name)

    def recorded(self, name):
        """What the newest PIL reads; that of this machine may be older. [H, W, 3]"""
        content = (PICTURES / "formats.safetensors").read_bytes()
        header_size = int.from_bytes(content[:8], "little")
        entry = json.loads(content[8 : 8 + header_size])[name]
        begin, end = entry["data_offsets"]
        return np.frombuffer(content[8 + header_size :][begin:end], np.uint8).reshape(entry["shape"])

    def test_a_file_that_is_overwritten(self):
        """The picture stays as it was read until the reader is told to read again."""
        path = self.path("shot.png")
        Image.new("RGB", (4, 3), (10, 20, 30)).save(path)
        reader = simple.LVLMPictureReader(FileName=path)

        def state():
            reader.UpdatePropertyInformation()
            return tuple(lt.array(lt.fetch(reader).GetPointData().GetScalars())[0]), reader.Outdated

        self.assertEqual(state(), ((10, 20, 30), 0))
        Image.new("RGB", (4, 3), (40, 50, 60)).save(path)
        self.assertEqual(state(), ((10, 20, 30), 1))
        reader.SMProxy.InvokeCommand("Reload")
        reader.UpdatePipeline()
        self.assertEqual(state(), ((40, 50, 60), 0))
        os.remove(path)
        self.assertEqual(state(), ((40, 50, 60), 1))
        Image.new("RGB", (4, 3), (70, 80, 90)).save(path)
        simple.ReloadFiles(reader)
        reader.UpdatePipeline()
        self.assertEqual(state(), ((70, 80, 90), 0))

    def test_too_many_pixels_are_an_error(self):
        reader = simple.LVLMPictureReader(FileName=str(PICTURES / "odd.png"), MaximumPixels=61 * 37 - 1)
        with lt.Errors() as errors:
            reader.UpdatePipeline()
        self.assertIn("61 x 37 pixels, more than the 2256 in all", errors.text)
        reader.MaximumPixels = 61 * 37
        reader.UpdatePipeline()
        self.assertEqual(reader.GetDataInformation().GetNumberOfPoints(), 61 * 37)

    def test_leaves_pictures_to_the_readers_of_paraview(self):
        """Who opens a PNG gets ParaView's reader; ours is there when all readers are asked for."""
        factory = servermanager.vtkSMProxyManager.GetProxyManager().GetReaderFactory()
        factory.UpdateAvailableReaders()
        session = servermanager.ActiveConnection.Session

        def names(readers):
            return [readers.GetString(i) for i in range(1, readers.GetNumberOfStrings(), 3)]

        for picture in (PICTURES / "odd.png", PICTURES / "exif.jpg", PICTURES / "formats" / "rgb_raw.tif"):
            self.assertNotIn("LVLMPictureReader", names(factory.GetReaders(str(picture), session)))
        self.assertEqual(names(factory.GetReaders(str(PICTURES / "formats" / "rgb.webp"), session)), ["LVLMPictureReader"])
        self.assertIn("LVLMPictureReader", names(factory.GetReaders(session)))

    def bad_files(self):
        png, jpeg = (PICTURES / "odd.png").read_bytes(), (PICTURES / "exif.jpg").read_bytes()
        flipped = bytearray(png)
        flipped[len(png) // 2] ^= 1
        for name, content in (("text.png", b"hello"), ("empty.png", b""), ("cut.png", png[:-20]), ("flipped.png", bytes(flipped)),
                              ("cut.jpg", jpeg[:-40]), ("gif.jpg", b"GIF89a")):
            with open(self.path(name), "wb") as file:
                file.write(content)
            yield self.path(name)
        yield "/nowhere/none.png"

    def test_damaged_files_are_errors(self):
        for path in self.bad_files():
            reader = simple.LVLMPictureReader(FileName=path)
            with lt.Errors() as errors:
                reader.UpdatePipeline()
            self.assertIn(path, errors.text)
            self.assertEqual(reader.GetDataInformation().GetNumberOfPoints(), 0, path)
            reader.FileName = str(PICTURES / "odd.png")
            reader.UpdatePipeline()
            self.assertGreater(reader.GetDataInformation().GetNumberOfPoints(), 0)
            simple.Delete(reader)


if __name__ == "__main__":
    lt.main()
