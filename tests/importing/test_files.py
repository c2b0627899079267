"""Files as they come, and files that are none: each is read whole, or refused with what to do."""

from __future__ import annotations

import csv
import io
import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.errors import ImportRefused
from secondlook.importing import text_table
from secondlook.importing.estimates import Options, Reading
from secondlook.importing.read import read_file

NOW = datetime(2026, 11, 28, tzinfo=UTC)
HEADER = ["Estimate #", "Created date", "Closed date", "Amount", "Status", "Job type"]
ROW = ["7", "2026-03-01", "2026-03-09", "1,200.00", "Won", "Müller & Söhne"]


def read(content: bytes | Path, **options: object) -> Reading:
    """A file's reading on a fixed day."""
    return read_file(content, Options(now=NOW, **options))  # type: ignore[arg-type] -- as the test says


def written(rows: list[list[str]], separator: str = ",", end: str = "\n") -> str:
    """Rows as text."""
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, lineterminator=end).writerows(rows)
    return stream.getvalue()


def fates(reading: Reading) -> tuple[int, int, int, int]:
    """Taken, left out, refused, repeated; together the rows."""
    found = reading.taken, sum(reading.left_out.values()), reading.refused_count, reading.repeated
    assert sum(found) == reading.rows
    return found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_encodings_separators_and_line_ends(encoding: str, separator: str, end: str) -> None:
    """All come to the same."""
    reading = read(written([HEADER, ROW], separator, end).encode(encoding))
    (source,) = reading.sources
    (row,) = [row for chunk in source.chunks() for row in chunk.itertuples()]
    assert (row.estimate_id, row.amount_cents, row.job_type) == ("7", 120000, "Müller & Söhne")


def test_mixed_line_ends_and_quoted_line_breaks() -> None:
    """Lines are counted as an editor shows them."""
    text = "Estimate #,Created date,Closed date,Amount,Status\r\n1,2026-03-01,2026-03-02,5,Won\n\n"
    text += '2,2026-03-01,2026-03-02,"5\n0",Won\r3,2026-03-01,2026-03-02,x,Won\n'
    assert [each.line for each in read(text.encode()).refused] == [4, 6]


def test_a_late_byte_that_is_no_utf8() -> None:
    """The file is read again as Windows-1252."""
    rows = [[str(number), *ROW[1:5], "Roof"] for number in range(40_000)]
    reading = read(
        written([HEADER, *rows]).encode() + "9,2026-03-01,2026-03-02,5,Won,Café\n".encode("cp1252")
    )
    assert (reading.rows, fates(reading)[0], reading.repeated) == (40_001, 40_000, 1)


PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "The file is empty"),
    "blank": (b" \n\n", "The file is empty"),
    "one column": (b"id\n1\n2\n", "The file has one column"),
    "picture": (PNG, "The file is a PNG picture, not a table"),
    "PDF": (b"%PDF-1.7\n", "The file is a PDF document, not a table"),
    "compressed": (b"\x1f\x8b\x08\0\0", "The file is a compressed file, not a table"),
    "NUL": (b"id,created at\n1,2026\0-03-01\n", "Line 2 has a NUL character"),
    "open quote": (
        b'id,created at,closed at,amount,status\n1,"' + b"x" * (1 << 18),
        "Line 2 has a cell of more than 131,072 characters",
    ),
    "old Office": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "The file is an old Office file"),
    "encrypted": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
        "The workbook is encrypted",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_table(name: str) -> None:
    """It is refused, and it says why."""
    content, message = REFUSED[name]
    with pytest.raises(ImportRefused) as caught:
        read(content)
    assert caught.value.message == message
    assert caught.value.hint


def test_a_line_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up at the length of a block, whatever comes."""
    monkeypatch.setattr(text_table, "_BLOCK", 1 << 12)
    with pytest.raises(ImportRefused, match=r"Line 2 is longer than 4,096 characters"):
        read(written([HEADER, ROW]).split("\n")[0].encode() + b"\n" + b"x" * 100_000)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder, or nothing at all."""
    for path in (tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(ImportRefused, match="cannot be read"):
            read(path)


def test_a_file_that_changes(tmp_path: Path) -> None:
    """What was counted is what is stored, or nothing is."""
    path = tmp_path / "estimates.csv"
    path.write_text(written([HEADER, ROW]), encoding="utf-8")
    (source,) = read(path).sources
    path.write_text(written([HEADER, ROW, ROW]), encoding="utf-8")
    with pytest.raises(ImportRefused, match="changed while it was read"):
        list(source.chunks())


def test_many_columns_and_overlong_rows() -> None:
    """2,000 columns are read; a row with more cells than that is refused, one with fewer is filled up."""
    header = [*HEADER, *(f"c{number}" for number in range(1994))]
    rows = [[*ROW, *["x"] * 1994], [*ROW[:5]], [*ROW, *["x"] * 1995]]
    reading = read(written([header, *rows]).encode())
    assert fates(reading) == (1, 0, 1, 1)
    assert [(each.line, each.reason) for each in reading.refused] == [(4, "more cells than the header has")]


def workbook(
    rows: str, *, sheets: str = '<sheet name="S" sheetId="1" r:id="r1"/>', more: bytes = b""
) -> bytes:
    """An XLSX file of these rows."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
    book = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{types}">'
        '<Default Extension="rels" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{book}"/>'
        f'<Override PartName="/xl/worksheets/s1.xml" ContentType="{sheet}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" '
        f'Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}">'
        f"<sheets>{sheets}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" '
        f'Type="{relations}/worksheet" Target="worksheets/s1.xml"/></Relationships>',
        "xl/worksheets/s1.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
        if more:
            archive.writestr("xl/vbaProject.bin" if more == b"macros" else "xl/media/big.bin", more)
    return stream.getvalue()


def cells(number: int, *values: str | float) -> str:
    """A worksheet's row from column B on."""
    written = (
        f'<c r="{"BCDEFG"[at]}{number}" t="inlineStr"><is><t>{value}</t></is></c>'
        if isinstance(value, str)
        else f'<c r="{"BCDEFG"[at]}{number}"><f>1+1</f><v>{value}</v></c>'
        for at, value in enumerate(values)
    )
    return f'<row r="{number}">{"".join(written)}</row>'


LMN = "".join(
    (
        cells(1, "LMN estimates"),
        cells(3, "Estimate ID", "Estimate Type", "Estimate Date", "Estimate Close Date", "Total Price"),
        cells(4, 12, "Design", 46086, 46090.5, 1234.567),
        cells(6, 13, "Design", 46086, 46080, 10),
    )
)


def test_a_worksheet() -> None:
    """Serials, formulas' saved values, a table that starts in B3; lines are its rows."""
    reading = read(workbook(LMN), all_decided=True)
    assert fates(reading) == (1, 0, 1, 0)
    (row,) = next(reading.sources[0].chunks()).itertuples()
    assert (row.estimate_id, row.amount_cents, str(row.closed_at)) == (
        "12",
        123457,
        "2026-03-09 12:00:00+00:00",
    )
    assert [(each.line, each.column) for each in reading.refused] == [(6, "Estimate Close Date")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (workbook("", more=b"macros"), "The workbook has macros"),
        (workbook("", more=b"\0" * (1 << 25)), "The workbook unpacks to 34 MB, more than is read"),
        (workbook(LMN)[:300], "The workbook is damaged or encrypted"),
        (workbook("", sheets='<sheet name="S" sheetId="1" state="hidden" r:id="r1"/>'),
         "The workbook has no visible worksheet"),
    ],
    ids=["macros", "bomb", "cut off", "hidden"],
)  # fmt: skip
def test_a_workbook_that_is_refused(content: bytes, message: str) -> None:
    """Before anything of it is read."""
    with pytest.raises(ImportRefused) as caught:
        read(content)
    assert caught.value.message == message


def test_an_archive_whose_sizes_lie() -> None:
    """It is damaged, whatever it says of itself."""
    content = bytearray(workbook(LMN, more=b"x" * 100_000))
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 10)
    with pytest.raises(ImportRefused, match="damaged"):
        read(bytes(content))


def test_a_long_shared_text_in_many_cells() -> None:
    """It is read once for each cell, so it counts as often, and the file is refused before."""
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>1</v></c></row>' for n in range(1, 20_001))
    few = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>' + "<row/>" * 20_000
    for sheet, message in ((rows, "unpacks to 655 MB"), (few, "No column")):
        shared = io.BytesIO(workbook(sheet))
        with zipfile.ZipFile(shared, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(
                "xl/sharedStrings.xml", f"<sst><si><t>id</t></si><si><t>{'x' * 32_767}</t></si></sst>"
            )
        try:
            found = read(shared.getvalue()).questions[0].message
        except ImportRefused as error:
            found = error.message
        assert message in found


def test_the_other_worksheets_are_named() -> None:
    """So that a person can say which one to read."""
    sheets = '<sheet name="S" sheetId="1" r:id="r1"/><sheet name="Won 2026" sheetId="2" r:id="r1"/>'
    notes = [note.text for note in read(workbook(LMN, sheets=sheets), all_decided=True).notes]
    assert "Other worksheets were not read; name one to read it (--sheet): Won 2026" in notes


def test_a_sheet_by_name() -> None:
    """One that does not exist is refused with those that do."""
    assert read(workbook(LMN), sheet="S", all_decided=True).rows == 2
    with pytest.raises(ImportRefused, match="no such worksheet"):
        read(workbook(LMN), sheet="T")


CELL = st.text(st.sampled_from('ab,;"\n\r \t'), max_size=4)


@given(st.lists(st.lists(CELL, min_size=2, max_size=4), max_size=8))
def test_both_ways_of_reading_rows_agree(rows: list[list[str]]) -> None:
    """A block that is read at once has the cells that reading row by row finds."""
    text = written([HEADER, *[[*row, *[""] * (6 - len(row))] for row in rows]])
    table = text_table.TextTable(text_table.Content(text.encode()))
    chunks = list(table.chunks(1, 6))
    found = [list(map(str, row)) for chunk in chunks for row in chunk.cells.itertuples(index=False)]
    expected = list(csv.reader(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n"))))[1:]
    assert [row for row in found if any(row)] == [(row + [""] * 6)[:6] for row in expected if any(row)]


FATED = st.sampled_from(
    [
        "{n},2026-03-01,2026-03-02,5,Won", "{n},2026-03-01,2026-03-02,5,Lost", "{n},x,2026-03-02,5,Won",
        "{n},2026-03-01,2026-03-02,NaN,Won", "{n},2026-03-01,2026-03-02,5,Maybe", "", "{n},2026-03-01,,5,Won",
        "1,2026-03-01,2026-03-02,5,Won", "1,2026-03-01,2026-03-02,5,Lost", "Total,,,5,", "{n},,,,", ",,,,",
    ]
)  # fmt: skip


@given(st.lists(FATED, max_size=12), st.integers(1, 12))
def test_every_row_has_one_fate(lines: list[str], chunk: int) -> None:
    """Taken, left out, refused or repeated: together the rows, with repeats across chunks as well."""
    text = "id,created at,closed at,amount,status\n"
    text += "".join(line.format(n=number + 10) + "\n" for number, line in enumerate(lines))
    whole = read(text.encode())
    fates(whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_table, "_BLOCK", 48 * chunk)
        cut = read(text.encode())
    assert fates(cut) == fates(whole)
    assert [source.buckets for source in cut.sources] == [source.buckets for source in whole.sources]
    ids = [each for source in whole.sources for part in source.chunks() for each in part["estimate_id"]]
    assert len(ids) == len(set(ids)) == whole.taken


def test_the_last_of_an_estimates_rows_wins() -> None:
    """Also where it says that the estimate was lost; in another source it is another estimate."""
    header = "id,created at,closed at,amount,status,crew\n"
    text = (
        header + "1,2026-03-01,2026-03-02,5,Won,A\n1,2026-03-01,2026-03-02,5,Won,B\n1,2026-03-01,,,Lost,A\n"
    )
    assert fates(read(text.encode())) == (0, 1, 0, 2)
    assert fates(read(text.encode(), group_by="crew")) == (1, 1, 0, 1)
