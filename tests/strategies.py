"""Any valid buckets, and every single change of an answer."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from secondlook.domain.bucket_rules import LATENCY_COLUMNS, PRICE_COLUMNS
from secondlook.domain.buckets import AgentInput
from tests.examples import TODAY, Json, example_input

counts = st.integers(0, 2**31 - 1)


def _name(monday: date) -> str:
    year, number, _ = monday.isocalendar()
    return f"{year:04d}-W{number:02d}"


_mondays = st.dates(date(1990, 1, 1), TODAY).map(lambda day: day - timedelta(days=day.weekday()))


def _entries(weeks: dict[date, int]) -> list[dict[str, object]]:
    return [{"week": _name(monday), "count": count} for monday, count in weeks.items()]


_weeks = st.dictionaries(_mondays, counts, max_size=20).map(_entries)


@st.composite
def bucket_rows(draw: st.DrawFn) -> dict[str, Any]:
    """Valid rows of estimate_buckets, weeks in any order."""
    row: dict[str, Any] = {column: draw(counts) for column in (*PRICE_COLUMNS, *LATENCY_COLUMNS)}
    return {**row, "weekly_volume": draw(_weeks)}


def agent_inputs() -> st.SearchStrategy[AgentInput]:
    """What the agent may be shown."""
    return st.builds(example_input, bucket_rows(), counts)


_IDENTITY = {"meta.snapshot_id", "meta.source_id", "meta.generated_at"}


def mutations(tree: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every answer that differs from this one in one place, with the name of the change."""
    for path, value in list(_nodes(tree, ())):
        where = ".".join(str(step) for step in path)
        for what, changed in _changes(value, identity=where in _IDENTITY):
            yield f"{where}: {what}", _replaced(tree, path, changed)


def _nodes(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, child in value.items():  # pyright: ignore[reportUnknownVariableType] -- any JSON
            yield from _nodes(child, (*path, str(key)))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        for index, child in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            yield from _nodes(child, (*path, index))


def _changes(value: Json, *, identity: bool) -> Iterator[tuple[str, Any]]:
    yield "null", None
    yield "wrapped in a list", [value]
    if isinstance(value, dict):
        for key in value:  # pyright: ignore[reportUnknownVariableType]
            yield f"without {key}", {name: child for name, child in value.items() if name != key}  # pyright: ignore[reportUnknownVariableType]
        yield "with a key more", {**value, "extra": 1}
    elif isinstance(value, list):
        yield from _list_changes(value)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, int):
        yield from (("one more", value + 1), ("one less", value - 1), ("as text", str(value)))
        yield from (("as a float", float(value)), ("as a boolean", bool(value)))
    else:
        yield from (("a number", 1), ("true", True))
        if not identity:
            yield from (("empty", ""), ("with a space", f"{value} "), ("another", "2001-W01x"))


def _list_changes(items: list[Any]) -> Iterator[tuple[str, Any]]:
    for index, item in enumerate(items):
        yield f"without item {index}", items[:index] + items[index + 1 :]
        yield f"item {index} twice", [*items[:index], item, *items[index:]]
        if index and item != items[index - 1]:
            swapped = list(items)
            swapped[index - 1], swapped[index] = swapped[index], swapped[index - 1]
            yield f"items {index - 1} and {index} swapped", swapped
    yield "with an item more", [*items, {"week": "2001-W01", "count": 0}]


def _replaced(tree: dict[str, Any], path: tuple[str | int, ...], value: Json) -> dict[str, Any]:
    if not path:
        return value
    changed = copy.deepcopy(tree)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed
