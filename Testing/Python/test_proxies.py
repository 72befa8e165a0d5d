# SPDX-License-Identifier: Apache-2.0
"""Every proxy of the plugin: instantiates, is documented, survives a state file."""
import os
import xml.etree.ElementTree as ElementTree

import lvlm_testing as lt
import numpy as np
from paraview import servermanager, simple

XML_FOLDER = os.environ["LVLM_XML"]


def declared_proxies():
    """(group, name) of every proxy in the plugin's XML files."""
    for name in sorted(os.listdir(XML_FOLDER)):
        if name.endswith(".xml"):
            for group in ElementTree.parse(os.path.join(XML_FOLDER, name)).getroot():
                for proxy in group:
                    # An extension belongs to a proxy of ParaView; without a class it is a base of others, never made.
                    if proxy.tag == "Extension" or not proxy.get("class"):
                        continue
                    yield group.get("name"), proxy.get("name")


def loaded_proxies():
    """The declared proxies that this build has (inference is optional)."""
    manager = servermanager.vtkSMProxyManager.GetProxyManager().GetActiveSessionProxyManager()
    for group, name in declared_proxies():
        if manager.GetPrototypeProxy(group, name):
            yield group, name


class Proxies(lt.TestCase):
    def test_every_proxy_instantiates_and_has_help(self):
        manager = servermanager.vtkSMProxyManager.GetProxyManager().GetActiveSessionProxyManager()
        seen = set()
        for group, name in loaded_proxies():
            proxy = manager.NewProxy(group, name)
            proxy.UpdateVTKObjects()
            self.assertIsNotNone(proxy.GetClientSideObject(), name)
            documentation = proxy.GetDocumentation()
            for text in (documentation.GetShortHelp(), documentation.GetLongHelp(), documentation.GetDescription()):
                self.assertTrue(text and text.strip(), name)
            if group != "representations":  # most of their properties are ParaView's own
                self.properties_have_help(proxy, name)
            seen.add(name)
        self.assertLessEqual({
            "LVLMTraceReader", "LVLMTraceWriter", "LVLMTokens", "LVLMAttentionMap", "LVLMPatchAttention",
            "LVLMHeadSummary", "LVLMLayerVolume", "LVLMMapGallery", "LVLMOverlay"}, seen)

    def properties_have_help(self, proxy, name):
        iterator = proxy.NewPropertyIterator()
        while not iterator.IsAtEnd():
            documentation = iterator.GetProperty().GetDocumentation()
            self.assertTrue(documentation and (documentation.GetDescription() or "").strip(),
                            "%s.%s" % (name, iterator.GetKey()))
            iterator.Next()

    def test_state_round_trip(self):
        trace = self.reader()
        chosen = simple.LVLMAttentionMap(
            registrationName="map", Input=trace, AnswerTokens=[1, -1], Layers=[0], Heads=[1],
            Reduction="Maximum", FollowTime=1)
        simple.LVLMOverlay(registrationName="overlay", Input=chosen, Opacity=0.3, ColorMap="Viridis", Smooth=0)
        simple.LVLMTokens(registrationName="tokens", Input=trace)
        patches = simple.IDSelectionSource(FieldType="CELL", IDs=[0, 3])
        simple.LVLMPatchAttention(registrationName="patches", Input=trace, Patches=[2, -3], Selection=patches)
        simple.LVLMHeadSummary(registrationName="heads", Input=trace, Source="Question", AnswerTokens=[0])
        simple.LVLMLayerVolume(registrationName="volume", Input=trace, Axis="Heads", Layer=1, Heads=[1, 0])
        names = ("map", "overlay", "tokens", "patches", "heads", "volume")
        before = {name: self.snapshot(simple.FindSource(name)) for name in names}
        state = self.path("state.pvsm")
        simple.SaveState(state)
        self.reset()
        self.assertIsNone(simple.FindSource("map"))
        simple.LoadState(state)
        for name in names:
            self.assertEqual(self.snapshot(simple.FindSource(name)), before[name], name)

    @staticmethod
    def snapshot(proxy):
        """Settable properties, and the values of the first output."""
        settings = {p: str(proxy.GetPropertyValue(p)) for p in proxy.ListProperties()
                    if p not in ("Input", "Selection")}
        data = lt.fetch(proxy)
        if data.IsA("vtkTable"):
            values = [str(list(lt.column(data, data.GetColumnName(c)))) for c in range(data.GetNumberOfColumns())]
        else:
            fields = data.GetCellData() if data.GetCellData().GetNumberOfArrays() else data.GetPointData()
            values = lt.array(fields.GetArray(0)).tolist()
        return settings, values

    def test_bars_offer_the_columns_of_their_table(self):
        tokens = simple.LVLMTokens(Input=self.reader())
        tokens.UpdatePipeline()
        bars = simple.LVLMBars(Input=tokens)

        def offered(name):
            domain = bars.SMProxy.GetProperty(name).GetDomain("columns")
            return [domain.GetString(i) for i in range(domain.GetNumberOfStrings())]
        for name in ("Labels", "Details"):
            self.assertLessEqual({"", "token", "role"}, set(offered(name)), name)
            self.assertNotIn("probability", offered(name), name)
        for name in ("Values", "Highlight", "FirstBar"):
            self.assertLessEqual({"", "probability", "chosen"}, set(offered(name)), name)
            self.assertNotIn("token", offered(name), name)
        self.assertEqual([bars.GetPropertyValue(name) for name in ("Labels", "Values", "Details", "Highlight", "FirstBar")], [""] * 5)

    def test_bases_of_proxies_are_not_offered(self):
        self.assertFalse([name for name in dir(simple) if name.startswith("LVLM") and name.endswith("Filter")])

    def test_token_table(self):
        """What the GUI's strip of tokens is told about the answer."""
        data = lt.TraceData()
        heat = simple.LVLMAttentionMap(Input=self.reader(data))
        heat.Input.UpdatePipeline()  # the filter itself has not run
        heat.SMProxy.UpdatePropertyInformation()
        told = list(heat.GetProperty("TokenTable"))
        columns = int(told[0])
        names, values = told[1:columns + 1], told[columns + 1:]
        self.assertEqual(len(values), columns * data.T)
        rows = [dict(zip(names, values[t * columns:(t + 1) * columns])) for t in range(data.T)]
        self.assertEqual([row["token"] for row in rows], data.tokens[data.P:])
        for t, row in enumerate(rows):
            self.assertAlmostEqual(float(row["logprob"]), data.logprob[t], places=5)
            self.assertAlmostEqual(float(row["probability"]), float(np.exp(data.logprob[t])), places=5)
            self.assertAlmostEqual(float(row["top3_logprob"]), data.topk_logprob[t, 2], places=5)
        self.assertEqual([row["top1_token"] for row in rows], data.tokens[data.P:])

    def test_python_trace(self):
        """What the GUI's Python trace records runs again."""
        self.reader()
        from paraview import smtrace
        smtrace.start_trace()
        shown = simple.LVLMAttentionMap(registrationName="traced", Input=simple.GetActiveSource())
        script = smtrace.stop_trace()
        expected = lt.grid_cells(lt.fetch(shown)).tolist()
        simple.Delete(shown)
        del shown
        self.assertIsNone(simple.FindSource("traced"))
        exec(script, {})
        again = simple.FindSource("traced")
        self.assertEqual(lt.grid_cells(lt.fetch(again)).tolist(), expected)


if __name__ == "__main__":
    lt.main()
