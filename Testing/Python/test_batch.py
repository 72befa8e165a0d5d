# SPDX-License-Identifier: Apache-2.0
"""Examples/Python/batch.py: the job as pvbatch runs it, interrupted, resumed, with broken pictures and on two ranks; its files and figures."""
import csv
import json
import math
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time
import unittest

import numpy as np

import lvlm_testing as lt
from paraview import simple

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENES = ROOT / "Models" / "TinyLlava" / "scenes"
SCRIPT = ROOT / "Examples" / "Python" / "batch.py"
sys.path.insert(0, str(SCRIPT.parent))
import batch_jobs  # noqa: E402
import whole_files  # noqa: E402

QUESTIONS = ("What color is the star?", 'How many stars, or "hearts", are there?')
VARYING = ("seconds",)


class BatchCase(lt.TestCase):
    def setUp(self):
        super().setUp()
        self.images, self.out = pathlib.Path(self.path("images")), pathlib.Path(self.path("out"))
        self.images.mkdir()

    def picture(self, name, scene="star_left_of_circle.png"):
        shutil.copy(SCENES / scene, self.images / name)
        return self.images / name

    def questions(self, content="\n".join(QUESTIONS), name="questions.txt"):
        path = pathlib.Path(self.path(name))
        path.write_text(content, encoding="utf-8")
        return path

    def command(self, *options, questions=None, ranks=1):
        launcher = []
        if ranks > 1:
            launcher = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(ranks)]
        return [*launcher, "pvbatch", *(["--sym"] if ranks > 1 else []), str(SCRIPT), "--plugin", lt.PLUGIN, "--images", str(self.images),
                "--questions", str(questions or self.questions()), "--output", str(self.out), *options]

    def batch(self, code, *options, cwd=None, **more):
        """Runs the job; returns what it printed."""
        # pvpython has started MPI itself: an mpirun below it must not take its variables for its own.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_", "PRTE_"))}
        result = subprocess.run(self.command(*options, **more), capture_output=True, text=True, timeout=200, env=environment, cwd=cwd)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def rows(self, varying=VARYING):
        with open(self.out / "answers.csv", newline="", encoding="utf-8") as file:
            return {(row["image"], row["question"]): {k: v for k, v in row.items() if k not in varying} for row in csv.DictReader(file)}

    def files(self):
        return {path.name: path.stat().st_mtime_ns for path in self.out.iterdir()}


class Run(BatchCase):
    def test_answers_pictures_and_traces(self):
        self.picture("a.png")
        self.picture("b.png", "four_shapes.png")
        (self.images / "notes.txt").write_text("no picture")
        broken = self.picture("broken.png")
        broken.write_bytes(broken.read_bytes()[:3000])
        (self.images / "empty.jpg").write_bytes(b"")
        printed = self.batch(1)
        self.assertIn("broken.png: cannot be decoded as a picture", printed)
        self.assertIn("4 of 8 answered, 4 failed", printed)
        rows = self.rows()
        self.assertEqual(set(rows), {(image, q) for image in ("a.png", "b.png", "broken.png", "empty.jpg") for q in QUESTIONS})
        for (image, question), row in rows.items():
            with self.subTest(image=image, question=question):
                if image in ("broken.png", "empty.jpg"):
                    self.assertIn(str(self.images / image), row["error"])
                    self.assertEqual((row["answer"], row["trace"], row["picture"]), ("", "", ""))
                else:
                    self.assertEqual(row["error"], "")
                    self.check(image, question, row)
        self.assertEqual(len(self.files()), 2 + 2 * 4)
        # Once the picture is mended, that alone is asked again.
        shutil.copy(SCENES / "two_stars.png", self.images / "broken.png")
        (self.images / "empty.jpg").unlink()
        before = self.files()
        self.assertIn("6 of 6 answered, 0 failed", self.batch(0))
        after = self.files()
        self.assertEqual({k: v for k, v in after.items() if k in before and k != "answers.csv"},
                         {k: v for k, v in before.items() if k != "answers.csv"})
        self.assertEqual(len(after), 2 + 2 * 6)
        self.assertEqual(self.rows()["a.png", QUESTIONS[0]], rows["a.png", QUESTIONS[0]])
        self.assertFalse([row for row in self.rows().values() if row["error"]])

    def check(self, image, question, row):
        """The row and its files against the same question asked here."""
        trace = simple.LLaVAInference(Input=simple.PNGSeriesReader(FileNames=[str(self.images / image)]), Prompt=question, CaptureFull=0)
        live = lt.fetch(trace)
        logprob = lt.column(lt.block(live, "answer"), "logprob")
        tokens = lt.column(lt.block(live, "tokens"), "token")[-len(logprob):]
        self.assertEqual(row["answer"], live.GetFieldData().GetAbstractArray("answer").GetValue(0))
        self.assertEqual(json.loads(row["tokens"]), tokens)
        np.testing.assert_allclose(json.loads(row["token_probabilities"]), np.exp(logprob), atol=2e-6)
        self.assertAlmostEqual(float(row["probability"]), math.exp(logprob.astype(float).sum()), places=5)
        attention = lt.array(lt.block(live, "attention.answer").GetPointData().GetArray(0)).reshape(4, 4, len(logprob), -1)
        roles = lt.column(lt.block(live, "tokens"), "role")[:attention.shape[-1]]
        for column, role in (("image_share", "image"), ("question_share", "question")):
            share = attention[..., [r == role for r in roles]].sum(axis=-1).mean()
            self.assertAlmostEqual(float(row[column]), share, places=5)
        heads = attention[..., [r == "image" for r in roles]].sum(axis=-1).mean(axis=-1)
        np.testing.assert_allclose(json.loads(row["head_image_shares"]), heads, atol=2e-6)
        recorded = lt.fetch(simple.LVLMTraceReader(FileName=str(self.out / row["trace"])))
        np.testing.assert_array_equal(lt.array(lt.block(recorded, "attention.answer").GetPointData().GetArray(0)).ravel(), attention.ravel())
        self.assertIsNone(lt.block(recorded, "attention.full"))
        heat = simple.LVLMAttentionMap(Input=trace, AnswerTokens=list(range(len(logprob) - 1)))
        shown = lt.fetch(simple.LVLMOverlay(Input=heat))
        written = lt.fetch(simple.PNGSeriesReader(FileNames=[str(self.out / row["picture"])]))
        np.testing.assert_array_equal(lt.array(written.GetPointData().GetArray(0)), lt.array(shown.GetPointData().GetArray(0)))

    def test_interrupted_and_resumed(self):
        for number in range(4):
            self.picture(f"{number}.png", ("star_left_of_circle.png", "four_shapes.png", "two_stars.png", "one_ring.png")[number])
        table = self.out / "answers.csv"
        process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 150
            while process.poll() is None and time.monotonic() < deadline and not (table.exists() and table.read_bytes().count(b"\n") > 2):
                time.sleep(0.005)
        finally:
            process.kill()
            process.wait()
        done = self.rows()
        self.assertGreaterEqual(len(done), 1)
        self.assertIn("8 of 8 answered, 0 failed", self.batch(0))
        whole = self.rows()
        self.assertEqual(len(whole), 8)
        for key, row in done.items():
            self.assertEqual(whole[key], row)
        # A line cut off in the middle, and a picture that is gone: both are made again, the others are not touched.
        lines = table.read_bytes().splitlines(keepends=True)
        table.write_bytes(b"".join(lines[:6]) + lines[6][:40])
        first = sorted(whole)[0]
        (self.out / whole[first]["picture"]).unlink()
        before = self.files()
        self.assertIn("4 of 8 are done already", self.batch(0))
        self.assertEqual(self.rows(), whole)
        self.assertEqual(len(table.read_bytes().splitlines()), 9)
        after = self.files()
        untouched = [name for name in before if name.endswith(".png") and after[name] == before[name]]
        self.assertEqual(len(untouched), 4)

    @unittest.skipUnless(shutil.which("mpirun"), "no mpirun")
    def test_two_ranks(self):
        """The same table as from one rank, broken picture included."""
        self.picture("a.png")
        self.picture("b.png", "two_stars.png")
        (self.images / "c.png").write_bytes(b"no picture")
        self.batch(1)
        one = self.rows()
        self.out = pathlib.Path(self.path("out2"))
        printed = self.batch(1, ranks=2)
        self.assertEqual(printed.count("4 of 6 answered, 2 failed"), 1, printed)
        two = self.rows()
        self.assertEqual(set(one), set(two))
        for key in one:
            self.assertEqual(one[key]["answer"] == "", key[0] == "c.png")
            for column in ("answer", "tokens", "error", "trace", "picture"):
                self.assertEqual(one[key][column], two[key][column], (key, column))
            for column in ("probability", "image_share", "question_share"):
                if one[key][column]:
                    self.assertAlmostEqual(float(one[key][column]), float(two[key][column]), places=4, msg=(key, column))
        self.assertEqual(sorted(self.files()), sorted(path.name for path in pathlib.Path(self.path("out")).iterdir()))
        (self.images / "c.png").unlink()
        self.picture("d.png", "one_ring.png")
        self.assertIn("6 of 6 answered, 0 failed", self.batch(0, ranks=2))

    def test_other_options(self):
        self.picture("a.png")
        questions = self.questions('[{"question": "Describe the image.", "image": "a*"}, {"question": "Never?", "image": "b*"}]', "q.json")
        self.batch(0, "--map", "none", "--no-traces", "--max-new-tokens", "2", questions=questions)
        rows = self.rows()
        self.assertEqual(list(rows), [("a.png", "Describe the image.")])
        self.assertEqual(len(json.loads(rows["a.png", "Describe the image."]["tokens"])), 2)
        self.assertEqual(sorted(self.files()), ["answers.csv", "batch.json"])
        self.assertIn("max_new_tokens was 2 and is 64", self.batch(2, "--map", "none", "--no-traces", questions=questions))

    def test_a_model_that_is_not_there(self):
        self.picture("a.png")
        self.assertIn("/nowhere", self.batch(1, "--model", "/nowhere"))
        self.assertIn("/nowhere", self.rows()["a.png", QUESTIONS[0]]["error"])


class Hostile(BatchCase):
    """Names, disks and neighbours that a run meets."""

    def test_names_and_questions_that_are_not_text(self):
        self.picture("a.png")
        os.rename(self.picture("b.png"), os.fsencode(self.images) + b"/m\xffbad.png")
        questions = self.questions('["What color is the star?", "a\\udcffb"]', "q.json")
        printed = self.batch(1, "--map", "none", "--no-traces", questions=questions)
        self.assertIn("1 of 4 answered, 3 failed", printed)
        rows = self.rows()
        self.assertEqual(set(rows), {(image, q) for image in ("a.png", "m\\xffbad.png") for q in (QUESTIONS[0], "a\\xffb")})
        self.assertNotEqual(rows["a.png", QUESTIONS[0]]["answer"], "")
        self.assertIn("m\\xffbad.png: the file name is not UTF-8", rows["m\\xffbad.png", QUESTIONS[0]]["error"])
        self.assertIn("a\\xffb: the question is not UTF-8", rows["a.png", "a\\xffb"]["error"])
        here = os.fsencode(self.folder.name) + b"/o\xff"
        os.mkdir(here)
        self.out = pathlib.Path("out")
        self.assertIn("--output %s/o\\xff/out: not UTF-8" % self.folder.name, self.batch(2, questions=questions, cwd=here))

    def test_two_runs_on_one_folder(self):
        self.picture("a.png")
        self.out.mkdir()
        lock = batch_jobs.FolderLock(self.out)
        self.assertIn(f"another run works in this folder (process {os.getpid()} on ", self.batch(2))
        lock.release()
        self.batch(0)
        self.assertNotIn("batch.lock", self.files())
        (self.out / "batch.lock").write_text("of a run that was killed")
        self.assertIn("2 of 2 are done already", self.batch(0))
        os.mkfifo(self.out / "batch.lock")
        self.assertIn("batch.lock: is there and no regular file", self.batch(2))

    def test_links(self):
        """What is written goes where links lead; errors name the link."""
        self.picture("a.png")
        (self.images / "damaged").write_bytes(b"nothing")
        (self.images / "link.png").symlink_to("damaged")
        os.mkfifo(self.images / "pipe.png")
        self.out.mkdir()
        other = pathlib.Path(self.path("elsewhere.csv"))
        other.write_text("")
        other.chmod(0o600)
        (self.out / "answers.csv").symlink_to(other)
        question = self.questions(QUESTIONS[0])
        self.batch(1, questions=question)
        rows = self.rows()
        self.assertIn(str(self.images / "link.png"), rows["link.png", QUESTIONS[0]]["error"])
        self.assertIn(str(self.images / "pipe.png"), rows["pipe.png", QUESTIONS[0]]["error"])
        self.assertTrue((self.out / "answers.csv").is_symlink())
        self.assertEqual(other.stat().st_mode & 0o777, 0o600)
        (self.out / "answers.csv").unlink()
        os.mkfifo(self.out / "answers.csv")
        self.assertIn("answers.csv: is there and no regular file", self.batch(2, questions=question))

    def test_full_disk(self):
        self.picture("a.png")
        self.picture("b.png", "two_stars.png")
        self.out.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", self.out], capture_output=True, check=False).returncode:
            self.skipTest("tmpfs cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", self.out], check=True)
        printed = self.batch(1)
        self.assertIn("No space left on device", printed)
        rows = self.rows()
        self.assertTrue(all(row["error"] or all((self.out / row[name]).is_file() for name in ("trace", "picture")) for row in rows.values()))
        self.assertFalse([name for name in self.files() if "partial" in name])
        (self.out / "filler").write_bytes(bytes(max(0, os.statvfs(self.out).f_bavail * os.statvfs(self.out).f_frsize - 4096)))
        before = (self.out / "answers.csv").read_bytes()
        self.assertIn("No space left on device", self.batch(2))
        self.assertEqual((self.out / "answers.csv").read_bytes(), before)
        (self.out / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=20m", self.out], check=True)
        self.assertIn("4 of 4 answered", self.batch(0))


class WholeFiles(BatchCase):
    def test_replacing(self):
        path, link = pathlib.Path(self.path("file.txt")), pathlib.Path(self.path("link.txt"))
        whole_files.write_text(path, "one")
        path.chmod(0o604)
        link.symlink_to("file.txt")
        with whole_files.replacing(link) as partial:
            partial.write_text("two")
            self.assertEqual(path.read_text(), "one")
        self.assertEqual((path.read_text(), path.stat().st_mode & 0o777, link.is_symlink()), ("two", 0o604, True))
        with self.assertRaises(ZeroDivisionError), whole_files.replacing(path) as partial:
            partial.write_text("three")
            raise ZeroDivisionError
        self.assertEqual(path.read_text(), "two")
        longest = pathlib.Path(self.path("n" * 251 + ".txt"))
        whole_files.write_text(longest, "four")
        self.assertEqual(longest.read_text(), "four")
        os.mkfifo(self.path("pipe"))
        for other in (self.path("pipe"), self.folder.name, "/dev/null"):
            with self.assertRaisesRegex(OSError, "no regular file"):
                whole_files.write_text(pathlib.Path(other), "five")
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["file.txt", "images", "link.txt", longest.name, "pipe"])


class Jobs(BatchCase):
    """What needs no ParaView."""

    def test_question_files(self):
        read = batch_jobs.read_questions
        self.assertEqual(read(self.questions("\ufeffOne?\n\n  Two, too? \n")), [("One?", "*"), ("Two, too?", "*")])
        self.assertEqual(read(self.questions('question,image\n"One, or two?",cat*.png\nThree?,\n', "q.csv")),
                         [("One, or two?", "cat*.png"), ("Three?", "*")])
        self.assertEqual(read(self.questions('["One?", {"question": "Two?", "image": "a.png"}]', "q.json")), [("One?", "*"), ("Two?", "a.png")])
        for name, content, needle in (("q.txt", "\n \n", "no questions"), ("q.json", "{", "q.json"), ("q.json", '{"question": "x"}', "not a JSON list"),
                                      ("q.json", "[7]", "entry 1"), ("q.csv", "frage\nWas?\n", "entry 1")):
            with self.assertRaisesRegex(batch_jobs.UsageError, needle):
                read(self.questions(content, name))
        with self.assertRaisesRegex(batch_jobs.UsageError, "nowhere.txt"):
            read(pathlib.Path(self.path("nowhere.txt")))

    def test_jobs(self):
        for name in ("b.png", "a.JPG", "c.gif"):
            (self.images / name).write_bytes(b"")
        jobs = batch_jobs.list_jobs(self.images, [("One?", "*"), ("Two?", "b*"), ("One?", "b.png")])
        self.assertEqual([(job.image, job.question) for job in jobs], [("a.JPG", "One?"), ("b.png", "One?"), ("b.png", "Two?")])
        self.assertEqual(len({job.name for job in jobs}), 3)
        for folder, questions, needle in ((self.images, [("One?", "z*")], "no picture fits"), (pathlib.Path("/nowhere"), [("One?", "*")], "/nowhere"),
                                          (pathlib.Path(self.folder.name) / "images" / "none", [("One?", "*")], "none")):
            with self.assertRaisesRegex(batch_jobs.UsageError, needle):
                batch_jobs.list_jobs(folder, questions)

    def test_a_row_that_does_not_fit(self):
        ledger = batch_jobs.Ledger(self.out, {})
        self.addCleanup(ledger.close)
        row = {"image": "a.png", "question": "One?", "answer": "1" * 5000, "seconds": "1"}
        ledger.add(row)
        before = ledger.path.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 2000, limits[1]))
        try:
            with self.assertRaises(OSError):
                ledger.add(row)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        self.assertEqual(ledger.path.read_bytes(), before)
        ledger.add({**row, "image": "b.png"})
        self.assertEqual([image for image, _ in self.rows()], ["a.png", "b.png"])

    def test_table_that_is_no_table(self):
        self.out.mkdir()
        (self.out / "answers.csv").write_bytes(b"\0\xff nonsense\n1,2,3\n")
        ledger = batch_jobs.Ledger(self.out, {"model": "a"})
        self.assertEqual(ledger.done, set())
        ledger.close()
        with self.assertRaisesRegex(batch_jobs.UsageError, "model was 'a' and is 'b'"):
            batch_jobs.Ledger(self.out, {"model": "b"})
        (self.out / "file").write_text("")
        with self.assertRaisesRegex(batch_jobs.UsageError, "file"):
            batch_jobs.Ledger(self.out / "file", {})


if __name__ == "__main__":
    lt.main()
