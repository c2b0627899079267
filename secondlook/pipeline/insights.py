"""What a run of the task insights is about: the facts of a stored snapshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from secondlook.domain.identifiers import canonical, not_found
from secondlook.domain.runs import INSIGHTS, Plan, Run
from secondlook.domain.snapshots import Snapshot
from secondlook.errors import StoreUnavailable
from secondlook.providers.base import Provider
from secondlook.stores.base import Store
from secondlook.tasks.base import find_task
from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.facts import facts_of, given_of
from secondlook.tasks.insights.prompt import PROMPT_VERSION, build_input
from secondlook.tasks.table import TASKS
from secondlook.telemetry.step import step

_PAGE = 100


def read_snapshot(store: Store, snapshot_id: str, user_id: str) -> Snapshot:
    """A snapshot of the user's.

    Raises:
        SourceNotFound: The user has no such snapshot: unknown, malformed and another's are the same.
        StoreUnavailable: It cannot be read, or its result is none of this program's.
    """
    found = store.get_snapshot(canonical(snapshot_id, "snapshot_id"), canonical(user_id))
    if found is None:
        raise not_found("snapshot_id")
    return found


def read_previous(store: Store, snapshot: Snapshot) -> Snapshot | None:
    """The snapshot of the same source before this one; None where there is none."""
    seen = False
    for offset in count(0, _PAGE):
        rows = store.list_snapshots(
            snapshot.user_id, source_id=snapshot.source_id, offset=offset, limit=_PAGE
        ).rows
        for row in rows:
            if seen:
                return store.get_snapshot(row.snapshot_id, snapshot.user_id)
            seen = row.snapshot_id == snapshot.snapshot_id
        if len(rows) < _PAGE:
            return None
    return None


def read_facts(store: Store, snapshot: Snapshot) -> tuple[Fact, ...]:
    """The facts of a snapshot, compared with the one before it where that can be read."""
    try:
        previous = read_previous(store, snapshot)
    except StoreUnavailable:
        previous = None  # another program's may be broken: that takes nothing from this one
    return facts_of(given_of(snapshot.result), None if previous is None else given_of(previous.result))


def plan_insights(store: Store, snapshot: Snapshot, agent: Callable[[], Provider]) -> Plan:
    """The run that asks for the insights of a snapshot.

    Args:
        store: The store that holds it.
        snapshot: The snapshot.
        agent: Gives the provider that is asked; called last.

    Raises:
        SecondlookError: The store cannot be read, or there is no key.
    """
    timings: dict[str, float] = {}
    with step("load", timings):
        facts = read_facts(store, snapshot)
    with step("check", timings):
        given = build_input(facts)
        provider, task = agent(), find_task(TASKS, INSIGHTS)
        return Plan(
            task=task.name,
            source_id=snapshot.source_id,
            user_id=snapshot.user_id,
            agent=provider.name,
            model=provider.model,
            prompt_version=task.prompt_version,
            input=given.model_dump_json(),
            request=provider.build_request(task.question(given)),
            warnings=(),
            timings=timings,
            subject=snapshot.snapshot_id,
        )


def find_answered(runs: Sequence[Run], prompt_version: str = PROMPT_VERSION) -> Run | None:
    """The newest of a snapshot's runs that has an answer to this prompt; rehearsals are left out."""
    return next(
        (run for run in runs if run.answered and not run.rehearsal and run.prompt_version == prompt_version),
        None,
    )
