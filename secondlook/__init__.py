"""2ndlook's snapshot orchestrator: an AI agent makes a snapshot from bucketed aggregates alone.

    from secondlook import run_snapshot

    made = run_snapshot(source_id="…", user_id="…")
    print(made.result.model_dump_json(indent=2), made.usage, made.cost)

Names are imported when they are first used; nothing that costs money happens at import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondlook.domain.buckets import AgentInput, BandCount, DecisionLatency, Demand, WeekCount
    from secondlook.domain.runs import Run, RunStatus, SnapshotRun
    from secondlook.domain.snapshots import SnapshotMeta, SnapshotResult
    from secondlook.domain.usage import Usage
    from secondlook.errors import (
        AnswerRejected,
        ApiKeyMissing,
        BucketsInvalid,
        BucketsMissing,
        ImportRefused,
        InDoubt,
        LedgerUnavailable,
        NotEnoughEstimates,
        NotSignedIn,
        OverBudget,
        ProviderError,
        RequestInvalid,
        SecondlookError,
        SettingInvalid,
        SourceInUse,
        SourceNotBucketed,
        SourceNotFound,
        StoreUnavailable,
    )
    from secondlook.execution.runner import run_snapshot

__all__ = [
    "AgentInput",
    "AnswerRejected",
    "ApiKeyMissing",
    "BandCount",
    "BucketsInvalid",
    "BucketsMissing",
    "DecisionLatency",
    "Demand",
    "ImportRefused",
    "InDoubt",
    "LedgerUnavailable",
    "NotEnoughEstimates",
    "NotSignedIn",
    "OverBudget",
    "ProviderError",
    "RequestInvalid",
    "Run",
    "RunStatus",
    "SecondlookError",
    "SettingInvalid",
    "SnapshotMeta",
    "SnapshotResult",
    "SnapshotRun",
    "SourceInUse",
    "SourceNotBucketed",
    "SourceNotFound",
    "StoreUnavailable",
    "Usage",
    "WeekCount",
    "run_snapshot",
]


_HOMES = ("errors", "domain.buckets", "domain.runs", "domain.snapshots", "domain.usage", "execution.runner")


def __getattr__(name: str) -> object:
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"secondlook.{home}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
