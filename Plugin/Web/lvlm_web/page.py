# SPDX-License-Identifier: Apache-2.0
"""What the page looks like. What happens in the browser alone is in assets/page.js."""
import importlib.util
import pathlib

from trame.ui.html import DivLayout
from trame.widgets import html, vuetify3 as v
from trame.widgets.paraview import VtkRemoteView

ASSETS = pathlib.Path(__file__).resolve().parent / "assets"
TABS = (("attention", "Attention", "mdi-eye-outline"), ("heads", "Heads", "mdi-grid"), ("layers", "Layers 3D", "mdi-cube-outline"),
        ("relevancy", "Relevancy", "mdi-target"), ("causality", "Causal graph", "mdi-graph-outline"),
        ("edit", "Edit", "mdi-eraser"), ("compare", "Compare", "mdi-compare"))
SMALL = {"density": "compact", "hide_details": True, "variant": "outlined"}
# A mouse that turns wants many pictures rather than fine ones.
TURNING = {"interactive_quality": 70, "interactive_ratio": 0.75, "still_quality": 95}

MOUSE = (("down", "press"), ("move", "move"), ("up", "release"))
# trame has no widget for a path.
PATCHES = """<svg :viewBox="`0 0 ${patches[0]?.length || 1} ${patches.length || 1}`" preserveAspectRatio="none">
<path :d="utils.lvlm.outline(patches)" class="lv-grid" /><path :d="utils.lvlm.cells(patches, chosen)" class="lv-taken" /></svg>"""

# What is being drawn, and what a crop leaves out.
STROKE = """<svg :viewBox="`0 0 ${canvas_size[0]} ${canvas_size[1]}`" preserveAspectRatio="none">
<path v-if="utils.lvlm.kept(edits)" fill-rule="evenodd" :d="utils.lvlm.around(utils.lvlm.kept(edits), canvas_size)" class="lv-cut" />
<path v-if="stroke.length" :d="utils.lvlm.stroked(tool, stroke, canvas_size)" :class="tool == 'brush' ? 'lv-brush' : 'lv-box'"
 :stroke-width="tool == 'brush' ? brush * Math.max(...canvas_size) / 100 : null" /></svg>"""
FILLS = ("[{title: 'mean color', value: 'mean'}, {title: 'surrounding color', value: 'surrounding'}, {title: 'blur', value: 'blur'}, "
         "{title: 'noise', value: 'noise'}, {title: 'black', value: 'black'}, {title: 'white', value: 'white'}]")


def build(server, first):
    """The page; returns the view that can be turned, None where this ParaView serves none. first: a view to begin with."""
    turns = importlib.util.find_spec("paraview.modules.vtkPVClientWeb") is not None  # Debian's ParaView 6.1 lacks it
    server.enable_module({"serve": {"lvlm": str(ASSETS)}, "scripts": ["lvlm/page.js"], "styles": ["lvlm/page.css"]})
    server.state.update({"trame__title": "LVLM-Interpret", "busy": "", "progress": 0, "progress_text": "",
                         "uploading": False, "drawing": False, "layer_slid": None, "head_slid": None, "stroke": [], "turns": turns})
    server.state.client_only("busy", "progress", "progress_text", "uploading", "drawing", "layer_slid", "head_slid", "stroke")
    with DivLayout(server) as layout:
        with v.VApp(classes="lv-app"):
            _messages()
            with html.Div(classes="lv-body"):
                with html.Div(classes="lv-side"):
                    _head()
                    _picture()
                    _question()
                    _earlier()
                with html.Div(classes="lv-main"):
                    _answer()
                    _tabs()
                    with html.Div(classes="lv-figure", id="lv-figure"):
                        turned = _figure(first if turns else None)
    layout.flush_content()
    return turned


def _head():
    with html.Div(classes="lv-head"):
        html.Span("LVLM-Interpret", classes="lv-title")
        html.Span("{{ model }}", classes="lv-model", title=("model_information",))


def _picture():
    with html.Div(classes="lv-drop", raw_attrs=['@dragover.prevent=""', '@drop.prevent="utils.lvlm.upload($event.dataTransfer.files)"']):
        html.Img(src=("picture",), v_show=("picture",), classes="lv-picture", alt="The chosen picture")
        html.Div("{{ picture_name }}", classes="lv-caption")
    with html.Div(classes="lv-examples"):
        with v.VBtn(size="small", variant="tonal", prepend_icon="mdi-upload", classes="lv-upload", loading=("uploading",),
                    click="utils.lvlm.choose()"):
            html.Span("Upload")
        html.Img(v_for="name, i in examples", key=("i",), src=("'example/' + i",), title=("name",), alt=("name",),
                 classes=("['lv-thumb', picture_name == name ? 'lv-chosen' : '']",), click="trigger('choose_example', [i])")
        html.Input(type="file", id="lv-file", accept="image/*,.tif,.tiff", style="display: none",
                   change="utils.lvlm.upload($event.target.files); $event.target.value = ''")


def _question():
    v.VTextarea(v_model=("question",), label="Question", rows=2, auto_grow=True, max_rows=5, classes="lv-question",
                raw_attrs=["""@keydown.ctrl.enter="trigger('ask')" """], **SMALL)
    with html.Div(classes="lv-row"):
        v.VBtn("Ask", color="primary", prepend_icon="mdi-comment-question-outline", classes="lv-ask", id="lv-ask",
               disabled=("!!busy",), click="trigger('ask')")
        with v.VMenu(close_on_content_click=False, location="end"):
            with v.Template(v_slot_activator="{ props }"):
                v.VBtn(icon="mdi-tune", size="small", variant="text", v_bind="props", title="Settings of the answer")
            with v.VCard(classes="lv-settings"):
                v.VTextField(v_model_number=("longest",), type="number", raw_attrs=['min="1"', 'max="4096"'], label="Longest answer, in tokens", **SMALL)
                v.VTextField(v_model_number=("temperature",), type="number", raw_attrs=['min="0"', 'max="2"', 'step="0.1"'],
                             label="Temperature (0: most probable)", **SMALL)
                v.VSelect(v_model=("image_mode",), items=("['Default', 'Resize', 'Crop', 'Pad']",), label="Fit of the picture", **SMALL)


def _earlier():
    with html.Div(v_if="questions.length > 1", classes="lv-earlier"):
        html.Div("Questions", classes="lv-label")
        with html.Div(v_for="each in questions", key=("each.value",), title=("each.title",),
                      classes=("['lv-trace', each.value == current ? 'lv-chosen' : '']",), click="trigger('choose_trace', [each.value])"):
            html.Span("{{ each.title }}")


def _answer():
    with html.Div(classes="lv-answer"):
        html.Div("{{ asked || 'The answer stands here, word by word.' }}", classes="lv-asked")
        with html.Div(classes="lv-words"):
            with html.Span(v_for="word, i in words", key=("i",), title=("word.others.join('\\n')",), click="trigger('choose_token', [i])",
                           classes=("['lv-word', i == token ? 'lv-chosen' : '']",),
                           raw_attrs=['role="button"', 'tabindex="0"', """@keydown.enter="trigger('choose_token', [i])" """]):
                html.Span("{{ word.text }}", classes="lv-text")
                html.Span("{{ word.percent === null ? '' : word.percent + ' %' }}", classes="lv-percent",
                          style=("{ '--sure': word.percent + '%' }",))


def _tabs():
    with html.Div(classes="lv-bar"):
        with v.VTabs(v_model=("tab",), density="compact", color="primary", show_arrows=True, disabled=("current < 0",)):
            for name, title, icon in TABS:
                v.VTab(title, value=name, prepend_icon=icon, size="small", id="lv-tab-" + name)
    with html.Div(classes="lv-controls", style=("{ visibility: current < 0 ? 'hidden' : 'visible' }",)):
        with v.VBtnToggle(v_if="tab == 'attention'", v_model=("gallery",), mandatory=True, density="compact", variant="outlined",
                          color="primary", divided=True):
            for name, title in (("map", "Map"), ("heads", "All heads"), ("layers", "All layers"), ("tokens", "All tokens")):
                v.VBtn(title, value=name, size="small", id="lv-gallery-" + name)
        _slider("layer", "(tab == 'attention' && gallery == 'map') || tab == 'compare'")
        _slider("head", "(tab == 'attention' && gallery == 'map') || tab == 'compare' || tab == 'causality'")
        with v.VBtnToggle(v_if="tab == 'relevancy'", v_model=("mode",), mandatory=True, density="compact", variant="outlined",
                          color="primary", divided=True):
            for name in ("Exact", "Compatible"):
                v.VBtn(name, value=name, size="small")
        html.Span("{{ tab == 'heads' ? 'Click on a square to see the map of that head.' : 'Click on a map to see it on the picture.' }}",
                  v_if="tab == 'heads' || (tab == 'attention' && (gallery == 'heads' || gallery == 'layers'))", classes="lv-hint")
        html.Span("{{ turns ? 'Turn with the left mouse button, move with the middle one, nearer with the right one or the wheel.'"
                  " : 'A still picture: the ParaView of this server lacks what turns it (vtkPVClientWeb).' }}",
                  v_if="tab == 'layers'", classes="lv-hint")
        v.VSelect(v_if="tab == 'compare' && questions.length > 1", model_value=("second",), update_modelValue="trigger('compare', [$event])",
                  items=("questions.filter(q => q.value != current)",), label="Compare with", classes="lv-compare", **SMALL)
        _edit_controls()


def _slider(name, where):
    """A layer or head; -1 is all of them."""
    with html.Div(v_if=where, classes="lv-slide"):
        v.VSlider(model_value=("%s_slid ?? %s" % (name, name),), min=-1, max=("%ss - 1" % name,), step=1, density="compact",
                  hide_details=True, color="primary", thumb_size=14, track_size=3, id="lv-" + name,
                  update_modelValue="utils.lvlm.slide('%s', $event)" % name,
                  label=("({0}_slid ?? {0}) < 0 ? 'All {0}s' : '{1} ' + ({0}_slid ?? {0})".format(name, name.capitalize()),))


def _edit_controls():
    with html.Div(v_if="tab == 'edit'", classes="lv-row lv-grow lv-wrap"):
        with v.VBtnToggle(v_model=("tool",), mandatory=True, density="compact", variant="outlined", color="primary", divided=True):
            for name, title in (("patches", "Patches"), ("rectangle", "Rectangle"), ("brush", "Brush"), ("crop", "Crop")):
                v.VBtn(title, value=name, size="small", id="lv-tool-" + name)
        with v.Template(v_if="tool == 'patches'"):
            html.Span("{{ chosen.length ? chosen.length + (chosen.length == 1 ? ' patch' : ' patches') : 'Click on patches, or draw a rectangle' }}",
                      classes="lv-hint")
            v.VBtn("Clear", size="small", variant="text", disabled=("!chosen.length",), click="chosen = []")
            v.VSelect(v_model=("fill",), items=("['Mean Color', 'Black', 'White']",), label="Paint over with", classes="lv-fill", **SMALL)
            v.VBtn("Ask without them", size="small", color="primary", id="lv-without", disabled=("!chosen.length || !!busy",),
                   click="trigger('ask_without')")
        with v.Template(v_if="tool != 'patches'"):
            html.Span("Drag over what is to go", v_if="tool == 'rectangle' && !edits.length", classes="lv-hint")
            html.Span("Drag over the part that is to stay", v_if="tool == 'crop' && !edits.length", classes="lv-hint")
            v.VSlider(v_if="tool == 'brush'", v_model_number=("brush",), min=1, max=25, step=1, label="Width", density="compact", hide_details=True,
                      color="primary", thumb_size=14, track_size=3, classes="lv-slide")
            v.VBtn("Undo", size="small", variant="text", id="lv-undo", disabled=("!edits.length",), click="trigger('undo_edit')")
            v.VBtn("Clear", size="small", variant="text", disabled=("!edits.length",), click="trigger('clear_edits')")
            v.VSelect(v_if="tool != 'crop'", v_model=("cover",), items=(FILLS,), label="Cover with", classes="lv-fill", **SMALL)
            v.VBtn("Ask about it", size="small", color="primary", id="lv-ask-edited", disabled=("!edits.length || !!busy",),
                   click="trigger('ask_edited')")


def _figure(first):
    """first: of the view that can be turned; None: there is none."""
    with html.Div(v_if="current < 0", classes="lv-empty"):
        v.VIcon("mdi-image-search-outline", size=64, color="grey-lighten-1")
        html.Div("Choose or upload a picture, write a question, and press Ask.")
        html.Div("Then click on a word of the answer, to see where the model looked when it wrote it.")
    html.Img(src=("figure",), v_show="figure && tab == shown_tab && !(turns && tab == 'layers')", classes="lv-drawn", id="lv-drawn",
             alt="The figure of this tab", draggable="false", click="trigger('pick', utils.lvlm.place($event))")
    turned = None
    if first is not None:
        with html.Div(v_if="tab == 'layers' && shown_tab == 'layers'", classes="lv-turned", id="lv-turned"):
            turned = VtkRemoteView(first, ref="turned", **TURNING)
    with html.Div(v_if="tab == 'edit' && current >= 0 && tool == 'patches'", classes="lv-edit"):
        with html.Div(classes="lv-patches", id="lv-patches", raw_attrs=["""@pointer%s="utils.lvlm.%s($event)" """ % pair for pair in MOUSE]):
            html.Img(src=("seen",), draggable="false", alt="The picture that the model saw")
            html.Div(PATCHES, classes="lv-lines")
    with html.Div(v_if="tab == 'edit' && current >= 0 && tool != 'patches' && canvas", classes="lv-edit"):
        with html.Div(classes="lv-patches", id="lv-canvas", raw_attrs=["""@pointer%s="utils.lvlm.%sStroke($event)" """ % pair for pair in (*MOUSE, ("cancel", "release"))]):
            html.Img(src=("canvas",), draggable="false", alt="The picture of the question, with the edits")
            html.Div(STROKE, classes="lv-lines")
    return turned


def _messages():
    with html.Div(classes="lv-messages"):
        with v.VAlert(v_if="error", type="error", density="compact", closable=True, id="lv-error", click_close="error = ''"):
            html.Span("{{ error }}")
        with html.Div(v_if="busy", classes="lv-busy", id="lv-busy"):
            v.VProgressLinear(model_value=("progress",), indeterminate=("!progress",), color="primary", height=6, rounded=True)
            with html.Div(classes="lv-row"):
                html.Span("{{ busy }}{{ progress_text ? ': ' + progress_text : '' }}{{ progress ? ', ' + progress + ' %' : '' }}",
                          classes="lv-hint lv-grow")
                v.VBtn("Abort", size="small", color="error", variant="tonal", prepend_icon="mdi-stop", id="lv-abort",
                       click="utils.lvlm.abort()")
    v.VProgressLinear(v_show="(trame__busy || drawing) && !busy", indeterminate=True, color="primary", height=3, classes="lv-thin")
