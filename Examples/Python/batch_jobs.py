# SPDX-License-Identifier: Apache-2.0
"""What batch.py has to do and what of it is done already: pictures, questions, and the table of answers. Free of ParaView."""

import csv
import fnmatch
import hashlib
import io
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
COLUMNS = ("image", "question", "answer", "probability", "tokens", "token_probabilities", "image_share", "question_share",
           "head_image_shares", "trace", "picture", "seconds", "error")


class UsageError(Exception):
    """What the user gave cannot be worked on at all."""


@dataclass(frozen=True)
class Job:
    image: str  # file name inside the folder of pictures
    question: str

    @property
    def name(self) -> str:
        """Of this job's files: the same when other pictures or questions come or go."""
        return f"{self.image}-{hashlib.sha1(self.question.encode()).hexdigest()[:8]}"


def read_questions(path: Path) -> list[tuple[str, str]]:
    """(question, pattern of picture names) of a text file (a line a question), a CSV file (columns question and, if wanted, image) or a
    JSON file (a list of questions, or of objects with question and, if wanted, image)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            rows = json.loads(text)
        elif path.suffix.lower() == ".csv":
            rows = list(csv.DictReader(io.StringIO(text)))
        else:
            rows = text.splitlines()
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(rows, list):
        raise UsageError(f"{path}: not a JSON list")
    questions = []
    for number, row in enumerate(rows, 1):
        entry = row if isinstance(row, dict) else {"question": row}
        question, pattern = entry.get("question"), entry.get("image") or "*"
        if not isinstance(question, str) or not isinstance(pattern, str):
            raise UsageError(f"{path}: entry {number} has no text 'question': {row!r}")
        if question.strip():
            questions.append((question.strip(), pattern))
    if not questions:
        raise UsageError(f"{path}: no questions")
    return questions


def list_jobs(folder: Path, questions: list[tuple[str, str]]) -> list[Job]:
    """Each picture with each of its questions, pictures by name."""
    try:
        images = sorted(entry.name for entry in os.scandir(folder) if Path(entry.name).suffix.lower() in SUFFIXES)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from error
    if not images:
        raise UsageError(f"{folder}: no pictures ({', '.join(SUFFIXES)})")
    jobs = [Job(image, question) for image in images for question, pattern in questions if fnmatch.fnmatch(image, pattern)]
    if not jobs:
        raise UsageError(f"{folder}: no picture fits a question's pattern")
    return list(dict.fromkeys(jobs))


class Ledger:
    """The table of answers, and the settings that they were made with. A row is written when everything else of its job is: a job with
    a row is done. Rows of failed jobs are taken out when the next run begins, so that they are tried again."""

    def __init__(self, folder: Path, settings: dict):
        self.folder, self.path, self.settings_path = folder, folder / "answers.csv", folder / "batch.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._check_settings(settings)
            rows = [row for row in self._read() if self._complete(row)]
            self._write_all(rows)
        except (OSError, ValueError) as error:
            raise UsageError(f"{folder}: {error}") from error
        self.done = {Job(row["image"], row["question"]) for row in rows}

    def _check_settings(self, settings: dict) -> None:
        if self.settings_path.exists():
            before = json.loads(self.settings_path.read_text())
            other = sorted(key for key in {*before, *settings} if before.get(key) != settings.get(key))
            if other:
                told = ", ".join(f"{key} was {before.get(key)!r} and is {settings.get(key)!r}" for key in other)
                raise ValueError(f"holds answers made with other settings ({told}): choose another --output")
        else:
            self._replace(self.settings_path, json.dumps(settings, indent=1))

    def _read(self) -> list[dict]:
        if not self.path.exists():
            return []
        with open(self.path, newline="", encoding="utf-8", errors="replace") as file:
            return list(csv.DictReader(file))

    def _complete(self, row: dict) -> bool:
        """Not so: a failed job, a line cut off when an earlier run was killed, or one whose files are gone."""
        if set(row) != set(COLUMNS) or None in row.values() or row["error"] or not row["seconds"]:
            return False
        return all((self.folder / row[name]).is_file() for name in ("trace", "picture") if row[name])

    def _replace(self, path: Path, text: str) -> None:
        partial = path.with_name(path.name + ".partial")
        partial.write_text(text, encoding="utf-8", newline="")
        partial.replace(path)

    def _write_all(self, rows: list[dict]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
        self._replace(self.path, text.getvalue())

    def add(self, row: dict) -> None:
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS, restval="").writerow(row)
            file.flush()
            os.fsync(file.fileno())


class ProgressBar:
    """One line that fills on a terminal, a line a job elsewhere."""

    def __init__(self, total: int, skipped: int, stream=sys.stderr):
        self.total, self.done, self.fresh, self.stream = total, skipped, 0, stream
        self.start, self.live = time.monotonic(), stream.isatty()
        if skipped:
            print(f"{skipped} of {total} are done already", file=stream, flush=True)

    def show(self, text: str, finished: bool) -> None:
        self.done += finished
        self.fresh += finished
        if self.live:
            filled = 24 * self.done // self.total
            left = (time.monotonic() - self.start) / max(1, self.fresh) * (self.total - self.done)
            eta = f"{int(left) // 60}:{int(left) % 60:02} left" if self.fresh else ""
            line = f"[{'#' * filled:-<24}] {self.done}/{self.total} {eta} {text}"
            print(f"\r\x1b[K{line[:os.get_terminal_size(self.stream.fileno()).columns - 1]}", end="", file=self.stream, flush=True)
        elif finished:
            print(f"[{self.done}/{self.total}] {text}", file=self.stream, flush=True)

    def tell(self, text: str) -> None:
        """A line of its own, above the bar."""
        print(("\r\x1b[K" if self.live else "") + text, file=self.stream, flush=True)

    def close(self) -> None:
        if self.live:
            print(file=self.stream)
