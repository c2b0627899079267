"""Dates as exports write them, in microseconds of UTC since 1970."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_TIME = (
    r"(?:(?:T|,?\s+)(?:at\s+)?(?P<h>\d{1,2}):(?P<mi>\d{2})(?::(?P<s>\d{2})(?:\.(?P<f>\d{1,9}))?)?"
    r"(?:\s*(?P<ap>[AaPp])\.?[Mm]\.?)?\s*(?P<z>Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?"
)
_YEAR_FIRST = re.compile(r"(?P<y>\d{4})([-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})" + _TIME, re.ASCII)
_NUMBERS = re.compile(r"(?P<a>\d{1,2})([-/.])(?P<b>\d{1,2})\2(?P<c>\d{4}|\d{2})" + _TIME, re.ASCII)
_DAY = r"(?:[A-Za-z]{3,9},?\s+)?"
_MONTH_FIRST = re.compile(
    _DAY + r"(?P<n>[A-Za-z]{3,9})\.?\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y>\d{4})" + _TIME, re.ASCII
)
_DAY_FIRST = re.compile(
    _DAY + r"(?P<d>\d{1,2})(?:st|nd|rd|th)?[-\s.]+(?P<n>[A-Za-z]{3,9})\.?,?[-\s]+(?P<y>\d{4}|\d{2})" + _TIME,
    re.ASCII,
)
_SERIAL = re.compile(r"[2-9]\d{4}(?:\.\d+)?", re.ASCII)
_MONTHS = {
    name[:length]: number
    for number, name in enumerate(
        ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
         "november", "december"), 1)
    for length in range(3, len(name) + 1)
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SERIALS_START = datetime(1899, 12, 30)  # noqa: DTZ001 -- a worksheet's day has no zone

DMY, MDY, EITHER = 1, 2, 4
"""What a value says of the order: the day first, the month first, or that it could be both."""


@dataclass(frozen=True)
class Date:
    """A value as read.

    Attributes:
        micros: Microseconds since 1970, UTC; None where it is refused.
        reason: Why it is refused.
        says: DMY, MDY, EITHER or 0.
    """

    micros: int | None = None
    reason: str = ""
    says: int = 0


def read_date(text: str, order: str | None, zone: ZoneInfo | None) -> Date:
    """Read a value.

    Args:
        text: As written, without blanks around it.
        order: `dmy`, `mdy`, `ymd`; None where it is not known.
        zone: The zone of times without one; None: UTC.
    """
    says = 0
    try:
        if found := _YEAR_FIRST.fullmatch(text):
            year, month, day = int(found["y"]), int(found["m"]), int(found["d"])
        elif found := _NUMBERS.fullmatch(text):
            a, b, c = int(found["a"]), int(found["b"]), int(found["c"])
            if order == "ymd":
                year, month, day = 2000 + a, b, c
            else:
                says = DMY if a > 12 >= b else MDY if b > 12 >= a else EITHER if a != b else 0
                if order is None and says == EITHER:
                    return Date(reason="day and month could be either way round", says=says)
                first = order == "dmy" if order else says == DMY
                day, month = (a, b) if first else (b, a)
                year = c if c > 99 else 2000 + c if c < 70 else 1900 + c
        elif found := (_MONTH_FIRST.fullmatch(text) or _DAY_FIRST.fullmatch(text)):
            month = _MONTHS.get("sep" if found["n"].lower() == "sept" else found["n"].lower(), 0)
            if not month:
                return Date(reason="not a date")
            year, day = int(found["y"]), int(found["d"])
            year += 2000 if year < 70 else 1900 if year < 100 else 0
        elif _SERIAL.fullmatch(text):
            local = _SERIALS_START + timedelta(seconds=round(float(text) * 86400))
            return _instant(local, zone, whole="." not in text)
        else:
            return Date(reason="not a date")
        local, whole = _with_time(datetime(year, month, day), found)  # noqa: DTZ001 -- the zone follows
        if found["z"]:
            return Date(_micros(local.replace(tzinfo=UTC) - _offset(found["z"])), says=says)
        read = _instant(local, zone, whole=whole)
    except (ValueError, OverflowError):
        return Date(reason="not a date", says=says)
    return Date(read.micros, read.reason, says)


def _with_time(day: datetime, found: re.Match[str]) -> tuple[datetime, bool]:
    """The day with its time, and whether it has none."""
    if found["h"] is None:
        return day, True
    hour = int(found["h"])
    if found["ap"]:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if found["ap"] in "pP" else 0)
    micros = int((found["f"] or "0").ljust(6, "0")[:6])
    return day.replace(
        hour=hour, minute=int(found["mi"]), second=int(found["s"] or 0), microsecond=micros
    ), False


def _offset(text: str) -> timedelta:
    if text[0] not in "+-":
        return timedelta(0)
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    if offset > timedelta(hours=18):
        raise ValueError(text)
    return -offset if text[0] == "-" else offset


def _instant(local: datetime, zone: ZoneInfo | None, *, whole: bool) -> Date:
    """A local time's instant; a whole day begins at its first."""
    if zone is None:
        return Date(_micros(local.replace(tzinfo=UTC)))
    early, late = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early != late and not whole:
        exists = early.astimezone(zone).replace(tzinfo=None) == local
        return Date(reason=f"a time that {'comes twice in' if exists else 'does not exist in'} this zone")
    of_the_day = [each for each in (early, late) if each.astimezone(zone).date() == local.date()]
    if not of_the_day:
        return Date(reason="a day that does not exist in this zone")
    return Date(_micros(min(of_the_day)))


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def date_order(says: int) -> str | None:
    """The order of a column's dates; None where a person must say.

    Args:
        says: What its values say, as one sum of bits; 0 where no value is of numbers alone.
    """
    if says & DMY and says & MDY:
        return None
    return "dmy" if says & DMY else "mdy" if says & MDY or not says else None
