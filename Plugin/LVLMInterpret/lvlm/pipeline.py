# SPDX-License-Identifier: Apache-2.0
"""Sources, filters and small tables: what the presets share, all of it through the server manager."""
import html
import os
from contextlib import contextmanager

from paraview import servermanager, simple
from vtkmodules.vtkCommonCore import vtkCommand
from vtkmodules.vtkCommonDataModel import vtkDataObject

from .errors import Error

PART = "lvlm.part"  # annotation of a proxy, read by pqLVLMHistory
MOST_ROWS = 60  # of a table in a notebook


def xml_name(proxy):
    """The proxy's name in the XML, without the output port that a reference may carry."""
    return proxy.SMProxy.GetXMLName()


def name_of(source):
    """The name in the pipeline browser, or ""."""
    manager = servermanager.ProxyManager()
    return manager.GetProxyName("sources", source) or ""


def plain(source):
    """The source itself, when a reference to one of its ports is given."""
    return servermanager._getPyProxy(source.SMProxy)


def all_sources():
    """The sources of the pipeline browser, oldest first."""
    return sorted(simple.GetSources().values(), key=lambda source: source.SMProxy.GetGlobalID())


def input_of(source):
    """What the source's first input is connected to, or None."""
    inputs = source.GetProperty("Input")
    return inputs[0] if inputs is not None and len(inputs) > 0 else None


def inputs_of(source):
    """What all inputs of the source are connected to."""
    properties = map(source.GetProperty, source.ListProperties())
    return [taken for inputs in properties if isinstance(inputs, servermanager.InputProperty) for taken in inputs if taken is not None]


def is_used(source):
    """Whether a filter of the pipeline browser takes what the source gives."""
    return any(taken.SMProxy == source.SMProxy for user in all_sources() for taken in inputs_of(user))


def free_name(name):
    """The name, with a number behind it if a source has it already."""
    taken = {key[0] for key in simple.GetSources()}
    number, result = 2, name
    while result in taken:
        result, number = "%s (%d)" % (name, number), number + 1
    return result


def proxy_class(name):
    """The class of a source or filter. Not paraview.simple's function: that exists only where a script loaded the plugin."""
    for group in (servermanager.filters, servermanager.sources):
        found = getattr(group, name, None)
        if found is not None:
            return found
    if name in ("LLaVAInference", "LVLMOcclusion", "LVLMFaithfulness", "LVLMKnockout", "LVLMNodeTest", "LVLMPatching", "LVLMEditPicture", "LVLMSeenPicture") and hasattr(servermanager.filters, "LVLMTokens"):
        raise Error("this ParaView's plugin was built without inference (LVLM_ENABLE_INFERENCE=OFF): connect to a server whose "
                    "plugin has it")
    raise Error("this ParaView has no %s: is the plugin LVLMInterpret loaded, and built with all its parts?" % name)


def require_text(name, value):
    """Raises Error for a text that cannot be UTF-8, as of a file name of other bytes: VTK would end the process."""
    for text in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(text, str):
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                raise Error("%s = %s: not UTF-8 text, which ParaView asks for" % (name, ascii(text))) from None


def set_properties(proxy, properties):
    for name, value in properties.items():
        require_text(name, value)
        try:
            setattr(proxy, name, value)
        except (ValueError, TypeError) as error:
            choices = getattr(proxy.GetProperty(name), "Available", None)
            known = "none of %s" % ", ".join(choices) if choices and isinstance(value, str) else error
            raise Error("%s = %r: %s" % (name, value, known)) from None


@contextmanager
def nothing_activated():
    """Within this, what is registered does not become the active source or view, for which a window builds its panels anew."""
    manager = servermanager.ProxyManager().SMProxyManager
    models = {name: manager.GetSelectionModel(name) for name in ("ActiveSources", "ActiveView")}
    _select_in(manager, {name: servermanager.vtkSMProxySelectionModel() for name in models})
    try:
        yield
    finally:
        _select_in(manager, models)


def _select_in(manager, models):
    for name, model in models.items():
        manager.UnRegisterSelectionModel(name)
        if model is not None:
            manager.RegisterSelectionModel(name, model)


def register(name, proxy_name, part=False, **properties):
    """A new source or filter in the pipeline. It does not become the active one. part: of a view, such as a caption; the
    pipeline browser leaves it out."""
    require_text("name", name)
    proxy = proxy_class(proxy_name)()
    controller = servermanager.ParaViewPipelineController()
    controller.PreInitializeProxy(proxy)
    set_properties(proxy, properties)
    controller.PostInitializeProxy(proxy)
    if part:
        proxy.SMProxy.SetAnnotation(PART, "1")
    with nothing_activated():
        controller.RegisterPipelineProxy(proxy, free_name(name))
    return proxy


@contextmanager
def deleted_on_error(source):
    try:
        yield
    except Error:
        simple.Delete(source)
        raise


def below(source, proxy_name, name=None):
    """The filters of that kind whose input is the source."""
    return [other for other in all_sources()
            if xml_name(other) == proxy_name and (name is None or name_of(other) == name)
            and input_of(other) is not None and input_of(other).SMProxy == source.SMProxy]


def attach(source, proxy_name, name, part=False, **properties):
    """The filter of that kind and name below the source: the one that is there, else a new one."""
    found = below(source, proxy_name, name)
    if not found:
        return register(name, proxy_name, part, Input=source, **properties)
    set_properties(found[0], properties)
    return found[0]


@contextmanager
def reported_errors(source):
    """Collects what the source's VTK object reports. Empty on a remote server, whose messages ParaView shows itself."""
    messages = []
    vtk_object = source.GetClientSideObject()
    if vtk_object is None:
        yield messages
        return

    def collect(_object, _event, text):
        messages.append(text)
    collect.CallDataType = "string0"
    # The executive only repeats that the algorithm failed.
    executive = vtk_object.GetExecutive()
    tags = [(vtk_object, vtk_object.AddObserver(vtkCommand.ErrorEvent, collect)),
            (executive, executive.AddObserver(vtkCommand.ErrorEvent, lambda *_: None))]
    try:
        yield messages
    finally:
        for observed, tag in tags:
            observed.RemoveObserver(tag)


def first_line(messages):
    """What a VTK message says, without the file, class and address that it starts with."""
    for message in messages:
        text = message.strip().splitlines()[-1].strip()
        head, found, rest = text.partition("): ")
        return rest if found and head.startswith("vtk") else text
    return "see ParaView's messages"


def compute(source):
    """Runs the pipeline up to the source, at the time of the views: for another one they would have all of it computed again."""
    source.UpdatePipeline(simple.GetTimeKeeper().Time)
    return source


def update(source, what, port=0, again=False):
    """Runs the pipeline up to the source. Raises Error when that gives nothing. again: even if it has run, to hear what it says."""
    vtk_object = plain(source).GetClientSideObject()
    if again and vtk_object is not None:
        vtk_object.Modified()
    with reported_errors(plain(source)) as messages:
        compute(source)
        source.UpdatePipelineInformation()
    information = plain(source).GetDataInformation(port).DataInformation
    if vtk_object is not None and vtk_object.GetAbortExecute():
        raise Error("%s: aborted" % what)
    empty = not any(information.GetNumberOfElements(kind) for kind in range(vtkDataObject.NUMBER_OF_ATTRIBUTE_TYPES))
    if empty and not messages and not again and xml_name(source) == "LVLMTraceReader":
        update(source, what, port, again=True)  # it has told the window why, when it was opened
    if messages or empty:
        raise Error("%s: %s" % (what, first_line(messages)))


class Rows(list):
    """A table as a list of dictionaries, one a row. A notebook shows it as a table, and pandas takes it."""

    def to_frame(self):
        """A pandas.DataFrame, with a column a key. Raises Error where there is no pandas."""
        try:
            import pandas
        except ImportError:
            raise Error("this Python has no pandas: apt-get install python3-pandas") from None
        return pandas.DataFrame(list(self))

    def _repr_html_(self):
        shown = self[:MOST_ROWS]
        names = list(shown[0]) if shown else []
        head = "".join("<th>%s</th>" % html.escape(name) for name in names)
        body = "".join("<tr>%s</tr>" % "".join("<td>%s</td>" % html.escape(_cell(row[name])) for name in names) for row in shown)
        more = "" if len(shown) == len(self) else "<p>The first %d of %d rows.</p>" % (len(shown), len(self))
        return "<table><thead><tr>%s</tr></thead><tbody>%s</tbody></table>%s" % (head, body, more)


def _cell(value):
    """A value of a row, or a list of such tuples, to read."""
    if isinstance(value, list):
        return ", ".join(" ".join(map(_cell, part)) for part in value)
    return "%.4g" % value if isinstance(value, float) else str(value)


def rows(source, port=None):
    """A small table, the output of a source or of one of its ports, as a list of dictionaries: one a row. Its to_frame() gives a
    pandas.DataFrame."""
    with unrecorded():
        compute(source)
    kind = plain(source).GetDataInformation(source.Port if port is None else port).DataInformation.GetDataClassName()
    table = fetch(source, port) if kind == "vtkTable" else None  # ParaView 6.1 fails to bring a trace
    if table is None:
        return Rows()
    names = [table.GetColumnName(column) for column in range(table.GetNumberOfColumns())]
    return Rows({name: value_of(table.GetValueByName(row, name)) for name in names} for row in range(table.GetNumberOfRows()))


def value_of(variant):
    """A vtkVariant as a Python number or string."""
    if variant.IsString():
        return variant.ToString()
    return variant.ToDouble() if variant.IsFloat() or variant.IsDouble() else variant.ToLongLong()


@contextmanager
def unrecorded():
    """What changes meanwhile leaves nothing to undo: ParaView keeps ten steps, and reading a session must not push the user's own ones out."""
    builder = servermanager.vtkSMProxyManager.GetProxyManager().GetUndoStackBuilder()
    if builder is None:  # a script
        yield
        return
    before = builder.GetIgnoreAllChanges()
    builder.SetIgnoreAllChanges(True)
    try:
        yield
    finally:
        builder.SetIgnoreAllChanges(before)


def counts(source):
    """Points along x, y and z of an image that has been computed, over the pieces of all ranks."""
    extent = plain(source).GetDataInformation(source.Port).DataInformation.GetExtent()
    return [last - first + 1 for first, last in zip(extent[::2], extent[1::2])]


def fetch(source, port=None):
    """The data of a source's output, or of one of its ports, on the client."""
    with unrecorded():
        return servermanager.Fetch(plain(source), idx=source.Port if port is None else port)


@contextmanager
def temporary(proxy_name, **properties):
    """A filter that appears in no pipeline browser and is gone afterwards."""
    with unrecorded():
        proxy = proxy_class(proxy_name)()
        set_properties(proxy, properties)
        proxy.UpdateVTKObjects()
    yield proxy
    del proxy


def in_gui():
    """Whether a window draws the session, rather than a script."""
    return os.path.basename(servermanager.vtkProcessModule.GetProcessModule().GetProgramPath() or "").startswith("paraview")


def is_remote():
    return servermanager.ActiveConnection is not None and servermanager.ActiveConnection.IsRemote()
