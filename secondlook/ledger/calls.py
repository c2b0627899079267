"""What the ledger keeps of a call: that it was sent, how it ended, and what the budgets count for it.

Each function is a part of a transaction. The budgets' rows are locked last in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from decimal import Decimal

import sqlalchemy as sa

from secondlook.domain.answers import AgentAnswer
from secondlook.domain.budgets import Limits
from secondlook.domain.money import nano
from secondlook.domain.runs import Run
from secondlook.errors import Outcome, ProviderError
from secondlook.ledger import budgets
from secondlook.ledger.budgets import Reservation
from secondlook.ledger.rate_limits import note_limits
from secondlook.ledger.rows import iso
from secondlook.ledger.statements import ANSWERED_CALL, END_CALL, KEEP_ANSWER, KEEP_CALL, NOTE_CALL, RECOUNT

_Recount = Callable[[sa.Connection, Reservation], Reservation]

_UNANSWERED: Mapping[Outcome, _Recount] = {
    "not_processed": budgets.release,
    "refused": lambda connection, reserved: budgets.settle(connection, reserved, 0),
    "unknown": lambda connection, reserved: budgets.settle(connection, reserved, None),
}
"""What happens to the reservation of a call without an answer, by the call's outcome."""


def note(connection: sa.Connection, run: Run, number: int, limits: Limits, ceiling: Decimal | None) -> None:
    """Record a call that is about to be sent, and reserve its highest cost.

    Raises:
        OverBudget: A budget does not hold it, or sending is switched off.
    """
    reserved = budgets.reserve(connection, limits, run.user_id, nano(ceiling))
    call = {"run_id": run.run_id, "number": number, "task": run.task}
    connection.execute(NOTE_CALL, {**call, "reservation": reserved.dump()})


def keep_answer(
    connection: sa.Connection, run_id: str, number: int, answer: AgentAnswer, cost: Decimal | None
) -> bool:
    """Keep an answer whole, whatever the run's status is by now; return whether it is the one that counts."""
    spent = nano(cost)
    names = {"run": run_id, "call": number}
    kept = {
        "cost_nanousd": spent,
        **answer.model_dump(exclude={"usage", "limits"}),
        **answer.usage.model_dump(),
    }
    reserved = connection.scalar(KEEP_CALL, {**names, **kept})
    first = connection.execute(KEEP_ANSWER, {**names, "at": iso(time.time())}).rowcount == 1
    if answer.limits is not None:
        note_limits(connection, run_id, answer.limits)
    # Not only after an update: a server may fail after a commit, before it confirms it.
    counts = first or connection.scalar(ANSWERED_CALL, names) == number
    # The offline agent's cost is shown, but not spent.
    paid = 0 if answer.usage.estimated else spent
    _recount(connection, names, reserved, lambda c, r: budgets.settle(c, r, paid))
    return counts


@contextmanager
def ended(connection: sa.Connection, run: Run, number: int, error: ProviderError) -> Generator[None]:
    """Record once that a call got no answer. The block changes its run; the budgets come after it."""
    names = {"run": run.run_id, "call": number}
    end = {
        "outcome": error.outcome,
        "http_status": error.status,
        "error": error.message,
        "request_id": error.request_id,
    }
    reserved = connection.scalar(END_CALL, {**names, **end})
    yield
    _recount(connection, names, reserved, _UNANSWERED[error.outcome])


def _recount(
    connection: sa.Connection, names: Mapping[str, object], kept: str | None, change: _Recount
) -> None:
    """Change what a call counts for, unless its end was recorded already."""
    if kept is not None:  # calls from before there were budgets have none
        changed = change(connection, Reservation.load(kept))
        connection.execute(RECOUNT, {**names, "reservation": changed.dump()})
