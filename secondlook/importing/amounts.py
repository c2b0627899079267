"""Amounts as exports write them, in cents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from secondlook.importing.estimates import MAX_CENTS

_MARKS = {"$": "$", "us$": "USD", "ca$": "CAD", "a$": "AUD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"}
_FORM = re.compile(
    r"'?(?P<minus>[-−(]?)\s*(?P<before>[A-Za-z]{0,3}[$€£¥₹]|[A-Za-z]{3})?\s*(?P<inner>[-−]?)"  # noqa: RUF001 -- a minus is one
    r"(?P<digits>[0-9]+(?:[.,'’ \u00a0\u202f][0-9]+)*(?:[.,][0-9]*)?|[.,][0-9]+)"  # noqa: RUF001 -- Swiss thousands
    r"\s*(?P<after>[$€£¥₹]|[A-Za-z]{3})?\s*(?P<end>[-−)]?)"  # noqa: RUF001
)
_CODE = re.compile(r"[A-Z]{3}")

POINT, COMMA, EITHER = 1, 2, 4
"""What a value says of the decimal mark: a point, a comma, or that it could be either (`1.234`)."""


@dataclass(frozen=True)
class Amount:
    """A value as read.

    Attributes:
        cents: The amount; None where it is refused.
        reason: Why it is refused.
        currency: Its currency's sign or code; empty where it has none.
        says: POINT, COMMA, EITHER or 0.
    """

    cents: int | None = None
    reason: str = ""
    currency: str = ""
    says: int = 0


def read_amount(text: str, decimal: str) -> Amount:
    """Read a value.

    Args:
        text: As written, without blanks around it.
        decimal: The column's decimal mark.

    Returns:
        The amount, rounded half up to cents.
    """
    form = _FORM.fullmatch(text)
    if form is None or (form["minus"] == "(") != (form["end"] == ")"):
        return Amount(reason="not an amount")
    before, after = _currency(form["before"]), _currency(form["after"])
    if before is None or after is None or (before and after and before != after):
        return Amount(reason="not an amount")
    currency = before or after
    digits = re.sub(r"['’\s\u00a0\u202f]", "", form["digits"])  # noqa: RUF001 -- Swiss thousands
    says = _says(digits)
    whole, mark, cents = digits.rpartition(decimal)
    if not mark:
        whole, cents = digits, ""
    thousands = "," if decimal == "." else "."
    groups = whole.split(thousands)
    if decimal in whole or thousands in cents or (len(groups) > 1 and not _grouped(groups)):
        return Amount(reason="not an amount with this decimal mark", currency=currency, says=says)
    value = Decimal("".join(groups) + "." + (cents or "0") if groups != [""] else "0." + (cents or "0"))
    short = len(digits) <= 25  # Decimal rounds what is longer
    rounded = int((value * 100).quantize(Decimal(1), ROUND_HALF_UP)) if short else MAX_CENTS + 1
    if rounded and (form["minus"] or form["inner"] or form["end"]):
        return Amount(reason="a negative amount", currency=currency, says=says)
    if rounded > MAX_CENTS:
        return Amount(reason="above 9,999,999,999.99", currency=currency, says=says)
    return Amount(cents=rounded, currency=currency, says=says)


def _grouped(groups: list[str]) -> bool:
    """Whether thousands are in groups; India's have two digits."""
    inner = all(len(each) in (2, 3) for each in groups[1:-1])
    return 1 <= len(groups[0]) <= 3 and len(groups[-1]) == 3 and inner


def _says(digits: str) -> int:
    marks = [sign for sign in digits if sign in ".,"]
    if not marks:
        return 0
    if len(set(marks)) == 2 or len(digits.rpartition(marks[-1])[2]) != 3:
        return (POINT if marks[-1] == "." else COMMA) if marks.count(marks[-1]) == 1 else 0
    if len(marks) > 1:
        return COMMA if marks[0] == "." else POINT
    return (
        EITHER if marks[0] == "." else 0
    )  # `1,234` is twelve hundred, unless another value has a decimal comma


def _currency(mark: str | None) -> str | None:
    """A mark's currency, empty where there is none; None for letters that are no currency."""
    if not mark:
        return ""
    found = _MARKS.get(mark.casefold())
    return found or (mark if _CODE.fullmatch(mark) else None)


def decimal_mark(says: int) -> str | None:
    """The decimal mark of a column.

    Args:
        says: What its values say, as one sum of bits.

    Returns:
        The mark; None where a person must say.
    """
    if says & POINT and says & COMMA:
        return None
    if says & COMMA:
        return ","
    return None if says == EITHER else "."


def looks_like_amount(text: str) -> bool:
    """Whether a text is written as money is: with a currency or with cents."""
    read = read_amount(text, ".")
    return bool(read.currency and not read.reason) or re.fullmatch(r"[0-9,]+\.[0-9]{2}", text) is not None


def one_currency(found: set[str]) -> bool:
    """Whether the marks are of one currency; `$` may be any dollar."""
    codes = found - {"", "$"}
    return len(codes) <= 1 and not ("$" in found and codes and not next(iter(codes)).endswith("D"))
