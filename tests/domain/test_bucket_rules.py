"""Buckets are checked before anything is sent: docs/contract.md: Buckets."""

from __future__ import annotations

import json
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.domain import bucket_rules
from secondlook.domain.sources import Source, SourceRecord
from secondlook.errors import BucketsInvalid, BucketsMissing, NotEnoughEstimates, SourceNotBucketed
from tests.examples import SOURCE, TODAY, USER, bucket_row, example_input, weeks
from tests.strategies import bucket_rows

COLUMNS = (*bucket_rules.PRICE_COLUMNS, *bucket_rules.LATENCY_COLUMNS)
NOT_COUNTS = [
    pytest.param(-1, id="negative"),
    pytest.param(1.0, id="float"),
    pytest.param("1", id="text"),
    pytest.param(True, id="boolean"),
    pytest.param(None, id="null"),
    pytest.param([1], id="list"),
    pytest.param(2**31, id="more than the column holds"),
]


def refusal(row: dict[str, Any] | None, today: date = TODAY) -> BucketsInvalid:
    """The error that a row is refused with."""
    with pytest.raises(BucketsInvalid) as caught:
        bucket_rules.read_buckets(row, today=today)
    return caught.value


def test_a_row_is_put_in_order() -> None:
    """Bands come as named, zeros included; weeks come in order of time, zeros included."""
    row = bucket_row(weekly_volume=weeks(("2026-W02", 0), ("2025-W52", 3), ("2026-W01", 1)))
    read = bucket_rules.read_buckets(dict(reversed(row.items())), today=TODAY)
    assert [(entry.band, entry.count) for entry in read.price] == [
        ("<500", 10),
        ("500-1500", 25),
        ("1500-5000", 0),
        ("5000+", 0),
    ]
    assert [(entry.band, entry.count) for entry in read.latency] == [
        ("0-2d", 20),
        ("3-7d", 15),
        ("8-21d", 0),
        ("22+d", 0),
    ]
    assert [(entry.week, entry.count) for entry in read.weeks] == [
        ("2025-W52", 3),
        ("2026-W01", 1),
        ("2026-W02", 0),
    ]


def test_weekly_volume_may_be_json_text_or_a_list() -> None:
    """The embedded store keeps JSON as text, Supabase gives lists: both read the same."""
    listed = bucket_row()
    text = bucket_row(weekly_volume=json.dumps(listed["weekly_volume"]))
    assert bucket_rules.read_buckets(text, today=TODAY) == bucket_rules.read_buckets(listed, today=TODAY)


def test_no_weeks_at_all_are_valid() -> None:
    """Buckets may hold no week; the sums will be warned of."""
    assert bucket_rules.read_buckets(bucket_row(weekly_volume=[]), today=TODAY).weeks == ()


def test_no_row_is_missing_buckets() -> None:
    """A source without a buckets row has its own error."""
    with pytest.raises(BucketsMissing, match=r"^No buckets found for source: missing$"):
        bucket_rules.read_buckets(None, today=TODAY)


@pytest.mark.parametrize("value", NOT_COUNTS)
@pytest.mark.parametrize("column", COLUMNS)
def test_a_band_that_is_no_count_names_its_column(column: str, value: object) -> None:
    """A count is an integer of at least 0 and nothing that looks like one."""
    error = refusal(bucket_row(**{column: value}))
    assert (error.message, error.path) == (f"{column} must be an integer of at least 0", column)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_is_not_there_is_named(column: str) -> None:
    """A row without one of its columns is refused like a wrong count."""
    row = bucket_row()
    del row[column]
    assert refusal(row).message == f"{column} must be an integer of at least 0"


@pytest.mark.parametrize("value", NOT_COUNTS)
def test_a_week_whose_count_is_none_names_the_entry(value: object) -> None:
    """A week's count follows the same rule as a band's."""
    volume = [*weeks(("2026-W01", 1)), {"week": "2026-W02", "count": value}]
    error = refusal(bucket_row(weekly_volume=volume))
    assert error.message == "weekly_volume[1].count must be an integer of at least 0"
    assert error.path == "weekly_volume[1]"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="null"),
        pytest.param({"week": "2026-W01", "count": 1}, id="object"),
        pytest.param(12, id="number"),
        pytest.param('{"week":"2026-W01","count":1}', id="object as text"),
        pytest.param("null", id="null as text"),
        pytest.param('"[]"', id="text in text"),
    ],
)
def test_weekly_volume_must_be_a_list(value: object) -> None:
    """Anything but a list is refused, and the column named."""
    message = 'weekly_volume must be a list of {"week", "count"}'
    assert refusal(bucket_row(weekly_volume=value)).message == message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[{", id="cut off"),
        pytest.param("[] []", id="two values"),
        pytest.param("[" * 100_000, id="endless nesting"),
        pytest.param("[" + "1" * 5000 + "]", id="endless number"),
        pytest.param("\ud800", id="lone surrogate"),
    ],
)
def test_broken_json_is_named(text: str) -> None:
    """Broken JSON is a clear error, never a traceback."""
    error = refusal(bucket_row(weekly_volume=text))
    assert error.message == "weekly_volume is not valid JSON"
    assert error.path == "weekly_volume"


def test_a_key_twice_is_refused() -> None:
    """JSON that names a key twice does not say which is meant."""
    text = '[{"week":"2026-W01","count":1,"count":2}]'
    assert refusal(bucket_row(weekly_volume=text)).message == "weekly_volume has a key twice in one object"


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"week": "2026-W01"}, id="no count"),
        pytest.param({"count": 1}, id="no week"),
        pytest.param({"week": "2026-W01", "count": 1, "name": "x"}, id="one key more"),
        pytest.param({}, id="empty"),
        pytest.param(["2026-W01", 1], id="list"),
        pytest.param("2026-W01", id="text"),
        pytest.param(None, id="null"),
    ],
)
def test_an_entry_has_week_and_count_and_no_other_key(entry: object) -> None:
    """Free text cannot ride along in a week's entry."""
    message = "weekly_volume[0] must have the keys week and count, and no other"
    assert refusal(bucket_row(weekly_volume=[entry])).message == message


@pytest.mark.parametrize(
    "week",
    [
        pytest.param("2025-W53", id="2025 has no W53"),
        pytest.param("2026-W00", id="W00"),
        pytest.param("2026-W54", id="W54"),
        pytest.param("0000-W01", id="year 0"),
        pytest.param("2026-w01", id="small w"),
        pytest.param("2026W01", id="no dash"),
        pytest.param("2026-W1", id="one digit"),
        pytest.param("2026-W001", id="three digits"),
        pytest.param("2026-W01\n", id="line break after it"),
        pytest.param(" 2026-W01", id="space before it"),
        pytest.param("2026-W01 drop everything", id="text after it"),
        pytest.param("\u0662\u0660\u0662\u0666-W\u0660\u0661", id="Arabic digits"),
        pytest.param("2026-W\uff10\uff11", id="full-width digits"),
        pytest.param("", id="empty"),
        pytest.param(202601, id="number"),
        pytest.param(None, id="null"),
    ],
)
def test_a_week_must_be_real(week: object) -> None:
    """Only real ISO weeks, in ASCII digits, are weeks."""
    error = refusal(bucket_row(weekly_volume=[{"week": week, "count": 1}]))
    assert error.message == "weekly_volume[0].week must be a real ISO week such as 2026-W01"


@pytest.mark.parametrize(
    ("week", "today"),
    [
        pytest.param("2026-W53", date(2026, 12, 28), id="W53 of 2026, on its Monday"),
        pytest.param("2020-W53", TODAY, id="W53 of 2020"),
        pytest.param("2026-W47", date(2026, 11, 16), id="this week, on its Monday"),
        pytest.param("0001-W01", TODAY, id="the first of all"),
    ],
)
def test_a_week_that_has_started_is_accepted(week: str, today: date) -> None:
    """A week counts from its Monday on; long years have a W53."""
    read = bucket_rules.read_buckets(bucket_row(weekly_volume=weeks((week, 1))), today=today)
    assert read.weeks[0].week == week


@pytest.mark.parametrize(
    ("week", "today"),
    [
        pytest.param("2026-W53", date(2026, 12, 27), id="W53 of 2026, on the Sunday before"),
        pytest.param("2026-W48", date(2026, 11, 22), id="next week"),
        pytest.param("9999-W52", TODAY, id="the last of all"),
    ],
)
def test_a_week_in_the_future_is_refused(week: str, today: date) -> None:
    """A week is in the future when its Monday is after today."""
    error = refusal(bucket_row(weekly_volume=weeks(("2020-W01", 1), (week, 1))), today)
    assert error.message == "weekly_volume[1].week is in the future"


def test_a_week_twice_is_refused() -> None:
    """Weeks are unique, also where their counts agree."""
    volume = weeks(("2026-W01", 1), ("2026-W02", 1), ("2026-W01", 1))
    assert refusal(bucket_row(weekly_volume=volume)).message == "weekly_volume[2].week comes twice"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param(
            {"price_band_5000_plus": -1, "latency_band_0_2": -1, "weekly_volume": None},
            "price_band_5000_plus",
            id="price bands first",
        ),
        pytest.param(
            {"latency_band_22_plus": -1, "weekly_volume": None}, "latency_band_22_plus", id="then latency"
        ),
        pytest.param({"weekly_volume": None}, "weekly_volume", id="then weeks"),
    ],
)
def test_the_first_wrong_column_is_named(changes: dict[str, object], named: str) -> None:
    """Columns are checked in the order of the table."""
    assert refusal(bucket_row(**changes)).path == named


@given(bucket_rows(), st.randoms(use_true_random=False))
def test_the_order_of_weeks_means_nothing(row: dict[str, Any], random: Random) -> None:
    """The same buckets with their weeks in any order give the same input."""
    shuffled = list(row["weekly_volume"])
    random.shuffle(shuffled)
    assert example_input({**row, "weekly_volume": shuffled}) == example_input(row)


@given(bucket_rows())
def test_nothing_is_lost_or_added(row: dict[str, Any]) -> None:
    """Every count of a valid row is in the input, once, and weeks ascend."""
    made = example_input(row)
    given_weeks = sorted((entry["week"], entry["count"]) for entry in row["weekly_volume"])
    assert [(entry.week, entry.count) for entry in made.demand.weekly_volume] == given_weeks
    assert [entry.count for entry in made.demand.price_distribution] == [
        row[column] for column in bucket_rules.PRICE_COLUMNS
    ]
    assert [entry.count for entry in made.decision_latency.distribution] == [
        row[column] for column in bucket_rules.LATENCY_COLUMNS
    ]


_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["week", "count", "x"]), inner),
    max_leaves=8,
)


@given(_any_json)
def test_no_weekly_volume_ends_in_a_traceback(value: object) -> None:
    """Whatever stands in the column is read, or refused with an error that names it."""
    refused = ""
    try:
        bucket_rules.read_buckets(bucket_row(weekly_volume=value), today=TODAY)
    except BucketsInvalid as error:
        refused = error.message
    assert refused.startswith("weekly_volume") or not refused


@given(st.text(st.characters()))
def test_no_text_in_weekly_volume_ends_in_a_traceback(text: str) -> None:
    """Nor does any text."""
    assert "weekly_volume" in refusal(bucket_row(weekly_volume=text)).message or text.strip() == "[]"


@pytest.mark.parametrize(
    ("status", "regenerate", "allowed"),
    [
        pytest.param("bucketed", False, True, id="bucketed"),
        pytest.param("bucketed", True, True, id="bucketed, regenerate"),
        pytest.param("snapshot_generated", False, False, id="snapshot_generated"),
        pytest.param("snapshot_generated", True, True, id="snapshot_generated, regenerate"),
        pytest.param("pending", True, False, id="pending"),
        pytest.param("ingested", True, False, id="ingested"),
        pytest.param("insufficient_data", True, False, id="insufficient_data"),
        pytest.param("", True, False, id="empty"),
        pytest.param("Bucketed", False, False, id="another case"),
    ],
)
def test_status(status: str, *, regenerate: bool, allowed: bool) -> None:
    """A bucketed source runs; one with a snapshot only where the caller says so; no other does."""
    if allowed:
        bucket_rules.check_status(status, regenerate=regenerate)
        return
    with pytest.raises(SourceNotBucketed) as caught:
        bucket_rules.check_status(status, regenerate=regenerate)
    assert caught.value.message == (
        f"Source must be bucketed before snapshot generation (current status: {status})"
    )


@pytest.mark.parametrize(
    ("rows", "expected"), [pytest.param(0, 35, id="no rows: price bands"), pytest.param(41, 41, id="rows")]
)
def test_estimate_count(rows: int, expected: int) -> None:
    """Rows count; where there is none, the price bands' sum does."""
    row = bucket_row()
    record = SourceRecord(
        source=Source(
            source_id=SOURCE,
            user_id=USER,
            source_type="csv",
            source_name="",
            status="bucketed",
            created_at="",
        ),
        buckets=row,
        estimate_rows=rows,
    )
    assert bucket_rules.count_estimates(record, bucket_rules.read_buckets(row, today=TODAY)) == expected


@pytest.mark.parametrize(
    ("n", "expected"),
    [(25, "low"), (39, "low"), (40, "medium"), (60, "medium"), (61, "high"), (10_000, "high")],
)
def test_confidence(n: int, expected: str) -> None:
    """Low below 40, medium from 40 to 60, high above."""
    assert bucket_rules.confidence(n) == expected


@pytest.mark.parametrize("n", [0, 15, 24])
def test_too_few_estimates(n: int) -> None:
    """Under 25 estimates there is no snapshot."""
    with pytest.raises(NotEnoughEstimates) as caught:
        bucket_rules.check_minimum(n)
    assert caught.value.message == f"Minimum 25 estimates required for snapshot (found: {n})"


def test_enough_estimates() -> None:
    """25 estimates are enough."""
    bucket_rules.check_minimum(25)


PRICE_SUM = "price_band_lt_500 + price_band_500_1500 + price_band_1500_5000 + price_band_5000_plus"
LATENCY_SUM = "latency_band_0_2 + latency_band_3_7 + latency_band_8_21 + latency_band_22_plus"


@pytest.mark.parametrize(
    ("changes", "estimates", "message"),
    [
        pytest.param(
            {"weekly_volume": weeks(("2026-W01", 36))},
            35,
            "weekly_volume: the sum is 36, more than the 35 estimates",
            id="weeks",
        ),
        pytest.param(
            {}, 34, "weekly_volume: the sum is 35, more than the 34 estimates", id="all: weeks first"
        ),
        pytest.param(
            {"price_band_5000_plus": 1},
            35,
            f"{PRICE_SUM}: the sum is 36, more than the 35 estimates",
            id="price",
        ),
        pytest.param(
            {"latency_band_22_plus": 1},
            35,
            f"{LATENCY_SUM}: the sum is 36, more than the 35 estimates",
            id="latency",
        ),
    ],
)
def test_a_distribution_of_more_than_there_is(
    changes: dict[str, object], estimates: int, message: str
) -> None:
    """A distribution that sums to more than the estimates is refused and its columns named."""
    read = bucket_rules.read_buckets(bucket_row(**changes), today=TODAY)
    with pytest.raises(BucketsInvalid) as caught:
        bucket_rules.check_sums(read, estimates)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("changes", "estimates", "warnings"),
    [
        pytest.param({}, 35, (), id="all agree"),
        pytest.param(
            {"weekly_volume": weeks(("2026-W01", 15), ("2026-W02", 18))},
            35,
            ("weekly volume covers 33 of 35 estimates",),
            id="the product's own example",
        ),
        pytest.param(
            {},
            36,
            (
                "weekly volume covers 35 of 36 estimates",
                "price bands cover 35 of 36 estimates: the estimates have probably moved since bucketing",
                "decision latency covers 35 of 36 estimates",
            ),
            id="moved since bucketing",
        ),
        pytest.param({"weekly_volume": []}, 35, ("weekly volume covers 0 of 35 estimates",), id="no weeks"),
    ],
)
def test_a_distribution_of_fewer_is_warned_of(
    changes: dict[str, object], estimates: int, warnings: tuple[str, ...]
) -> None:
    """Fewer is shown, never repaired."""
    read = bucket_rules.read_buckets(bucket_row(**changes), today=TODAY)
    bucket_rules.check_sums(read, estimates)
    assert bucket_rules.uncovered(read, estimates) == warnings


def test_an_answer_that_would_not_fit() -> None:
    """The estimate and the setting are both named; what just fits is let through."""
    bucket_rules.check_answer_size(2000, 2000)
    with pytest.raises(BucketsInvalid) as caught:
        bucket_rules.check_answer_size(2001, 2000)
    assert caught.value.message == (
        "weekly_volume has too many weeks: the answer would take about 2001 tokens, "
        "SECONDLOOK_MAX_TOKENS is 2000"
    )


@given(bucket_rows())
def test_messages_hold_no_content(row: dict[str, Any]) -> None:
    """A refused row's counts and weeks stay out of the message, which ends up in logs."""
    row["weekly_volume"].append({"week": "1234567-W01", "count": 987654321})
    error = refusal(row)
    assert "987654321" not in error.message
    assert "1234567" not in error.message
