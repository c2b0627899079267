"""Many runs at once: what a batch would be, before anything is paid; its beginning; a watch on it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice

from secondlook.domain.access import Access
from secondlook.domain.batches import Batch
from secondlook.domain.bucket_rules import GENERATED, RUNNABLE
from secondlook.domain.identifiers import canonical
from secondlook.domain.runs import INSIGHTS, SNAPSHOT, TRIAL, Plan
from secondlook.domain.sources import SourceRecord
from secondlook.errors import LedgerUnavailable, SecondlookError, SourceNotFound
from secondlook.execution.runner import Runner
from secondlook.ledger.budgets import Allowance
from secondlook.ledger.runs import JOURNAL_PATIENCE_SECONDS
from secondlook.pipeline.answers import question_of
from secondlook.services import Services
from secondlook.telemetry.log import log_failed

_POLL_SECONDS = 0.5

PAGE = 200
"""Sources per read."""


@dataclass(frozen=True)
class Selection:
    """Which of a user's sources a batch is about: all of a status, or those that are named.

    A batch of insights is about their newest snapshots.

    Attributes:
        task: What each of them is asked for.
        most: So many of those that can be run, at the most; None is all.
    """

    status: str = RUNNABLE
    source_ids: Sequence[str] = ()
    task: str = SNAPSHOT
    most: int | None = None

    @property
    def regenerate(self) -> bool:
        """Whether a source with a snapshot is meant: where its status is asked for by name, or in a trial."""
        return GENERATED in self.statuses

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses that are meant: insights need a snapshot; a trial takes whatever can be run."""
        if self.task == INSIGHTS:
            return (GENERATED,)
        return (RUNNABLE, GENERATED) if self.task == TRIAL else (self.status,)


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

    def refuse(error: SecondlookError) -> None:
        found.refused[error.code] += 1

    for plan in _plans(services, access, selection, refuse):
        found.runnable += 1
        usage = question_of(plan).usage
        cost = services.provider(plan.agent).forecast_usd(usage, plan.model)
        found.tokens += usage.total_tokens or 0
        found.cost_usd = None if cost is None or found.cost_usd is None else found.cost_usd + cost
    found.sources = found.runnable + found.refused.total()
    return found


def allowance(services: Services, access: Access, found: Forecast) -> Allowance:
    """How many of a batch's calls the budgets would hold now, each at the average cost, and why not all."""
    number = max(1, found.runnable)
    each = None if found.cost_usd is None else found.cost_usd / number
    return services.door.allowance(access.user_id, number, each)


def begin(
    services: Services,
    access: Access,
    selection: Selection,
    *,
    concurrency: int,
    per_minute: float | None = None,
) -> Batch:
    """Queue a run for each source of a selection that may be run. Whoever executes runs does the rest.

    Raises:
        SecondlookError: The store cannot be read, there is no key, or the ledger cannot be written.
    """
    batch_id = services.door.open_batch(access.user_id, concurrency=concurrency, per_minute=per_minute)
    _fill(services, access, selection, batch_id)
    return services.batches.get(batch_id, access.user_id)


class Filler:
    """Fills batches in threads of this process, and knows why one could not be filled.

    Args:
        runner: Executes what they may release.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._failures: dict[str, SecondlookError | None] = {}

    def begin(
        self, access: Access, selection: Selection, *, concurrency: int, per_minute: float | None = None
    ) -> str:
        """Make a batch, return its id, and queue its runs in a thread; the caller may go away.

        Raises:
            SecondlookError: There is no key, or the ledger cannot be written.
        """
        door = self._runner.services.door
        batch_id = door.open_batch(access.user_id, concurrency=concurrency, per_minute=per_minute)
        # No daemon: the process ends when all runs are queued.
        threading.Thread(
            target=self._work, args=[access, selection, batch_id], name="secondlook-batch"
        ).start()
        return batch_id

    def has_failed(self, batch_id: str) -> bool:
        """Whether a batch could not be filled here."""
        return batch_id in self._failures

    def failure(self, batch_id: str) -> SecondlookError | None:
        """Why a batch could not be filled here; None also where it is no error of this program's own."""
        return self._failures.get(batch_id)

    def _work(self, access: Access, selection: Selection, batch_id: str) -> None:
        try:
            _fill(self._runner.services, access, selection, batch_id)
        except SecondlookError as error:
            log_failed("batch", error.code)
            self._failures[batch_id] = error
        except Exception as error:  # noqa: BLE001 -- a message or a traceback could hold rows
            log_failed("batch", type(error).__name__)
            self._failures[batch_id] = None
        else:
            self._runner.look_again()


def _fill(services: Services, access: Access, selection: Selection, batch_id: str) -> None:
    # No budget refuses a batch: each of its calls is checked against the budgets when it starts.
    services.batches.fill(batch_id, _plans(services, access, selection))


def _plans(
    services: Services,
    access: Access,
    selection: Selection,
    refused: Callable[[SecondlookError], None] = lambda _: None,
) -> Iterator[Plan]:
    records = _records(services, access, selection)
    if selection.task == INSIGHTS:
        asked = services.door.insight_plans(records, services.store(access), refused=refused)
        return islice(asked, selection.most)
    plans = services.door.plans(
        records, regenerate=selection.regenerate, task=selection.task, refused=refused
    )
    return islice(plans, selection.most)


def execute(runner: Runner, batch: Batch, show: Callable[[Batch], None] = lambda _: None) -> Batch:
    """Execute a batch in this process, until nothing of it goes on by itself any more.

    Args:
        runner: Executes the runs, and whatever else on its ledger may go on.
        batch: The batch.
        show: Called with its state now and then.

    Raises:
        LedgerUnavailable: The ledger could not be read for longer than answers wait for it.
    """
    with runner.sweeping():
        while True:
            batch = _looked_at(runner, batch)
            show(batch)
            if not batch.moving:
                return batch
            time.sleep(_POLL_SECONDS)


def _looked_at(runner: Runner, batch: Batch) -> Batch:
    """The batch as it is now; a ledger that is away for a while ends nothing, as it loses no answer."""
    give_up = time.monotonic() + JOURNAL_PATIENCE_SECONDS
    while True:
        try:
            return runner.services.batches.get(batch.batch_id, batch.user_id)
        except LedgerUnavailable:
            if time.monotonic() > give_up:
                raise
            time.sleep(_POLL_SECONDS)


def _records(services: Services, access: Access, selection: Selection) -> Iterable[SourceRecord]:
    store = services.store(access)
    if selection.source_ids:
        for source_id in dict.fromkeys(map(canonical, selection.source_ids)):
            record = store.load(source_id, access.user_id)
            if record is None:
                raise SourceNotFound
            yield record
        return
    for status in selection.statuses:
        after = ""
        while page := store.records(access.user_id, status=status, after=after, limit=PAGE):
            yield from page
            after = page[-1].source.source_id
