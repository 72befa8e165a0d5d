# SPDX-License-Identifier: Apache-2.0
"""Asks questions about all pictures of a folder and collects traces, maps and a table of answers.

    pvbatch batch.py --images FOLDER --questions FILE --output FOLDER [--model FOLDER] [--map attention|relevancy|none] ...

OUTPUT gets a trace (.lvlm) and an overlay (.png) for each picture and question, and answers.csv with a row each: answer, probability of each
token, how much of the attention goes to the picture and to the question, and the picture's share head by head. Started again, it goes on
where it stopped. A picture that cannot be used has its row with the error and does not stop the rest.

Exit code: 0 all answered, 1 some pictures or questions failed, 2 nothing could be done. Under `mpirun -np N pvbatch --sym` the ranks
share the work of each question; rank 0 writes the table. See Plugin/Documentation/batch.md.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from paraview import servermanager, simple  # noqa: E402
from vtkmodules.vtkCommonCore import vtkOutputWindow, vtkStringOutputWindow, vtkUnsignedCharArray  # noqa: E402
from vtkmodules.vtkIOImage import vtkPNGWriter  # noqa: E402
from vtkmodules.vtkParallelCore import vtkMultiProcessController  # noqa: E402

from batch_jobs import Job, Ledger, ProgressBar, UsageError, list_jobs, read_questions  # noqa: E402
from whole_files import is_text, readable, replacing  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


class JobError(Exception):
    """Why one job failed."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="batch.py", description=__doc__.splitlines()[0])
    parser.add_argument("--images", required=True, type=Path, help="folder of pictures (PNG, JPEG, BMP, TIFF, WebP)")
    parser.add_argument("--questions", required=True, type=Path,
                        help="text file with a question a line; .csv with a column question, .json with a list; both may name an image "
                        "(or pattern such as cat*.png) for a question")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--model", type=Path, help="checkpoint folder; default: the embedded model")
    parser.add_argument("--plugin", type=Path, default=ROOT / "build/lib/LVLMInterpret/LVLMInterpret.so")
    parser.add_argument("--map", choices=["attention", "relevancy", "none"], default="attention",
                        help="what the overlay shows: the mean of layers, heads and tokens, or relevancy (slower)")
    parser.add_argument("--no-traces", action="store_true", help="write no .lvlm files")
    parser.add_argument("--full-layers", type=int, nargs="*", default=None, metavar="LAYER",
                        help="layers whose whole attention matrices go into the trace; default: none")
    parser.add_argument("--system", default="", help="system prompt")
    parser.add_argument("--image-mode", choices=["Default", "Crop", "Pad", "Resize"], default="Default")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores that this process may use")
    return parser.parse_args()


class Ranks:
    """What the processes of a symmetric run must agree on."""

    def __init__(self):
        self.controller = vtkMultiProcessController.GetGlobalController()
        self.count = self.controller.GetNumberOfProcesses() if self.controller else 1
        self.first = not self.controller or self.controller.GetLocalProcessId() == 0

    def agree(self, value):
        """Rank 0's value, on all ranks."""
        if self.count == 1:
            return value
        text = json.dumps(value).encode() if self.first else b""
        array = vtkUnsignedCharArray()
        array.SetNumberOfTuples(len(text))
        for index, byte in enumerate(text):
            array.SetValue(index, byte)
        self.controller.Broadcast(array, 0)
        return json.loads(bytes(array.GetValue(i) for i in range(array.GetNumberOfTuples())))


class Reports:
    """Collects what VTK reports while it is entered."""

    def __enter__(self):
        self.before, self.window = vtkOutputWindow.GetInstance(), vtkStringOutputWindow()
        vtkOutputWindow.SetInstance(self.window)
        return self

    def __exit__(self, *_):
        vtkOutputWindow.SetInstance(self.before)

    @property
    def first(self) -> str:
        """The first error without VTK's own words around it."""
        is_error = False
        for line in map(str.strip, self.window.GetOutput().splitlines()):
            if line.startswith(("ERROR: In ", "Warning: In ")):
                is_error = line.startswith("ERROR")
            elif line and is_error:
                return line.split("): ", 1)[-1]
        return ""


class Pipeline:
    """Picture to trace to table row; one instance for the whole run, so that the model is read once."""

    def __init__(self, args: argparse.Namespace, ranks: Ranks):
        self.args, self.ranks = args, ranks
        simple.LoadPlugin(str(args.plugin.resolve()), remote=False, ns=globals())
        full = args.full_layers or []
        self.options = dict(SystemPrompt=args.system, ImageMode=args.image_mode, MaxNewTokens=args.max_new_tokens, Threads=args.threads,
                            CaptureFull=int(bool(full)), CaptureFullLayers=full or [-1],
                            ModelDirectory=str(args.model.resolve()) if args.model else "")

    def run(self, job: Job) -> dict:
        """Everything about one question but its row, which is returned. Raises JobError."""
        for what, text in (("file name", self.args.images.absolute() / job.image), ("question", job.question)):
            if not is_text(text):
                raise JobError(f"{readable(text)}: the {what} is not UTF-8 text, which ParaView asks for")
        start, made = time.monotonic(), []
        try:
            trace = self.ask(job, made)
            row = self.describe(trace, made) | self.write(job, trace, made)
        finally:
            for proxy in reversed(made):
                simple.Delete(proxy)
        return row | {"seconds": f"{time.monotonic() - start:.2f}"}

    def checked(self, proxy, what: str):
        """Updates a proxy; all ranks learn whether that went well."""
        with Reports() as reports:
            proxy.UpdatePipeline()
        if problem := self.ranks.agree(reports.first):
            raise JobError(f"{what}: {problem}")
        return proxy

    def ask(self, job: Job, made: list):
        path = self.args.images / job.image
        made.append(LVLMPictureReader(FileName=str(path.absolute())))  # a link by its own name
        self.checked(made[-1], "picture")
        made.append(LLaVAInference(Input=made[-1], Prompt=job.question, **self.options))
        return self.checked(made[-1], str(path))

    def describe(self, trace, made: list) -> dict:
        """The answer's columns."""
        made.append(self.checked(LVLMTokens(Input=trace), "LVLMTokens"))
        table = servermanager.Fetch(made[-1])
        shares = {}
        for source in ("Image", "Question"):
            made.append(self.checked(LVLMHeadSummary(Input=trace, Source=source), "LVLMHeadSummary"))
            shares[source] = servermanager.Fetch(made[-1], idx=1)
        trace.UpdatePipelineInformation()
        if not self.ranks.first:
            return {}
        roles = [table.GetValueByName(r, "role").ToString() for r in range(table.GetNumberOfRows())]
        rows = [r for r, role in enumerate(roles) if role == "answer"]
        logprobs = [table.GetValueByName(r, "logprob").ToDouble() for r in rows]
        image = by_layer(shares["Image"], roles.count("image"))
        question = by_layer(shares["Question"], roles.count("question"))
        return {"answer": trace.Answer, "probability": f"{math.exp(sum(logprobs)):.6f}",
                "tokens": json.dumps([table.GetValueByName(r, "token").ToString() for r in rows], ensure_ascii=False),
                "token_probabilities": json.dumps([round(math.exp(value), 6) for value in logprobs]),
                "image_share": f"{mean_of(image):.6f}", "question_share": f"{mean_of(question):.6f}",
                "head_image_shares": json.dumps([[round(share, 6) for share in layer] for layer in image])}

    def write(self, job: Job, trace, made: list) -> dict:
        """Trace and overlay; each appears under its name when it is complete."""
        row, output = {}, self.args.output
        if not self.args.no_traces:
            row["trace"] = f"{job.name}.lvlm"
            made.append(servermanager.writers.LVLMTraceWriter(Input=trace, FileName=str((output / row["trace"]).absolute())))
            self.checked(made.pop(), row["trace"])
        if self.args.map != "none":
            row["picture"] = f"{job.name}.png"
            last = max(1, self.ranks.agree(len(trace.TimestepValues)) - 1)  # the end token looks at nothing in particular
            make = LVLMAttentionMap if self.args.map == "attention" else LVLMRelevancy
            made.append(self.checked(make(Input=trace, AnswerTokens=list(range(last))), self.args.map))
            made.append(self.checked(LVLMOverlay(Input=made[-1]), "LVLMOverlay"))
            picture = servermanager.Fetch(made[-1])
            if self.ranks.first:
                write_png(picture, output / row["picture"])
        return row


def by_layer(table, positions: int) -> list[list[float]]:
    """The head summary, a mean over `positions` positions, as [layer][head] of their sum: the share of the attention."""
    layers: dict[int, list[float]] = {}
    for row in range(table.GetNumberOfRows()):
        value = table.GetValueByName(row, "attention").ToDouble() * positions
        layers.setdefault(table.GetValueByName(row, "layer").ToInt(), []).append(value)
    return [layers[layer] for layer in sorted(layers)]


def mean_of(layers: list[list[float]]) -> float:
    values = [value for layer in layers for value in layer]
    return sum(values) / len(values)


def write_png(picture, path: Path) -> None:
    writer = vtkPNGWriter()
    writer.SetInputData(picture)
    try:
        with replacing(path) as partial, Reports() as reports:
            writer.SetFileName(str(partial))
            writer.Write()
            if reports.first or writer.GetErrorCode() or not partial.is_file():
                raise JobError(f"{path}: {reports.first or 'cannot be written'}")
    except OSError as error:
        raise JobError(str(error)) from error


def settings_of(args: argparse.Namespace) -> dict:
    """What answers depend on: a folder holds answers of one kind."""
    return {"model": str(args.model.resolve()) if args.model else "", "system": args.system, "image_mode": args.image_mode,
            "max_new_tokens": args.max_new_tokens, "map": args.map, "traces": not args.no_traces, "full_layers": args.full_layers or []}


def plan(args: argparse.Namespace, ranks: Ranks):
    """(jobs to do, number of all jobs, the table): rank 0 decides, the others hear of it. Raises UsageError."""
    jobs, total, ledger, problem = [], 0, None, ""
    for name in ("images", "output", "model", "plugin"):  # the folder of the process may have such a name
        path = getattr(args, name)
        if path and not is_text(path.absolute()):
            raise UsageError(f"--{name} {readable(path.absolute())}: not UTF-8 text, which ParaView asks for")
    if ranks.first:
        try:
            jobs = list_jobs(args.images, read_questions(args.questions))
            ledger, total = Ledger(args.output, settings_of(args)), len(jobs)
            jobs = [job for job in jobs if job not in ledger.done]
        except UsageError as error:
            problem = str(error)
    if problem := ranks.agree(problem):
        raise UsageError(problem)
    return [Job(*pair) for pair in ranks.agree([(job.image, job.question) for job in jobs])], ranks.agree(total), ledger


def record(row: dict, ledger: Ledger, bar: ProgressBar) -> bool:
    """Writes the row and shows it; whether the job has failed."""
    try:
        ledger.add(row)
    except OSError as error:  # goes on, as other ranks do: this job is tried again by the next run
        row["error"] = f"{row['error']}; " if row.get("error") else ""
        row["error"] += f"{ledger.path}: the row cannot be written: {error.strerror}"
    failed = bool(row.get("error"))
    if failed:
        bar.tell(f"{row['image']}: {row['error']}")
    bar.show(f"{row['image']}: {row['question']} {'FAILED' if failed else row['answer']}", True)
    return failed


def run_jobs(jobs: list[Job], total: int, ledger: Ledger | None, pipeline: Pipeline, ranks: Ranks) -> int:
    """Number of failed jobs, on rank 0."""
    failed = 0
    bar = ProgressBar(total, total - len(jobs)) if ranks.first else None
    for job in jobs:
        row = {"image": readable(job.image), "question": readable(job.question)}
        if bar:
            bar.show(f"{row['image']}: {row['question']}", False)
        try:
            row |= pipeline.run(job)
        except JobError as error:
            row["error"] = str(error)
        if bar:
            failed += record(row, ledger, bar)
    if bar:
        bar.close()
        print(f"{total - failed} of {total} answered, {failed} failed: {ledger.path}", flush=True)
    return failed


def main() -> int:
    args, ranks = arguments(), Ranks()
    try:
        jobs, total, ledger = plan(args, ranks)
    except UsageError as error:
        if ranks.first:
            print(f"batch.py: error: {error}", file=sys.stderr, flush=True)
        return 2 if ranks.first else 0  # mpirun ends the others at once when one fails
    try:
        failed = run_jobs(jobs, total, ledger, Pipeline(args, ranks), ranks)
    finally:
        if ledger:
            ledger.close()
    ranks.agree(failed)  # nobody leaves before rank 0 has told
    return 1 if failed else 0


if __name__ == "__main__":
    # Only to tell of failures: leaving a script by sys.exit leaves MPI unfinished, which mpirun takes for a crash.
    if code := main():
        sys.exit(code)
