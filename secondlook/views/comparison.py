"""Two snapshots side by side: what changed, in counts and in percentage points, with warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from secondlook.domain.buckets import BandCount
from secondlook.domain.runs import Run
from secondlook.domain.snapshots import SnapshotResult
from secondlook.domain.stored_snapshots import fingerprint
from secondlook.providers.table import label_of
from secondlook.tasks.insights.facts import Fact, facts_of, given_of
from secondlook.views.drawing import covered
from secondlook.views.figures import share
from secondlook.views.insights import fact_fields
from secondlook.views.snapshot import SnapshotView


@dataclass(frozen=True)
class BandChange:
    """A band in both; what one of them lacks counts 0.

    Attributes:
        before: Its count in the first.
        after: Its count in the second.
        share_before: The part of the first's bands, 0 to 1.
        share_after: The part of the second's.
    """

    band: str
    before: int
    after: int
    share_before: float
    share_after: float

    @property
    def change(self) -> int:
        """In counts."""
        return self.after - self.before

    @property
    def points(self) -> float:
        """In percentage points."""
        return 100 * (self.share_after - self.share_before)


@dataclass(frozen=True)
class WeekChange:
    """A week's counts; None where a snapshot does not cover it."""

    week: str
    before: int | None
    after: int | None

    @property
    def change(self) -> int | None:
        """In counts; None where only one covers the week."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Comparison:
    """What changed between two snapshots.

    Attributes:
        weeks: Every week of either, in order.
        moved: What moved most, where both are of one source and the second is newer; None otherwise, and
            where so few estimates changed that it would tell about single ones.
        warnings: Why the comparison may mislead, in sentences.
    """

    first: SnapshotView
    second: SnapshotView
    weeks: tuple[WeekChange, ...]
    price: tuple[BandChange, ...]
    latency: tuple[BandChange, ...]
    warnings: tuple[str, ...]
    moved: Fact | None

    @property
    def estimates_change(self) -> int:
        """Of the estimate count."""
        return self.second.snapshot.estimate_count - self.first.snapshot.estimate_count


def compare(first: SnapshotView, second: SnapshotView) -> Comparison:
    """Return what changed from one snapshot to another, usually a later one."""
    one, other = first.result, second.result
    return Comparison(
        first=first,
        second=second,
        weeks=_weeks(one, other),
        price=_bands(one.demand.price_distribution, other.demand.price_distribution),
        latency=_bands(one.decision_latency.distribution, other.decision_latency.distribution),
        warnings=tuple(_warnings(first, second)),
        moved=_moved(first, second),
    )


def _moved(first: SnapshotView, second: SnapshotView) -> Fact | None:
    one, other = first.snapshot, second.snapshot
    if one.source_id != other.source_id or one.generated_at >= other.generated_at:
        return None
    facts = facts_of(given_of(other.result), given_of(one.result))
    return next((fact for fact in facts if fact.id == "since_previous"), None)


def comparison_fields(found: Comparison) -> dict[str, object]:
    """A comparison as `secondlook compare --json` prints it."""
    return {
        "first": _side_fields(found.first),
        "second": _side_fields(found.second),
        "estimates_change": found.estimates_change,
        "since_previous": None if found.moved is None else fact_fields(found.moved),
        "warnings": list(found.warnings),
        "weekly_volume": [
            {"week": week.week, "before": week.before, "after": week.after, "change": week.change}
            for week in found.weeks
        ],
        "price_distribution": [_band_fields(band) for band in found.price],
        "decision_latency": [_band_fields(band) for band in found.latency],
    }


def _side_fields(side: SnapshotView) -> dict[str, object]:
    run = side.run
    return {
        "snapshot_id": side.snapshot.snapshot_id,
        "source_id": side.snapshot.source_id,
        "source_name": side.source_name,
        "generated_at": side.snapshot.generated_at,
        "estimate_count": side.snapshot.estimate_count,
        "confidence_level": side.snapshot.confidence_level,
        "sha256": fingerprint(side.result),
        "agent": None if run is None else run.agent,
        "model": None if run is None else run.answered_model or run.model,
        "prompt_version": None if run is None else run.prompt_version,
    }


def _band_fields(band: BandChange) -> dict[str, object]:
    return {
        "band": band.band,
        "before": band.before,
        "after": band.after,
        "change": band.change,
        "share_before": round(band.share_before, 6),
        "share_after": round(band.share_after, 6),
        "points": round(band.points, 4),
    }


def _weeks(one: SnapshotResult, other: SnapshotResult) -> tuple[WeekChange, ...]:
    before, after = _covered(one), _covered(other)
    return tuple(
        WeekChange(week, before.get(week), after.get(week)) for week in sorted(before.keys() | after.keys())
    )


def _covered(result: SnapshotResult) -> dict[str, int]:
    """Counts by week, gaps as zero."""
    return _added((week.week, week.count) for week in covered(result.demand.weekly_volume))


def _bands(one: Sequence[BandCount], other: Sequence[BandCount]) -> tuple[BandChange, ...]:
    before = _added((band.band, band.count) for band in one)
    after = _added((band.band, band.count) for band in other)
    whole, whole_after = sum(before.values()), sum(after.values())
    return tuple(
        BandChange(
            band,
            before=before.get(band, 0),
            after=after.get(band, 0),
            share_before=share(before.get(band, 0), whole),
            share_after=share(after.get(band, 0), whole_after),
        )
        for band in {**before, **after}
    )


def _added(entries: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Counts by name, in order; what another program stored may name one twice."""
    found: dict[str, int] = {}
    for name, count in entries:
        found[name] = found.get(name, 0) + count
    return found


_MADE: Mapping[str, Callable[[Run], str]] = {
    "agents": lambda run: label_of(run.agent),
    "models": lambda run: run.answered_model or run.model,
    "prompt versions": lambda run: run.prompt_version,
}


def _warnings(first: SnapshotView, second: SnapshotView) -> Iterator[str]:
    if first.snapshot.snapshot_id == second.snapshot.snapshot_id:
        yield "You are comparing a snapshot with itself."
        return
    for name, side in (("first", first), ("second", second)):
        if side.run is None:
            yield f"Another program made the {name} snapshot: its agent, model and prompt are unknown."
        elif side.run.rehearsal:
            yield f"The {name} snapshot is a rehearsal ({side.run.model})."
    if first.run is not None and second.run is not None:
        for what, of in _MADE.items():
            if of(first.run) != of(second.run):
                yield f"The {what} differ: first {of(first.run)}, then {of(second.run)}."
    common = sorted(_covered(first.result).keys() & _covered(second.result).keys())
    if common:
        span = common[0] if len(common) == 1 else f"{common[0]} to {common[-1]}"
        weeks = "1 week" if len(common) == 1 else f"{len(common)} weeks"
        same_source = first.snapshot.source_id == second.snapshot.source_id
        whose = "The same estimates may count in both." if same_source else "The sources differ."
        yield f"Both snapshots cover {weeks} ({span}). {whose}"
