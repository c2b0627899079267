"""A batch while the ground moves: its database restarts, its disk is full, its clock is set back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.batching import Weather, fill, new_batch
from tests.examples import NOBODY
from tests.ledger.executing import query
from tests.postgres_server import PostgresServer
from tests.processes import Home, Process, eventually, finish, killed

pytestmark = pytest.mark.slow

SOURCES = 60
END_SECONDS = 60
"""Nothing of a batch may be stuck for longer, once the ground stands still."""


@pytest.fixture
def weather(home: Home) -> Weather:
    """The provider answers whatever source it is asked of; leases are short."""
    home.set(SECONDLOOK_LEASE_SECONDS="2", SECONDLOOK_CONCURRENCY="8", SECONDLOOK_AGENT_RETRIES="2")
    made = Weather(seconds=0.3)
    home.provider.behaviour = made
    return made


def resuming(home: Home, batch_id: str, *, driver: str | None = None) -> Process:
    """A process that goes on with a batch."""
    return home.start("batch", "--user", NOBODY, "--resume", batch_id, driver=driver)


def ended(process: Process) -> Counter[str]:
    """What a batch came to whose process ends on its own, in time."""
    outcome = finish(process, END_SECONDS)
    assert outcome.code == 0, (outcome.out, outcome.err)
    assert "Traceback" not in outcome.err
    assert outcome.fields["status"] == "ended"
    return Counter(outcome.fields["counts"])


def paid_once(home: Home, weather: Weather, counts: Counter[str], *, lost: bool = False) -> None:
    """No source was answered twice and no run is missing; only where somebody died any outcome is unknown."""
    assert counts.total() == SOURCES
    assert set(counts) <= ({"done", "in_doubt"} if lost else {"done"})
    assert max(weather.answered.values()) == 1
    assert counts["done"] == len(home.snapshots()) == len({row["source_id"] for row in home.snapshots()})
    assert 0 <= weather.answered.total() - counts["done"] <= counts["in_doubt"]


# -- the database restarts ------------------------------------------------------------------------------


@pytest.mark.parametrize("executed_by", ["command", "two workers"])
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(None, id="in order", marks=pytest.mark.soak),
        pytest.param(signal.SIGQUIT, id="crash"),
    ],
)
def test_restarted(
    home: Home,
    weather: Weather,
    postgres_server: PostgresServer,
    how: signal.Signals | None,
    executed_by: str,
) -> None:
    """Postgres stops in the middle and comes back: answers wait for it, and all continues unattended."""
    url = postgres_server.empty_schema()
    home.set(SECONDLOOK_LEDGER_URL=url)
    fill(home, SOURCES)
    if executed_by == "two workers":
        home.set(SECONDLOOK_CARRY="workers")
    batch = new_batch(home)
    if executed_by == "two workers":
        workers = [home.start("worker", "--concurrency", "8") for _ in range(2)]
    else:
        workers = [resuming(home, batch.batch_id)]
    eventually(lambda: len(weather.arrivals) >= 15, END_SECONDS)
    try:
        postgres_server.stop(how)
        eventually(lambda: not weather.inside)  # every answer has come, and cannot be kept
    finally:
        postgres_server.start()

    def finished() -> bool:
        return query(url, "select count(*) from runs where status <> 'done'") == [(0,)]

    eventually(finished, END_SECONDS)
    assert query(url, "select count(*) from calls") == [(SOURCES,)]
    if executed_by == "command":
        assert ended(workers[0]) == {"done": SOURCES}
    else:
        assert [worker.poll() for worker in workers] == [None, None]
    paid_once(home, weather, Counter(done=SOURCES))


# -- the disk is full -----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(home: Home) -> Generator[Path]:
    """The data folder on a disk of its own, of 32 MiB."""
    store = (home.data / "store.db").read_bytes()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(home.data)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    (home.data / "store.db").write_bytes(store)
    yield home.data
    home.close()
    subprocess.run(["/bin/umount", "--lazy", str(home.data)], check=True)


def fill_up(folder: Path) -> Path:
    """Take every byte that is left of a disk; the file that took them."""
    filler = folder / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(folder).free == 0
    return filler


@pytest.mark.parametrize(
    "dies", [pytest.param(False, id="lives"), pytest.param(True, id="dies", marks=pytest.mark.soak)]
)
def test_full_disk(home: Home, weather: Weather, small_disk: Path, *, dies: bool) -> None:
    """Nothing is sent while the disk is full; answers wait for room, or are lost with their process."""
    fill(home, SOURCES)
    batch = new_batch(home)
    process = resuming(home, batch.batch_id)
    eventually(lambda: len(weather.arrivals) >= 15, END_SECONDS)
    filler = fill_up(small_disk)
    time.sleep(1)  # what had been let out just before is on its way
    eventually(lambda: not weather.inside and len(weather.arrivals) == len(home.calls()))
    sent = len(weather.arrivals)
    time.sleep(1)
    assert len(weather.arrivals) == sent < SOURCES
    if dies:
        process.kill()
        assert killed(process)
    filler.unlink()
    if dies:
        process = resuming(home, batch.batch_id)
    paid_once(home, weather, ended(process), lost=dies)


# -- the clock is set back ------------------------------------------------------------------------------


class Clock:
    """The wall clock of the processes that a test starts from now on; it can be set while they run."""

    def __init__(self, home: Home) -> None:
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        if not found:
            message = "a clock cannot be set without libfaketime (Debian: apt-get install faketime)"
            if "CI" in os.environ:
                pytest.fail(message)
            pytest.skip(message)
        self._file = home.folder / "clock"
        self.set_by(0)
        home.env.update(
            LD_PRELOAD=str(found[0]),
            FAKETIME_TIMESTAMP_FILE=str(self._file),
            FAKETIME_CACHE_DURATION="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
            NO_FAKE_STAT="1",
        )

    def set_by(self, seconds: int) -> None:
        """Set it, as far off as this."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}")
        new.rename(self._file)


@pytest.mark.parametrize(
    "dies", [pytest.param(False, id="lives"), pytest.param(True, id="dies", marks=pytest.mark.soak)]
)
def test_clock_set_back(home: Home, weather: Weather, *, dies: bool) -> None:
    """By an hour: no lease, wait or rate of the time before lasts for that hour."""
    clock = Clock(home)
    weather.shares = {"429": 0.1}
    fill(home, SOURCES)
    batch = new_batch(home, per_minute=6000)
    process = resuming(home, batch.batch_id, driver="faketime")
    eventually(lambda: len(weather.arrivals) >= 15, END_SECONDS)
    clock.set_by(-3600)
    if dies:
        process.kill()
        assert killed(process)
        process = resuming(home, batch.batch_id, driver="faketime")
    weather.shares = {}
    paid_once(home, weather, ended(process), lost=dies)
