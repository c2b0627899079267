"""Deletes a source, with or without what the ledger knows of its runs."""

from __future__ import annotations

from secondlook.domain.identifiers import canonical
from secondlook.errors import SourceInUse
from secondlook.ledger.pruning import Pruned, Pruning
from secondlook.ledger.runs import Ledger
from secondlook.stores.estimates import EstimateStore


def delete_source(
    estimates: EstimateStore,
    ledger: Ledger,
    pruning: Pruning,
    source_id: str,
    user_id: str,
    *,
    erase_runs: bool,
) -> Pruned | None:
    """Delete a source with its estimates, buckets and snapshots.

    Args:
        estimates: The store's estimates.
        ledger: Knows of runs that still need the source.
        pruning: Erases what the ledger has of its runs.
        source_id: The source.
        user_id: Its owner.
        erase_runs: Erase inputs, requests and answers of its runs too; their figures stay either way.

    Returns:
        What was erased of the ledger; None where nothing was to be.

    Raises:
        SourceNotFound: The user has no such source.
        SourceInUse: A run of it has not ended, or an import.
    """
    source_id = canonical(source_id)
    open_runs = ledger.unfinished(user_id, source_id)
    if open_runs:
        raise SourceInUse(
            f"The source has a run that has not ended ({open_runs[0]})",
            hint="Wait for it, resolve its outcome, or cancel it with `secondlook cancel RUN_ID`. "
            "Then delete the source.",
        )
    estimates.delete(source_id, user_id)
    return pruning.erase(user_id=user_id, source_id=source_id) if erase_runs else None
