"""A stored snapshot is shown as it is or not at all: another program may have written its row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.domain.snapshots import Snapshot
from secondlook.domain.stored_snapshots import read_snapshot
from secondlook.errors import StoreUnavailable
from tests.examples import NOBODY, SNAPSHOT, SOURCE, USER, echo

AT = "2026-11-22T10:00:00Z"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def result(**meta: object) -> dict[str, Any]:
    """A result that fits the row."""
    identity = {"snapshot_id": SNAPSHOT, "source_id": SOURCE, "generated_at": AT}
    return {**echo(), "meta": {**echo()["meta"], **identity, **meta}}


def row(**changes: object) -> dict[str, Any]:
    """A row as a store gives it, with these columns changed."""
    whole: dict[str, Any] = {
        "id": SNAPSHOT,
        "source_id": SOURCE,
        "user_id": USER,
        "estimate_count": 35,
        "confidence_level": "low",
        "result": result(),
        "generated_at": AT,
    }
    return {**whole, **changes}


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(result(), id="read"),
        pytest.param(json.dumps(result()), id="text"),
        pytest.param(json.dumps(result(), indent=2), id="indented text"),
        pytest.param(json.dumps(result()).encode(), id="bytes"),
    ],
)
def test_a_row_that_fits(stored: object) -> None:
    """JSON as either kind of database gives it; a column of somebody else's is ignored."""
    read = read_snapshot(row(result=stored, note="secret"))
    assert isinstance(read, Snapshot)
    assert (read.snapshot_id, read.source_id, read.user_id, read.generated_at) == (SNAPSHOT, SOURCE, USER, AT)
    assert read.result.model_dump(mode="json") == result()
    assert "secret" not in read.model_dump_json()


def changed(path: str, value: object) -> dict[str, Any]:
    """The result with another value at a path of keys and indexes."""
    made = result()
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = made
    for step in way:
        place = place[step]
    place[last] = value
    return made


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param("{", id="broken JSON"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param("[" * 100_000, id="deep JSON"),
        pytest.param([], id="list"),
        pytest.param({}, id="nothing"),
        pytest.param(changed("demand.weekly_volume.0.count", "15"), id="count as text"),
        pytest.param(changed("demand.weekly_volume.0.count", True), id="count as true"),
        pytest.param(changed("demand.weekly_volume.0.count", 15.5), id="half a count"),
        pytest.param(changed("demand.weekly_volume.0.count", -1), id="negative count"),
        pytest.param(changed("demand.weekly_volume.0.more", 1), id="another key"),
        pytest.param(changed("more", 1), id="another part"),
        pytest.param(changed("meta.confidence_level", "certain"), id="unknown confidence"),
        pytest.param(changed("decision_latency", None), id="missing part"),
    ],
)
def test_a_result_that_breaks_the_schema(stored: object) -> None:
    """It is not made to fit, and nothing of it is quoted."""
    with pytest.raises(StoreUnavailable) as caught:
        read_snapshot(row(result=stored))
    assert caught.value.message == f"Snapshot {SNAPSHOT} does not match the locked schema"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("id", None), ("source_id", 7), ("user_id", None), ("estimate_count", "35")),
        *(("estimate_count", None), ("confidence_level", "certain"), ("generated_at", None)),
    ],
)
def test_a_column_that_breaks_the_schema(column: str, value: object) -> None:
    """So with the row's own columns."""
    with pytest.raises(StoreUnavailable, match=r"^Snapshot \S+ does not match the locked schema$"):
        read_snapshot(row(**{column: value}))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", NOBODY),
        ("source_id", NOBODY),
        ("estimate_count", 36),
        ("confidence_level", "high"),
    ],
)
def test_a_result_that_contradicts_its_row(column: str, value: object) -> None:
    """What the page shows of a row and what its download says would differ."""
    with pytest.raises(StoreUnavailable) as caught:
        read_snapshot(row(**{column: value}))
    shown = value if column == "id" else SNAPSHOT
    assert caught.value.message == f"Snapshot {shown} tells other things in its result than in its row"


@given(stored=VALUES | st.text() | st.binary())
def test_any_result_is_read_or_refused(stored: object) -> None:
    """Whatever a row holds, there is no other error."""
    try:
        read = read_snapshot(row(result=stored))
    except StoreUnavailable as error:
        assert error.message.startswith(f"Snapshot {SNAPSHOT} ")  # noqa: PT017 -- or it is read
    else:
        assert read.result.model_dump(mode="json") == result()
