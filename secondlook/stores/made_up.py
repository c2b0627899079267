"""The sources of a made-up contractor, as of the day on which an embedded store is first started.

`python -m dev.made_up` makes the data and states its assumptions. Nothing in them is real.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources
from uuid import UUID, uuid5

from secondlook.domain.bucket_rules import (
    GENERATED,
    LATENCY_COLUMNS,
    PRICE_COLUMNS,
    RUNNABLE,
    WEEKS_COLUMN,
    build_input,
    read_buckets,
    total,
)
from secondlook.domain.snapshots import SnapshotMeta, SnapshotResult
from secondlook.domain.weeks import week_of

MADE_UP_USER = "10000000-0000-4000-8000-000000000001"

WEEKS = 26
"""Two seasons."""

_NAMESPACE = UUID("2d10c0de-0000-4000-8000-00000000ade0")
_BANDS = (*PRICE_COLUMNS, *LATENCY_COLUMNS)
_MONTH_AGO = 5
"""Weeks before the first start at which the older snapshots were made."""

_OLDER = frozenset(("HVAC maintenance (made up)", "Roof replacements (made up)"))
"""Their data end with their snapshots."""

_CHANGED = frozenset(("Roof repairs (made up)",))
"""Imported again since their snapshots."""


@dataclass(frozen=True)
class SampleSource:
    """Column values of a row of sources, and of its buckets and its snapshot where it has them."""

    source: dict[str, object]
    buckets: dict[str, object] | None
    snapshot: dict[str, object] | None = None


def made_up_sources(today: date) -> list[SampleSource]:
    """The made-up contractor's sources, with the weeks before a day.

    Args:
        today: The day of the first start.
    """
    text = resources.files("secondlook.stores").joinpath("made_up_sources.json").read_text(encoding="utf-8")
    return [
        _source(entry["source_name"], entry["source_type"], entry["weeks"], today)
        for entry in json.loads(text)
    ]


def _source(name: str, kind: str, calendar: Sequence[Sequence[int]], today: date) -> SampleSource:
    source_id = str(uuid5(_NAMESPACE, name))
    monday = today - timedelta(days=today.weekday())
    month_ago = monday - timedelta(weeks=_MONTH_AGO)
    columns = _columns(calendar, month_ago if name in _OLDER else monday)
    imported = f"{(month_ago if name in _OLDER else monday).isoformat()}T07:30:00Z"
    source: dict[str, object] = {
        "id": source_id,
        "user_id": MADE_UP_USER,
        "source_type": kind,
        "source_name": name,
        "created_at": f"{(month_ago - timedelta(days=2)).isoformat()}T09:00:00Z",
        "status": GENERATED if name in _OLDER else RUNNABLE,
    }
    buckets: dict[str, object] = {
        "id": str(uuid5(_NAMESPACE, source_id)),
        "source_id": source_id,
        **columns,
        WEEKS_COLUMN: json.dumps(columns[WEEKS_COLUMN], separators=(",", ":")),
        "created_at": imported,
    }
    has_snapshot = name in _OLDER | _CHANGED
    return SampleSource(
        source,
        buckets,
        _snapshot(source_id, _columns(calendar, month_ago), month_ago) if has_snapshot else None,
    )


def _columns(calendar: Sequence[Sequence[int]], end: date) -> dict[str, object]:
    """The buckets of the weeks before a Monday."""
    mondays = [end - timedelta(weeks=weeks) for weeks in range(WEEKS, 0, -1)]
    counts = [calendar[monday.isocalendar().week - 1] for monday in mondays]
    prices = len(PRICE_COLUMNS)
    return {
        **{name: sum(week[index] for week in counts) for index, name in enumerate(_BANDS)},
        WEEKS_COLUMN: [
            {"week": week_of(monday), "count": sum(week[:prices])}
            for monday, week in zip(mondays, counts, strict=True)
        ],
    }


def _snapshot(source_id: str, columns: dict[str, object], day: date) -> dict[str, object]:
    """A row of snapshots, made of buckets as they were on a day."""
    buckets = read_buckets(columns, today=day)
    agent_input = build_input(buckets, total(buckets.price))
    snapshot_id, generated_at = (
        str(uuid5(_NAMESPACE, f"{source_id} snapshot")),
        f"{day.isoformat()}T08:00:00Z",
    )
    result = SnapshotResult(
        meta=SnapshotMeta(
            snapshot_id=snapshot_id,
            source_id=source_id,
            generated_at=generated_at,
            estimate_count=agent_input.estimate_count,
            confidence_level=agent_input.confidence_level,
        ),
        demand=agent_input.demand,
        decision_latency=agent_input.decision_latency,
    )
    return {
        "id": snapshot_id,
        "source_id": source_id,
        "user_id": MADE_UP_USER,
        "estimate_count": agent_input.estimate_count,
        "confidence_level": agent_input.confidence_level,
        "result": result.model_dump_json(),
        "generated_at": generated_at,
    }
