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
from typing import TypeVar
from uuid import uuid4

from secondlook.domain.answers import AgentAnswer, Completion
from secondlook.domain.identifiers import canonical
from secondlook.domain.runs import Plan, Run, RunStatus
from secondlook.domain.snapshots import Snapshot, SnapshotResult
from secondlook.domain.sources import SourceRecord
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
from secondlook.pipeline.preview import preview
from secondlook.pipeline.retries import Retries
from secondlook.providers.base import Provider
from secondlook.providers.table import find_provider, label_of
from secondlook.settings import Settings
from secondlook.stores.base import Store
from secondlook.tasks.snapshot import prompt, rules
from secondlook.telemetry.log import log_complete, log_generated
from secondlook.telemetry.stopwatch import Stopwatch

Agents = Callable[[str], Provider]
"""Gives the provider of that name, ready to be asked; asked for only when something is sent."""

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
    agent: Callable[[], Provider],
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
    record: SourceRecord, *, regenerate: bool, settings: Settings, agent: Callable[[], Provider]
) -> Plan:
    """Steps 2 to 5 of a source that was loaded.

    Raises:
        SecondlookError: The first rule that the source breaks; last of all, a missing key.
    """
    checked = preview(record, max_tokens=settings.max_tokens, regenerate=regenerate)
    if checked.refusal is not None or checked.agent_input is None:
        raise checked.refusal or BucketsMissing
    provider = agent()
    return Plan(
        source_id=record.source.source_id,
        user_id=record.source.user_id,
        agent=provider.name,
        model=provider.model,
        prompt_version=prompt.PROMPT_VERSION,
        agent_input=checked.agent_input,
        request=provider.build_request(prompt.question(checked.agent_input)),
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
) -> None:
    """Steps 6 to 9, or what is left of them: call the agent, store the snapshot, mark the source.

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
        store = _or_block(run, stores, run.user_id, ledger)
        if run.status is RunStatus.QUEUED:
            _call(run, _or_block(run, agents, run.agent, ledger), ledger, retries, answered)
            watch.lap("call")
        run = ledger.get(run_id)
        if run.status is RunStatus.ANSWERED:
            _store(run, store, ledger, watch, production=production)


def _or_block(run: Run, get: Callable[[Name], T], name: Name, ledger: Ledger) -> T:
    try:
        return get(name)
    except SecondlookError as error:
        ledger.block(run, error)
        raise


def _call(run: Run, agent: Provider, ledger: Ledger, retries: Retries, answered: Callable[[], None]) -> None:
    try:
        number = ledger.begin_call(run, ceiling_of(run, agent))
    except OverBudget as error:
        ledger.refuse(run, error)
        return
    if number is None:
        return

    def journal(given: AgentAnswer) -> None:
        cost = agent.cost_usd(given.usage, given.model or run.model)
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


def ceiling_of(run: Run | Plan, agent: Provider) -> Decimal | None:
    """US dollars that a call may cost at the most."""
    return agent.ceiling(run.request, prompt.question(run.agent_input).prompt_tokens)


def _store(run: Run, store: Store, ledger: Ledger, watch: Stopwatch, *, production: bool) -> None:
    try:
        result = result_of(run)
        watch.lap("validate")
        store.save_snapshot(_snapshot(run, result))
        watch.lap("store")
        log_generated(run, label_of(run.agent), result.meta, production=production)
        marked = store.mark_generated(run.source_id, run.user_id)
        watch.lap("mark")
    except (StoreUnavailable, NotSignedIn) as error:
        error.run_id = run.run_id
        ledger.block(run, error)
        raise
    except (AnswerRejected, SourceNotFound) as error:
        ledger.finish(run, error=error, timings=watch.laps)
        return
    changed = () if marked else ("the source's status changed meanwhile and was left alone",)
    ledger.finish(run, timings=watch.laps, warnings=changed)
    log_complete(result.meta)


def completion_of(run: Run) -> Completion | None:
    """What the journaled answer of a run holds; None where there is none."""
    return None if run.answer is None else find_provider(run.agent).read(run.answer)


def result_of(run: Run) -> SnapshotResult:
    """The result of an answered run, from its journal alone: the same at any time.

    Raises:
        AnswerRejected: The answer breaks a rule.
    """
    provider = find_provider(run.agent)
    completion = provider.read(run.answer or "")
    try:
        accepted = rules.check_answer(completion, run.agent_input)
    except AnswerRejected as error:
        provider.advise(error, completion, run.request)
        raise
    return rules.set_metadata(
        accepted,
        snapshot_id=run.run_id,
        source_id=run.source_id,
        generated_at=run.generated_at or "",
    )


def _snapshot(run: Run, result: SnapshotResult) -> Snapshot:
    return Snapshot(
        snapshot_id=run.run_id,
        source_id=run.source_id,
        user_id=run.user_id,
        estimate_count=result.meta.estimate_count,
        confidence_level=result.meta.confidence_level,
        result=result,
        generated_at=result.meta.generated_at,
    )
