"""The facts of a snapshot: a closed list, computed from its counts alone (docs/facts.md). Pure.

Long because it is that list: a function for each fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from itertools import accumulate
from statistics import median

from secondlook.domain.bucket_rules import MAX_COUNT, MIN_ESTIMATES
from secondlook.domain.buckets import AgentInput, BandCount, LatencyBand, PriceBand, WeekCount
from secondlook.domain.snapshots import SnapshotResult
from secondlook.domain.weeks import monday_of, week_of
from secondlook.tasks.insights.chance import fisher, holm, two_sided_half, wilson
from secondlook.tasks.insights.fact import (
    LATENCY_PATH,
    PRICE_PATH,
    WEEKS_PATH,
    Direction,
    Fact,
    Value,
    count_path,
)
from secondlook.tasks.insights.sentences import Basis, write_sentence

__all__ = ["FACT_IDS", "Direction", "Fact", "Peers", "Value", "facts_of", "given_of", "peers_of"]

FACT_IDS = (
    "volume",
    "busiest_week",
    "quiet_weeks",
    "recent_volume",
    "price_leader",
    "decision_leader",
    "price_median",
    "decision_median",
    "price_high",
    "decision_fast",
    "decision_slow",
    "since_previous",
    "coverage",
    "sample",
)
"""Every fact that there is, in the order in which they are told."""

_MONTH = 4
"""So many weeks are recent, and as many are before."""

_FEWEST_CHANGED = 10
"""Where fewer estimates changed since the previous snapshot, nothing is said: it would tell about one."""

_FEWEST_PEERS = 5
_WEEK = timedelta(weeks=1)
_COUNT_PATH = "meta.estimate_count"


@dataclass(frozen=True)
class Peers:
    """The median shares of a user's other sources, by the fact that they compare with."""

    shares: Mapping[str, float]


@dataclass(frozen=True)
class _Bands:
    """A distribution whose bands are the known ones.

    Attributes:
        names: The bands in their order.
        counts: Their counts.
        cells: The path of each count.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    cells: tuple[str, ...]

    @property
    def whole(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class _Week:
    monday: date
    count: int
    cell: str


@dataclass(frozen=True)
class _Draft:
    """A fact before its tests are corrected and its sentence is written."""

    id: str
    values: Mapping[str, Value]
    cells: tuple[str, ...] = ()
    direction: Direction | None = None
    p: float | None = None
    basis: Basis = field(default_factory=Basis)
    band_tests: Mapping[str, float] = field(default_factory=dict[str, float])
    moved: Mapping[str, str] = field(default_factory=dict[str, str])


def given_of(result: SnapshotResult) -> AgentInput:
    """A snapshot's result without its identity."""
    return AgentInput(
        demand=result.demand,
        decision_latency=result.decision_latency,
        estimate_count=result.meta.estimate_count,
        confidence_level=result.meta.confidence_level,
    )


def facts_of(
    given: AgentInput, previous: AgentInput | None = None, peers: Peers | None = None
) -> tuple[Fact, ...]:
    """The facts of a snapshot, in the order of FACT_IDS.

    A list that is not as the buckets have it, because another program stored it, has no facts.

    Args:
        given: The snapshot without its identity.
        previous: The source's previous snapshot.
        peers: The user's other sources, to compare with.
    """
    drafts = tuple(_drafts(given, previous, peers))
    tests = [(draft.id, draft.p) for draft in drafts if draft.p is not None and not draft.band_tests]
    tests += [(band, p) for draft in drafts for band, p in draft.band_tests.items()]
    significant = holm([p for _, p in tests])
    clear = {name for (name, _), found in zip(tests, significant, strict=True) if found}
    return tuple(_finish(draft, clear) for draft in drafts)


def _finish(draft: _Draft, clear: set[str]) -> Fact:
    beyond = frozenset(name for name, test in draft.moved.items() if test in clear)
    fact = Fact(
        draft.id,
        draft.values,
        draft.direction,
        clear=draft.id in clear or bool(beyond),
        p=draft.p,
        cells=draft.cells,
        sentence="",
    )
    return replace(fact, sentence=write_sentence(fact, replace(draft.basis, beyond_chance=beyond)))


def _drafts(given: AgentInput, previous: AgentInput | None, peers: Peers | None) -> Iterator[_Draft]:
    weeks = _weeks(given.demand.weekly_volume)
    price = _bands(given.demand.price_distribution, PriceBand, PRICE_PATH)
    latency = _bands(given.decision_latency.distribution, LatencyBand, LATENCY_PATH)
    if weeks:
        yield from _weekly(weeks)
    distributions = {"price": price, "decision": latency}
    filled = {name: bands for name, bands in distributions.items() if bands and bands.whole}
    for name, bands in filled.items():
        yield _leader(f"{name}_leader", bands)
    for name, bands in filled.items():
        yield _median(f"{name}_median", bands)
    for name, kind, places in (
        ("price_high", "price", slice(2, 4)),
        ("decision_fast", "decision", slice(0, 2)),
        ("decision_slow", "decision", slice(3, 4)),
    ):
        if kind in filled:
            yield _part(name, filled[kind], places, peers)
    if previous is not None:
        yield from _since_previous(given, previous)
    yield from _coverage(given)
    yield _Draft(
        "sample",
        {"estimates": given.estimate_count, "confidence": given.confidence_level},
        (_COUNT_PATH, "meta.confidence_level"),
    )


# -- reading, for another program may have stored it -----------------------------------------------------


def _weeks(entries: Sequence[WeekCount]) -> list[_Week]:
    """The weeks in order; none where one is no ISO week, comes twice, or has an impossible count."""
    found: dict[date, _Week] = {}
    for index, entry in enumerate(entries):
        try:
            monday = monday_of(entry.week)
        except ValueError:
            return []
        if monday in found or entry.count > MAX_COUNT:
            return []
        found[monday] = _Week(monday, entry.count, count_path(WEEKS_PATH, index))
    return [found[monday] for monday in sorted(found)]


def _bands(entries: Sequence[BandCount], known: type[StrEnum], path: str) -> _Bands | None:
    """A distribution in the order of its bands; None where they are not the four known ones."""
    places = {entry.band: index for index, entry in enumerate(entries)}
    if set(places) != set(known) or len(entries) != len(known):
        return None
    if any(entry.count > MAX_COUNT for entry in entries):
        return None
    return _Bands(
        tuple(known),
        tuple(entries[places[band]].count for band in known),
        tuple(count_path(path, places[band]) for band in known),
    )


# -- weeks -----------------------------------------------------------------------------------------------


def _weekly(weeks: Sequence[_Week]) -> Iterator[_Draft]:
    covered = (weeks[-1].monday - weeks[0].monday) // _WEEK + 1
    total = sum(week.count for week in weeks)
    every = tuple(week.cell for week in weeks)
    yield _Draft("volume", {"estimates": total, "weeks": covered, "average": total / covered}, every)
    if total:
        yield _busiest(weeks, total)
    quiet = covered - sum(week.count > 0 for week in weeks)
    if quiet:
        yield _Draft("quiet_weeks", {"count": quiet, "weeks": covered}, every)
    if covered >= 2 * _MONTH:
        yield _recent(weeks)


def _busiest(weeks: Sequence[_Week], total: int) -> _Draft:
    most = max(week.count for week in weeks)
    top = [week for week in weeks if week.count == most]
    values: dict[str, Value] = {
        "week": week_of(top[0].monday) if len(top) == 1 else None,
        "count": most,
        "share": most / total,
        "ties": len(top),
    }
    return _Draft("busiest_week", values, tuple(week.cell for week in top), basis=Basis(whole=total))


def _recent(weeks: Sequence[_Week]) -> _Draft:
    start, earlier = (weeks[-1].monday - (length - 1) * _WEEK for length in (_MONTH, 2 * _MONTH))
    considered = [week for week in weeks if week.monday >= earlier]
    recent = sum(week.count for week in considered if week.monday >= start)
    before = sum(week.count for week in considered) - recent
    return _Draft(
        "recent_volume",
        {"recent": recent, "before": before, "change": recent - before},
        tuple(week.cell for week in considered),
        direction=_direction(recent - before),
        p=two_sided_half(recent, before),
    )


def _direction(change: int) -> Direction | None:
    if change == 0:
        return None
    return "up" if change > 0 else "down"


# -- bands -----------------------------------------------------------------------------------------------


def _leader(name: str, bands: _Bands) -> _Draft:
    first, second = sorted(bands.counts, reverse=True)[:2]
    top = [index for index, count in enumerate(bands.counts) if count == first]
    low, high = wilson(first, bands.whole)
    values: dict[str, Value] = {
        "band": str(bands.names[top[0]]) if len(top) == 1 else None,
        "count": first,
        "share": first / bands.whole,
        "low": low,
        "high": high,
        "ties": len(top),
    }
    cells = tuple(bands.cells[index] for index in top)
    return _Draft(name, values, cells, p=two_sided_half(first, second), basis=Basis(whole=bands.whole))


def _median(name: str, bands: _Bands) -> _Draft:
    middle = (bands.whole + 1) // 2
    index = next(index for index, passed in enumerate(accumulate(bands.counts)) if passed >= middle)
    return _Draft(name, {"band": str(bands.names[index])}, (bands.cells[index],))


def _part(name: str, bands: _Bands, places: slice, peers: Peers | None) -> _Draft:
    count = sum(bands.counts[places])
    low, high = wilson(count, bands.whole)
    values: dict[str, Value] = {"count": count, "share": count / bands.whole, "low": low, "high": high}
    if peers is not None and name in peers.shares:
        values["peers"] = peers.shares[name]
    return _Draft(name, values, bands.cells[places], basis=Basis(whole=bands.whole))


# -- other snapshots -------------------------------------------------------------------------------------


def _since_previous(given: AgentInput, previous: AgentInput) -> Iterator[_Draft]:
    if _changed(given, previous) < _FEWEST_CHANGED:
        return
    apart = _are_apart(given, previous)
    values: dict[str, Value] = {"estimates": given.estimate_count - previous.estimate_count}
    tests: dict[str, float] = {}
    moved: dict[str, str] = {}
    cells: list[str] = [_COUNT_PATH]
    now: dict[str, int] = {}
    then: dict[str, int] = {}
    for name, (after, before) in _pairs(given, previous).items():
        index = _most_moved(before, after) if before and after else None
        if after and before and after.whole and before.whole and apart:
            tests |= {
                f"{name} {band}": fisher(own, after.whole, other, before.whole)
                for band, own, other in zip(after.names, after.counts, before.counts, strict=True)
            }
        if after is None or before is None or index is None:
            values |= dict.fromkeys((f"{name}_{what}" for what in ("band", "from", "to", "points")), None)
            continue
        now[name], then[name] = after.whole, before.whole
        moved[name] = f"{name} {after.names[index]}"
        cells.append(after.cells[index])
        values |= {
            f"{name}_band": str(after.names[index]),
            f"{name}_from": before.counts[index] / before.whole,
            f"{name}_to": after.counts[index] / after.whole,
            f"{name}_points": float(100 * _shift(before, after, index)),
        }
    p = min((tests[test] for test in moved.values() if test in tests), default=None)
    basis = Basis(before=then, now=now, apart=apart)
    yield _Draft("since_previous", values, tuple(cells), p=p, basis=basis, band_tests=tests, moved=moved)


def _pairs(given: AgentInput, previous: AgentInput) -> dict[str, tuple[_Bands | None, _Bands | None]]:
    both = (given, previous)
    price = [_bands(each.demand.price_distribution, PriceBand, PRICE_PATH) for each in both]
    latency = [_bands(each.decision_latency.distribution, LatencyBand, LATENCY_PATH) for each in both]
    return {"price": (price[0], price[1]), "latency": (latency[0], latency[1])}


def _shift(before: _Bands, after: _Bands, index: int) -> Fraction:
    return Fraction(after.counts[index], after.whole) - Fraction(before.counts[index], before.whole)


def _most_moved(before: _Bands, after: _Bands) -> int | None:
    """The band whose share moved most, one that grew first; None where no share moved."""
    if not before.whole or not after.whole:
        return None
    shifts = [_shift(before, after, index) for index in range(len(after.counts))]
    index = max(range(len(shifts)), key=lambda each: (abs(shifts[each]), shifts[each], -each))
    return index if shifts[index] else None


def _are_apart(given: AgentInput, previous: AgentInput) -> bool:
    """Whether both cover weeks, and none in common."""
    own, other = _weeks(given.demand.weekly_volume), _weeks(previous.demand.weekly_volume)
    if not own or not other:
        return False
    return own[0].monday > other[-1].monday or other[0].monday > own[-1].monday


def _changed(given: AgentInput, previous: AgentInput) -> int:
    """How many estimates changed at the least, as far as the counts tell."""
    lists = [
        (_counts(own), _counts(other))
        for own, other in (
            (given.demand.weekly_volume, previous.demand.weekly_volume),
            (given.demand.price_distribution, previous.demand.price_distribution),
            (given.decision_latency.distribution, previous.decision_latency.distribution),
        )
    ]
    changes = [abs(given.estimate_count - previous.estimate_count)]
    for own, other in lists:
        shifts = [own.get(name, 0) - other.get(name, 0) for name in own.keys() | other.keys()]
        changes += [sum(shift for shift in shifts if shift > 0), -sum(shift for shift in shifts if shift < 0)]
    return max(changes)


def _counts(entries: Sequence[WeekCount | BandCount]) -> dict[str, int]:
    return {entry.week if isinstance(entry, WeekCount) else entry.band: entry.count for entry in entries}


def peers_of(others: Sequence[AgentInput]) -> Peers | None:
    """The median shares of the other sources of a user.

    Returns:
        None where fewer than five of them have the estimates that a snapshot needs.
    """
    counted = [facts_of(each) for each in others if each.estimate_count >= MIN_ESTIMATES]
    if len(counted) < _FEWEST_PEERS:
        return None
    shares: dict[str, list[float]] = {}
    for fact in (fact for facts in counted for fact in facts):
        if fact.id in {"price_high", "decision_fast", "decision_slow"}:
            shares.setdefault(fact.id, []).append(float(fact.values["share"] or 0))
    return Peers({name: median(found) for name, found in shares.items() if len(found) >= _FEWEST_PEERS})


# -- what the buckets lack -------------------------------------------------------------------------------


def _coverage(given: AgentInput) -> Iterator[_Draft]:
    lists: dict[str, tuple[str, Sequence[WeekCount | BandCount]]] = {
        "weekly_volume": (WEEKS_PATH, given.demand.weekly_volume),
        "price_distribution": (PRICE_PATH, given.demand.price_distribution),
        "decision_latency": (LATENCY_PATH, given.decision_latency.distribution),
    }
    lacks = {
        name: max(0, given.estimate_count - sum(entry.count for entry in entries))
        for name, (_, entries) in lists.items()
    }
    if not any(lacks.values()):
        return
    cells = [_COUNT_PATH]
    for name, (path, entries) in lists.items():
        cells += [count_path(path, index) for index in range(len(entries) if lacks[name] else 0)]
    yield _Draft("coverage", dict(lacks), tuple(cells), basis=Basis(whole=given.estimate_count))
