"""Usage on each kind of database: exact figures, each where it belongs, from one place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook import cli
from secondlook.errors import RequestInvalid
from secondlook.ledger.runs import Ledger
from secondlook.ledger.tally import Samples, Tally, Total
from secondlook.ledger.usage import DIMENSIONS, Dimension, UsageLog, UsageQuery
from secondlook.views.usage import say_cost, say_percentiles, say_tokens
from tests.examples import OTHER_USER, USER, Json, example_answer
from tests.ledger.executing import (
    BUSY,
    REFUSED,
    UNKNOWN,
    Where,
    calling,
    claimed,
    done,
    in_doubt,
    query,
    queued,
    reject,
)
from tests.mixed_runs import TASKS, insert, mixed

SCRIPT = Path(__file__).parent.parent / "recompute_usage.py"
EVER = UsageQuery(date(2000, 1, 1), date(2100, 1, 1))


def total(usage: UsageLog) -> Tally:
    """The figures of everything."""
    return usage.report(EVER).total


@pytest.fixture
def secondlook(
    where: Where, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., str]:
    """The command on that ledger: what it prints."""
    if isinstance(where, str):
        monkeypatch.setenv("SECONDLOOK_LEDGER_URL", where)
    else:
        monkeypatch.setenv("SECONDLOOK_DATA_DIR", str(tmp_path))

    def run(*arguments: str) -> str:
        capsys.readouterr()
        assert cli.main(arguments) == 0
        return capsys.readouterr().out

    return run


def exact(figures: Mapping[str, Json]) -> dict[str, Json]:
    """Money as decimals, whether it was written as a number or as a text."""
    money = {name: value for name, value in figures.items() if isinstance(value, str)}
    return {**figures, **{name: Decimal(value) for name, value in money.items()}}


def test_ten_thousand_mixed_runs_are_what_an_independent_script_finds(
    secondlook: Callable[..., str], where: Where, tmp_path: Path
) -> None:
    """Every figure, in all and by each dimension, equals what a program of its own makes of an export."""
    insert(where if isinstance(where, str) else tmp_path / "ledger.db", mixed(10_000, tasks=TASKS))
    days = ("--since", "2026-10-14", "--until", "2026-11-20")
    for each in ("run", "call"):
        listed = secondlook("usage", "--each", each, "--csv", *days)
        (tmp_path / f"{each}.csv").write_text(listed, newline="")
    # Isolated: it cannot import the project, nor anything but the standard library.
    script = [sys.executable, "-I", "-S", SCRIPT, tmp_path / "run.csv", tmp_path / "call.csv", *DIMENSIONS]
    made = subprocess.run(script, check=True, capture_output=True).stdout
    found = json.loads(made, parse_float=Decimal)
    totals: list[Json] = []
    for by in DIMENSIONS:
        shown = json.loads(secondlook("usage", "--by", by, "--json", *days), parse_float=Decimal)
        totals.append(shown["total"])
        assert shown["total"] == exact(found[by]["total"])
        rows = {row.pop(by): row for row in shown["rows"]}
        assert rows.keys() == found[by]["rows"].keys()
        for key, row in rows.items():
            assert row == exact(found[by]["rows"][key]), (by, key)
    assert all(total == totals[0] for total in totals)
    assert 7_000 < totals[0]["runs"] < 9_000
    assert totals[0]["cost_usd_known"] > totals[0]["rejected_cost_usd_known"] > 0
    assert totals[0]["cost_usd"] is None


@pytest.mark.parametrize("by", DIMENSIONS)
def test_rows_add_up_to_the_total(usage: UsageLog, where: Where, by: Dimension) -> None:
    """Whatever it is grouped by, counts and sums of the rows are those of the total; filters cut it up."""
    insert(where, mixed(300, seed=3, tasks=TASKS))
    report = usage.report(UsageQuery(EVER.since, EVER.until, by))
    assert report.total == usage.report(EVER).total
    for name in ("runs", "calls", "rejected", "estimated"):
        assert getattr(report.total, name) == sum(getattr(row.tally, name) for row in report.rows) > 0
    assert report.total.cost.known == sum(row.tally.cost.known for row in report.rows)
    for parts in (
        [UsageQuery(EVER.since, EVER.until, by, agent=agent) for agent in ("openai", "offline")],
        [
            UsageQuery(EVER.since, EVER.until, by, user_id=row.key)
            for row in usage.report(UsageQuery(EVER.since, EVER.until, "user")).rows
        ],
    ):
        tallies = [usage.report(part).total for part in parts]
        assert sum(tally.calls for tally in tallies) == report.total.calls
        assert sum(tally.runs for tally in tallies) == report.total.runs
        assert sum(tally.cost.unknown for tally in tallies) == report.total.cost.unknown
    assert usage.report(UsageQuery(EVER.since, EVER.until, by, agent="offline")).total.cost == Total()


def test_every_call_of_a_run_counts(ledger: Ledger, usage: UsageLog) -> None:
    """A resent request, an unknown outcome, its late answer and a second one: each is a call."""
    held = calling(ledger)
    ledger.postpone(held, 1, BUSY, 0)
    held = calling(ledger, ledger.get(held.run_id))
    ledger.end_call(held, 2, UNKNOWN)
    assert total(usage).outcomes == {"not_processed": 1, "unknown": 1}
    ledger.resend(held.run_id, USER)
    held = claimed(ledger, ledger.get(held.run_id))
    assert ledger.begin_call(held) == 3
    assert total(usage).outcomes["under_way"] == 1
    ledger.journal(held.run_id, 3, example_answer(), Decimal("0.002"))
    ledger.finish(held, timings={})
    ledger.journal(held.run_id, 2, example_answer(), Decimal("0.003"))
    found = total(usage)
    assert found.outcomes == {"not_processed": 1, "answered": 2}
    assert (found.runs, found.calls, found.total_tokens) == (1, 3, Total(1100))
    assert found.cost == Total(5_000_000)


def test_unknown_is_never_nothing(ledger: Ledger, usage: UsageLog, where: Where) -> None:
    """Answers without usage or price and unknown outcomes make a sum unknown; refused calls cost nothing."""
    assert say_cost(total(usage)) == "$0.0000"
    held = calling(ledger)
    ledger.end_call(held, 1, REFUSED)
    assert total(usage).cost == Total(0, 0)
    query(where, "update runs set agent = 'openai'")
    doubtful = in_doubt(ledger)
    assert total(usage).cost == Total(0, 0)  # the offline agent's
    query(where, "update runs set agent = 'openai'")
    found = total(usage)
    assert (found.cost, found.total_tokens) == (Total(0, 1), Total(0, 1))
    assert (say_cost(found), say_tokens(found.total_tokens, estimated=False)) == ("unknown", "unknown")
    ledger.cancel(doubtful.run_id, USER)
    done(ledger)
    query(where, "update runs set agent = 'openai'")
    found = total(usage)
    assert found.cost == Total(2_500_000, 1)
    assert found.cost.value is None
    assert say_cost(found) == "≥ $0.0025"
    assert say_tokens(found.total_tokens, estimated=True) == "≥ ≈ 550"


def test_a_rejected_answer_has_cost_what_it_has(ledger: Ledger, usage: UsageLog) -> None:
    """The answer of a run that failed by a rule is paid for, and named."""
    held = calling(ledger)
    ledger.journal(held.run_id, 1, example_answer(), Decimal("0.000000001"))
    reject(ledger, held)
    found = total(usage)
    assert (found.rejected, found.rejected_cost, found.cost) == (1, Total(1), Total(1))
    assert (found.failures, found.failure_rate, found.call_error_rate) == ({"answer_rejected": 1}, 1.0, 0.0)


def test_a_call_counts_on_the_day_it_was_sent(ledger: Ledger, usage: UsageLog, where: Where) -> None:
    """A run counts on the day it was made, a call on the day it was sent, to the second, in UTC."""
    midnight = 1_795_305_600  # 2026-11-22
    run = done(ledger)
    query(where, "update runs set created_at = ?", midnight - 0.001)
    query(where, "update calls set sent_at = ?", float(midnight))
    rows = {row.key: row.tally for row in usage.report(EVER).rows}
    assert list(rows) == ["2026-11-22", "2026-11-21"]
    assert (rows["2026-11-21"].runs, rows["2026-11-21"].calls) == (1, 0)
    assert (rows["2026-11-22"].runs, rows["2026-11-22"].calls) == (0, 1)
    day = UsageQuery(date(2026, 11, 22), date(2026, 11, 22))
    assert [call["run_id"] for call in usage.each_call(day)] == [run.run_id]
    assert usage.each_run(day) == []


def test_the_users_own(ledger: Ledger, usage: UsageLog) -> None:
    """With a user, nothing of another's is in any figure."""
    in_doubt(ledger)
    in_doubt(ledger, OTHER_USER)
    queued(ledger, user_id=OTHER_USER, source_id="22222222-2222-4333-8444-555555555555")
    found = usage.report(UsageQuery(EVER.since, EVER.until, "user", user_id=OTHER_USER))
    assert [(row.key, row.tally.runs, row.tally.calls) for row in found.rows] == [(OTHER_USER, 2, 1)]
    assert {run["user_id"] for run in usage.each_run(found.query)} == {OTHER_USER}


def test_which_days_are_looked_at(usage: UsageLog) -> None:
    """Thirty days up to today, or from or up to a day; not backwards."""
    since, until = usage.period()
    assert (until - since).days == 29
    assert usage.period(until=date(2026, 1, 30)) == (date(2026, 1, 1), date(2026, 1, 30))
    assert usage.period(since=date(2026, 1, 1)) == (date(2026, 1, 1), until)
    assert usage.period(since=date.max) == (date.max, date.max)
    for day in (date.min, date.max):
        assert usage.report(UsageQuery(*usage.period(day, day))).rows == []
        assert usage.each_call(UsageQuery(day, day)) == []
    with pytest.raises(RequestInvalid, match="The first day 2026-01-02 is after the last day 2026-01-01"):
        usage.period(date(2026, 1, 2), date(2026, 1, 1))


@given(st.lists(st.integers(0, 10**6), min_size=1), st.integers(1, 100))
def test_percentiles_are_what_their_definition_says(values: list[int], percent: int) -> None:
    """The smallest value that at least so many percent do not exceed."""
    found = Samples(sorted(values)).percentile(percent)
    assert found is not None
    assert found in values

    def covers(value: int) -> bool:
        return 100 * sum(other <= value for other in values) >= percent * len(values)

    assert covers(found)
    assert not any(covers(value) for value in values if value < found)


@pytest.mark.parametrize(
    ("samples", "answered", "said"),
    [
        pytest.param([], 0, "none", id="no answer"),
        pytest.param([], 2, "unknown", id="not told"),
        pytest.param([40], 1, "40 ms / 40 ms", id="one"),
        pytest.param(list(range(1, 101)), 100, "50 ms / 95 ms", id="a hundred"),
        pytest.param([10, 2000], 2, "10 ms / 2.0 s", id="two"),
    ],
)
def test_percentiles_as_they_are_said(samples: list[int], answered: int, said: str) -> None:
    """Median and 95th percentile; what is not told is unknown."""
    assert say_percentiles(Samples(samples), answered) == said
