"""What pages and the command line give away: exact, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.views.export import neutralise, to_csv, to_csv_file, to_json


def read(text: str) -> list[list[str]]:
    """The cells of a CSV file, as another program reads them."""
    return list(csv.reader(io.StringIO(text.encode().decode(), newline=""), strict=True))


@pytest.mark.parametrize(
    ("untrusted", "written"),
    [
        pytest.param("=1+1", "'=1+1", id="equals"),
        pytest.param("+1", "'+1", id="plus"),
        pytest.param("-1", "'-1", id="minus"),
        pytest.param("@SUM(A1)", "'@SUM(A1)", id="at"),
        pytest.param("\t=1", "'\t=1", id="tab"),
        pytest.param("\r=1", "'\r=1", id="carriage return"),
        pytest.param("\n=1", "'\n=1", id="line feed"),
        pytest.param("  =1", "'  =1", id="spaces first"),
        pytest.param("\uff1d1", "'\uff1d1", id="full width"),
        pytest.param("a=1", "a=1", id="inside"),
        pytest.param("", "", id="empty"),
        pytest.param("gpt-4o", "gpt-4o", id="a model"),
        pytest.param("a\x00\x1b[31m\ud800", "a\ufffd\ufffd[31m\ufffd", id="control characters"),
        pytest.param("\u200b=1", "'\u200b=1", id="a zero-width space first"),
        pytest.param("\ufeff\u00a0=1", "'\ufeff\u00a0=1", id="a byte order mark first"),
    ],
)
def test_cells_are_neutralised(untrusted: str, written: str) -> None:
    """A cell that a spreadsheet would run is text there; so is the name of a column."""
    assert neutralise(untrusted) == written
    assert read(to_csv([untrusted], [{untrusted: untrusted}])) == [[written], [written]]


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2)))
def test_every_text_comes_back_and_none_is_a_formula(rows: list[list[str]]) -> None:
    """Whatever the texts hold, the file has their rows, and no cell begins as a formula does."""
    table = [dict(zip("ab", row, strict=True)) for row in rows]
    back = read(to_csv(("a", "b"), table))
    assert back == [["a", "b"], *([neutralise(cell) for cell in row] for row in rows)]
    assert not any(cell.lstrip(" ")[:1] in tuple("=+-@\t\r\n") for row in back for cell in row if cell)


def test_numbers_are_exact_and_unknown_is_not_zero() -> None:
    """Numbers stay numbers, also negative ones; money has every digit; unknown is what it is called."""
    row = {"n": -3, "cost": Decimal("5E-9"), "sure": True, "unknown": None, "left out": "x"}
    assert to_csv(("n", "cost", "sure", "unknown"), [row], missing="unknown") == (
        "n,cost,sure,unknown\r\n-3,0.000000005,true,unknown\r\n"
    )
    assert to_csv(("n", "unknown"), [row]) == "n,unknown\r\n-3,\r\n"


@pytest.mark.parametrize(
    "name",
    ["plain", "Grüße, „Söns“", "\u65e5\u672c\u8a9e", "\U0001f600", "\ufeffmarked", "\ud800", ""],
    ids=ascii,
)
def test_a_file_says_that_it_is_utf_8(name: str) -> None:
    """Excel reads a CSV file in the system's own encoding unless it begins with a byte order mark."""
    rows = [{"note": name}]
    file = to_csv_file(["note"], rows, missing="unknown")
    assert file == b"\xef\xbb\xbf" + to_csv(["note"], rows, missing="unknown").encode()
    assert not to_csv(["note"], rows).startswith("\ufeff")


def test_json_is_exact_and_ascii() -> None:
    """Billionths of dollars are kept below a million, unknown is null, and any text can be written."""
    text = to_json([{"cost": Decimal("999999.123456789"), "name": "=a\u20ac\ud800\n", "none": None}])
    assert text.isascii()
    assert json.loads(text, parse_float=Decimal) == [
        {"cost": Decimal("999999.123456789"), "name": "=a\u20ac\ud800\n", "none": None}
    ]
    with pytest.raises(TypeError, match="set is no JSON"):
        to_json({"a": {1}})
