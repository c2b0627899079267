"""The Retry-After header: how long a server wants to be left alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,30})?|\.[0-9]{1,30}")


def read_seconds(text: str) -> float | None:
    """Seconds to wait by a Retry-After header, 0 where its date is past; None where it says nothing."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max((at - datetime.now(UTC)).total_seconds(), 0.0)
