"""`kill -9` in the middle of an import into the embedded store: nothing half done is there, at any point."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from secondlook.domain.sources import SourceQuery
from secondlook.stores.sqlite import SqliteStore
from secondlook.stores.sqlite_estimates import SqliteEstimates
from tests.importing_files import estimates, imported
from tests.processes import ROOT
from tests.tables import EmbeddedTables

OWNER = "d0000000-0000-4000-8000-00000000000d"
EARLIER = estimates(900)
LATER = [*estimates(800, start=20, amount=9_000), *estimates(40, start=5_000)]
POINTS = ("rows_of", "_plan", "_settle", "_count", "_now", "json.dumps")

IMPORTER = """
import os, signal, sys
from pathlib import Path
from secondlook.stores import sqlite_estimates
from secondlook.stores.sqlite import SqliteStore
from tests.importing_files import imported
from tests.test_import_kill import LATER, OWNER
place = sqlite_estimates
*path, name = sys.argv[2].split(".")
for each in path:
    place = getattr(place, each)
real = getattr(place, name)
def deadly(*args, **options):
    real(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)
store = SqliteStore(Path(sys.argv[1]))
setattr(place, name, deadly)
sqlite_estimates.SqliteEstimates(store.database).put([imported(LATER), imported(LATER, "Two")], OWNER)
"""

FULL = """
import resource, sys
from pathlib import Path
from secondlook.errors import StoreUnavailable
from secondlook.stores.sqlite import SqliteStore
from secondlook.stores.sqlite_estimates import SqliteEstimates
from tests.importing_files import estimates, imported
from tests.test_import_kill import OWNER
path = Path(sys.argv[1])
store = SqliteStore(path)
room = int(sys.argv[2])
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    SqliteEstimates(store.database).put([imported(estimates(60_000))], OWNER)
except StoreUnavailable as error:
    print(error.message)
"""


@pytest.fixture(params=[False, True], ids=["new", "update"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A store, with a source of an earlier import or without."""
    made = tmp_path / "store.db"
    with closing(SqliteStore(made)) as store:
        if request.param:
            SqliteEstimates(store.database).put([imported(EARLIER)], OWNER)
    return made


def everything(path: Path) -> str:
    """All rows of the product's tables."""
    tables = EmbeddedTables(path)
    names = ("sources", "estimates_normalized", "estimate_buckets", "snapshots")
    return json.dumps([tables.run(f"select * from {name} order by id") for name in names])  # noqa: S608 -- own names


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_import_leaves_nothing(path: Path, point: str) -> None:
    """Wherever it dies, the store is as it was; the same file then goes in whole."""
    before = everything(path)
    ran = subprocess.run([sys.executable, "-c", IMPORTER, str(path), point], cwd=ROOT, check=False)
    assert ran.returncode == -signal.SIGKILL
    assert everything(path) == before
    with closing(SqliteStore(path)) as store:
        stored = SqliteEstimates(store.database).put([imported(LATER), imported(LATER, "Two")], OWNER)
        assert [each.status for each in stored] == ["bucketed"] * 2
        assert store.list_sources(OWNER, SourceQuery()).total == 2
    left = {each.name for each in path.parent.iterdir()} - {
        "data",
        "store.db",
        "store.db-wal",
        "store.db-shm",
    }
    assert left == set()


@pytest.mark.slow
@pytest.mark.parametrize("room", [1 << 20, 4 << 20])
def test_a_full_disk_is_said_and_leaves_nothing(path: Path, room: int) -> None:
    """While rows are gathered or while they are stored: one clear error."""
    before = everything(path)
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(room)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be used: " in ran.stdout
    assert "full" in ran.stdout or "I/O" in ran.stdout, ran.stdout
    assert everything(path) == before
