# SPDX-License-Identifier: Apache-2.0
"""Layout tabs, titled views, pictures and colour legends: how the presets look."""
import os

from paraview import servermanager, simple
from vtkmodules.vtkRenderingCore import vtkRenderWindow

from . import cameras, pipeline, traces
from .cameras import MARGIN, fit
from .errors import Error

SIZE = (1600, 900)  # of a tab that no window has given a size
TITLE_SIZE = 16
LEGEND_SIZE = 13
# Of a legend's number: says as much of a tiny range as of a large one. From 6.1 on ParaView formats as C++20 does.
LEGEND_NUMBER = "{:.3g}" if (servermanager.vtkSMProxyManager.GetVersionMajor(), servermanager.vtkSMProxyManager.GetVersionMinor()) >= (6, 1) else "%-.3g"
# Parts of the range with their colors: up to a pink that stands out from white, gray and black alike, and is rare in pictures.
HEAT = ((0, 0.05, 0.35, 0.5), (0.35, 0.25, 0.27, 0.75), (0.7, 0.65, 0.12, 0.78), (1, 1, 0, 0.6))
SCALE = "lvlm.scale"  # annotation of colours that share a scale, read by pqLVLMColors; around 0 where its text begins with "symmetric"
# No gray in the middle, which is not drawn.
DIFFERENCE = ((0, 0.05, 0.25, 0.85), (0.499, 0.4, 0.6, 1), (0.501, 1, 0.55, 0.4), (1, 0.85, 0.05, 0.1))
LEGEND_HEIGHT = 64  # pixels of a colour legend below a picture


def require_screen():
    """Raises Error where ParaView would end in a crash: drawing without an X server."""
    if vtkRenderWindow().IsA("vtkXOpenGLRenderWindow") and not os.environ.get("DISPLAY"):
        raise Error("views need a screen, and DISPLAY is not set: start with `xvfb-run -a pvpython ...`, or ask with layout=False")


class Tab:
    """A layout tab of a preset. Made again, it takes the place of the one of the same name.

    A window learns of it when it is whole, in size(): each view that it gets to see while it is filled, and each cell that is
    split in front of it, is drawn anew (that took ten times as long as the preset itself).
    """

    def __init__(self, name):
        require_screen()
        self.name = name
        self.views = []
        self.area = _area()
        self.layout = servermanager.misc.ViewLayout()

    def columns(self, cell, *shares):
        """Splits a cell into columns of these shares of its width; returns the new cells, from left to right."""
        return self._split(self.layout.SplitHorizontal, cell, shares)

    def rows(self, cell, *shares):
        """The same from top to bottom."""
        return self._split(self.layout.SplitVertical, cell, shares)

    @staticmethod
    def _split(split, cell, shares):
        cells = []
        while len(shares) > 1:
            cell = split(cell, shares[0] / sum(shares))
            cells.append(cell)
            cell, shares = cell + 1, shares[1:]
        return cells + [cell]

    def view(self, cell, flat=True, shapes=False):
        """A render view on ParaView's palette; `flat` ones look straight down on the picture's plane. shapes: words are shapes in
        it, and there is no colour legend."""
        view = self.place(_new_view("RenderView"), cell)
        view.InteractionMode = "2D" if flat else "3D"
        view.OrientationAxesVisibility = 0
        view.UseLight = 0 if flat else 1
        # Smooth letters: FXAA breaks thin strokes, and under several samples those of a legend get a shadow.
        view.UseFXAA, view.MultiSamples = (0, 8) if shapes else (1, 0)
        return view

    def chart(self, cell):
        """A view of curves."""
        return self.place(_new_view("XYChartView"), cell)

    def place(self, view, cell):
        """Puts a view into a cell; it draws nothing before finish()."""
        view.SMProxy.SetEnable(False)
        self.layout.AssignView(cell, view)
        self.views.append(view)
        return view

    def link(self, views):
        """Moving in one of the views moves all of them."""
        cameras.group(views, self.name)

    def size(self):
        """Once the views show what they show: puts the tab in place, so that they know how large they are."""
        replaced = simple.GetLayoutByName(self.name) or _unused_layout()
        servermanager.ProxyManager().RegisterProxy("layouts", self.name, self.layout)
        if replaced is not None:  # afterwards: ParaView makes a tab of its own when there is none left
            close(replaced)
        _delete_lost_captions()
        simple.SetActiveView(self.views[0])  # a window gives a tab its size when it is in front
        if not pipeline.in_gui():
            self.layout.SetSize(*self.area)

    def finish(self, source):
        """Draws the tab and shows it, with the properties of the source that it is about."""
        for view in self.views:
            view.SMProxy.SetEnable(True)
            view.StillRender()  # simple.Render would reset the session's first camera
        simple.SetActiveSource(source)
        return self.layout


def _new_view(kind):
    """A view that does not become the active one."""
    with pipeline.nothing_activated():
        return simple.CreateView(kind)


def _area():
    """Width and height of a tab: in a window about those of the tab that is shown (its tables do not count)."""
    view = simple.GetActiveView() if pipeline.in_gui() else None
    shown = simple.GetLayout(view) if view is not None else None
    width, height = shown.GetSize() if shown is not None else SIZE
    return (width, height) if width > 0 and height > 0 else SIZE


def _unused_layout():
    """The tab that a fresh window opens with, as long as it is the only one and nothing is shown in it."""
    layouts = list(simple.GetLayouts().values())
    if len(layouts) != 1 or any(view.Representations for view in simple.GetViewsInLayout(layouts[0])):
        return None
    return layouts[0]


def close(layout):
    """Takes away a tab with all its views; the filters stay."""
    views = simple.GetViewsInLayout(layout)
    if len(simple.GetLayouts()) == 1:
        simple.CreateLayout("Layout #1")  # else ParaView makes one that has this one's name
    simple.RemoveLayout(layout)  # first: a window lays out what is left whenever one of its views goes
    for view in views:
        _delete_captions(view)
        simple.Delete(view)


def _delete_lost_captions():
    """Those of tabs that were closed by hand."""
    for source in pipeline.all_sources():
        consumers = (source.SMProxy.GetConsumerProxy(n) for n in range(source.SMProxy.GetNumberOfConsumers()))
        if (pipeline.xml_name(source) == "LVLMCaption" and source.SMProxy.HasAnnotation(pipeline.PART)
                and not any(consumer is not None and consumer.GetXMLGroup() == "representations" for consumer in consumers)):
            simple.Delete(source)


def _delete_captions(view):
    """Captions belong to their view."""
    for shown in list(view.Representations):
        source = shown.Input if shown.SMProxy.GetProperty("Input") else None
        if source is not None and pipeline.xml_name(source) == "LVLMCaption":
            simple.Delete(pipeline.plain(source))


def show_caption(trace, view, text, choice=None, size=TITLE_SIZE, width=SIZE[0], about=None):
    """Text at the top of a view; {question}, {answer} and {token} are filled in, and follow the time where `choice` does.

    about: an output whose tokens these are, and whose field data says more, such as {heads} of an attention map.
    """
    choice = dict(choice or {})
    if about is not None:
        choice["About"] = about
    caption = pipeline.register("Caption", "LVLMCaption", part=True, Input=trace, Text=text, LineLength=int(width / (0.48 * size * cameras.text_scale(view))),
                                **choice)
    shown = simple.Show(caption, view)
    shown.FontSize = size
    shown.FontFamily = "Arial"
    shown.Justification = "Center"
    shown.WindowLocation = "Upper Center"
    return shown


def show_key(trace, view, text):
    """What the marks in a view mean, at its bottom."""
    shown = show_caption(trace, view, text, size=LEGEND_SIZE)
    shown.WindowLocation = "Lower Center"


def caption_height(lines, size=TITLE_SIZE):
    """Pixels that lines of a caption take."""
    return int(lines * size * 1.35) + 16


def picture_of(trace, gray=False, under=None):
    """The picture that the model saw, as a source; of several the first, or the one that the map `under` is about, whichever its
    Region chooses."""
    owner, more = trace, {}
    if under is not None and traces.pictures(trace) > 1:
        owner, more = under, {"Opacity": 0}
    name = "%s (%s)" % ("Gray picture" if gray else "Picture", pipeline.name_of(owner))
    return pipeline.attach(owner, "LVLMOverlay", name, part=True, Grayscale=int(gray), **more)


def show_picture(trace, view, opacity=1.0, gray=False, under=None):
    """The picture that the model saw, in its own colours or in grays. under: the map that lies on it, if one does."""
    # Not one of ParaView's that can be anything, of which making one takes a hundred times as long.
    shown = simple.Show(picture_of(trace, gray, under), view, "LVLMPictureRepresentation")
    shown.Opacity = opacity
    return shown


def picture_size(trace):
    """Width and height of what the model saw, in pixels."""
    return tuple(pipeline.counts(pipeline.compute(picture_of(trace)))[:2])


def lift(shown, height):
    """Above (below 0: behind) the plane of the picture, in pixels. The property is called Position up to ParaView 5.12."""
    setattr(shown, "Translation" if hasattr(shown, "Translation") else "Position", [0, 0, height])


def legend_of(source):
    """What the output says that its numbers are."""
    field = plain_information(source).GetFieldDataInformation().GetArrayInformation("legend")
    return field.GetStringValue(0) if field is not None and field.GetNumberOfStringValues() else ""


def plain_information(source):
    """Of an output that has run."""
    return pipeline.plain(source).GetDataInformation(source.Port).DataInformation


def show_map(source, view, array, legend=None, low=None, high=None, preset=HEAT,
             stops=((0, 0.02), (0.4, 0.55), (1, 0.85)), scale=None):
    """A map above the picture, which its opacities (at parts of the range) let through or hide.

    The colours run from the lowest to the highest value, anew for every token, unless `low` and `high` are given: then they
    stay; in the window maps of one `scale` grow with what is outside, and begin anew when one shows other layers or heads.
    legend: default: what the output says of itself.
    """
    legend = legend_of(source) if legend is None else legend
    shown = show_squares(source, view)
    lift(shown, 0.5)
    color(shown, view, "CELLS", array, legend, low, high, preset)
    shown.LookupTable.EnableOpacityMapping = 1
    ramp(shown, stops)
    if scale is not None:
        shown.LookupTable.SMProxy.SetAnnotation(SCALE, scale)
    return shown


def show_squares(source, view):
    """A map or a table as squares, which can be selected."""
    return simple.Show(source, view, "LVLMMapRepresentation")


def ramp(shown, stops):
    """Opacities at parts of the colours' range."""
    colors = shown.LookupTable
    low, high = colors.RGBPoints[0], colors.RGBPoints[-4]
    function = simple.GetOpacityTransferFunction(shown.ColorArrayName[1], shown, separate=True)
    function.Points = [number for part, opacity in stops for number in (low + part * (high - low), opacity, 0.5, 0)]


def color(shown, view, association, array, legend, low=None, high=None, preset=HEAT):
    """Colours by an array, with scale and legend of its own. preset: parts of the range, each with red, green and blue."""
    simple.ColorBy(shown, (association, array), separate=True)
    colors = simple.GetColorTransferFunction(array, shown, separate=True)
    colors.ColorSpace = "RGB"
    colors.RGBPoints = [number for point in preset for number in point]
    colors.AutomaticRescaleRangeMode = "Clamp and update every timestep" if low is None else "Never"
    if low is None:
        shown.RescaleTransferFunctionToDataRange(False, True)
    else:
        colors.RescaleTransferFunction(low, high)
    bar = simple.GetScalarBar(colors, view)
    bar.Title = legend
    bar.ComponentTitle = ""
    bar.Orientation = "Horizontal"
    bar.WindowLocation = "Lower Center"
    bar.ScalarBarLength = 0.6
    bar.ScalarBarThickness = 12
    bar.AutomaticLabelFormat = 0
    bar.LabelFormat = bar.RangeLabelFormat = LEGEND_NUMBER
    bar.UseCustomLabels = 0
    bar.TitleFontFamily = bar.LabelFontFamily = "Arial"
    bar.TitleFontSize = bar.LabelFontSize = LEGEND_SIZE
    shown.SetScalarBarVisibility(view, True)
    return colors


def fit_picture(view, trace, lines=2, size=TITLE_SIZE, hang=False):
    """Fits the picture between a caption and the colour legend."""
    width, height = picture_size(trace)
    fit(view, (0, width, 0, height), caption_height(lines, size), LEGEND_HEIGHT, hang=hang)


def show_shapes(shapes, view):
    """Bars or a graph in their own colours."""
    shown = simple.Show(shapes, view, "LVLMShapesRepresentation")
    simple.ColorBy(shown, ("CELLS", "color"))
    shown.MapScalars = 0
    shown.Ambient, shown.Diffuse = 1, 0  # also where the view has lights
    return shown


def show_bars(table, view, name, **properties):
    """A table's numbers as bars with words."""
    bars = pipeline.attach(table, "LVLMBars", name, part=True, **properties)
    show_shapes(bars, view)
    return bars


def fit_bars(view, bars, lines, size=TITLE_SIZE):
    pipeline.compute(bars)
    fit(view, bars.GetDataInformation().GetBounds()[:4], caption_height(lines, size), margin=2 * MARGIN, hang=True)


def show_sheet(tab, cell, table):
    """A table as the GUI shows it."""
    sheet = _new_view("SpreadSheetView")
    # Filled before it gets its place: undo goes backwards, and ParaView 5.11 crashes when a table has changed that is then
    # taken out of its tab.
    simple.Show(table, sheet)
    tab.place(sheet, cell)
