"""Backups of a data folder: made while it is in use, restored into an empty folder.

The ledger is copied before the store. What the ledger of a backup calls saved is then in its store, and a
snapshot that only its store has is found again by its run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from secondlook.connections.database import Database
from secondlook.errors import RequestInvalid, StoreUnavailable
from secondlook.ledger.backup import copy_rows, doubt_queued
from secondlook.ledger.database import ledger_database

LEDGER, STORE = "ledger.db", "store.db"
_MANIFEST = "backup.json"


@dataclass(frozen=True)
class Backup:
    """A backup that was made or restored.

    Attributes:
        folder: Where it is now.
        made_at: When it was begun, UTC.
        files: The bytes of each file.
        unknown: Runs whose outcome the restoring made unknown.
    """

    folder: Path
    made_at: str
    files: dict[str, int]
    unknown: int = 0


def back_up(data: Path, target: Path, names: Sequence[str] = (LEDGER, STORE)) -> Backup:
    """Copy a data folder's databases into a new folder. Writes to them may go on.

    Args:
        data: The data folder.
        target: The backup's folder, which must not exist.
        names: The files to copy, as far as they exist, the ledger first.

    Raises:
        RequestInvalid: The target exists, or there is nothing to back up.
        StoreUnavailable: A database cannot be read, or the copy not be written. There is no target then.
    """
    if target.exists():
        raise RequestInvalid(f"{target} exists", hint="Name a folder that does not exist yet.")
    names = [name for name in names if (data / name).is_file()]
    if not names:
        raise RequestInvalid(f"{data} has nothing to back up", hint="Check SECONDLOOK_DATA_DIR.")
    made_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with _whole(target) as folder:
        for name in names:
            _copy(data / name, folder / name)
        digests = {name: _digest(folder / name) for name in names}
        _write(folder / _MANIFEST, json.dumps({"made_at": made_at, "sha256": digests}, indent=2))
        files = {name: (folder / name).stat().st_size for name in names}
    return Backup(target, made_at, files)


def restore(source: Path, data: Path) -> Backup:
    """Make a data folder out of a backup. The outcome of its queued runs becomes unknown.

    Args:
        source: The backup's folder, which stays as it is.
        data: The data folder, which must be empty or not exist.

    Raises:
        RequestInvalid: The data folder is not empty, or the source is no whole backup.
        SecondlookError: It cannot be written. The data folder is as it was then.
    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise RequestInvalid(
            f"SECONDLOOK_DATA_DIR {data} is not empty",
            hint="Stop what uses it and move it away, or set SECONDLOOK_DATA_DIR to a new folder.",
        )
    made_at, digests = _manifest(source)
    unknown = 0
    with _whole(data) as folder:
        for name, digest in digests.items():
            shutil.copyfile(source / name, folder / name)
            (folder / name).chmod(0o600)
            if _digest(folder / name) != digest:
                raise RequestInvalid(
                    f"{source / name} has changed since it was made", hint="Use another backup."
                )
        if LEDGER in digests:
            ledger = ledger_database(folder / LEDGER)
            with closing(ledger):
                unknown = doubt_queued(ledger, made_at)
        files = {name: (folder / name).stat().st_size for name in digests}
    return Backup(data, made_at, files, unknown)


def import_ledger(source: Path, into: Database) -> dict[str, int]:
    """Copy a backup's ledger into an empty ledger, such as one on Postgres.

    The outcome of its queued runs becomes unknown, as after `restore`.

    Args:
        source: The backup's folder, which stays as it is.
        into: The empty ledger's database.

    Returns:
        The rows of each table.

    Raises:
        SecondlookError: The source is no backup, or the ledger is not empty or fails; it stays as it is.
    """
    with tempfile.TemporaryDirectory() as folder:
        restored = restore(source, Path(folder) / "data").folder / LEDGER
        if not restored.is_file():
            raise RequestInvalid(f"{source} has no ledger", hint="Name the backup of a data folder with one.")
        ledger = ledger_database(restored)
        with closing(ledger):
            return copy_rows(ledger, into)


@contextmanager
def _whole(target: Path) -> Generator[Path]:
    """A new folder that gets its name once it is whole; a crash leaves it beside, under a hidden name."""
    target = target.absolute()
    folder: Path | None = None
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        yield folder
        for path in [*folder.iterdir(), folder]:
            _flush(path)
        folder.rename(target)
        _flush(target.parent)
    except (OSError, sqlite3.Error) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise StoreUnavailable(
            f"{target} cannot be written: {cause}",
            hint="See that the disk has room and the folder lets you write.",
        ) from None
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, in one file."""
    target.touch(mode=0o600)
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        new.execute("pragma journal_mode=delete")
        if new.execute("pragma integrity_check").fetchone() != ("ok",):
            raise StoreUnavailable(
                f"{source} is damaged", hint="Restore an older backup, or recover it by SQLite's tools."
            )


def _manifest(source: Path) -> tuple[str, dict[str, str]]:
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        manifest: Any = json.loads((source / _MANIFEST).read_text(encoding="utf-8"))
        digests = {
            name: str(manifest["sha256"][name]) for name in (LEDGER, STORE) if name in manifest["sha256"]
        }
        if digests and all((source / name).is_file() for name in digests):
            return str(manifest["made_at"]), digests
    raise RequestInvalid(f"{source} is no backup", hint="Name a folder that `secondlook backup` made.")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text + "\n", encoding="utf-8")


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
