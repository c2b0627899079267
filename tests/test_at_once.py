"""Many callers at the same moment, in threads and in processes: one call, one snapshot, for all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondlook import run_snapshot
from secondlook.domain.runs import RunStatus, SnapshotRun
from secondlook.errors import SourceNotBucketed
from secondlook.ledger.runs import Ledger
from secondlook.services import connect
from secondlook.stores.sqlite import SqliteStore
from tests.examples import SOURCE, USER
from tests.processes import Home, eventually, finish, race
from tests.provider import answering_after
from tests.tables import EmbeddedTables, own_tables

CALLERS = 8


@pytest.fixture
def tables() -> EmbeddedTables:
    """The tables of the embedded store."""
    return own_tables()


def all_call(
    source: str, callers: int = CALLERS, *, regenerate: bool = False
) -> list[SnapshotRun | Exception]:
    """What each of so many callers gets that ask for the same snapshot at once."""

    def call(_: int) -> SnapshotRun | Exception:
        try:
            return run_snapshot(source_id=source, user_id=USER, regenerate=regenerate)
        except Exception as error:  # noqa: BLE001 -- the test says which it expects
            return error

    return race(call, callers)


def meeting(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, callers: int = CALLERS) -> None:
    """Let nobody go on after a method before all have come through it."""
    original: Callable[..., Any] = getattr(owner, method)
    barrier = threading.Barrier(callers)

    def together(*args: object, **kwargs: object) -> object:
        result = original(*args, **kwargs)
        if not barrier.broken and threading.current_thread() not in met:
            met.add(threading.current_thread())
            barrier.wait(20)
        return result

    met: set[threading.Thread] = set()
    monkeypatch.setattr(owner, method, together)


def one_run(source: str, snapshots: int, tables: EmbeddedTables) -> str:
    """The id of the source's only run, which made one call and one snapshot."""
    ledger = connect().ledger
    (run,) = [run for run in ledger.list(USER) if run.source_id == source]
    assert (run.number, run.status, run.attempts) == (1, RunStatus.DONE, 1)
    assert tables.count("snapshots") == snapshots
    return run.run_id


def test_all_who_have_looked_get_the_same_snapshot(
    tables: EmbeddedTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight callers, each of whom has found the source bucketed: nobody is refused, one call is made."""
    tables.add_source(SOURCE)
    meeting(monkeypatch, SqliteStore, "load")
    made = all_call(SOURCE)
    run_id = one_run(SOURCE, 1, tables)
    assert [each.snapshot_id if isinstance(each, SnapshotRun) else each for each in made] == [
        run_id
    ] * CALLERS
    assert (
        len({each.model_dump_json(exclude={"timings"}) for each in made if isinstance(each, SnapshotRun)})
        == 1
    )


def test_all_who_regenerate_get_the_same_snapshot(
    tables: EmbeddedTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a source that has one: the second is made once, for all who asked for it at the same moment."""
    tables.add_source(SOURCE)
    first = run_snapshot(source_id=SOURCE, user_id=USER)
    meeting(monkeypatch, SqliteStore, "load")
    made = all_call(SOURCE, regenerate=True)
    newest, oldest = sorted(connect().ledger.list(USER), key=lambda run: -run.number)
    assert (oldest.run_id, newest.number, newest.attempts) == (first.run_id, 2, 1)
    assert {each.snapshot_id if isinstance(each, SnapshotRun) else each for each in made} == {newest.run_id}
    assert tables.count("snapshots") == 2


MOMENTS = ("latest", "load", "submit", "claim", "finish")
pauses = st.fixed_dictionaries({moment: st.sampled_from([0, 0, 0.005, 0.02, 0.06]) for moment in MOMENTS})


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(plans=st.lists(pauses, min_size=CALLERS, max_size=CALLERS))
def test_whoever_waits_wherever(tables: EmbeddedTables, plans: list[dict[str, float]]) -> None:
    """Callers that are slow at any step: one call and one snapshot; who is refused came after it was done."""
    source = str(uuid4())
    tables.add_source(source)
    before = tables.count("snapshots")
    waiting = iter(plans)
    mine = threading.local()
    lock = threading.Lock()

    def slowed(original: Callable[..., Any], moment: str) -> Callable[..., Any]:
        def slow(*args: object, **kwargs: object) -> object:
            with lock:
                plan: dict[str, float] = getattr(mine, "plan", None) or next(waiting)
                mine.plan = plan
            time.sleep(plan.get(moment, 0))
            return original(*args, **kwargs)

        return slow

    with pytest.MonkeyPatch.context() as patch:
        for moment in MOMENTS:
            owner = SqliteStore if moment == "load" else Ledger
            patch.setattr(owner, moment, slowed(getattr(owner, moment), moment))
        made = all_call(source)
    run_id = one_run(source, before + 1, tables)
    got = [each.snapshot_id if isinstance(each, SnapshotRun) else type(each) for each in made]
    assert run_id in got
    assert set(got) <= {run_id, SourceNotBucketed}


# -- processes ------------------------------------------------------------------------------------------


def test_processes_that_have_all_looked(home: Home) -> None:
    """Five processes have read the source and submit at the same moment: one request, one answer for all."""
    home.provider.behaviour = answering_after(0.2, home.sample.answer)
    assert home.call("runs").items == []  # the ledger is there
    go = home.folder / "go"
    processes = [
        home.start("snapshot", home.sample.source_id, driver=f"Ledger.submit:waits:{go}") for _ in range(5)
    ]
    eventually(lambda: len(list(home.folder.glob("go.*"))) == 5, seconds=60)
    go.touch()
    outcomes = [finish(process) for process in processes]
    assert [outcome.code for outcome in outcomes] == [0] * 5, outcomes
    (stored,) = home.snapshots()
    assert {outcome.fields["snapshot_id"] for outcome in outcomes} == {stored["id"]}
    assert len({str(outcome.fields["result"]) for outcome in outcomes}) == 1
    assert (len(home.provider.requests), len(home.runs()), len(home.calls())) == (1, 1, 1)


def test_a_process_that_submits_after_the_end(home: Home) -> None:
    """A process has read the source; another makes its snapshot; the first gets that one, unpaid."""
    assert home.call("runs").items == []
    go = home.folder / "go"
    late = home.start("snapshot", home.sample.source_id, driver=f"Ledger.submit:waits:{go}")
    eventually(lambda: list(home.folder.glob("go.*")), seconds=60)
    made = home.snapshot()
    go.touch()
    outcome = finish(late)
    assert outcome.code == 0, outcome
    assert outcome.fields["snapshot_id"] == made.fields["snapshot_id"]
    assert outcome.fields["result"] == made.fields["result"]
    assert (len(home.provider.requests), len(home.runs()), len(home.snapshots())) == (1, 1, 1)


def test_processes_that_start_at_once(home: Home) -> None:
    """Not held anywhere, and without a ledger yet: whoever is refused came after it was done."""
    outcomes = [
        finish(process) for process in [home.start("snapshot", home.sample.source_id) for _ in range(4)]
    ]
    (stored,) = home.snapshots()
    got = [
        outcome.fields["snapshot_id"] if outcome.code == 0 else outcome.error["code"] for outcome in outcomes
    ]
    assert stored["id"] in got
    assert set(got) <= {stored["id"], "source_not_bucketed"}
    assert (len(home.provider.requests), len(home.runs()), len(home.calls())) == (1, 1, 1)
