"""Exports in the shapes of the tools: what each row comes to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from secondlook.importing.bucketing import BucketCounts, bucket
from secondlook.importing.estimates import Options, Reading
from secondlook.importing.read import read_file

EXPORTS = Path(__file__).parent / "exports"
ONE_DATE = frozenset(("housecall_pro", "quickbooks", "own_sheet"))


def read(name: str, *, one_date: bool = False) -> Reading:
    """An export as it is read on a fixed day."""
    now = datetime(2026, 11, 28, tzinfo=UTC)
    return read_file(EXPORTS / f"{name}.csv", Options(one_date=one_date, now=now))


FATES: dict[str, tuple[int, int, list[tuple[int, str, str]], int]] = {
    "2ndlook": (
        3,
        0,
        [(6, "closed_at", "closed before it was created"), (7, "amount", "a negative amount")],
        1,
    ),
    "jobber": (3, 3, [(10, "Status", "a status that is not known")], 0),
    "housecall_pro": (2, 2, [], 0),
    "quickbooks": (2, 2, [], 0),
    "hubspot": (2, 2, [(6, "Amount", "blank")], 0),
    "salesforce": (2, 2, [], 0),
    "pipedrive": (2, 2, [], 0),
    "zoho": (2, 2, [], 0),
    "joist": (2, 2, [(6, "Date", "not a date")], 0),
    "own_sheet": (2, 3, [(8, "amount$", "not an amount")], 0),
}
"""Taken, left out, refused (line, column, reason), repeated."""

COUNTS = {
    "2ndlook": BucketCounts((1, 0, 1, 1), (1, 1, 0, 1), {"2026-W10": 1, "2026-W11": 1, "2026-W13": 1}),
    "jobber": BucketCounts((1, 1, 0, 1), (1, 0, 1, 1), {"2025-W43": 1, "2025-W44": 1, "2025-W47": 1}),
    "housecall_pro": BucketCounts((0, 0, 2, 0), (0, 0, 0, 0), {"2025-W47": 2}),
    "quickbooks": BucketCounts((1, 1, 0, 0), (0, 0, 0, 0), {"2026-W03": 1, "2026-W06": 1}),
    "hubspot": BucketCounts((0, 0, 2, 0), (0, 1, 1, 0), {"2026-W07": 1, "2026-W08": 1}),
    "salesforce": BucketCounts((0, 1, 0, 1), (0, 0, 2, 0), {"2026-W07": 1, "2026-W08": 1}),
    "pipedrive": BucketCounts((0, 1, 0, 1), (0, 1, 0, 1), {"2026-W02": 1, "2026-W06": 1}),
    "zoho": BucketCounts((1, 1, 0, 0), (0, 0, 0, 2), {"2026-W14": 2}),
    "joist": BucketCounts((0, 1, 0, 1), (0, 1, 0, 1), {"2026-W12": 1, "2026-W19": 1}),
    "own_sheet": BucketCounts((0, 1, 0, 1), (0, 0, 0, 0), {"2026-W11": 1, "2026-W17": 1}),
}


@pytest.mark.parametrize("name", FATES)
def test_an_export(name: str) -> None:
    """Every row has its fate, and the buckets are those that a person counts."""
    reading = read(name, one_date=name in ONE_DATE)
    taken, left_out, refused, repeated = FATES[name]
    assert reading.questions == ()
    assert (reading.taken, sum(reading.left_out.values()), reading.repeated) == (taken, left_out, repeated)
    assert [(each.line, each.column, each.reason) for each in reading.refused] == refused
    assert reading.rows == taken + left_out + len(refused) + repeated
    (source,) = reading.sources
    assert source.buckets == COUNTS[name]


@pytest.mark.parametrize("name", sorted(set(FATES) - ONE_DATE))
def test_its_estimates_are_those_that_were_counted(name: str) -> None:
    """As often as they are asked for, in the columns that a store takes."""
    (source,) = read(name).sources
    for _ in range(2):
        chunks = list(source.chunks())
        assert sum((bucket(chunk) for chunk in chunks), BucketCounts()).row() == source.buckets.row()
        assert {status for chunk in chunks for status in chunk["status"]} == {"accepted"}


@pytest.mark.parametrize("name", sorted(ONE_DATE))
def test_an_export_without_closing_dates(name: str) -> None:
    """It says so, and offers the weeks of the one date; then there is no row to store."""
    (question,) = read(name).questions
    assert question.about == "close_dates"
    assert "--one-date" in question.message
    (source,) = read(name, one_date=True).sources
    assert list(source.chunks()) == []


NO_ROWS = {
    "jobber": {"title lines above the header": (1, 2)},
    "quickbooks": {
        "title lines above the header": (1, 2, 3),
        "lines with one text between the rows": (6, 10),
        "totals lines": (9, 13, 14),
    },
    "salesforce": {"totals lines": (6, 7), "footer lines": (8, 9)},
    "own_sheet": {
        "title lines above the header": (2,),
        "lines with one text between the rows": (5, 9),
        "totals lines": (13,),
    },
}


@pytest.mark.parametrize("name", NO_ROWS)
def test_lines_that_are_no_rows(name: str) -> None:
    """Titles, sections, totals and footers are named with their lines."""
    reading = read(name, one_date=name in ONE_DATE)
    assert {note.text: note.lines for note in reading.notes if note.lines} == NO_ROWS[name]


def test_an_unknown_status_is_named_once() -> None:
    """Archived says too little in Jobber: a person decides."""
    assert read("jobber").unknown_statuses == {"Archived": 1}


def test_the_first_rows_as_written_and_as_read() -> None:
    """Next to each other, with their fates."""
    first, *_, last = read("jobber").first_rows
    assert (first.line, first.written["amount"], first.read["amount"]) == (5, "1,299.00", "1,299.00")
    assert (first.written["closed_at"], first.read["closed_at"]) == ("Oct 21, 2025", "2025-10-21 00:00")
    assert (last.fate, last.read["closed_at"]) == ("taken", "2025-11-19 00:00")
