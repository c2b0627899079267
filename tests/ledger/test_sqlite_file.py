"""What concerns the ledger's SQLite file itself: its disk, what else may lie there, and its first writer."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from secondlook.errors import LedgerUnavailable
from secondlook.ledger.runs import MIN_FREE_BYTES, Ledger, open_ledger
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
