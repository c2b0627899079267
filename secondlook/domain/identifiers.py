"""Ids: one reading of each way to write them, and ids that are in the order of their making."""

from __future__ import annotations

import re
import secrets
import threading
import time
from uuid import UUID

from secondlook.errors import SourceNotFound

_HINTS = {
    "run_id": "Check the run's id; `secondlook runs` lists a user's runs.",
    "snapshot_id": "Check the id; a run that is done has its snapshot's id.",
}
_CANONICAL = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGITS = re.compile("[0-9a-f]{32}")
_FIRST_DIGITS = re.compile("[0-9a-f]{8,31}")
_AROUND_DIGITS = str.maketrans("", "", "{}-")


def read_id(text: object) -> str | None:
    """A UUID in the tables' own writing, from any writing: capitals, braces, no dashes; None for no UUID."""
    if not isinstance(text, str):
        return None
    if _CANONICAL.fullmatch(text):
        return text
    digits = text.lower().removeprefix("urn:uuid:").translate(_AROUND_DIGITS)
    return str(UUID(digits)) if _DIGITS.fullmatch(digits) else None


def read_prefix(text: str) -> str | None:
    """The beginning of a UUID in the tables' own writing; None for what is no 8 to 31 of its digits."""
    digits = text.lower().translate(_AROUND_DIGITS)
    if not _FIRST_DIGITS.fullmatch(digits):
        return None
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(part for part in parts if part)


def canonical(identifier: str, what: str = "source_id") -> str:
    """A UUID in the tables' own writing.

    Raises:
        SourceNotFound: It is not a UUID, so nothing can have it.
    """
    found = read_id(identifier)
    if found is None:
        raise not_found(what)
    return found


def not_found(what: str = "source_id") -> SourceNotFound:
    """The one error of an id that is unknown, malformed or another user's."""
    return SourceNotFound(f"Invalid {what}: not found", hint=_HINTS.get(what))


class _OrderedIds:
    """Makes UUIDs of version 7, each greater than the one before, also where the clock is set back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def make(self) -> str:
        """The next id: 48 bits of milliseconds, 12 of their fraction, 62 at random."""
        with self._lock:
            self._last = max(self._last + 1, (time.time_ns() << 12) // 1_000_000)
            milliseconds, fraction = divmod(self._last, 1 << 12)
        return str(UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62)))


_ordered_ids = _OrderedIds()


def new_run_id() -> str:
    """A run's id, which is its snapshot's: of a source's runs within one second the last has the greatest."""
    return _ordered_ids.make()
