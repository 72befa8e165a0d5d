# SPDX-License-Identifier: Apache-2.0
"""`lvlm.models`: what lies in Hugging Face's cache, in its own layout of links, with whatever else lies there."""
import os
import pathlib
import shutil

import lvlm_testing as lt

DATA = pathlib.Path(__file__).resolve().parents[1] / "Data" / "llava"


class Models(lt.TestCase):
    def setUp(self):
        super().setUp()
        import lvlm
        self.lvlm = lvlm
        self.hub = pathlib.Path(self.folder.name) / "hub"

    def fetched(self, name, source, commit="0123abcd"):
        """A checkpoint as Hugging Face's code leaves it: files by their hash, and links to them."""
        top = self.hub / ("models--" + name.replace("/", "--"))
        snapshot = top / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (top / "blobs").mkdir(exist_ok=True)
        for number, file in enumerate(sorted(source.iterdir())):
            if file.name == "golden.safetensors":
                continue
            blob = top / "blobs" / ("%064x" % number)
            shutil.copy(file, blob)
            (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
        return snapshot

    def test_what_can_be_used_and_what_not(self):
        good = self.fetched("llava-hf/llava-1.5-7b-hf", DATA / "multihead-f32")
        tiles = self.fetched("llava-hf/llava-v1.6-mistral-7b-hf", DATA / "next-mistral")
        broken = self.fetched("someone/broken-llava", DATA / "tied-f32")
        (broken / "model.safetensors").resolve().unlink()  # the fetch ended early
        other = self.fetched("gpt2", DATA / "tied-f32")
        (other / "config.json").resolve().write_text('{"model_type": "gpt2"}')
        hostile = self.fetched("a/b", DATA / "tied-f32")
        (hostile / "config.json").resolve().write_text("[" * 100000)
        (self.hub / "models--empty" / "snapshots" / "x").mkdir(parents=True)
        for place, folder in enumerate((good, tiles, broken)):
            os.utime(folder, (1e9 + place, 1e9 + place))
        rows = self.lvlm.models(self.hub)
        self.assertEqual([row["name"] for row in rows],
                         ["someone/broken-llava", "llava-hf/llava-v1.6-mistral-7b-hf", "llava-hf/llava-1.5-7b-hf"])
        self.assertEqual([row["usable"] for row in rows], [False, True, True])
        self.assertEqual(rows[2]["bytes"], (DATA / "multihead-f32" / "model.safetensors").stat().st_size)
        self.assertEqual(rows[0]["bytes"], 0)
        self.assertIn("3 layers, 4 heads", rows[2]["information"])
        self.assertIn("up to", rows[2]["information"])
        self.assertIn("patches a tile", rows[1]["information"])
        self.assertIn(str(broken), rows[0]["information"])
        trace = self.lvlm.ask(str(DATA / "picture.png"), "What color is the star?", model=rows[2]["folder"], max_new_tokens=2, layout=False)
        self.assertEqual(len(self.lvlm.tokens(trace, "answer")), 2)

    def test_where_hugging_face_looks(self):
        self.fetched("x/llava", DATA / "multihead-f32")
        before = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
            os.environ.pop(name, None)
        os.environ["HF_HUB_CACHE"] = str(self.hub)
        self.assertEqual(len(self.lvlm.models()), 1)
        del os.environ["HF_HUB_CACHE"]
        os.environ["HF_HOME"] = self.folder.name
        self.assertEqual(len(self.lvlm.models()), 1)
        os.environ["HF_HOME"] = os.path.join(self.folder.name, "nowhere")
        self.assertEqual(self.lvlm.models(), [])


if __name__ == "__main__":
    lt.main()
