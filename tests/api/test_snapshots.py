"""POST /api/snapshots and what can be read after it: answers, waiting, and every refusal as a problem."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.api.conftest import FrontDoor, Json, Someone, problem_of
from tests.examples import bucket_row, completion, echo, example_input, weeks
from tests.processes import API_KEY, eventually
from tests.provider import (
    USAGE,
    Behaviour,
    Provider,
    answering,
    answering_after,
    answering_once,
    refusing,
    replying,
    resetting,
)

UNKNOWN = "Invalid source_id: not found"

# -- made ------------------------------------------------------------------------------------------------


def test_a_run_is_accepted_and_can_be_polled(ann: Someone, provider: Provider) -> None:
    """202 names the run and where it is; polled to its end, its snapshot has its id."""
    source = ann.add_source()
    answer = ann.press(source)
    assert answer.status_code == 202
    assert set(answer.json()) == {"run_id"}
    assert answer.headers["location"] == f"/api/runs/{answer.json()['run_id']}"
    assert "preference-applied" not in answer.headers
    run = ann.ended(answer.json()["run_id"])
    assert run["status"] == "done"
    assert (run["source_id"], run["user_id"], run["agent"]) == (source, ann.user_id, "openai")
    assert (run["attempts"], run["error"], run["error_code"]) == (1, None, None)
    assert run["usage"] == {**USAGE, "estimated": False}
    assert run["cost_usd"] > 0
    assert len(provider.requests) == 1
    assert ann.tables.status(source) == "snapshot_generated"


def test_the_snapshot_is_what_the_store_holds(ann: Someone) -> None:
    """GET /api/snapshots/{id} gives the row; its result has the locked keys and no other."""
    source = ann.add_source()
    made = ann.made(source)
    answer = ann.get(f"/api/snapshots/{made['snapshot_id']}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    row = ann.server.ask("GET", f"/rest/v1/snapshots?id=eq.{made['snapshot_id']}", secret=True).expect(200)[0]
    read = answer.json()
    assert read["result"] == row["result"] == made["result"]
    assert read == {
        "snapshot_id": row["id"],
        "source_id": source,
        "user_id": ann.user_id,
        "estimate_count": 35,
        "confidence_level": "low",
        "result": row["result"],
        "generated_at": read["result"]["meta"]["generated_at"],
    }
    right = echo()
    meta = {"snapshot_id": made["run_id"], "source_id": source, "generated_at": read["generated_at"]}
    assert read["result"] == {**right, "meta": {**right["meta"], **meta}}


def test_what_waiting_brings(ann: Someone) -> None:
    """With Prefer: wait the answer is what `secondlook snapshot --json` prints."""
    answer = ann.press(ann.add_source(), prefer="wait")
    assert answer.status_code == 200
    assert answer.headers["preference-applied"].startswith("wait")
    made = answer.json()
    assert made["run_id"] == made["snapshot_id"]
    assert (made["model"], made["agent"], made["attempts"]) == ("gpt-4o-2024-08-06", "openai", 1)
    assert (made["usage"], made["warnings"]) == ({**USAGE, "estimated": False}, [])
    assert made["latency_ms"] > 0


def test_warnings_are_told(ann: Someone, provider: Provider) -> None:
    """Weeks that do not cover every estimate are warned of, as on the page."""
    row = bucket_row(weekly_volume=weeks(("2026-W01", 15), ("2026-W02", 18)))
    provider.behaviour = answering(echo(example_input(row)))
    assert ann.made(ann.add_source(buckets=row))["warnings"] == ["weekly volume covers 33 of 35 estimates"]


@pytest.mark.parametrize(
    ("prefer", "status"),
    [
        pytest.param("wait", 200, id="plain"),
        pytest.param("WAIT", 200, id="upper case"),
        pytest.param("wait=20", 200, id="seconds"),
        pytest.param('wait="20"', 200, id="quoted"),
        pytest.param("wait = 20", 200, id="spaces"),
        pytest.param("respond-async, wait=20", 200, id="after another"),
        pytest.param("wait=20, handling=lenient", 200, id="before another"),
        pytest.param("handling=lenient;x=y,wait", 200, id="after a parameter"),
        pytest.param("wait=0", 202, id="no time"),
        pytest.param("respond-async", 202, id="another"),
        pytest.param("nowait", 202, id="a longer word"),
        pytest.param("wait-forever", 202, id="a longer word before a dash"),
        pytest.param("wait=soon", 202, id="no number"),
        pytest.param("wait=-1", 202, id="negative"),
        pytest.param("wait=1e9", 202, id="exponent"),
        pytest.param("\x7f;;==,,", 202, id="nonsense"),
        pytest.param("wait=999999", 200, id="longer than the server waits"),
        pytest.param(
            "wait=99999999",
            200,
            id="far longer than the server waits",
        ),
    ],
)
def test_preferences(ann: Someone, provider: Provider, prefer: str, status: int) -> None:
    """Only a wish to wait is waited for; nonsense is no wish, and never an error."""
    provider.behaviour = answering_after(0.1, echo())
    answer = ann.press(ann.add_source(), prefer=prefer)
    assert answer.status_code == status, answer.text
    assert ann.ended(answer.json()["run_id"])["status"] == "done"


def test_preferences_on_several_lines(ann: Someone) -> None:
    """Several Prefer lines are one list (RFC 7240, section 2)."""
    answer = ann.ask(
        "POST",
        "/api/snapshots",
        json={"source_id": ann.add_source()},
        headers=[("Prefer", "respond-async"), ("Prefer", "wait")],
    )
    ann.ended(answer.json()["run_id"])
    assert answer.status_code == 200


def test_a_wait_that_runs_out(ann: Someone, provider: Provider) -> None:
    """After the time that was given the run is answered as without a wish; it goes on."""
    release: list[bool] = []
    provider.behaviour = answering_once(lambda: bool(release), echo())
    source = ann.add_source()
    began = time.monotonic()
    answer = ann.press(source, prefer="wait=1")
    assert 0.9 < time.monotonic() - began < 10
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/runs/{answer.json()['run_id']}"
    release.append(True)
    assert ann.ended(answer.json()["run_id"])["status"] == "done"
    assert len(provider.requests) == 1


# -- once ------------------------------------------------------------------------------------------------


def test_two_at_once_join_one_run(ann: Someone, provider: Provider) -> None:
    """Two requests at the same time, with and without a wish to wait, get one run and one call."""
    provider.behaviour = answering_after(0.5, echo())
    source = ann.add_source()
    wishes = ["wait", None, "wait", None]
    with ThreadPoolExecutor(len(wishes)) as pool:
        pressed = [pool.submit(ann.press, source, prefer=wish) for wish in wishes]
        answers = [one.result() for one in pressed]
    assert [answer.status_code for answer in answers] == [200, 202, 200, 202]
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    ann.ended(answers[0].json()["run_id"])
    assert len(provider.requests) == 1


def test_another_snapshot_needs_to_be_asked_for(ann: Someone, provider: Provider) -> None:
    """A source that has a snapshot is refused; with regenerate it gets another run."""
    source = ann.add_source()
    first = ann.made(source)
    body = problem_of(ann.press(source), 409, "source_not_bucketed")
    message = "Source must be bucketed before snapshot generation (current status: snapshot_generated)"
    assert body["detail"] == message
    assert problem_of(ann.press(source, regenerate=False), 409, "source_not_bucketed") == body
    second = ann.made(source, regenerate=True)
    assert second["snapshot_id"] != first["snapshot_id"]
    assert ann.get(f"/api/snapshots/{first['snapshot_id']}").json()["result"] == first["result"]
    assert len(provider.requests) == 2


# -- refused before anything is sent ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "status", "code", "message"),
    [
        pytest.param(
            {"status": "ingested"},
            409,
            "source_not_bucketed",
            "Source must be bucketed before snapshot generation (current status: ingested)",
            id="ingested",
        ),
        pytest.param(
            {"with_buckets": False},
            409,
            "buckets_missing",
            "No buckets found for source: missing",
            id="no buckets",
        ),
        pytest.param(
            {
                "buckets": bucket_row(
                    price_band_500_1500=5, latency_band_0_2=0, weekly_volume=weeks(("2026-W01", 15))
                )
            },
            422,
            "not_enough_estimates",
            "Minimum 25 estimates required for snapshot (found: 15)",
            id="too few",
        ),
        pytest.param(
            {"buckets": bucket_row(latency_band_0_2=21)},
            422,
            "buckets_invalid",
            "latency_band_0_2 + latency_band_3_7 + latency_band_8_21 + latency_band_22_plus: "
            "the sum is 36, more than the 35 estimates",
            id="sum",
        ),
    ],
)
@pytest.mark.parametrize("prefer", [pytest.param(None, id="at once"), pytest.param("wait", id="waiting")])
def test_a_source_that_breaks_a_rule(
    ann: Someone,
    provider: Provider,
    source: dict[str, Any],
    status: int,
    code: str,
    message: str,
    prefer: str | None,
) -> None:
    """The first rule that it breaks, in the contract's words; no run, nothing sent."""
    body = problem_of(ann.press(ann.add_source(**source), prefer=prefer), status, code)
    assert body["detail"] == message
    if code == "buckets_invalid":
        assert body["path"] in body["detail"]
    assert "run_id" not in body
    assert body["hint"]
    assert provider.requests == []


def test_what_cannot_be_told_apart(ann: Someone, bob: Someone, provider: Provider) -> None:
    """Unknown, malformed and somebody else's source: the same bytes."""
    ids = [
        str(uuid4()),
        bob.add_source(),
        bob.add_source(status="ingested"),
        "",
        "x",
        " ",
        "0",
        "\0",
        "../runs",
        "' or 1=1 --",
        "é",
        "\N{FULLWIDTH DIGIT ONE}" * 36,
        "eq." + str(uuid4()),
        "*",
        "a" * 1000,
    ]
    answers = [ann.press(source) for source in ids]
    body = problem_of(answers[0], 404, "source_not_found")
    assert body["detail"] == UNKNOWN
    assert "run_id" not in body
    assert {answer.content for answer in answers} == {answers[0].content}
    assert {answer.status_code for answer in answers} == {404}
    assert provider.requests == []


def test_ids_in_another_writing(ann: Someone) -> None:
    """A UUID in upper case or without dashes is the same source."""
    source = ann.add_source()
    run = ann.begin(source.upper())
    ann.ended(run)
    assert ann.ended(ann.begin(source.replace("-", ""), regenerate=True))["source_id"] == source
    assert ann.get(f"/api/runs/{run.upper()}").json()["run_id"] == run
    assert ann.get(f"/api/snapshots/{run.upper()}").json()["snapshot_id"] == run


def test_without_a_key(ann: Someone, new_door: Callable[..., FrontDoor], provider: Provider) -> None:
    """On Supabase the offline agent never stands in: 503, no run, nothing sent, the source is as it was."""
    there = ann.at(new_door(OPENAI_API_KEY=None))
    source = ann.add_source()
    for wish in (None, "wait"):
        body = problem_of(there.press(source, prefer=wish), 503, "api_key_missing")
        assert body["detail"] == "OPENAI_API_KEY is required. Add it to your .env.local file."
        assert "run_id" not in body
    refused = problem_of(there.press(ann.add_source(status="ingested")), 409, "source_not_bucketed")
    assert refused["detail"].endswith("(current status: ingested)")
    assert provider.requests == []
    assert ann.tables.status(source) == "bucketed"
    assert there.get("/api/sources").json()["total"] == 1 + 1


# -- failed ----------------------------------------------------------------------------------------------


def told(run: Json) -> Json:
    """A run's error, without what it has no value for."""
    return {name: value for name, value in run["error"].items() if value is not None}


_CHANGED = echo()
_CHANGED["demand"]["weekly_volume"][1]["count"] += 1


@pytest.mark.parametrize(
    ("behaviour", "code", "message", "reason", "path"),
    [
        pytest.param(
            refusing(429, "Rate limit exceeded"),
            "provider_error",
            "OpenAI API error (429): Rate limit exceeded",
            None,
            None,
            id="429",
        ),
        pytest.param(
            refusing(401, f"Incorrect API key provided: {API_KEY}", code="invalid_api_key"),
            "provider_error",
            None,
            None,
            None,
            id="401",
        ),
        pytest.param(
            replying(json.dumps(completion(_CHANGED))),
            "answer_rejected",
            None,
            "mismatch",
            "demand.weekly_volume[1].count",
            id="mismatch",
        ),
    ],
)
def test_a_run_that_fails(
    ann: Someone,
    provider: Provider,
    behaviour: Behaviour,
    code: str,
    message: str | None,
    reason: str | None,
    path: str | None,
) -> None:
    """502 with the run; /api/runs says the same; nothing is stored, and another may be started."""
    provider.behaviour = behaviour
    source = ann.add_source()
    body = problem_of(ann.press(source, prefer="wait"), 502, code)
    assert body["detail"] == message or message is None
    assert body.get("reason") == reason
    assert path is None or body["path"] == path
    run = ann.get(f"/api/runs/{body['run_id']}").json()
    assert (run["status"], run["error_code"], told(run)) == ("failed", code, body)
    assert ("usage" in body) == (code == "answer_rejected")
    assert API_KEY not in json.dumps([body, run])
    problem_of(ann.get(f"/api/snapshots/{body['run_id']}"), 404, "source_not_found")
    assert ann.tables.status(source) == "bucketed"
    provider.behaviour = replying(json.dumps(completion(echo())))
    assert ann.made(source)["run_id"] != body["run_id"]
    assert len(provider.requests) == 2


def test_a_run_in_doubt(ann: Someone, provider: Provider) -> None:
    """Nobody knows whether it was answered: 409 with the run, and again, without another call."""
    provider.behaviour = resetting
    source = ann.add_source()
    body = problem_of(ann.press(source, prefer="wait"), 409, "in_doubt")
    assert body["hint"]
    assert ann.ended(body["run_id"])["status"] == "in_doubt"
    assert told(ann.get(f"/api/runs/{body['run_id']}").json()) == body
    ways: list[Json] = [{}, {"prefer": "wait"}, {"regenerate": True}, {"key": "k"}]
    for again in ways:
        refused = problem_of(ann.press(source, **again), 409, "in_doubt")
        assert refused["run_id"] == body["run_id"]
    assert len(provider.requests) == 1


# -- requests that are none --------------------------------------------------------------------------------

_ID = str(uuid4())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 422, id="empty"),
        pytest.param(b"{", 422, id="half"),
        pytest.param(b"null", 422, id="null"),
        pytest.param(b"[]", 422, id="a list"),
        pytest.param(b'"text"', 422, id="a text"),
        pytest.param(b"{}", 422, id="no member"),
        pytest.param(b'{"source_id": null}', 422, id="null for an id"),
        pytest.param(b'{"source_id": 1}', 422, id="a number for an id"),
        pytest.param(b'{"source_id": ["%s"]}' % _ID.encode(), 422, id="a list of ids"),
        pytest.param(b'{"source_id": {"eq": "x"}}', 422, id="an object for an id"),
        pytest.param(b'{"source_id": "%s", "user_id": "x"}' % _ID.encode(), 422, id="another member"),
        pytest.param(b'{"source_id": "%s", "regenerate": "true"}' % _ID.encode(), 422, id="text for a truth"),
        pytest.param(b'{"source_id": "%s", "regenerate": 1}' % _ID.encode(), 422, id="1 for a truth"),
        pytest.param(b'{"source_id": "%s", "regenerate": null}' % _ID.encode(), 422, id="null for a truth"),
        pytest.param(b'{"source_id": "x", "\\ud800": 1}', 422, id="half a surrogate pair for a name"),
        pytest.param(b'{"source_id": NaN}', 422, id="NaN"),
        pytest.param(b'{"source_id": "\xff"}', 400, id="not UTF-8"),
        pytest.param(b'{"source_id": %s}' % (b"9" * 5000), 400, id="a long number"),
        pytest.param(b"[" * 30_000, 400, id="deep"),
        pytest.param(b'{"source_id":' * 4_000, 400, id="deep objects"),
        pytest.param(b" " * 70_000, 413, id="huge"),
        pytest.param(b'{"source_id": "%s"}' % (b"a" * 65_536), 413, id="a huge id"),
    ],
)
def test_a_body_that_is_none(ann: Someone, provider: Provider, body: bytes, status: int) -> None:
    """A body that breaks the description is a problem, and quotes nothing of itself."""
    answer = ann.ask("POST", "/api/snapshots", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, "request_invalid"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 1000
    assert _ID.encode() not in answer.content
    assert provider.requests == []


def test_a_body_that_is_too_long_is_a_whole_problem(ann: Someone) -> None:
    """413 has every member that a problem has."""
    answer = ann.ask("POST", "/api/snapshots", content=b" " * 70_000)
    assert problem_of(answer, 413, "request_invalid")["hint"]


@pytest.mark.parametrize(
    "length",
    [
        pytest.param(60_000, id="two chunks"),
        pytest.param(2_000, id="many chunks"),
    ],
)
def test_a_body_that_does_not_say_how_long_it_is(ann: Someone, provider: Provider, length: int) -> None:
    """Chunks are counted: 413, too."""
    chunk = b"%x\r\n%s\r\n" % (length, b" " * length)
    status, answer = ann.door.send(
        b"POST /api/snapshots HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        b"Authorization: Bearer " + ann.token.encode() + b"\r\n\r\n",
        chunk * (130_000 // length),
        b"0\r\n\r\n",
    )
    assert status == 413, answer
    assert provider.requests == []


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("text/plain", id="text"),
        pytest.param("application/x-www-form-urlencoded", id="a form"),
        pytest.param("multipart/form-data; boundary=x", id="parts"),
        pytest.param("application/xml", id="xml"),
        pytest.param("", id="empty"),
        pytest.param("nonsense", id="nonsense"),
    ],
)
def test_another_content_type(ann: Someone, provider: Provider, content_type: str) -> None:
    """What is not sent as JSON is not read as JSON: no form of another site's can be one."""
    content = json.dumps({"source_id": ann.add_source()}).encode()
    answer = ann.ask("POST", "/api/snapshots", content=content, headers={"Content-Type": content_type})
    assert answer.status_code in {415, 422}
    assert answer.json()["code"] == "request_invalid"
    assert provider.requests == []


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("application/json; charset=utf-8", id="charset"),
        pytest.param("application/vnd.example+json", id="a kind of JSON"),
    ],
)
def test_json_by_another_name(ann: Someone, content_type: str) -> None:
    """JSON is JSON by any of its names."""
    content = json.dumps({"source_id": ann.add_source()}).encode()
    answer = ann.ask("POST", "/api/snapshots", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == 202
    ann.ended(answer.json()["run_id"])


def test_a_member_twice(ann: Someone, bob: Someone, provider: Provider) -> None:
    """The last of two members counts, and it is held against the person like any other."""
    mine, others = ann.add_source(), bob.add_source()
    sent = f'{{"source_id": "{mine}", "source_id": "{others}"}}'
    answer = ann.ask("POST", "/api/snapshots", content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code in {404, 422}
    assert provider.requests == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/api/snapshots", 405, id="list of snapshots"),
        pytest.param("DELETE", "/api/sources", 405, id="delete sources"),
        pytest.param("PUT", f"/api/snapshots/{_ID}", 405, id="put a snapshot"),
        pytest.param("DELETE", f"/api/snapshots/{_ID}", 405, id="delete a snapshot"),
        pytest.param("PATCH", f"/api/runs/{_ID}", 405, id="patch a run"),
        pytest.param("GET", "/api/runs", 404, id="list of runs"),
        pytest.param("GET", "/api/", 404, id="nothing"),
        pytest.param("GET", "/api/docs", 404, id="no documentation from another site"),
        pytest.param("GET", "/api/redoc", 404, id="nor this"),
        pytest.param("GET", f"/api/runs/{_ID}/x", 404, id="below a run"),
        pytest.param("POST", "/api/snapshots/x/y", 404, id="below a snapshot"),
    ],
)
def test_addresses_that_are_none(ann: Someone, method: str, path: str, status: int) -> None:
    """What there is not is a problem too."""
    problem_of(ann.ask(method, path), status, "request_invalid")


# -- sources -----------------------------------------------------------------------------------------------


def test_sources_are_listed(ann: Someone, provider: Provider) -> None:
    """Bucketed sources, a page at a time, in the order that was asked for."""
    first = ann.add_source(name="Beta", source_type="salesforce", created_at="2026-01-01T00:00:00Z")
    second = ann.add_source(name="Alpha 50% (new)", created_at="2026-01-02T00:00:00Z")
    ann.add_source(name="No buckets", with_buckets=False)
    snapshot = ann.made(first)["snapshot_id"]

    def names(**query: str | int) -> list[str]:
        answer = ann.get("/api/sources", params=query)
        assert answer.status_code == 200, answer.text
        return [source["source_name"] for source in answer.json()["sources"]]

    whole = ann.get("/api/sources").json()
    assert whole["total"] == 2
    assert whole["sources"][1] == {
        "source_id": first,
        "source_name": "Beta",
        "source_type": "salesforce",
        "status": "snapshot_generated",
        "estimate_count": 35,
        "confidence_level": "low",
        "snapshot_id": snapshot,
    }
    assert whole["sources"][0]["source_id"] == second
    assert whole["sources"][0]["snapshot_id"] is None
    assert names() == ["Alpha 50% (new)", "Beta"]
    assert names(order="desc") == names(sort="created") == ["Beta", "Alpha 50% (new)"]
    assert names(limit=1, offset=1) == ["Beta"]
    assert names(status="bucketed") == names(search="50% (N") == ["Alpha 50% (new)"]
    assert ann.get("/api/sources?limit=1").json()["total"] == 2
    assert ann.get("/api/sources?offset=7").json() == {"sources": [], "total": 2}
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "search", ["%", "_", "*", "\\", '"', "'", "(", ",", "a,b", "***=", "\0", "\ud7ff", "}", "é", "1;drop"]
)
def test_a_search_is_a_text(ann: Someone, search: str) -> None:
    """No character of a search means anything but itself."""
    ann.add_source(name="Plain name")
    found = ann.get("/api/sources", params={"search": search})
    assert (found.status_code, found.json()) == (200, {"sources": [], "total": 0})


@pytest.mark.parametrize(
    "status",
    [
        *("", "%", "*", "\\", '"', "(", "a,b", "eq.x", "\0", "1", "é"),
        *("true", "false", "TRUE", "null", "unknown"),
    ],
)
def test_a_status_is_a_text(ann: Someone, status: str) -> None:
    """Any text may be a status; it is held against the whole of it."""
    source = ann.add_source(status=status.replace("\0", "-"))
    ann.add_source(status="bucketed")
    answer = ann.get("/api/sources", params={"status": status})
    assert answer.status_code == 200, answer.text
    assert [one["source_id"] for one in answer.json()["sources"]] == ([] if status == "\0" else [source])


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=x",
        "limit=1e2",
        "limit=",
        "offset=-1",
        "offset=99999999999999999999",
        "sort=amount",
        "order=up",
        "search=" + "a" * 201,
        "user_id=x",
        "known_total=7",
    ],
)
def test_a_query_that_is_none(ann: Someone, query: str) -> None:
    """A query that breaks the description is refused, and names the parameter."""
    body = problem_of(ann.get(f"/api/sources?{query}"), 422, "request_invalid")
    assert body["path"] == query.partition("=")[0]


# -- health ------------------------------------------------------------------------------------------------


def test_health(door: FrontDoor) -> None:
    """Alive, and ready with all its parts, for anybody."""
    assert door.ask("GET", "/healthz").json() == {"alive": True}
    ready = door.ask("GET", "/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"ready": True, "settings": "ok", "store": "ok", "ledger": "ok"}


def test_many_clients_that_wait(ann: Someone, provider: Provider) -> None:
    """50 clients wait for 8 sources: one call each, all get the answer, and health answers meanwhile."""
    provider.behaviour = answering_after(2, echo())
    sources = [ann.add_source() for _ in range(8)]

    def press(number: int) -> Json:
        answer = ann.press(sources[number % len(sources)], prefer="wait")
        assert answer.status_code == 200, answer.text
        return answer.json()

    health: list[float] = []
    with ThreadPoolExecutor(50) as pool:
        began = time.monotonic()
        waiting = [pool.submit(press, number) for number in range(50)]
        eventually(lambda: len(provider.requests) > 0)
        while not all(answer.done() for answer in waiting):
            asked = time.monotonic()
            assert ann.door.ask("GET", "/healthz").status_code == 200
            health.append(time.monotonic() - asked)
            time.sleep(0.05)
        took = time.monotonic() - began
        made = [answer.result() for answer in waiting]
    assert {one["source_id"] for one in made} == set(sources)
    assert len({one["run_id"] for one in made}) == len(provider.requests) == len(sources)
    assert statistics.median(health) < 0.3
    assert max(health) < 1.5  # below the provider's time, also on a busy machine
    assert took < 12
