"""Rows of the ledger as domain types, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from secondlook.connections.database import now
from secondlook.domain.money import usd
from secondlook.domain.runs import Plan, Run, RunError, RunStatus
from secondlook.domain.usage import Usage
from secondlook.errors import InDoubt, SecondlookError
from secondlook.ledger.tables import calls, runs


def in_doubt(run: Run, what: str | None = None, advice: str = "") -> InDoubt:
    """The error of a run whose outcome is unknown."""
    if what is None and run.error is not None and run.error.code == InDoubt.code:
        return InDoubt(run.error.message, run_id=run.run_id, hint=run.error.hint)
    what = what or (run.error.message if run.error else "The answer is unknown")
    hint = f"{advice} {InDoubt.default_hint}".strip().replace("RUN_ID", run.run_id)
    return InDoubt(what, run_id=run.run_id, hint=hint)


_each = calls.alias("each")
_cost = (
    sa.select(
        # One answer of unknown cost makes the sum unknown.
        sa.case(
            (sa.func.count() == sa.func.count(_each.c.cost_nanousd), sa.func.sum(_each.c.cost_nanousd)),
            else_=None,
        )
    )
    .where(_each.c.run_id == runs.c.run_id, _each.c.outcome == "answered")
    .correlate(runs)
    .scalar_subquery()
)

USAGE = tuple(calls.c[name] for name in Usage.model_fields)
"""The columns of a call's usage."""

FIGURES = (
    calls.c.model.label("answered_model"),
    calls.c.request_id,
    *USAGE,
    _cost.label("cost_nanousd"),
    calls.c.latency_ms,
    calls.c.provider_ms,
)
"""What the answer that counts is known by, and what all of the run's answers have cost."""

ANSWER = (calls.c.body, *FIGURES)

UNANSWERED = (*runs.c, *(sa.null().label(column.name) for column in ANSWER), now().label("now"))
"""A run's columns where a statement returns them and there is no answer yet."""


def error_columns(error: SecondlookError | None) -> dict[str, str | None]:
    """The columns error_code and error."""
    if error is None:
        return {"error_code": None, "error": None}
    kept = RunError(
        code=error.code, message=error.message, hint=error.hint, reason=error.reason, path=error.path
    )
    return {"error_code": error.code, "error": kept.model_dump_json()}


def read_run(row: sa.Row[Any]) -> Run:
    """A row of runs with the columns of ANSWER or UNANSWERED."""
    end: float = row.now if row.finished_at is None else row.finished_at
    timings: dict[str, float] = json.loads(row.timings)
    return Run(
        **read_facts(row),
        subject=row.subject,
        input=row.input,
        request=json.loads(row.request),
        warnings=tuple(json.loads(row.warnings)),
        owner=row.owner,
        timings=timings,
        answer=row.body,
        generated_at=row.generated_at,
        started_at=iso_or_none(row.started_at),
        elapsed_ms=max(0, round((end - row.created_at) * 1000)),
        store=row.store,
        batch_id=row.batch_id,
        waits_ms=_waits_ms(row),
        erased_at=iso_or_none(row.erased_at),
    )


_ASKED = ("run_id", "task", "number", "source_id", "user_id", "agent", "model", "prompt_version", "attempts")
_ANSWERED = ("answered_model", "request_id", "latency_ms", "provider_ms")

FACTS = tuple(runs.c[name] for name in (*_ASKED, "status", "error", "created_at", "finished_at"))
"""A run's columns that `read_facts` reads besides FIGURES."""


def read_facts(row: sa.Row[Any]) -> dict[str, Any]:
    """What a run and a line of a list have in common, by its names there; of a row with FACTS and FIGURES."""
    return {
        **{name: getattr(row, name) for name in (*_ASKED, *_ANSWERED)},
        "status": RunStatus(row.status),
        "error": RunError.model_validate_json(row.error) if row.error else None,
        "usage": read_usage(row),
        "cost_usd": usd(row.cost_nanousd),
        "created_at": iso(row.created_at),
        "finished_at": iso_or_none(row.finished_at),
    }


def read_usage(row: sa.Row[Any]) -> Usage:
    """The usage in a row with the columns of USAGE."""
    found = {column.name: getattr(row, column.name) for column in USAGE}
    return Usage(**{**found, "estimated": bool(row.estimated)})


def _waits_ms(row: sa.Row[Any]) -> int | None:
    due: float | None = row.due_at
    if row.status != RunStatus.QUEUED or due is None or due <= row.now:
        return None
    return round((due - row.now) * 1000)


def run_columns(run_id: str, plan: Plan, store: str) -> dict[str, Any]:
    """The columns of a new run, but for its number and moment."""
    return {
        "run_id": run_id,
        "task": plan.task,
        "subject": plan.subject,
        "source_id": plan.source_id,
        "user_id": plan.user_id,
        "agent": plan.agent,
        "model": plan.model,
        "prompt_version": plan.prompt_version,
        "input": plan.input,
        "request": dump(plan.request),
        "warnings": dump(plan.warnings),
        "status": RunStatus.QUEUED,
        "timings": dump(plan.timings),
        "attempts": 0,
        "lease_until": 0,
        "due_at": 0,
        "store": store,
    }


def dump(value: object) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def iso(seconds: float) -> str:
    """A point in time, from seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_or_none(seconds: float | None) -> str | None:
    """Likewise; None stays None."""
    return None if seconds is None else iso(seconds)
