"""Supabase gone, slow, broken or changed meanwhile: a clear message or a retry, and one call at most."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from uuid import uuid4

import httpx
import pytest

from secondlook.domain.access import Access
from secondlook.domain.sources import SourceQuery
from secondlook.errors import NotSignedIn, SecondlookError, SourceNotFound, StoreUnavailable
from secondlook.execution.runner import Runner
from tests.examples import OTHER_USER, SNAPSHOT, SOURCE, USER, echo, example_snapshot
from tests.provider import Exchange as Call
from tests.provider import answering as agent_answering
from tests.supabase.conftest import Cloud
from tests.supabase.proxy import (
    INSERT,
    READ,
    UPDATE,
    Behaviour,
    Matches,
    answering,
    cutting,
    delaying,
    first,
    hanging_up,
    keeping_silent_after,
    losing,
    refusing,
    resetting,
)
from tests.supabase_server import minted_token

STRANGE = "Supabase answered with something that is not its Data API's"
OVER = "The session has ended"
PAGE = "<!doctype html><title>Sign in to the guest network</title>"

BREAKING = [
    pytest.param(hanging_up, "Supabase cannot be reached (RemoteProtocolError)", id="hangs up"),
    pytest.param(resetting, "Supabase cannot be reached (ReadError)", id="resets"),
    pytest.param(cutting, "Supabase cannot be reached (RemoteProtocolError)", id="cuts off"),
]
ANSWERING = [
    pytest.param(answering(PAGE, kind="text/html"), STRANGE, id="a web page"),
    pytest.param(answering(PAGE), STRANGE, id="a web page that says it is JSON"),
    pytest.param(answering("{}"), STRANGE, id="an object"),
    pytest.param(answering("12"), STRANGE, id="a number"),
    pytest.param(answering("null"), STRANGE, id="null"),
    pytest.param(answering("[[]]"), STRANGE, id="a list of lists"),
    pytest.param(answering("[" * 50_000), STRANGE, id="endless brackets"),
    pytest.param(answering("[" * 50_000 + "]" * 50_000), STRANGE, id="huge nesting"),
    pytest.param(answering('[{"id": "'), STRANGE, id="half a row"),
]
REFUSING = [
    pytest.param(
        refusing(500, "XX000", "internal\n error"),
        "Supabase refused the request (XX000): internal error",
        id="500",
    ),
    pytest.param(
        refusing(504, "57014", "canceling statement due to statement timeout"),
        "Supabase refused the request (57014): canceling statement due to statement timeout",
        id="the database's own time-out",
    ),
    pytest.param(
        refusing(503, "PGRST001", "Database connection error. Retrying the connection."),
        "Supabase refused the request (PGRST001): Database connection error. Retrying the connection.",
        id="503",
    ),
    pytest.param(
        answering(PAGE, status=502, kind="text/html"),
        "Supabase refused the request (502): Test",
        id="a gateway's page",
    ),
    pytest.param(answering("", status=503), "Supabase refused the request (503): Test", id="503 and no body"),
    pytest.param(
        answering(
            '{"message": "Invalid API key", "hint": "Double check your Supabase `apikey`"}', status=401
        ),
        "Supabase does not accept the key (no code): Invalid API key",
        id="a key that was rotated",
    ),
    pytest.param(
        refusing(403, "42501", "permission denied for table sources"),
        "Supabase refused the request (42501): permission denied for table sources",
        id="no right",
    ),
]
KEY = [
    pytest.param("PGRST303", "JWT expired", id="expired"),
    pytest.param("PGRST301", "No suitable key or wrong key type", id="forged"),
    pytest.param("PGRST302", "Anonymous access is disabled", id="none"),
]
AFTER_THE_CALL = [pytest.param(INSERT, id="insert"), pytest.param(UPDATE, id="update")]


def refused_before_the_call(cloud: Cloud, code: str, message: str) -> None:
    """Nothing was started, the message is this one, and once the weather is fine it works."""
    error = cloud.snapshot().error
    assert (error["code"], error["message"], error["run_id"]) == (code, message, None)
    assert cloud.say("snapshot", SOURCE, "--user", USER).err == f"{message}\n{error['hint']}\n"
    cloud.nothing_is_started()
    cloud.proxy.mend()
    assert cloud.snapshot().code == 0
    cloud.all_is_done()


def kept_for_later(cloud: Cloud, code: str, message: str) -> None:
    """The answer is kept, the message is this one, and `resume` brings the run to its end without a call."""
    error = cloud.snapshot().error
    (run,) = cloud.runs()
    assert (error["code"], error["message"], error["run_id"]) == (code, message, run["run_id"])
    assert run["status"] == "answered"
    assert cloud.snapshot().error["run_id"] == run["run_id"]  # joined, not started again
    assert len(cloud.provider.requests) == 1
    resume_brings_it_to_its_end(cloud)


def resume_brings_it_to_its_end(cloud: Cloud) -> None:
    """Once the weather is fine."""
    cloud.proxy.mend()
    assert [run["status"] for run in cloud.call("resume").items] == ["done"]
    cloud.all_is_done()
    assert cloud.status() == "snapshot_generated"


# -- gone, slow, broken ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("behaviour", "message"), [*BREAKING, *ANSWERING, *REFUSING])
def test_bad_weather_before_the_call(cloud: Cloud, behaviour: Behaviour, message: str) -> None:
    """A source that cannot be read is refused, and nothing is sent to the agent."""
    cloud.proxy.spoil(behaviour)
    refused_before_the_call(cloud, "store_unavailable", message)


@pytest.mark.parametrize("step", AFTER_THE_CALL)
@pytest.mark.parametrize(("behaviour", "message"), [*BREAKING, *ANSWERING, *REFUSING])
def test_bad_weather_after_the_call(cloud: Cloud, step: Matches, behaviour: Behaviour, message: str) -> None:
    """An answer that cannot be stored is kept; it is stored later, once, and not asked for again."""
    cloud.proxy.spoil(behaviour, when=step)
    kept_for_later(cloud, "store_unavailable", message)


@pytest.mark.parametrize("step", [pytest.param(READ, id="read"), *AFTER_THE_CALL])
@pytest.mark.parametrize("behaviour", [hanging_up, resetting, cutting, losing], ids=lambda b: b.__name__)
def test_a_connection_that_breaks_once(cloud: Cloud, step: Matches, behaviour: Behaviour) -> None:
    """It is asked again at once, for every request may be repeated; nobody notices."""
    cloud.proxy.spoil(behaviour, when=step, times=1)
    assert cloud.snapshot().code == 0
    cloud.all_is_done()
    assert cloud.status() == "snapshot_generated"


@pytest.mark.parametrize(("code", "words"), KEY)
@pytest.mark.parametrize("step", [pytest.param(READ, id="read"), *AFTER_THE_CALL])
def test_a_key_that_is_not_valid(cloud: Cloud, step: Matches, code: str, words: str) -> None:
    """The process's own key is not a session: it is named; an answer that is here already is kept."""
    cloud.proxy.spoil(refusing(401, code, words), when=step)
    message = f"Supabase does not accept the key ({code}): {words}"
    if step is READ:
        refused_before_the_call(cloud, "store_unavailable", message)
    else:
        kept_for_later(cloud, "store_unavailable", message)


def test_down(cloud: Cloud) -> None:
    """Where nobody listens that is said, by every command and by `check`."""
    message = "Supabase cannot be reached (ConnectError)"
    with cloud.proxy.down():
        for arguments in (["snapshot", SOURCE, "--user", USER], ["sources", "--user", USER]):
            assert cloud.call(*arguments).error["message"] == message
        checks = {check["name"]: check for check in cloud.call("check").items}
        for name in ("store", "row security"):
            assert checks[name] == {"name": name, "ok": False, "detail": message}
        assert checks["sign-in"]["ok"] is False
        assert checks["ledger"]["ok"] is True
    refused_after = cloud.snapshot()
    assert refused_after.code == 0
    cloud.all_is_done()


def test_down_while_the_agent_answers(cloud: Cloud) -> None:
    """The same where it goes after the call was started: the answer waits in the ledger."""
    with ExitStack() as outage:

        def behave(call: Call) -> None:
            outage.enter_context(cloud.proxy.down())
            agent_answering(echo())(call)

        cloud.provider.behaviour = behave
        error = cloud.snapshot().error
    assert (error["code"], error["message"]) == (
        "store_unavailable",
        "Supabase cannot be reached (ConnectError)",
    )
    resume_brings_it_to_its_end(cloud)


def test_a_restart_between_two_requests(cloud: Cloud) -> None:
    """A connection that was kept and is gone is replaced; nobody notices."""
    assert cloud.call("sources", "--user", USER).code == 0
    with cloud.proxy.down():
        pass
    assert cloud.snapshot().code == 0
    cloud.all_is_done()


@pytest.fixture
def hasty(cloud: Cloud) -> Cloud:
    """Whoever asks waits only a moment for Supabase."""
    cloud.monkeypatch.setattr("secondlook.connections.supabase.TIMEOUT", httpx.Timeout(1.5))
    return cloud


def test_slow_before_the_call(hasty: Cloud) -> None:
    """A time-out is said as such."""
    hasty.proxy.spoil(delaying(60), when=READ, times=2)
    refused_before_the_call(hasty, "store_unavailable", "Supabase did not answer in time (ReadTimeout)")


@pytest.mark.parametrize("step", AFTER_THE_CALL)
@pytest.mark.parametrize("behaviour", [delaying(60), keeping_silent_after], ids=["not done", "done"])
def test_slow_after_the_call(hasty: Cloud, step: Matches, behaviour: Behaviour) -> None:
    """Whether it was done is unknown, and does not matter: repeated, it is done once."""
    hasty.proxy.spoil(behaviour, when=step, times=1)
    error = hasty.snapshot().error
    assert (error["code"], error["message"]) == (
        "store_unavailable",
        "Supabase did not answer in time (ReadTimeout)",
    )
    resume_brings_it_to_its_end(hasty)


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_an_insert_whose_answer_is_lost(cloud: Cloud, times: int) -> None:
    """The snapshot is found where it is, at once or by `resume`: one row, one call."""
    cloud.proxy.spoil(losing, when=INSERT, times=times)
    outcome = cloud.snapshot()
    assert len(cloud.snapshots()) == 1
    if times == 1:
        assert outcome.code == 0
        assert [asked.method for asked in cloud.proxy.asked] == ["GET", "POST", "POST", "GET", "PATCH"]
    else:
        assert outcome.error["code"] == "store_unavailable"
        assert cloud.call("resume").items[0]["status"] == "done"
    cloud.all_is_done()
    assert cloud.status() == "snapshot_generated"


def test_an_insert_that_finds_other_content(cloud: Cloud) -> None:
    """What lies under the run's id with other content is not overwritten, and nothing is sent again."""

    def change() -> None:
        cloud.server.sql("update snapshots set estimate_count = 99")

    cloud.proxy.spoil(losing, when=INSERT, times=1)
    cloud.proxy.spoil(first(change), when=INSERT, times=1)
    error = cloud.snapshot().error
    (run,) = cloud.runs()
    assert error["code"] == "store_unavailable"
    assert error["message"] in {
        f"Snapshot {run['run_id']} is stored already, with other content",
        f"Snapshot {run['run_id']} tells other things in its result than in its row",
    }
    assert [row["estimate_count"] for row in cloud.snapshots()] == [99]
    assert len(cloud.provider.requests) == 1


# -- answers that look right and are not ----------------------------------------------------------------

ROW = {
    "id": SOURCE,
    "user_id": USER,
    "source_type": "csv",
    "source_name": "Name",
    "created_at": "2026-01-05T08:00:00+00:00",
    "status": "bucketed",
    "estimate_buckets": {"price_band_lt_500": 1},
    "estimates_normalized": [{"count": 0}],
    "snapshots": [],
}


def without(name: str) -> dict[str, object]:
    """The row without a key."""
    return {key: value for key, value in ROW.items() if key != name}


UNCOUNTED = "Supabase did not count the estimates"
MISSHAPEN = [
    *(
        pytest.param(without(name), STRANGE, id=f"no {name}")
        for name in ("id", "user_id", "source_name", "created_at", "status")
    ),
    pytest.param(without("estimates_normalized"), UNCOUNTED, id="no count"),
    pytest.param({**ROW, "estimates_normalized": [{"count": "40"}]}, UNCOUNTED, id="a text for a count"),
    pytest.param({**ROW, "estimates_normalized": [{"count": True}]}, UNCOUNTED, id="true for a count"),
    pytest.param({**ROW, "estimates_normalized": 40}, STRANGE, id="a number for embedded rows"),
    pytest.param({**ROW, "estimates_normalized": [40]}, STRANGE, id="numbers for embedded rows"),
    pytest.param({**ROW, "estimate_buckets": 7}, STRANGE, id="a number for buckets"),
    pytest.param({**ROW, "estimate_buckets": ["x"]}, STRANGE, id="a text for buckets"),
]


@pytest.mark.parametrize(("row", "message"), MISSHAPEN)
def test_rows_of_another_shape(cloud: Cloud, row: dict[str, object], message: str) -> None:
    """A row that lacks a key or holds another kind of value is no row of the Data API."""
    cloud.proxy.spoil(answering(json.dumps([row])))
    refused_before_the_call(cloud, "store_unavailable", message)


@pytest.mark.parametrize(("row", "message"), MISSHAPEN)
def test_a_list_of_another_shape(cloud: Cloud, row: dict[str, object], message: str) -> None:
    """Nor is it in a list."""
    cloud.proxy.spoil(answering(json.dumps([row])))
    store = cloud.services().store(Access(USER))
    with pytest.raises(StoreUnavailable, match=f"^{message}$"):
        store.list_sources(USER, SourceQuery(known_total=1))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({}, id="empty"),
        pytest.param({"generated_at": 5}, id="one key of another kind"),
        pytest.param({"id": SNAPSHOT, "generated_at": "2026-11-22T10:00:00Z"}, id="no result"),
    ],
)
def test_a_snapshot_of_another_shape(cloud: Cloud, row: dict[str, object]) -> None:
    """Nor where a snapshot is read."""
    cloud.proxy.spoil(answering(json.dumps([row])))
    with pytest.raises(StoreUnavailable, match=f"^({STRANGE}|Snapshot .* does not match the locked schema)$"):
        cloud.services().store(Access(USER)).get_snapshot(SNAPSHOT, USER)


def test_a_list_without_its_total(cloud: Cloud) -> None:
    """Where the server does not count, nothing is shown as if it were all."""
    cloud.proxy.spoil(answering(json.dumps([ROW])))
    assert cloud.call("sources", "--user", USER).error["message"] == "Supabase did not count the sources"


# -- tables and columns ---------------------------------------------------------------------------------


def broken_schema(cloud: Cloud, request: pytest.FixtureRequest, statement: str, mend: str) -> None:
    """Change the tables until the test ends."""
    cloud.server.sql(statement)
    request.addfinalizer(lambda: cloud.server.sql(mend))


@pytest.mark.parametrize("table", ["sources", "estimate_buckets", "estimates_normalized", "snapshots"])
def test_a_table_is_missing(cloud: Cloud, request: pytest.FixtureRequest, table: str) -> None:
    """It is said which kind of thing is missing and what to run; no answer is lost over it."""
    broken_schema(
        cloud,
        request,
        f"alter table {table} rename to kept_elsewhere",
        f"alter table kept_elsewhere rename to {table}",
    )
    message = "Supabase lacks a table or a column: Could not find the relation in the schema cache"
    error = cloud.snapshot().error
    assert (error["code"], error["message"]) == ("store_unavailable", message)
    assert error["hint"] == "Run supabase/migrations on the project, then `secondlook check`."
    if table == "snapshots":  # is not read before it is written
        assert [run["status"] for run in cloud.runs()] == ["answered"]
        assert len(cloud.provider.requests) == 1
    else:
        assert (cloud.runs(), cloud.provider.requests) == ([], [])
    store = {check["name"]: check for check in cloud.call("check").items}["store"]
    assert store == {"name": "store", "ok": False, "detail": message}


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("sources", "status"),
        ("estimate_buckets", "weekly_volume"),
        ("estimate_buckets", "price_band_lt_500"),
        ("snapshots", "result"),
    ],
)
def test_a_column_is_missing(cloud: Cloud, request: pytest.FixtureRequest, table: str, column: str) -> None:
    """Likewise; the server names the column."""
    broken_schema(
        cloud,
        request,
        f"alter table {table} rename column {column} to kept_elsewhere",
        f"alter table {table} rename column kept_elsewhere to {column}",
    )
    error = cloud.snapshot().error
    assert error["code"] == "store_unavailable"
    assert error["message"].startswith("Supabase lacks a table or a column: ")
    assert column in error["message"]
    assert len(cloud.provider.requests) == (table == "snapshots")
    store = {check["name"]: check for check in cloud.call("check").items}["store"]
    assert store["ok"] is False
    assert column in store["detail"]


# -- more than 1,000 rows -------------------------------------------------------------------------------


def test_more_than_a_thousand_sources(cloud: Cloud) -> None:
    """Supabase gives a thousand rows at most: the command line lists all, in pages."""
    fill(cloud, 1099)
    listed = cloud.call("sources", "--user", USER).items
    assert len({row["source_id"] for row in listed}) == len(listed) == 1100
    assert {row["estimate_count"] for row in listed} == {35}
    assert len(cloud.proxy.of_tables) == 3
    assert len(cloud.say("sources", "--user", USER).out.splitlines()) == 1101


def test_pages_of_more_than_a_thousand(cloud: Cloud) -> None:
    """Each page knows the exact total, and together they are all there is; so it is for a person."""
    fill(cloud, 1099)
    store = cloud.services().store(cloud.person())
    found: list[str] = []
    for offset, size in ((0, 500), (500, 500), (1000, 100), (1500, 0)):
        page = store.list_sources(USER, SourceQuery(offset=offset, limit=500, sort="created"))
        assert (len(page.rows), page.total) == (size, 1100)
        found += [row.source.source_id for row in page.rows]
    assert len(set(found)) == 1100


def fill(cloud: Cloud, number: int) -> None:
    """So many more sources of USER's."""
    cloud.server.sql(
        "with made as (insert into sources (user_id, source_type, source_name, status) "
        "select $1::text::uuid, 'csv', 'Source ' || n, 'bucketed' from generate_series(1, $2::text::int) n "
        "returning id) "
        "insert into estimate_buckets (source_id, price_band_lt_500, latency_band_0_2) "
        "select id, 35, 35 from made",
        *(USER, str(number)),
    )


# -- never another's ------------------------------------------------------------------------------------


def test_nothing_of_anothers(cloud: Cloud) -> None:
    """By another person's token nothing is seen or written, whomever they name."""
    mine = cloud.services().store(cloud.person())
    mine.save_snapshot(example_snapshot())
    token = minted_token(cloud.server, OTHER_USER)
    other = cloud.services().store(Access(OTHER_USER, token=lambda: token))
    for named in (OTHER_USER, USER):
        assert other.load(SOURCE, named, with_snapshot=True) is None
        assert other.list_sources(named, SourceQuery()).total == 0
        assert other.get_snapshot(SNAPSHOT, named) is None
        assert other.mark_generated(SOURCE, named) is False
    with pytest.raises(StoreUnavailable, match=r"^Supabase refused the request \(42501\): "):
        other.save_snapshot(example_snapshot(str(uuid4())))
    with pytest.raises(SecondlookError):
        other.save_snapshot(example_snapshot())  # its id is taken, and not theirs to see
    assert cloud.status() == "bucketed"
    assert len(cloud.snapshots()) == 1


@pytest.mark.parametrize("seconds", [-1, None], ids=["expired", "forged"])
def test_a_real_token_that_is_not_valid(cloud: Cloud, seconds: int | None) -> None:
    """The server itself refuses it, for reading and for writing."""
    token = (
        minted_token(cloud.server, USER, secret="another secret of at least 32 characters")  # noqa: S106 -- made up
        if seconds is None
        else minted_token(cloud.server, USER, seconds=seconds)
    )
    store = cloud.services().store(Access(USER, token=lambda: token))
    asks: list[Callable[[], object]] = [
        lambda: store.load(SOURCE, USER),
        lambda: store.list_sources(USER, SourceQuery()),
        lambda: store.get_snapshot(SNAPSHOT, USER),
        lambda: store.save_snapshot(example_snapshot()),
        lambda: store.mark_generated(SOURCE, USER),
    ]
    for ask in asks:
        with pytest.raises(NotSignedIn, match=f"^{OVER}$") as refused:
            ask()
        assert refused.value.hint == "Sign in again; your runs continue then."
    cloud.nothing_is_started()


def test_anothers_source_by_ones_own_token(cloud: Cloud) -> None:
    """A run of another's source is refused as if there were none."""
    token = minted_token(cloud.server, OTHER_USER)
    with pytest.raises(SourceNotFound, match=r"^Invalid source_id: not found$"):
        Runner(cloud.services()).submit(SOURCE, Access(OTHER_USER, token=lambda: token))
    cloud.nothing_is_started()
