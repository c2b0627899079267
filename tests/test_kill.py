"""Kill -9 at every point of a run, with real processes: nothing lost, nothing sent twice automatically.

Whoever comes next (`resume`) must wait for the dead worker's lease, then execute the run to its end, or find
its outcome unknown where a request may have gone out and its answer is not in the journal.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from secondlook.domain.runs import INSIGHTS
from tests.processes import Home, Process, Sample, eventually, finish, killed, samples
from tests.provider import Exchange, answering, answering_after, answering_once
from tests.test_insights import HONEST, saying

pytestmark = pytest.mark.slow

LEASE_SECONDS = 2.0


@pytest.fixture
def mortal(home: Home) -> Home:
    """A home with a short lease."""
    home.set(SECONDLOOK_LEASE_SECONDS=str(LEASE_SECONDS))
    return home


def statuses(home: Home) -> list[str]:
    """Each run's status, oldest first."""
    return [run["status"] for run in home.runs()]


def stop(process: Process, home: Home) -> None:
    """Stop a worker, but not in the middle of a write: nobody else could write before it went on."""

    def stopped() -> bool:
        os.kill(process.pid, signal.SIGSTOP)
        with closing(sqlite3.connect(home.data / "ledger.db", timeout=0.2, isolation_level=None)) as ledger:
            try:
                ledger.execute("begin immediate")
            except sqlite3.OperationalError:
                os.kill(process.pid, signal.SIGCONT)
                return False
            ledger.execute("rollback")
            return True

    eventually(stopped)


def resume(home: Home) -> list[str]:
    """What `resume` executed, in this process: the final status of each run."""
    outcome = home.call("resume")
    assert outcome.code == 0, (outcome.out, outcome.err)
    return [run["status"] for run in outcome.items]


def is_done(home: Home, *, requests: int = 1) -> None:
    """One run, done; one snapshot, the right one; the source marked."""
    assert statuses(home) == ["done"]
    (stored,) = home.snapshots()
    result = json.loads(stored["result"])
    assert (stored["id"], result["meta"]["snapshot_id"]) == (home.runs()[0]["run_id"], stored["id"])
    answer = home.sample.answer
    assert (result["demand"], result["decision_latency"]) == (answer["demand"], answer["decision_latency"])
    assert result["meta"]["generated_at"] == stored["generated_at"] == home.runs()[0]["generated_at"]
    assert home.status() == "snapshot_generated"
    assert len(home.provider.requests) == requests


def is_in_doubt(home: Home) -> None:
    """One run, its outcome unknown; nothing stored."""
    assert statuses(home) == ["in_doubt"]
    assert (home.snapshots(), home.status()) == ([], "bucketed")
    assert [call["outcome"] for call in home.calls()] == ["unknown"]


def stays_finished(home: Home) -> None:
    """However often `resume` and `snapshot` are asked for, what is finished stays as it is."""
    before = (home.runs(), home.calls(), home.snapshots(), home.status())
    requests = len(home.provider.requests)
    assert resume(home) == resume(home) == []
    assert home.snapshot().error["code"] in {"in_doubt", "source_not_bucketed"}
    assert (home.runs(), home.calls(), home.snapshots(), home.status()) == before
    assert len(home.provider.requests) == requests


# Where it dies, what the ledger holds then, the requests so far, and what `resume` makes of it.
POINTS = [
    pytest.param("Ledger.claim:after", "queued", 0, "done", id="claimed, before the call"),
    pytest.param("Ledger.begin_call:before", "queued", 0, "done", id="before the call is noted"),
    pytest.param("Client.ask:before", "calling", 0, "in_doubt", id="call noted, not sent"),
    pytest.param("Ledger.journal:before", "calling", 1, "in_doubt", id="answer arrived, not journaled"),
    pytest.param("Ledger.journal:after", "answered", 1, "done", id="journaled"),
    pytest.param("SqliteStore.save_snapshot:before", "answered", 1, "done", id="before the insert"),
    pytest.param("SqliteStore.save_snapshot:after", "answered", 1, "done", id="after the insert"),
    pytest.param("SqliteStore.mark_generated:before", "answered", 1, "done", id="before the status"),
    pytest.param("SqliteStore.mark_generated:after", "answered", 1, "done", id="after the status"),
    pytest.param("Ledger.finish:before", "answered", 1, "done", id="before done"),
]


@pytest.mark.parametrize(("point", "left", "requests", "end"), POINTS)
def test_killed_at(mortal: Home, point: str, left: str, requests: int, end: str) -> None:
    """A run killed here is left alone until its lease expires, and is then executed to its end."""
    assert killed(mortal.start("snapshot", mortal.sample.source_id, driver=point))
    assert statuses(mortal) == [left]
    assert len(mortal.provider.requests) == requests

    early = resume(mortal)
    assert mortal.lease_left() > 0, "the machine was too slow for this lease"
    assert early == []
    assert statuses(mortal) == [left]

    mortal.wait_for_lease()
    assert resume(mortal) == [end]
    if end == "done":
        is_done(mortal)
    else:
        is_in_doubt(mortal)
        assert len(mortal.provider.requests) == requests
    stays_finished(mortal)


INSIGHT_POINTS = [point for point in POINTS if not str(point.values[0]).startswith("SqliteStore")]
"""The same points of a run about insights, which stores nothing but in the journal."""


@pytest.mark.parametrize(("point", "left", "requests", "end"), INSIGHT_POINTS)
def test_insights_killed_at(mortal: Home, point: str, left: str, requests: int, end: str) -> None:
    """A run about a snapshot's insights that is killed here has at most one answered call."""
    assert mortal.snapshot().code == 0
    mortal.provider.requests.clear()
    (stored,) = mortal.snapshots()
    mortal.provider.behaviour = saying(*HONEST)
    assert killed(mortal.start("insights", stored["id"], driver=point))
    assert statuses(mortal) == ["done", left]
    assert len(mortal.provider.requests) == requests

    mortal.wait_for_lease()
    assert resume(mortal) == [end]
    assert len(mortal.provider.requests) == (1 if end == "done" else requests)
    answered = [call for call in mortal.calls() if call["task"] == INSIGHTS and call["outcome"] == "answered"]
    assert len(answered) == (end == "done")
    if end == "done":
        found = mortal.call("insights", stored["id"]).fields
        assert {each["by"] for each in (found["headline"], *found["insights"])} == {"agent"}
    else:
        assert mortal.call("insights", stored["id"]).error["code"] == "in_doubt"
    assert len(mortal.provider.requests) == (1 if end == "done" else requests)
    assert mortal.snapshots() == [stored]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_the_store_is_made(mortal: Home, moment: str) -> None:
    """Killed before the first commit of a new store: the next process makes it, whole."""
    (mortal.data / "store.db").unlink()
    assert killed(mortal.start("sources", driver=f"sqlite._create:{moment}"))

    outcome = mortal.call("sources")

    assert outcome.code == 0, outcome.out
    assert mortal.store("select count(*) as n from sources") == [{"n": 102}]
    assert mortal.snapshot().code == 0


def test_killed_before_anything_is_queued(mortal: Home) -> None:
    """A process that dies before its run is queued leaves nothing."""
    assert killed(mortal.start("snapshot", mortal.sample.source_id, driver="Ledger.submit:before"))

    assert (resume(mortal), mortal.runs(), mortal.provider.requests) == ([], [], [])
    assert mortal.snapshot().code == 0


def test_killed_once_queued(mortal: Home) -> None:
    """A queued run that nobody executes yet has no lease to wait for: `resume` picks it up at once."""
    assert killed(mortal.start("snapshot", mortal.sample.source_id, driver="Ledger.submit:after"))

    assert statuses(mortal) == ["queued"]
    assert resume(mortal) == ["done"]
    is_done(mortal)


def test_killed_when_done(mortal: Home) -> None:
    """A process that dies after its run is done has lost nothing but its words."""
    assert killed(mortal.start("snapshot", mortal.sample.source_id, driver="Ledger.finish:after"))

    is_done(mortal)
    stays_finished(mortal)


def test_killed_during_the_call(mortal: Home) -> None:
    """Killed while the server holds the answer: the run's outcome is unknown, for real processes as well."""
    mortal.provider.behaviour = lambda exchange: exchange.silence()
    process = mortal.start("snapshot", mortal.sample.source_id)
    eventually(lambda: mortal.provider.requests)
    process.kill()
    assert killed(process)

    assert resume(mortal) == []
    assert statuses(mortal) == ["calling"]
    mortal.wait_for_lease()
    resumed = mortal.run("resume")

    assert [run["status"] for run in resumed.items] == ["in_doubt"]
    is_in_doubt(mortal)
    stays_finished(mortal)
    mortal.provider.behaviour = answering(mortal.sample.answer)
    assert mortal.call("resend", resumed.items[0]["run_id"]).fields["attempts"] == 2
    is_done(mortal, requests=2)


def test_joining_waits_for_the_lease(mortal: Home) -> None:
    """`snapshot` of a source whose worker was killed joins its run, waits for the lease and finishes it."""
    assert killed(mortal.start("snapshot", mortal.sample.source_id, driver="Ledger.journal:after"))

    joined = mortal.snapshot()

    assert joined.fields["run_id"] == mortal.runs()[0]["run_id"]
    is_done(mortal)


def test_killed_again_and_again(mortal: Home) -> None:
    """A run whose every worker is killed one step further still makes one request and one snapshot."""
    mortal.set(SECONDLOOK_LEASE_SECONDS="0.5")
    points = [
        "Ledger.journal:after",
        "SqliteStore.save_snapshot:before",
        "SqliteStore.save_snapshot:after",
        "SqliteStore.mark_generated:after",
        "Ledger.finish:before",
    ]
    assert killed(mortal.start("snapshot", mortal.sample.source_id, driver=points[0]))
    for point in points[1:]:
        mortal.wait_for_lease()
        assert killed(mortal.start("resume", driver=point))
        assert statuses(mortal) == ["answered"]

    mortal.wait_for_lease()
    assert resume(mortal) == ["done"]
    is_done(mortal)
    stays_finished(mortal)


def test_killed_while_sending_again(mortal: Home) -> None:
    """`resend` killed during its call leaves its outcome unknown again; nothing goes out a third time."""
    mortal.provider.behaviour = lambda exchange: exchange.reset()
    run_id = mortal.snapshot().error["run_id"]

    assert killed(mortal.start("resend", run_id, driver="Ledger.end_call:before"))
    mortal.provider.behaviour = answering(mortal.sample.answer)
    mortal.wait_for_lease()

    assert statuses(mortal) == ["calling"]
    assert resume(mortal) == ["in_doubt"]
    assert len(mortal.provider.requests) == 2
    assert [call["outcome"] for call in mortal.calls()] == ["unknown", "unknown"]


def test_two_resume_at_once(mortal: Home) -> None:
    """Two processes that pick up the same queued run at the same moment make one request."""
    assert killed(mortal.start("snapshot", mortal.sample.source_id, driver="Ledger.submit:after"))
    inside = mortal.folder / "inside"
    mortal.provider.behaviour = answering_after(0.3, mortal.sample.answer)

    both = [mortal.start("resume", driver=f"Ledger.claim:says:{inside}") for _ in range(2)]

    assert [finish(process).code for process in both] == [0, 0]
    is_done(mortal)


def test_slow_call_keeps_its_lease(mortal: Home) -> None:
    """A living worker keeps its run however long the call takes: nobody else can claim it."""
    mortal.set(SECONDLOOK_LEASE_SECONDS="0.5")
    mortal.provider.behaviour = answering_after(1.8, mortal.sample.answer)
    process = mortal.start("snapshot", mortal.sample.source_id)
    eventually(lambda: mortal.provider.requests)

    seen: list[str] = []
    while not mortal.provider.answered:
        seen += resume(mortal)
        time.sleep(0.05)

    assert finish(process).code == 0
    assert seen == []
    is_done(mortal)


def test_stopped_worker(mortal: Home) -> None:
    """A stopped worker's run has an unknown outcome; awake, it journals the late answer and finishes it."""
    mortal.set(SECONDLOOK_LEASE_SECONDS="0.5")
    released: list[bool] = []
    mortal.provider.behaviour = answering_once(lambda: bool(released), mortal.sample.answer)
    process = mortal.start("snapshot", mortal.sample.source_id)
    eventually(lambda: mortal.provider.requests)
    stop(process, mortal)

    mortal.wait_for_lease()
    found = mortal.run("resume")
    assert [run["status"] for run in found.items] == ["in_doubt"]
    is_in_doubt(mortal)

    released.append(True)
    eventually(lambda: mortal.provider.answered)
    os.kill(process.pid, signal.SIGCONT)
    woken = finish(process)

    assert woken.code == 0, (woken.out, woken.err)
    assert woken.fields["run_id"] == found.items[0]["run_id"]
    is_done(mortal)
    stays_finished(mortal)


def test_stopped_before_the_call(mortal: Home) -> None:
    """A worker that slept through its lease before the call sends nothing: another has done it."""
    mortal.set(SECONDLOOK_LEASE_SECONDS="0.5")
    inside = mortal.folder / "inside"
    process = mortal.start("snapshot", mortal.sample.source_id, driver=f"Ledger.begin_call:waits:{inside}")
    eventually(lambda: list(mortal.folder.glob("inside.*")))
    stop(process, mortal)

    mortal.wait_for_lease()
    assert resume(mortal) == ["done"]
    inside.touch()
    os.kill(process.pid, signal.SIGCONT)
    woken = finish(process)

    is_done(mortal)
    assert woken.code == 0, (woken.out, woken.err)
    assert woken.fields["run_id"] == mortal.runs()[0]["run_id"]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(60))
def test_soak(mortal: Home, seed: int) -> None:
    """Killed at a random moment, and its workers after it: at most one request, at most one snapshot."""
    chance = random.Random(seed)  # noqa: S311 -- moments, not secrets
    mortal.set(SECONDLOOK_LEASE_SECONDS="0.5")
    sample: Sample = samples()[0]
    mortal.provider.behaviour = answering_after(chance.uniform(0, 0.2), sample.answer)

    def kill_after(seconds: float, *arguments: str) -> None:
        process = mortal.start(*arguments)
        time.sleep(seconds)
        process.kill()
        process.communicate()

    kill_after(chance.uniform(0.7, 2.2), "snapshot", sample.source_id)
    for _ in range(chance.randrange(3)):
        time.sleep(chance.uniform(0, 0.6))
        kill_after(chance.uniform(0.5, 1.5), "resume")
    if not (mortal.data / "ledger.db").exists() or not mortal.runs():
        assert mortal.provider.requests == []
        return
    eventually(lambda: mortal.lease_left() < 0)
    resume(mortal)

    assert len(mortal.provider.requests) <= 1
    if statuses(mortal) == ["in_doubt"]:
        is_in_doubt(mortal)
    else:
        is_done(mortal)
    stays_finished(mortal)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_soak_many_workers(mortal: Home, seed: int) -> None:
    """Twelve sources and workers that are killed all the time: each ends once, and is asked for once."""
    chance = random.Random(seed)  # noqa: S311 -- moments, not secrets
    mortal.set(SECONDLOOK_LEASE_SECONDS="0.5")
    chosen = samples()[:12]
    texts = {json.dumps(sample.answer["demand"]["weekly_volume"]): sample for sample in chosen}
    assert len(texts) == len(chosen)

    def behave(exchange: Exchange) -> None:
        exchange.pause(chance.uniform(0, 0.3))
        prompt = exchange.request.body["messages"][-1]["content"]
        asked = mortal.ledger(
            "select source_id from runs where json_extract(request, '$.messages[1].content') = ?", prompt
        )
        (sample,) = [sample for sample in chosen if sample.source_id == asked[0]["source_id"]]
        answering(sample.answer)(exchange)

    mortal.provider.behaviour = behave
    for sample in chosen:
        assert killed(mortal.start("snapshot", sample.source_id, driver="Ledger.submit:after"))
    end = time.monotonic() + 25
    while time.monotonic() < end and set(statuses(mortal)) & {"queued", "calling", "answered"}:
        processes = [mortal.start("resume") for _ in range(2)]
        time.sleep(chance.uniform(1.0, 3.0))
        for process in processes:
            process.kill()
            process.communicate()
    eventually(lambda: mortal.lease_left() < 0)
    resume(mortal)

    ended = statuses(mortal)
    assert set(ended) <= {"done", "in_doubt"}
    assert len(mortal.snapshots()) == ended.count("done")
    assert len({row["source_id"] for row in mortal.snapshots()}) == ended.count("done")
    sent = [request.raw for request in mortal.provider.requests]
    assert len(sent) == len(set(sent)) <= len(chosen)
