"""Budgets: limits, use, what is left, and the error of a call that may not be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Literal, cast

from secondlook.domain.money import NANO, usd
from secondlook.errors import OverBudget

BudgetName = Literal["user_day", "user_month", "day", "month"]

PRICE_UNKNOWN = "price_unknown"


@dataclass(frozen=True)
class Limit:
    """The limits of one budget; None is no limit."""

    calls: int | None = None
    nanousd: int | None = None


@dataclass(frozen=True)
class Limits:
    """The four budgets: of each user and of all users, for each day and month in UTC."""

    user_day: Limit = Limit()
    user_month: Limit = Limit()
    day: Limit = Limit()
    month: Limit = Limit()


@dataclass(frozen=True)
class Use:
    """The use of a budget; dollars of calls in flight are reserved."""

    calls: int = 0
    nanousd: int = 0
    reserved_nanousd: int = 0

    def __sub__(self, other: Use) -> Use:
        """The difference of two uses."""
        return Use(
            self.calls - other.calls,
            self.nanousd - other.nanousd,
            self.reserved_nanousd - other.reserved_nanousd,
        )


@dataclass(frozen=True)
class BudgetStatus:
    """The status of a budget: its limits, and how much is used.

    Attributes:
        name: Whose it is and its length; also a part of its settings' names.
        period: The day or month, as 2026-11-22 or 2026-11.
    """

    name: BudgetName
    period: str
    limit: Limit
    used: Use

    @property
    def ends_at(self) -> str:
        """When the next period begins."""
        return period_end(self.period)

    @property
    def spent_usd(self) -> Decimal:
        """Dollars of calls that have ended."""
        return Decimal(self.used.nanousd) / NANO

    @property
    def reserved_usd(self) -> Decimal:
        """Dollars reserved for calls in flight."""
        return Decimal(self.used.reserved_nanousd) / NANO

    @property
    def limit_usd(self) -> Decimal | None:
        """The most dollars; None is no limit."""
        return usd(self.limit.nanousd)

    def room_for_calls(self) -> int | None:
        """How many calls are left; None where calls are not limited."""
        return None if self.limit.calls is None else max(0, self.limit.calls - self.used.calls)

    def room_for_dollars(self, estimate_nanousd: int) -> int | None:
        """How many calls of that price the dollars left allow; None where dollars are not limited.

        A free call is allowed even when the budget is spent.
        """
        if self.limit.nanousd is None or estimate_nanousd == 0:
            return None
        return max(0, self.limit.nanousd - _taken(self.used)) // estimate_nanousd


@dataclass(frozen=True)
class SwitchedOff:
    """Since when nothing may be sent, and by whom."""

    since: str
    by: str

    @property
    def refusal(self) -> OverBudget:
        """The error of a call that may not be sent."""
        return OverBudget(
            f"Sending is switched off since {self.since} by {self.by}",
            hint="Nothing is sent until somebody switches it on again.",
            reason="kill_switch",
        )


def day_of(seconds: float) -> str:
    """The day in UTC, as 2026-11-22; its first seven letters are the month."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def period_end(period: str) -> str:
    """When the day or month after this one begins."""
    if _is_day(period):
        following = date.fromisoformat(period) + timedelta(days=1)
    else:  # 31 days after its first is some day of the next month
        following = (date.fromisoformat(f"{period}-01") + timedelta(days=31)).replace(day=1)
    return f"{following.isoformat()}T00:00:00Z"


def refusal(
    standings: Sequence[BudgetStatus], estimate_nanousd: int | None, *, calls: int = 1
) -> OverBudget | None:
    """The error that says why not all of these calls may be made; None where they may.

    Args:
        standings: The status of the budgets that they count in.
        estimate_nanousd: The most that each of them costs; None where the model's price is unknown.
        calls: How many they are.

    Returns:
        The error of the budget with the least left; of several, the one whose period ends last.
    """
    if estimate_nanousd is None:
        if any(each.limit.nanousd is not None for each in standings):
            return _price_unknown(standings)
        estimate_nanousd = 0
    fits = room(standings, estimate_nanousd)
    if fits is None or fits >= calls:
        return None
    least = [
        (each, in_dollars)
        for each in standings
        for in_dollars in (False, True)
        if _room(each, estimate_nanousd, in_dollars=in_dollars) == fits
    ]
    standing, in_dollars = max(least, key=lambda found: found[0].ends_at)
    return _spent(standing, estimate_nanousd, in_dollars=in_dollars, fits=fits, calls=calls)


def room(standings: Sequence[BudgetStatus], estimate_nanousd: int) -> int | None:
    """How many calls of that price all these budgets allow; None is no limit."""
    rooms = [
        left
        for each in standings
        for in_dollars in (False, True)
        if (left := _room(each, estimate_nanousd, in_dollars=in_dollars)) is not None
    ]
    return min(rooms, default=None)


def _room(standing: BudgetStatus, estimate_nanousd: int, *, in_dollars: bool) -> int | None:
    return standing.room_for_dollars(estimate_nanousd) if in_dollars else standing.room_for_calls()


def _spent(
    standing: BudgetStatus, estimate_nanousd: int, *, in_dollars: bool, fits: int, calls: int
) -> OverBudget:
    used, limit = standing.used, standing.limit
    if in_dollars:
        most = cast("int", limit.nanousd)
        taken = _taken(used)
        budget, figures = _dollars(most), f"{_dollars(taken)} of {_dollars(most)} used"
        if used.reserved_nanousd > 0:
            figures += f", {_dollars(used.reserved_nanousd)} of it by calls under way"
        figures += f", {'this' if calls == 1 else 'each'} call takes about {_about(estimate_nanousd)}"
    else:
        most, taken = cast("int", limit.calls), used.calls
        budget, figures = f"{most} call{'' if most == 1 else 's'}", f"{taken} of {most} used"
    if taken >= most:
        verdict = "is spent"
    elif calls == 1:
        verdict = "does not hold this call"
    else:
        verdict = f"holds {fits or 'none'} of these {calls} calls"
    length = "day" if _is_day(standing.period) else "month"
    whose = "this user" if standing.name.startswith("user_") else "all users"
    reason = f"{standing.name}_{'usd' if in_dollars else 'calls'}"
    return OverBudget(
        f"The budget of {budget} a {length} for {whose} {verdict}: {figures}",
        hint=f"The {length} ends at {standing.ends_at}; {_setting(reason)} sets this budget.",
        reason=reason,
    )


def _price_unknown(standings: Sequence[BudgetStatus]) -> OverBudget:
    named = [_setting(f"{each.name}_usd") for each in standings if each.limit.nanousd is not None]
    return OverBudget(
        "The price of the model is unknown, so the dollar budgets cannot hold it",
        hint=f"Take a model with a known price, or unset {', '.join(named)} and set a budget of calls.",
        reason=PRICE_UNKNOWN,
    )


def _setting(reason: str) -> str:
    return f"SECONDLOOK_BUDGET_{reason.upper()}"


def _taken(used: Use) -> int:
    return used.nanousd + used.reserved_nanousd


def _is_day(period: str) -> bool:
    return period.count("-") == 2


def _dollars(nanousd: int) -> str:
    """An exact amount: a figure that is compared is not rounded."""
    return _at_least_cents(Decimal(nanousd) / NANO)


def _about(nanousd: int) -> str:
    """An amount rounded up to two significant digits."""
    dollars = Decimal(nanousd) / NANO
    digit = Decimal(1).scaleb(min(dollars.adjusted() - 1, -2))
    return _at_least_cents(dollars.quantize(digit, ROUND_CEILING))


def _at_least_cents(dollars: Decimal) -> str:
    whole, _, fraction = f"{dollars:,.9f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
