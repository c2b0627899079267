"""Parses a provider's headers: its rate limits, and when a request may be sent again."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from secondlook.connections.retry_after import read_seconds
from secondlook.domain.answers import RateLimits

MAX_SECONDS = 24 * 3600.0
"""The longest wait in seconds that a header can ask for."""

_DURATION = re.compile(
    r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?"
)
_NUMBER = re.compile(r"[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30}")

_FIRST_MOMENT = 1_000_000_000.0
"""A plain number from here on is a moment: seconds, or milliseconds, since 1970."""

_IN_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")


def read_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """The rate limits that an answer announces (x-ratelimit-*); None where it announces none."""
    requests = _count(headers.get("x-ratelimit-remaining-requests"))
    tokens = _count(headers.get("x-ratelimit-remaining-tokens"))
    if requests is None and tokens is None:
        return None
    return RateLimits(
        requests=requests,
        requests_reset=duration(headers.get("x-ratelimit-reset-requests")) or 0.0,
        tokens=tokens,
        tokens_reset=duration(headers.get("x-ratelimit-reset-tokens")) or 0.0,
    )


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before sending again: retry-after-ms, or retry-after in seconds or as a date."""
    for name in _IN_MILLISECONDS:
        milliseconds = _number(headers.get(name))
        if milliseconds is not None:
            return min(milliseconds / 1000, MAX_SECONDS)
    seconds = read_seconds(headers.get("retry-after", ""), headers.get("date"))
    return None if seconds is None else min(seconds, MAX_SECONDS)


def duration(text: str | None) -> float | None:
    """Seconds of a duration as OpenAI writes it (`1s`, `6m0s`, `20ms`), or of plain seconds.

    Some servers write the moment of the reset: seconds or milliseconds since 1970.
    """
    plain = _number(text)
    if plain is not None and plain >= _FIRST_MOMENT:
        at = plain / 1000 if plain >= 1000 * _FIRST_MOMENT else plain
        plain = max(at - time.time(), 0.0)
    if plain is not None:
        return min(plain, MAX_SECONDS)
    parts = _DURATION.fullmatch(text or "")
    if not text or parts is None:
        return None
    days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in parts.groups())
    return min(days * 86400 + hours * 3600 + minutes * 60 + seconds + milliseconds / 1000, MAX_SECONDS)


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,15}", text) else None


def _number(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) if _NUMBER.fullmatch(text) else None
