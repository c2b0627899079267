"""Batches from the command line, on a real server: what is sent, how fast, what becomes of each run."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from secondlook.domain.access import Access
from secondlook.domain.batches import BatchStatus
from secondlook.execution.batches import Selection, begin, execute
from secondlook.execution.runner import Runner
from secondlook.ledger.batches import Batches
from secondlook.pipeline import retries
from tests.batching import Weather, fill, new_batch
from tests.examples import NOBODY, OTHER_USER, SOURCE, USER
from tests.ledger.executing import Where, query
from tests.postgres_server import PostgresServer
from tests.processes import Home, eventually, finish
from tests.tables import EmbeddedTables


@pytest.fixture
def weather(home: Home, monkeypatch: pytest.MonkeyPatch) -> Weather:
    """The provider answers whatever source it is asked of; waits are short."""
    monkeypatch.setattr(retries, "_FIRST_SECONDS", 0.05)
    made = Weather()
    home.provider.behaviour = made
    return made


def batch(home: Home, *options: str) -> dict[str, Any]:
    """`secondlook batch` of NOBODY's sources, in this process, to its end."""
    outcome = home.call("batch", "--user", NOBODY, *options)
    assert outcome.code == 0, (outcome.out, outcome.err)
    return outcome.fields


def statuses(home: Home) -> Counter[str]:
    """How many runs there are in each status."""
    return Counter(run["status"] for run in home.runs())


@contextmanager
def executing(home: Home) -> Generator[Runner]:
    """Something in this process that executes what batches release."""
    runner = Runner(home.services())
    with runner.sweeping():
        yield runner


def agrees_with_its_tables(home: Home, told: dict[str, Any]) -> None:
    """What a batch says of itself is what the ledger's tables say."""
    mine = [run for run in home.runs() if run["batch_id"] == told["batch_id"]]
    ids = {run["run_id"] for run in mine}
    assert told["counts"] == Counter(run["status"] for run in mine)
    assert told["failures"] == Counter(run["error_code"] for run in mine if run["status"] == "failed")
    costs = [call["cost_nanousd"] for call in home.calls() if call["run_id"] in ids and call["cost_nanousd"]]
    assert told["cost_usd"] == pytest.approx(sum(costs) / 1e9, abs=1e-12)


def test_every_source_gets_its_snapshot(home: Home, weather: Weather) -> None:
    """All that can be run are run, once each; the command waits for the end and says what it was."""
    ids = fill(home, 20)
    told = batch(home, "--concurrency", "4")
    assert (told["status"], told["counts"]) == ("ended", {"done": 20})
    assert sorted(row["source_id"] for row in home.snapshots()) == sorted(ids)
    assert weather.answered == dict.fromkeys(range(20), 1)
    assert told["cost_usd"] > 0
    agrees_with_its_tables(home, told)


def storm(home: Home, weather: Weather, *, concurrency: int) -> None:
    """200 sources, answers after a second, bad weather and real waits; and what must hold of them."""
    home.set(SECONDLOOK_AGENT_RETRIES="", SECONDLOOK_CONCURRENCY=str(concurrency))  # retries: the default
    weather.seconds = 1
    weather.shares = {"429": 0.05, "500": 0.02, "reset": 0.01}
    fill(home, 200)
    outcome = finish(home.start("batch", "--user", NOBODY), 120)
    assert outcome.code == 0, (outcome.out, outcome.err)
    told, runs, calls = outcome.fields, home.runs(), home.calls()
    assert (told["status"], len(runs)) == ("ended", 200)
    assert set(statuses(home)) <= {"done", "failed", "in_doubt"}
    assert all((run["error"] is None) == (run["status"] == "done") for run in runs)
    answered = {call["run_id"] for call in calls if call["outcome"] == "answered"}
    assert home.provider.answered == len(answered) == statuses(home)["done"] == len(home.snapshots())
    assert max(weather.answered.values()) == 1
    assert statuses(home)["in_doubt"] == weather.did["reset"]
    outcomes = Counter(call["outcome"] for call in calls)
    assert outcomes["not_processed"] == weather.did["429"] > 0
    assert outcomes["refused"] == weather.did["500"]
    assert weather.did["500"] + weather.did["reset"] > 0
    agrees_with_its_tables(home, told)


def test_bad_weather(home: Home, weather: Weather) -> None:
    """Every run ends, with its reason; the server counts as many answers as there are runs with one."""
    storm(home, weather, concurrency=64)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_soak_bad_weather(home: Home, weather: Weather, seed: int) -> None:
    """With other weather, and as many at a time as by default."""
    weather.chance.seed(seed)
    storm(home, weather, concurrency=8)


@pytest.mark.parametrize(
    ("retries", "seconds", "refusal", "attempts"),
    [
        pytest.param("2", "", "429 quota", 1, id="no wait helps a quota"),
        pytest.param("0", "", "429", 1, id="none by the setting"),
        pytest.param("2", "", "503", 3, id="two more"),
        pytest.param("9", "0", "429", 1, id="no time left"),
    ],
)
def test_how_often_a_run_is_sent(
    home: Home, weather: Weather, retries: str, seconds: str, refusal: str, attempts: int
) -> None:
    """As often as settings and refusal allow, and no more, also where all requests are refused."""
    home.set(SECONDLOOK_AGENT_RETRIES=retries, SECONDLOOK_RETRY_SECONDS=seconds)
    weather.shares = {refusal: 1.0}
    fill(home, 3)
    assert batch(home)["failures"] == {"provider_error": 3}
    assert [run["attempts"] for run in home.runs()] == [attempts] * 3
    assert len(home.provider.requests) == 3 * attempts


def test_time_in_the_queue_is_no_time_of_the_run(home: Home, weather: Weather) -> None:
    """SECONDLOOK_RETRY_SECONDS counts from a run's own begin: the last of a long batch is tried again too."""
    home.set(SECONDLOOK_AGENT_RETRIES="2", SECONDLOOK_RETRY_SECONDS="60")
    fill(home, 1)
    made = new_batch(home)
    home.ledger("update runs set created_at = created_at - 3600")
    weather.shares = {"429": 1.0}
    execute(Runner(home.services()), made)
    assert [run["attempts"] for run in home.runs()] == [3]


def test_a_persons_run_is_sent_again_too(home: Home, weather: Weather) -> None:
    """`snapshot` waits for what was not processed, and ends with one answer."""
    home.set(SECONDLOOK_AGENT_RETRIES="2")
    weather.shares = {"429": 1.0}
    (source,) = fill(home, 1)
    process = home.start("snapshot", source, "--user", NOBODY)
    eventually(lambda: weather.did["429"])
    weather.shares = {}
    made = finish(process)
    assert (made.code, made.fields["attempts"]) == (0, 2), (made.out, made.err)


# -- budgets --------------------------------------------------------------------------------------------


def test_a_budget_for_ten(home: Home, weather: Weather) -> None:
    """Of fifty sources exactly ten are sent, and forty are refused with the figures."""
    home.set(SECONDLOOK_BUDGET_USER_DAY_CALLS="10")
    fill(home, 50)
    told = batch(home)
    assert len(home.provider.requests) == sum(weather.answered.values()) == 10
    assert (told["counts"], told["failures"]) == ({"done": 10, "failed": 40}, {"over_budget": 40})
    assert told["status"] == "ended"
    refused = [run for run in home.runs() if run["status"] == "failed"]
    assert {json.loads(run["error"])["message"] for run in refused} == {
        "The budget of 10 calls a day for this user is spent: 10 of 10 used"
    }
    assert {run["attempts"] for run in refused} == {0}
    agrees_with_its_tables(home, told)


def test_what_was_not_processed_is_refunded(home: Home, weather: Weather) -> None:
    """A refused request takes nothing off a budget: three calls are enough for three sources."""
    home.set(SECONDLOOK_BUDGET_USER_DAY_CALLS="3", SECONDLOOK_AGENT_RETRIES="9", SECONDLOOK_CONCURRENCY="1")
    weather.shares = {"429": 0.5}
    fill(home, 3)
    assert batch(home)["counts"] == {"done": 3}
    assert weather.did["429"] > 0


# -- which sources --------------------------------------------------------------------------------------


def test_a_dry_run_sends_nothing(home: Home) -> None:
    """It says how many there would be, and what they would cost; there is no batch and no run."""
    ids = fill(home, 3)
    EmbeddedTables(home.data / "store.db").set_status(ids[0], "ingested")
    told = batch(home, "--dry-run")
    assert (told["sources"], told["runnable"], told["refused"]) == (2, 2, {})
    assert told["tokens"] > 0
    assert told["cost_usd"] > 0
    assert (told["allowed"], told["refusal"]) == (2, None)
    home.set(SECONDLOOK_BUDGET_USER_DAY_CALLS="1")
    told = batch(home, "--dry-run")
    assert told["allowed"] == 1
    assert "holds 1 of these 2 calls: 0 of 1 used" in told["refusal"]
    assert home.provider.requests == home.services().batches.list(NOBODY) == []
    assert home.runs() == []


@pytest.mark.usefixtures("weather")
def test_named_sources(home: Home) -> None:
    """Those alone, each once however often it is named."""
    ids = fill(home, 4)
    told = batch(home, "--source", ids[2], ids[0], ids[2].upper())
    assert told["counts"] == {"done": 2}
    assert {run["source_id"] for run in home.runs()} == {ids[0], ids[2]}


@pytest.mark.parametrize(
    ("source", "user"),
    [
        pytest.param("c0000000-0000-4000-9000-000000000000", OTHER_USER, id="another's"),
        pytest.param(SOURCE, NOBODY, id="unknown"),
        pytest.param("x", NOBODY, id="malformed"),
    ],
)
def test_a_source_that_is_not_there(home: Home, source: str, user: str) -> None:
    """The same refusal for each, and nothing is queued."""
    fill(home, 1)
    error = home.call("batch", "--user", user, "--source", source).error
    assert (error["code"], error["message"]) == ("source_not_found", "Invalid source_id: not found")
    assert home.services().ledger.list(user) == home.services().batches.list(user) == []


def test_a_second_batch_leaves_out_what_is_unsettled(home: Home, weather: Weather) -> None:
    """Of the same sources only those are queued that no other run is on its way for."""
    fill(home, 4)
    first = new_batch(home)
    fill(home, 2, first=4)
    second = new_batch(home)
    assert (first.total, second.total, second.skipped) == (4, 2, {"unsettled": 4})
    with executing(home):
        eventually(lambda: statuses(home) == {"done": 6})
    assert weather.answered == dict.fromkeys(range(6), 1)


def test_a_source_that_is_done_while_a_batch_reads(home: Home, weather: Weather) -> None:
    """Read while its run was under way, queued when that had ended: it is not paid for twice."""
    fill(home, 3)
    first = new_batch(home)
    services = home.services()
    queue, executed = Batches._queue, list[BatchStatus]()  # pyright: ignore[reportPrivateUsage]

    def queue_late(self: Batches, *arguments: Any) -> int | None:  # noqa: ANN401 -- as they come
        home.monkeypatch.setattr(Batches, "_queue", queue)
        executed.append(execute(Runner(services), first).status)
        return queue(self, *arguments)

    home.monkeypatch.setattr(Batches, "_queue", queue_late)
    second = begin(services, Access(NOBODY), Selection(), concurrency=8)

    assert executed == [BatchStatus.ENDED]
    assert (second.total, second.skipped) == (0, {"unsettled": 3})
    assert execute(Runner(services), second).status is BatchStatus.ENDED
    assert weather.answered == dict.fromkeys(range(3), 1)


def test_two_batches_started_at_once(home: Home, weather: Weather) -> None:
    """Two processes begin a batch of the same sources and execute it: each source is sent once."""
    weather.seconds = 0.05
    fill(home, 24)
    both = [home.start("batch", "--user", NOBODY) for _ in range(2)]
    told = [finish(process) for process in both]
    assert {outcome.code for outcome in told} <= {0, 1}, [outcome.err for outcome in told]
    assert weather.answered == dict.fromkeys(range(24), 1)
    assert statuses(home) == {"done": 24}


# -- how fast -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "setting", "most"),
    [
        pytest.param("3", "8", 3, id="the batch's own"),
        pytest.param("8", "3", 3, id="that of all batches"),
    ],
)
def test_concurrency(home: Home, weather: Weather, option: str, setting: str, most: int) -> None:
    """As many requests at a time as allowed, as the server sees it: never more, and not fewer."""
    home.set(SECONDLOOK_CONCURRENCY=setting)
    weather.seconds = 0.2
    fill(home, 12)
    batch(home, "--concurrency", option)
    assert weather.most == most


def test_per_minute(home: Home, weather: Weather) -> None:
    """Runs are started at the rate that was asked for, with a second's worth at once at the most."""
    fill(home, 20)
    batch(home, "--per-minute", "300")
    times = sorted(at for at, _ in weather.arrivals)
    for index, first in enumerate(times):
        within = [at for at in times[index:] if at - first <= 1]
        assert len(within) <= 5 + 1 + 5, "a second's rate, the one that begins it, and the slack of a second"
    assert 2.5 < times[-1] - times[0] < 8


def test_a_provider_that_refuses_one_is_left_alone(home: Home, weather: Weather) -> None:
    """After a 429 with Retry-After nothing more of the batch goes out before."""
    home.set(SECONDLOOK_AGENT_RETRIES="2", SECONDLOOK_CONCURRENCY="1")
    refused: list[float] = []
    fill(home, 5)

    def behave(exchange: Any) -> None:  # noqa: ANN401 -- an exchange
        if not refused:
            refused.append(time.monotonic())
            exchange.reply("{}", status=429, headers={"retry-after": "1"})
            return
        weather(exchange)

    home.provider.behaviour = behave
    assert batch(home)["counts"] == {"done": 5}
    assert min(at for at, _ in weather.arrivals) - refused[0] >= 1


def test_announced_limits_slow_a_batch(home: Home, weather: Weather) -> None:
    """With no request left for a second, the next run is started after it; the server refuses none."""
    home.set(SECONDLOOK_CONCURRENCY="1")
    fill(home, 3)
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}
    weather.headers = headers
    assert batch(home)["counts"] == {"done": 3}
    times = [at for at, _ in weather.arrivals]
    assert all(later - earlier >= 0.99 for earlier, later in pairwise(times))


def test_two_batches_share(home: Home, weather: Weather) -> None:
    """A short batch that comes later does not wait for a long one: places go round."""
    home.set(SECONDLOOK_CONCURRENCY="4")
    weather.seconds = 0.1
    fill(home, 40, NOBODY)
    fill(home, 8, SOURCE, first=40)
    new_batch(home, user_id=NOBODY)
    new_batch(home, user_id=SOURCE)
    with executing(home):
        eventually(lambda: statuses(home) == {"done": 48}, 30)
    order = [index for _, index in weather.arrivals]
    assert max(order.index(index) for index in range(40, 48)) < 24
    assert weather.most <= 4


def test_a_person_is_not_delayed(home: Home, weather: Weather) -> None:
    """Somebody's own run begins at once while a batch has all its places taken."""
    home.set(SECONDLOOK_CONCURRENCY="2")
    weather.seconds = 0.5
    fill(home, 12)
    (own,) = fill(home, 1, USER, first=100)
    new_batch(home)
    with executing(home) as runner:
        eventually(lambda: weather.most == 2)
        pressed = time.monotonic()
        run = runner.submit(own, Access(USER))
        runner.start(run.run_id)
        eventually(lambda: [index for _, index in weather.arrivals if index == 100])
        assert next(at for at, index in weather.arrivals if index == 100) - pressed < 0.4
        home.services().batches.stop(home.services().batches.list(NOBODY)[0].batch_id, NOBODY)


# -- a person's decisions -------------------------------------------------------------------------------


def test_pause_and_resume(home: Home, weather: Weather) -> None:
    """Paused, what is in flight ends and nothing more goes out; resumed, the rest is done."""
    home.set(SECONDLOOK_CONCURRENCY="2")
    weather.seconds = 0.2
    fill(home, 10)
    made = new_batch(home)
    with executing(home):
        eventually(lambda: statuses(home)["done"] >= 2)
        assert batch(home, "--pause", made.batch_id)["status"] == "paused"
        eventually(
            lambda: not weather.inside and not statuses(home)["calling"] and not statuses(home)["answered"]
        )
        sent = len(weather.arrivals)
        time.sleep(0.8)
        assert len(weather.arrivals) == sent < 10
    assert batch(home, "--resume", made.batch_id)["counts"] == {"done": 10}
    assert weather.answered == dict.fromkeys(range(10), 1)


def test_stop(home: Home, weather: Weather) -> None:
    """Stopped, what is in flight ends, and the rest is cancelled; resumed, the rest is sent, each once."""
    home.set(SECONDLOOK_CONCURRENCY="2")
    weather.seconds = 0.3
    fill(home, 10)
    made = new_batch(home)
    with executing(home):
        eventually(lambda: weather.most == 2)
        assert batch(home, "--stop", made.batch_id)["status"] == "stopped"
    told = batch(home, "--stop", made.batch_id)
    assert told["status"] == "stopped"
    assert set(told["counts"]) == {"done", "cancelled"}
    assert told["counts"]["done"] == len(weather.arrivals) == sum(weather.answered.values())
    agrees_with_its_tables(home, told)
    told = batch(home, "--resume", made.batch_id)
    assert (told["status"], told["counts"]) == ("ended", {"done": 10})
    assert weather.answered == dict.fromkeys(range(10), 1)
    agrees_with_its_tables(home, told)


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_stop_while_it_is_filled(
    home: Home, weather: Weather, where: str, request: pytest.FixtureRequest
) -> None:
    """Stopped by another process while the first still queues: nothing more is queued, nothing is sent."""
    ledger: Where = home.data / "ledger.db"
    if where == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        ledger = server.empty_schema()
        home.set(SECONDLOOK_LEDGER_URL=ledger)
    fill(home, 203)
    inside = home.folder / "inside"
    filling = home.start("batch", "--user", NOBODY, driver=f"Batches._queue:waits 2:{inside}")
    eventually(lambda: list(home.folder.glob("inside.*")), 60)
    (made,) = home.services().batches.list(NOBODY)
    assert (made.status, made.counts) == (BatchStatus.FILLING, {"queued": 200})

    stopped = home.call("batch", "--user", NOBODY, "--stop", made.batch_id)
    inside.touch()
    filled = finish(filling)

    for told in (stopped, filled):
        assert told.code == 0, (told.out, told.err)
        assert (told.fields["status"], told.fields["counts"]) == ("stopped", {"cancelled": 200})
    assert query(ledger, "select status, count(*) from runs group by status") == [("cancelled", 200)]
    assert weather.arrivals == []
    assert batch(home, "--dry-run")["runnable"] == 203


@pytest.mark.parametrize(
    ("decision", "status"),
    [pytest.param("pause", "queued", id="paused"), pytest.param("stop", "failed", id="stopped")],
)
def test_a_request_in_flight_that_is_refused(
    home: Home, weather: Weather, decision: str, status: str
) -> None:
    """It is not sent again by a batch that was paused or stopped meanwhile, and is not left between."""
    home.set(SECONDLOOK_AGENT_RETRIES="5")
    weather.shares = {"429": 1.0}
    weather.seconds = 0.5
    fill(home, 1)
    made = new_batch(home)
    with executing(home):
        eventually(lambda: weather.arrivals)
        batch(home, f"--{decision}", made.batch_id)
        eventually(lambda: home.calls()[0]["outcome"])
        time.sleep(0.5)
    assert (statuses(home), len(weather.arrivals)) == ({status: 1}, 1)
    if decision == "pause":
        weather.shares = {}
        assert batch(home, "--resume", made.batch_id)["counts"] == {"done": 1}


@pytest.mark.parametrize("decision", ["pause", "resume", "stop"])
@pytest.mark.parametrize("batch_id", [pytest.param(None, id="another's"), SOURCE, "x"])
def test_a_batch_that_is_not_there(home: Home, decision: str, batch_id: str | None) -> None:
    """Unknown, malformed and another's: one answer, and nothing is changed."""
    fill(home, 1)
    made = new_batch(home)
    error = home.call("batch", "--user", USER, f"--{decision}", batch_id or made.batch_id).error
    assert (error["code"], error["message"]) == ("source_not_found", "Invalid batch_id: not found")
    assert home.services().batches.get(made.batch_id, NOBODY).status is BatchStatus.RUNNING
