"""XLSX: one worksheet as a table of texts. Formulas give the values that were saved with them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from xml.parsers import expat

from secondlook.domain.untrusted_text import one_line
from secondlook.errors import ImportRefused
from secondlook.importing.content import Content
from secondlook.importing.table import HEAD_ROWS, Chunk, Line, as_chunk

_MAX_BYTES = 1 << 29  # of the unpacked workbook
_MAX_RATIO = 200
_ROWS = 50_000


class WorkbookTable:
    """A worksheet.

    Args:
        content: The file.
        sheet: The worksheet's name; None: the first visible one.

    Raises:
        ImportRefused: It is no workbook that can be read, or has no such worksheet.
    """

    def __init__(self, content: Content, sheet: str | None) -> None:
        _check_archive(content)
        from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

        try:
            with content.open() as stream:
                book = CalamineWorkbook.from_filelike(stream)
                visible = [each.name for each in book.sheets_metadata
                           if each.visible == SheetVisibleEnum.Visible]  # fmt: skip
                if sheet is not None and sheet not in book.sheet_names:
                    raise ImportRefused("The workbook has no such worksheet",
                                      hint=f"It has: {', '.join(book.sheet_names)}.")  # fmt: skip
                names = [sheet] if sheet is not None else visible
                if not names:
                    raise ImportRefused("The workbook has no visible worksheet")
                found = book.get_sheet_by_name(names[0])
                self._rows = [[_text(cell) for cell in row] for row in found.to_python(skip_empty_area=False)]
                merged = found.merged_cell_ranges
        except (CalamineError, OSError) as error:
            raise ImportRefused(f"The workbook cannot be read ({type(error).__name__})",
                              hint="Save it anew as .xlsx or as .csv.") from None  # fmt: skip
        hidden = len(book.sheet_names) - len(visible)
        others = [name for name in visible if name != names[0]]
        self.facts = ["The first visible worksheet" if sheet is None else "The worksheet that was named"]
        if others and sheet is None:
            listed = one_line(", ".join(others), 400)
            self.facts.append(f"Other worksheets were not read; name one to read it (--sheet): {listed}")
        if hidden:
            self.facts.append(f"{hidden} hidden worksheets were not read")
        if merged:
            self.facts.append("Merged cells: the value counts for the first cell alone")
        filled = (Line(number, row) for number, row in enumerate(self._rows, 1) if any(map(str.strip, row)))
        self.head = [line for line, _ in zip(filled, range(HEAD_ROWS), strict=False)]

    def chunks(self, after: int, width: int) -> Iterator[Chunk]:
        """See `Table.chunks`."""
        for start in range(after, len(self._rows), _ROWS):
            rows = list(enumerate(self._rows[start : start + _ROWS], start + 1))
            yield as_chunk(rows, width, min(1.0, (start + _ROWS) / len(self._rows)))


def _check_archive(content: Content) -> None:
    """Refuse what is no workbook, has macros, or unpacks to too much, before anything of it is read.

    Raises:
        ImportRefused: Says which.
    """
    try:
        with content.open() as stream, zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries}
            if "xl/workbook.xml" not in names:
                raise ImportRefused("The file is a ZIP archive, not an XLSX workbook",
                                  hint="Unpack it, or save the table as .xlsx or .csv.")  # fmt: skip
            if any(name.endswith("vbaProject.bin") for name in names):
                raise ImportRefused("The workbook has macros", hint="Save it as .xlsx without them.")
            unpacked = sum(entry.file_size for entry in entries)
            packed = max(1, content.size)
            _check_size(unpacked, too_dense=unpacked > 1 << 24 and unpacked / packed > _MAX_RATIO)
            if archive.testzip() is not None:
                raise ImportRefused("The workbook is damaged", hint="Save it anew.")
            _check_size(_shared_size(archive))
    except (zipfile.BadZipFile, expat.ExpatError, NotImplementedError, RuntimeError, EOFError, OSError):
        raise ImportRefused(
            "The workbook is damaged or encrypted", hint="Save it anew, without a password."
        ) from None


def _check_size(size: int, *, too_dense: bool = False) -> None:
    if size > _MAX_BYTES or too_dense:
        raise ImportRefused(f"The workbook unpacks to {size / 1e6:,.0f} MB, more than is read",
                          hint="Save the worksheet as CSV.")  # fmt: skip


def _shared_size(archive: zipfile.ZipFile) -> int:
    """The characters of shared strings, each as often as cells show it: it is read once for each.

    0 where even the longest of them in all cells would not be too much.
    """
    shared = [name for name in archive.namelist() if name.casefold() == "xl/sharedstrings.xml"]
    sheets = [
        entry
        for entry in archive.infolist()
        if entry.filename.casefold().endswith(".xml") and entry.filename not in shared
    ]
    lengths: list[int] = []
    for name in shared:
        _read_texts(archive, name, "si", lambda _, text: lengths.append(len(text)))
    least = len('<c t="s"><v>0</v></c>')
    if max(lengths, default=0) * sum(entry.file_size // least for entry in sheets) <= _MAX_BYTES:
        return 0
    shown = [0]

    def show(attributes: Mapping[str, str], text: str) -> None:
        if attributes.get("t") == "s" and text.strip().isdecimal() and int(text) < len(lengths):
            shown[0] += lengths[int(text)]

    for entry in sheets:
        _read_texts(archive, entry.filename, "c", show)
    return shown[0]


def _read_texts(
    archive: zipfile.ZipFile, name: str, tag: str, found: Callable[[Mapping[str, str], str], None]
) -> None:
    """Tell the attributes and the text of each element of this name, without holding the document."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    texts: list[str] = []
    attributes: list[Mapping[str, str]] = []

    def start(element: str, given: dict[str, str]) -> None:
        if element.rpartition(":")[2] == tag:
            texts.clear()
            attributes[:] = [given]

    def end(element: str) -> None:
        if element.rpartition(":")[2] == tag and attributes:
            found(attributes.pop(), "".join(texts))

    def character_data(text: str) -> None:
        if attributes:
            texts.append(text)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = character_data
    with archive.open(name) as stream:
        parser.ParseFile(stream)


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float):
        if cell.is_integer():
            return str(int(cell))
        text = repr(cell)
        # A number is no text that could be read with a point between thousands.
        return text + "0" if len(text.partition(".")[2]) == 3 else text
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    return cell.isoformat() if isinstance(cell, date) else str(cell)
