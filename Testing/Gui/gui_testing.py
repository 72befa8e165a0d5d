# SPDX-License-Identifier: Apache-2.0
"""What the GUI tests share. They run as scripts inside ParaView's GUI, post real Qt events and check values.

The GUI returns 0 whatever happens in a script: each test writes a result file, which run_gui_test.py reads.
"""
import ctypes
import os
import subprocess
import sys
import time
import traceback

# PyDLL: the events may run Python themselves, so the interpreter stays ours.
_driver = ctypes.PyDLL(os.environ["LVLM_GUI_DRIVER"])
NONE, SHIFT, CONTROL = 0, 0x02000000, 0x04000000
KEY_SPACE, KEY_LEFT, KEY_RIGHT, KEY_HOME, KEY_END, KEY_A, KEY_RETURN = (
    0x20, 0x01000012, 0x01000014, 0x01000010, 0x01000011, 0x41, 0x01000004)
PICTURES = os.environ.get("LVLM_GUI_PICTURES", "")


def _must(done, what):
    if not done:
        raise AssertionError("the GUI has no %s (gui_testing.widgets() and actions() list what it has)" % what)


def _text(function, *arguments):
    buffer = ctypes.create_string_buffer(1 << 20)
    length = function(*arguments, buffer, len(buffer))
    return None if length < 0 else buffer.value.decode()


def widgets():
    return _text(_driver.gui_list)


def exists(path):
    return bool(_driver.gui_exists(path.encode()))


def click(path, at=None, modifiers=NONE, twice=False):
    x, y = at if at else (-1, -1)
    _must(_driver.gui_click(path.encode(), int(x), int(y), modifiers, int(twice)), path)
    wait(50)


def drag(path, start, end):
    _must(_driver.gui_drag(path.encode(), *(int(v) for v in (*start, *end))), path)
    wait(100)


def move(path, at):
    _must(_driver.gui_move(path.encode(), int(at[0]), int(at[1])), path)


def key(path, code, modifiers=NONE):
    _must(_driver.gui_key(path.encode(), code, modifiers), path)
    wait(50)


def type_text(path, text):
    _must(_driver.gui_type(path.encode(), text.encode()), path)


def press(action):
    """Clicks an action's button in its toolbar."""
    _must(_driver.gui_press(action.encode()), "button of " + action)
    wait(100)


def trigger(action, inside=""):
    """Triggers an action of a menu, or of the widget `inside`."""
    _must(_driver.gui_trigger(action.encode(), inside.encode()), "action %s in %s" % (action, inside or "the window"))
    wait(200)


def button_visible(action):
    """Whether the toolbar's button of an action is in sight."""
    return bool(_driver.gui_button_visible(action.encode()))


def rows(path):
    """How many rows a list or tree has."""
    return _driver.gui_rows(path.encode())


def click_item(path, row, modifiers=NONE):
    _must(_driver.gui_click_item(path.encode(), row, modifiers), "%s with row %d" % (path, row))
    wait(50)


class Pointer:
    """The X server's own pointer, which counts its clicks; xdotool moves it and presses its button."""

    def __init__(self):
        self.clicks = 0

    def click(self, path, at=None):
        self._click(_point(_driver.gui_place, path, *(map(int, at) if at else (-1, -1))))

    def button(self, action):
        """Of a toolbar."""
        self._click(_point(_driver.gui_place_of_button, action))

    def drag(self, path, *places):
        """Counts as one click."""
        points = [_point(_driver.gui_place, path, *map(int, place)) for place in places]
        self._xdotool("mousemove", *points[0], "mousedown", 1)
        for point in points[1:]:
            wait(60)
            self._xdotool("mousemove", *point)
        wait(60)
        self._xdotool("mouseup", 1)
        self.clicks += 1
        wait(300)

    def _click(self, point):
        self._xdotool("mousemove", *point)
        wait(60)
        self._xdotool("click", 1)
        self.clicks += 1
        wait(300)

    @staticmethod
    def _xdotool(*words):
        subprocess.run(["xdotool", *map(str, words)], check=True)


def _point(function, name, *more):
    out = (ctypes.c_int * 2)()
    _must(function(name.encode(), *more, out), name)
    return list(out)


def raise_dock(path):
    _must(_driver.gui_raise_dock(path.encode()), path)


def actions():
    return _text(_driver.gui_list_actions)


def enabled(action):
    return _driver.gui_enabled(action.encode()) == 1


def choose(path, item):
    _must(_driver.gui_choose(path.encode(), item.encode()), "%s with %r" % (path, item))
    wait(50)


def prop(path, name):
    return _text(_driver.gui_property, path.encode(), name.encode())


def rect(path, method, index):
    out = (ctypes.c_int * 4)()
    _must(_driver.gui_rect(path.encode(), method.encode(), index, out), "%s.%s" % (path, method))
    return list(out)


def size(path):
    out = (ctypes.c_int * 2)()
    _must(_driver.gui_size(path.encode(), out), path)
    return list(out)


def middle(path, method, index):
    x, y, width, height = rect(path, method, index)
    return x + width / 2, y + height / 2


def click_token(index, modifiers=NONE, twice=False, strip="propertiesPanel/Strip"):
    click(strip, middle(strip, "tokenRect", index), modifiers, twice)


def click_cell(property_name, index):
    grid = property_name + "/Grid"
    click(grid, middle(grid, "cellRect", index))


def click_later(path, milliseconds):
    _driver.gui_click_later(path.encode(), milliseconds)


def answer_file_dialog(dialog, path, milliseconds=0):
    """Types a path into the modal file dialog that will open, and accepts the one that follows after a while (0: none follows)."""
    _driver.gui_answer_later(dialog.encode(), path.encode(), milliseconds)


def open_file(action, dialog, path, milliseconds=1000):
    """Through a modal file dialog, and the dialog with options that follows, which stays open for a while."""
    answer_file_dialog(dialog, path, milliseconds)
    trigger(action)


_driver.gui_clicked_at.restype = ctypes.c_double


def clicked_at():
    """When the later click came, as time.monotonic(); 0 if it did not."""
    return _driver.gui_clicked_at()


def watch(path):
    _driver.gui_watch(path.encode())


def watched():
    """How the widget looked since watch(), as checksums."""
    return _text(_driver.gui_watched).splitlines()


def watched_once(path):
    """How a widget looks now, as a checksum."""
    watch(path)
    wait(400)
    return watched()[-1]


def close(path):
    _must(_driver.gui_close(path.encode()), path)
    wait(50)


def resize(width, height):
    """Of the main window."""
    _driver.gui_resize(width, height)
    wait(500)


def wait(milliseconds):
    _driver.gui_wait(int(milliseconds))


def wait_for(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("%s did not happen within %g s" % (what, seconds))
        wait(50)


def picture(name):
    """A screenshot of the whole window, where LVLM_GUI_PICTURES names a folder for them."""
    wait(300)
    if PICTURES:
        _must(_driver.gui_screenshot(os.path.join(PICTURES, name + ".png").encode()), "screenshot")


def equal(found, expected, what=""):
    if found != expected:
        raise AssertionError("%s: %r, expected %r" % (what or "value", found, expected))


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def main(*steps):
    """Runs the steps one after the other, writes how they went and leaves ParaView."""
    result = []
    try:
        _driver.gui_resize(1600, 1000)
        wait(500)
        for step in steps:
            begun = time.monotonic()
            step()
            result.append("ok %s %.1f s" % (step.__name__, time.monotonic() - begun))
        result.append("PASSED")
    except BaseException:
        result.append("failed in %s" % step.__name__)
        result.append(traceback.format_exc())
        picture("failure")
    with open(os.environ["LVLM_GUI_RESULT"], "w", encoding="utf-8") as file:
        file.write("\n".join(result) + "\n")
    sys.stdout.flush()
    _driver.gui_quit()
