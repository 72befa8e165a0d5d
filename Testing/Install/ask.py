# SPDX-License-Identifier: Apache-2.0
"""PICTURE: the module lvlm of an installation, and the embedded model, answer a question and write the page about it."""
import pathlib
import sys
import tempfile

import lvlm

trace = lvlm.ask(sys.argv[1], "What color is the star?", layout=False)
print(lvlm.answer(trace))
assert "red" in lvlm.answer(trace)
with tempfile.TemporaryDirectory() as folder:
    page = pathlib.Path(lvlm.save_page(trace, pathlib.Path(folder) / "star.html")).read_text(encoding="utf-8")
assert "What color is the star?" in page and page.rstrip().endswith("</html>"), page[-100:]
