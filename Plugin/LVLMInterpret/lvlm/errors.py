# SPDX-License-Identifier: Apache-2.0
"""What the module raises, and how a GUI calls it."""
import paraview


class Error(RuntimeError):
    """What went wrong, in words for the user: names the file or the value."""


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
