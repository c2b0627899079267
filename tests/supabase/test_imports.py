"""Imports on Supabase in bad weather: requests that fail, a network that goes, a process that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from secondlook.connections.supabase import Project
from secondlook.domain.sources import SourceQuery
from secondlook.errors import SecondlookError, SourceInUse
from secondlook.stores.supabase import SupabaseStore
from secondlook.stores.supabase_estimates import SupabaseEstimates
from tests.importing_files import CANARY, estimates, imported
from tests.processes import ROOT
from tests.supabase.proxy import (
    Asked,
    Behaviour,
    Exchange,
    Proxy,
    first,
    hanging_up,
    losing,
    passing_on,
    refusing,
)
from tests.supabase_server import SupabaseTables, minted_token

OWNER = "d0000000-0000-4000-8000-00000000000d"
EARLIER = estimates(1_100)
LATER = [*estimates(1_050, start=20, amount=9_000), *estimates(40, start=5_000)]

IMPORTER = """
import sys
from secondlook.connections.supabase import Project
from secondlook.stores.supabase_estimates import SupabaseEstimates
from tests.importing_files import imported
from tests.supabase.test_imports import LATER, OWNER
SupabaseEstimates(Project(sys.argv[1], sys.argv[2]), lambda: sys.argv[3]).put([imported(LATER)], OWNER)
"""


@dataclass
class Place:
    """A project behind a proxy, with a source of an earlier import or without."""

    proxy: Proxy
    tables: SupabaseTables
    update: bool

    def __post_init__(self) -> None:
        """Note how it is before and after an import that nothing disturbs."""
        self.project = Project(self.proxy.url, self.tables.server.publishable_key)
        self.begin()
        self.before = self.state()
        self.proxy.forget()
        self.importer().put([imported(LATER)], OWNER)
        self.requests = len(self.proxy.of_tables)
        self.after = self.state()
        assert self.before != self.after

    def begin(self) -> None:
        """Empty the tables, and import the earlier export where there is one."""
        self.proxy.mend()
        self.tables.server.sql("truncate sources, estimates_normalized, estimate_buckets, snapshots")
        if self.update:
            self.importer().put([imported(EARLIER)], OWNER)

    def importer(self, lease_seconds: float = 60) -> SupabaseEstimates:
        """What imports in the owner's name."""
        token = minted_token(self.tables.server, OWNER)
        return SupabaseEstimates(self.project, lambda: token, lease_seconds=lease_seconds)

    def at(self, number: int, behaviour: Behaviour, *, times: int = 1) -> None:
        """Spoil a request by its number, and those that follow."""
        count = 0

        def is_due(asked: Asked) -> bool:
            nonlocal count
            count += asked.table is not None
            return count > number

        self.proxy.spoil(behaviour, when=is_due, times=times)

    def state(self) -> list[list[dict[str, Any]]]:
        """All rows, but for ids and times of their making."""
        hidden = {"id", "source_id"}
        tables = ("sources", "estimates_normalized", "estimate_buckets", "snapshots")
        found: list[list[dict[str, Any]]] = []
        for table in tables:
            made = {"created_at"} if table != "estimates_normalized" else set[str]()
            rows = self.tables.server.sql(f"select * from {table}")  # noqa: S608 -- own names
            kept = [{name: row[name] for name in row if name not in hidden | made} for row in rows]
            found.append(sorted(kept, key=str))
        return found

    def nothing_half_done_is_shown(self) -> None:
        """Whatever is listed as ready is whole: as it was, or as it will be."""
        store = SupabaseStore(self.project, lambda: minted_token(self.tables.server, OWNER))
        page = store.list_sources(OWNER, SourceQuery())
        assert len(page.rows) <= 1
        for row in page.rows:
            record = store.load(row.source.source_id, OWNER)
            assert record is not None
            assert record.buckets is not None
            if row.source.status == "bucketed":
                assert record.estimate_rows in ({len(EARLIER), _merged()} if self.update else {len(LATER)})
                assert _sum(record.buckets) == record.estimate_rows
            else:
                assert row.source.status == "ingested"


def _merged() -> int:
    return len({row[0] for row in (*EARLIER, *LATER)})


def _sum(row: Any) -> int:  # noqa: ANN401 -- JSON
    return sum(row[name] for name in row if name.startswith("price_band"))


@pytest.fixture(params=[False, True], ids=["new", "update"])
def place(request: pytest.FixtureRequest, proxy: Proxy, supabase_tables: SupabaseTables) -> Generator[Place]:
    """Where a file is imported."""
    made = Place(proxy, supabase_tables, request.param)
    yield made
    made.project.close()


def refused(exchange: Exchange) -> None:
    """Refuses a request as a database that has no room does."""
    refusing(500, "53100", "could not extend file: No space left on device")(exchange)


def test_any_request_may_be_refused(place: Place) -> None:
    """Once: everything is taken back, or everything is there; never half of it."""
    for number in range(place.requests):
        place.begin()
        place.at(number, refused)
        try:
            place.importer().put([imported(LATER)], OWNER)
        except SecondlookError as error:
            assert "No space left" in error.message, number  # noqa: PT017 -- not every request must succeed
        place.proxy.mend()
        place.nothing_half_done_is_shown()
        if place.state() not in (
            place.before,
            place.after,
        ):  # the last step: a finished import is not taken back
            place.importer(lease_seconds=0).put([imported(LATER)], OWNER)
            assert place.state() == place.after, number


def test_the_answer_to_any_request_may_be_lost(place: Place) -> None:
    """It is asked again, and nothing is there twice."""
    for number in range(place.requests):
        place.begin()
        place.at(number, losing)
        place.importer().put([imported(LATER)], OWNER)
        assert place.state() == place.after, number


def test_the_network_may_go_at_any_request(place: Place) -> None:
    """Nothing can be taken back then; what is half done is not shown, and the next import finishes it."""
    for number in range(place.requests):
        place.begin()
        place.at(number, hanging_up, times=1_000)
        with pytest.raises(SecondlookError):
            place.importer().put([imported(LATER)], OWNER)
        place.proxy.mend()
        place.nothing_half_done_is_shown()
        place.importer(lease_seconds=0).put([imported(LATER)], OWNER)
        assert place.state() == place.after, number


def test_another_file_after_a_crash(place: Place) -> None:
    """Of rows that a dead import had not finished, none is left where another file is imported next."""
    other = estimates(30, start=9_000)
    for number in range(place.requests):
        place.begin()
        place.at(number, hanging_up, times=1_000)
        with pytest.raises(SecondlookError):
            place.importer().put([imported(LATER)], OWNER)
        place.proxy.mend()
        committed = "select 1 from sources where source_type = 'import' and status = 'ingested'"
        finished = bool(place.tables.server.sql(committed)) or place.state() == place.after
        place.importer(lease_seconds=0).put([imported(other)], OWNER)
        held = LATER if not place.update else [*EARLIER, *LATER] if finished else EARLIER
        kept = {row[0] for row in held} if finished or place.update else set[str]()
        assert place.tables.count("estimates_normalized") == len(kept | {row[0] for row in other}), number


def test_a_process_may_be_killed_at_any_request(place: Place) -> None:
    """By SIGKILL, after any request: the next import takes back or finishes what it began."""
    server = place.tables.server
    for number in range(place.requests):
        place.begin()
        running: list[subprocess.Popen[bytes]] = []
        place.at(number, first(lambda running=running: running[0].kill(), hanging_up))
        command = [sys.executable, "-c", IMPORTER, place.proxy.url, server.publishable_key]
        running.append(subprocess.Popen([*command, minted_token(server, OWNER)], cwd=ROOT))
        assert running[0].wait(60) == -signal.SIGKILL
        place.proxy.mend()
        place.nothing_half_done_is_shown()
        place.importer(lease_seconds=0).put([imported(LATER)], OWNER)
        assert place.state() == place.after, number


def test_two_imports_of_one_source_at_once(place: Place) -> None:
    """The second is refused in words, and changes nothing; the first goes on."""
    met: list[SecondlookError] = []

    def second(exchange: Exchange) -> None:
        if not met:
            with pytest.raises(
                SourceInUse, match=r"^Another import of this source is in progress$"
            ) as caught:
                place.importer().put([imported(EARLIER)], OWNER)
            met.append(caught.value)
        passing_on(exchange)

    place.begin()
    place.at(place.requests // 2, second, times=1)
    place.importer().put([imported(LATER)], OWNER)
    assert "60 seconds" in met[0].hint
    assert place.state() == place.after


def test_no_address_names_an_estimate(place: Place) -> None:
    """Rows go into bodies alone: addresses end up in logs of whoever stands between."""
    assert place.proxy.of_tables
    place.begin()
    place.importer().put([imported(LATER, CANARY)], OWNER)
    place.importer().put([imported(EARLIER, CANARY)], OWNER)
    assert place.importer().find(CANARY, OWNER) is not None
    for asked in place.proxy.asked:
        assert "Canary" not in f"{asked.path} {asked.query}"
    bodies: list[object] = [asked.body for asked in place.proxy.asked]
    sizes = [len(cast("list[object]", body)) for body in bodies if isinstance(body, list)]
    assert max(sizes) == 1_000


def test_tables_that_do_not_cascade(place: Place) -> None:
    """A source is deleted whole there too."""
    server = place.tables.server
    (source,) = server.sql("select id from sources")
    children = ("estimates_normalized", "estimate_buckets", "snapshots")
    key = (
        "alter table {0} drop constraint {0}_source_id_fkey, "
        "add constraint {0}_source_id_fkey foreign key (source_id) references sources (id)"
    )
    for table in children:
        server.sql(key.format(table))
    try:
        place.importer().delete(source["id"], OWNER)
        assert place.state() == [[], [], [], []]
    finally:
        for table in children:
            server.sql(key.format(table) + " on delete cascade")
