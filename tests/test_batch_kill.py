"""Kill -9 of processes that execute a batch, at any point: nothing paid twice, no run lost or stuck.

Whoever is left, or comes next, goes on with it. The outcome of a run whose worker died with its request out
is unknown; everything else comes to its end. They are `batch --resume` on SQLite, and `worker` on Postgres.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from secondlook.domain.batches import Batch
from tests.batching import Weather, fill, new_batch
from tests.examples import NOBODY
from tests.ledger.executing import Where, query
from tests.postgres_server import PostgresServer
from tests.processes import Home, Process, eventually, killed

pytestmark = pytest.mark.slow

END_SECONDS = 60
"""Nothing of a batch may be stuck for longer, once somebody executes it."""


@pytest.fixture
def weather(home: Home) -> Weather:
    """The provider answers whatever source it is asked of; leases are short."""
    home.set(SECONDLOOK_LEASE_SECONDS="1", SECONDLOOK_CONCURRENCY="8", SECONDLOOK_AGENT_RETRIES="2")
    made = Weather(seconds=0.2)
    home.provider.behaviour = made
    return made


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(home: Home, request: pytest.FixtureRequest) -> Where:
    """Where the ledger is, of either kind; on Postgres, workers execute the runs."""
    if request.param == "sqlite":
        return home.data / "ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.empty_schema()
    home.set(SECONDLOOK_LEDGER_URL=url, SECONDLOOK_CARRY="workers")
    return url


def resumed(home: Home, batch_id: str) -> dict[str, Any]:
    """The batch as the next worker leaves it, that nobody kills."""
    started = time.monotonic()
    outcome = home.call("batch", "--user", NOBODY, "--resume", batch_id)
    assert outcome.code == 0, (outcome.out, outcome.err)
    assert time.monotonic() - started < END_SECONDS
    return outcome.fields


def holds(home: Home, ledger: Where, weather: Weather, told: dict[str, Any], sources: int) -> None:
    """What is true of a batch that has ended, whoever was killed on the way."""
    assert told["status"] == "ended"
    runs = query(ledger, "select run_id, status, attempts from runs")
    statuses = Counter(status for _, status, _ in runs)
    assert (len(runs), statuses) == (sources, told["counts"])
    assert set(statuses) <= {"done", "in_doubt"}
    assert max(weather.answered.values()) == 1, "an answer was paid for twice"
    kept = query(ledger, "select run_id from calls where outcome = 'answered'")
    assert len(kept) == len(set(kept)) == statuses["done"] == len(home.snapshots())
    assert len({row["source_id"] for row in home.snapshots()}) == statuses["done"]
    lost = sum(weather.answered.values()) - statuses["done"]
    assert 0 <= lost <= statuses["in_doubt"], "a lost answer without a run whose outcome is unknown"
    assert all(attempts == 1 for _, _, attempts in runs)
    assert query(ledger, "select count(*) from runs where owner is not null") == [(0,)]


# -- at random moments ----------------------------------------------------------------------------------


@dataclass
class Workers:
    """Processes that execute a batch; one that dies is followed by another."""

    home: Home
    ledger: Where
    weather: Weather
    chance: random.Random
    batch: Batch

    def start(self) -> Process:
        """One more, that executes runs as soon as it can."""
        if isinstance(self.ledger, str):
            return self.home.start("worker", "--concurrency", "8")
        return self.home.start("batch", "--user", NOBODY, "--resume", self.batch.batch_id)

    def die(self, number: int, deaths: int) -> None:
        """Have so many at a time, and kill one of them so many times, at moments all over the batch."""
        workers = [self.start() for _ in range(number)]
        # Not at the very end: the victim could be through.
        for sent in sorted(self.chance.sample(range(1, self.batch.total - 16), deaths)):
            eventually(lambda sent=sent: len(self.weather.arrivals) >= sent, END_SECONDS)
            time.sleep(self.chance.uniform(0, self.weather.seconds))  # anywhere between two requests
            victim = workers.pop(self.chance.randrange(len(workers)))
            victim.kill()
            assert killed(victim)
            workers.append(self.start())

    def end(self) -> dict[str, Any]:
        """Wait until nothing goes on; those that execute are left alone."""
        batches = self.home.services().batches
        eventually(lambda: str(batches.get(self.batch.batch_id, NOBODY).status) == "ended", END_SECONDS)
        return resumed(self.home, self.batch.batch_id)


def die_again_and_again(
    home: Home, ledger: Where, weather: Weather, chance: random.Random, *, number: int, deaths: int
) -> None:
    """A batch of 60 whose workers are killed at random moments, and what it comes to."""
    fill(home, 60)
    if isinstance(ledger, str):
        # Who began it dies, too: it has only submitted.
        beginner = home.start("batch", "--user", NOBODY)
        batches = home.services().batches
        eventually(lambda: set(batches.statuses(NOBODY).values()) == {"running"}, END_SECONDS)
        beginner.kill()
        assert killed(beginner)
        (batch,) = batches.list(NOBODY)
    else:
        batch = new_batch(home)
    workers = Workers(home, ledger, weather, chance, batch)
    workers.die(number, deaths)
    holds(home, ledger, weather, workers.end(), 60)


@pytest.mark.parametrize("number", [1, 2])
def test_killed_at_random(home: Home, ledger: Where, weather: Weather, number: int) -> None:
    """Twice, in the middle of it: the only one that executes, and one of two."""
    chance = random.Random(number)  # noqa: S311 -- moments, not secrets
    die_again_and_again(home, ledger, weather, chance, number=number, deaths=2)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("number", [1, 2])
def test_soak_killed_at_random(home: Home, ledger: Where, weather: Weather, number: int, seed: int) -> None:
    """At other moments, more often, with other answers' times and the leases of real life."""
    chance = random.Random(seed)  # noqa: S311 -- moments, not secrets
    if seed % 2:
        home.set(SECONDLOOK_LEASE_SECONDS="15")
    weather.seconds = chance.uniform(0.05, 1)
    die_again_and_again(home, ledger, weather, chance, number=number, deaths=chance.randrange(3, 8))


# -- at each step ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point",
    [
        "Batches.release:before",
        "Batches.release:after",
        "Ledger.claim:after",
        "Ledger.begin_call:before",
        "Ledger.begin_call:after",
        "Ledger.journal:before",
        "Ledger.journal:after",
        "SqliteStore.save_snapshot:after",
        "SqliteStore.mark_generated:after",
        "Ledger.finish:before",
        "Ledger.finish:after",
    ],
)
def test_killed_at(home: Home, weather: Weather, point: str) -> None:
    """At each step of its first run to come there; the next process ends the batch."""
    weather.seconds = 0.05
    fill(home, 10)
    batch_id = new_batch(home).batch_id
    assert killed(home.start("batch", "--user", NOBODY, "--resume", batch_id, driver=point))
    holds(home, home.data / "ledger.db", weather, resumed(home, batch_id), 10)


@pytest.mark.parametrize("point", ["Batches.open:before", "Batches._queue:before", "Batches._queue:after"])
def test_killed_while_queueing(home: Home, weather: Weather, point: str) -> None:
    """Nothing was sent before all were queued; what was queued can be gone on with."""
    fill(home, 4)
    assert killed(home.start("batch", "--user", NOBODY, driver=point))
    assert weather.arrivals == []
    made = home.services().batches.list(NOBODY)
    assert [str(batch.status) for batch in made] == ["filling"] * (point != "Batches.open:before")
    for batch in made:
        holds_of = 4 if point.endswith(":after") else 0
        told = resumed(home, batch.batch_id)
        assert (told["status"], sum(told["counts"].values())) == ("ended", holds_of)
    assert home.call("batch", "--user", NOBODY).code == (1 if point.endswith("_queue:after") else 0)
    assert weather.answered == dict.fromkeys(range(4), 1)


def test_killed_while_it_waits(home: Home, weather: Weather) -> None:
    """A run that waits to be sent again is sent again by the next process, and has one answer."""
    weather.shares = {"429": 1.0}
    fill(home, 3)
    batch_id = new_batch(home).batch_id
    assert killed(home.start("batch", "--user", NOBODY, "--resume", batch_id, driver="Ledger.postpone:after"))
    weather.shares = {}
    told = resumed(home, batch_id)
    statuses = told["counts"]
    assert statuses.get("done", 0) + statuses.get("in_doubt", 0) == 3
    assert statuses.get("done", 0) >= 1
    assert max(weather.answered.values()) == 1
