"""Rows as they are sent to the browser: Arrow tables. By way of pandas they would take ten times as long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs] -- it has none

Cell: TypeAlias = str | int | float | None
Table: TypeAlias = Any

_arrow: Any = pa


def of_columns(columns: Mapping[str, Sequence[Cell]]) -> Table:
    """A table of columns; each holds one kind of value, or none where it is unknown."""
    return _arrow.table({name: _column(values) for name, values in columns.items()})


def of_rows(rows: Sequence[Mapping[str, Cell]], names: Sequence[str] | None = None) -> Table:
    """A table of rows, which all have the same cells.

    Args:
        rows: The rows.
        names: The columns in their order, where there may be no row to tell.
    """
    names = names or list(rows[0])
    return of_columns({name: [row[name] for row in rows] for name in names})


def _column(values: Sequence[Cell]) -> object:
    # Of nothing but what is unknown no kind can be told, and browsers are told one.
    known = any(value is not None for value in values)
    try:
        return _arrow.array(values, None if known else _arrow.string())
    except UnicodeEncodeError:  # half a character: JSON of other programs may hold one
        return _arrow.array([_whole(value) for value in values])


def _whole(value: Cell) -> Cell:
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
