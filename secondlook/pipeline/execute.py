"""Steps 6 to 9 of a queued run: call the agent, store the snapshot with its metadata, mark the source.

Any process may call `execute` any number of times: the ledger decides who executes a run, and which steps
are left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import uuid4

from secondlook.domain.answers import AgentAnswer
from secondlook.domain.runs import Run, RunStatus
from secondlook.errors import (
    AnswerRejected,
    NotSignedIn,
    OverBudget,
    ProviderError,
    SecondlookError,
    SourceNotFound,
    StoreUnavailable,
)
from secondlook.ledger.runs import Ledger
from secondlook.pipeline.answers import result_of
from secondlook.pipeline.retries import Retries
from secondlook.pipeline.submit import ceiling_of
from secondlook.providers.base import Provider
from secondlook.providers.table import label_of
from secondlook.stores.base import Store
from secondlook.tasks.base import Tasks, find_task
from secondlook.tasks.table import TASKS
from secondlook.telemetry.log import log_complete, log_generated
from secondlook.telemetry.step import step
from secondlook.telemetry.tracing import count_ended, trace_call, trace_run

Agents = Callable[[str], Provider]
"""Returns the provider of that name, opened; called only before a request is sent."""

Name = TypeVar("Name")
T = TypeVar("T")

Stores = Callable[[str], Store]
"""Returns the store with this user's rights; raises `NotSignedIn` where nobody may act for them now."""


def execute(
    run_id: str,
    *,
    stores: Stores,
    agents: Agents,
    ledger: Ledger,
    retries: Retries,
    production: bool,
    answered: Callable[[], None] = lambda: None,
    tasks: Tasks = TASKS,
) -> None:
    """Do steps 6 to 9, or those that are left: call the agent, and keep the result of its answer.

    A request that the provider certainly did not process leaves the run queued, to be sent again when it
    is due. `answered` is called when an answer is kept, before it is validated.

    Raises:
        NotSignedIn: Nobody may act for the run's user now; it goes on at their next sign-in.
        StoreUnavailable: The answer is kept; storing it can be tried again.
        LedgerUnavailable: Likewise; nothing was sent where it could not be noted.
    """
    run = ledger.claim(run_id, owner=uuid4().hex)
    if run is None:
        return
    with trace_run(run), ledger.held(run):
        if run.status is RunStatus.CALLING:
            ledger.abandon_call(run)
            return
        _or_block(run, partial(find_task, tasks), run.task, ledger)
        timings: dict[str, float] = {}
        if run.status is RunStatus.QUEUED:
            with step("call", timings):
                store = _or_block(run, stores, run.user_id, ledger)
                _call(run, _or_block(run, agents, run.agent, ledger), ledger, retries, answered, tasks)
            run = ledger.get(run_id)
        else:
            store = _or_block(run, stores, run.user_id, ledger)
        if run.status is RunStatus.ANSWERED:
            _keep(run, store, ledger, timings, tasks, production=production)
        count_ended(lambda: ledger.get(run_id))


def _or_block(run: Run, get: Callable[[Name], T], name: Name, ledger: Ledger) -> T:
    try:
        return get(name)
    except SecondlookError as error:
        ledger.block(run, error)
        raise


def _call(
    run: Run, agent: Provider, ledger: Ledger, retries: Retries, answered: Callable[[], None], tasks: Tasks
) -> None:
    try:
        number = ledger.begin_call(run, ceiling_of(run, agent, tasks))
    except OverBudget as error:
        ledger.refuse(run, error)
        return
    if number is None:
        return

    asked = time.monotonic()
    try:
        with trace_call(run.agent, run.model) as call:

            def journal(given: AgentAnswer) -> None:
                cost = agent.cost_usd(given.usage, given.model or run.model, given.terms)
                ledger.journal(run.run_id, number, given, cost)
                call.answered(given.model, given.usage, cost)
                answered()

            agent.ask(run.request, journal)
    except ProviderError as error:
        elapsed = _seconds_since_start(run) + time.monotonic() - asked
        seconds = retries.wait(error, sent=number, elapsed=elapsed)
        if seconds is None:
            ledger.end_call(run, number, error)
        else:
            ledger.postpone(run, number, error, seconds)


def _seconds_since_start(run: Run) -> float:
    """Seconds since a claimed run was first picked up; a batch run may have been queued long before."""
    queued = datetime.fromisoformat(run.created_at)
    started = datetime.fromisoformat(run.started_at or run.created_at)
    return max(0.0, run.elapsed_ms / 1000 - (started - queued).total_seconds())


def _keep(
    run: Run, store: Store, ledger: Ledger, timings: dict[str, float], tasks: Tasks, *, production: bool
) -> None:
    task = find_task(tasks, run.task)
    timed = partial(step, timings=timings)
    try:
        with timed("validate"):
            result = result_of(run, tasks)
        warnings = task.keep(run, result, store, timed)
    except (StoreUnavailable, NotSignedIn) as error:
        error.run_id = run.run_id
        ledger.block(run, error)
        raise
    except (AnswerRejected, SourceNotFound) as error:
        ledger.finish(run, error=error, timings=timings)
        return
    fields = task.log_fields(result)
    log_generated(run, label_of(run.agent), task.title, fields, production=production)
    with step("finish", log=lambda: log_complete(task.title, fields)):
        ledger.finish(run, timings=timings, warnings=warnings)
