"""Runs in every state, and the outside view of a ledger's database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import LiteralString, TypeAlias, cast
from uuid import uuid4

import psycopg

from secondlook.domain.runs import Run, RunStatus
from secondlook.errors import AnswerRejected, OverBudget, ProviderError, StoreUnavailable
from secondlook.ledger.runs import Ledger
from tests.examples import SOURCE, USER, example_answer, example_plan
from tests.postgres_server import execute

Where: TypeAlias = Path | str
"""A ledger's database: an SQLite file, or the URL of a Postgres one."""

UNKNOWN = ProviderError("OpenAI API error (time-out): no whole answer", outcome="unknown")
BUSY = ProviderError("OpenAI API error (429): Later", outcome="not_processed", status=429)
REFUSED = ProviderError("OpenAI API error (401): No", outcome="refused", status=401, request_id="req_9")


COST = Decimal("0.0025")
"""What an answer has cost."""


def query(where: Where, statement: str, *values: object) -> list[tuple[object, ...]]:
    """One statement, past the ledger; bodies come as text from either kind."""
    if isinstance(where, str):
        rows = execute(where, cast("LiteralString", statement.replace("?", "%s")), *values)
        return [tuple(v.decode() if isinstance(v, bytes) else v for v in row) for row in rows]
    with closing(sqlite3.connect(where, timeout=10)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def expire(where: Where, run_id: str) -> None:
    """As if the worker had died a lease ago."""
    query(where, "update runs set lease_until = 0 where run_id = ?", run_id)


@contextmanager
def locked(where: Where) -> Generator[Callable[[], object]]:
    """As if another process kept the ledger locked; what is yielded unlocks it, from any thread."""
    if isinstance(where, str):
        with closing(psycopg.connect(where)) as other:
            other.execute("lock table runs, calls, submissions in exclusive mode")
            yield other.rollback
        return
    with closing(sqlite3.connect(where, isolation_level=None, check_same_thread=False)) as other:
        other.execute("begin immediate")
        yield partial(other.execute, "rollback")


def next_number(ledger: Ledger, source_id: str = SOURCE, user_id: str = USER) -> int:
    """The number of a source's next run, as whoever looks at it now asks for it."""
    latest = ledger.latest(user_id, source_id)
    return 1 if latest is None else latest.number + 1


def queued(ledger: Ledger, source_id: str = SOURCE, user_id: str = USER) -> Run:
    """A run that nobody executes yet."""
    number = next_number(ledger, source_id, user_id)
    return ledger.submit(str(uuid4()), example_plan(source_id, user_id), number=number)


def claimable(ledger: Ledger) -> list[str]:
    """Ids of the runs that may go on and that nobody executes, oldest first."""
    return [run.run_id for run in ledger.claimable()]


def claimed(ledger: Ledger, run: Run | None = None) -> Run:
    """A run that somebody holds, not sent yet."""
    found = ledger.claim((run or queued(ledger)).run_id, uuid4().hex)
    assert found is not None
    return found


def calling(ledger: Ledger, run: Run | None = None) -> Run:
    """A run whose request is out, as its worker holds it."""
    held = claimed(ledger, run)
    assert ledger.begin_call(held) == held.attempts + 1
    return held


def in_doubt(ledger: Ledger, user_id: str = USER) -> Run:
    """A run whose answer is unknown."""
    held = calling(ledger, queued(ledger, user_id=user_id))
    ledger.end_call(held, held.attempts + 1, UNKNOWN)
    return held


def failed(ledger: Ledger) -> Run:
    """A run that the provider refused."""
    held = calling(ledger)
    ledger.end_call(held, held.attempts + 1, REFUSED)
    return held


def answered(ledger: Ledger, cost: Decimal | None = None) -> Run:
    """A run whose answer is journaled, still held."""
    held = calling(ledger)
    ledger.journal(held.run_id, held.attempts + 1, example_answer(), cost)
    return held


def done(ledger: Ledger) -> Run:
    """A run at its end."""
    held = answered(ledger, COST)
    ledger.finish(held, timings={"call": 1.5})
    return held


def cancelled(ledger: Ledger) -> Run:
    """A run that was canceled with its request out and unanswered."""
    held = in_doubt(ledger)
    ledger.cancel(held.run_id, USER)
    return held


STATES: dict[str, Callable[[Ledger], Run]] = {
    "queued": queued,
    "claimed": claimed,
    "calling": calling,
    "answered": answered,
    "done": done,
    "failed": failed,
    "in_doubt": in_doubt,
    "cancelled": cancelled,
}
"""How to come into each state; `claimed` is queued and held by somebody."""


def finish(ledger: Ledger, run: Run) -> None:
    """Its worker finishes it."""
    ledger.finish(run, timings={})


def reject(ledger: Ledger, run: Run) -> None:
    """Its worker rejects its answer."""
    ledger.finish(run, error=AnswerRejected("No", reason="mismatch", path="meta"), timings={})


ACTIONS: dict[str, Callable[[Ledger, Run], object]] = {
    "begin_call": lambda ledger, run: ledger.begin_call(run),
    "journal": lambda ledger, run: ledger.journal(
        run.run_id, 1, example_answer(), ledger.get(run.run_id).cost_usd
    ),
    "end_call unknown": lambda ledger, run: ledger.end_call(run, 1, UNKNOWN),
    "end_call refused": lambda ledger, run: ledger.end_call(run, 1, REFUSED),
    "postpone": lambda ledger, run: ledger.postpone(run, 1, BUSY, 0),
    "refuse": lambda ledger, run: ledger.refuse(run, OverBudget("No", hint="", reason="calls")),
    "block": lambda ledger, run: ledger.block(run, StoreUnavailable("No")),
    "finish": finish,
    "reject": reject,
    "resend": lambda ledger, run: ledger.resend(run.run_id, USER),
    "cancel": lambda ledger, run: ledger.cancel(run.run_id, USER),
}
"""What may be tried with a run, by the worker that brought it into its state."""

LEGAL: dict[tuple[str, str], RunStatus] = {
    ("claimed", "begin_call"): RunStatus.CALLING,
    ("calling", "journal"): RunStatus.ANSWERED,
    ("in_doubt", "journal"): RunStatus.ANSWERED,
    ("calling", "end_call unknown"): RunStatus.IN_DOUBT,
    ("calling", "end_call refused"): RunStatus.FAILED,
    ("calling", "postpone"): RunStatus.QUEUED,
    ("claimed", "refuse"): RunStatus.FAILED,
    ("answered", "finish"): RunStatus.DONE,
    ("answered", "reject"): RunStatus.FAILED,
    ("in_doubt", "resend"): RunStatus.QUEUED,
    ("queued", "cancel"): RunStatus.CANCELLED,
    ("claimed", "cancel"): RunStatus.CANCELLED,
    ("in_doubt", "cancel"): RunStatus.CANCELLED,
}
"""The transitions that change a state; anything else leaves it as it is."""
