# SPDX-License-Identifier: Apache-2.0
"""Arrays of a filter's output on the client, as numpy has them."""
from contextlib import ExitStack

import numpy as np
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


def grid(source, names):
    """Cell arrays of a flat image that has been computed, by name: [rows, columns] each, the top row first. Whole, from one rank as
    from several, of which servermanager.Fetch brings one rank's piece."""
    columns, rows = (max(count - 1, 1) for count in pipeline.counts(source)[:2])
    if servermanager.ActiveConnection.GetNumberOfDataPartitions() == 1:
        cells = pipeline.fetch(source).GetCellData()
        return {name: vtk_to_numpy(cells.GetArray(name)).reshape(rows, columns)[::-1] for name in names}
    with ExitStack() as stack:
        middles = stack.enter_context(pipeline.temporary("CellCenters", Input=source))
        placed = stack.enter_context(pipeline.temporary("Calculator", Input=middles, Function="coords", ResultArrayName="place"))
        found = Columns(stack, placed, [*names, "place"], "Points").fetch("the cells")
    left, right, low, high = pipeline.plain(source).GetDataInformation(source.Port).DataInformation.GetBounds()[:4]
    column, row = (np.floor((found["place"][:, axis] - first) / (last - first) * count).astype(int)
                   for axis, (first, last, count) in enumerate(((left, right, columns), (low, high, rows))))
    whole = {name: np.empty((rows, columns), found[name].dtype) for name in names}
    for name in names:
        whole[name][rows - 1 - row, column] = found[name]
    return whole
