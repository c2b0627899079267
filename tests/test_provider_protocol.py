"""`secondlook snapshot` against a real HTTP server that speaks the OpenAI protocol."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import pytest

from secondlook.domain.access import Access
from secondlook.execution.runner import Runner, run_snapshot
from tests.processes import API_KEY, OTHER_USER, USER, Home, Outcome, eventually, finish, samples
from tests.provider import (
    USAGE,
    Exchange,
    Json,
    answering,
    answering_once,
    completion,
    going_silent,
    refusing,
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
    """The one request is as the contract says: model, limits, strict schema, and no word of whose it is."""
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


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param("gpt-4o-2024-08-06", {"max_tokens": 2000, "temperature": 0.1}, id="gpt-4o"),
        pytest.param("gpt-4.1-mini", {"max_tokens": 2000, "temperature": 0.1}, id="gpt-4.1"),
        pytest.param(
            "gpt-5-mini", {"max_completion_tokens": 4000, "reasoning_effort": "minimal"}, id="gpt-5"
        ),
        pytest.param("o4-mini", {"max_completion_tokens": 6000, "reasoning_effort": "low"}, id="o-series"),
    ],
)
def test_model_family(home: Home, model: str, expected: Json) -> None:
    """Changing one setting moves to another model: the request follows its family."""
    home.set(SECONDLOOK_MODEL=model)

    is_complete(home, home.snapshot())

    body = home.provider.requests[0].body
    assert body.pop("model") == model
    assert {
        key: value for key, value in body.items() if key not in ("messages", "response_format")
    } == expected


def test_settings_override_the_family(home: Home) -> None:
    """Limit, its name and the temperature can be set."""
    home.set(
        SECONDLOOK_MODEL="gpt-5-mini",
        SECONDLOOK_MAX_TOKENS="3000",
        SECONDLOOK_TOKEN_PARAMETER="max_tokens",  # noqa: S106 -- tokens of text
        SECONDLOOK_TEMPERATURE="1",
    )

    is_complete(home, home.snapshot())

    body = home.provider.requests[0].body
    assert (body["max_tokens"], body["temperature"]) == (3000 + 2000, 1)  # with room for reasoning
    assert "max_completion_tokens" not in body


def test_equal_buckets_equal_requests(home: Home) -> None:
    """Two users' sources with the same buckets, their weeks in another order, give the same bytes."""
    twin = str(uuid4())
    columns = {**home.sample.buckets, "id": str(uuid4()), "source_id": twin}
    columns["weekly_volume"] = json.dumps(json.loads(columns["weekly_volume"])[::-1], indent=1)
    with closing(sqlite3.connect(home.data / "store.db")) as store, store:
        named = {"id": twin, "user_id": OTHER_USER, "source_type": "hubspot", "source_name": "Another name"}
        for table, row in (
            ("sources", {**named, "created_at": "2026-02-01T00:00:00Z", "status": "bucketed"}),
            ("estimate_buckets", columns),
        ):
            names = ", ".join(row)
            marks = ", ".join("?" * len(row))
            store.execute(f"insert into {table} ({names}) values ({marks})", tuple(row.values()))  # noqa: S608 -- own names

    assert home.snapshot().code == 0
    assert home.call("snapshot", twin, "--user", OTHER_USER).code == 0

    first, second = home.provider.requests
    assert first.raw == second.raw
    assert first.headers == second.headers


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


@pytest.mark.parametrize(
    ("edit", "known"),
    [
        pytest.param({"usage": None}, {}, id="no usage"),
        pytest.param({"usage": {"prompt_tokens": 5}}, {"prompt_tokens": 5}, id="half the usage"),
        pytest.param({"usage": {"total_tokens": "842", "prompt_tokens": -1}}, {}, id="usage that is none"),
        pytest.param({"usage": [842]}, {}, id="usage of another shape"),
    ],
)
def test_unknown_usage(home: Home, edit: Json, known: Json) -> None:
    """What the provider does not count is null, and so is its cost; never 0."""
    home.provider.behaviour = replying(json.dumps({**completion(TEXT), **edit}))

    outcome = home.snapshot()

    is_complete(home, outcome)
    assert outcome.fields["usage"] == {**dict.fromkeys(USAGE), **known, "estimated": False}
    assert outcome.fields["cost_usd"] is None


def test_unknown_price(home: Home) -> None:
    """A model without a known price costs null; the model that answered is the one that is shown."""
    home.provider.behaviour = replying(json.dumps({**completion(TEXT), "model": "llama-of-mine"}))

    outcome = home.snapshot()

    is_complete(home, outcome)
    assert (outcome.fields["model"], outcome.fields["cost_usd"]) == ("llama-of-mine", None)


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param("", id="empty"),
        pytest.param("b0000000-0000-4000-8000-000000000002", id="somebody's"),
        pytest.param("\ud800\x00", id="odd characters"),
        pytest.param("x" * 100_000, id="long"),
    ],
)
def test_identity_is_overwritten(home: Home, identity: str) -> None:
    """Whatever the agent writes for the three identity fields, the code's own values are stored."""
    meta = {**ANSWER["meta"], **dict.fromkeys(("snapshot_id", "source_id", "generated_at"), identity)}
    home.provider.behaviour = answering({**ANSWER, "meta": meta})

    is_complete(home, home.snapshot())


def test_layout_of_the_answer_does_not_matter(home: Home) -> None:
    """An indented answer with its keys in another order is the same object."""
    answer = {key: ANSWER[key] for key in reversed(ANSWER)}
    home.provider.behaviour = replying(json.dumps(completion(f"\n{json.dumps(answer, indent=4)}\n")))

    is_complete(home, home.snapshot())


# -- before and after a run ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("Sample: imported again, not bucketed yet", "source_not_bucketed", id="ingested"),
        pytest.param("Sample: too few after cleaning", "source_not_bucketed", id="another status"),
        pytest.param("Sample: bucketed, but its buckets are missing", "buckets_missing", id="no buckets"),
        pytest.param(None, "source_not_found", id="unknown"),
    ],
)
def test_refused_before_the_call(home: Home, name: str | None, code: str) -> None:
    """A source that is refused leaves no run and makes no request."""
    found = (
        home.store("select id from sources where source_name = ?", name) if name else [{"id": str(uuid4())}]
    )

    outcome = home.call("snapshot", found[0]["id"])

    assert (outcome.error["code"], outcome.error["run_id"], outcome.error["usage"]) == (code, None, None)
    assert (home.runs(), home.provider.requests) == ([], [])


def test_no_key(home: Home) -> None:
    """Without a key OpenAI is not asked, in the user's own words."""
    home.set(OPENAI_API_KEY="")

    outcome = home.snapshot()

    assert outcome.error["code"] == "api_key_missing"
    assert outcome.error["message"] == "OPENAI_API_KEY is required. Add it to your .env.local file."
    assert (outcome.error["run_id"], home.runs()) == (None, [])


def test_regenerate(home: Home) -> None:
    """A source with a snapshot gets another one only where the caller says so."""
    first = home.snapshot()
    refused = home.snapshot()
    second = home.snapshot("--regenerate")

    assert refused.error["code"] == "source_not_bucketed"
    assert refused.error["message"] == (
        "Source must be bucketed before snapshot generation (current status: snapshot_generated)"
    )
    assert {row["id"] for row in home.snapshots()} == {first.fields["run_id"], second.fields["run_id"]}
    assert len(home.snapshots()) == len(home.provider.requests) == 2
    assert home.status() == "snapshot_generated"


def test_new_run_after_a_failed_one(home: Home) -> None:
    """A person may start another run where one has failed: it asks again, once."""
    home.provider.behaviour = refusing(500, "The server had an error")
    failed = home.snapshot()
    home.provider.behaviour = answering(ANSWER)

    done = home.snapshot()

    assert failed.error["code"] == "provider_error"
    assert done.code == 0
    assert done.fields["run_id"] != failed.error["run_id"]
    assert [run["status"] for run in home.runs()] == ["failed", "done"]
    assert len(home.provider.requests) == 2


def test_in_doubt_refuses_another(home: Home) -> None:
    """While a run is in doubt a new one is refused, `resume` leaves it alone, `resend` settles it."""
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
    foreign = home.call("resend", done.fields["run_id"], "--user", OTHER_USER)

    assert again.fields["snapshot_id"] == done.fields["snapshot_id"]
    assert foreign.error["code"] == "source_not_found"
    assert len(home.provider.requests) == len(home.snapshots()) == 1


def test_cancel_gives_up_a_run_in_doubt(home: Home) -> None:
    """A run in doubt that a person gives up no longer stands in the way of a new one."""
    home.provider.behaviour = resetting
    doubted = home.snapshot()

    cancelled = home.call("cancel", doubted.error["run_id"])
    home.provider.behaviour = answering(ANSWER)
    done = home.snapshot()

    assert cancelled.fields["status"] == "cancelled"
    assert done.code == 0
    assert [run["status"] for run in home.runs()] == ["cancelled", "done"]


# -- late answers ----------------------------------------------------------------------------------------


def late(home: Home) -> tuple[Outcome, threading.Event]:
    """A run that passed its deadline while the server holds the answer, and what lets the answer go."""
    home.set(SECONDLOOK_DEADLINE_SECONDS="0.3")
    release = threading.Event()
    home.provider.behaviour = answering_once(release.is_set, ANSWER)
    outcome = home.snapshot()
    assert outcome.error["code"] == "in_doubt"
    return outcome, release


def test_late_answer_settles_the_run(home: Home) -> None:
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
    """An answer to a run that was given up is kept in the ledger and changes nothing."""
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


# -- at the same moment ----------------------------------------------------------------------------------


def test_two_processes_share_a_run(home: Home) -> None:
    """Two processes that ask for the same source at the same moment make one request and one snapshot."""
    inside = home.folder / "inside"
    home.provider.behaviour = answering_once(lambda: len(list(home.folder.glob("inside.*"))) == 2, ANSWER)

    both = [
        home.start("snapshot", home.sample.source_id, driver=f"Runner.execute:says:{inside}")
        for _ in range(2)
    ]
    first, second = [finish(process) for process in both]

    is_complete(home, first)
    is_complete(home, second)
    assert first.fields["snapshot_id"] == second.fields["snapshot_id"]
    assert len(home.provider.requests) == 1


def test_many_threads_share_a_run(home: Home) -> None:
    """Sixteen threads of one process that ask for the same source get the same snapshot, paid for once."""
    runner = Runner(home.services())
    submitted: list[str] = []
    home.provider.behaviour = answering_once(lambda: len(submitted) == 16, ANSWER)

    def ask() -> str:
        submitted.append(runner.submit(home.sample.source_id, Access(USER)).run_id)
        return runner.execute(submitted[0]).run_id

    with ThreadPoolExecutor(16) as pool:
        made = {future.result() for future in [pool.submit(ask) for _ in range(16)]}

    assert made == set(submitted)
    assert len(made) == len(home.snapshots()) == len(home.provider.requests) == 1


def test_run_snapshot(home: Home) -> None:
    """The package's own function makes the same snapshot as the command line."""
    made = run_snapshot(source_id=home.sample.source_id.upper(), user_id=USER)

    assert json.loads(home.snapshots()[0]["result"]) == made.result.model_dump(mode="json")
    assert (made.snapshot_id, made.agent, made.attempts) == (home.runs()[0]["run_id"], "openai", 1)
    assert len(home.provider.requests) == 1


def test_many_sources_at_once(home: Home) -> None:
    """Runs of different sources do not disturb each other: one request and one snapshot each."""
    chosen = samples()[:8]
    by_prompt: dict[str, Json] = {}

    def behave(exchange: Exchange) -> None:
        prompt = exchange.request.body["messages"][-1]["content"]
        answering(by_prompt[prompt])(exchange)

    home.provider.behaviour = behave
    runner = Runner(home.services())
    runs = [runner.submit(sample.source_id, Access(USER)) for sample in chosen]
    for run, sample in zip(runs, chosen, strict=True):
        messages: Any = run.request["messages"]
        by_prompt[messages[-1]["content"]] = sample.answer

    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(runner.execute, [run.run_id for run in runs]))

    assert {str(run.status) for run in ended} == {"done"}
    assert len(home.provider.requests) == len(home.snapshots()) == 8


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


def test_another_process_sees_the_run(home: Home) -> None:
    """`runs` in a process of its own lists what happened here, newest first, in the agreed shape."""
    home.provider.behaviour = refusing(500, "The server had an error")
    home.snapshot()
    home.provider.behaviour = answering(ANSWER)
    made = home.snapshot().fields

    done, failed = home.run("runs").items

    assert list(done) == [
        "run_id",
        "task",
        "source_id",
        "user_id",
        "agent",
        "status",
        "error_code",
        "attempts",
        "usage",
        "usage_problem",
        "cost_usd",
        "model",
        "created_at",
        "finished_at",
    ]
    assert (done["run_id"], done["status"], done["usage"]) == (made["run_id"], "done", made["usage"])
    assert (failed["status"], failed["error_code"], failed["usage"]) == ("failed", "provider_error", None)
    assert failed["cost_usd"] is None
