"""Usage and budgets as people read them, and as exports have them.

What is unknown is said, and never taken for nothing: a sum with an unknown part has a least value (`≥`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from secondlook.domain.budgets import BudgetStatus
from secondlook.domain.money import usd
from secondlook.ledger.tally import Samples, Tally, Total
from secondlook.ledger.usage import UsageReport, UsageRow
from secondlook.views.export import Cell
from secondlook.views.figures import duration, money

_SAMPLES = ("call_ms", "provider_ms", "own_ms")
_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
_MONEY = {"cost": "cost_usd", "estimated_cost": "estimated_cost_usd", "rejected_cost": "rejected_cost_usd"}


def say_cost(tally: Tally) -> str:
    """The cost in words; the offline agent's estimated cost is added and marked."""
    said = [] if tally.cost == Total() and tally.estimated_cost != Total() else [_say_money(tally.cost)]
    if tally.estimated_cost != Total():
        said.append(f"{_say_money(tally.estimated_cost, estimated=True)} not billed")
    return " + ".join(said)


def say_rejected(tally: Tally) -> str:
    """How many answers were rejected, and what they have cost, as people read it."""
    return (
        f"{tally.rejected:,}"
        if not tally.rejected
        else f"{tally.rejected:,}, {_say_money(tally.rejected_cost)}"
    )


def say_tokens(total: Total, *, estimated: bool) -> str:
    """A number of tokens as people read it.

    Args:
        total: The number.
        estimated: Whether a part of it is an estimate.
    """
    if total.unknown and not total.known:
        return "unknown"
    return f"{'≥ ' if total.unknown else ''}{'≈ ' if estimated else ''}{total.known:,}"


def say_percentiles(samples: Samples, answered: int) -> str:
    """The median and the 95th percentile as people read them.

    Args:
        samples: What is known of the answers.
        answered: How many answers there are.
    """
    found = [each for percent in PERCENTILES if (each := samples.percentile(percent)) is not None]
    return " / ".join(map(duration, found)) or ("unknown" if answered else "none")


def say_rate(rate: float | None) -> str:
    """A share as people read it."""
    return "none" if rate is None else f"{rate:.1%}"


def _say_money(total: Total, *, estimated: bool = False) -> str:
    if total.unknown and not total.known:
        return money(None, estimated=estimated)
    return f"{'≥ ' if total.unknown else ''}{money(usd(total.known), estimated=estimated)}"


def tally_fields(tally: Tally) -> dict[str, Cell]:
    """Every figure by name, as exports have it; None is unknown, or there is nothing to divide by.

    Of each sum `…_known` is what is known of it and `…_unknown` of how many calls it is unknown.
    """
    found: dict[str, Cell] = {"runs": tally.runs}
    found |= {status: tally.statuses.get(status, 0) for status in ("done", "failed", "in_doubt", "cancelled")}
    found |= {"open": tally.open_runs, "failure_rate": tally.failure_rate, "calls": tally.calls}
    found |= {f"calls_{outcome}": tally.outcomes.get(outcome, 0) for outcome in OUTCOMES}
    found |= {"call_error_rate": tally.call_error_rate, "answers_rejected": tally.rejected}
    found["answers_estimated"] = tally.estimated
    for name in _TOKENS:
        total: Total = getattr(tally, name)
        found |= {name: total.value, f"{name}_known": total.known, f"{name}_unknown": total.unknown}
    for name, written in _MONEY.items():
        total = getattr(tally, name)
        known = usd(total.known)
        found |= {written: usd(total.value), f"{written}_known": known, f"{written}_unknown": total.unknown}
    for name in _SAMPLES:
        samples: Samples = getattr(tally, name)
        found |= {f"{name}_p{percent}": samples.percentile(percent) for percent in PERCENTILES}
        found[f"{name}_known"] = len(samples.values)
    return found


def report_fields(report: UsageReport, standings: Sequence[BudgetStatus] = ()) -> dict[str, object]:
    """A report, and the budgets beside it, as the page and the command line give it away as JSON."""
    query = report.query
    return {
        "by": query.by,
        "since": query.since.isoformat(),
        "until": query.until.isoformat(),
        "user_id": query.user_id,
        "agent": query.agent,
        "budgets": [budget_status_fields(standing) for standing in standings],
        "total": {**tally_fields(report.total), "failures": dict(report.total.failures)},
        "rows": [{**row, "failures": dict(each.tally.failures)} for row, each in _table(report)],
    }


def report_table(report: UsageReport) -> tuple[tuple[str, ...], list[dict[str, Cell]]]:
    """A report's rows as a table for CSV: its columns, and the rows."""
    return (report.query.by, *FIELDS), [row for row, _ in _table(report)]


def _table(report: UsageReport) -> Iterator[tuple[dict[str, Cell], UsageRow]]:
    for row in report.rows:
        yield {report.query.by: row.key, **tally_fields(row.tally)}, row


def budget_status_fields(standing: BudgetStatus) -> dict[str, object]:
    """A budget as JSON has it."""
    limit = standing.limit_usd
    return {
        "budget": standing.name,
        "period": standing.period,
        "ends_at": standing.ends_at,
        "calls": standing.used.calls,
        "calls_limit": standing.limit.calls,
        "spent_usd": float(standing.spent_usd),
        "reserved_usd": float(standing.reserved_usd),
        "limit_usd": None if limit is None else float(limit),
    }


OUTCOMES = ("answered", "refused", "not_processed", "unknown", "under_way")
PERCENTILES = (50, 95)
FIELDS = tuple(tally_fields(Tally()))
"""The names of the figures, in their order."""
