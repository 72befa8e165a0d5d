# SPDX-License-Identifier: Apache-2.0
"""lvlm.save_page: what the file holds, against numpy; and how it behaves in a real Chromium, where there is one.

Set LVLM_KEEP to a folder to keep the pages and screenshots.
"""
import base64
import html.parser
import json
import os
import re
import shutil
import subprocess
import unittest
import zlib

import numpy as np

import chromium
import lvlm_testing as lt
from paraview import servermanager, simple

HOSTILE = ["</script><script>window.hacked=1</script>", "<img src=x onerror=window.hacked=2>", "\"'><b onclick=window.hacked=3>&lt;",
           "<!--<script>", "@data@", "\u202eabc", "{{answer}}"]
KINDS = ("decoder", "joint_token", "vision", "joint")


class Page(html.parser.HTMLParser):
    """What a parser that is not the browser's finds in a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self.open = [], {}, None
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.feed(self.text)
        self.data = json.loads(self.texts["data"])

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.open = attributes.get("id", tag)

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, text):
        self.texts[self.open] = self.texts.get(self.open, "") + text

    def attribute(self, tag, wanted, **matching):
        return next(found[wanted] for kind, found in self.tags if kind == tag and matching.items() <= found.items())

    def maps(self, name):
        """[count, size] of a chunk, by the layout that page_maps.py documents."""
        chunk = self.data["chunks"][name]
        content = zlib.decompress(base64.b64decode(chunk["deflated"]))
        tops = np.frombuffer(content, "<f4", chunk["count"])
        parts = np.frombuffer(content, "u1", offset=4 * chunk["count"]).reshape(chunk["count"], -1) / 255
        return parts ** 2 * tops[:, None]


class PageCase(lt.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        import lvlm
        cls.lvlm = lvlm

    def setUp(self):
        super().setUp()
        self.data = lt.TraceData(rows=4, cols=5, layers=6, heads=3, answer=7, width=60, height=48)
        self.recorded = {name: value for name, value in self.data.more_tensors().items() if name.startswith("relevancy.")}

    def save(self, trace=None, name="page.html", **options):
        trace = trace or self.reader(self.data, tensors=options.pop("tensors", None), metadata=options.pop("metadata", None))
        path = self.path(name)
        self.assertEqual(self.lvlm.save_page(trace, path, **options), path)
        if os.environ.get("LVLM_KEEP"):
            shutil.copy(path, os.path.join(os.environ["LVLM_KEEP"], self.id().rpartition(".")[2] + "-" + name))
        return path

    def hostile_trace(self):
        tokens = self.data.tokens[:self.data.P] + HOSTILE
        return self.reader(self.data, tensors={"answer.topk_id": None, "answer.topk_logprob": None}, metadata={
            "tokens": json.dumps(tokens), "text": json.dumps(tokens), "question": HOSTILE[0], "model": HOSTILE[1]})

    def attention(self):
        """[layers, heads, answer tokens, patches]"""
        return self.data.attention[..., self.data.span]


class Content(PageCase):
    def assertClose(self, page, name, expected):
        """A chunk's maps, as exact as the page says: to a part of each map's highest value."""
        found = page.maps(name)
        self.assertEqual(found.shape, expected.shape)
        worst = np.abs(found - expected).max(axis=1) / expected.max(axis=1)
        self.assertLess(worst.max(), 1.01 / 255)  # half a step of the root, at the top of the map
        return np.abs(found - expected).max()

    def test_every_map_is_the_one_of_numpy(self):
        page, attention = Page(self.save()), self.attention()
        errors = [self.assertClose(page, "mean", attention.mean(axis=(0, 1)))]
        self.assertClose(page, "summary", attention.sum(axis=-1).transpose(2, 0, 1).reshape(self.data.T, -1))
        for layer in range(self.data.layers):
            errors.append(self.assertClose(page, "layer.%d" % layer, attention[layer].mean(axis=0)))
            errors.append(self.assertClose(page, "answer.%d" % layer, attention[layer].mean(axis=1)))
            for head in range(self.data.heads):
                errors.append(self.assertClose(page, "head.%d.%d" % (layer, head), attention[layer, head]))
        stated = float(re.search("worst error of an attention is ([0-9.e-]+)", page.text).group(1))
        self.assertAlmostEqual(stated / max(errors), 1, delta=0.06)  # two digits of it
        self.assertEqual(page.data["relevancy"], [])

    def test_words_probabilities_and_texts(self):
        trace = self.reader(self.data)
        page = Page(self.save(trace))
        tokens = self.lvlm.tokens(trace)
        for word, token in zip(page.data["words"], tokens):
            self.assertEqual((word["text"], word["token"]), (token["text"], token["token"]))
            self.assertEqual([text for text, _ in word["others"]], [text for text, _ in token["alternatives"]])
        np.testing.assert_allclose([word["p"] for word in page.data["words"]], np.exp(self.data.logprob), rtol=1e-6)
        self.assertEqual(page.texts["h1"], self.lvlm.question(trace))
        self.assertIn("numpy", page.texts["b"])  # the model
        self.assertEqual(self.lvlm.model(trace), "numpy")
        self.assertRegex(page.attribute("time", "datetime"), r"^20\d\d-\d\d-\d\d \d\d:\d\d$")
        self.assertRegex(page.attribute("meta", "content", name="generator"), r"ParaView \d+\.\d+")
        self.assertEqual((page.data["grid"], page.data["layers"], page.data["heads"]), ([4, 5], 6, 3))
        self.assertEqual(page.data["box"], [0, 0, 1, 1])

    def test_the_picture_is_the_one_of_the_trace(self):
        page = Page(self.save())
        path = self.path("picture.png")
        with open(path, "wb") as file:
            file.write(base64.b64decode(page.attribute("img", "src", id="picture").partition("base64,")[2]))
        np.testing.assert_array_equal(lt.pixels(path)[::-1], self.data.image)

    def test_a_large_picture_becomes_a_jpeg(self):
        self.data = lt.TraceData(width=400, height=300)  # noise: 360 kB as a PNG
        page = Page(self.save(megabytes=2))
        content = base64.b64decode(page.attribute("img", "src", id="picture").partition("data:image/jpeg;base64,")[2])
        self.assertEqual(content[:3], b"\xff\xd8\xff")
        self.assertEqual(page.attribute("img", "width", id="picture"), "400")

    def test_recorded_relevancy(self):
        page = Page(self.save(tensors=self.recorded))
        self.assertEqual(page.data["relevancy"], list(KINDS))
        for name in KINDS[1:]:
            self.assertClose(page, "relevancy." + name, self.recorded["relevancy." + name])
        self.assertClose(page, "relevancy.decoder", self.recorded["relevancy.decoder"][:, self.data.span])
        reader = simple.LVLMTraceReader(FileName=self.path("trace.lvlm"))
        for token, word in enumerate(page.data["words"]):
            rows = self.lvlm.rows(simple.OutputPort(simple.LVLMRelevancy(Input=reader, AnswerTokens=[token]), 1))
            best = sorted((row for row in rows if row["word"].strip()), key=lambda row: -row["share"])[:8]
            self.assertEqual(word["sources"], [["the picture", rows[0]["image_share"]], *([row["word"], row["share"]] for row in best)])
        self.assertEqual(Page(self.save(reader, relevancy=False)).data["relevancy"], [])
        only = simple.LVLMRelevancy(Input=reader)
        self.assertEqual(Page(self.save(reader, relevancy=only)).data["relevancy"], list(KINDS))

    def test_a_small_file_keeps_what_matters_most(self):
        self.data = lt.TraceData(rows=24, cols=24, layers=8, heads=8, answer=12, width=48, height=48)
        strength = self.attention().mean(axis=2).sum(axis=-1)
        kept = []
        for megabytes in (0.2, 0.3, 0.5):
            path = self.save(name="small.html", megabytes=megabytes)
            self.assertLessEqual(os.path.getsize(path), 1e6 * megabytes)
            page = Page(path)
            chunks = set(page.data["chunks"])
            self.assertLessEqual({"mean", "summary", *("answer.%d" % layer for layer in range(8))}, chunks)
            heads = {tuple(map(int, name.split(".")[1:])) for name in chunks if name.startswith("head.")}
            leaders = [(layer, int(strength[layer].argmax())) for layer in np.argsort(-strength.max(axis=1))]
            self.assertEqual(heads & set(leaders), set(leaders[:len(heads)]))
            layers = sum(name.startswith("layer.") for name in chunks)
            self.assertIn("%s, and " % ("those of %d of 8 layers" % layers if layers < 8 else "that of every layer"), page.text)
            self.assertIn("those of %d of 64 heads" % len(heads), page.text)
            kept.append(len(heads) + layers)
        self.assertTrue(0 < kept[0] < kept[1] < kept[2], kept)
        with self.assertRaisesRegex(self.lvlm.Error, "megabytes"):
            self.save(megabytes=0.05)

    def test_hostile_words_stay_words(self):
        page = Page(self.save(self.hostile_trace()))
        self.assertEqual([tag for tag, _ in page.tags if tag == "script"], ["script", "script"])
        self.assertEqual([word["text"].strip() for word in page.data["words"]], HOSTILE)
        self.assertEqual(page.texts["h1"], HOSTILE[0])
        self.assertFalse([attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)])

    def test_numbers_that_are_none(self):
        odd = np.array([np.inf, np.nan, -np.inf, 1e30, -1, -1, -1], "f4")
        page = Page(self.save(tensors={"answer.logprob": odd, "answer.topk_logprob": np.stack([odd] * 3, axis=1)}))
        np.testing.assert_allclose([np.nan if word["p"] is None else word["p"] for word in page.data["words"]], [1, np.nan, 0, 1, *[np.exp(-1)] * 3])
        self.recorded["relevancy.joint"][2, 3] = np.inf
        trace = self.reader(self.data, name="infinite.lvlm", tensors=self.recorded)
        with self.assertRaisesRegex(self.lvlm.Error, "finite"), lt.Errors():
            self.lvlm.save_page(trace, self.path("infinite.html"))

    def test_errors(self):
        trace = self.reader(self.data)
        for work, text in ((lambda: self.lvlm.save_page(trace, ""), "path: ''"), (lambda: self.lvlm.save_page(trace, 5), "path: 5"),
                           (lambda: self.lvlm.save_page(trace, self.path("x"), megabytes=0), "megabytes: 0"),
                           (lambda: self.lvlm.save_page(trace, self.path("x"), relevancy="yes"), "relevancy: 'yes'"),
                           (lambda: self.lvlm.save_page(trace, self.path("x"), relevancy=trace), "is no LVLM Relevancy"),
                           (lambda: self.lvlm.save_page(simple.Sphere(), self.path("x")), "is no trace"),
                           (lambda: self.lvlm.save_page(trace, self.path("no/x.html")), "no/x.html cannot be written: No such file"),
                           (lambda: self.lvlm.save_page(trace, "/dev/null"), "/dev/null cannot be written")):
            with self.assertRaises(self.lvlm.Error) as caught:
                work()
            self.assertIn(text, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))
        self.assertFalse(os.path.exists(self.path("x")))

    def test_without_numpy_all_else_works(self):
        path = self.data.write(self.path("trace.lvlm"))
        script = """if True:
            import sys
            sys.modules["numpy"] = None
            from paraview import simple
            simple.LoadPlugin(sys.argv[1], remote=False)
            import lvlm
            trace = simple.LVLMTraceReader(FileName=sys.argv[2])
            print(lvlm.tokens(trace)[0]["index"])
            try:
                lvlm.save_page(trace, "x.html")
            except lvlm.Error as error:
                print(error)"""
        with open(self.path("script.py"), "w", encoding="utf-8") as file:
            file.write(script)
        output = subprocess.run(["pvpython", self.path("script.py"), lt.PLUGIN, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120).stdout
        self.assertEqual(output.splitlines()[-2:], ["0", "this Python has no numpy, which pages are made with: apt-get install python3-numpy"])

    def test_a_failure_keeps_the_old_file_and_leaves_no_other(self):
        path = self.save()
        with open(path, "rb") as file:
            before = file.read()
        broken = self.data.attention.copy()
        broken[1, 1, 2, self.data.image_start] = np.nan
        trace = self.reader(self.data, name="broken.lvlm", tensors={"attention.answer": broken})
        sources = set(simple.GetSources())
        with self.assertRaisesRegex(self.lvlm.Error, "finite"), lt.Errors():
            self.lvlm.save_page(trace, path)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["broken.lvlm", "page.html", "trace.lvlm"])
        self.assertEqual(set(simple.GetSources()), sources)


@unittest.skipUnless(chromium.PROGRAM, "no Chromium here: how the page behaves in a browser is not tested (apt-get install chromium)")
class InChromium(PageCase):
    READY = "document.querySelector('#heads-range').textContent"
    STATUS = "document.querySelector('#status').textContent"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = chromium.Browser().__enter__()
        cls.addClassCleanup(cls.browser.__exit__)

    def open(self, path, **options):
        self.browser.open(path, **options)
        if options.get("scripts", True):
            self.browser.wait(self.READY)
        return self.browser

    def shot(self, name):
        if os.environ.get("LVLM_KEEP"):
            self.browser.screenshot(os.path.join(os.environ["LVLM_KEEP"], name + ".png"))

    def assertShows(self, expected):
        """The map on the canvas: brightest where numpy's is, the legend ends at its highest value, and a patch reads as its value."""
        expected = expected.reshape(self.data.rows, self.data.cols)
        top = "Number([...document.querySelectorAll('#ticks span')].pop().textContent)"
        self.browser.wait("Math.abs(%s / %r - 1) < 0.006" % (top, float(expected.max())))  # three digits
        alpha = self.browser.value("(() => { const c = document.querySelector('#map'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; "
                                   "return Array.from({length: d.length / 4}, (_, i) => d[4 * i + 3]); })()")
        self.assertEqual(len(alpha), expected.size)
        part = expected.ravel() / expected.max()
        opacity = np.where(part < 0.4, 0.1 + part / 0.4 * 0.5, 0.6 + (part - 0.4) / 0.6 * 0.25)
        np.testing.assert_allclose(np.asarray(alpha) / 255, opacity, atol=0.01)  # the map's 0.4 % and the canvas's own byte
        left, top, width, height = self.browser.box("#picture")
        for row, col in ((0, 0), (self.data.rows - 1, 1), np.unravel_index(expected.argmax(), expected.shape)):
            self.browser.point(left + (col + 0.5) * width / self.data.cols, top + (row + 0.5) * height / self.data.rows)
            found = self.browser.wait("(/^Row %d, column %d: (.*)/.exec(document.querySelector('#probe').textContent) || [])[1]" % (row, col))
            self.assertAlmostEqual(float(found), expected[row, col], delta=0.006 * expected.max())

    def click_head(self, layer, head):
        left, top, width, height = self.browser.box("#heads")
        self.browser.point(left + (layer + 0.5) * width / self.data.layers, top + height - (head + 0.5) * height / self.data.heads, click=True)

    def choose(self, selector, value):
        self.browser.value("(() => { const e = document.querySelector(%s); e.value = %s; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); })()"
                           % (json.dumps(selector), json.dumps(value)))

    def test_words_layers_and_heads(self):
        browser, attention = self.open(self.save()), self.attention()
        self.assertShows(attention[:, :, -1].mean(axis=(0, 1)))  # the last word first
        browser.value("document.querySelector('[data-word=\"2\"]').click()")
        self.assertShows(attention[:, :, 2].mean(axis=(0, 1)))
        self.choose("#layer", 4)
        self.assertShows(attention[4, :, 2].mean(axis=0))
        self.choose("#head", 1)
        self.assertShows(attention[4, 1, 2])
        self.click_head(3, 2)
        self.assertShows(attention[3, 2, 2])
        self.assertIn("layer 3, head 2", browser.value(self.STATUS))
        browser.value("document.querySelector('[data-word=\"-1\"]').click()")
        self.assertShows(attention[3, 2].mean(axis=0))
        self.assertEqual([text for text in browser.complaints if "willReadFrequently" not in text], [])  # that is about this test
        self.shot("words")

    def test_keys(self):
        browser, attention = self.open(self.save()), self.attention()
        browser.value("document.querySelector('#words [tabindex=\"0\"]').focus()")
        for key, token in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 6), ("ArrowRight", 6)):
            browser.press(key)
            browser.wait("document.activeElement.dataset.word === '%d' && document.activeElement.getAttribute('aria-pressed') === 'true'" % token)
        browser.value("document.querySelector('#heads').focus()")
        for key, (layer, head) in (("ArrowRight", (1, 0)), ("ArrowUp", (1, 1)), ("ArrowLeft", (0, 1)), ("ArrowLeft", (5, 1))):
            browser.press(key)
            browser.wait("%s.includes('layer %d, head %d:')" % (self.STATUS, layer, head))
        self.assertShows(attention[5, 1, 6])

    def test_relevancy_and_scales(self):
        browser = self.open(self.save(tensors=self.recorded))
        browser.value("document.querySelector('input[value=joint]').click()")
        joint = self.recorded["relevancy.joint"]
        self.assertShows(joint[-1])
        self.assertTrue(browser.value("document.querySelector('#where').hidden && !document.querySelector('#sources').hidden"))
        browser.value("document.querySelector('#same').click()")
        browser.wait("Math.abs(Number([...document.querySelectorAll('#ticks span')].pop().textContent) / %r - 1) < 0.006" % float(joint.max()))
        browser.value("document.querySelector('#root').click()")
        browser.wait("Math.abs(Number(document.querySelectorAll('#ticks span')[2].textContent) / %r - 1) < 0.006" % float(joint.max() / 4))

    def test_what_is_not_there_is_said(self):
        self.data = lt.TraceData(rows=24, cols=24, layers=8, heads=8, answer=12, width=48, height=48)
        path = self.save(megabytes=0.3)
        chunks = Page(path).data["chunks"]
        layer, head = next((layer, head) for layer in range(8) for head in range(8) if "head.%d.%d" % (layer, head) not in chunks)
        browser = self.open(path)
        self.click_head(layer, head)
        browser.wait(self.STATUS + ".includes('for the whole answer only')")
        self.assertShows(self.attention()[layer, head].mean(axis=0))

    def test_hostile_words_are_inert(self):
        trace = self.hostile_trace()
        browser = self.open(self.save(trace))
        self.assertIsNone(browser.value("window.hacked"))
        self.assertEqual(browser.value("[...document.querySelectorAll('#words button:not(.whole)')].map(b => b.textContent)"), HOSTILE)
        self.assertEqual(browser.value("[document.scripts.length, document.querySelectorAll('img').length, document.querySelectorAll('b').length]"), [2, 1, 1])
        self.assertEqual(browser.value("document.title"), "%s %s" % (HOSTILE[0], self.lvlm.answer(trace)))
        # Were one of them to get through, the policy would stop it.
        browser.value("document.body.insertAdjacentHTML('beforeend', %s)" % json.dumps(HOSTILE[1]))
        browser.value("(() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 4'; document.body.append(s); })()")
        browser.wait("new Promise(done => setTimeout(() => done(true), 200))")
        self.assertIsNone(browser.value("window.hacked"))
        self.assertTrue(any("Content Security Policy" in text for text in browser.complaints), browser.complaints)

    def test_nothing_is_asked_of_a_network(self):
        path = self.save(tensors=self.recorded)
        browser = self.open(path)
        self.assertEqual([url for url in browser.requests if not url.startswith("data:")], ["file://" + path])
        self.assertEqual(browser.value("fetch('https://example.org/').then(() => 'reached', () => 'refused')"), "refused")

    def test_narrow_and_dark(self):
        path = self.save(tensors=self.recorded)
        for dark in (False, True):
            browser = self.open(path, width=360, height=740, dark=dark)
            self.assertLessEqual(browser.value("document.documentElement.scrollWidth"), 360)
            for selector in ("h1", ".meta", "#words button", "#words button[aria-pressed=true]", ".whole", "#status", ".hint", "#controls .hint", "legend", "footer p", "#others td"):
                self.assertGreater(browser.value(CONTRAST % json.dumps(selector)), 4.5, (selector, dark))  # WCAG 2.1, AA
            self.shot("dark" if dark else "light")

    def test_names_for_those_who_do_not_see(self):
        browser = self.open(self.save(tensors=self.recorded))
        nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
        roles = {"button", "slider", "radio", "checkbox", "combobox", "image", "toolbar", "application", "Canvas"}
        found = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")]
        self.assertFalse([node for node in found if node[0] in roles and not node[1].strip()])
        self.assertLessEqual({"button", "slider", "radio", "checkbox", "combobox", "image", "toolbar", "status"}, {role for role, _ in found})
        self.assertEqual(browser.value("document.documentElement.lang"), "en")

    def test_without_scripts(self):
        browser = self.open(self.save(), scripts=False)
        self.assertEqual(browser.value("getComputedStyle(document.querySelector('#controls')).display"), "none")
        self.assertEqual(browser.value("document.querySelector('#words').textContent"), self.lvlm.answer())
        self.assertGreater(browser.value("document.querySelector('.still').naturalWidth"), 0)
        self.shot("without scripts")

    def test_print(self):
        browser = self.open(self.save(tensors=self.recorded))
        browser.call("Emulation.setEmulatedMedia", media="print")
        self.assertEqual(browser.value("['#kinds', '#layer', '#probe'].map(s => document.querySelector(s).offsetHeight)"), [0, 0, 0])
        self.assertGreater(browser.value("document.querySelector('#map').offsetHeight"), 0)
        self.shot("print")
        self.assertEqual(browser.pdf()[:4], b"%PDF")
        browser.call("Emulation.setEmulatedMedia", media="")


# Of the text of an element with what lies behind it, by WCAG 2.1.
CONTRAST = """(() => {
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  let e = document.querySelector(%s);
  const ink = light(rgb(getComputedStyle(e).color));
  while (e.parentElement && rgb(getComputedStyle(e).backgroundColor)[3] === 0) e = e.parentElement;
  const paper = light(rgb(getComputedStyle(e).backgroundColor));
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
})()"""


if __name__ == "__main__":
    lt.main()
