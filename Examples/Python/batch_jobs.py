# SPDX-License-Identifier: Apache-2.0
"""What batch.py has to do and what of it is done already: pictures, questions, and the table of answers. Free of ParaView."""

import csv
import fcntl
import fnmatch
import hashlib
import io
import json
import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from whole_files import readable, refuse_other_than_file, write_text

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
        return f"{self.image}-{hashlib.sha1(self.question.encode(errors='surrogatepass')).hexdigest()[:8]}"


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
        raise UsageError(f"{readable(path)}: {error}") from error
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
        raise UsageError(f"{readable(folder)}: {error.strerror}") from error
    if not images:
        raise UsageError(f"{readable(folder)}: no pictures ({', '.join(SUFFIXES)})")
    jobs = [Job(image, question) for image in images for question, pattern in questions if fnmatch.fnmatch(image, pattern)]
    if not jobs:
        raise UsageError(f"{readable(folder)}: no picture fits a question's pattern")
    return list(dict.fromkeys(jobs))


class FolderLock:
    """One run at a time works in a folder: two would both make what they do not see in the table. The lock is the system's and ends with
    the process; the file, which says who holds it, goes when the run ends."""

    def __init__(self, folder: Path):
        self.path = folder / "batch.lock"
        refuse_other_than_file(self.path)
        while True:
            self.file = open(self.path, "a+", encoding="utf-8", errors="replace")
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.file.seek(0)
                holder = self.file.read(200).strip() or "another process"
                self.file.close()
                raise UsageError(
                    f"{readable(folder)}: another run works in this folder ({holder}): wait for it, or choose another --output") from None
            if self._is_there():
                break
            self.file.close()  # whoever held it has just taken the file away
        self.file.truncate(0)
        self.file.write(f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
        self.file.flush()

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self.file.fileno()))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        self.path.unlink(missing_ok=True)  # before the lock goes: nobody else's file
        self.file.close()


class Ledger:
    """The table of answers, and the settings that they were made with. A row is written when everything else of its job is: a job with
    a row is done. Rows of failed jobs are taken out when the next run begins, so that they are tried again."""

    def __init__(self, folder: Path, settings: dict):
        self.folder, self.path, self.settings_path = folder, folder / "answers.csv", folder / "batch.json"
        self.lock = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.lock = FolderLock(folder)
            for path in (self.path, self.settings_path):
                refuse_other_than_file(path)
            self._check_settings(settings)
            rows = [row for row in self._read() if self._complete(row)]
            self._write_all(rows)
        except (OSError, ValueError) as error:
            self.close()
            raise UsageError(f"{readable(folder)}: {error}") from error
        self.done = {Job(row["image"], row["question"]) for row in rows}

    def _check_settings(self, settings: dict) -> None:
        if self.settings_path.exists():
            before = json.loads(self.settings_path.read_text())
            other = sorted(key for key in {*before, *settings} if before.get(key) != settings.get(key))
            if other:
                told = ", ".join(f"{key} was {before.get(key)!r} and is {settings.get(key)!r}" for key in other)
                raise ValueError(f"holds answers made with other settings ({told}): choose another --output")
        else:
            write_text(self.settings_path, json.dumps(settings, indent=1))

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

    def _write_all(self, rows: list[dict]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path, text.getvalue())

    def close(self) -> None:
        """Lets another run have the folder."""
        if self.lock:
            self.lock.release()
            self.lock = None

    def add(self, row: dict) -> None:
        """Raises OSError, and leaves the table as it was, when the row cannot be written."""
        line = io.StringIO()
        csv.DictWriter(line, COLUMNS, restval="").writerow(row)
        with open(self.path, "ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                rest = line.getvalue().encode("utf-8", "backslashreplace")
                while rest:
                    rest = rest[file.write(rest):]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)  # the next row must not go on in the middle of this one
                raise


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
