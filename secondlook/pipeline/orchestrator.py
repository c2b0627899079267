"""The nine steps from a source to its snapshot.

`prepare` takes steps 1 to 5 and costs nothing: what it refuses leaves no run. `execute` takes steps 6 to
9 of a queued run. It may be called any number of times, by anyone: the ledger decides who carries it,
and what of it is left to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TypeVar
from uuid import uuid4

from secondlook.domain.answers import AgentAnswer
from secondlook.domain.identifiers import canonical
from secondlook.domain.runs import SNAPSHOT, AgentName, Plan, Run, RunStatus
from secondlook.domain.sources import SourceRecord
from secondlook.domain.usage import Usage
from secondlook.errors import (
    AnswerRejected,
    BucketsMissing,
    NotSignedIn,
    OverBudget,
    ProviderError,
    SecondlookError,
    SourceNotFound,
    StoreUnavailable,
)
from secondlook.ledger.runs import Ledger
from secondlook.pipeline.answers import question_of, result_of
from secondlook.pipeline.preview import preview
from secondlook.pipeline.retries import Retries
from secondlook.providers import prices
from secondlook.providers.openai.client import Agent, build_request
from secondlook.settings import Settings
from secondlook.stores.base import Store
from secondlook.tasks.base import Tasks, find_task
from secondlook.tasks.table import TASKS
from secondlook.telemetry.log import log_complete, log_generated
from secondlook.telemetry.stopwatch import Stopwatch

Agents = Callable[[AgentName], Agent]
"""Gives the agent of that name; asked for only when something is sent."""

Name = TypeVar("Name")
T = TypeVar("T")

Stores = Callable[[str], Store]
"""Gives the store as this user may see it; raises `NotSignedIn` where nobody may act for them now."""


def prepare(
    source_id: str,
    user_id: str,
    *,
    regenerate: bool,
    store: Store,
    settings: Settings,
    agent: Callable[[], AgentName],
) -> Plan:
    """Steps 1 to 5: verify the source, load buckets and count, determine confidence, build the input.

    Raises:
        SecondlookError: The first rule that the source breaks; last of all, a missing key.
    """
    watch = Stopwatch()
    record = store.load(canonical(source_id), canonical(user_id))
    watch.lap("load")
    if record is None:
        raise SourceNotFound
    plan = plan_of(record, regenerate=regenerate, settings=settings, agent=agent)
    watch.lap("check")
    return plan.model_copy(update={"timings": watch.laps})


def plan_of(
    record: SourceRecord, *, regenerate: bool, settings: Settings, agent: Callable[[], AgentName]
) -> Plan:
    """Steps 2 to 5 of a source that was loaded.

    Raises:
        SecondlookError: The first rule that the source breaks; last of all, a missing key.
    """
    checked = preview(record, max_tokens=settings.max_tokens, regenerate=regenerate)
    if checked.refusal is not None or checked.agent_input is None:
        raise checked.refusal or BucketsMissing
    name = agent()
    request = build_request(checked.agent_input, settings)
    return Plan(
        task=SNAPSHOT,
        source_id=record.source.source_id,
        user_id=record.source.user_id,
        agent=name,
        model=settings.model,
        prompt_version=find_task(TASKS, SNAPSHOT).prompt_version,
        input=checked.agent_input.model_dump_json(),
        request=request,
        warnings=checked.warnings,
        timings={},
    )


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
    """Steps 6 to 9, or what is left of them: call the agent, and keep what its answer became.

    A request that the provider certainly did not process leaves the run queued, to be sent again when it
    is due. `answered` is called when an answer is kept, before anything is made of it.

    Raises:
        NotSignedIn: Nobody may act for the run's user now; it goes on at their next sign-in.
        StoreUnavailable: The answer is kept; storing it can be tried again.
        LedgerUnavailable: Likewise; nothing was sent where it could not be noted.
    """
    run = ledger.claim(run_id, owner=uuid4().hex)
    if run is None:
        return
    with ledger.held(run):
        watch = Stopwatch()
        if run.status is RunStatus.CALLING:
            ledger.abandon_call(run)
            return
        _or_block(run, partial(find_task, tasks), run.task, ledger)
        store = _or_block(run, stores, run.user_id, ledger)
        if run.status is RunStatus.QUEUED:
            _call(run, _or_block(run, agents, run.agent, ledger), ledger, retries, answered, tasks)
            watch.lap("call")
        run = ledger.get(run_id)
        if run.status is RunStatus.ANSWERED:
            _keep(run, store, ledger, watch, tasks, production=production)


def _or_block(run: Run, get: Callable[[Name], T], name: Name, ledger: Ledger) -> T:
    try:
        return get(name)
    except SecondlookError as error:
        ledger.block(run, error)
        raise


def _call(
    run: Run, agent: Agent, ledger: Ledger, retries: Retries, answered: Callable[[], None], tasks: Tasks
) -> None:
    try:
        number = ledger.begin_call(run, ceiling_of(run, tasks))
    except OverBudget as error:
        ledger.refuse(run, error)
        return
    if number is None:
        return

    def journal(given: AgentAnswer) -> None:
        cost = prices.cost_usd(given.usage, given.model or run.model)
        ledger.journal(run.run_id, number, given, cost)
        answered()

    asked = time.monotonic()
    try:
        agent.ask(run.request, journal)
    except ProviderError as error:
        elapsed = _seconds_begun(run) + time.monotonic() - asked
        seconds = retries.wait(error, sent=number, elapsed=elapsed)
        if seconds is None:
            ledger.end_call(run, number, error)
        else:
            ledger.postpone(run, number, error, seconds)


def _seconds_begun(run: Run) -> float:
    """Since a claimed run was first taken up; one of a batch may have been queued for long before."""
    queued = datetime.fromisoformat(run.created_at)
    begun = datetime.fromisoformat(run.started_at or run.created_at)
    return max(0.0, run.elapsed_ms / 1000 - (begun - queued).total_seconds())


def ceiling_of(run: Run | Plan, tasks: Tasks = TASKS) -> Decimal | None:
    """US dollars that a call may cost at the most: its prompt, and an answer as long as it is allowed."""
    if run.agent == "offline":
        return Decimal(0)
    limit = run.request.get("max_tokens", run.request.get("max_completion_tokens"))
    if not isinstance(limit, int):
        return None
    prompt_tokens = question_of(run, tasks).prompt_tokens
    return prices.cost_usd(Usage(prompt_tokens=prompt_tokens, completion_tokens=limit), run.model)


def _keep(
    run: Run, store: Store, ledger: Ledger, watch: Stopwatch, tasks: Tasks, *, production: bool
) -> None:
    task = find_task(tasks, run.task)
    try:
        result = result_of(run, tasks)
        watch.lap("validate")
        warnings = task.keep(run, result, store, watch.lap)
    except (StoreUnavailable, NotSignedIn) as error:
        error.run_id = run.run_id
        ledger.block(run, error)
        raise
    except (AnswerRejected, SourceNotFound) as error:
        ledger.finish(run, error=error, timings=watch.laps)
        return
    fields = task.log_fields(result)
    log_generated(run, task.title, fields, production=production)
    ledger.finish(run, timings=watch.laps, warnings=warnings)
    log_complete(task.title, fields)
