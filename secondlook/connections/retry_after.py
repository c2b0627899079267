"""The Retry-After header: how long a server wants to be left alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30}")


def read_seconds(text: str, date: str | None = None) -> float | None:
    """Seconds to wait by a Retry-After header, 0 where its date is past; None where it says nothing.

    Args:
        text: The header's value: seconds, or an HTTP date.
        date: The answer's own Date header: the server's clock counts, since this machine's may be off.
    """
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    at = _moment(text)
    if at is None:
        return None
    return max((at - (_moment(date or "") or datetime.now(UTC))).total_seconds(), 0.0)


def _moment(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
