"""Many runs at once: what a batch would be, before anything is paid; its beginning; a watch on it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from secondlook.domain.access import Access
from secondlook.domain.batches import Batch, BatchStatus
from secondlook.domain.bucket_rules import GENERATED, RUNNABLE
from secondlook.domain.identifiers import canonical
from secondlook.domain.runs import Plan
from secondlook.domain.sources import SourceRecord
from secondlook.errors import LedgerUnavailable, SecondlookError, SourceNotFound
from secondlook.execution.runner import Runner
from secondlook.ledger.budgets import Allowance
from secondlook.ledger.rows import nano
from secondlook.ledger.runs import JOURNAL_PATIENCE_SECONDS
from secondlook.pipeline.orchestrator import plan_of
from secondlook.services import Services
from secondlook.tasks.snapshot.prompt import estimate_usage

_POLL_SECONDS = 0.5

PAGE = 200
"""Sources read at a time."""


@dataclass(frozen=True)
class Selection:
    """Which of a user's sources a batch is about: all of a status, or those that are named."""

    status: str = RUNNABLE
    source_ids: Sequence[str] = ()

    @property
    def regenerate(self) -> bool:
        """Whether a source with a snapshot is meant: only where its status is asked for by name."""
        return self.status == GENERATED


@dataclass
class Forecast:
    """What a batch would be.

    Attributes:
        sources: Sources that were looked at.
        runnable: Those that would be run.
        refused: The others, by the code of the first rule against them.
        tokens: About how many the runs would take.
        cost_usd: About what they would cost; None where the model's price is unknown.
    """

    sources: int = 0
    runnable: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)


def forecast(services: Services, access: Access, selection: Selection) -> Forecast:
    """Look at every source of a selection, and send nothing.

    Raises:
        SecondlookError: The store cannot be read, or there is no key.
    """
    found = Forecast()
    for plan in _plans(services, access, selection, found):
        usage = estimate_usage(plan.agent_input)
        cost = services.provider(plan.agent).cost_usd(usage, plan.model)
        found.tokens += usage.total_tokens or 0
        found.cost_usd = None if cost is None or found.cost_usd is None else found.cost_usd + cost
    return found


def allowance(services: Services, access: Access, found: Forecast) -> Allowance:
    """How many of a batch's calls the budgets would hold now, each at the average cost, and why not all."""
    number = max(1, found.runnable)
    cost = nano(found.cost_usd)
    each = None if cost is None else cost // number
    return services.budgets.allows(access.user_id, number, each)


def begin(
    services: Services,
    access: Access,
    selection: Selection,
    *,
    concurrency: int,
    per_minute: float | None = None,
) -> Batch:
    """Queue a run for each source of a selection that may be run. Whoever carries runs does the rest.

    Raises:
        SecondlookError: The store cannot be read, there is no key, or the ledger cannot be written.
    """
    plans = _plans(services, access, selection, Forecast())
    batch_id = services.batches.begin(access.user_id, plans, concurrency=concurrency, per_minute=per_minute)
    return services.batches.get(batch_id, access.user_id)


def execute(runner: Runner, batch: Batch, show: Callable[[Batch], None] = lambda _: None) -> Batch:
    """Carry a batch in this process, until nothing of it goes on by itself any more, or it stands.

    Args:
        runner: Carries the runs, and whatever else on its ledger may go on.
        batch: The batch.
        show: Called with its state now and then.

    Raises:
        LedgerUnavailable: The ledger could not be read for longer than answers wait for it.
    """
    with runner.sweeping():
        while True:
            batch = _looked_at(runner, batch)
            show(batch)
            in_flight = batch.total - batch.settled - (batch.waiting if batch.status in _STANDING else 0)
            if batch.status not in {BatchStatus.RUNNING, BatchStatus.FILLING} and in_flight < 1:
                return batch
            time.sleep(_POLL_SECONDS)


def _looked_at(runner: Runner, batch: Batch) -> Batch:
    """The batch as it is now; a ledger that is away for a while ends nothing, as it loses no answer."""
    give_up = time.monotonic() + JOURNAL_PATIENCE_SECONDS
    while True:
        try:
            return runner.batch(batch.batch_id, batch.user_id)
        except LedgerUnavailable:
            if time.monotonic() > give_up:
                raise
            time.sleep(_POLL_SECONDS)


_STANDING = {BatchStatus.PAUSED, BatchStatus.STOPPED, BatchStatus.ENDED}


def _plans(services: Services, access: Access, selection: Selection, found: Forecast) -> Iterator[Plan]:
    """The plan of each source that may be run; the others are counted."""
    provider = services.asked_agent()
    for record in _records(services, access, selection):
        found.sources += 1
        try:
            plan = plan_of(
                record, regenerate=selection.regenerate, settings=services.settings, agent=lambda: provider
            )
        except SecondlookError as error:
            found.refused[error.code] += 1
        else:
            found.runnable += 1
            yield plan


def _records(services: Services, access: Access, selection: Selection) -> Iterable[SourceRecord]:
    store = services.store(access)
    if selection.source_ids:
        for source_id in dict.fromkeys(map(canonical, selection.source_ids)):
            record = store.load(source_id, access.user_id)
            if record is None:
                raise SourceNotFound
            yield record
        return
    after = ""
    while page := store.records(access.user_id, status=selection.status, after=after, limit=PAGE):
        yield from page
        after = page[-1].source.source_id
