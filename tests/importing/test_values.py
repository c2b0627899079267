"""Amounts, dates, statuses and columns, as exports write them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from secondlook.errors import ImportRefused
from secondlook.importing.amounts import read_amount
from secondlook.importing.dates import read_date
from secondlook.importing.estimates import Options, Reading
from secondlook.importing.read import read_file

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def read(text: str, **options: object) -> Reading:
    """A file of this text."""
    return read_file(text.encode(), Options(now=NOW, **options))  # type: ignore[arg-type] -- as the test says


AMOUNTS = {
    "1234": 123400, "$1,234.50": 123450, "'1,200": 120000, "USD 12.00": 1200, "1 234.5": 123450, ".5": 50,
    "12.345": 1235, "12,34,567.00": 123456700, "9999999999.99": 999999999999, "0": 0, "1'234.50": 123450,
}  # fmt: skip
COMMA_AMOUNTS = {"1.234,50 €": 123450, "1234,5": 123450, "1.234.567": 123456700, "€ 7": 700}
NO_AMOUNTS = {
    "(120.00)": "a negative amount", "-5": "a negative amount", "5-": "a negative amount",
    "1e3": "not an amount", "NaN": "not an amount", "Infinity": "not an amount", "12%": "not an amount",
    "10,00,0": "not an amount with this decimal mark", "1.2.3": "not an amount with this decimal mark",
    "1000000000000000": "above 9,999,999,999.99", "9" * 400: "above 9,999,999,999.99", "TBD": "not an amount",
    "(5": "not an amount", "5 kg": "not an amount",
}  # fmt: skip


@pytest.mark.parametrize(("text", "cents"), AMOUNTS.items())
def test_an_amount(text: str, cents: int) -> None:
    """In cents, rounded half up."""
    assert read_amount(text, ".").cents == cents


@pytest.mark.parametrize(("text", "cents"), COMMA_AMOUNTS.items())
def test_an_amount_with_a_decimal_comma(text: str, cents: int) -> None:
    """Points part its thousands."""
    assert read_amount(text, ",").cents == cents


@pytest.mark.parametrize(("text", "reason"), NO_AMOUNTS.items(), ids=lambda value: value[:20])
def test_no_amount(text: str, reason: str) -> None:
    """It says why."""
    assert (read_amount(text, ".").cents, read_amount(text, ".").reason) == (None, reason)


DATES = {
    "2026-03-05": "2026-03-05T00:00", "2026-03-05T23:30-05:00": "2026-03-06T04:30",
    "2026-03-05 09:15:30Z": "2026-03-05T09:15:30", "2026/3/5": "2026-03-05T00:00",
    "03/05/2026": "2026-03-05T00:00",
    "3/5/26 9:15 PM": "2026-03-05T21:15", "Mar 5, 2026": "2026-03-05T00:00",
    "5 March 2026": "2026-03-05T00:00",
    "05-Mar-26": "2026-03-05T00:00",
    "Thu, Mar 5th, 2026 12:05 am": "2026-03-05T00:05", "46086": "2026-03-05T00:00",
    "46086.5": "2026-03-05T12:00", "Sept 1 2026": "2026-09-01T00:00",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), DATES.items())
def test_a_date(text: str, expected: str) -> None:
    """The month comes first in numbers alone, as the column has it; without a zone it is UTC."""
    instant = datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert read_date(text, "mdy", None).micros == round(instant.timestamp() * 1_000_000)


@pytest.mark.parametrize(
    "text", ["2026-02-30", "13/13/2026", "soon", "2026", "25:00", "Foo 3, 2026", "٣/٣/٢٠٢٦"]
)
def test_no_date(text: str) -> None:
    """Whatever it looks like."""
    assert read_date(text, "mdy", None).reason == "not a date"


def test_a_time_that_a_zone_skips_or_repeats() -> None:
    """Clocks go forward and back: neither time is an instant. A whole day begins at its first."""
    zone = ZoneInfo("America/New_York")
    assert read_date("2026-03-08 02:30", None, zone).reason == "a time that does not exist in this zone"
    assert read_date("2026-11-01 01:30", None, zone).reason == "a time that comes twice in this zone"
    day = read_date("2026-09-06", None, ZoneInfo("America/Santiago"))  # midnight is skipped there
    assert day.micros == datetime(2026, 9, 6, 4, tzinfo=UTC).timestamp() * 1_000_000


def dated(*pairs: tuple[str, str]) -> str:
    """A file of these created and closed dates."""
    rows = (f"{number},{created},{closed},5.00,won\n" for number, (created, closed) in enumerate(pairs))
    return "id,created at,closed at,amount,status\n" + "".join(rows)


@pytest.mark.parametrize(
    ("pairs", "weeks"),
    [
        ([("25/03/2026", "26/03/2026"), ("01/04/2026", "02/04/2026")], ["2026-W13", "2026-W14"]),
        ([("03/25/2026", "03/26/2026"), ("04/01/2026", "04/02/2026")], ["2026-W13", "2026-W14"]),
    ],
    ids=["day first", "month first"],
)
def test_the_column_decides_the_order(pairs: list[tuple[str, str]], weeks: list[str]) -> None:
    """One value that can be read in one way alone is enough, wherever it stands."""
    for order in (pairs, pairs[::-1]):
        (source,) = read(dated(*order)).sources
        assert list(source.buckets.weeks) == weeks


def test_the_last_of_many_rows_decides() -> None:
    """What the first rows leave open, the whole file says."""
    reading = read(dated(*[("01/02/2026", "02/02/2026")] * 3000, ("25/03/2026", "26/03/2026")))
    assert (reading.taken, reading.questions) == (3001, ())


def test_a_person_says_the_order_where_the_column_does_not() -> None:
    """Each value could be both: the rows are refused until it is said."""
    file = dated(("01/02/2026", "02/02/2026"))
    reading = read(file)
    assert (reading.taken, reading.refused_count) == (0, 1)
    assert {question.about for question in reading.questions} == {"dates"}
    assert list(read(file, dates="dmy").sources[0].buckets.weeks) == ["2026-W06"]


def test_a_person_says_the_decimal_mark_where_the_column_does_not() -> None:
    """`1.234` may be twelve hundred."""
    file = "id,created at,closed at,amount,status\n1,2026-03-01,2026-03-02,1.234,won\n"
    assert [question.about for question in read(file).questions] == ["decimal"]
    assert read(file, decimal=",").sources[0].buckets.price == (0, 1, 0, 0)
    assert read(file, decimal=".").sources[0].buckets.price == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("created", "closed", "reason"),
    [
        ("1969-12-31", "2026-01-01", "before 1970"),
        ("2026-11-01", "2026-11-29", "in the future"),
        ("2026-03-02", "2026-03-01", "closed before it was created"),
        ("2026-03-02", "-", "blank"),
    ],
)
def test_a_date_that_cannot_be(created: str, closed: str, reason: str) -> None:
    """Its row is refused."""
    (refusal,) = read(dated((created, closed))).refused
    assert (refusal.line, refusal.reason) == (2, reason)


SAME_DAY = {
    ("2026-03-02 16:15:00", "2026-03-02", "UTC"): 1,
    ("2026-03-02 16:15:00", "02 Mar 2026", "UTC"): 1,
    ("2026-03-02 16:15:00", "2026-03-02 16:14:00", "UTC"): 0,
    ("2026-03-02 16:15:00", "2026-03-01", "UTC"): 0,
    ("2026-03-03T01:00:00Z", "2026-03-02", "America/New_York"): 1,
    ("2026-11-01 23:30:00", "2026-11-01", "America/New_York"): 1,
    ("2026-03-02 16:15:00", "46083.5", "UTC"): 0,
}


@pytest.mark.parametrize(("dates", "taken"), SAME_DAY.items())
def test_a_close_without_a_time_on_the_day_of_creation(dates: tuple[str, str, str], taken: int) -> None:
    """It took 0 days; a close with an earlier time, or on an earlier day, is refused."""
    created, closed, zone = dates
    reading = read(dated((created, closed)), zone=zone)
    assert (reading.taken, reading.refused_count) == (taken, 1 - taken)
    assert [source.buckets.latency for source in reading.sources] == [(1, 0, 0, 0)] * taken


def test_a_second_close_without_a_time() -> None:
    """It is read in the same way."""
    file = "id,created at,won time,closed on,amount,status\n1,2026-03-02 09:00:00,,2026-03-02,5.00,won\n"
    assert (read(file).columns["closed_at_2"], read(file).taken) == ("closed on", 1)


STATUSES = {
    "Closed": True, "ACCEPTED": True, "approved": True, " Won ": True, "Closed Won": True, "closedwon": True,
    "Converted": True, "Invoiced": True, "Copied to job": True, "Unscheduled": True, "Lost": False,
    "Declined": False, "Rejected": False, "Draft": False, "Open": False, "Pending": False, "Sent": False,
    "Awaiting response": False, "Expired": False, "Cancelled": False, "Archived": False, "Unsigned": False,
    "Unsold": False, "Dismissed": False, "Not sold - waiting on HOA": False, "Won't proceed": False,
    "Won\u2019t proceed": False,
    "Wonderful": None, "Not won": None, "accepted?": None, "": None,
}  # fmt: skip


@pytest.mark.parametrize(("status", "counts"), STATUSES.items())
def test_a_status(status: str, *, counts: bool | None) -> None:
    """Whole strings alone: what is not known is refused, and a person decides it once for all its rows."""
    file = f'id,created at,closed at,amount,status\n1,2026-03-01,2026-03-02,5,"{status}"\n'
    reading = read(file)
    fates = (reading.taken, sum(reading.left_out.values()), reading.refused_count)
    assert fates == {True: (1, 0, 0), False: (0, 1, 0), None: (0, 0, 1)}[counts]
    if counts is None:
        assert read(file, decided=frozenset([status.strip()])).taken == 1
        assert sum(read(file, undecided=frozenset([status.strip()])).left_out.values()) == 1


def test_columns_by_content() -> None:
    """Headers in another language: what stands in the columns says what they are."""
    reading = read(
        "Nr,Angelegt,Entschieden,Summe,Stand\nA,2026-03-01,2026-03-09,5.00,Won\nB,2026-03-02,2026-03-02,7.00,Lost\n"
    )
    assert reading.columns == {
        "created_at": "Angelegt",
        "closed_at": "Entschieden",
        "amount": "Summe",
        "status": "Stand",
    }


def test_columns_by_hand() -> None:
    """By header, by number, or none."""
    file = "a,b,c,d,e\n1,2026-03-01,2026-03-09,5,Sure\n2,2026-03-01,2026-03-09,6,Sure\n"
    chosen = {"created_at": "b", "closed_at": "#3", "amount": "D", "status": "e"}
    reading = read(file, columns=chosen, decided=frozenset(["sure"]))
    assert (reading.taken, reading.columns["closed_at"]) == (2, "c")
    assert {q.about for q in read(file, columns={"created_at": ""}).questions} >= {"created_at"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"amount": "Nothing"}, "The file has no column Nothing"),
        ({"amount": "x"}, "The column x comes 2 times"),
        ({"price": "x"}, "There is no role price"),
    ],
)
def test_a_column_that_cannot_be_chosen(columns: dict[str, str], message: str) -> None:
    """The message says which."""
    with pytest.raises(ImportRefused) as caught:
        read("id,created at,closed at,status,x,x\n1,2026-03-01,2026-03-02,won,1,2\n", columns=columns)
    assert caught.value.message == message


def test_a_currency_for_all() -> None:
    """Bands are in one currency: two are refused, one other is said."""
    file = "id,created at,closed at,amount,status\n1,2026-03-01,2026-03-02,$5,won\n"
    file += "2,2026-03-01,2026-03-02,{},won\n"
    with pytest.raises(ImportRefused, match="more than one currency"):
        read(file.format("€6"))
    assert read(file.format("USD 6")).taken == 2


def test_the_products_own_limits() -> None:
    """Closed within the last 90 days, the first 100 rows: a choice."""
    file = dated(("2026-01-01", "2026-01-02"), *[("2026-11-01", "2026-11-02")] * 3)
    reading = read(file, window=90, limit=2)
    assert (reading.taken, reading.left_out) == (
        2,
        {"closed more than 90 days ago": 1, "beyond the first 2": 1},
    )
