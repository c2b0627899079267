"""What is kept of a database is what the database says, whoever wrote to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from secondlook.connections.database import Database
from secondlook.ledger.cache import Cache
from secondlook.ledger.database import ledger_database
from secondlook.ledger.runs import Ledger, open_ledger
from secondlook.ledger.usage import UsageLog, UsageQuery
from tests.examples import USER
from tests.ledger.executing import Where, calling, claimed, failed, queued


@pytest.fixture
def database(where: Where, ledger: Ledger) -> Generator[Database]:
    """The ledger's database, on connections of its own."""
    assert ledger.store == "embedded"
    opened = ledger_database(where)
    yield opened
    opened.close()


WRITES: dict[str, Callable[[Ledger], object]] = {
    "a run is queued": queued,
    "a run is claimed": claimed,
    "a call begins": calling,
    "a run has failed": failed,
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_makes_another_version(
    database: Database, ledger: Ledger, write: Callable[[Ledger], object]
) -> None:
    """By other connections than those that look; what only reads makes none."""
    before = database.version()
    ledger.list(USER)
    assert database.version() == before
    write(ledger)
    after = database.version()
    assert after != before
    assert database.version() == after


def test_own_writes_count(ledger: Ledger, where: Where) -> None:
    """Whoever looks and whoever writes may be one."""
    opened = ledger_database(where)
    before = opened.version()
    opened.write_soft(
        lambda connection: connection.exec_driver_sql("update clock set noted_at = noted_at + 1")
    )
    assert opened.version() != before
    opened.close()
    assert ledger.store == "embedded"


def test_another_file_is_another_version(tmp_path: Path) -> None:
    """A file that was put in the place of the one that is open, and one that is not there."""
    path = tmp_path / "ledger.db"
    open_ledger(path, lease_seconds=15).close()
    database = ledger_database(path)
    before = database.version()
    path.rename(tmp_path / "old.db")
    assert database.version() != database.version()
    open_ledger(path, lease_seconds=15).close()
    assert database.version() not in (before, None)
    database.close()


def test_read_once_until_something_is_written(database: Database, ledger: Ledger) -> None:
    """Of a question; others have answers of their own."""
    asked: list[str] = []

    def read(user: str) -> int:
        asked.append(user)
        return len(ledger.list(user))

    cache = Cache(database, read)
    assert [cache.get(USER), cache.get("nobody"), cache.get(USER), cache.get("nobody")] == [0, 0, 0, 0]
    assert asked == [USER, "nobody"]
    queued(ledger)
    assert [cache.get(USER), cache.get(USER), cache.get("nobody")] == [1, 1, 0]
    assert asked == [USER, "nobody", USER, "nobody"]


def test_of_many_at_once_one_reads(database: Database) -> None:
    """The others wait for it; whoever asks something else does not."""
    started, go_on = threading.Event(), threading.Event()
    asked: list[str] = []

    def read(question: str) -> str:
        asked.append(question)
        if question == "slow":
            started.set()
            assert go_on.wait(20)
        return question.upper()

    cache = Cache(database, read)
    with ThreadPoolExecutor(8) as threads:
        slow = [threads.submit(cache.get, "slow") for _ in range(6)]
        assert started.wait(20)
        assert threads.submit(cache.get, "quick").result(20) == "QUICK"
        go_on.set()
        assert [each.result(20) for each in slow] == ["SLOW"] * 6
    assert sorted(asked) == ["quick", "slow"]


def test_a_failure_is_not_kept(database: Database) -> None:
    """It is read again, by the next who asks."""
    answers = iter([ValueError("not now"), "now"])

    def read(_question: str) -> str:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    cache = Cache(database, read)
    with pytest.raises(ValueError, match="not now"):
        cache.get("question")
    assert cache.get("question") == "now"


def test_so_many_are_kept(database: Database) -> None:
    """Those that were asked last: however many ask, it does not grow."""
    asked: list[int] = []

    def read(number: int) -> int:
        asked.append(number)
        return number

    cache = Cache(database, read, most=3)
    for number in (1, 2, 3, 1, 4, 1, 3, 2):
        assert cache.get(number) == number
    assert asked == [1, 2, 3, 4, 2]


def test_usage_is_never_older_than_the_ledger(usage: UsageLog, ledger: Ledger) -> None:
    """Each step of a run is in the next report."""
    query = UsageQuery(*usage.period(), "status", USER)
    assert usage.report(query).total.runs == 0
    run = queued(ledger)
    assert usage.report(query).total.statuses == {"queued": 1}
    calling(ledger, run)
    assert usage.report(query).total.statuses == {"calling": 1}
    assert usage.report(query) is usage.report(query)
    assert usage.report(UsageQuery(*usage.period(), "status", "somebody else")).total.runs == 0
