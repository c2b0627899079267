"""Totals of runs and calls: the figures that the page Usage and `secondlook usage` show.

Pure. Unknown amounts are counted, never taken as 0: a sum with an unknown part has no value, only its known
part.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from secondlook.domain.runs import RunStatus


@dataclass(frozen=True)
class Total:
    """A sum over calls.

    Attributes:
        known: The sum over calls whose amount is known.
        unknown: How many calls have an unknown amount: the answer did not report it, its model has no known
        price, or the outcome of the call is unknown.
    """

    known: int = 0
    unknown: int = 0

    @property
    def value(self) -> int | None:
        """The sum; None where a part of it is unknown."""
        return None if self.unknown else self.known

    def __add__(self, other: Total) -> Total:
        return Total(self.known + other.known, self.unknown + other.unknown)


@dataclass(frozen=True)
class Samples:
    """Durations in milliseconds, sorted; in an array to save memory, since reports are cached."""

    values: Sequence[int] = ()

    def percentile(self, percent: int) -> int | None:
        """The percentile of the durations by nearest rank; None where there are none.

        Of n sorted durations it is the one at place ⌈percent · n / 100⌉, counted from 1, so it is always a
        measured one. It is Hyndman and Fan's type 1, and Postgres' percentile_disc.
        """
        if not self.values:
            return None
        return self.values[-(-percent * len(self.values) // 100) - 1]


@dataclass(frozen=True)
class Tally:
    """The totals of some runs and calls.

    A run counts on the day it was created, a call on the day it was sent, whenever it ends, like budgets.
    Every call counts, also if its answer was rejected, came late or was followed by another.

    Attributes:
        statuses: Runs by their status now.
        failures: Failed runs by the code of their error.
        outcomes: Calls by outcome: answered, refused, not_processed, unknown, or under_way.
        prompt_tokens: Of answers, as the provider counted them; those of the offline agent are estimates.
        estimated: Answers whose tokens are estimates.
        cost: Billionths of dollars that were paid, also for answers that were rejected.
        estimated_cost: What the offline agent's answers would have cost: nothing was paid.
        rejected: Answers of runs that failed because their answer broke a rule.
        rejected_cost: The part of the cost that was paid for them.
        call_ms: Of each answer, from sending to its last byte.
        provider_ms: The provider's own time for it, where the provider reports it.
        own_ms: The rest: network and this program, where the provider reports its time.
    """

    statuses: Mapping[str, int] = field(default_factory=dict[str, int])
    failures: Mapping[str, int] = field(default_factory=dict[str, int])
    outcomes: Mapping[str, int] = field(default_factory=dict[str, int])
    prompt_tokens: Total = Total()
    completion_tokens: Total = Total()
    total_tokens: Total = Total()
    cached_tokens: Total = Total()
    estimated: int = 0
    cost: Total = Total()
    estimated_cost: Total = Total()
    rejected: int = 0
    rejected_cost: Total = Total()
    call_ms: Samples = Samples()
    provider_ms: Samples = Samples()
    own_ms: Samples = Samples()

    @property
    def runs(self) -> int:
        """Runs that were made."""
        return sum(self.statuses.values())

    @property
    def open_runs(self) -> int:
        """Runs that continue without a person."""
        return sum(self.statuses.get(status, 0) for status in RunStatus if status.active)

    @property
    def calls(self) -> int:
        """Calls that were sent."""
        return sum(self.outcomes.values())

    @property
    def answered(self) -> int:
        """Calls that were answered."""
        return self.outcomes.get("answered", 0)

    @property
    def failed(self) -> int:
        """Runs that have failed."""
        return self.statuses.get(RunStatus.FAILED, 0)

    @property
    def failure_rate(self) -> float | None:
        """Failed runs of those that are done or have failed; None where there is none."""
        ended = self.statuses.get(RunStatus.DONE, 0) + self.failed
        return self.failed / ended if ended else None

    @property
    def call_error_rate(self) -> float | None:
        """The share of ended calls that got no answer; None where none has ended."""
        ended = self.calls - self.outcomes.get("under_way", 0)
        return (ended - self.answered) / ended if ended else None


def add_up(tallies: Sequence[Tally]) -> Tally:
    """The total of several tallies."""
    return merge({each.name: [getattr(tally, each.name) for tally in tallies] for each in fields(Tally)})


def merge(parts: Mapping[str, Sequence[object]]) -> Tally:
    """A tally of parts of its figures, by their names."""
    figures: dict[str, Any] = {name: _merged(values) for name, values in parts.items() if values}
    return Tally(**figures)


def _merged(values: Sequence[Any]) -> object:
    if isinstance(values[0], Total):
        return sum(values, Total())
    if isinstance(values[0], Samples):
        return Samples(array("q", sorted(each for samples in values for each in samples.values)))
    if isinstance(values[0], Mapping):
        counter: Counter[str] = Counter()
        for counted in values:
            counter.update(counted)
        return dict(counter)
    return sum(values)
