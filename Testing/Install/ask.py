# SPDX-License-Identifier: Apache-2.0
"""PICTURE: the module lvlm of an installation, and the embedded model, answer a question."""
import sys

import lvlm

trace = lvlm.ask(sys.argv[1], "What color is the star?", layout=False)
print(lvlm.answer(trace))
assert "red" in lvlm.answer(trace)
