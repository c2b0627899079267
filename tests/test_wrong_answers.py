"""Wrong answers and failures of a provider, over a real socket: each refused with its own reason."""

from __future__ import annotations

import gzip
import json
import socket
from dataclasses import dataclass
from typing import Any

import pytest

from tests.processes import API_KEY, Home, eventually
from tests.provider import (
    USAGE,
    Behaviour,
    Exchange,
    Json,
    cutting_off,
    cutting_off_chunks,
    dripping,
    going_silent,
    hanging_up,
    refusing,
    replying,
    resetting,
)
from tests.wrong_answers import BODY, TEXT, WRONG_ANSWERS, WrongAnswer

NO_USAGE = dict.fromkeys(USAGE)

OVER_THE_WIRE = {
    *("changed count of a week", "lone surrogate", "null character", "extra key of a week", "count as 1.0"),
    *("endless integer", "NaN", "5 MB of text", "deep nesting", "duplicate key", "fenced", "empty content"),
    *("null content", "content in parts, none of them text", "refusal", "refusal beside it", "truncated"),
    *("content filter", "tool calls", "no finish_reason", "no choices", "two choices"),
}
"""One of each reason, and what a socket or a database might take badly; tests/tasks has them all."""


def speaking_no_http(exchange: Exchange) -> None:
    """Sends what is no HTTP."""
    exchange.send(b"\x00\x01 no HTTP\r\n\r\n")


def going_silent_half_way(exchange: Exchange) -> None:
    """Sends the beginning of an answer and no more."""
    exchange.reply(BODY[:100], length=len(BODY))
    exchange.silence()


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


def named(wrong: list[WrongAnswer]) -> list[Any]:
    """The parameters of a test."""
    return [pytest.param(each, id=each.name) for each in wrong]


COMPLETIONS = [wrong for wrong in WRONG_ANSWERS if wrong.name in OVER_THE_WIRE]
NO_COMPLETIONS = [
    wrong for wrong in WRONG_ANSWERS if wrong.reason == "not_completion" and wrong not in COMPLETIONS
]


def test_each_reason_comes_over_the_wire() -> None:
    """No rule is left out."""
    assert len(COMPLETIONS) == len(OVER_THE_WIRE)
    assert {wrong.reason for wrong in COMPLETIONS} == {wrong.reason for wrong in WRONG_ANSWERS}


@pytest.mark.parametrize("wrong", named(COMPLETIONS))
def test_wrong_answer(home: Home, wrong: WrongAnswer) -> None:
    """A completion that does not hold the right answer is rejected; it and its usage are kept for QA."""
    home.provider.behaviour = replying(wrong.body)

    outcome = home.snapshot()

    run = rejected(home, outcome.error, wrong)
    # A text of millions of characters in 398 tokens cannot be: its usage is unknown.
    usage = USAGE if len(wrong.body) < 50_000 else NO_USAGE
    assert outcome.error["usage"] == {**usage, "estimated": False}
    (call,) = home.calls()
    assert call["body"] == home.provider.sent[-1].decode()
    assert {name: call[name] for name in USAGE} == usage
    cost = (444 - 128) * 2500 + 128 * 1250 + 398 * 10_000
    assert call["cost_nanousd"] == (cost if usage is USAGE else None)
    assert run["answered_call"] == call["number"]
    shows_nothing(home, outcome.out + outcome.err)


@pytest.mark.parametrize("wrong", named(NO_COMPLETIONS))
def test_not_a_completion(home: Home, wrong: WrongAnswer) -> None:
    """A whole answer that is no completion is rejected, its outcome known; its usage is unknown, not 0."""
    home.provider.behaviour = replying(wrong.body)

    outcome = home.snapshot()

    rejected(home, outcome.error, wrong)
    (call,) = home.calls()
    assert call["body"] == wrong.body[: 8 * 1024 * 1024]
    assert outcome.error["usage"] == {**NO_USAGE, "estimated": False}
    assert {call[name] for name in (*USAGE, "cost_nanousd")} == {None}
    shows_nothing(home, outcome.out + outcome.err)


def rejected(home: Home, error: Json, wrong: WrongAnswer) -> Json:
    """The run of an answer that was rejected for its reason, and left nothing else behind."""
    assert (error["code"], error["reason"], error["path"]) == ("answer_rejected", wrong.reason, wrong.path)
    assert error["message"] == wrong.message
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
        refusing(401, f"Incorrect API key provided: {API_KEY}. Find yours at https://platform.openai.com."),
        http(401, "Incorrect API key provided: [key]. Find yours at https://platform.openai.com."),
        id="refused, and the key quoted",
    ),
    pytest.param(
        refusing(429, "Rate limit exceeded", code="rate_limit_exceeded", headers={"retry-after": "0"}),
        http(429, "Rate limit exceeded", "not_processed"),
        id="not processed",
    ),
    pytest.param(
        replying("<html>504</html>", status=504), http(504, "Gateway Timeout", "unknown"), id="unknown"
    ),
    pytest.param(resetting, NO_ANSWER, id="reset before an answer"),
    pytest.param(hanging_up, NO_ANSWER, id="closed before an answer"),
    pytest.param(speaking_no_http, NO_ANSWER, id="no HTTP"),
    pytest.param(cutting_off(BODY), BROKE_OFF, id="cut-off body"),
    pytest.param(cutting_off_chunks(BODY), BROKE_OFF, id="cut-off chunks"),
    pytest.param(
        replying(gzip.compress(BODY.encode())[:-30], headers={"content-encoding": "gzip"}),
        BROKE_OFF,
        id="compressed and cut off",
    ),
]


@pytest.mark.parametrize(("behaviour", "expected"), FAILURES)
def test_failure(home: Home, behaviour: Behaviour, expected: Expected) -> None:
    """A request without an answer fails, or its outcome is unknown; one request in all."""
    home.provider.behaviour = behaviour

    outcome = home.snapshot()

    failed(home, outcome.error, expected)
    assert len(home.provider.requests) == 1
    shows_nothing(home, outcome.out + outcome.err)
    assert API_KEY not in json.dumps([home.runs(), home.calls()])


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(going_silent, id="silent"),
        pytest.param(dripping(BODY, every=0.01), id="slow drip"),
        pytest.param(going_silent_half_way, id="silent half-way"),
    ],
)
def test_deadline(home: Home, behaviour: Behaviour) -> None:
    """The deadline holds for the whole call, however the server spends it; the outcome is then unknown."""
    home.set(SECONDLOOK_DEADLINE_SECONDS="0.4")
    home.provider.behaviour = behaviour

    outcome = home.snapshot()

    failed(home, outcome.error, lost("time-out", "no whole answer within 0.4 seconds"))
    eventually(lambda: home.provider.requests)
    assert len(home.provider.requests) == 1
    assert 400 <= home.ledger("select (ended_at - sent_at) * 1000 as ms from calls")[0]["ms"] < 5000


def test_connection_refused(home: Home) -> None:
    """A server that is not there has processed nothing: the run has failed, no outcome is unknown."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    home.set(OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1")

    outcome = home.snapshot()

    message = (
        f"OpenAI API error (no connection): the server could not be reached at http://127.0.0.1:{port}/v1"
    )
    failed(home, outcome.error, Expected("not_processed", None, message))
    assert home.provider.requests == []


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
