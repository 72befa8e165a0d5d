# SPDX-License-Identifier: Apache-2.0
"""Arrays of a filter's output on the client, as numpy has them."""
from paraview import servermanager
from vtkmodules.util.numpy_support import vtk_to_numpy

from . import pipeline


class Columns:
    """Arrays of a filter's output, as a table: whole, from one rank as from several, and nothing else travels. What the arrays of
    several ranks have no order by must be among them. association: Cells or Points."""

    def __init__(self, stack, source, names, association="Cells"):
        kind = "CellDataArrays" if association == "Cells" else "PointDataArrays"
        passed = stack.enter_context(pipeline.temporary("PassArrays", Input=source, **{kind: names}))
        table = servermanager._getPyProxy(servermanager.CreateProxy("filters", "AttributeDataToTableFilter"))  # labels change
        pipeline.set_properties(table, {"Input": passed, "FieldAssociation": association, "AddMetaData": 0})
        self.joined = stack.enter_context(pipeline.temporary("ReductionFilter", Input=table, PostGatherHelperName="vtkPVMergeTables"))
        self.source, self.names = source, names

    def fetch(self, what):
        """The arrays by name. what: for an error's message."""
        pipeline.update(self.source, what)
        with pipeline.unrecorded():
            table = servermanager.Fetch(self.joined, 0)
        return {name: vtk_to_numpy(table.GetColumnByName(name)) for name in self.names}
