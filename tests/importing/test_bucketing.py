"""Buckets by one vectorized function, held against a row-by-row recomputation and known sources."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib import resources

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from secondlook.importing.bucketing import BucketCounts, GroupedCounts, bucket
from secondlook.importing.estimates import MAX_CENTS, Options
from secondlook.importing.read import read_file
from tests.documents import ROOT

CRM = ROOT / "tests" / "data" / "crm_sales_opportunities.csv"

Row = tuple[datetime, datetime, int]
ROWS = st.lists(
    st.tuples(
        st.datetimes(datetime(1970, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 -- bounds have no zone
        st.timedeltas(timedelta(0), timedelta(days=40)),
        st.integers(0, MAX_CENTS) | st.sampled_from([0, 49_999, 50_000, 149_999, 150_000, 499_999, 500_000]),
    ).map(lambda row: (row[0], row[0] + row[1], row[2])),
    max_size=30,
)


def frame(rows: list[Row]) -> pd.DataFrame:
    """Rows as a chunk has them."""
    created, closed, cents = zip(*rows, strict=True) if rows else ((), (), ())
    return pd.DataFrame(
        {
            "created_at": pd.Series(created, dtype="datetime64[us, UTC]"),
            "closed_at": pd.Series(closed, dtype="datetime64[us, UTC]"),
            "amount_cents": pd.Series(cents, dtype="int64"),
        }
    )


def naive(rows: list[Row]) -> BucketCounts:
    """The same by the words of the contract, a row at a time."""
    price, latency, weeks = [0] * 4, [0] * 4, Counter[str]()
    for created, closed, cents in rows:
        dollars, days = cents / 100, (closed - created) // timedelta(days=1)
        price[0 if dollars < 500 else 1 if dollars < 1500 else 2 if dollars < 5000 else 3] += 1
        latency[0 if days <= 2 else 1 if days <= 7 else 2 if days <= 21 else 3] += 1
        weeks[closed.strftime("%G-W%V")] += 1
    return BucketCounts(tuple(price), tuple(latency), dict(sorted(weeks.items())))


@given(ROWS)
def test_the_vectorized_function_is_the_rule(rows: list[Row]) -> None:
    """Row by row comes to the same."""
    assert bucket(frame(rows)) == naive(rows)


@given(ROWS, st.randoms(use_true_random=False), st.integers(0, 30))
def test_neither_order_nor_chunks_matter(rows: list[Row], chance: object, cut: int) -> None:
    """Shuffled rows in two chunks add up to all of them."""
    shuffled = list(rows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined] -- hypothesis types it as Random
    parts = bucket(frame(shuffled[:cut])) + bucket(frame(shuffled[cut:]))
    assert (parts.price, parts.latency, dict(parts.weeks)) == (
        (whole := bucket(frame(rows))).price,
        whole.latency,
        dict(whole.weeks),
    )


@given(ROWS, st.integers(1, 4))
def test_groups_are_counted_apart(rows: list[Row], groups: int) -> None:
    """Each group's counts are those of its own rows."""
    counts = GroupedCounts()
    for start in range(0, len(rows), 7):
        part = rows[start : start + 7]
        numbers = np.arange(start, start + len(part), dtype=np.int64) % groups
        counts.add(numbers, frame(part))
    assert [counts.of(group) for group in range(groups)] == [
        naive(rows[group::groups]) for group in range(groups)
    ]


def test_the_model_of_the_time() -> None:
    """A minute of the day short of three days is two whole days; its week is that of March 5 in UTC."""
    created, closed = (
        datetime.fromisoformat(f"2026-03-{text}:00-05:00") for text in ("01T23:30", "04T23:00")
    )
    assert bucket(frame([(created, closed, 0)])) == BucketCounts((1, 0, 0, 0), (1, 0, 0, 0), {"2026-W10": 1})


def test_an_estimate_without_a_closing_date() -> None:
    """Its week is that of its creation, and no latency is counted."""
    rows = frame([(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), 50_000)])
    rows["closed_at"] = pd.Series([None], dtype="datetime64[us, UTC]")
    assert bucket(rows) == BucketCounts((0, 1, 0, 0), (0, 0, 0, 0), {"2026-W09": 1})


def test_the_practice_data() -> None:
    """All 85 sources of the samples come out of the public dataset that they were made from."""
    text = resources.files("secondlook.stores").joinpath("sample_sources.json").read_text(encoding="utf-8")
    samples = {
        entry["source_name"].removesuffix(" (CRM export)"): entry["buckets"] for entry in json.loads(text)
    }
    reading = read_file(CRM, Options(group_by="account"))
    assert {source.name: source.buckets.row() for source in reading.sources} == samples
    assert (len(samples), reading.taken, reading.refused_count, reading.repeated) == (85, 4238, 0, 0)
    for source in reading.sources:
        chunks = list(source.chunks())
        assert sum((bucket(chunk) for chunk in chunks), BucketCounts()).row() == source.buckets.row()
