"""CSV and TSV: encoding, separator, and rows in bounded memory.

Blocks whose rows are their lines are read by pandas at once. Those with blank lines, quoted line breaks or
rows of other widths are read row by row, so that each row's line is exact.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice

from secondlook.errors import ImportRefused
from secondlook.importing.content import Content
from secondlook.importing.headers import header_score
from secondlook.importing.table import HEAD_ROWS, Chunk, Line, as_chunk

_BLOCK = 1 << 24  # characters read at a time, and the most that a line may have
_HEAD = 1 << 18
_SEPARATORS = ",;\t|"
_MAX_CELL = 1 << 17
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


class TextTable:
    """A table of separated texts.

    Args:
        content: The file.

    Raises:
        ImportRefused: It is no text.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._encoding = _encoding(content.head)
        text = content.head.decode(self._encoding, errors="replace")
        if "\0" in text:
            raise ImportRefused(f"Line {text[: text.index(chr(0))].count(chr(10)) + 1} has a NUL character",
                              hint="The file is damaged or no text: export it again.")  # fmt: skip
        self._separator = _separator(text, whole=content.size <= len(content.head))
        try:
            self.head = self._read_head()
        except UnicodeDecodeError:
            if self._encoding != "utf-8-sig":
                raise _unknown_encoding() from None
            self._encoding = "cp1252"
            self.head = self._read_head()
        name = {"utf-8-sig": "UTF-8"}.get(self._encoding, self._encoding.upper())
        self.facts = [f"Text in {name}, separated by {_NAMES[self._separator]}"]

    def chunks(self, after: int, width: int) -> Iterator[Chunk]:
        """See `Table.chunks`."""
        try:
            yield from self._chunks(after, width)
        except UnicodeDecodeError:
            if self._encoding != "utf-8-sig":
                raise _unknown_encoding() from None
            raise NotUtf8 from None

    def read_as_windows(self) -> None:
        """Read it as Windows-1252 from now on: a later part is no UTF-8."""
        self._encoding = "cp1252"
        self.head = self._read_head()
        self.facts = [f"Text in Windows-1252, separated by {_NAMES[self._separator]}"]

    def _read_head(self) -> list[Line]:
        with self._open() as stream:
            rows = _Rows(stream.read(_HEAD), stream, 1, self._separator)
            kept = (row for row in rows.all() if any(cell.strip() for cell in row[1]))
            return [Line(number, cells) for number, cells in islice(kept, HEAD_ROWS)]

    def _open(self) -> io.TextIOWrapper:
        # Line ends of every kind become one.
        return io.TextIOWrapper(self._content.open(), encoding=self._encoding, newline=None)

    def _skip(self, stream: io.TextIOWrapper, after: int) -> tuple[int, str]:
        """The line that rows begin in, and what was read of them.

        Args:
            stream: The file at its start.
            after: The header's line.
        """
        text = stream.read(_HEAD)
        rows = _Rows(text, stream, 1, self._separator)
        for line, _ in rows.all():
            if line >= after:
                break
        place = 0
        for _ in range(min(rows.used, text.count("\n"))):
            place = text.index("\n", place) + 1
        if rows.used > text.count("\n"):  # the header is all of what was read, or goes on beyond it
            place = len(text)
        return rows.used + 1, text[place:] + rows.rest

    def _chunks(self, after: int, width: int) -> Iterator[Chunk]:
        size = max(1, self._content.size)
        raw = self._content.open()
        with io.TextIOWrapper(raw, encoding=self._encoding, newline=None) as stream:
            line, rest = self._skip(stream, after)
            while text := rest + stream.read(_BLOCK):
                cut = text.rfind("\n") + 1
                if not cut:
                    if len(text) >= _BLOCK:
                        raise ImportRefused(f"Line {line} is longer than {_BLOCK:,} characters",
                                          hint="Check that the file has line ends.")  # fmt: skip
                    cut = len(text)
                block, rest = text[:cut], text[cut:]
                if "\0" in block:
                    at = line + block[: block.index("\0")].count("\n")
                    raise ImportRefused(f"Line {at} has a NUL character",
                                      hint="The file is damaged or no text: export it again.")  # fmt: skip
                done = min(1.0, raw.tell() / size)
                count = block.count("\n") + (not block.endswith("\n"))
                chunk = _read_at_once(block, line, count, self._separator, width, done)
                if chunk is None:
                    rows = _Rows(block, stream, line, self._separator, rest)
                    chunk = as_chunk(list(rows.all()), width, done)
                    rest, count = rows.rest, rows.used
                line += count
                yield chunk
        self._content.check_unchanged()


def _unknown_encoding() -> ImportRefused:
    return ImportRefused("The file's encoding is not known", hint="Save it as UTF-8.")


class NotUtf8(Exception):
    """A part of the file is no UTF-8, though its beginning was."""


def _encoding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    evens, odds = head[:4000:2].count(0), head[1:4000:2].count(0)
    if max(evens, odds) > 0.3 * len(head[:4000:2]):
        return "utf-16-be" if evens > odds else "utf-16-le"
    try:
        head[: head.rfind(b"\n") + 1 or None].decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf-8-sig" if error.start >= len(head) - 4 and len(head) >= 1 << 20 else "cp1252"
    return "utf-8-sig"


def _separator(text: str, *, whole: bool) -> str:
    """The separator by which the most columns have known names, then the most rows have one width."""
    lines = text[:65536].splitlines()
    sample = lines if (whole and len(text) <= 65536) or len(lines) < 2 else lines[:-1]

    def score(separator: str) -> tuple[int, int, int]:
        try:
            rows = [row for row in islice(csv.reader(sample, delimiter=separator), 60) if any(row)]
        except csv.Error:
            return (0, 0, 0)
        widths = [len(row) for row in rows if len(row) > 1]
        same = max((widths.count(width) for width in set(widths)), default=0)
        return max((header_score(row) for row in rows), default=0), same, max(widths, default=0)

    return max(_SEPARATORS, key=score)


class _Rows:
    """A block's rows one by one; a row that goes on beyond the block is read to its end."""

    def __init__(
        self, block: str, stream: io.TextIOWrapper, line: int, separator: str, rest: str = ""
    ) -> None:
        self._lines = io.StringIO(block)
        self._count = block.count("\n") + (not block.endswith("\n"))
        self._stream = stream
        self._line = line
        self._separator = separator
        self.rest = rest
        self.used = 0

    def all(self) -> Iterator[tuple[int, list[str]]]:
        """Each row with its line."""
        csv.field_size_limit(_MAX_CELL)
        reader = csv.reader(self._feed(), delimiter=self._separator)
        while self.used < self._count:
            line = self._line + self.used
            try:
                row = next(reader, None)
            except csv.Error:
                raise ImportRefused(f"Line {line} has a cell of more than {_MAX_CELL:,} characters",
                                  hint="Check that each quote that opens is closed.") from None  # fmt: skip
            if row is None:
                return
            yield line, row

    def _feed(self) -> Iterator[str]:
        for line in self._lines:
            self.used += 1
            yield line
        while line := self._next():
            self.used += 1
            yield line

    def _next(self) -> str:
        while "\n" not in self.rest and len(self.rest) < _BLOCK and (more := self._stream.read(1 << 16)):
            self.rest += more
        cut = self.rest.find("\n") + 1 or len(self.rest)
        line, self.rest = self.rest[:cut], self.rest[cut:]
        return line


def _read_at_once(block: str, line: int, count: int, separator: str, width: int, done: float) -> Chunk | None:
    import numpy as np
    import pandas as pd

    if block.count('"') % 2:
        return None
    try:
        cells = pd.read_csv(
            io.BytesIO(block.encode()),
            sep=separator,
            header=None,
            dtype="str",
            keep_default_na=False,
            engine="pyarrow",
        )
    except (ValueError, UnicodeEncodeError):  # pandas' parser errors are values' errors
        return None
    if len(cells) != count or len(cells.columns) != width:
        return None
    lines = np.arange(line, line + count, dtype=np.int64)
    return Chunk(lines=lines, cells=cells, overlong=np.zeros(count, dtype=bool), done=done)
