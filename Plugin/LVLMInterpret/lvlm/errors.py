# SPDX-License-Identifier: Apache-2.0
"""What the module raises, and how a GUI calls it."""
import importlib

import paraview


class Error(RuntimeError):
    """What went wrong, in words for the user: names the file or the value."""


def numpy_module(name, made):
    """A module of this package that needs numpy, loaded only now: all else of lvlm works without it. made: "pages are", say, for the error."""
    try:
        return importlib.import_module("." + name, __package__)
    except ModuleNotFoundError as error:
        raise Error("this Python has no %s, which %s made with: apt-get install python3-numpy" % (error.name, made)) from None


def run(function, *args, **keywords):
    """Calls a function of the module by name for a GUI: an Error becomes a message in ParaView's output window.

    Returns what the function returns, None after an error.
    """
    import lvlm
    try:
        return getattr(lvlm, function)(*args, **keywords)
    except Error as error:
        paraview.print_error("lvlm.%s: %s" % (function, error))
        return None
