# SPDX-License-Identifier: Apache-2.0
"""Ask a large vision-language model about a picture, and see where it looked.

    import lvlm                        # once the plugin LVLMInterpret is loaded
    trace = lvlm.ask("picture.png", "What color is the star?")
    lvlm.show_attention(trace)

Every function that takes a trace takes None as well: the trace of the active source, else the newest. Errors are lvlm.Error,
with a message that names what is wrong.
"""
from .errors import Error, run
from .presets import show_attention
from .questions import ask
from .traces import answer, find_traces, question, step, tokens, trace_of

__all__ = ["Error", "answer", "ask", "find_traces", "question", "run", "show_attention", "step", "tokens", "trace_of"]
