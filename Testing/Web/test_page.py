# SPDX-License-Identifier: Apache-2.0
"""The page in a real Chromium: what it shows is what the module `lvlm` draws; two visitors; Abort; a process that is killed.

Set LVLM_KEEP to a folder to keep the screenshots.
"""
import asyncio
import base64
import importlib.util
import os
import shutil
import signal
import tempfile
import unittest

import numpy as np

import web_testing as wt
from browser import until
from remote_server import Server as ParaViewServer
from paraview import simple
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOImage import vtkPNGReader

STAR, RED = 1, 3  # of "The star is red."
TURNS = importlib.util.find_spec("paraview.modules.vtkPVClientWeb") is not None
EQUAL = 2  # of 255: Chromium's own colours of a PNG


def pixels(png):
    """Row 0 at the top, RGB."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(png)
        file.flush()
        reader = vtkPNGReader()
        reader.SetFileName(file.name)
        reader.Update()
    image = reader.GetOutput()
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3].astype(int)


class Visit:
    """A page, used as a user does."""

    @classmethod
    async def open(cls, browser, address):
        self = cls()
        self.page = await browser.open(address)
        await self.page.wait("trame.state.get('picture')")
        await self.page.wait("trame.state.get('area')[0]")
        return self

    async def draws(self, work):
        """Does something after which the figure is another one; returns its pixels."""
        await self.page.value("trame.state.set('error', '')")
        before = await self.page.state("pictures")
        await work
        await self.page.wait("trame.state.get('pictures') > %d || trame.state.get('error') || document.getElementById('lv-ended')" % before, 60)
        error = await self.page.state("error") or await self.page.text("#lv-ended")
        if error:
            raise AssertionError(error)
        url = await self.page.state("figure")
        return pixels(base64.b64decode(url.partition(",")[2]))

    async def ask(self):
        return await self.draws(self.page.click("#lv-ask"))

    async def word(self, index):
        return await self.draws(self.page.click(".lv-word:nth-child(%d)" % (index + 1)))

    async def tab(self, name):
        return await self.draws(self.page.click("#lv-tab-" + name))

    async def shot(self, name):
        folder = os.environ.get("LVLM_KEEP")
        return pixels(await self.page.screenshot(os.path.join(folder, name + ".png") if folder else None))


class Drawn(unittest.TestCase):
    """What the page must show: drawn here by the module alone."""

    @classmethod
    def setUpClass(cls):
        simple.LoadPlugin(os.environ["LVLM_PLUGIN"], remote=False)
        simple.LoadPalette("WhiteBackground")  # as the page has it
        import lvlm
        cls.lvlm = lvlm
        cls.trace = lvlm.ask(str(wt.SCENES / "star_left_of_circle.png"), "What color is the star?", layout=False)
        cls.server = wt.Server("--visitors", 2, "--leave-after", 2)
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)

    def drawn(self, size, preset, token, point=None):
        """point: one of the first view's scene; self.at is then its place in the picture, from the upper left."""
        self.lvlm.views.SIZE = tuple(size)
        layout = preset(self.trace)
        self.lvlm.step(token, self.trace)
        if point:
            renderer = simple.GetViewsInLayout(layout)[0].GetRenderer()
            renderer.SetWorldPoint(*point, 0, 1)
            renderer.WorldToDisplay()
            x, y, _ = renderer.GetDisplayPoint()
            self.at = x, size[1] - y
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            simple.SaveScreenshot(file.name, layout)
            self.lvlm.views.close(layout)
            return pixels(file.read())

    def assertSame(self, found, wanted):
        self.assertEqual(found.shape, wanted.shape)
        self.assertEqual(np.abs(found - wanted).max(), 0)

    def test_figures(self):
        wt.run(self.figures)

    async def figures(self, browser):
        lvlm = self.lvlm
        visit = await Visit.open(browser, self.server.address)
        page = visit.page
        figure = await visit.ask()
        words = await page.state("words")
        self.assertEqual([word["text"] for word in words], [t["text"].strip() or t["token"] for t in lvlm.tokens(self.trace)])
        self.assertEqual([word["percent"] for word in words], [round(100 * t["probability"], 1) for t in lvlm.tokens(self.trace)])
        size = await page.state("area")
        self.assertSame(figure, self.drawn(size, lvlm.show_attention, RED))
        await self.on_screen(visit, figure)

        # Another word; a layer and head, chosen with the keyboard on their sliders.
        star = await visit.word(STAR)
        self.assertGreater(np.abs(star - figure).max(), 100)
        self.assertSame(star, self.drawn(size, lvlm.show_attention, STAR))
        heat = simple.FindSource("Attention map (What color is the star?)")
        figure = await visit.draws(self.slide(page, "head", 4))
        heat.Layers, heat.Heads = [], [3]
        self.assertSame(figure, self.drawn(size, lvlm.show_attention, STAR))
        # A click on the square of a head.
        figure = await visit.tab("heads")
        self.assertSame(figure, self.drawn(await page.state("area"), lvlm.show_heads, STAR, point=(2, 1)))
        x, y = await page.value("(() => { const b = document.querySelector('#lv-drawn').getBoundingClientRect(); return [b.x, b.y]; })()")
        figure = await visit.draws(page.drag([(x + self.at[0], y + self.at[1])]))
        self.assertEqual([await page.state(name) for name in ("tab", "layer", "head")], ["attention", 2, 1])
        heat.Layers, heat.Heads = [2], [1]
        self.assertSame(figure, self.drawn(await page.state("area"), lvlm.show_attention, STAR))

        # The other figures.
        await visit.draws(page.value("trame.state.set('head', -1)"))
        for tab, preset in (("relevancy", lvlm.show_relevancy), ("causality", lambda trace: lvlm.show_causality(trace, table=False))):
            self.assertSame(await visit.tab(tab), self.drawn(await page.state("area"), preset, STAR))
            await visit.shot(tab)
        await self.edit_and_compare(visit)
        await self.draw_and_compare(visit)
        await self.turn(visit)
        self.assertEqual(page.complaints, [])

    @staticmethod
    async def slide(page, name, steps):
        """With the keyboard, on the slider's thumb."""
        await page.value("document.querySelector('#lv-%s').closest('.v-slider').querySelector('.v-slider-thumb').focus()" % name)
        for _ in range(steps):
            await page.press("ArrowRight")

    async def on_screen(self, visit, figure):
        """The figure is what the browser shows, pixel by pixel."""
        x, y, width, height = [round(value) for value in await visit.page.value(
            "(() => { const b = document.querySelector('#lv-drawn').getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()")]
        shown = (await visit.shot("attention"))[y:y + height, x:x + width]
        self.assertEqual(shown.shape, figure.shape)
        inner = slice(12, -12)  # the frame has round corners
        self.assertLessEqual(np.abs(shown - figure)[inner, inner].max(), EQUAL)

    async def edit_and_compare(self, visit):
        """The star painted over by a rectangle drawn with the mouse: the second answer is the module's."""
        page, lvlm = visit.page, self.lvlm
        await page.click("#lv-tab-edit")
        x, y, width, height = await page.wait(
            "(() => { const e = document.querySelector('#lv-patches img'); if (!e || !e.complete) return null; "
            "const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()")
        at = [(x + (column + 0.5) * width / 12, y + (row + 0.5) * height / 12) for row, column in ((4, 0), (6, 2), (7, 3))]
        await page.drag(at)
        await until(lambda: page.value("trame.state.get('chosen').length == 16"), 5, "16 patches are chosen")
        chosen = sorted(await page.state("chosen"))
        self.assertEqual(chosen, [12 * row + column for row in range(4, 8) for column in range(4)])
        await visit.shot("edit")
        await visit.draws(page.click("#lv-without"))
        second = lvlm.editing.ask_again(self.trace, lvlm.paint_over(self.trace, chosen), "What color is the star?")
        self.assertEqual(await page.state("answer"), lvlm.answer(second))
        self.assertNotIn("red", lvlm.answer(second))
        self.assertEqual(await page.state("tab"), "compare")
        await visit.shot("compare")

    async def draw_and_compare(self, visit):
        """A rectangle and a brush on the picture as it was given, one of them taken back, and a crop: the second answer is the module's."""
        page, lvlm = visit.page, self.lvlm
        await page.value("trame.trigger('choose_trace', [0])")
        await page.click("#lv-tab-edit")
        await page.click("#lv-tool-brush")
        box = ("(() => { const e = document.querySelector('#lv-canvas img'); if (!e || !e.complete) return null; "
               "const b = e.getBoundingClientRect(); return b.width ? [b.x, b.y, b.width, b.height] : null; })()")
        x, y, width, height = await page.wait(box)
        side, _ = await page.state("canvas_size")
        at = lambda column, row: (x + (column + 0.5) * width / side, y + (side - row - 0.5) * height / side)  # noqa: E731
        edits, third = [], side // 3
        for tool, corners, line in (
                ("brush", [(side - 20, 20), (side - 10, 20), (side - 10, 30)],
                 "brush %d {0} 20 {0} 20 {1} 20 {1} 30 mean".format(side - 20, side - 10) % (5 * side // 200)),
                ("rectangle", [(2, third), (third, side - third), (third + 5, 2 * third)], "rectangle 2 %d %d %d mean" % (third, third + 5, 2 * third)),
                ("crop", [(0, 0), (side // 2, 10), (side - 2, side - 4)], "crop 0 0 %d %d" % (side - 2, side - 4))):
            await page.click("#lv-tool-" + tool)
            await page.drag([at(*corner) for corner in corners])
            edits.append(line)
            await page.wait("trame.state.get('edits').length == %d" % len(edits), 10)
            self.assertEqual(await page.state("edits"), edits)
        await visit.shot("draw")
        await page.click("#lv-tool-rectangle")
        await self.painted(page, edits[:2])
        await page.click("#lv-undo")
        await page.wait("trame.state.get('edits').length == 2", 10)
        for sent in ("[[0, 0], [%d, 3]]" % side, "'x'", "[[0, 0]]", "[[0, 0], ['x', 1]]", "[[0, -1], [2, 3]]"):
            await page.value("trame.state.set('edits', ['crop 0 0 1 1'])")  # what the page says of them counts for nothing
            await page.value("trame.state.set('error', '')")
            await page.value("trame.trigger('add_edit', [0, %s])" % sent)
            await page.wait("trame.state.get('error')", 10)
        await visit.draws(page.click("#lv-ask-edited"))
        second = lvlm.editing.ask_edited(self.trace, edits[:2], "What color is the star?")
        self.assertEqual(await page.state("answer"), lvlm.answer(second))
        self.assertNotIn("red", lvlm.answer(second))
        self.assertEqual(await page.state("tab"), "compare")
        self.assertEqual(await page.state("edits"), [])

    async def painted(self, page, edits):
        """What stands on the canvas is what the filter makes of the edits."""
        url = await page.state("canvas")
        found = pixels(base64.b64decode(url.partition(",")[2]))
        edited = self.lvlm.edit(self.trace, edits)
        image = self.lvlm.pipeline.fetch(edited)
        width, height, _ = image.GetDimensions()
        wanted = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3]
        self.assertSame(found, wanted.astype(int))

    async def turn(self, visit):
        """The layers, drawn by the server, turn with the mouse, or are a picture where ParaView turns none."""
        page = visit.page
        await page.click("#lv-tab-layers")
        x, y = await page.middle("#lv-turned" if TURNS else "#lv-figure")
        part = slice(int(y) - 150, int(y) + 150), slice(int(x) - 300, int(x) + 300)

        async def look(good):
            shown = (await visit.shot("layers"))[part]
            return [shown] if good(shown) else None
        before, = await until(lambda: look(lambda shown: shown.std() > 10), 30, "the volume is shown")
        if not TURNS:
            return
        await page.drag([(x + step, y) for step in range(0, 200, 20)])
        await until(lambda: look(lambda shown: np.abs(shown - before).mean() > 3), 15, "the volume turns")

    def test_two_visitors(self):
        wt.run(self.two_visitors)

    async def two_visitors(self, browser):
        """Neither sees the other's; when one's process is killed, the other goes on; a third finds no place."""
        await until(lambda: len(self.server.processes()) == 1, 120, "the visitor of another test has left")
        first, second = [await Visit.open(browser, self.server.address) for _ in range(2)]
        await self.upload(second.page)
        await second.page.click(".lv-thumb:nth-child(3)")
        await second.page.wait("trame.state.get('picture_name') == 'one ring'")
        self.assertEqual(await first.page.state("picture_name"), "star left of circle")
        await first.ask()
        self.assertEqual(await second.page.state("words"), [])
        await first.page.go(await first.page.value("location.href"))  # loaded again, it is as it was
        await first.page.wait("trame.state.get('answer') == 'The star is red.' && document.querySelectorAll('.lv-word').length == 6")
        await self.nonsense(first.page)
        third = await browser.open(self.server.address)
        self.assertEqual(await until(lambda: third.text("p"), 10, "a sentence"), "All 2 places of this server are taken: try again later.")
        stranger = await browser.open(await first.page.value("location.href"))
        self.assertIn("belongs to another browser", await until(lambda: stranger.text("p"), 10, "a sentence"))

        pid = self.server.processes()[0]
        os.kill(pid, signal.SIGKILL)
        ended = await until(lambda: self.who_ended(first, second), 20, "one page has ended")
        other = second if ended is first else first
        await ended.shot("ended")
        await other.ask()
        await other.page.close()
        # What is left is the process that waits for the next one.
        await until(lambda: len(self.server.processes()) == 1 and len(os.listdir(self.server.folder)) == 1, 15, "the other has left too")

    async def nonsense(self, page):
        """What no page of ours sends: a sentence each."""
        for sent, told in (("trame.trigger('choose_token', [99])", "word: 99 is not one of 0 to 5"),
                           ("trame.trigger('choose_token', ['x'])", "word: 'x' is not one of 0 to 5"),
                           ("trame.trigger('choose_trace', [-1])", "question: -1 is not one of 0 to 0"),
                           ("trame.trigger('use_upload', ['../../etc/passwd'])", "picture: '../../etc/passwd' is not one of 0 to 19"),
                           ("trame.trigger('use_upload', [7])", "your picture: no such picture file"),
                           ("trame.trigger('choose_example', [])", "This did not work: the page sent something unexpected."),
                           ("trame.state.set('layer', 1e6)", "layer: 1000000 is not one of -1 to 3"),
                           ("trame.state.set('area', 'x')", "This did not work: the page sent something unexpected.")):
            await page.value("trame.state.set('error', '')")
            await page.value(sent)
            self.assertIn(told, await page.wait("trame.state.get('error')", 10), sent)
        await page.value("trame.state.set('layer', -1)")
        await page.value("trame.state.set('area', [900, 520])")

    async def upload(self, page):
        """A file that is no picture is told so, and the next one is taken."""
        await page.choose_file("#lv-file", str(wt.SOURCE / "README.md"))
        self.assertRegex(await page.wait("trame.state.get('error')"), "^your picture: cannot be decoded as a picture")
        await page.choose_file("#lv-file", str(wt.SOURCE / "Testing" / "Data" / "image" / "formats" / "grey_tiles.tif"))
        await page.wait("trame.state.get('picture_name') == 'your picture'")
        self.assertEqual(await page.state("error"), "")

    @staticmethod
    async def who_ended(*visits):
        for visit in visits:
            if await visit.page.text("#lv-ended"):
                return visit
        return None


class Long(unittest.TestCase):
    def test_abort_and_queue(self):
        with wt.Server("--model", wt.SLOW, "--visitors", 2, "--leave-after", 2) as server:
            wt.run(lambda browser: self.abort_and_queue(browser, server.address))

    async def abort_and_queue(self, browser, address):
        """A long answer shows its progress and can be aborted; another visitor waits for his turn, and can stop waiting."""
        first, second = [await Visit.open(browser, address) for _ in range(2)]
        for visit in (first, second):
            await visit.page.value("trame.state.set('longest', 4000)")
            await asyncio.sleep(0.3)
            await visit.page.click("#lv-ask")
            await visit.page.wait("trame.state.get('busy') == 'Asking'")
        seen = set()
        await until(lambda: self.looks(first, seen, "progress", 2), 20, "progress moves")
        self.assertEqual(await second.page.state("progress_text"), "waiting for 1 before you")
        await first.shot("busy")
        for visit in (second, first):
            await visit.page.click("#lv-abort")
            await visit.page.wait("trame.state.get('error')", 2)
            self.assertTrue((await visit.page.state("error")).endswith("aborted"), await visit.page.state("error"))
            await visit.page.wait("!trame.state.get('busy')")
            self.assertEqual(await visit.page.state("questions"), [])
        await second.page.value("trame.state.set('longest', 3)")
        await asyncio.sleep(0.3)
        await second.ask()
        self.assertEqual(len(await second.page.state("words")), 3)

    @staticmethod
    async def looks(visit, seen, name, count):
        seen.add(await visit.page.state(name))
        return len(seen) > count

    def test_model_that_cannot_be_read(self):
        with wt.temporary_folder() as folder:
            model = os.path.join(folder, "model")
            shutil.copytree(wt.SLOW, model)
            with wt.Server("--model", model, "--leave-after", 2) as server:
                wt.run(lambda browser: self.model_that_cannot_be_read(browser, server.address, model))

    async def model_that_cannot_be_read(self, browser, address, model):
        """A sentence that names it; once it is back, the same page answers."""
        visit = await Visit.open(browser, address)
        await visit.page.value("trame.state.set('longest', 3)")
        await asyncio.sleep(0.3)
        os.rename(model, model + "-away")
        await visit.page.click("#lv-ask")
        told = await visit.page.wait("trame.state.get('error')", 20)
        self.assertEqual(told, "asking 'What color is the star?': %s: there is no such model folder" % model)
        os.rename(model + "-away", model)
        await visit.ask()
        self.assertEqual(len(await visit.page.state("words")), 3)


class Remote(unittest.TestCase):
    """The page as the client of a ParaView server, which has the model."""

    def test_page_of_a_server(self):
        with wt.temporary_folder() as folder:
            server = ParaViewServer(folder, 1)
            self.addCleanup(server.kill)
            with wt.Server("--server", "127.0.0.1:%d" % server.port, "--model", wt.SLOW, "--leave-after", 2) as page:
                wt.run(lambda browser: self.page_of_a_server(browser, page.address))

    async def page_of_a_server(self, browser, address):
        """Work of the server shows its progress and can be aborted; the next answer is the one that there is without a server."""
        visit = await Visit.open(browser, address)
        page = visit.page
        await page.value("trame.state.set('longest', 4000)")
        await asyncio.sleep(0.3)
        for _ in range(2):  # nothing of an abort is left for the next question
            await page.click("#lv-ask")
            await page.wait("trame.state.get('busy') == 'Asking'")
            await page.wait("trame.state.get('progress') > 0", 60)
            await page.click("#lv-abort")
            await page.wait("trame.state.get('error')", 5)
            self.assertEqual(await page.state("error"), "Asking: aborted")
            await page.wait("!trame.state.get('busy')")
            self.assertEqual(await page.state("questions"), [])
        await page.value("trame.state.set('longest', 3)")
        await asyncio.sleep(0.3)
        figure = await visit.ask()
        self.assertGreater(figure.std(), 10)
        wanted = self.words(await page.state("question"))
        self.assertEqual([[word["text"], word["percent"]] for word in await page.state("words")], wanted)
        figure = await visit.tab("heads")
        self.assertGreater(figure.std(), 10)
        await visit.shot("remote")
        self.assertEqual(page.complaints, [])

    @staticmethod
    def words(question):
        """Of the answer, by this process alone."""
        simple.LoadPlugin(os.environ["LVLM_PLUGIN"], remote=False)
        import lvlm
        trace = lvlm.ask(str(wt.SCENES / "star_left_of_circle.png"), question, model=str(wt.SLOW), max_new_tokens=3, layout=False)
        return [[token["text"].strip() or token["token"], round(100 * token["probability"], 1)] for token in lvlm.tokens(trace)]


if __name__ == "__main__":
    wt.main()
