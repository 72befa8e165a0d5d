# SPDX-License-Identifier: Apache-2.0
"""Ask a large vision-language model about a picture, and see where it looked.

    import lvlm                        # once the plugin LVLMInterpret is loaded
    trace = lvlm.ask("picture.png", "What color is the star?")
    lvlm.show_attention(trace)

Every function that takes a trace takes None as well: the trace of the active source, else the newest. Errors are lvlm.Error,
with a message that names what is wrong.
"""
__version__ = "@LVLM_VERSION@"  # of the plugin; filled in when it is compiled into it

from . import notebook
from .causal_test import test_causality
from .comparison import compare
from .editing import ask_without, crop_and_ask, edit, edit_and_ask, paint_over, selected_patches
from .errors import Error, run
from .explanations import show_causality, show_relevancy
from .faithfulness import test
from .history import remove
from .knockout import knock_out
from .models import models
from .page import save_page
from .patching import patch
from .pipeline import rows
from .presets import picture_shares, show_attention, show_gallery, show_heads, show_layers, show_lens, show_matrix, show_words
from .questions import ask
from .sanity import sanity_check
from .seeing import preview
from .touch import choose_head, choose_patch, choose_token
from .traces import answer, find_traces, model, question, step, telling_token, tokens, trace_of

__all__ = ["Error", "answer", "ask", "ask_without", "choose_head", "choose_patch", "choose_token", "compare", "crop_and_ask", "edit", "edit_and_ask",
           "find_traces", "knock_out", "model", "models", "paint_over", "patch", "picture_shares", "preview", "question", "remove", "rows", "run", "sanity_check",
           "save_page", "selected_patches", "show_attention", "show_causality", "show_gallery", "show_heads", "show_layers", "show_lens", "show_matrix",
           "show_relevancy", "show_words", "step", "telling_token", "test", "test_causality", "tokens", "trace_of"]

notebook.register()
