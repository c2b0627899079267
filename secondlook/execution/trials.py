"""Trials of a model: one batch that asks for snapshots of a few of a user's sources and stores none."""

from __future__ import annotations

from secondlook.domain.access import Access
from secondlook.domain.batches import Batch
from secondlook.domain.runs import TRIAL
from secondlook.errors import RequestInvalid
from secondlook.execution import batches
from secondlook.execution.batches import Forecast, Selection
from secondlook.services import Services


def forecast(services: Services, access: Access, sources: int) -> Forecast:
    """What a trial would be; nothing is sent.

    Args:
        services: The parts to work with.
        access: Whose sources are tried.
        sources: How many of those that can be run, at the most.

    Raises:
        RequestInvalid: No source can be run.
        OverBudget: The budgets do not hold all of its calls, or sending is off.
        SecondlookError: The store cannot be read, or there is no key.
    """
    found = batches.forecast(services, access, selection(sources))
    if not found.runnable:
        raise RequestInvalid(
            "No source can be tried: none has buckets that can be run",
            hint="Bucket a source first; `secondlook sources` lists what can be used.",
        )
    refusal = batches.allowance(services, access, found).refusal
    if refusal is not None:
        raise refusal
    return found


def begin(services: Services, access: Access, sources: int) -> Batch:
    """Queue a trial. Whoever executes runs does the rest.

    Raises:
        RequestInvalid: Each source has a trial that has not ended.
        SecondlookError: The store cannot be read, there is no key, or the ledger cannot be written.
    """
    begun = batches.begin(services, access, selection(sources), concurrency=services.settings.concurrency)
    if not begun.total:
        raise RequestInvalid(
            "No source can be tried now: each has a trial that has not ended, or whose outcome is unknown",
            hint="`secondlook runs` lists them; wait for them, or resend or cancel them.",
        )
    return begun


def selection(sources: int) -> Selection:
    """The first sources of a user that can be run, so many at the most, to be tried."""
    return Selection(task=TRIAL, most=sources)
