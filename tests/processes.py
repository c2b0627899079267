"""A folder with its own store and ledger, and the command line on it: in this process or in real ones."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeAlias, TypeVar

import pytest

from secondlook.cli import main
from secondlook.services import Services, connect
from secondlook.stores.samples import PRACTICE_USERS, practice_sources
from secondlook.stores.sqlite import SqliteStore
from tests.forked import Forked
from tests.provider import Json, Provider, answering, right_answer

ROOT = Path(__file__).resolve().parent.parent
DRIVER = Path(__file__).with_name("kill_driver.py")
API_KEY = "sk-test-Zq81mWv5LpX0tYb7"
USER, OTHER_USER = PRACTICE_USERS
Process: TypeAlias = subprocess.Popen[str] | Forked
T = TypeVar("T")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def race(work: Callable[[int], T], threads: int = 8) -> list[T]:
    """What threads get that do the same at the same moment, each by its number."""
    start = threading.Barrier(threads)

    def run(number: int) -> T:
        start.wait(20)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def at_once(script: str, *each: Sequence[str]) -> list[str]:
    """What Python processes print that run a script, each with its own arguments, and go on together.

    The script prints "ready" and reads a line before it does what is to happen at the same moment.
    """
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for arguments in each
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60)[0] for process in started]
        assert [process.returncode for process in started] == [0] * len(started)
        return said
    finally:
        for process in started:
            process.kill()
            process.communicate()


@dataclass(frozen=True)
class Sample:
    """A source that can be run, and the one right answer for its buckets."""

    source_id: str
    name: str
    buckets: Json
    answer: Json


@cache
def samples() -> list[Sample]:
    """The first user's sample sources that can be run and whose buckets add up."""
    found = [
        Sample(
            str(made.source["id"]), str(made.source["source_name"]), made.buckets, right_answer(made.buckets)
        )
        for made in practice_sources()
        if made.source["user_id"] == USER and made.source["status"] == "bucketed" and made.buckets is not None
    ]
    return [sample for sample in found if sample.answer["meta"]["estimate_count"] >= 25]


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def fields(self) -> Json:
        """The JSON object it printed."""
        return json.loads(self.out)

    @property
    def items(self) -> list[Json]:
        """The JSON list it printed."""
        return json.loads(self.out)

    @property
    def error(self) -> Json:
        """The error it printed with --json."""
        assert self.code == 1, (self.out, self.err)
        return self.fields["error"]


@dataclass
class Home:
    """A data folder filled with the practice data, a provider, and the environment that joins them."""

    folder: Path
    provider: Provider
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    env: dict[str, str] = field(default_factory=dict[str, str])
    started: list[Process] = field(default_factory=list[Process])

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def sample(self) -> Sample:
        """The source that most tests use."""
        return samples()[0]

    def set(self, **values: str) -> None:
        """Change the environment of everything that is started from now on."""
        for name, value in values.items():
            self.env[name] = value
            self.monkeypatch.setenv(name, value)

    # -- commands ---------------------------------------------------------------------------------------

    def call(self, *arguments: str) -> Outcome:
        """Run a command in this process, with --json."""
        self.capsys.readouterr()
        code = main([*arguments, "--json"])
        out, err = self.capsys.readouterr()
        return Outcome(code, out, err)

    def start(
        self, *arguments: str, driver: str | None = None, before: Callable[[], None] | None = None
    ) -> Process:
        """Start a command as a real process, with --json; `driver` names where it dies (kill_driver.py)."""
        if before is None and arguments[0] != "serve" and "LD_PRELOAD" not in self.env:
            process = Forked((*arguments, "--json"), self.folder, self.env, driver)
        else:
            process = self.exec(*arguments, driver=driver, before=before)
        self.started.append(process)
        return process

    def exec(
        self, *arguments: str, driver: str | None = None, before: Callable[[], None] | None = None
    ) -> subprocess.Popen[str]:
        """Likewise from the very beginning, as a shell does."""
        command = ["-m", "secondlook"] if driver is None else [str(DRIVER), driver]
        return subprocess.Popen(
            [sys.executable, *command, *arguments, "--json"],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,  # noqa: PLW1509 -- a limit on the child alone; it starts no threads before exec
        )

    def run(
        self, *arguments: str, driver: str | None = None, before: Callable[[], None] | None = None
    ) -> Outcome:
        """Run a command as a real process, to its end."""
        return finish(self.start(*arguments, driver=driver, before=before))

    def snapshot(self, *options: str) -> Outcome:
        """`secondlook snapshot` of the sample, in this process."""
        return self.call("snapshot", self.sample.source_id, *options)

    def services(self) -> Services:
        """The parts that a command in this process works with."""
        return connect()

    def close(self) -> None:
        """End what this test started; what it opened here is closed by conftest, after the provider."""
        for process in self.started:
            process.kill()
            process.communicate()
        self.provider.close()

    # -- what is in the files ---------------------------------------------------------------------------

    def store(self, query: str, *values: str) -> list[Json]:
        """Rows of the store."""
        return rows(self.data / "store.db", query, *values)

    def ledger(self, query: str, *values: str) -> list[Json]:
        """Rows of the ledger."""
        return rows(self.data / "ledger.db", query, *values)

    def runs(self) -> list[Json]:
        """All runs, oldest first; none in a ledger whose maker was killed in the middle of it."""
        made = self.ledger("select name from sqlite_master where name = 'runs'")
        return self.ledger("select * from runs order by created_at") if made else []

    def calls(self) -> list[Json]:
        """All calls, in order."""
        return self.ledger("select * from calls order by sent_at")

    def snapshots(self) -> list[Json]:
        """All stored snapshots."""
        return self.store("select * from snapshots order by generated_at")

    def status(self) -> str:
        """The sample's status."""
        return self.store("select status from sources where id = ?", self.sample.source_id)[0]["status"]

    def lease_left(self) -> float:
        """Seconds until the newest run can be claimed, by the ledger's clock."""
        query = "select lease_until - (julianday('now') - 2440587.5) * 86400.0 as left from runs"
        return max(row["left"] for row in self.ledger(query))

    def wait_for_lease(self) -> None:
        """Wait until the lease of a dead worker has expired."""
        time.sleep(max(0, self.lease_left()) + 0.02)


def rows(path: Path, query: str, *values: str) -> list[Json]:
    """Rows of a database, as dictionaries."""
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(query, values)]
        connection.commit()
        return found


def finish(process: Process, timeout: float = 60) -> Outcome:
    """Wait for a process."""
    out, err = process.communicate(timeout=timeout)
    return Outcome(process.wait(), out, err)


def killed(process: Process) -> bool:
    """Wait for a process; True where SIGKILL ended it."""
    return finish(process).code == -signal.SIGKILL


def eventually(so: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def filled_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the practice data, made once."""
    path = tmp_path_factory.mktemp("filled") / "store.db"
    SqliteStore(path, practice_sources).close()
    return path


def settings_for(provider: Provider) -> dict[str, str]:
    """What makes a provider be asked, once a run."""
    return {
        "SECONDLOOK_AGENT": "openai",
        "SECONDLOOK_AGENT_RETRIES": "0",
        "SECONDLOOK_DEADLINE_SECONDS": "20",
        "OPENAI_API_KEY": API_KEY,
        "OPENAI_BASE_URL": provider.base_url,
    }


def furnish(home: Home) -> Home:
    """Join a home's folder and its provider, which answers the sample properly, by its environment."""
    for name in PROXIES:
        home.monkeypatch.delenv(name, raising=False)
    home.env.update(
        PATH="/usr/bin:/bin",
        HOME=str(home.folder),
        PYTHONPATH=str(ROOT),
        PYTHONDONTWRITEBYTECODE="1",  # a process on a full disk would leave truncated byte code behind
    )
    home.set(SECONDLOOK_DATA_DIR=str(home.data), SECONDLOOK_USER=USER, **settings_for(home.provider))
    home.provider.behaviour = answering(home.sample.answer)
    return home


@pytest.fixture
def own_home(
    tmp_path: Path,
    filled_store: Path,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Generator[Home]:
    """A home of the test's own; the provider answers the sample properly."""
    made = Home(tmp_path, provider, monkeypatch, capsys)
    made.data.mkdir(exist_ok=True)
    shutil.copy(filled_store, made.data)
    yield furnish(made)
    made.close()


@pytest.fixture
def home(own_home: Home) -> Home:
    """The home that most tests use; the browser tests share one."""
    return own_home
