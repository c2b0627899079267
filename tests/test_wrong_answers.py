"""Wrong answers and failures of a provider, over a real socket: each refused with its own reason."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

from tests.processes import API_KEY, Home, eventually, samples
from tests.provider import (
    USAGE,
    Behaviour,
    Exchange,
    Json,
    completion,
    cutting_off,
    cutting_off_chunks,
    dripping,
    going_silent,
    hanging_up,
    refusing,
    replying,
    resetting,
)

ANSWER = samples()[0].answer
TEXT = json.dumps(ANSWER, separators=(",", ":"))
BODY = json.dumps(completion(TEXT))
WEEKS = len(ANSWER["demand"]["weekly_volume"])
NO_USAGE = dict.fromkeys(USAGE)


def edited(edit: Callable[[Json], object]) -> Behaviour:
    """Answers with the right answer, edited."""
    answer = deepcopy(ANSWER)
    edit(answer)
    return said(json.dumps(answer, separators=(",", ":")))


def said(text: str | None) -> Behaviour:
    """Answers with this text."""
    return replying(json.dumps(completion(text)))


def enveloped(edit: Callable[[Json], object]) -> Behaviour:
    """Answers with the right text in an edited completion."""
    body = completion(TEXT)
    edit(body)
    return replying(json.dumps(body))


def weeks(answer: Json) -> list[Json]:
    """The weeks of an answer."""
    return answer["demand"]["weekly_volume"]


def prices(answer: Json) -> list[Json]:
    """The price bands of an answer."""
    return answer["demand"]["price_distribution"]


def latencies(answer: Json) -> list[Json]:
    """The latency bands of an answer."""
    return answer["decision_latency"]["distribution"]


def swap(entries: list[Any], one: int, other: int) -> None:
    """Exchange two entries."""
    entries[one], entries[other] = entries[other], entries[one]


def speaking_no_http(exchange: Exchange) -> None:
    """Sends what is no HTTP."""
    exchange.send(b"\x00\x01 no HTTP\r\n\r\n")


def going_silent_half_way(exchange: Exchange) -> None:
    """Sends the beginning of an answer and no more."""
    exchange.reply(BODY[:100], length=len(BODY))
    exchange.silence()


def choice(**values: object) -> Callable[[Json], object]:
    """An edit of the only choice."""
    return lambda body: body["choices"][0].update(values)


def message(**values: object) -> Callable[[Json], object]:
    """An edit of the only message."""
    return lambda body: body["choices"][0]["message"].update(values)


def first_count(value: object) -> Behaviour:
    """The first week's count, which is 1, written in another way."""
    return edited(lambda answer: weeks(answer)[0].update(count=value))


FIRST_COUNT = "demand.weekly_volume[0].count"
FINISH = "choices[0].finish_reason"

# What arrives, the reason, the path of the first difference.
WRONG_TEXTS = [
    pytest.param(
        edited(lambda a: weeks(a)[3].update(count=weeks(a)[3]["count"] + 1)),
        "mismatch",
        "demand.weekly_volume[3].count",
        id="changed count of a week",
    ),
    pytest.param(
        edited(lambda a: prices(a)[2].update(count=prices(a)[2]["count"] - 1)),
        "mismatch",
        "demand.price_distribution[2].count",
        id="changed count of a price band",
    ),
    pytest.param(
        edited(lambda a: latencies(a)[3].update(count=0)),
        "mismatch",
        "decision_latency.distribution[3].count",
        id="changed count of a latency band",
    ),
    pytest.param(
        edited(lambda a: weeks(a)[3].update(week="2017-W15")),
        "mismatch",
        "demand.weekly_volume[3].week",
        id="changed week",
    ),
    pytest.param(
        edited(lambda a: prices(a)[1].update(band="500\N{EN DASH}1500")),
        "mismatch",
        "demand.price_distribution[1].band",
        id="changed band",
    ),
    pytest.param(
        edited(lambda a: latencies(a)[0].update(band="0-2")),
        "mismatch",
        "decision_latency.distribution[0].band",
        id="changed latency band",
    ),
    pytest.param(
        edited(lambda a: weeks(a).pop()),
        "mismatch",
        f"demand.weekly_volume[{WEEKS - 1}]",
        id="dropped last week",
    ),
    pytest.param(
        edited(lambda a: weeks(a).pop(3)), "mismatch", "demand.weekly_volume[3].week", id="dropped week"
    ),
    pytest.param(edited(lambda a: weeks(a).clear()), "mismatch", "demand.weekly_volume[0]", id="no weeks"),
    pytest.param(
        edited(lambda a: prices(a).pop()), "mismatch", "demand.price_distribution[3]", id="dropped last band"
    ),
    pytest.param(
        edited(lambda a: latencies(a).pop(0)),
        "mismatch",
        "decision_latency.distribution[0].band",
        id="dropped first band",
    ),
    pytest.param(
        edited(lambda a: swap(weeks(a), 0, 1)),
        "mismatch",
        "demand.weekly_volume[0].week",
        id="reordered weeks",
    ),
    pytest.param(
        edited(lambda a: swap(latencies(a), 2, 3)),
        "mismatch",
        "decision_latency.distribution[2].band",
        id="reordered bands",
    ),
    pytest.param(
        edited(lambda a: weeks(a).insert(0, dict(weeks(a)[0]))),
        "mismatch",
        "demand.weekly_volume[1].week",
        id="duplicated week",
    ),
    pytest.param(
        edited(lambda a: weeks(a).append({"week": "2018-W01", "count": 0})),
        "mismatch",
        f"demand.weekly_volume[{WEEKS}]",
        id="extra week",
    ),
    pytest.param(
        edited(lambda a: prices(a).append({"band": "10000+", "count": 0})),
        "mismatch",
        "demand.price_distribution[4]",
        id="extra band",
    ),
    pytest.param(
        edited(lambda a: a.update(summary="a good year")), "schema", "summary", id="extra top-level key"
    ),
    pytest.param(
        edited(lambda a: a["meta"].update(source_name="Acme")),
        "schema",
        "meta.source_name",
        id="extra nested key",
    ),
    pytest.param(
        edited(lambda a: weeks(a)[1].update(share=0.1)),
        "schema",
        "demand.weekly_volume[1].share",
        id="extra key of a week",
    ),
    pytest.param(edited(lambda a: a.pop("decision_latency")), "schema", "decision_latency", id="missing key"),
    pytest.param(
        edited(lambda a: a["meta"].pop("confidence_level")),
        "schema",
        "meta.confidence_level",
        id="missing nested key",
    ),
    pytest.param(
        edited(lambda a: a["meta"].pop("snapshot_id")), "schema", "meta.snapshot_id", id="missing identity"
    ),
    pytest.param(
        edited(lambda a: a["meta"].update(source_id=None)), "schema", "meta.source_id", id="identity is null"
    ),
    pytest.param(
        edited(lambda a: a["meta"].update(estimate_count=35)),
        "mismatch",
        "meta.estimate_count",
        id="estimate_count changed",
    ),
    pytest.param(
        edited(lambda a: a["meta"].update(confidence_level="high")),
        "mismatch",
        "meta.confidence_level",
        id="confidence changed",
    ),
    pytest.param(first_count("1"), "schema", FIRST_COUNT, id="count as a string"),
    pytest.param(first_count(1.0), "schema", FIRST_COUNT, id="count as 1.0"),
    pytest.param(first_count(True), "schema", FIRST_COUNT, id="count as true"),
    pytest.param(first_count(None), "schema", FIRST_COUNT, id="count as null"),
    pytest.param(first_count([1]), "schema", FIRST_COUNT, id="count in a list"),
    pytest.param(first_count(-1), "mismatch", FIRST_COUNT, id="negative count"),
    pytest.param(first_count(10**40), "mismatch", FIRST_COUNT, id="huge integer"),
    pytest.param(
        said(TEXT.replace('"count":1}', '"count":' + "1" * 5000 + "}", 1)),
        "not_json",
        None,
        id="endless integer",
    ),
    pytest.param(first_count(float("nan")), "not_json", None, id="NaN"),
    pytest.param(first_count(float("inf")), "not_json", None, id="Infinity"),
    pytest.param(
        said(TEXT.replace('"count":1}', '"count":1,"count":1}', 1)), "duplicate_key", None, id="duplicate key"
    ),
    pytest.param(said(f"[{TEXT}]"), "schema", "$", id="top-level list"),
    pytest.param(said(json.dumps(TEXT)), "schema", "$", id="JSON in a string"),
    pytest.param(said("null"), "schema", "$", id="null"),
    pytest.param(said(TEXT + TEXT), "not_json", None, id="two JSON objects"),
    pytest.param(said(f"```json\n{TEXT}\n```"), "not_json", None, id="fenced"),
    pytest.param(said(f"Here it is: {TEXT}"), "not_json", None, id="prose before"),
    pytest.param(said(f"{TEXT}\nAnything else?"), "not_json", None, id="trailing text"),
    pytest.param(said("\N{ZERO WIDTH NO-BREAK SPACE}" + TEXT), "not_json", None, id="byte order mark"),
    pytest.param(said(TEXT.replace('"', "'")), "not_json", None, id="single quotes"),
    pytest.param(said(TEXT[:-1]), "not_json", None, id="unclosed"),
    pytest.param(said("x" * 5_000_000), "not_json", None, id="5 MB of text"),
    pytest.param(said("[" * 100_000 + "]" * 100_000), "not_json", None, id="deep nesting"),
    pytest.param(
        said(TEXT.replace("<500", "\ud800", 1)),
        "mismatch",
        "demand.price_distribution[0].band",
        id="lone surrogate",
    ),
    pytest.param(
        said(TEXT.replace("<500", "<500\\u0000", 1)),
        "mismatch",
        "demand.price_distribution[0].band",
        id="null character",
    ),
    pytest.param(said(""), "empty", "choices[0].message.content", id="empty content"),
    pytest.param(said(None), "empty", "choices[0].message.content", id="null content"),
    pytest.param(said(" \n"), "not_json", None, id="blank content"),
    pytest.param(
        enveloped(message(content=[{"type": "text", "text": TEXT}])),
        "empty",
        "choices[0].message.content",
        id="content in parts",
    ),
    pytest.param(
        enveloped(message(content=None, refusal="I cannot help with that.")),
        "refusal",
        "choices[0].message.refusal",
        id="refusal",
    ),
    pytest.param(
        enveloped(message(refusal="I would rather not.")),
        "refusal",
        "choices[0].message.refusal",
        id="refusal beside the right answer",
    ),
    pytest.param(
        replying(json.dumps(completion(TEXT[:200])).replace('"stop"', '"length"')),
        "truncated",
        FINISH,
        id="truncated",
    ),
    pytest.param(
        enveloped(choice(finish_reason="length")), "truncated", FINISH, id="truncated after its end"
    ),
    pytest.param(
        enveloped(choice(finish_reason="content_filter")), "content_filter", FINISH, id="content filter"
    ),
    pytest.param(
        enveloped(choice(finish_reason="tool_calls", message={"role": "assistant", "tool_calls": []})),
        "finish_reason",
        FINISH,
        id="tool calls",
    ),
    pytest.param(enveloped(choice(finish_reason=None)), "finish_reason", FINISH, id="no finish_reason"),
    pytest.param(enveloped(lambda b: b.update(choices=[])), "not_completion", None, id="no choices"),
    pytest.param(
        enveloped(lambda b: b["choices"].append(b["choices"][0])), "not_completion", None, id="two choices"
    ),
]

# What arrives, where not even the usage can be read.
WRONG_BODIES = [
    pytest.param("<!doctype html><html><body>Welcome</body></html>", id="HTML with 200"),
    pytest.param("", id="empty with 200"),
    pytest.param("\r\n \r\n", id="blank with 200"),
    pytest.param('{"ok": true}', id="JSON that is not a completion"),
    pytest.param("[]", id="a list"),
    pytest.param("null", id="null"),
    pytest.param(TEXT, id="the bare answer"),
    pytest.param(BODY[:-1], id="unclosed, and whole by its length"),
    pytest.param("[" * 100_000, id="deep nesting"),
    pytest.param(f"data: {BODY}\n\ndata: [DONE]\n\n", id="an event stream"),
    pytest.param("x" * (9 * 1024 * 1024), id="9 MB"),
]


def shows_nothing(home: Home, output: str) -> None:
    """No bucket, prompt, answer or key is in an output."""
    prompts = [
        line
        for sent in home.provider.requests
        for m in sent.body["messages"]
        for line in m["content"].splitlines()
    ]
    secrets = [API_KEY, TEXT, "2017-W", "500-1500", "22+d", *(line for line in prompts if len(line) > 20)]
    assert [secret for secret in secrets if secret in output] == []


def stored_nothing(home: Home) -> None:
    """No snapshot, and the source is as it was."""
    assert home.snapshots() == []
    assert home.status() == "bucketed"


@pytest.mark.parametrize(("behaviour", "reason", "path"), WRONG_TEXTS)
def test_wrong_answer(home: Home, behaviour: Behaviour, reason: str, path: str | None) -> None:
    """A completion that does not hold the right answer is rejected; it and its usage are kept for QA."""
    home.provider.behaviour = behaviour

    outcome = home.snapshot()

    usage = {**USAGE, "estimated": False}
    run = rejected(home, outcome.error, reason, path)
    assert outcome.error["usage"] == usage
    (call,) = home.calls()
    assert call["body"] == home.provider.sent[-1].decode()
    assert {name: call[name] for name in USAGE} == USAGE
    assert call["cost_nanousd"] == pytest.approx((444 - 128) * 2500 + 128 * 1250 + 398 * 10_000)
    assert run["answered_call"] == call["number"]
    shows_nothing(home, outcome.out + outcome.err)


@pytest.mark.parametrize("body", WRONG_BODIES)
def test_not_a_completion(home: Home, body: str) -> None:
    """A whole answer that is no completion is rejected, not in doubt; its usage is unknown, not 0."""
    home.provider.behaviour = replying(body)

    outcome = home.snapshot()

    rejected(home, outcome.error, "not_completion", None)
    assert outcome.error["usage"] == {**NO_USAGE, "estimated": False}
    (call,) = home.calls()
    assert call["body"] == body[: 8 * 1024 * 1024]
    assert {call[name] for name in (*USAGE, "cost_nanousd")} == {None}
    shows_nothing(home, outcome.out + outcome.err)


def rejected(home: Home, error: Json, reason: str, path: str | None) -> Json:
    """The run of an answer that was rejected for this reason, and left nothing else behind."""
    assert (error["code"], error["reason"], error["path"]) == ("answer_rejected", reason, path)
    assert error["message"].startswith(f"Answer rejected ({reason}): ")
    where = path.rpartition(".")[0] or "$" if path and "not in the schema" in error["message"] else path
    assert error["message"].endswith(f" at {where}" if where else "")
    assert len(home.provider.requests) == 1
    stored_nothing(home)
    (run,) = home.runs()
    assert (run["run_id"], run["status"], run["error_code"]) == (error["run_id"], "failed", "answer_rejected")
    assert run["attempts"] == 1
    assert run["finished_at"] is not None
    assert home.calls()[0]["outcome"] == "answered"
    return run


@dataclass(frozen=True)
class Expected:
    """What a failure comes to: what became of the request, its HTTP status, the message."""

    outcome: str
    status: int | None
    message: str


def http(status: int, message: str, outcome: str = "refused") -> Expected:
    """A failure by HTTP status."""
    return Expected(outcome, status, f"OpenAI API error ({status}): {message}")


def lost(what: str, message: str) -> Expected:
    """A failure of which nobody knows more."""
    return Expected("unknown", None, f"OpenAI API error ({what}): {message}")


BROKE_OFF = lost("connection lost", "the answer broke off")
NO_ANSWER = lost("connection lost", "no answer came")

FAILURES = [
    pytest.param(
        refusing(400, "Unsupported parameter: 'max_tokens'"),
        http(400, "Unsupported parameter: 'max_tokens'"),
        id="400",
    ),
    pytest.param(
        refusing(401, f"Incorrect API key provided: {API_KEY}. Find yours at https://platform.openai.com."),
        http(401, "Incorrect API key provided: [key]. Find yours at https://platform.openai.com."),
        id="401 that quotes the key",
    ),
    pytest.param(
        refusing(401, "Incorrect API key provided: sk-test-**********tYb7."),
        http(401, "Incorrect API key provided: [key]."),
        id="401 that quotes half the key",
    ),
    pytest.param(refusing(403, "Country not supported"), http(403, "Country not supported"), id="403"),
    pytest.param(
        refusing(404, "The model does not exist", code="model_not_found"),
        http(404, "The model does not exist"),
        id="404",
    ),
    pytest.param(refusing(409, "Conflict"), http(409, "Conflict"), id="409"),
    pytest.param(refusing(422, "Unprocessable"), http(422, "Unprocessable"), id="422"),
    pytest.param(
        refusing(429, "Rate limit exceeded", code="rate_limit_exceeded", headers={"retry-after": "0"}),
        http(429, "Rate limit exceeded", "not_processed"),
        id="429 rate limit",
    ),
    pytest.param(
        refusing(429, "You exceeded your current quota", code="insufficient_quota"),
        http(429, "You exceeded your current quota"),
        id="429 quota",
    ),
    pytest.param(refusing(500, "The server had an error"), http(500, "The server had an error"), id="500"),
    pytest.param(
        replying("<html>Oops</html>", status=500), http(500, "Internal Server Error"), id="500 with HTML"
    ),
    pytest.param(replying("", status=500), http(500, "Internal Server Error"), id="500 and nothing else"),
    pytest.param(
        refusing(503, "Overloaded", headers={"x-should-retry": "true"}),
        http(503, "Overloaded", "not_processed"),
        id="503 that asks for a retry",
    ),
    pytest.param(refusing(408, "Too slow"), http(408, "Too slow", "unknown"), id="408"),
    pytest.param(
        replying("<html>502</html>", status=502), http(502, "Bad Gateway", "unknown"), id="502 of a gateway"
    ),
    pytest.param(
        replying("<html>504</html>", status=504),
        http(504, "Gateway Timeout", "unknown"),
        id="504 of a gateway",
    ),
    pytest.param(
        replying("", status=524), http(524, "the server refused", "unknown"), id="524 of a network in between"
    ),
    pytest.param(
        refusing(400, "line one\nline two\x1b[31m"),
        http(400, "line one line two [31m"),
        id="400 in many lines",
    ),
    pytest.param(refusing(400, "x" * 10_000), http(400, "x" * 300), id="400 at length"),
    pytest.param(resetting, NO_ANSWER, id="reset before an answer"),
    pytest.param(hanging_up, NO_ANSWER, id="closed before an answer"),
    pytest.param(speaking_no_http, NO_ANSWER, id="no HTTP"),
    pytest.param(cutting_off(BODY), BROKE_OFF, id="cut-off body"),
    pytest.param(cutting_off_chunks(BODY), BROKE_OFF, id="cut-off chunks"),
    pytest.param(
        replying(BODY, headers={"content-encoding": "gzip"}), BROKE_OFF, id="said to be compressed and is not"
    ),
]


@pytest.mark.parametrize(("behaviour", "expected"), FAILURES)
def test_failure(home: Home, behaviour: Behaviour, expected: Expected) -> None:
    """A request without an answer fails, or is in doubt where nobody knows; one request in all."""
    home.provider.behaviour = behaviour

    outcome = home.snapshot()

    failed(home, outcome.error, expected)
    assert len(home.provider.requests) == 1
    shows_nothing(home, outcome.out + outcome.err)
    assert API_KEY not in json.dumps([home.runs(), home.calls()])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(home: Home, status: int) -> None:
    """A redirect is not followed: the aggregates go to no address that nobody named."""
    home.provider.behaviour = replying(
        "", status=status, headers={"location": f"{home.provider.base_url}/v2"}
    )

    outcome = home.snapshot()

    assert len(home.provider.requests) == 1
    assert outcome.error["code"] == "provider_error"
    assert outcome.error["message"].startswith(f"OpenAI API error ({status}): ")
    assert (home.calls()[0]["outcome"], home.runs()[0]["status"]) == ("refused", "failed")
    stored_nothing(home)


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(going_silent, id="silent"),
        pytest.param(dripping(BODY, every=0.01), id="slow drip"),
        pytest.param(going_silent_half_way, id="silent half-way"),
    ],
)
def test_deadline(home: Home, behaviour: Behaviour) -> None:
    """The deadline holds for the whole call, however the server spends it; the run is then in doubt."""
    home.set(SECONDLOOK_DEADLINE_SECONDS="0.4")
    home.provider.behaviour = behaviour

    outcome = home.snapshot()

    failed(home, outcome.error, lost("time-out", "no whole answer within 0.4 seconds"))
    eventually(lambda: home.provider.requests)
    assert len(home.provider.requests) == 1
    assert 400 <= home.ledger("select (ended_at - sent_at) * 1000 as ms from calls")[0]["ms"] < 5000


def test_connection_refused(home: Home) -> None:
    """A server that is not there has processed nothing: the run has failed, nothing is in doubt."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    home.set(OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1")

    outcome = home.snapshot()

    message = "OpenAI API error (no connection): the server could not be reached"
    failed(home, outcome.error, Expected("not_processed", None, message))
    assert home.provider.requests == []


def test_prompt_quoted_back(home: Home) -> None:
    """A provider's message that quotes what was sent is not passed on."""

    def quoting(exchange: Exchange) -> None:
        refusing(400, f"Bad input: {exchange.request.body['messages'][1]['content']}")(exchange)

    home.provider.behaviour = quoting

    outcome = home.snapshot()

    failed(home, outcome.error, http(400, "Bad Request"))
    shows_nothing(home, outcome.out + outcome.err)


def failed(home: Home, error: Json, expected: Expected) -> None:
    """The run came to this, and left nothing else behind."""
    unknown = expected.outcome == "unknown"
    code = "in_doubt" if unknown else "provider_error"
    assert (error["code"], error["message"]) == (code, expected.message)
    assert error["usage"] is None
    assert error["hint"]
    stored_nothing(home)
    (run,) = home.runs()
    assert (run["run_id"], run["error_code"]) == (error["run_id"], code)
    assert run["status"] == ("in_doubt" if unknown else "failed")
    assert (run["finished_at"] is None) == unknown
    assert (run["attempts"], run["answered_call"]) == (1, None)
    (call,) = home.calls()
    assert (call["outcome"], call["http_status"]) == (expected.outcome, expected.status)
    assert (call["error"], call["body"], call["total_tokens"]) == (expected.message, None, None)
