"""One request, its answer into the journal once, and a clear outcome where there is none.

The SDK's own client runs over an in-memory transport; each server is a plain function.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx2
import pytest
from pydantic import SecretStr

from secondlook.domain.answers import AgentAnswer
from secondlook.domain.usage import Usage
from secondlook.errors import LedgerUnavailable, ProviderError
from secondlook.providers.openai.client import MAX_BODY_BYTES
from secondlook.providers.openai.protocol import OpenAI
from secondlook.settings import load_settings
from tests.examples import MODEL, completion, echo, example_request

KEY = "sk-proj-a1b2c3d4e5f6"
Handler = Callable[[httpx2.Request], httpx2.Response]


class Server:
    """A provider that answers every request by the same function, and keeps what it was sent."""

    def __init__(self, handler: Handler) -> None:
        self.requests: list[httpx2.Request] = []
        self._handler = handler

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        self.requests.append(request)
        return self._handler(request)


def openai(server: Server, deadline: float) -> OpenAI:
    """OpenAI, with a server in place of the network."""
    values = {
        "openai_api_key": SecretStr(KEY),
        "openai_base_url": "http://provider.invalid/v1",
        "deadline_seconds": deadline,
    }
    provider = OpenAI(load_settings().model_copy(update=values))
    provider.transport = httpx2.MockTransport(server)
    return provider


def ask(
    server: Server, *, deadline: float = 30, journal: Callable[[AgentAnswer], None] | None = None
) -> list[AgentAnswer]:
    """What was journaled of one question to a server."""
    kept: list[AgentAnswer] = []
    agent = openai(server, deadline)
    with closing(agent):
        agent.ask(example_request(), journal or kept.append)
    return kept


def failure(server: Server, *, deadline: float = 30) -> ProviderError:
    """The error of one question to a server, which journals nothing and sends one request."""
    with pytest.raises(ProviderError) as caught:
        ask(server, deadline=deadline, journal=lambda _: pytest.fail("journaled"))
    assert len(server.requests) == 1
    return caught.value


def refusing(status: int, message: str = "No", *, code: str | None = None) -> Server:
    """A server that refuses as OpenAI does."""
    error = {"message": message, "type": "x", "param": None, "code": code}
    headers = {"x-request-id": "req_9", "retry-after": "0", "location": "http://elsewhere.invalid/"}
    return Server(lambda _: httpx2.Response(status, headers=headers, json={"error": error}))


def failing(error: type[httpx2.TransportError]) -> Server:
    """A server whose connection ends in an error of the transport."""

    def handler(request: httpx2.Request) -> httpx2.Response:
        raise error("gone", request=request)

    return Server(handler)


def test_an_answer_is_journaled_once_and_whole() -> None:
    """The body as it came, the usage, the models' name, the request's id and both times."""
    headers = {"x-request-id": "req_1", "openai-processing-ms": "321"}
    body = json.dumps(completion(echo()), indent=1).encode()
    server = Server(lambda _: httpx2.Response(200, headers=headers, content=body))
    (answer,) = ask(server)
    assert answer.body.encode() == body
    assert answer.usage == Usage(
        prompt_tokens=400, completion_tokens=150, total_tokens=550, cached_tokens=100, estimated=False
    )
    assert (answer.model, answer.request_id, answer.provider_ms) == (MODEL, "req_1", 321)
    assert answer.latency_ms >= 0
    assert len(server.requests) == 1


def test_the_request() -> None:
    """One POST to chat completions, the key in its header, the body as it was built and nothing more."""
    server = Server(lambda _: httpx2.Response(200, json=completion(echo())))
    ask(server)
    (request,) = server.requests
    assert (request.method, str(request.url)) == ("POST", "http://provider.invalid/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(request.content) == example_request()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>busy</html>", id="HTML"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b'{"choices": []}', id="no choice"),
        pytest.param(b"[1, 2]", id="list"),
    ],
)
def test_a_whole_answer_is_journaled_whatever_it_is(body: bytes) -> None:
    """Nothing looks at an answer before it is kept; unknown usage is unknown."""
    (answer,) = ask(Server(lambda _: httpx2.Response(200, content=body)))
    assert answer.body == body.decode(errors="replace")
    assert answer.usage == Usage()
    assert (answer.model, answer.request_id, answer.provider_ms) == (None, None, None)


def test_strange_headers_are_left_out() -> None:
    """A request id or a time that is no plain token is unknown."""
    headers = [(b"x-request-id", b"req \xe9"), (b"openai-processing-ms", b"soon")]
    (answer,) = ask(Server(lambda _: httpx2.Response(200, headers=headers, json=completion(echo()))))
    assert (answer.request_id, answer.provider_ms) == (None, None)


def test_a_body_without_end_is_cut() -> None:
    """A server that floods fills neither memory nor the ledger."""
    (answer,) = ask(Server(lambda _: httpx2.Response(200, content=b"x" * (MAX_BODY_BYTES + 10))))
    assert len(answer.body) == MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        pytest.param(302, None, "refused", id="302: not followed"),
        pytest.param(307, None, "refused", id="307: not followed"),
        pytest.param(400, None, "refused", id="400"),
        pytest.param(401, None, "refused", id="401"),
        pytest.param(403, None, "refused", id="403"),
        pytest.param(404, None, "refused", id="404"),
        pytest.param(408, None, "unknown", id="408: a gateway's"),
        pytest.param(409, None, "refused", id="409"),
        pytest.param(422, None, "refused", id="422"),
        pytest.param(429, "rate_limit_exceeded", "not_processed", id="429: rate limit"),
        pytest.param(429, "insufficient_quota", "refused", id="429: quota"),
        pytest.param(500, None, "refused", id="500"),
        pytest.param(502, None, "unknown", id="502: a gateway's"),
        pytest.param(503, None, "not_processed", id="503"),
        pytest.param(504, None, "unknown", id="504: a gateway's"),
        pytest.param(524, None, "unknown", id="524: a CDN's"),
    ],
)
def test_outcome_by_status(status: int, code: str | None, outcome: str) -> None:
    """Each status says what became of the request; the SDK resends nothing automatically."""
    error = failure(refusing(status, "Some reason", code=code))
    assert error.message == f"OpenAI API error ({status}): Some reason"
    assert (error.outcome, error.status, error.request_id) == (outcome, status, "req_9")


@pytest.mark.parametrize(
    ("kind", "outcome", "message"),
    [
        pytest.param(httpx2.ConnectError, "not_processed", "no connection", id="connection refused"),
        pytest.param(httpx2.ConnectTimeout, "not_processed", "no connection", id="no connection in time"),
        pytest.param(httpx2.ReadTimeout, "unknown", "time-out", id="silence"),
        pytest.param(httpx2.WriteTimeout, "unknown", "time-out", id="request not taken in time"),
        pytest.param(httpx2.ReadError, "unknown", "connection lost", id="reset while reading"),
        pytest.param(httpx2.WriteError, "unknown", "connection lost", id="reset while writing"),
        pytest.param(httpx2.RemoteProtocolError, "unknown", "connection lost", id="hung up"),
    ],
)
def test_outcome_by_transport(kind: type[httpx2.TransportError], outcome: str, message: str) -> None:
    """Only a connection that never was is certainly not processed."""
    error = failure(failing(kind))
    assert (error.outcome, error.status) == (outcome, None)
    assert error.message.startswith(f"OpenAI API error ({message}): ")


def test_rate_limit_message_is_word_for_word() -> None:
    """The contract's example, to the letter."""
    assert (
        failure(refusing(429, "Rate limit exceeded")).message == "OpenAI API error (429): Rate limit exceeded"
    )


class Broken(httpx2.SyncByteStream):
    """A body that breaks off."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"choices": ['
        raise httpx2.ReadError("reset")


def test_a_body_that_breaks_off_is_unknown() -> None:
    """Half an answer may have been paid for."""
    error = failure(Server(lambda _: httpx2.Response(200, stream=Broken())))
    assert error.outcome == "unknown"
    assert error.message == "OpenAI API error (connection lost): the answer broke off"


def test_a_body_that_cannot_be_unpacked_is_unknown() -> None:
    """A compressed answer that was cut off is no whole answer."""
    packed = gzip.compress(json.dumps(completion(echo())).encode())[:-30]
    headers = {"content-encoding": "gzip"}
    server = Server(lambda _: httpx2.Response(200, headers=headers, stream=Chunks([b"\x00" + packed])))
    assert failure(server).outcome == "unknown"


class Chunks(httpx2.SyncByteStream):
    """A body in pieces, with a pause before each."""

    def __init__(self, pieces: list[bytes], pause: float = 0) -> None:
        self._pieces, self._pause = pieces, pause

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            time.sleep(self._pause)
            yield piece


def test_a_drip_does_not_outlive_the_deadline() -> None:
    """The deadline is for the whole call, not for each piece of it."""
    started = time.monotonic()
    error = failure(Server(lambda _: httpx2.Response(200, stream=Chunks([b" "] * 100, 0.05))), deadline=0.2)
    assert time.monotonic() - started < 3
    assert error.outcome == "unknown"
    assert error.message == "OpenAI API error (time-out): no whole answer within 0.2 seconds"


def test_a_late_answer_is_journaled() -> None:
    """The caller stops waiting at the deadline; the answer that comes after it is kept all the same, once."""
    kept: list[AgentAnswer] = []
    came = threading.Event()

    def journal(answer: AgentAnswer) -> None:
        kept.append(answer)
        came.set()

    body = json.dumps(completion(echo())).encode()
    server = Server(lambda _: httpx2.Response(200, stream=Chunks([body], 0.4)))
    agent = openai(server, 0.1)
    with closing(agent):
        with pytest.raises(ProviderError, match="time-out"):
            agent.ask(example_request(), journal)
        assert kept == []
        assert came.wait(5)
    assert [answer.body for answer in kept] == [body.decode()]
    assert len(server.requests) == 1


def test_an_error_of_the_journal_comes_back() -> None:
    """An answer that could not be kept is not taken for one that was."""
    server = Server(lambda _: httpx2.Response(200, json=completion(echo())))

    def journal(_: AgentAnswer) -> None:
        raise LedgerUnavailable("full")

    with pytest.raises(LedgerUnavailable, match="full"):
        ask(server, journal=journal)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param(
            f"Incorrect API key provided: {KEY}.", "Incorrect API key provided: [key].", id="the key"
        ),
        pytest.param(
            "Incorrect API key provided: sk-proj-*****e5f6.",
            "Incorrect API key provided: [key]",
            id="a part of it",
        ),
        pytest.param("Two\nlines\x1b[2J", "Two lines [2J", id="control characters"),
        pytest.param("x" * 1000, "x" * 300, id="endless"),
        pytest.param("Bad schema: weekly_volume", "Bad schema: weekly_volume", id="a name of the schema"),
    ],
)
def test_a_providers_message_is_made_safe(said: str, shown: str) -> None:
    """No key, one line, not too long."""
    message = failure(refusing(401, said)).message
    assert message.removeprefix("OpenAI API error (401): ").rstrip(".") == shown.rstrip(".")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param('Cannot read: {"week": "2026-W01", "count": 15}', id="weeks"),
        pytest.param('Cannot read: "estimate_count": 35', id="estimate count"),
        pytest.param('Cannot read: "500-1500","count":25 there', id="a band"),
        pytest.param(str(example_request()["messages"][0]["content"]), id="instructions"),
        pytest.param("", id="nothing at all"),
    ],
)
def test_a_server_that_quotes_the_prompt_is_not_quoted(said: str) -> None:
    """Where the provider's message repeats what was sent, the status speaks alone."""
    assert failure(refusing(400, said)).message == "OpenAI API error (400): Bad Request"


@pytest.mark.parametrize(
    ("content", "status", "phrase"),
    [
        pytest.param(b"<html>x</html>", 500, "Internal Server Error", id="HTML"),
        pytest.param(b"", 403, "Forbidden", id="empty"),
        pytest.param(b'{"error": "no"}', 400, "Bad Request", id="error as text"),
        pytest.param(b'{"error": {"message": 5}}', 400, "Bad Request", id="message as number"),
        pytest.param(b"{}", 599, "the server refused", id="unknown status"),
    ],
)
def test_an_error_without_a_message(content: bytes, status: int, phrase: str) -> None:
    """Where the provider says nothing that can be shown, the status' own phrase is."""
    error = failure(Server(lambda _: httpx2.Response(status, content=content)))
    assert error.message == f"OpenAI API error ({status}): {phrase}"


@pytest.fixture(
    params=[refusing(401, f"bad {KEY}"), refusing(500, '"500-1500","count":25'), failing(httpx2.ReadError)]
)
def failed(request: pytest.FixtureRequest) -> ProviderError:
    """An error of each kind."""
    request.param.requests.clear()
    return failure(request.param)


def test_a_traceback_shows_neither_key_nor_prompt(failed: ProviderError) -> None:
    """Exceptions end up in logs, with all that they were raised from."""
    shown = "".join(traceback.format_exception(failed))
    assert KEY not in shown
    assert '"500-1500","count":25' not in shown


DEBUG = """
import logging
logging.basicConfig(level=logging.DEBUG)
from secondlook.providers.offline import Offline
from secondlook.settings import load_settings
from secondlook.tasks.snapshot.offline import ANSWERERS
from tests.examples import example_request
kept = []
Offline(load_settings(), ANSWERERS).ask(example_request(), kept.append)
assert len(kept) == 1
"""


def test_the_sdks_debug_log_shows_no_prompt(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    """OPENAI_LOG=debug and a program that logs everything still see no prompt, answer or key."""
    monkeypatch.setenv("OPENAI_LOG", "debug")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    ran = subprocess.run([sys.executable, "-c", DEBUG], capture_output=True, text=True, check=True)
    for secret in ("500-1500", "weekly_volume", "2026-W", KEY, "estimate_count"):
        assert secret not in ran.stdout + ran.stderr
