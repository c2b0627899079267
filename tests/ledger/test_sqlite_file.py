"""What concerns the ledger's SQLite file itself: its disk, what else may lie there, and its first writer."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from secondlook.errors import LedgerUnavailable
from secondlook.ledger.durability import MIN_FREE_BYTES
from secondlook.ledger.runs import Ledger, open_ledger
from tests.examples import example_plan
from tests.ledger import executing


@pytest.fixture
def where(tmp_path: Path) -> Path:
    """The ledger's file; no other kind of database is meant here."""
    return tmp_path / "ledger.db"


class Disk(NamedTuple):
    """What `shutil.disk_usage` tells."""

    total: int
    used: int
    free: int


def test_a_full_disk_refuses_before_the_call(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent whose answer could not be kept."""

    def nearly_full(_: Path) -> Disk:
        return Disk(10**9, 10**9, MIN_FREE_BYTES - 1)

    held = executing.claimed(ledger)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", nearly_full)
        with pytest.raises(LedgerUnavailable, match="less than 16 MiB free; nothing was sent"):
            ledger.begin_call(held)
        with pytest.raises(LedgerUnavailable):
            ledger.ping()
    assert ledger.get(held.run_id).attempts == 0
    assert ledger.begin_call(held) == 1


@pytest.mark.parametrize("kind", ["text", "folder"])
def test_a_file_that_is_no_ledger(where: Path, kind: str) -> None:
    """A clear error, and the file is left as it is."""
    if kind == "text":
        where.write_text("this is no database, and it is long enough to be sure" * 50, encoding="utf-8")
    else:
        where.mkdir()
    with pytest.raises(LedgerUnavailable, match=r"^The ledger cannot be used: "):
        open_ledger(where, lease_seconds=15)


def test_a_first_start_waits_for_another(where: Path) -> None:
    """The other process has made the file and is writing its tables: this one waits, it does not fail."""
    with closing(sqlite3.connect(where, isolation_level=None, check_same_thread=False)) as other:
        other.execute("begin immediate")
        other.execute("create table being_made (id text)")
        release = threading.Timer(0.4, other.execute, ("commit",))
        release.start()
        try:
            open_ledger(where, lease_seconds=15).close()
        finally:
            release.join()


def test_rehearsals_of_before_are_told_by_their_provider(tmp_path: Path) -> None:
    """They were runs of the offline agent with a model of their own; the migration says what they were."""
    path = tmp_path / "ledger.db"
    with closing(open_ledger(path, lease_seconds=15)) as made:
        kept = {
            "rehearsal": made.submit(str(uuid4()), example_plan(model="rehearsal-html"), number=1).run_id,
            "offline": made.submit(
                str(uuid4()), example_plan("22222222-2222-4333-8444-555555555555"), number=1
            ).run_id,
        }
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("alter table calls drop column reasoning_tokens")
        file.execute("delete from migrations where name in ('006_reasoning', '007_rehearsals')")
    with closing(open_ledger(path, lease_seconds=15)) as opened:
        for agent, run_id in kept.items():
            run = opened.get(run_id)
            assert (run.agent, run.rehearsal) == (agent, agent == "rehearsal")
        assert opened.get(kept["rehearsal"]).model == "rehearsal-html"
