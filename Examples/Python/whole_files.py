# SPDX-License-Identifier: Apache-2.0
"""Files that are there as a whole or not at all, under the rules of the plugin's own writer (Models/Trace/FileReplacement.h)."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def readable(text: str | Path) -> str:
    """For messages and tables: bytes of a file name that are no UTF-8 text appear as \\xff."""
    try:
        return os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def is_text(text: str | Path) -> bool:
    """Whether ParaView can be told of it: VTK 9.1 ends the process for a str that is not to be encoded as UTF-8."""
    try:
        str(text).encode("utf-8")
        return True
    except UnicodeEncodeError:
        return False


def refuse_other_than_file(path: Path) -> None:
    """Raises OSError when there is something else than a file: devices and named pipes are not for reading back or replacing."""
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return
    if not regular:
        raise OSError(f"{readable(path)}: is there and no regular file")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file to write to, of the same suffix; it takes the place of `path` when the block ends without an exception and what was
    written is on the disk. Links are followed, the mode of a file that is there is kept."""
    refuse_other_than_file(path)
    target = Path(os.path.realpath(path))
    mode = target.stat().st_mode & 0o7777 if target.exists() else None
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError(f"{readable(path)}: may not be written")
    partial = target.with_name(f".lvlm-{os.getpid()}.partial{target.suffix if len(target.suffix) < 16 else ''}")
    try:
        yield partial
        if mode is not None:
            partial.chmod(mode)
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")
