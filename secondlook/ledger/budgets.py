"""Budgets: reserved before a call, charged after it, and a switch that stops all sending.

    reserve ──▶ reserved ──▶ spent        the cost of the call, or the estimate where the cost is unknown
                    └──▶ released         the provider certainly did not process the request

Each call counts in four rows: its user's and everybody's, for its day and its month. A call counts on the
day it was reserved, whenever it ends. A call's `Reservation` records what the rows hold of it. Each change
adds the difference to what is recorded, so that repeating one adds nothing.

To avoid deadlocks, a reservation locks the switch's row first, and every transaction locks the four rows in
the same order and last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import sqlalchemy as sa

from secondlook.connections.database import Database, now
from secondlook.domain.budgets import (
    PRICE_UNKNOWN,
    BudgetName,
    BudgetStatus,
    Limit,
    Limits,
    SwitchedOff,
    Use,
    day_of,
    refusal,
    room,
)
from secondlook.domain.money import NANO
from secondlook.errors import OverBudget
from secondlook.ledger.rows import dump, iso
from secondlook.ledger.tables import spending, switches
from secondlook.settings import Settings

MOST_NANOUSD = 10_000 * 10**9
"""A call's cost above this is a provider's nonsense and counts as unknown: sums must fit their column,
because the answer is kept in the same transaction."""

_ALL = "all"  # no user's id: those are UUIDs
_SENDING = "sending"


def limits_of(settings: Settings) -> Limits:
    """The limits from the settings SECONDLOOK_BUDGET_…."""

    def limit(calls: int | None, dollars: Decimal | None) -> Limit:
        nanousd = None if dollars is None else int((dollars * NANO).to_integral_value(ROUND_FLOOR))
        return Limit(calls, nanousd)

    return Limits(
        user_day=limit(settings.budget_user_day_calls, settings.budget_user_day_usd),
        user_month=limit(settings.budget_user_month_calls, settings.budget_user_month_usd),
        day=limit(settings.budget_day_calls, settings.budget_day_usd),
        month=limit(settings.budget_month_calls, settings.budget_month_usd),
    )


# -- what is counted ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reservation:
    """What the budgets count for one call; it is kept with the call.

    Attributes:
        user_id: Whose call it is.
        day: The day it was reserved; its cost counts on that day too.
        estimate_nanousd: The estimated upper limit of its cost.
        spent_nanousd: Its cost once it has ended; None while it is in flight.
        released: Whether it counts for nothing.
    """

    user_id: str
    day: str
    estimate_nanousd: int
    spent_nanousd: int | None = None
    released: bool = False

    def dump(self) -> str:
        """As text, for a column."""
        return dump(asdict(self))

    @staticmethod
    def load(text: str) -> Reservation:
        """From what `dump` wrote."""
        return Reservation(**json.loads(text))

    @property
    def counts(self) -> Use:
        """What the four rows hold of it."""
        if self.released:
            return Use()
        if self.spent_nanousd is None:
            return Use(calls=1, reserved_nanousd=self.estimate_nanousd)
        return Use(calls=1, nanousd=self.spent_nanousd)


def reserve(
    connection: sa.Connection,
    limits: Limits,
    user_id: str,
    estimate_nanousd: int | None,
    *,
    at: float | None = None,
) -> Reservation:
    """Reserve budget for a call before it is sent, as the last step of the transaction that records it.

    Args:
        connection: The transaction. It blocks all other reservations until it ends.
        limits: The budgets.
        user_id: Whose call it is.
        estimate_nanousd: The most that it may cost; None where the model's price is unknown.
        at: Seconds since 1970; by the database's clock where not given.

    Returns:
        The reservation, to be kept with the call.

    Raises:
        OverBudget: It may not be sent; nothing was counted.
    """
    # While this row is locked, nobody can switch sending off, and nobody else can reserve.
    switched_off, clock = _switched_off(connection, hold=True)
    if switched_off is not None:
        raise switched_off.refusal
    day = day_of(clock if at is None else at)
    made = Reservation(user_id=user_id, day=day, estimate_nanousd=estimate_nanousd or 0)
    with_it = _add(connection, user_id, day, made.counts)
    before = {row: use - made.counts for row, use in with_it.items()}
    refused = refusal(_standings(limits, user_id, day, before), estimate_nanousd)
    if refused is not None:
        _add(connection, user_id, day, Use() - made.counts)
        raise refused
    return made


def settle(connection: sa.Connection, reservation: Reservation, cost_nanousd: int | None) -> Reservation:
    """Replace a call's reservation by its cost, whatever its state was.

    Args:
        connection: The transaction, in which the call's record is held; to be used as the last thing there.
        reservation: As it is recorded with the call.
        cost_nanousd: None where it is unknown: then the estimate counts, or an earlier known cost.

    Returns:
        What is to be recorded now, in the same transaction.
    """
    if cost_nanousd is None or not 0 <= cost_nanousd <= MOST_NANOUSD:
        known = reservation.spent_nanousd
        cost_nanousd = reservation.estimate_nanousd if known is None else known
    return _change(connection, reservation, replace(reservation, spent_nanousd=cost_nanousd, released=False))


def release(connection: sa.Connection, reservation: Reservation) -> Reservation:
    """Release the reservation of a call that the provider certainly did not process, unless it has ended.

    Args:
        connection: The transaction, in which the call's record is held; to be used as the last thing there.
        reservation: As it is recorded with the call.

    Returns:
        What is to be recorded now, in the same transaction.
    """
    if reservation.spent_nanousd is not None:
        return reservation
    return _change(connection, reservation, replace(reservation, released=True))


def _change(connection: sa.Connection, before: Reservation, after: Reservation) -> Reservation:
    difference = after.counts - before.counts
    if difference != Use():
        _add(connection, before.user_id, before.day, difference)
    return after


def _rows(user_id: str | None, day: str) -> list[tuple[BudgetName, str, str]]:
    """The names, scopes and periods that a call counts in, in the order of locking."""
    month = day[:7]
    everybodys: list[tuple[BudgetName, str, str]] = [("month", _ALL, month), ("day", _ALL, day)]
    if user_id is None:
        return everybodys
    return [*everybodys, ("user_month", user_id, month), ("user_day", user_id, day)]


def _add(connection: sa.Connection, user_id: str, day: str, difference: Use) -> Mapping[tuple[str, str], Use]:
    """Change the four rows, made where they are missing, and keep them locked until the transaction ends.

    Returns:
        Their new values, by scope and period.
    """
    values = {"user": user_id, "day": day, "month": day[:7], **asdict(difference)}
    return _uses(connection.execute(_ADD, values))


# As text: SQLAlchemy compiles an insert of several rows anew each time. Its rows are made or, in their newest
# version, locked and changed in their order, which is that of `_rows`.
_ADD = sa.text(
    """
    insert into spending (scope, period, calls, nanousd, reserved_nanousd)
    values
      ('all', :month, :calls, :nanousd, :reserved_nanousd),
      ('all', :day, :calls, :nanousd, :reserved_nanousd),
      (:user, :month, :calls, :nanousd, :reserved_nanousd),
      (:user, :day, :calls, :nanousd, :reserved_nanousd)
    on conflict (scope, period) do update set
      calls = spending.calls + excluded.calls,
      nanousd = spending.nanousd + excluded.nanousd,
      reserved_nanousd = spending.reserved_nanousd + excluded.reserved_nanousd
    returning scope, period, calls, nanousd, reserved_nanousd
    """
)


def _read(connection: sa.Connection, user_id: str | None, day: str) -> Mapping[tuple[str, str], Use]:
    names = {"user": user_id or _ALL, "day": day, "month": day[:7]}
    return _uses(connection.execute(_USED, names))


_USED = sa.select(*spending.c).where(
    (spending.c.scope == _ALL) | (spending.c.scope == sa.bindparam("user")),
    (spending.c.period == sa.bindparam("day")) | (spending.c.period == sa.bindparam("month")),
)


def _uses(rows: sa.CursorResult[Any]) -> Mapping[tuple[str, str], Use]:
    return {(row.scope, row.period): Use(row.calls, row.nanousd, row.reserved_nanousd) for row in rows.all()}


def _standings(
    limits: Limits, user_id: str | None, day: str, uses: Mapping[tuple[str, str], Use]
) -> list[BudgetStatus]:
    """The user's first, the day first: as they are shown."""
    return [
        BudgetStatus(name, period, getattr(limits, name), uses.get((scope, period), Use()))
        for name, scope, period in reversed(_rows(user_id, day))
    ]


# -- the switch -----------------------------------------------------------------------------------------


def _switched_off(connection: sa.Connection, *, hold: bool = False) -> tuple[SwitchedOff | None, float]:
    """The switch, and the time by the database's clock."""
    row = connection.execute(_SWITCH_HELD if hold else _SWITCH).one()
    return (None if row.is_on else SwitchedOff(iso(row.changed_at), row.changed_by)), row.now


_SWITCH = sa.select(switches, now().label("now")).where(switches.c.name == _SENDING)
_SWITCH_HELD = _SWITCH.with_for_update()


def is_switched_off(connection: sa.Connection) -> bool:
    """Whether nothing may be sent now."""
    return _switched_off(connection)[0] is not None


# -- for pages and the command line ---------------------------------------------------------------------


@dataclass(frozen=True)
class Allowance:
    """How many of the requested calls may be made now, and why not all of them."""

    calls: int
    refusal: OverBudget | None


class Budgets:
    """The budgets as people see them, and the switch.

    Args:
        database: The ledger's database.
        limits: What is allowed.
    """

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self.limits = limits

    def standing(self, user_id: str | None = None, *, at: float | None = None) -> list[BudgetStatus]:
        """The user's budgets of this day and month, then those of all users; without a user the latter.

        Args:
            user_id: Whose.
            at: Seconds since 1970; by the database's clock where not given.
        """
        return self._database.read(lambda connection: self._look(connection, user_id, at)[1])

    def allows(
        self, user_id: str, calls: int, estimate_nanousd: int | None, *, at: float | None = None
    ) -> Allowance:
        """How many of these calls could be made now. It reserves nothing: each call is checked again.

        Args:
            user_id: Whose they are.
            calls: How many are wanted.
            estimate_nanousd: What each of them takes at the most; None where the price is unknown.
            at: Seconds since 1970; by the database's clock where not given.
        """
        switched_off, standings = self._database.read(lambda connection: self._look(connection, user_id, at))
        if switched_off is not None:
            return Allowance(0, switched_off.refusal)
        refused = refusal(standings, estimate_nanousd, calls=calls)
        if refused is None:
            return Allowance(calls, None)
        fits = 0 if refused.reason == PRICE_UNKNOWN else room(standings, estimate_nanousd or 0)
        return Allowance(fits or 0, refused)

    def switch(self, *, sending: bool, by: str) -> None:
        """Switch sending off or on, for all processes. Once it has returned, the next call knows.

        Args:
            sending: Whether calls may be sent.
            by: Who does so. Switching sending off twice changes nothing.
        """
        change = (
            sa.update(switches)
            .where(switches.c.name == _SENDING, switches.c.is_on != sending)
            .values(is_on=sending, changed_at=now(), changed_by=by)
        )
        self._database.write(lambda connection: connection.execute(change))

    def switched_off(self) -> SwitchedOff | None:
        """Since when and by whom sending is switched off; None where it is on."""
        return self._database.read(lambda connection: _switched_off(connection)[0])

    def _look(
        self, connection: sa.Connection, user_id: str | None, at: float | None
    ) -> tuple[SwitchedOff | None, list[BudgetStatus]]:
        switched_off, clock = _switched_off(connection)
        day = day_of(clock if at is None else at)
        return switched_off, _standings(self.limits, user_id, day, _read(connection, user_id, day))
