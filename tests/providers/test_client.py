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
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx2
import pytest
from pydantic import SecretStr

from secondlook.domain.answers import AgentAnswer
from secondlook.domain.usage import Usage
from secondlook.errors import AnswerRejected, LedgerUnavailable, ProviderError
from secondlook.pipeline.retries import Retries
from secondlook.providers.openai.client import IDLE_SECONDS, MAX_BODY_BYTES
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
    server = Server(lambda _: httpx2.Response(200, headers=headers, stream=Chunks([packed])))
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


RIGHT = json.dumps(completion(echo()))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xef\xbb\xbf" + RIGHT.encode(), id="UTF-8 with BOM"),
        pytest.param(RIGHT.encode("utf-16"), id="UTF-16"),
        pytest.param(RIGHT.encode("utf-16-le"), id="UTF-16 little-endian without BOM"),
        pytest.param(RIGHT.encode("utf-16-be"), id="UTF-16 big-endian without BOM"),
        pytest.param(b"\xfe\xff" + RIGHT.encode("utf-16-be"), id="UTF-16 big-endian"),
        pytest.param(RIGHT.encode("utf-32"), id="UTF-32"),
        pytest.param(b"\n \r\n" + RIGHT.encode(), id="white space before it"),
    ],
)
def test_a_right_answer_is_read_in_any_unicode_encoding(body: bytes) -> None:
    """It is paid for: a mark or an encoding is no reason to reject it, and its usage counts."""
    (answer,) = ask(Server(lambda _: httpx2.Response(200, content=body)))
    read = OpenAI.read(answer.body)
    assert (read.problem, read.text, read.usage.total_tokens) == (None, OpenAI.read(RIGHT).text, 550)
    assert answer.usage == read.usage


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        pytest.param("gzip", RIGHT.encode(), id="declared gzip, but not"),
        pytest.param("deflate", RIGHT.encode(), id="declared deflate, but not"),
        pytest.param("br", RIGHT.encode(), id="declared Brotli, but not"),
        pytest.param("zstd", RIGHT.encode(), id="declared Zstandard, but not"),
        pytest.param("nonsense", RIGHT.encode(), id="an unknown encoding"),
        pytest.param("gzip", gzip.compress(RIGHT.encode()), id="gzip"),
        pytest.param("x-gzip", gzip.compress(RIGHT.encode()), id="x-gzip"),
        pytest.param("deflate", gzip.compress(RIGHT.encode()), id="gzip, declared deflate"),
        pytest.param("deflate", zlib.compress(RIGHT.encode()), id="deflate"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_body_is_unpacked_by_what_it_is(encoding: str, packed: bytes, size: int) -> None:
    """All of it arrived: it is journaled and read, whatever the header says of its compression."""
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    headers = {"content-encoding": encoding}
    (answer,) = ask(Server(lambda _: httpx2.Response(200, headers=headers, stream=Chunks(pieces))))
    assert answer.body == RIGHT
    assert answer.usage.total_tokens == 550


@pytest.mark.parametrize("packed", [b"\x00\x01", b"", b"{", gzip.compress(b"x" * (MAX_BODY_BYTES + 10))])
def test_what_is_declared_gzip_is_journaled(packed: bytes) -> None:
    """Whatever it is, and never more than the limit."""
    headers = {"content-encoding": "gzip"}
    (answer,) = ask(Server(lambda _: httpx2.Response(200, headers=headers, stream=Chunks([packed]))))
    assert len(answer.body) <= MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("status", "error", "headers"),
    [
        pytest.param(429, {"code": "billing_not_active"}, {}, id="billing is not active"),
        pytest.param(429, {"code": "billing_hard_limit_reached"}, {}, id="a hard limit"),
        pytest.param(429, {"code": "account_deactivated"}, {}, id="an account that is closed"),
        pytest.param(429, {"type": "insufficient_quota", "code": None}, {}, id="a quota by its type"),
        pytest.param(429, {"type": "insufficient_quota", "code": "429"}, {}, id="by its type, another code"),
        pytest.param(429, {"type": "exceeded_current_quota_error"}, {}, id="Moonshot's quota"),
        pytest.param(429, {"code": "Insufficient_Quota"}, {}, id="in other letters"),
        pytest.param(429, {}, {"x-should-retry": "false"}, id="429 and x-should-retry: false"),
        pytest.param(503, {}, {"x-should-retry": "False"}, id="503 and x-should-retry: false"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_refusal_that_waiting_does_not_change(
    status: int, error: dict[str, object], headers: dict[str, str], packed: bool
) -> None:
    """It is not sent again, and the provider's message is told, compressed or not."""
    body = json.dumps({"error": {"message": "Pay first", **error}}).encode()
    if packed:
        body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
    told = failure(
        Server(lambda _: httpx2.Response(status, headers=headers, stream=Chunks([body[:9], body[9:]])))
    )
    assert (told.outcome, told.message) == ("refused", f"OpenAI API error ({status}): Pay first")


@pytest.mark.parametrize("error", [{"code": "rate_limit_exceeded"}, {"type": "tokens"}, {"code": 429}])
def test_a_rate_limit_is_still_sent_again(error: dict[str, object]) -> None:
    """Also where a server's header asks for it, or its body is compressed."""
    body = gzip.compress(json.dumps({"error": {"message": "Slower", **error}}).encode())
    headers = {"content-encoding": "gzip", "x-should-retry": "true"}
    told = failure(Server(lambda _: httpx2.Response(429, headers=headers, stream=Chunks([body]))))
    assert (told.outcome, told.message) == ("not_processed", "OpenAI API error (429): Slower")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b'{"error": "No money"}', "No money", id="as text"),
        pytest.param(b'{"message": "No money", "code": 402}', "No money", id="flat"),
        pytest.param(b'{"detail": "No money"}', "No money", id="FastAPI's"),
        pytest.param(b'[{"error": {"message": "No money"}}]', "No money", id="in a list"),
        pytest.param(b'\xef\xbb\xbf{"error": {"message": "No money"}}', "No money", id="with a BOM"),
        pytest.param('{"error": {"message": "No money"}}'.encode("utf-16"), "No money", id="UTF-16"),
        pytest.param(b'{"error": {"message": " "}, "message": 5}', "Payment Required", id="says nothing"),
    ],
)
def test_a_providers_message_is_found_in_any_shape(body: bytes, message: str) -> None:
    """Servers of this protocol write errors in several shapes."""
    told = failure(Server(lambda _: httpx2.Response(402, content=body)))
    assert told.message == f"OpenAI API error (402): {message}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"retry-after-ms": "3500.5"}, 3.5005, id="milliseconds with a fraction"),
        pytest.param({"retry-after-ms": "3500", "retry-after": "9"}, 3.5, id="milliseconds first"),
        pytest.param({"retry-after-ms": "x", "retry-after": "9"}, 9, id="milliseconds that are none"),
        pytest.param({"x-ms-retry-after-ms": "3500"}, 3.5, id="Azure's"),
        pytest.param({"Retry-After-Ms": "3500"}, 3.5, id="in other letters"),
        pytest.param({"retry-after": "3.5"}, 3.5, id="seconds with a fraction"),
    ],
)
def test_a_wait_that_the_provider_asks_for_arrives(headers: dict[str, str], seconds: float) -> None:
    """No header is lost on the way from the wire to the error."""
    told = failure(Server(lambda _: httpx2.Response(429, headers=headers, json={})))
    assert told.retry_after == pytest.approx(seconds)
    again = Retries(most=2, seconds=300).wait(told, sent=1, elapsed=0)
    assert again is not None
    assert again >= seconds


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"error": {"message": "Upstream is out", "code": 502}}, id="OpenRouter's"),
        pytest.param({"error": "Upstream is out"}, id="as text"),
        pytest.param({"object": "error", "message": "Upstream is out"}, id="flat"),
        pytest.param({"error": {"message": "Upstream is out"}, "choices": []}, id="no choice"),
        pytest.param({"error": {"message": "Upstream is out"}, "choices": None}, id="choices null"),
        pytest.param({"detail": "Upstream is out"}, id="FastAPI's"),
        pytest.param([{"error": {"message": "Upstream is out"}}], id="in a list"),
        pytest.param(
            {"choices": [{"error": {"message": "Upstream is out"}, "finish_reason": "error"}]},
            id="in the choice",
        ),
        pytest.param(
            {
                "error": {"message": "Upstream is out"},
                "choices": [{"message": {"content": ""}, "finish_reason": "error"}],
            },
            id="beside an empty choice",
        ),
    ],
)
def test_an_error_with_status_200_is_told(body: object) -> None:
    """It is journaled as any answer, nothing is sent again, and the provider's message is the problem."""
    (answer,) = ask(Server(lambda _: httpx2.Response(200, json=body)))
    read = OpenAI.read(answer.body)
    assert (read.problem, read.text) == ("the server answered with an error: Upstream is out", None)
    assert answer.usage == Usage()


def test_an_error_with_status_200_is_told_safely() -> None:
    """No key, one line, and nothing of the prompt in the rejection."""
    said = OpenAI.read(json.dumps({"error": {"message": f"bad {KEY}\nhere {'x' * 999}"}})).problem
    assert said is not None
    assert "bad [key] here" in said
    assert len(said) < 400
    quoting = OpenAI.read(json.dumps({"error": {"message": 'No: {"week": "2026-W01", "count": 15}'}}))
    error = AnswerRejected(quoting.problem or "", reason="not_completion")
    OpenAI.advise(error, quoting, example_request())
    assert "2026-W01" not in error.message


def test_a_right_answer_beside_an_empty_error_is_read() -> None:
    """`"error": null`, or one that says something beside an answer, changes nothing."""
    for error in (None, {}, {"message": ""}, {"message": "a warning"}):
        read = OpenAI.read(json.dumps({**completion(echo()), "error": error}))
        assert (read.problem, read.text) == (None, OpenAI.read(RIGHT).text)


class KeepingServer:
    """A real server that keeps its connections open, and counts them."""

    def __init__(self, body: bytes) -> None:
        outer = self
        self.connections = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_idle_connections_are_not_kept_longer_than_servers_do() -> None:
    """Uvicorn and Node close theirs after 5 seconds: a request at that moment would be of unknown outcome."""
    assert IDLE_SECONDS < 5
    with KeepingServer(RIGHT.encode()) as server:
        agent = OpenAI(
            load_settings().model_copy(
                update={"openai_api_key": SecretStr(KEY), "openai_base_url": server.base_url}
            )
        )
        with closing(agent):
            kept: list[AgentAnswer] = []
            agent.ask(example_request(), kept.append)
            agent.ask(example_request(), kept.append)
            assert server.connections == 1
            time.sleep(IDLE_SECONDS + 0.3)
            agent.ask(example_request(), kept.append)
            assert (server.connections, len(kept)) == (2, 3)


@pytest.mark.parametrize("status", [200, 400])
def test_a_server_that_quotes_the_key_is_not_quoted(status: int) -> None:
    """Also with status 200, and where a key does not begin as OpenAI's do: neither run nor journal has it."""
    key = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
    server = Server(lambda _: httpx2.Response(status, json={"error": {"message": f"Unknown key {key}"}}))
    agent = openai(server, 30)
    agent.settings = agent.settings.model_copy(update={"openai_api_key": SecretStr(key)})
    kept: list[AgentAnswer] = []
    with closing(agent):
        if status == 200:
            agent.ask(example_request(), kept.append)
            said = kept[0].body + str(OpenAI.read(kept[0].body).problem)
        else:
            with pytest.raises(ProviderError) as caught:
                agent.ask(example_request(), kept.append)
            said = caught.value.message
    assert "Unknown key [key]" in said
    assert key not in said
