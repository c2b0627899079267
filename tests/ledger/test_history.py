"""Looking back at runs: what a filter means, a page at a time, without the answers."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from secondlook.domain.run_filter import RunFilter
from secondlook.domain.runs import SNAPSHOT, RunStatus
from secondlook.ledger import tables
from secondlook.ledger.database import ledger_database
from secondlook.ledger.history import History, RunRow
from secondlook.ledger.migrations import MIGRATIONS
from secondlook.ledger.reviews import Reviews
from secondlook.ledger.runs import Ledger, open_ledger
from tests.examples import OTHER_USER, USER
from tests.ledger import executing
from tests.ledger.executing import Where
from tests.mixed_runs import MODELS, NOON, TASKS, Mixed, insert, mixed

NUMBER = 600


@pytest.fixture(scope="module")
def made() -> Mixed:
    """Runs of every kind, of three users, over days."""
    return mixed(NUMBER, days=6, sources=60, tasks=TASKS)


@pytest.fixture
def filled(ledger: Ledger, where: Where, made: Mixed) -> Generator[History]:  # noqa: ARG001 -- makes the tables
    """A ledger that holds them, looked back at."""
    insert(where, made)
    with closing(ledger_database(where)) as database:
        said = Reviews(database)
        for number, run in enumerate(made.runs[:90]):
            for reviewer in ("r1", "r2")[: 1 + number % 2]:
                said.say(run["run_id"], reviewer, reviewer="R", passed=(number + len(reviewer)) % 3 != 0)
        yield History(database)


def day_of(run: dict[str, Any]) -> date:
    """The day that a run was created on."""
    return datetime.fromtimestamp(run["created_at"], UTC).date()


def verdict(run: dict[str, Any]) -> str:
    """What became of its answer, told from the raw row."""
    if run["status"] == "done":
        return "accepted"
    return "refused" if run["error_code"] == "answer_rejected" else "none"


DAY = datetime.fromtimestamp(NOON, UTC).date()


def meant(run: dict[str, Any], words: dict[str, tuple[bool, ...]], wanted: RunFilter) -> bool:
    """Whether a filter means a raw row, told in Python."""
    said = words.get(run["run_id"], ())
    review = {"pass": any(said), "fail": not all(said), "none": not said, None: True}
    return all(
        (
            wanted.status in {None, run["status"]},
            wanted.verdict in {None, verdict(run)},
            wanted.code in {None, run["error_code"]},
            wanted.model in {None, run["model"]},
            wanted.agent in {None, run["agent"]},
            wanted.task in {None, run["task"]},
            wanted.user in {None, run["user_id"]},
            wanted.source in {None, run["source_id"]},
            wanted.since is None or day_of(run) >= wanted.since,
            wanted.until is None or day_of(run) <= wanted.until,
            not wanted.failures or run["status"] in {"failed", "in_doubt"},
            not wanted.differs or run["error_code"] == "answer_rejected",  # theirs are all mismatches
            review[wanted.review],
        )
    )


FILTERS = {
    "all": RunFilter(),
    **{f"status {status}": RunFilter(status=status) for status in RunStatus},
    **{f"verdict {each}": RunFilter(verdict=each) for each in ("accepted", "refused", "none")},
    "code": RunFilter(code="over_budget"),
    "model": RunFilter(model=MODELS[1]),
    "model of odd letters": RunFilter(model=MODELS[-1]),
    "agent": RunFilter(agent="offline"),
    "task": RunFilter(task="snapshot"),
    "user": RunFilter(user=OTHER_USER),
    "since": RunFilter(since=date(2026, 11, 20)),
    "until": RunFilter(until=date(2026, 11, 20)),
    "one day": RunFilter(since=date(2026, 11, 19), until=date(2026, 11, 19)),
    "failures": RunFilter(failures=True),
    "differs": RunFilter(differs=True),
    **{f"review {each}": RunFilter(review=each) for each in ("pass", "fail", "none")},
    "much at once": RunFilter(
        failures=True, differs=True, agent="openai", user=USER, since=date(2026, 11, 18)
    ),
    "nothing": RunFilter(status=RunStatus.DONE, failures=True),
}


@pytest.mark.parametrize("only", [None, USER], ids=["everybody's", "one's own"])
def test_filters(filled: History, made: Mixed, only: str | None) -> None:
    """Each gives exactly the runs that it gives in Python, newest first, and their number."""
    ids = [run["run_id"] for run in made.runs]
    with_text = {
        run_id: tuple(review.passed for review in said)
        for run_id, said in Reviews(filled._database).of_runs(ids).items()  # pyright: ignore[reportPrivateUsage]
    }
    by_time = sorted(made.runs, key=lambda run: (run["created_at"], run["run_id"]), reverse=True)
    for name, wanted in FILTERS.items():
        right = [
            run["run_id"]
            for run in by_time
            if meant(run, with_text, wanted) and only in {None, run["user_id"]}
        ]
        page = filled.page(wanted, only=only, limit=NUMBER)
        assert ([row.run_id for row in page.rows], page.total) == (right, len(right)), name
        assert [row.run_id for row in filled.all(wanted, only=only)] == right, name
        assert right or only or name in {"nothing", "status answered"}, name


def test_pages_and_neighbours(filled: History) -> None:
    """Pages follow each other without gap or overlap; so do neighbours; a page too far is the last."""
    wanted = RunFilter(failures=True)
    whole = [row.run_id for row in filled.all(wanted)]
    paged: list[str] = []
    while len(paged) < len(whole):
        page = filled.page(wanted, offset=len(paged), limit=7)
        assert page.total == len(whole)
        paged += [row.run_id for row in page.rows]
    assert paged == whole
    beyond = filled.page(wanted, offset=10**9, limit=7)
    assert [row.run_id for row in beyond.rows] == whole[(len(whole) - 1) // 7 * 7 :]
    for before, here, after in zip([None, *whole], whole, [*whole[1:], None], strict=False):
        assert filled.neighbours(here, wanted) == (before, after)
    assert filled.neighbours("unknown", wanted) == (None, None)


def test_neighbours_of_a_run_that_the_filter_leaves_out(filled: History) -> None:
    """Where the open run is none of those, the ones around it in time are."""
    done = filled.all(RunFilter(verdict="accepted"))[3]
    near = filled.neighbours(done.run_id, RunFilter(failures=True))
    failures = filled.all(RunFilter(failures=True))
    for found, expected in (
        (near.newer, [row for row in failures if row.created_at >= done.created_at][-1:]),
        (near.older, [row for row in failures if row.created_at <= done.created_at][:1]),
    ):
        assert found == (expected[0].run_id if expected else None)


@pytest.mark.parametrize("state", list(executing.STATES))
def test_rows_say_what_the_run_says(ledger: Ledger, where: Where, state: str) -> None:
    """A line of the list agrees with the whole run, in every state."""
    run = executing.STATES[state](ledger)
    with closing(ledger_database(where)) as database:
        (row,) = History(database).all(RunFilter())
    assert row.run_id == run.run_id
    assert_agrees(row, ledger)


def assert_agrees(row: RunRow, ledger: Ledger) -> None:
    """Hold a line against its run."""
    run = ledger.get(row.run_id)
    for name in (
        *("task", "number", "source_id", "user_id", "agent", "model", "prompt_version", "status"),
        *("attempts", "error", "created_at", "finished_at", "answered_model", "request_id", "usage"),
        *("cost_usd", "latency_ms", "provider_ms"),
    ):
        assert getattr(row, name) == getattr(run, name), name
    assert row.answered == (run.answer is not None)


def test_calls_of_a_run(ledger: Ledger, where: Where) -> None:
    """Every request with what became of it; which answer counts, and how long it is, but not what it says."""
    run = executing.in_doubt(ledger)
    ledger.resend(run.run_id, USER)
    held = executing.claimed(ledger, run)
    assert ledger.begin_call(held) == 2
    with closing(ledger_database(where)) as database:
        looked = History(database)
        assert [call.outcome for call in looked.calls(run.run_id)] == ["unknown", None]
        ledger.journal(run.run_id, 1, executing.example_answer("late"))
        ledger.journal(run.run_id, 2, executing.example_answer("too late", request_id="req_2"))
        first, second = looked.calls(run.run_id)
        assert looked.calls("unknown") == ()
    assert (first.number, first.outcome, first.counts, first.answer_length) == (1, "answered", True, 4)
    assert (second.outcome, second.counts, second.answer_length) == ("answered", False, 8)
    assert (second.http_status, second.request_id, second.latency_ms) == (200, "req_2", 12)
    assert first.usage.total_tokens == 550
    assert first.cost_usd is None


def test_choices(filled: History, made: Mixed) -> None:
    """What can be chosen is what there is, for whoever sees it."""
    choices = filled.choices()
    assert set(choices.models) == {run["model"] for run in made.runs}
    assert set(choices.users) == {run["user_id"] for run in made.runs}
    assert list(choices.prompts) == ["1"]
    assert list(filled.choices(only=USER).users) == [USER]


@pytest.mark.parametrize("only", [None, USER], ids=["everybody's", "one's own"])
def test_finding_and_counting_reads_an_index_alone(tmp_path: Path, only: str | None) -> None:
    """No answer is read to find or count runs, whatever the filter: SQLite's own plan says so."""
    with closing(open_ledger(tmp_path / "ledger.db", lease_seconds=15)):
        pass
    asked: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:  # noqa: ANN401 -- as SQLAlchemy calls it
        asked.append((given[2], given[3]))

    with closing(ledger_database(tmp_path / "ledger.db")) as database:
        event.listen(database._engine, "before_cursor_execute", note)  # pyright: ignore[reportPrivateUsage]
        looked = History(database)
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
            for name, wanted in FILTERS.items():
                asked.clear()
                looked.page(wanted, only=only)
                refused = wanted.verdict == "refused" or wanted.differs
                for statement, values in asked[-2:]:
                    plan = [row[3] for row in connection.execute(f"explain query plan {statement}", values)]
                    for step in plan:
                        # The page's rows are looked up, and those with an error where asked for.
                        meant = (
                            "sqlite_autoindex_runs_1 (run_id=?)" in step
                            or (refused and "usage_rejected" in step)
                            or (wanted.status == "in_doubt" and "runs_in_doubt" in step)
                        )
                        if re.match(r"(SCAN|SEARCH) runs\b", step) and not meant:
                            assert "COVERING" in step, (name, plan)


# -- ledgers of older versions --------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_a_ledger_of_any_older_version(where: Where, version: int) -> None:
    """It is migrated when it is opened; its runs are found, counted, opened and reviewed."""
    made = mixed(60, days=3)
    with closing(ledger_database(where, MIGRATIONS[:version])) as older:
        for table, rows in ((tables.runs, made.runs), (tables.calls, made.calls)):

            def columns(connection: sa.Connection, table: sa.Table = table) -> set[str]:
                return {column["name"] for column in sa.inspect(connection).get_columns(table.name)}

            known = older.read(columns)
            old = sa.Table(table.name, sa.MetaData(), *(c._copy() for c in table.c if c.name in known))  # pyright: ignore[reportPrivateUsage]
            kept = [{name: value for name, value in row.items() if name in known} for row in rows]
            older.write(lambda connection, old=old, kept=kept: connection.execute(sa.insert(old), kept))
    with closing(open_ledger(where, lease_seconds=15)) as ledger, closing(ledger_database(where)) as database:
        looked, said = History(database), Reviews(database)
        rows = looked.all(RunFilter())
        assert {row.run_id for row in rows} == {run["run_id"] for run in made.runs}
        assert {row.task for row in rows} == {SNAPSHOT}
        assert looked.page(RunFilter(failures=True)).total == sum(
            run["status"] in {"failed", "in_doubt"} for run in made.runs
        )
        for row in rows:
            assert_agrees(row, ledger)
            assert len(looked.calls(row.run_id)) == row.attempts
        said.say(rows[0].run_id, USER, reviewer="R", passed=False, note="old")
        assert [row.run_id for row in looked.all(RunFilter(review="fail"))] == [rows[0].run_id]
