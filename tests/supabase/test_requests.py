"""Which requests reach Supabase: how many, what they read and write, and in whose name."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

import pytest

from secondlook.domain.snapshots import Snapshot, SnapshotResult
from secondlook.domain.sources import SourceQuery
from secondlook.execution.runner import Runner
from secondlook.stores.base import Store
from tests.examples import OTHER_USER, SNAPSHOT, SOURCE, USER, echo
from tests.supabase.conftest import Cloud
from tests.supabase.proxy import Asked
from tests.supabase_server import minted_token

MINE = f"eq.{USER}"


def the_snapshot(snapshot_id: str = SNAPSHOT) -> Snapshot:
    """A snapshot of the source."""
    at = "2026-11-22T10:00:00Z"
    meta = {**echo()["meta"], "snapshot_id": snapshot_id, "source_id": SOURCE, "generated_at": at}
    return Snapshot(
        snapshot_id=snapshot_id,
        source_id=SOURCE,
        user_id=USER,
        estimate_count=35,
        confidence_level="low",
        result=SnapshotResult.model_validate({**echo(), "meta": meta}, strict=False),
        generated_at=at,
    )


def shapes(cloud: Cloud) -> list[tuple[str, str]]:
    """Method and path of every request."""
    return [(asked.method, asked.path) for asked in cloud.proxy.asked]


def test_a_snapshot_is_three_requests(cloud: Cloud) -> None:
    """One read, one insert, one update, by the secret key; nothing is asked of Auth."""
    assert cloud.snapshot().code == 0

    assert shapes(cloud) == [
        ("GET", "/rest/v1/sources"),
        ("POST", "/rest/v1/snapshots"),
        ("PATCH", "/rest/v1/sources"),
    ]
    assert {asked.by for asked in cloud.proxy.asked} == {"the secret key"}
    cloud.all_is_done()
    assert cloud.status() == "snapshot_generated"


def test_a_persons_snapshot_is_three_requests(cloud: Cloud) -> None:
    """Likewise in a person's name, by their token."""
    cloud.unset("SUPABASE_SECRET_KEY")
    runner = Runner(cloud.services())
    access = cloud.person()
    runner.admit(access)
    runner.execute(runner.submit(SOURCE, access).run_id)

    assert [asked.method for asked in cloud.proxy.of_tables] == ["GET", "POST", "PATCH"]
    assert {asked.by for asked in cloud.proxy.asked} == {"a person"}
    cloud.all_is_done()


def test_what_is_written(cloud: Cloud) -> None:
    """Exactly the contract's columns; the rest is the database's own."""
    fields = cloud.snapshot().fields
    _, insert, update = cloud.proxy.asked

    assert set(insert.body) == {
        *("id", "source_id", "user_id", "estimate_count", "confidence_level", "result", "generated_at"),
    }
    assert insert.body["id"] == fields["snapshot_id"]
    assert insert.body["result"] == fields["result"]
    assert (insert.body["source_id"], insert.body["user_id"]) == (SOURCE, USER)
    assert "return=minimal" in insert.prefer
    assert update.body == {"status": "snapshot_generated"}
    assert set(update.query) == {
        ("id", f"eq.{SOURCE}"),
        ("user_id", MINE),
        ("status", "in.(bucketed,snapshot_generated)"),
        ("select", "id"),
    }


@pytest.mark.parametrize("known", [None, 40], ids=["counted", "total known"])
def test_a_page_of_sources_is_one_request(cloud: Cloud, known: int | None) -> None:
    """Rows, estimates, newest snapshots and total at once; what is known is not counted."""
    for number in range(5):
        cloud.tables.add_source(str(uuid4()), name=f"Source {number}")
    store = cloud.services().store(cloud.person())
    page = store.list_sources(USER, SourceQuery(limit=3, search="sou", status="bucketed", known_total=known))

    assert (len(page.rows), page.total) == (3, known or 5)
    (asked,) = cloud.proxy.asked
    assert ("count=exact" in asked.prefer) is (known is None)
    assert (asked.values("limit"), asked.values("snapshots.limit")) == (["3"], ["1"])


def test_the_chosen_source_is_one_request(cloud: Cloud) -> None:
    """The source, its buckets, its count and its newest snapshot at once."""
    store = cloud.services().store(cloud.person())
    store.save_snapshot(the_snapshot())
    cloud.proxy.forget()
    record = store.load(SOURCE, USER, with_snapshot=True)

    assert record is not None
    assert record.snapshot is not None
    assert record.snapshot["id"] == SNAPSHOT
    assert shapes(cloud) == [("GET", "/rest/v1/sources")]


def test_a_page_of_the_history_is_one_request(cloud: Cloud) -> None:
    """Rows, their sources' names and the total at once, and no result."""
    store = cloud.services().store(cloud.person())
    store.save_snapshot(the_snapshot())
    cloud.proxy.forget()
    page = store.list_snapshots(USER, source_id=SOURCE)

    assert (len(page.rows), page.total) == (1, 1)
    (asked,) = cloud.proxy.asked
    assert not any("result" in columns for columns in asked.values("select"))


MALFORMED: dict[str, Callable[[Store], object]] = {
    "source": lambda store: store.load("malformed", USER),
    "user": lambda store: store.load(SOURCE, "malformed"),
    "snapshot": lambda store: store.get_snapshot("1,user_id.neq.x", USER),
    "history": lambda store: store.list_snapshots("*").rows or None,
    "history of a source": lambda store: store.list_snapshots(USER, source_id="*").rows or None,
    "list": lambda store: store.list_sources("*", SourceQuery()).rows or None,
}


@pytest.mark.parametrize("what", list(MALFORMED))
def test_malformed_ids_are_not_sent(cloud: Cloud, what: str) -> None:
    """Nothing can be asked for by what is no id."""
    assert MALFORMED[what](cloud.services().store(cloud.person())) is None
    assert cloud.proxy.asked == []


# -- over everything that is ever asked -----------------------------------------------------------------


def everything(cloud: Cloud) -> list[Asked]:
    """What all commands and all of a store's methods ask."""
    store = cloud.services().store(cloud.person())
    secret = cloud.services().store(cloud.services().own_access(USER))
    for each in (store, secret):
        each.load(SOURCE, USER)
        each.load(SOURCE, USER, with_snapshot=True)
        each.list_sources(USER, SourceQuery(search="a", sort="created"))
        each.list_sources(USER, SourceQuery(offset=50))
        each.save_snapshot(the_snapshot())
        each.save_snapshot(the_snapshot())
        each.get_snapshot(SNAPSHOT, USER)
        each.list_snapshots(USER)
        each.list_snapshots(USER, source_id=SOURCE, offset=50)
        each.mark_generated(SOURCE, USER)
    for arguments in (
        ["sources", "--user", USER],
        ["snapshot", SOURCE, "--user", USER, "--regenerate"],
        ["runs", "--user", USER],
        ["snapshot", SOURCE, "--user", OTHER_USER],
        ["resume"],
    ):
        cloud.call(*arguments)
    return cloud.proxy.of_tables


def test_every_row_is_asked_for_in_a_users_name(cloud: Cloud) -> None:
    """Every read and write of rows names the user, also with the secret key, which passes row security."""
    asked = everything(cloud)
    assert {each.by for each in asked} == {"a person", "the secret key"}
    for each in asked:
        if each.method == "POST":
            assert each.body["user_id"] == USER
        else:
            assert each.values("user_id") in ([MINE], [f"eq.{OTHER_USER}"]), each
            if any("snapshots(" in columns for columns in each.values("select")):
                assert each.values("snapshots.user_id") == each.values("user_id"), each
            if any("sources(" in columns for columns in each.values("select")):
                assert each.values("sources.user_id") == each.values("user_id"), each
    others = [each for each in asked if each.values("user_id") == [f"eq.{OTHER_USER}"]]
    assert [each.method for each in others] == ["GET"]


def test_no_estimate_is_ever_read(cloud: Cloud) -> None:
    """Of estimates there is a count and nothing else; the looks at row security see ids alone."""
    for each in everything(cloud):
        assert each.table != "estimates_normalized"
        for columns in each.values("select"):
            embedded = re.findall(r"estimates_normalized\w*[!\w]*\(([^)]*)\)", columns)
            assert embedded in ([], ["count"]), columns
            assert ("estimates_normalized" in columns) is bool(embedded)
            assert "*" not in columns
        assert not [name for name, _ in each.query if name.startswith("estimates")]


def test_a_look_at_row_security_reads_ids_alone(cloud: Cloud) -> None:
    """At most a row a table, and of it no column that holds content."""
    cloud.call("check")
    cloud.services().row_security.verify(USER, minted_token(cloud.server, USER))

    for each in cloud.proxy.of_tables:
        assert each.method == "GET"
        assert each.values("limit") in (["0"], ["1"])
        if each.values("limit") == ["1"]:
            assert each.values("select") in (["id"], ["source_id"], ["source_id,sources(id)"]), each


def test_nothing_else_is_written(cloud: Cloud) -> None:
    """Only snapshots are inserted, only a status is updated, nothing is deleted or called."""
    written = {(each.method, each.table) for each in everything(cloud) if each.method != "GET"}
    assert written == {("POST", "snapshots"), ("PATCH", "sources")}
    for each in cloud.proxy.of_tables:
        if each.method == "PATCH":
            assert each.body == {"status": "snapshot_generated"}
            assert each.values("status") == ["in.(bucketed,snapshot_generated)"]


def test_what_was_stored_is_as_it_was_sent(cloud: Cloud) -> None:
    """The row holds the locked result, and its time is the journal's."""
    fields = cloud.snapshot().fields
    (row,) = cloud.snapshots()
    assert row["result"] == fields["result"]
    assert set(row["result"]) == {"meta", "demand", "decision_latency"}
    assert (row["estimate_count"], row["confidence_level"]) == (35, "low")
    (run,) = cloud.runs()
    assert run["generated_at"] == fields["result"]["meta"]["generated_at"]
    assert cloud.server.sql(
        "select 1 from snapshots where generated_at = $1::text::timestamptz", run["generated_at"]
    )
