"""`secondlook snapshot` against a real HTTP server that speaks the OpenAI protocol."""

from __future__ import annotations

import json
import re
import threading
import time
from uuid import UUID

import pytest

from secondlook.execution.runner import Runner
from tests.processes import API_KEY, OTHER_USER, USER, Home, Outcome, eventually, finish, samples
from tests.provider import (
    USAGE,
    Exchange,
    Json,
    answering,
    answering_once,
    completion,
    going_silent,
    replying,
    resetting,
)

ANSWER = samples()[0].answer
TEXT = json.dumps(ANSWER, separators=(",", ":"))
FIELDS = [
    "run_id",
    "snapshot_id",
    "source_id",
    "agent",
    "result",
    "usage",
    "cost_usd",
    "model",
    "request_id",
    "attempts",
    "latency_ms",
    "warnings",
]


def logged(outcome: Outcome) -> dict[str, Json]:
    """The lines on standard error: what was logged, under its title."""
    found = [re.fullmatch(r"(\[\w+\] [\w ]+): (\{.*\})", line) for line in outcome.err.splitlines()]
    return {line[1]: json.loads(line[2]) for line in found if line}


def is_complete(home: Home, outcome: Outcome) -> None:
    """The run is done, its snapshot stored once, the source marked."""
    assert outcome.code == 0, (outcome.out, outcome.err)
    printed = outcome.fields
    meta = {**ANSWER["meta"], **{key: printed["result"]["meta"][key] for key in ("generated_at",)}}
    meta |= {"snapshot_id": printed["snapshot_id"], "source_id": home.sample.source_id}
    assert printed["result"] == {**ANSWER, "meta": meta}
    (stored,) = home.snapshots()
    assert json.loads(stored.pop("result")) == printed["result"]
    assert stored == {
        "id": printed["snapshot_id"],
        "source_id": home.sample.source_id,
        "user_id": USER,
        "estimate_count": 34,
        "confidence_level": "low",
        "generated_at": meta["generated_at"],
    }
    assert home.status() == "snapshot_generated"
    (run,) = home.runs()
    assert (run["run_id"], run["status"], run["error"]) == (printed["run_id"], "done", None)


def test_snapshot(home: Home) -> None:
    """A real process asks once, prints the agreed JSON, stores the snapshot and marks the source."""
    outcome = home.run("snapshot", home.sample.source_id)

    is_complete(home, outcome)
    printed = outcome.fields
    assert list(printed) == FIELDS
    assert printed["snapshot_id"] == printed["run_id"] == str(UUID(printed["run_id"]))
    assert printed["source_id"] == home.sample.source_id
    assert printed["agent"] == "openai"
    assert printed["usage"] == {**USAGE, "estimated": False}
    assert printed["cost_usd"] == pytest.approx(((444 - 128) * 2.5 + 128 * 1.25 + 398 * 10) / 1e6)
    assert (printed["model"], printed["request_id"]) == ("gpt-4o-2024-08-06", "req_test")
    assert (printed["attempts"], printed["warnings"]) == (1, [])
    assert type(printed["latency_ms"]) is int
    assert printed["latency_ms"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", printed["result"]["meta"]["generated_at"])
    assert (len(home.provider.requests), home.provider.answered) == (1, 1)


def test_request(home: Home) -> None:
    """The one request is as the contract says: model, limits, strict schema, and nothing about its user."""
    is_complete(home, home.snapshot())

    (request,) = home.provider.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {API_KEY}"
    body = request.body
    assert set(body) == {"model", "messages", "response_format", "max_tokens", "temperature"}
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("gpt-4o-2024-08-06", 2000, 0.1)
    assert all(set(message) == {"role", "content"} for message in body["messages"])
    sent = json.dumps([request.raw.decode(), {**request.headers, "authorization": ""}])
    run_id = home.runs()[0]["run_id"]
    for secret in (home.sample.source_id, home.sample.name, "Acme", USER, run_id, API_KEY):
        assert secret not in sent
    schema = body["response_format"]["json_schema"]
    assert (body["response_format"]["type"], schema["strict"]) == ("json_schema", True)
    assert schema["schema"]["required"] == ["meta", "demand", "decision_latency"]
    assert all_strict(schema["schema"])


def all_strict(schema: Json) -> bool:
    """True where every object of a schema requires all its keys and allows no other."""
    parts = [part for part in (schema.get("items"), *schema.get("properties", {}).values()) if part]
    if schema.get("type") == "object" and (
        schema["additionalProperties"] is not False or schema["required"] != list(schema["properties"])
    ):
        return False
    return all(all_strict(part) for part in (*parts, *schema.get("$defs", {}).values()))


@pytest.mark.parametrize("env", ["development", "production"])
def test_log(home: Home, env: str) -> None:
    """Standard error holds the two lines and nothing else, without usage in production, at any log level."""
    home.set(SECONDLOOK_ENV=env, OPENAI_LOG="debug")

    outcome = home.run("snapshot", home.sample.source_id)

    run_id = outcome.fields["run_id"]
    figures = {"estimate_count": 34, "confidence_level": "low"}
    generated: Json = {"snapshot_id": run_id, **figures}
    if env == "development":
        generated["usage"] = {
            name: USAGE[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")
        }
    assert logged(outcome) == {
        "[OpenAI] Snapshot generated": generated,
        "[Orchestrator] Snapshot pipeline complete": {
            "snapshot_id": run_id,
            "source_id": home.sample.source_id,
            **figures,
        },
    }
    sent = home.provider.requests[0].body["messages"]
    secrets = [
        API_KEY,
        TEXT,
        "2017-W",
        "500-1500",
        *(m["content"] for m in sent),
        *(m["content"][:40] for m in sent),
    ]
    assert [secret for secret in secrets if secret in outcome.err] == []
    assert len(outcome.err.splitlines()) == 2


# -- before and after a run ------------------------------------------------------------------------------


def test_in_doubt_refuses_another(home: Home) -> None:
    """While a run's outcome is unknown, a new one is refused, `resume` ignores it, `resend` resolves it."""
    home.provider.behaviour = resetting
    doubted = home.snapshot()
    home.provider.behaviour = answering(ANSWER)
    run_id = doubted.error["run_id"]

    again = home.snapshot()
    resumed = home.call("resume")

    assert (again.error["code"], again.error["run_id"]) == ("in_doubt", run_id)
    assert run_id in again.error["hint"]
    assert resumed.items == []
    assert len(home.provider.requests) == 1

    sent = home.call("resend", run_id)

    is_complete(home, sent)
    assert (sent.fields["run_id"], sent.fields["attempts"]) == (run_id, 2)
    assert list(sent.fields) == FIELDS
    assert [call["outcome"] for call in home.calls()] == ["unknown", "answered"]
    assert home.provider.requests[0].raw == home.provider.requests[1].raw


def test_resend_sends_nothing_that_is_not_in_doubt(home: Home) -> None:
    """`resend` of a finished run prints it; of another user's run, that there is none."""
    done = home.snapshot()

    again = home.call("resend", done.fields["run_id"])
    anothers = home.call("resend", done.fields["run_id"], "--user", OTHER_USER)

    assert again.fields["snapshot_id"] == done.fields["snapshot_id"]
    assert anothers.error["code"] == "source_not_found"
    assert len(home.provider.requests) == len(home.snapshots()) == 1


# -- late answers ----------------------------------------------------------------------------------------


def late(home: Home) -> tuple[Outcome, threading.Event]:
    """A run that passed its deadline while the server holds the answer, and what releases the answer."""
    home.set(SECONDLOOK_DEADLINE_SECONDS="0.3")
    release = threading.Event()
    home.provider.behaviour = answering_once(release.is_set, ANSWER)
    outcome = home.snapshot()
    assert outcome.error["code"] == "in_doubt"
    return outcome, release


def test_late_answer_resolves_the_run(home: Home) -> None:
    """An answer after the deadline is journaled by the living process; `resume` finishes with it."""
    doubted, release = late(home)
    time.sleep(0.2)  # past the deadline of a single read as well

    release.set()
    eventually(lambda: home.runs()[0]["status"] == "answered", seconds=10)
    (run,) = Runner(home.services()).resume()

    assert (run.run_id, run.status) == (doubted.error["run_id"], "done")
    assert len(home.provider.requests) == len(home.snapshots()) == 1
    assert home.status() == "snapshot_generated"
    assert (run.error, run.answer is not None, run.usage.total_tokens) == (None, True, 842)


def test_late_answer_after_cancel(home: Home) -> None:
    """An answer to a run that was canceled is kept in the ledger and changes nothing."""
    doubted, release = late(home)
    assert home.call("cancel", doubted.error["run_id"]).code == 0

    release.set()
    eventually(lambda: home.calls()[0]["body"], seconds=10)

    assert home.call("resume").items == []
    assert (home.runs()[0]["status"], home.snapshots()) == ("cancelled", [])


def test_late_answer_after_resend(home: Home) -> None:
    """Where the first answer comes while the second request is out, the first counts; both are kept."""
    doubted, release = late(home)
    home.set(SECONDLOOK_DEADLINE_SECONDS="5")

    def second(exchange: Exchange) -> None:
        release.set()
        exchange.hold(lambda: home.calls()[0]["body"] is not None)
        answering(ANSWER)(exchange)

    home.provider.behaviour = second
    sent = home.call("resend", doubted.error["run_id"])

    is_complete(home, sent)
    assert home.runs()[0]["answered_call"] == 1
    assert [call["body"] is not None for call in home.calls()] == [True, True]
    assert len(home.provider.requests) == 2


# -- real processes, in other ways -----------------------------------------------------------------------


def test_wrong_answer_in_a_process(home: Home) -> None:
    """A process whose answer is rejected prints the error alone, without a traceback, and exits with 1."""
    home.provider.behaviour = replying(json.dumps(completion(TEXT.replace('"count":1}', '"count":2}', 1))))

    outcome = home.run("snapshot", home.sample.source_id)

    assert outcome.code == 1
    assert set(outcome.error) == {"code", "message", "hint", "run_id", "usage", "reason", "path"}
    assert (outcome.error["reason"], outcome.error["path"]) == ("mismatch", "demand.weekly_volume[0].count")
    assert (outcome.err, home.snapshots(), home.status()) == ("", [], "bucketed")


def test_silent_server_and_a_process(home: Home) -> None:
    """A process does not outlive its deadline for the sake of a silent server."""
    home.set(SECONDLOOK_DEADLINE_SECONDS="1.5")
    home.provider.behaviour = going_silent

    outcome = finish(home.start("snapshot", home.sample.source_id), timeout=30)

    assert (outcome.error["code"], outcome.err) == ("in_doubt", "")
    assert len(home.provider.requests) == 1
