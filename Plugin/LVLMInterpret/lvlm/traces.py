# SPDX-License-Identifier: Apache-2.0
"""Traces in the pipeline, and what they say."""
import math
import re
from contextlib import contextmanager

from paraview import servermanager, simple

from . import pipeline
from .errors import Error

SOURCES = ("LLaVAInference", "LVLMTraceReader")


def find_traces():
    """The traces of the session, oldest first: LLaVA Inference filters and LVLM Trace Readers."""
    return [source for source in pipeline.all_sources() if is_trace(source)]


def is_trace(source):
    """Whether it is a trace itself, rather than something below one: a source of traces, or the answer of LVLM Knockout."""
    return pipeline.xml_name(source) in SOURCES or _is_new_answer(source)


def _is_new_answer(source):
    return pipeline.xml_name(source) == "LVLMKnockout" and source.Port == 1


def trace_of(source):
    """The trace that the source is or lies below, or None."""
    for _ in range(1000):  # a cycle cannot be built, but a state file may be anything
        if source is None:
            return None
        if is_trace(source):
            return source if _is_new_answer(source) else pipeline.plain(source)
        source = pipeline.input_of(source)
    return None


def resolve(trace=None):
    """The trace that a preset is for: the given one, else that of the active source, else the newest."""
    if trace is not None:
        trace = source_of(trace, "trace")
        return trace_of(trace) or _raise("%s is no trace and lies below none" % (pipeline.name_of(trace) or trace))
    found = trace_of(simple.GetActiveSource())
    if found is None:
        every = find_traces()
        found = every[-1] if every else None
    return found or _raise("there is no trace: ask a question first (lvlm.ask), or open an .lvlm file")


def source_of(given, what):
    """A source that is given as such or by its name; raises Error for anything else."""
    if isinstance(given, str):
        return simple.FindSource(given) or _raise("there is no source named %r" % given)
    return given if isinstance(given, servermanager.Proxy) else _raise("%s: %r is no source of the pipeline" % (what, given))


def _raise(message):
    raise Error(message)


def tokens(trace=None, role="answer"):
    """The answer's tokens, or those of another role (None: all positions), as dictionaries; to_frame() gives a pandas.DataFrame.

    Keys: `position`, `index` (in the answer, -1 outside), `token` (the tokenizer's piece), `text` (what it says: a character spread
    over several pieces stands at the first), `role`, `probability` (None where it is not known) and `alternatives`, a list of
    (text, probability), best first.
    """
    trace = resolve(trace)
    with _table(trace) as table:
        rows = pipeline.rows(table)
    return pipeline.Rows(_token(row) for row in rows if role is None or row["role"] == role)


@contextmanager
def _table(trace):
    with pipeline.temporary("LVLMTokens", Input=trace) as table:
        pipeline.update(table, "the tokens of %s" % pipeline.name_of(trace))
        yield table


def _token(row):
    others = []
    for name in (n for n in row if re.fullmatch(r"top\d+_text", n)):
        probability = _probability(row[name.replace("_text", "_logprob")])
        if probability is not None:
            others.append((row[name], probability))
    return {"position": row["position"], "index": row["answer_index"], "token": row["token"], "text": row["text"],
            "role": row["role"], "probability": _probability(row["logprob"]), "alternatives": others}


def _probability(logprob):
    """None where it is not known; a recorded logarithm above 0 is none of a probability, and counts as 0."""
    return None if math.isnan(logprob) else math.exp(min(logprob, 0))


def question(trace=None):
    """The question as it was asked; of a trace that does not say it, what its tokens say."""
    return _field(trace, "question")


def model(trace=None):
    """The name of the model that answered."""
    return _field(trace, "model")


def grid(trace=None):
    """Rows and columns of the patches that maps have."""
    return tuple(int(number) for number in _field(trace, "grid").split(","))


def content(trace=None):
    """Of a picture that the model read in tiles, the part of the trace's picture that is not the black beside it: left, top,
    right, bottom in pixels from the top left. None of another picture."""
    box = _field(trace, "content")
    return None if box is None else tuple(int(edge) for edge in box.split(","))


def pictures(trace=None):
    """How many pictures the question is about."""
    trace = resolve(trace)
    if pipeline.xml_name(trace) == "LLaVAInference":
        return 1 + len(trace.FurtherPictures)
    return int(_field(trace, "pictures") or 1)


def _field(trace, name):
    with _table(resolve(trace)) as table:
        field = pipeline.fetch(table).GetFieldData().GetAbstractArray(name)
        return None if field is None else field.GetValue(0)


def answer(trace=None):
    """The answer, without the token that ends it."""
    return "".join(token["text"] for token in tokens(trace) if not _is_special(token["token"])).strip()


def _is_special(piece):
    return re.fullmatch(r"<[^<>]*>|<\|.*\|>", piece) is not None and not piece.startswith("<0x")


def telling_token(trace=None):
    """The answer's last token that is a word: "red" of "The star is red."; where a preset starts."""
    found = tokens(trace)
    if not found:
        raise Error("the answer of %s has no tokens" % pipeline.name_of(resolve(trace)))
    words = [token["index"] for token in found
             if not _is_special(token["token"]) and any(c.isalnum() for c in token["text"])]
    return words[-1] if words else found[0]["index"]


def check_token(trace, token):
    """The token's index, counted from 0. Raises Error where the answer has no such token."""
    length = len(tokens(trace))
    if isinstance(token, bool) or not isinstance(token, int):
        raise Error("token: %r is no index of an answer token" % (token,))
    if not -length <= token < length:
        raise Error("token %d: the answer has %d tokens, 0 to %d" % (token, length, length - 1))
    return token % length


def step(token, trace=None):
    """Moves the time to an answer token: everything that follows the time shows it."""
    token = check_token(resolve(trace), token)
    scene = simple.GetAnimationScene()
    if not scene.StartTime <= token <= scene.EndTime:  # the GUI keeps the scene up to date, a script does not
        scene.UpdateAnimationUsingDataTimeSteps()
    scene.PlayMode = "Snap To TimeSteps"  # a token a step
    scene.AnimationTime = token
    return token
