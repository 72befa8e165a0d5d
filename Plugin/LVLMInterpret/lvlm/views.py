# SPDX-License-Identifier: Apache-2.0
"""Layout tabs, titled views, pictures and colour legends: how the presets look."""
from paraview import servermanager, simple

from . import pipeline

SIZE = (1600, 900)  # of a tab that no window has given a size
INK = [0.13, 0.13, 0.15]
PAPER = [1, 1, 1]
NIGHT = [0.09, 0.09, 0.12]
TITLE_SIZE = 16
LEGEND_SIZE = 13
HEAT = "Inferno (matplotlib)"
DIFFERENCE = "Cool to Warm"
MARGIN = 12  # pixels around a picture
LEGEND_HEIGHT = 64  # pixels of a colour legend below a picture


class Tab:
    """A layout tab of a preset. Made again, it takes the place of the one of the same name."""

    def __init__(self, name):
        old = simple.GetLayoutByName(name)
        self.views = []
        if old is not None:
            for view in simple.GetViewsInLayout(old):
                _delete_titles(view)
                simple.Delete(view)
            simple.RemoveLayout(old)
        self.layout = simple.CreateLayout(name)
        self.name = name

    def split_right(self, cell, fraction):
        """Splits a cell in a left and a right one, whose numbers are returned."""
        left = self.layout.SplitHorizontal(cell, fraction)
        return left, left + 1

    def split_down(self, cell, fraction):
        upper = self.layout.SplitVertical(cell, fraction)
        return upper, upper + 1

    def view(self, cell, title, dark=False, flat=True):
        """A render view with a title; `flat` ones look straight down on the picture's plane."""
        view = simple.CreateView("RenderView")
        simple.AssignViewToLayout(view, self.layout, cell)
        view.InteractionMode = "2D" if flat else "3D"
        view.OrientationAxesVisibility = 0
        view.UseColorPaletteForBackground = 0
        view.BackgroundColorMode = "Single Color"
        view.Background = NIGHT if dark else PAPER
        view.UseLight = 0 if flat else 1
        self.views.append(view)
        show_title(view, title, dark)
        return view

    def finish(self):
        """Gives the tab its size, so that cameras can be fitted, and shows it."""
        self.layout.SetSize(*SIZE)
        if self.views:
            simple.SetActiveView(self.views[0])


def _delete_titles(view):
    """Titles belong to their view."""
    for representation in list(view.Representations):
        source = representation.Input if "Input" in representation.ListProperties() else None
        if source is not None and pipeline.xml_name(source) == "TextSource":
            simple.Delete(pipeline.plain(source))


def show_title(view, title, dark=False):
    source = pipeline.register("Title: " + title.splitlines()[0], "Text", Text=title)
    shown = simple.Show(source, view)
    shown.Color = PAPER if dark else INK
    shown.FontSize = TITLE_SIZE
    shown.FontFamily = "Arial"
    shown.Justification = "Center"
    shown.WindowLocation = "Upper Center"
    view.Representations  # noqa: B018  keeps the order of creation in a state file
    return shown


def title_height(lines):
    return int(lines * TITLE_SIZE * 1.9) + 8


def show_picture(trace, view, opacity=1.0):
    """The picture that the model saw, in its own colours."""
    picture = pipeline.attach(trace, "LVLMOverlay", "Picture of " + pipeline.name_of(trace))
    shown = simple.Show(picture, view)
    shown.Representation = "Picture"
    shown.Opacity = opacity
    return shown


def picture_size(trace):
    """Width and height of what the model saw, in pixels."""
    picture = pipeline.attach(trace, "LVLMOverlay", "Picture of " + pipeline.name_of(trace))
    picture.UpdatePipeline()
    width, height, _ = picture.GetDataInformation().DataInformation.GetExtent()[1::2]
    return width + 1, height + 1


def show_map(source, view, array, legend, follow=True, low=None, high=None, preset=HEAT, see_through=True):
    """A map above the picture: patches with high values hide it, those with low ones let it through.

    The colours run from the lowest to the highest value, anew at every time step where `follow` is on.
    """
    shown = simple.Show(source, view)
    shown.Representation = "Surface"
    shown.Position = [0, 0, 0.5]
    color(shown, view, "CELLS", array, legend, follow, low, high, preset)
    if see_through:
        colors = shown.LookupTable
        colors.EnableOpacityMapping = 1
        opacity_ramp(shown.OpacityTransferFunction if "OpacityTransferFunction" in shown.ListProperties()
                     else colors.ScalarOpacityFunction, *colors_range(colors))
        colors.ScalarOpacityFunction = shown.OpacityTransferFunction
    return shown


def colors_range(colors):
    return colors.RGBPoints[0], colors.RGBPoints[-4]


def opacity_ramp(function, low, high):
    """Nearly nothing at the lowest value, most of the colour from the middle on."""
    span = high - low or 1.0
    function.Points = [low, 0.1, 0.5, 0, low + 0.4 * span, 0.6, 0.5, 0, high, 0.85, 0.5, 0]


def color(shown, view, association, array, legend, follow, low=None, high=None, preset=HEAT):
    """Colours by an array, with scale and legend of its own."""
    simple.ColorBy(shown, (association, array), separate=True)
    colors = simple.GetColorTransferFunction(array, shown, separate=True)
    colors.ApplyPreset(preset, True)
    colors.AutomaticRescaleRangeMode = "Clamp and update every timestep" if follow and low is None else "Never"
    if low is None:
        shown.RescaleTransferFunctionToDataRange(False, True)
    else:
        colors.RescaleTransferFunction(low, high)
        shown.OpacityTransferFunction.RescaleTransferFunction(low, high)
    bar = simple.GetScalarBar(colors, view)
    bar.Title = legend
    bar.ComponentTitle = ""
    bar.Orientation = "Horizontal"
    bar.WindowLocation = "Lower Center"
    bar.ScalarBarLength = 0.6
    bar.ScalarBarThickness = 12
    bar.AutomaticLabelFormat = 0
    bar.LabelFormat = bar.RangeLabelFormat = "%-#.3g"
    bar.UseCustomLabels = 0
    bar.TitleColor = bar.LabelColor = INK
    bar.TitleFontFamily = bar.LabelFontFamily = "Arial"
    bar.TitleFontSize = bar.LabelFontSize = LEGEND_SIZE
    shown.SetScalarBarVisibility(view, True)
    return colors


def fit(view, bounds, top, bottom=0, margin=MARGIN):
    """Looks straight down on `bounds` (left, right, low, high), as large as the view lets it between title and legend."""
    width, height = view.ViewSize
    left, right, low, high = bounds
    room = max(width - 2 * margin, 1), max(height - top - bottom - 2 * margin, 1)
    unit = max((right - left) / room[0], (high - low) / room[1])  # of the picture, a pixel of the view
    centre = [(left + right) / 2, (low + high) / 2 + unit * (top - bottom) / 2]
    view.CameraParallelProjection = 1
    view.CameraParallelScale = unit * height / 2
    view.CameraPosition = [*centre, 1000]
    view.CameraFocalPoint = [*centre, 0]
    view.CameraViewUp = [0, 1, 0]
    view.CenterOfRotation = [*centre, 0]


def quoted(text):
    return "\u201c%s\u201d" % text.strip()
