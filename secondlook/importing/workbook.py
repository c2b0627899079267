"""XLSX: one worksheet as a table of texts. Formulas give the values that were saved with them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import date, datetime

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
        others = len(visible) - 1
        self.facts = ["The first visible worksheet" if sheet is None else "The worksheet that was named"]
        if others > 0 and sheet is None:
            self.facts.append(f"{others} other worksheets were not read: name one to read it")
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
            if unpacked > _MAX_BYTES or (unpacked > 1 << 24 and unpacked / packed > _MAX_RATIO):
                raise ImportRefused(f"The workbook unpacks to {unpacked / 1e6:,.0f} MB, more than is read",
                                  hint="Save the worksheet as CSV.")  # fmt: skip
            if archive.testzip() is not None:
                raise ImportRefused("The workbook is damaged", hint="Save it anew.")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError):
        raise ImportRefused(
            "The workbook is damaged or encrypted", hint="Save it anew, without a password."
        ) from None


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
