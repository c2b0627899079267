"""One suite for every store: sources made from files, updated, bucketed again and deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from secondlook.domain.sources import SourceQuery
from secondlook.errors import NotEnoughEstimates, SourceNotBucketed, SourceNotFound, StoreUnavailable
from secondlook.importing.bucketing import bucket
from secondlook.importing.estimates import ImportedSource
from secondlook.stores.base import Store
from secondlook.stores.estimates import EstimateStore, StoredSource
from secondlook.stores.samples import practice_sources
from secondlook.stores.sqlite import SqliteStore
from secondlook.stores.sqlite_estimates import SqliteEstimates
from tests.contract.test_stores import snapshot
from tests.examples import SOURCE, USER
from tests.importing_files import estimates, imported, table
from tests.supabase.kinds import (
    AsThePerson,
    EstimatesAsThePerson,
    estimates_with_the_secret_key,
    with_the_secret_key,
)
from tests.supabase_server import SupabaseTables
from tests.tables import EmbeddedTables, Tables

OWNER = "d0000000-0000-4000-8000-00000000000d"  # has no samples
MISSING = "00000000-2222-4333-8444-555555555555"
TABLES = ("sources", "estimates_normalized", "estimate_buckets", "snapshots")


@dataclass
class Kind:
    """A store, what writes estimates to it and, behind their backs, its tables."""

    store: Store
    estimates: EstimateStore
    tables: Tables

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table but the samples', in a stable order."""
        if isinstance(self.tables, EmbeddedTables):
            names = self.tables.columns()[table]
            found = [dict(zip(names, row, strict=True)) for row in self.tables.run(f"select * from {table}")]  # noqa: S608 -- own names
        else:
            assert isinstance(self.tables, SupabaseTables)
            found = self.tables.server.sql(f"select * from {table}")  # noqa: S608 -- own names
        return sorted(found, key=lambda row: str(row["id"]))

    def everything(self) -> str:
        """All rows of all tables."""
        return json.dumps([self.rows(each) for each in TABLES], default=str)

    def put(
        self, *sources: ImportedSource, user: str = OWNER, source_id: str | None = None
    ) -> list[StoredSource]:
        """Store what was read of a file."""
        return self.estimates.put(sources, user, source_id=source_id)

    def buckets_of(self, source_id: str, user: str = OWNER) -> dict[str, Any]:
        """A source's buckets, weeks in their order."""
        record = self.store.load(source_id, user)
        assert record is not None
        assert record.buckets is not None
        found = dict(record.buckets)
        weeks = found["weekly_volume"]
        return {**found, "weekly_volume": json.loads(weeks) if isinstance(weeks, str) else weeks}


def embedded(request: pytest.FixtureRequest) -> Kind:
    """The store in an SQLite file."""
    path: Path = request.getfixturevalue("tmp_path") / "store.db"
    store = SqliteStore(path, practice_sources)
    return Kind(store, SqliteEstimates(store.database), EmbeddedTables(path))


def supabase_as_the_person(request: pytest.FixtureRequest) -> Kind:
    """The store on Supabase, asked by the token of whoever is named."""
    tables: SupabaseTables = request.getfixturevalue("supabase_tables")
    store = AsThePerson(tables.server)
    return Kind(store, EstimatesAsThePerson(store), tables)


def supabase_with_the_secret_key(request: pytest.FixtureRequest) -> Kind:
    """The store on Supabase, past row security."""
    tables: SupabaseTables = request.getfixturevalue("supabase_tables")
    store = with_the_secret_key(tables.server)
    return Kind(store, estimates_with_the_secret_key(store), tables)


KINDS: dict[str, Callable[[pytest.FixtureRequest], Kind]] = {
    "embedded": embedded,
    "supabase as the person": supabase_as_the_person,
    "supabase with the secret key": supabase_with_the_secret_key,
}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Generator[Kind]:
    """Each kind of store."""
    made = KINDS[request.param](request)
    yield made
    made.store.close()


def expected(*parts: Any) -> dict[str, Any]:  # noqa: ANN401 -- rows
    """The buckets of these estimates."""
    return dict(bucket(table([row for part in parts for row in part])).row())


def test_a_file_becomes_a_source(kind: Kind) -> None:
    """Its rows, its buckets and its status; it is listed and can be run."""
    rows = estimates(2_500)
    assert kind.estimates.find("Imported", OWNER) is None
    (stored,) = kind.put(imported(rows))
    assert (stored.change, stored.status, stored.estimate_count, stored.added) == (
        "new",
        "bucketed",
        2_500,
        2_500,
    )
    record = kind.store.load(stored.source_id, OWNER)
    assert record is not None
    assert (record.source.source_name, record.source.source_type, record.source.status) == (
        "Imported",
        "csv",
        "bucketed",
    )
    assert record.estimate_rows == 2_500
    assert kind.buckets_of(stored.source_id) == expected(rows)
    assert [row.source.source_id for row in kind.store.list_sources(OWNER, SourceQuery()).rows] == [
        stored.source_id
    ]
    found = kind.estimates.find("Imported", OWNER)
    assert found is not None
    assert found.source_id == stored.source_id
    held = {row["estimate_id"]: row for row in kind.rows("estimates_normalized")}
    assert len(held) == 2_500
    one = held[rows[1][0]]
    assert float(one["amount"]) == rows[1][3]
    assert (one["status"], one["job_type"], held[rows[0][0]]["job_type"]) == ("accepted", rows[1][4], None)
    assert str(one["closed_at"]).replace(" ", "T").startswith("2026-04-02T09:30:00.5")


def test_the_same_file_again_changes_nothing(kind: Kind) -> None:
    """Not a row, not a time, and it says so."""
    kind.put(imported(estimates(60)))
    before = kind.everything()
    (again,) = kind.put(imported(estimates(60), chunk=7))
    assert (again.change, again.estimate_count, again.added, again.changed) == ("unchanged", 60, 0, 0)
    assert kind.everything() == before


def test_a_later_export_updates_the_source(kind: Kind) -> None:
    """By estimate_id: new ones are added, changed ones change, others stay; snapshots are kept."""
    (first,) = kind.put(imported(estimates(60)))
    kind.store.save_snapshot(_snapshot_of(first.source_id))
    assert kind.store.mark_generated(first.source_id, OWNER)
    held = {row["estimate_id"]: row["id"] for row in kind.rows("estimates_normalized")}
    later = [*estimates(10, start=20, amount=9_000), *estimates(30, start=40), *estimates(15, start=100)]
    (second,) = kind.put(imported(later))
    assert (second.source_id, second.change) == (first.source_id, "updated")
    assert (second.estimate_count, second.added, second.changed, second.status) == (85, 25, 10, "bucketed")
    kept = [*estimates(20), *estimates(10, start=30), *later]
    assert kind.buckets_of(first.source_id) == expected(kept)
    rows = {row["estimate_id"]: row for row in kind.rows("estimates_normalized")}
    assert len(rows) == 85
    assert {name: rows[name]["id"] for name in held} == held
    assert float(rows[later[0][0]]["amount"]) == later[0][3]
    assert len(kind.rows("snapshots")) == 1


def test_an_update_of_a_source_that_is_named(kind: Kind) -> None:
    """By its id, whatever it is called; buckets without rows give way to those of the file."""
    kind.tables.add_source(SOURCE, user_id=OWNER, name="Theirs", source_type="jobber")
    (stored,) = kind.put(imported(estimates(40), "Another name"), source_id=SOURCE)
    assert (stored.source_id, stored.source_name, stored.change) == (SOURCE, "Theirs", "updated")
    record = kind.store.load(SOURCE, OWNER)
    assert record is not None
    assert (record.source.source_name, record.source.source_type, record.estimate_rows) == (
        "Theirs",
        "jobber",
        40,
    )
    assert kind.buckets_of(SOURCE) == expected(estimates(40))


@pytest.mark.parametrize("wanted", [SOURCE, MISSING, "' or 1=1 --"], ids=["another's", "missing", "hostile"])
def test_only_the_owners_source_is_touched(kind: Kind, wanted: str) -> None:
    """Which of the three it is cannot be told apart, and nothing changes."""
    kind.tables.add_source(SOURCE, user_id=USER)
    kind.tables.add_estimates(SOURCE, 30)
    before = kind.everything()
    attempts: list[Callable[[], object]] = [
        lambda: kind.put(imported(estimates(40)), source_id=wanted),
        lambda: kind.estimates.bucket(wanted, OWNER),
        lambda: kind.estimates.delete(wanted, OWNER),
    ]
    for attempt in attempts:
        with pytest.raises(SourceNotFound, match=r"^Invalid source_id: not found$"):
            attempt()
        assert kind.everything() == before


def test_the_same_name_of_two_people(kind: Kind) -> None:
    """Each has a source of their own; neither import touches the other's."""
    (mine,) = kind.put(imported(estimates(30)))
    (theirs,) = kind.put(imported(estimates(50)), user=USER)
    assert mine.source_id != theirs.source_id
    for user, stored, count in ((OWNER, mine, 30), (USER, theirs, 50)):
        record = kind.store.load(stored.source_id, user)
        assert record is not None
        assert record.estimate_rows == count
    assert kind.store.load(mine.source_id, USER) is None


def test_many_sources_of_one_file(kind: Kind) -> None:
    """Each has its rows and buckets; a second time nothing changes."""
    made = [imported(estimates(30 + index), f"Source {index}") for index in range(4)]
    stored = kind.put(*made)
    assert [(each.source_name, each.estimate_count, each.change) for each in stored] == [
        (f"Source {index}", 30 + index, "new") for index in range(4)
    ]
    for index, each in enumerate(stored):
        assert kind.buckets_of(each.source_id) == expected(estimates(30 + index))
    assert [each.change for each in kind.put(*made)] == ["unchanged"] * 4


@pytest.mark.parametrize("update", [False, True], ids=["new", "update"])
def test_a_file_that_fails_leaves_nothing(kind: Kind, update: bool) -> None:
    """Reading stops in the second source: the first is not there either, and an updated one is as it was."""
    if update:
        kind.put(imported(estimates(60), "One"), imported(estimates(2_100), "Two"))
    before = kind.everything()
    broken = imported(estimates(2_200, amount=5_000), "Two", fails=StoreUnavailable("The file has changed"))
    with pytest.raises(StoreUnavailable, match="The file has changed"):
        kind.put(imported(estimates(70, amount=7_000), "One"), broken)
    assert kind.everything() == before


def test_estimates_that_are_there_are_bucketed(kind: Kind) -> None:
    """An ingested source gets buckets, and can be run; a second time nothing changes."""
    kind.tables.add_source(SOURCE, user_id=OWNER, status="ingested", with_buckets=False)
    kind.tables.add_estimates(SOURCE, 30)
    stored = kind.estimates.bucket(SOURCE, OWNER)
    assert (stored.status, stored.estimate_count, stored.change) == ("bucketed", 30, "updated")
    made = kind.buckets_of(SOURCE)
    assert (made["price_band_lt_500"], made["latency_band_0_2"]) == (30, 30)
    assert made["weekly_volume"] == [{"week": "2026-W01", "count": 30}]
    before = kind.everything()
    assert kind.estimates.bucket(SOURCE, OWNER).change == "unchanged"
    assert kind.everything() == before


def test_a_source_that_cannot_be_bucketed(kind: Kind) -> None:
    """One that is being filled, and one without estimates, stay as they are."""
    kind.tables.add_source(SOURCE, user_id=OWNER, status="pending", with_buckets=False)
    before = kind.everything()
    with pytest.raises(
        SourceNotBucketed, match=r"must be ingested before bucketing \(current status: pending\)$"
    ):
        kind.estimates.bucket(SOURCE, OWNER)
    with pytest.raises(SourceNotBucketed, match=r"before an import updates it \(current status: pending\)$"):
        kind.put(imported(estimates(30)), source_id=SOURCE)
    assert kind.everything() == before
    kind.tables.set_status(SOURCE, "ingested")
    before = kind.everything()
    with pytest.raises(NotEnoughEstimates, match=r"for bucketing \(found: 0\)$"):
        kind.estimates.bucket(SOURCE, OWNER)
    assert kind.everything() == before


def test_a_source_is_deleted_whole(kind: Kind) -> None:
    """With its rows, buckets and snapshots; others keep theirs, and its name can be imported again."""
    (other,) = kind.put(imported(estimates(40), "Other"))
    before = kind.everything()
    (stored,) = kind.put(imported(estimates(60)))
    kind.store.save_snapshot(_snapshot_of(stored.source_id))
    kind.estimates.delete(stored.source_id, OWNER)
    assert kind.everything() == before
    with pytest.raises(SourceNotFound):
        kind.estimates.delete(stored.source_id, OWNER)
    assert kind.store.load(other.source_id, OWNER) is not None
    assert [each.change for each in kind.put(imported(estimates(60)))] == ["new"]


def test_progress_counts_every_row(kind: Kind) -> None:
    """It is told what has been read so far, of all sources, and ends with all of them."""
    told: list[int] = []
    kind.estimates.put(
        [imported(estimates(1_500), "One"), imported(estimates(800), "Two")], OWNER, progress=told.append
    )
    assert told == sorted(told)
    assert told[-1] == 2_300


def _snapshot_of(source_id: str) -> Any:  # noqa: ANN401 -- of the store suite
    made = snapshot()
    meta = made.result.meta.model_copy(update={"source_id": source_id})
    result = made.result.model_copy(update={"meta": meta})
    return made.model_copy(update={"source_id": source_id, "user_id": OWNER, "result": result})
