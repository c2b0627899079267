"""Rows as browsers get them."""

from __future__ import annotations

import pytest

from secondlook.dashboard.parts import arrow
from secondlook.dashboard.parts.arrow import Cell


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        *((["a", "b"], "string"), (["a", None], "string"), ([1, None], "int64"), ([2**53, 0], "int64")),
        *(([0.5, 1.0], "double"), ([None, None], "string"), ([], "string")),
    ],
)
def test_a_column_keeps_its_kind(values: list[Cell], kind: str) -> None:
    """What is unknown stays unknown: it makes no fractions of counts, and no zeros."""
    table = arrow.of_columns({"column": values})
    assert str(table.schema.field("column").type) == kind
    assert table.to_pydict() == {"column": values}


def test_half_a_character_is_drawn() -> None:
    """JSON of another program may hold one; a page that cannot be drawn would hide all the rest."""
    table = arrow.of_columns({"name": ["whole", "half \ud83d", None], "count": [1, 2, 3]})
    assert table.to_pydict() == {"name": ["whole", "half ?", None], "count": [1, 2, 3]}


def test_rows() -> None:
    """In the order of their cells, or of the names where there may be no row."""
    rows = [{"band": "<500", "count": 3}, {"band": "5000+", "count": 0}]
    assert arrow.of_rows(rows).to_pylist() == rows
    assert arrow.of_rows(rows, ("count", "band")).column_names == ["count", "band"]
    empty = arrow.of_rows([], ("band", "count"))
    assert (empty.num_rows, empty.column_names) == (0, ["band", "count"])
