"""One suite for every store: what `Store` promises, on tables that another program fills."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unicodedata import normalize
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondlook.domain.bucket_rules import count_estimates, read_buckets
from secondlook.domain.identifiers import new_run_id
from secondlook.domain.names import fold
from secondlook.domain.snapshots import Snapshot, SnapshotPage
from secondlook.domain.sources import SourceQuery, SourceRecord, SourceRow
from secondlook.errors import BucketsInvalid, SourceNotFound, StoreUnavailable
from secondlook.stores.base import Store
from secondlook.stores.samples import PRACTICE_USERS, practice_sources
from secondlook.stores.sqlite import SqliteStore
from tests.examples import (
    NOBODY,
    OTHER_USER,
    SNAPSHOT,
    SOURCE,
    TODAY,
    USER,
    Json,
    bucket_row,
    example_snapshot,
    some,
)
from tests.supabase.kinds import AsThePerson, with_the_secret_key
from tests.supabase_server import SupabaseTables
from tests.tables import EmbeddedTables, Tables, newest

OWNER = "d0000000-0000-4000-8000-00000000000d"  # has no samples
MISSING = "00000000-2222-4333-8444-555555555555"


@dataclass
class Kind:
    """A store and, behind its back, its tables."""

    store: Store
    tables: Tables


def embedded(request: pytest.FixtureRequest) -> Kind:
    """The store in an SQLite file."""
    path: Path = request.getfixturevalue("tmp_path") / "store.db"
    return Kind(SqliteStore(path, practice_sources), EmbeddedTables(path))


def supabase_as_the_person(request: pytest.FixtureRequest) -> Kind:
    """The store on Supabase, asked by the token of whoever is named."""
    tables: SupabaseTables = request.getfixturevalue("supabase_tables")
    return Kind(AsThePerson(tables.server), tables)


def supabase_with_the_secret_key(request: pytest.FixtureRequest) -> Kind:
    """The store on Supabase, past row security."""
    tables: SupabaseTables = request.getfixturevalue("supabase_tables")
    return Kind(with_the_secret_key(tables.server), tables)


KINDS: dict[str, Callable[[pytest.FixtureRequest], Kind]] = {
    "embedded": embedded,
    "supabase as the person": supabase_as_the_person,
    "supabase with the secret key": supabase_with_the_secret_key,
}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Generator[Kind]:
    """Each kind of store, with one source."""
    made = KINDS[request.param](request)
    made.tables.add_source(SOURCE, user_id=OWNER)
    yield made
    made.store.close()


@pytest.fixture
def store(kind: Kind) -> Store:
    """The store itself."""
    return kind.store


@pytest.fixture
def tables(kind: Kind) -> Tables:
    """Its tables."""
    return kind.tables


snapshot = partial(example_snapshot, user_id=OWNER)
"""A snapshot of the one source."""


def listed(store: Store, user: str = OWNER, **query: Json) -> list[SourceRow]:
    """The rows of one page."""
    return list(store.list_sources(user, SourceQuery(**query)).rows)


def names(store: Store, **query: Json) -> list[str]:
    """The names on one page of the owner's list."""
    return [row.source.source_name for row in listed(store, **query)]


def source_id(number: int) -> str:
    """A source's id by number."""
    return f"{number:08d}-2222-4333-8444-555555555555"


# -- load -----------------------------------------------------------------------------------------------


def test_load_brings_source_buckets_and_count(store: Store) -> None:
    """One read brings all that a snapshot needs, columns as they are."""
    record = some(store.load(SOURCE, OWNER))
    assert record.source.model_dump() == {
        "source_id": SOURCE,
        "user_id": OWNER,
        "source_type": "csv",
        "source_name": "A source",
        "status": "bucketed",
        "created_at": "2026-01-05T08:00:00Z",
    }
    assert record.buckets is not None
    expected = read_buckets(bucket_row(), today=TODAY)
    assert set(record.buckets) == set(bucket_row())
    assert read_buckets(record.buckets, today=TODAY) == expected
    assert record.estimate_rows == 0


@pytest.mark.parametrize(
    ("wanted", "user"),
    [
        pytest.param(MISSING, OWNER, id="no such source"),
        pytest.param(SOURCE, USER, id="another user's"),
        pytest.param(SOURCE, NOBODY, id="a user without sources"),
        pytest.param("' or 1=1 --", OWNER, id="hostile id"),
    ],
)
def test_load_shows_nothing_of_anothers(store: Store, wanted: str, user: str) -> None:
    """Whether a source is missing or another's cannot be told apart."""
    assert store.load(wanted, user) is None


def test_load_without_buckets(store: Store, tables: Tables) -> None:
    """A source that owns no buckets row is found, without buckets."""
    tables.add_source(source_id(1), user_id=OWNER, with_buckets=False)
    assert some(store.load(source_id(1), OWNER)).buckets is None


def test_estimates_are_counted(store: Store, tables: Tables) -> None:
    """Rows count where there are any; of each source its own."""
    tables.add_source(source_id(1), user_id=OWNER)
    tables.add_estimates(source_id(1), 3)
    for wanted, rows, estimates in ((source_id(1), 3, 3), (SOURCE, 0, 35)):
        record = some(store.load(wanted, OWNER))
        assert record.estimate_rows == rows
        assert count_estimates(record, read_buckets(record.buckets, today=TODAY)) == estimates


@pytest.mark.parametrize(
    "value",
    [pytest.param("[{", id="broken JSON"), pytest.param('"soon"', id="text"), pytest.param("", id="empty")],
)
def test_broken_weekly_volume_is_found_at_run_time(store: Store, tables: Tables, value: str) -> None:
    """It loads; the rules then refuse it by its column's name."""
    tables.add_source(source_id(1), user_id=OWNER, buckets=bucket_row(weekly_volume=value))
    record = some(store.load(source_id(1), OWNER))
    with pytest.raises(BucketsInvalid, match="weekly_volume"):
        read_buckets(record.buckets, today=TODAY)


# -- snapshots ------------------------------------------------------------------------------------------


def test_a_snapshot_is_saved_and_read(store: Store, tables: Tables) -> None:
    """What is saved comes back the same, to its owner alone."""
    assert newest(store, SOURCE, OWNER) is None
    assert store.get_snapshot(SNAPSHOT, OWNER) is None
    store.save_snapshot(snapshot())
    assert newest(store, SOURCE, OWNER) == store.get_snapshot(SNAPSHOT, OWNER) == snapshot()
    assert newest(store, SOURCE, USER) is newest(store, MISSING, OWNER) is None
    assert store.get_snapshot(SNAPSHOT, USER) is store.get_snapshot(MISSING, OWNER) is None
    assert tables.count("snapshots") == 1


def test_a_snapshot_comes_where_it_is_asked_for(store: Store, tables: Tables) -> None:
    """With its own source alone, and not where nobody asks: a run does not need it."""
    tables.add_source(source_id(1), user_id=OWNER)
    store.save_snapshot(snapshot())
    for wanted, asked, there in ((SOURCE, True, True), (SOURCE, False, False), (source_id(1), True, False)):
        record = some(store.load(wanted, OWNER, with_snapshot=asked))
        assert (record.snapshot is not None) is there
        assert record.model_copy(update={"snapshot": None}) == store.load(wanted, OWNER)


def test_saving_twice_is_saving_once(store: Store, tables: Tables) -> None:
    """An insert that finds its own id is fine where the content is the same."""
    store.save_snapshot(snapshot())
    store.save_snapshot(snapshot())
    assert tables.count("snapshots") == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(snapshot(generated_at="2026-11-22T10:00:01Z"), id="another time"),
        pytest.param(snapshot(estimate_count=36), id="another count"),
        pytest.param(snapshot(confidence_level="high"), id="another confidence"),
    ],
)
def test_other_content_under_the_same_id_is_refused(store: Store, other: Snapshot) -> None:
    """A stored snapshot is never overwritten."""
    store.save_snapshot(snapshot())
    with pytest.raises(StoreUnavailable, match=f"Snapshot {SNAPSHOT} is stored already, with other content"):
        store.save_snapshot(other)
    assert newest(store, SOURCE, OWNER) == store.get_snapshot(SNAPSHOT, OWNER) == snapshot()


def test_a_snapshot_of_a_source_that_is_gone(store: Store) -> None:
    """A source that was deleted meanwhile is not found."""
    with pytest.raises(SourceNotFound, match=r"^Invalid source_id: not found$"):
        store.save_snapshot(snapshot(source_id=MISSING))


def test_fewer_than_25_estimates_are_never_stored(store: Store, tables: Tables) -> None:
    """The table's own check stands behind the rule."""
    with pytest.raises(Exception, match=r"."):
        store.save_snapshot(snapshot(estimate_count=24))
    assert tables.count("snapshots") == 0


def test_the_newest_snapshot_counts(store: Store) -> None:
    """By the time it was generated, not by the order of inserting."""
    store.save_snapshot(snapshot(source_id(8), generated_at="2026-11-22T11:00:00Z"))
    store.save_snapshot(snapshot(source_id(9), generated_at="2026-11-22T10:00:00Z"))
    assert some(newest(store, SOURCE, OWNER)).snapshot_id == source_id(8)
    assert some(store.get_snapshot(source_id(9), OWNER)).generated_at == "2026-11-22T10:00:00Z"
    (row,) = listed(store)
    assert (row.snapshot_id, row.snapshot_at) == (source_id(8), "2026-11-22T11:00:00Z")


def test_the_newest_of_one_second_is_the_same_everywhere(store: Store) -> None:
    """On the page, in the list and in the history: the greatest id, which is the last run's."""
    ids = [new_run_id() for _ in range(4)]
    for identifier in (ids[2], ids[0], ids[3], ids[1]):
        store.save_snapshot(snapshot(identifier))
    assert some(newest(store, SOURCE, OWNER)).snapshot_id == ids[-1]
    assert [row.snapshot_id for row in listed(store)] == [ids[-1]]
    assert [row.snapshot_id for row in store.list_snapshots(OWNER).rows] == ids[::-1]
    assert [row.snapshot_id for row in store.list_snapshots(OWNER, source_id=SOURCE).rows] == ids[::-1]


@pytest.mark.parametrize(
    "identifier",
    ["{}", "{{{}}}"],
    ids=["no braces", "in braces"],
)
@pytest.mark.parametrize("dash", ["-", ""], ids=["dashes", "no dashes"])
def test_an_id_may_be_asked_for_in_any_writing(store: Store, identifier: str, dash: str) -> None:
    """Every store reads an id as the others do."""

    def write(text: str) -> str:
        return identifier.format(text.upper().replace("-", dash))

    store.save_snapshot(snapshot())
    source, user = write(SOURCE), write(OWNER)
    assert store.load(source, user) == store.load(SOURCE, OWNER)
    assert store.get_snapshot(write(SNAPSHOT), user) == snapshot()
    assert store.list_snapshots(user, source_id=source).total == store.list_snapshots(user).total == 1
    assert store.list_sources(user, SourceQuery()).total == 1
    assert [each.source.source_id for each in store.records(user, status="bucketed", after="", limit=9)] == [
        SOURCE
    ]
    assert store.mark_generated(source, user)


# -- the history ----------------------------------------------------------------------------------------


def saved(store: Store, number: int, generated_at: str, of: str = SOURCE) -> None:
    """Save the snapshot of that number, of this source."""
    store.save_snapshot(snapshot(source_id(number), of, generated_at=generated_at))


def numbers(page: SnapshotPage) -> list[int]:
    """The snapshots of a page by their numbers."""
    return [int(row.snapshot_id[:8]) for row in page.rows]


def test_the_history_tells_what_there_is(store: Store) -> None:
    """Each line says of which source it is, when it was made and of how many estimates."""
    store.save_snapshot(snapshot())
    assert store.list_snapshots(OWNER).model_dump() == {
        "rows": (
            {
                "snapshot_id": SNAPSHOT,
                "source_id": SOURCE,
                "source_name": "A source",
                "estimate_count": 35,
                "confidence_level": "low",
                "generated_at": "2026-11-22T10:00:00Z",
            },
        ),
        "total": 1,
    }


def test_the_history_comes_a_page_at_a_time(store: Store, tables: Tables) -> None:
    """Newest first, of one source or of all, without gap or overlap, and how many there are in all."""
    tables.add_source(source_id(50), user_id=OWNER, name="Other")
    for number, second in ((3, 1), (1, 2), (2, 2), (5, 3)):  # two of one second: by their ids
        saved(store, number, f"2026-11-22T10:00:0{second}Z")
    saved(store, 4, "2026-11-22T10:00:05Z", of=source_id(50))
    for wanted, expected in ((None, [4, 5, 2, 1, 3]), (SOURCE, [5, 2, 1, 3]), (source_id(50), [4])):
        found: list[int] = []
        for offset in (0, 2, 4, 6):
            page = store.list_snapshots(OWNER, source_id=wanted, offset=offset, limit=2)
            assert page.total == len(expected)
            found += numbers(page)
        assert found == expected


def test_the_history_shows_nothing_of_anothers(store: Store, tables: Tables) -> None:
    """Neither another's snapshots nor their sources' names, whatever is asked for."""
    store.save_snapshot(snapshot())
    tables.add_source(source_id(1), user_id=USER, name="Another's")
    store.save_snapshot(example_snapshot(source_id(2), source_id(1), USER))
    assert numbers(store.list_snapshots(USER)) == [2]
    assert [row.snapshot_id for row in store.list_snapshots(OWNER).rows] == [SNAPSHOT]
    for user, wanted in ((USER, SOURCE), (OWNER, source_id(1)), (NOBODY, None), (OWNER, "' or 1=1 --")):
        assert store.list_snapshots(user, source_id=wanted).model_dump() == {"rows": (), "total": 0}


@pytest.mark.parametrize("name", ["", " ", "\u200b"], ids=ascii)
def test_a_source_without_a_name_goes_by_its_id(store: Store, tables: Tables, name: str) -> None:
    """In lists and in the history, where an empty name would mean a source that is gone."""
    tables.add_source(source_id(1), user_id=OWNER, name=name)
    saved(store, 2, "2026-11-22T10:00:00Z", of=source_id(1))
    (row,) = [row for row in listed(store) if row.source.source_id == source_id(1)]
    assert (row.source.source_name, row.source.shown_name) == (name, source_id(1))
    assert [row.source_name for row in store.list_snapshots(OWNER).rows] == [source_id(1)]


# -- status ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "marked", "after"),
    [
        pytest.param("bucketed", True, "snapshot_generated", id="bucketed"),
        pytest.param("snapshot_generated", True, "snapshot_generated", id="generated already"),
        pytest.param("ingested", False, "ingested", id="ingested"),
        pytest.param("pending", False, "pending", id="pending"),
        pytest.param("insufficient_data", False, "insufficient_data", id="a later status"),
        pytest.param("archived", False, "archived", id="an unknown status"),
    ],
)
def test_mark_generated(store: Store, tables: Tables, before: str, after: str, *, marked: bool) -> None:
    """A status that changed meanwhile is left alone, and the caller told."""
    tables.set_status(SOURCE, before)
    assert store.mark_generated(SOURCE, OWNER) is marked
    assert tables.status(SOURCE) == after


def test_mark_generated_leaves_anothers_alone(store: Store, tables: Tables) -> None:
    """Another user's source is not marked, and neither is any other of the same user."""
    tables.add_source(source_id(1), user_id=OWNER)
    assert store.mark_generated(SOURCE, USER) is False
    assert store.mark_generated(MISSING, OWNER) is False
    assert store.mark_generated(source_id(1), OWNER) is True
    assert tables.status(SOURCE) == "bucketed"


# -- the list -------------------------------------------------------------------------------------------


def test_the_list_holds_sources_that_own_buckets(store: Store, tables: Tables) -> None:
    """Bucketed sources are those with a buckets row, whatever their status; another user's are not there."""
    tables.add_source(source_id(1), user_id=OWNER, name="Without", with_buckets=False)
    tables.add_source(source_id(2), user_id=OWNER, name="Ingested", status="ingested")
    tables.add_source(source_id(3), user_id=USER, name="Another's")
    assert names(store) == ["A source", "Ingested"]
    assert listed(store, NOBODY) == []


def test_estimates_and_confidence_in_the_list(store: Store, tables: Tables) -> None:
    """Rows where there are any, else the price bands' sum; confidence follows."""
    tables.add_source(source_id(1), user_id=OWNER, name="B", buckets=bucket_row(price_band_lt_500=40))
    tables.add_source(source_id(2), user_id=OWNER, name="C")
    tables.add_estimates(source_id(2), 45)
    assert [(row.estimate_count, row.confidence_level) for row in listed(store)] == [
        (35, "low"),
        (65, "high"),
        (45, "medium"),
    ]


def test_pages(store: Store, tables: Tables) -> None:
    """Pages follow each other without gap or overlap, and each knows how many there are in all."""
    for number in range(1, 8):
        tables.add_source(source_id(number), user_id=OWNER, name="Same name")
    found: list[str] = []
    for offset, size in ((0, 3), (3, 3), (6, 2), (9, 0)):
        page = store.list_sources(OWNER, SourceQuery(offset=offset, limit=3))
        assert (len(page.rows), page.total) == (size, 8)
        found += [row.source.source_id for row in page.rows]
    assert len(set(found)) == 8
    assert store.list_sources(OWNER, SourceQuery(limit=8)).total == 8
    assert store.list_sources(OWNER, SourceQuery(limit=9)).total == 8


def test_buckets_come_where_they_are_wanted(store: Store, tables: Tables) -> None:
    """A list brings buckets rows when it is asked for them, as `load` brings each."""
    tables.add_source(source_id(1), user_id=OWNER, name="Other", buckets=bucket_row(price_band_lt_500=3))
    without = store.list_sources(OWNER, SourceQuery())
    assert all(row.buckets is None for row in without.rows)
    found = store.list_sources(OWNER, SourceQuery(with_buckets=True))
    assert [row.model_copy(update={"buckets": None}) for row in found.rows] == list(without.rows)
    for row in found.rows:
        record = store.load(row.source.source_id, OWNER)
        assert record is not None
        assert row.buckets is not None
        assert row.buckets == record.buckets


@pytest.mark.parametrize("query", [{}, {"search": "NAME"}, {"status": "bucketed"}, {"offset": 9}], ids=str)
def test_a_total_that_is_known_is_not_counted(store: Store, tables: Tables, query: dict[str, Any]) -> None:
    """Whoever has the number already gets it back, and the same rows; 0 is a number too."""
    for number in range(1, 6):
        tables.add_source(source_id(number), user_id=OWNER, name=f"Name {number}")
    counted = store.list_sources(OWNER, SourceQuery(**query, limit=2))
    assert counted.total == (5 if "search" in query else 6)
    for known in (counted.total, 1000, 0):
        page = store.list_sources(OWNER, SourceQuery(**query, limit=2, known_total=known))
        assert (page.rows, page.total) == (counted.rows, known)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        pytest.param("name", ["Alpha", "Beta", "Gamma"], id="name"),
        pytest.param("type", ["Beta", "Gamma", "Alpha"], id="type"),
        pytest.param("status", ["Gamma", "Alpha", "Beta"], id="status"),
        pytest.param("created", ["Gamma", "Beta", "Alpha"], id="created"),
    ],
)
def test_sorting(store: Store, tables: Tables, sort: str, expected: list[str]) -> None:
    """By each column, both ways."""
    rows = (
        ("Alpha", "salesforce", "ingested", "2026-03-01T00:00:00Z"),
        ("Beta", "csv", "snapshot_generated", "2026-02-01T00:00:00Z"),
        ("Gamma", "hubspot", "bucketed", "2026-01-01T00:00:00Z"),
    )
    for number, (name, source_type, status, created_at) in enumerate(rows):
        tables.add_source(
            source_id(number),
            user_id=NOBODY,
            name=name,
            source_type=source_type,
            status=status,
            created_at=created_at,
        )

    def order(*, descending: bool) -> list[str]:
        return [row.source.source_name for row in listed(store, NOBODY, sort=sort, descending=descending)]

    assert order(descending=False) == expected
    assert order(descending=True) == expected[::-1]


def test_filtering_by_status(store: Store, tables: Tables) -> None:
    """Only that status, to the letter; an unknown one finds nothing."""
    tables.add_source(source_id(1), user_id=OWNER, name="Done", status="snapshot_generated")
    assert names(store, status="snapshot_generated") == ["Done"]
    assert names(store, status="bucketed") == ["A source"]
    assert names(store, status="bucket") == []


UNLIKE_ON_SUPABASE = {
    ("Öl & Größe", "GRÖSSE"),  # Postgres compares letter by letter: one sharp s is not two s
    ("Hannan Roofing", "  "),  # the local server cuts spaces off a filter's end, PostgREST does not
}


@pytest.mark.parametrize(
    ("name", "search", "found"),
    [
        pytest.param("Hannan Roofing", "roof", True, id="a part, another case"),
        pytest.param("Hannan Roofing", "n R", True, id="across words"),
        pytest.param("Hannan Roofing", "  ", False, id="two spaces"),
        pytest.param("Hannan Roofing", "", True, id="nothing asked"),
        pytest.param("Öl & Größe", "öl", True, id="umlaut, another case"),
        pytest.param("Öl & Größe", "GRÖSSE", True, id="sharp s"),
        pytest.param("ΑΘΗΝΑ", "αθηνα", True, id="Greek"),
        pytest.param("Юг", "юг", True, id="Cyrillic"),
        pytest.param("100 percent", "%", False, id="% is no wildcard"),
        pytest.param("100 % sure", "0 %", True, id="% is found"),
        pytest.param("a-b", "a_b", False, id="_ is no wildcard"),
        pytest.param("a_b", "A_B", True, id="_ is found"),
        pytest.param("a/b", "a/", True, id="/ is found"),
        pytest.param("a\\b", "\\b", True, id="backslash is found"),
        pytest.param("O'Hara", "o'h", True, id="quote"),
        pytest.param("*", "?", False, id="? is no wildcard"),
        pytest.param("x" * 10_000, "X" * 10_000, True, id="10,000 characters"),
    ],
)
def test_searching(store: Store, tables: Tables, name: str, search: str, *, found: bool) -> None:
    """A part of the name, in any case, each character standing for itself."""
    tables.add_source(source_id(1), user_id=NOBODY, name=name)
    page = store.list_sources(NOBODY, SourceQuery(search=search))
    found ^= isinstance(tables, SupabaseTables) and (name, search) in UNLIKE_ON_SUPABASE
    assert (len(page.rows), page.total) == ((1, 1) if found else (0, 0))


@pytest.mark.parametrize(
    "search",
    [
        pytest.param("x" * 100_000, id="endless"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param("source\udcff", id="surrogate after a match"),
        pytest.param("%" * 20_000, id="wildcards"),
    ],
)
def test_a_search_that_no_name_can_match(store: Store, search: str) -> None:
    """A search that cannot be found finds nothing; it is no error of the store."""
    assert names(store, search=search) == []
    assert store.list_sources(OWNER, SourceQuery(search=search)).total == 0


@pytest.mark.parametrize("status", ["\ud800", "bucketed\udcff", "", "\0"], ids=ascii)
def test_a_status_that_no_source_has(store: Store, status: str) -> None:
    """Nor does a status that no column can hold."""
    page = store.list_sources(OWNER, SourceQuery(status=status))
    assert (page.rows, page.total) == ((), 0)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# Letters whose cases differ in number or length, what LIKE and other patterns know, and a NUL.
AWKWARD = st.text(
    st.sampled_from("aAsSiIfF\xdf\u017f\u0130\u0131\u03a3\u03c3\u03c2\u0301\ufb01%_\\/'\"*?[]^\0 \n"),
    max_size=8,
)


# Postgres holds no NUL and has cases of its own: tests/supabase/test_searching.py.
@pytest.mark.parametrize("kind", ["embedded"], indirect=True)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES | AWKWARD, search=NAMES | AWKWARD, cut=st.tuples(st.integers(0, 12), st.integers(0, 12)))
def test_any_search_is_pythons(
    store: Store, tables: Tables, name: str, search: str, cut: tuple[int, int]
) -> None:
    """Whatever the name and the text: found exactly where Python finds it, in any case."""
    identifier = str(uuid4())
    tables.add_source(identifier, user_id=identifier, name=name)
    for text in (search, name[cut[0] : cut[1]], name.upper(), name.lower()):
        page = store.list_sources(identifier, SourceQuery(search=text))
        found = fold(text) in fold(name)
        assert ([row.source.source_name for row in page.rows], page.total) == ([name] * found, int(found))


NFC, NFD = "S\xf6ns & Caf\xe9", "So\u0308ns & Cafe\u0301"


@pytest.mark.parametrize(
    "name", [NFC, NFD, f"{NFC[:4]}{NFD[5:]}"], ids=["composed", "decomposed", "one of each"]
)
@pytest.mark.parametrize(
    "search", ["S\xf6ns", "So\u0308ns", "S\xd6NS", "caf\xe9", "cafe\u0301", "ns & c"], ids=ascii
)
def test_composed_and_decomposed_letters_are_the_same(
    store: Store, tables: Tables, name: str, search: str
) -> None:
    """A name typed on one system is found where another one wrote its letters in parts, and the other way."""
    tables.add_source(source_id(1), user_id=NOBODY, name=name)
    page = store.list_sources(NOBODY, SourceQuery(search=search))
    assert ([row.source.source_name for row in page.rows], page.total) == ([name], 1)


@pytest.mark.parametrize(
    "search",
    ["S\xf6)", 'S\xf6"', "S\xf6,source_type.eq.csv", "S\xf6\\", "S\xf6*", "S\xf6.[x]{2}|^$+?"],
    ids=ascii,
)
def test_a_search_in_two_forms_is_still_a_text(store: Store, tables: Tables, search: str) -> None:
    """Whatever it holds stands for itself, also where it has a composed and a decomposed form."""
    tables.add_source(source_id(1), user_id=NOBODY, name="S\xf6 other")
    assert names(store, search=search) == []
    for number, name in enumerate((f"A {search}.", f"B {normalize('NFD', search)}."), start=2):
        tables.add_source(source_id(number), user_id=NOBODY, name=name)
    assert store.list_sources(NOBODY, SourceQuery(search=search)).total == 2


IN_ORDER = [
    *("", "12 Oaks", "2 Oaks", "\xc5ngstr\xf6m", "apfel", "Apfel", "\xc4pfel", "apple", "Apple 2"),
    *("beta", "Beta Roofing", "emil", "\xe9mile", "Zebra", "zoo", "\u0391\u03b8\u03ae\u03bd\u03b1"),
    *("\u0410\u043d\u043d\u0430", "\u044f\u043a\u043e\u0440\u044c", "\u65e5\u672c"),
]


def test_names_in_peoples_order(store: Store, tables: Tables) -> None:
    """Capitals and accents do not part what belongs together, forwards and backwards, a page at a time."""
    for number, name in enumerate(reversed(IN_ORDER)):
        tables.add_source(source_id(number), user_id=NOBODY, name=name)
    for descending in (False, True):
        found = [
            row.source.source_name
            for offset in range(0, len(IN_ORDER), 4)
            for row in listed(store, NOBODY, offset=offset, limit=4, descending=descending)
        ]
        assert found == (IN_ORDER[::-1] if descending else IN_ORDER)


@pytest.mark.parametrize(
    "query", [{"search": "a", "status": "bucketed"}, {"search": "a", "status": "ingested"}], ids=str
)
def test_search_and_status_together(store: Store, query: dict[str, Any]) -> None:
    """Both have to fit."""
    assert names(store, **query) == (["A source"] if query["status"] == "bucketed" else [])


HOSTILE = [
    pytest.param("<script>alert(1)</script><img src=x onerror=alert(1)>", id="markup"),
    pytest.param("![](http://evil.example/x.png) **bold** $x$ :red[x]", id="markdown"),
    pytest.param('=HYPERLINK("http://evil.example")', id="formula"),
    pytest.param("x" * 10_000, id="10,000 characters"),
    pytest.param("a\tb\r\nc\x1b[2Jd\x7f\u202ee", id="control characters"),
    pytest.param("'; drop table sources; --", id="SQL"),
    pytest.param("\U0001f600\u0301\u200d", id="emoji and joiners"),
    pytest.param("", id="empty"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_just_a_name(store: Store, tables: Tables, name: str) -> None:
    """Whatever a name holds, it comes back as it is."""
    tables.add_source(source_id(1), user_id=NOBODY, name=name)
    assert [row.source.source_name for row in listed(store, NOBODY)] == [name]
    assert [row.source.source_name for row in listed(store, NOBODY, search=name)] == [name]
    assert some(store.load(source_id(1), NOBODY)).source.source_name == name


@pytest.mark.parametrize("source_type", ["csv", "salesforce", "hubspot", "jobber", "invoice", "telepathy"])
def test_any_type_is_read(store: Store, tables: Tables, source_type: str) -> None:
    """Later types are read as they are."""
    tables.add_source(source_id(1), user_id=NOBODY, source_type=source_type)
    assert [row.source.source_type for row in listed(store, NOBODY)] == [source_type]


# -- the sources of a batch -----------------------------------------------------------------------------


def read_all(
    store: Store, user: str = OWNER, *, status: str = "bucketed", limit: int = 3
) -> list[SourceRecord]:
    """Page after page, as a batch reads them."""
    found: list[SourceRecord] = []
    after = ""
    while page := store.records(user, status=status, after=after, limit=limit):
        assert len(page) <= limit
        found += page
        after = page[-1].source.source_id
    return found


def read_ids(store: Store, user: str = OWNER, *, status: str = "bucketed", limit: int = 3) -> list[str]:
    """The ids of those."""
    return [record.source.source_id for record in read_all(store, user, status=status, limit=limit)]


def test_records_are_what_load_returns(store: Store, tables: Tables) -> None:
    """Source, buckets and count of each, in one read; no snapshot, since a run does not need it."""
    tables.add_source(source_id(1), user_id=OWNER, name="B", buckets=bucket_row(price_band_lt_500=40))
    tables.add_estimates(source_id(1), 30)
    store.save_snapshot(snapshot())
    found = store.records(OWNER, status="bucketed", after="", limit=9)
    assert found == [store.load(source_id(1), OWNER), store.load(SOURCE, OWNER)]
    assert [record.estimate_rows for record in found] == [30, 0]


def test_records_come_by_their_ids(store: Store, tables: Tables) -> None:
    """Whatever the order, the name or the time of their making; each page goes on after an id."""
    for number in (7, 2, 9, 4):
        created_at = f"2026-03-0{number}T00:00:00Z"
        tables.add_source(source_id(number), user_id=OWNER, name=f"Name {9 - number}", created_at=created_at)
    ids = [source_id(2), source_id(4), source_id(7), source_id(9), SOURCE]
    for limit in (1, 2, 5, 6):
        assert read_ids(store, limit=limit) == ids
    for after, expected in ((source_id(4), ids[2:]), (source_id(5), ids[2:]), (SOURCE, [])):
        page = store.records(OWNER, status="bucketed", after=after, limit=9)
        assert [record.source.source_id for record in page] == expected


def test_a_record_that_changes_its_status_moves_no_other(store: Store, tables: Tables) -> None:
    """A batch marks sources while another page is read: none is skipped, and none comes twice."""
    tables.add_sources([source_id(number) for number in range(1, 6)], OWNER)
    first = store.records(OWNER, status="bucketed", after="", limit=3)
    for record in first:
        assert store.mark_generated(record.source.source_id, OWNER)
    after = first[-1].source.source_id
    second = store.records(OWNER, status="bucketed", after=after, limit=3)
    assert [record.source.source_id for record in second] == [source_id(4), source_id(5), SOURCE]


def test_records_of_a_status(store: Store, tables: Tables) -> None:
    """Only that status, to the letter, with buckets, and the user's own."""
    tables.add_source(source_id(1), user_id=OWNER, status="snapshot_generated")
    tables.add_source(source_id(2), user_id=OWNER, status="ingested")
    tables.add_source(source_id(3), user_id=OWNER, with_buckets=False)
    tables.add_source(source_id(4), user_id=NOBODY)
    assert read_ids(store) == [SOURCE]
    assert read_ids(store, status="snapshot_generated") == [source_id(1)]
    assert read_ids(store, status="ingested") == [source_id(2)]
    for status in ("bucket", "BUCKETED", "bucketed ", "bucket%", "*", ""):
        assert read_ids(store, status=status) == []


@pytest.mark.parametrize(
    ("user", "ids"),
    [
        pytest.param(NOBODY, [], id="a user without sources"),
        pytest.param("", [], id="nobody"),
        pytest.param("' or 1=1 --", [], id="hostile"),
    ],
)
def test_records_are_the_users_own(store: Store, tables: Tables, user: str, ids: list[str]) -> None:
    """Whoever has none gets none, and no error that tells of others."""
    tables.add_source(source_id(1), user_id=OTHER_USER)
    assert read_ids(store, user) == ids
    assert read_ids(store) == [SOURCE]


def test_more_records_than_a_server_returns_at_once(store: Store, tables: Tables) -> None:
    """PostgREST cuts at 1,000 rows without a word: the next page goes on there, and none is lost."""
    ids = [source_id(number) for number in range(1100)]
    tables.add_sources(ids, NOBODY)
    assert read_ids(store, NOBODY, limit=2000) == read_ids(store, NOBODY, limit=400) == ids


@pytest.mark.parametrize(
    "status",
    [
        pytest.param('bucketed","ingested', id="a list"),
        pytest.param("bucketed,ingested", id="a comma"),
        pytest.param("bucketed)&user_id=neq.x&status=in.(bucketed", id="another filter"),
        pytest.param("bucketed' or '1'='1", id="SQL"),
        pytest.param('a"b\\c"', id="quotes and backslashes"),
        pytest.param("null", id="null"),
        pytest.param("true", id="true"),
        pytest.param("*", id="wildcard"),
        pytest.param("Grüße \U0001f600", id="beyond ASCII"),
    ],
)
def test_a_hostile_status_is_just_a_status(store: Store, tables: Tables, status: str) -> None:
    """It finds the sources that have it, and no others."""
    tables.add_source(source_id(1), user_id=OWNER, status="ingested")
    assert read_ids(store, status=status) == []
    tables.add_source(source_id(2), user_id=OWNER, status=status)
    assert read_ids(store, status=status) == [source_id(2)]
    assert read_ids(store) == [SOURCE]


@pytest.mark.parametrize("status", ["\ud800", "bucketed\udcff", "", "\0"], ids=ascii)
def test_no_records_of_a_status_that_no_source_has(store: Store, status: str) -> None:
    """What no column can hold finds nothing; it is no error of the store."""
    assert store.records(OWNER, status=status, after="", limit=9) == []


# -- everything else ------------------------------------------------------------------------------------


def test_ping(store: Store) -> None:
    """A store that can be read says nothing."""
    store.ping()


def test_columns_are_the_contracts(tables: Tables) -> None:
    """The product's own four tables, to the letter; no schema change, ever."""
    assert tables.columns() == {
        "sources": ["id", "user_id", "source_type", "source_name", "created_at", "status"],
        "estimates_normalized": [
            *("id", "estimate_id", "source_id", "created_at", "closed_at", "amount", "status", "job_type"),
        ],
        "estimate_buckets": [
            *("id", "source_id", "price_band_lt_500", "price_band_500_1500", "price_band_1500_5000"),
            *("price_band_5000_plus", "latency_band_0_2", "latency_band_3_7", "latency_band_8_21"),
            *("latency_band_22_plus", "weekly_volume", "created_at"),
        ],
        "snapshots": [
            *("id", "source_id", "user_id", "estimate_count", "confidence_level", "result"),
            "generated_at",
        ],
    }


@pytest.mark.parametrize("kind", ["embedded"], indirect=True)
def test_users_to_choose_from(store: Store) -> None:
    """Where nobody signs in: whoever owns a source, the sample users first."""
    assert store.users()[:2] == [USER, OTHER_USER] == PRACTICE_USERS
    assert OWNER in store.users()


@pytest.mark.parametrize("kind", list(KINDS)[1:], indirect=True)
def test_no_users_to_choose_from(store: Store) -> None:
    """Where people sign in nobody is chosen, and nobody's id is told."""
    assert store.users() == []
