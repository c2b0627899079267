"""A file's bytes: opened from the start for each pass, and held to what they were at the first."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from secondlook.errors import ImportRefused

_KINDS = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a picture"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a compressed file"),
    (b"7z\xbc\xaf", "a compressed file"),
    (b"{\\rtf", "a text document"),
    (b"SQLite format 3", "a database"),
)
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEAD = 1 << 20


class Content:
    """A file to read.

    Args:
        source: A path, or the bytes themselves.

    Raises:
        ImportRefused: It cannot be read, is empty, or is no table.
    """

    def __init__(self, source: Path | bytes) -> None:
        self._source = source
        self._seen: object = None
        try:
            self._seen = self._mark()
            with self._opened() as stream:
                self.head = stream.read(_HEAD)
        except OSError as error:
            raise ImportRefused(f"The file cannot be read ({error.strerror})") from None
        if not self.head.strip(b"\0 \t\r\n"):
            raise ImportRefused("The file is empty", hint="Export it again, with its header line.")
        self._refuse_what_is_no_table()

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self._source) if isinstance(self._source, bytes) else self._source.stat().st_size

    @property
    def is_workbook(self) -> bool:
        """Whether it is a ZIP archive, as XLSX files are."""
        return self.head.startswith(b"PK\x03\x04")

    def open(self) -> BinaryIO:
        """The bytes from their start.

        Raises:
            ImportRefused: They are not what they were.
        """
        self.check_unchanged()
        return self._opened()

    def check_unchanged(self) -> None:
        """Refuse a file that was written to since it was first opened.

        Raises:
            ImportRefused: It was.
        """
        try:
            same = self._mark() == self._seen
        except OSError:
            same = False
        if not same:
            raise ImportRefused("The file changed while it was read", hint="Import it again.")

    def _opened(self) -> BinaryIO:
        return io.BytesIO(self._source) if isinstance(self._source, bytes) else self._source.open("rb")

    def _mark(self) -> object:
        if isinstance(self._source, bytes):
            return None
        found = self._source.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _refuse_what_is_no_table(self) -> None:
        if self.head.startswith(_OLD_OFFICE):
            if "EncryptedPackage".encode("utf-16-le") in self.head:
                raise ImportRefused("The workbook is encrypted", hint="Save it without a password.")
            raise ImportRefused("The file is an old Office file", hint="Save it as .xlsx or .csv.")
        for start, kind in _KINDS:
            if self.head.startswith(start) and (len(start) > 2 or b"\0" in self.head[:64]):
                raise ImportRefused(
                    f"The file is {kind}, not a table", hint="Export the estimates as CSV or XLSX."
                )
