"""The webhook against a real https server: signed, checked, never led astray, sent again."""

from __future__ import annotations

import _socket
import base64
import ipaddress
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from secondlook import webhook
from secondlook.connections.database import Database
from secondlook.domain.runs import Run, RunStatus
from secondlook.errors import LedgerUnavailable, SettingInvalid
from secondlook.ledger import outbox
from secondlook.ledger.database import ledger_database
from secondlook.ledger.outbox import DELAYS_SECONDS, Deliveries, Delivery, enqueue
from secondlook.settings import load_settings
from secondlook.webhook import AT_ONCE, ATTEMPT_SECONDS, Webhook, is_public, resolve, webhook_of
from tests.examples import SOURCE, USER, some

RUN = "77777777-2222-4333-8444-555555555555"
HOST = "hooks.example.test"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SHORT = 0.5
"""The time of an attempt in tests that wait for its end."""


# -- a receiver -----------------------------------------------------------------------------------------


class Authority:
    """An authority of the test's own, and certificates that it signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test {folder.name}")])
        made = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        self.pem = made.public_bytes(serialization.Encoding.PEM).decode()

    def _sign(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *extensions: x509.ExtensionType,
        until: timedelta = timedelta(days=1),
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=2))
            .not_valid_after(datetime.now(UTC) + until)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())

    def server(self, host: str = HOST, *, until: timedelta = timedelta(days=1)) -> ssl.SSLContext:
        """What a server of that name shows."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        numeric = host.replace(".", "").isdigit()
        shown = x509.IPAddress(ipaddress.ip_address(host)) if numeric else x509.DNSName(host)
        made = self._sign(name, key, x509.SubjectAlternativeName([shown]), until=until)
        path = self.folder / "server.pem"
        path.write_bytes(
            made.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        path.unlink()
        return context

    def client(self) -> ssl.SSLContext:
        """What a client that knows this authority wants to see."""
        return ssl.create_default_context(cadata=self.pem)


@dataclass
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    sni: str | None


Reply = Callable[["Handler"], None]


class Receiver(ThreadingHTTPServer):
    """An https server on this machine that answers as it is told."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[Received] = []
        self.reply: Reply = status(204)
        self.over = threading.Event()
        self._tls = tls
        self._tls.sni_callback = self._note_name

    def _note_name(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: object
    ) -> None:
        connection.asked_for = name  # pyright: ignore[reportAttributeAccessIssue]

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- as the base has it
        """Encrypt, in the connection's own thread, then handle it."""
        request.settimeout(10)
        with suppress(OSError), self._tls.wrap_socket(request, server_side=True) as encrypted:
            super().finish_request(encrypted, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A client that hangs up is none of the test's business."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server_address[1]

    @property
    def url(self) -> str:
        """Its address, by a name that only the tests' look-up knows."""
        return f"https://{HOST}:{self.port}/hooks/a?b=c"


class Handler(BaseHTTPRequestHandler):
    """Notes the request and replies."""

    server: Receiver  # pyright: ignore[reportIncompatibleVariableOverride] -- it serves this one alone
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """A message."""
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        sni = getattr(self.connection, "asked_for", None)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.path, headers, body, sni))
        with suppress(OSError):
            self.server.reply(self)
        self.close_connection = True

    def do_GET(self) -> None:
        """What a client asks that follows a redirect."""
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
        """Say nothing."""


def status(code: int, **headers: str) -> Reply:
    """A reply with a status."""

    def reply(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        if code >= 200:
            handler.send_header("Content-Length", "0")
        handler.end_headers()

    return reply


def bytes_of(*chunks: bytes, pause: float = 0, endless: bool = False) -> Reply:
    """A reply of bytes, slowly or without an end."""

    def reply(handler: Handler) -> None:
        for chunk in chunks:
            handler.wfile.write(chunk)
            handler.wfile.flush()
            handler.server.over.wait(pause)
        while endless and not handler.server.over.is_set():
            handler.wfile.write(chunks[-1])
            handler.server.over.wait(pause)

    return reply


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signs the receiver's certificate."""
    folder = tmp_path / "authority"
    folder.mkdir()
    return Authority(folder)


@pytest.fixture
def receiver(authority: Authority) -> Generator[Receiver]:
    """A receiver that takes everything."""
    with listening(authority.server()) as server:
        yield server


class listening:  # noqa: N801 -- read as a function
    """A receiver while the block runs."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._server = Receiver(tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self._server

    def __exit__(self, *_error: object) -> None:
        self._server.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


# -- a sender -------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Generator[Database]:
    """The ledger's database."""
    opened = ledger_database(tmp_path / "ledger.db")
    yield opened
    opened.close()


def public_or_here(address: str) -> bool:
    """As if 127.0.0.1 were public."""
    return is_public(address) or address == "127.0.0.1"


def anywhere(_address: str) -> bool:
    """As if all addresses were."""
    return True


@dataclass
class Sender:
    """A webhook on an outbox, and what it looked up."""

    database: Database
    authority: Authority
    receiver: Receiver
    addresses: list[Sequence[str]] = field(default_factory=list[Sequence[str]])
    looked_up: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    def lookup(self, host: str, port: int) -> Sequence[str]:
        """This machine, unless the test says otherwise for this time."""
        self.looked_up.append((host, port))
        return self.addresses.pop(0) if self.addresses else ["127.0.0.1"]

    @property
    def outbox(self) -> Deliveries:
        """The outbox."""
        return Deliveries(self.database)

    def webhook(self, **changes: Any) -> Webhook:  # noqa: ANN401 -- Webhook's own parameters
        """It, with parameters changed."""
        parameters: dict[str, Any] = {
            "lookup": self.lookup,
            "allowed": public_or_here,
            "tls": self.authority.client(),
            **changes,
        }
        url = parameters.pop("url", self.receiver.url)
        return Webhook(url, SECRET, self.outbox, **parameters)

    def put(self, status: RunStatus = RunStatus.DONE, code: str | None = None) -> str:
        """Write a message."""
        run = Run.model_construct(task="snapshot", run_id=RUN, source_id=SOURCE, user_id=USER, batch_id=None)
        self.outbox.list()
        return self.database.write(lambda connection: enqueue(connection, run, status, code))

    def attempt(self, **changes: Any) -> Delivery:  # noqa: ANN401
        """What became of one message at its first attempt."""
        self.put()
        assert self.webhook(**changes).deliver_due() == 1
        return self.outbox.list()[0]

    def code(self, **changes: Any) -> str | None:  # noqa: ANN401
        """How one message fails; it waits for the next attempt."""
        kept = self.attempt(**changes)
        assert (kept.delivered_at, kept.given_up_at, kept.attempts) == (None, None, 1)
        return kept.last_error


@pytest.fixture
def sender(database: Database, authority: Authority, receiver: Receiver) -> Sender:
    """A webhook that knows the receiver."""
    return Sender(database, authority, receiver)


# -- what arrives ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(RunStatus.DONE, None), (RunStatus.FAILED, "answer_rejected"), (RunStatus.IN_DOUBT, "in_doubt")],
)
def test_a_message_arrives_signed(
    sender: Sender, receiver: Receiver, outcome: RunStatus, code: str | None
) -> None:
    """Ids, status, code and time, which the standard's own verification accepts."""
    made = sender.put(outcome, code)
    assert sender.webhook().deliver_due() == 1
    (request,) = receiver.received
    told = standardwebhooks.Webhook(SECRET).verify(request.body, request.headers)
    (kept,) = sender.outbox.list()
    assert told == json.loads(request.body) == json.loads(kept.payload)
    assert told == {
        "type": f"run.{outcome}",
        "timestamp": kept.created_at,
        "data": {
            "run_id": RUN,
            "task": "snapshot",
            "source_id": SOURCE,
            "user_id": USER,
            "batch_id": None,
            "status": outcome.value,
            "code": code,
        },
    }
    assert request.path == "/hooks/a?b=c"
    assert request.headers["webhook-id"] == made
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 10
    assert request.headers["content-type"] == "application/json"
    assert (request.headers["host"], request.sni) == (f"{HOST}:{receiver.port}", HOST)
    assert set(request.headers) == {
        *("host", "content-type", "content-length", "user-agent", "connection"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    }
    assert (kept.last_status, kept.attempts, kept.delivered_at is not None) == (204, 1, True)


def test_a_forged_body_is_found(sender: Sender, receiver: Receiver) -> None:
    """A signature is of one body, one id, one time and one secret."""
    sender.attempt()
    (request,) = receiver.received
    forged: list[tuple[bytes, dict[str, str], str]] = [
        (request.body.replace(b"done", b"gone"), {}, SECRET),
        (request.body, {"webhook-id": "msg_x"}, SECRET),
        (request.body, {"webhook-timestamp": str(int(time.time()) + 100)}, SECRET),
        (request.body, {}, "whsec_" + base64.b64encode(bytes(32)).decode()),
    ]
    for body, changed, secret in forged:
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(secret).verify(body, {**request.headers, **changed})


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_success_is_success(sender: Sender, receiver: Receiver, code: int) -> None:
    """Whatever the answer says beside it."""
    receiver.reply = status(code)
    kept = sender.attempt()
    assert (kept.delivered_at is not None, kept.last_status, kept.last_error) == (True, code, None)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(sender: Sender, receiver: Receiver, code: int) -> None:
    """Not even to the same server: where messages go is a setting."""
    receiver.reply = status(code, Location=f"{receiver.url}/elsewhere")
    assert sender.code() == f"http_{code}"
    assert len(receiver.received) == len(sender.looked_up) == 1


@pytest.mark.parametrize("code", [304, 400, 401, 404, 429, 500, 502, 503, 599])
def test_any_other_status_is_tried_again(sender: Sender, receiver: Receiver, code: int) -> None:
    """With its status recorded."""
    receiver.reply = status(code)
    assert sender.code() == f"http_{code}"
    assert sender.outbox.list()[0].last_status == code


RETRY_AFTER = [
    pytest.param(429, "120", 120, id="429, seconds"),
    pytest.param(503, "120", 120, id="503, seconds"),
    pytest.param(500, "120", 120, id="500, seconds"),
    pytest.param(429, " 120 ", 120, id="spaces around"),
    pytest.param(429, "90.5", 90.5, id="a fraction"),
    pytest.param(429, "1", 5, id="less than the usual wait"),
    pytest.param(429, "999999999", DELAYS_SECONDS[-1], id="thirty years"),
    pytest.param(503, "Fri, 31 Dec 9999 23:59:59 GMT", DELAYS_SECONDS[-1], id="a far date"),
    pytest.param(503, "Sun, 06 Nov 1994 08:49:37 GMT", 5, id="a past date"),
    pytest.param(503, "soon", 5, id="words"),
    pytest.param(503, "-120", 5, id="negative"),
    pytest.param(503, "", 5, id="empty"),
]


@pytest.mark.parametrize(("code", "header", "seconds"), RETRY_AFTER)
def test_retry_after_is_kept(
    sender: Sender, receiver: Receiver, code: int, header: str, seconds: float
) -> None:
    """A receiver that says when it wants to be asked again is not asked before."""
    receiver.reply = status(code, **{"Retry-After": header})
    assert seconds - 5 < wait_of(sender.attempt()) <= 1.25 * seconds


def test_retry_after_a_date(sender: Sender, receiver: Receiver) -> None:
    """The header may be a date, too."""
    until = datetime.now(UTC) + timedelta(seconds=600)
    receiver.reply = status(503, **{"Retry-After": format_datetime(until, usegmt=True)})
    assert 590 < wait_of(sender.attempt()) <= 1.25 * 600


def test_retry_after_a_date_of_another_clock(sender: Sender, receiver: Receiver) -> None:
    """The receiver's clock counts where it tells it: this machine's may be off by hours."""
    there = datetime.now(UTC) - timedelta(hours=2)
    until = format_datetime(there + timedelta(seconds=600), usegmt=True)
    receiver.reply = status(503, **{"Retry-After": until, "Date": format_datetime(there, usegmt=True)})
    assert 590 < wait_of(sender.attempt()) <= 1.25 * 600


def wait_of(kept: Delivery) -> float:
    """Seconds from now until a message is due."""
    return (datetime.fromisoformat(kept.due_at) - datetime.now(UTC)).total_seconds()


def test_gone_is_the_end(sender: Sender, receiver: Receiver) -> None:
    """A receiver that says 410 wants no more of this message."""
    receiver.reply = status(410)
    kept = sender.attempt()
    assert (kept.given_up_at is not None, kept.delivered_at, kept.last_status) == (True, None, 410)


def test_the_next_attempt_is_signed_anew(
    sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same id and body, at its own time: receivers refuse old ones."""
    monkeypatch.setattr(outbox, "DELAYS_SECONDS", (1,))
    receiver.reply = status(500)
    made = sender.webhook()
    sender.put()
    assert [made.deliver_due(), made.deliver_due()] == [1, 0]
    receiver.reply = status(200)
    time.sleep(1.3)
    assert [made.deliver_due(), made.deliver_due()] == [1, 0]
    first, second = receiver.received
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert int(first.headers["webhook-timestamp"]) < int(second.headers["webhook-timestamp"])
    standardwebhooks.Webhook(SECRET).verify(second.body, second.headers)
    (kept,) = sender.outbox.list()
    assert (kept.attempts, kept.last_status, kept.last_error) == (2, 200, None)


# -- several at once ------------------------------------------------------------------------------------


def test_of_two_senders_each_sends_others(sender: Sender, receiver: Receiver) -> None:
    """As in two processes: each message arrives once."""
    made = [sender.put() for _ in range(3 * AT_ONCE)]
    start = threading.Barrier(2)

    def send(made: Webhook) -> None:
        start.wait()
        while made.deliver_due():
            pass

    senders = [threading.Thread(target=send, args=(sender.webhook(),)) for _ in range(2)]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    assert sorted(each.headers["webhook-id"] for each in receiver.received) == sorted(made)
    assert all(each.delivered_at for each in sender.outbox.list())


def test_slow_messages_do_not_wait_for_each_other(sender: Sender, receiver: Receiver) -> None:
    """A round takes as long as its slowest message."""
    receiver.reply = bytes_of(b"", pause=SHORT)
    for _ in range(AT_ONCE + 1):
        sender.put()
    started = time.monotonic()
    assert sender.webhook(seconds=SHORT).deliver_due() == AT_ONCE
    assert time.monotonic() - started < 4 * SHORT


def test_delivering_sends_until_the_end(
    sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there, and what came until the block's end."""
    monkeypatch.setattr(webhook, "POLL_SECONDS", 0.05)
    with sender.webhook().delivering():
        sender.put()
    with sender.webhook().delivering():
        sender.put()
        give_up = time.monotonic() + 10
        while len(receiver.received) < 2 and time.monotonic() < give_up:
            time.sleep(0.02)
        sender.put()
    assert len(receiver.received) == 3


def test_delivering_survives_the_ledger(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An outbox that cannot be read now is read again later."""
    made = sender.webhook()

    def unavailable(*_arguments: object) -> list[Delivery]:
        raise LedgerUnavailable("No")

    monkeypatch.setattr(Deliveries, "claim", unavailable)
    with caplog.at_level(logging.INFO, "secondlook"), made.delivering():
        pass
    assert {record.getMessage() for record in caplog.records} == {
        "[Orchestrator] webhook: ledger_unavailable"
    }


# -- bad receivers --------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"
FIELD = b"X-A: b\r\n"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        pytest.param(bytes_of(b"", pause=30), "timed_out", id="no answer"),
        pytest.param(bytes_of(*[bytes([b]) for b in HEAD * 20], pause=0.1), "timed_out", id="a slow status"),
        pytest.param(bytes_of(HEAD, FIELD, pause=0.1, endless=True), "timed_out", id="slow headers"),
        pytest.param(bytes_of(HEAD, FIELD * 99, endless=True), "connection_failed", id="endless headers"),
        pytest.param(
            bytes_of(b"HTTP/1.1 100 Continue\r\n\r\n", endless=True), "timed_out", id="endless 100 Continue"
        ),
        pytest.param(bytes_of(b""), "connection_failed", id="closed"),
        pytest.param(bytes_of(HEAD), "connection_failed", id="closed in the headers"),
        pytest.param(status(101), "connection_failed", id="another protocol"),
        pytest.param(bytes_of(b"SSH-2.0-x\r\n"), "connection_failed", id="not HTTP"),
    ],
)
def test_a_receiver_that_does_not_answer(sender: Sender, receiver: Receiver, reply: Reply, code: str) -> None:
    """Is abandoned in time, and tried again later."""
    receiver.reply = reply
    started = time.monotonic()
    assert sender.code(seconds=SHORT) == code
    assert time.monotonic() - started < 4 * SHORT


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(
            bytes_of(HEAD + b"Content-Length: 1000000000000\r\n\r\n", bytes(65536), endless=True), id="huge"
        ),
        pytest.param(bytes_of(HEAD + b"Content-Length: 9\r\n\r\n", b"x", pause=30), id="slow"),
        pytest.param(bytes_of(HEAD + b"Content-Length: 9\r\n\r\nx"), id="cut off"),
        pytest.param(bytes_of(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"), id="no gzip"),
        pytest.param(
            bytes_of(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", endless=True), id="endless"
        ),
    ],
)
def test_the_answers_body_does_not_matter(sender: Sender, receiver: Receiver, reply: Reply) -> None:
    """The status has said it: nothing more is waited for."""
    receiver.reply = reply
    started = time.monotonic()
    kept = sender.attempt()
    assert (kept.delivered_at is not None, kept.last_status) == (True, 200)
    assert time.monotonic() - started < ATTEMPT_SECONDS / 3


def test_nobody_listens(sender: Sender) -> None:
    """A refused connection is tried again later."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert sender.code(url=f"https://{HOST}:{port}/") == "connection_failed"


def test_a_handshake_that_never_ends(sender: Sender) -> None:
    """A server that accepts and says nothing is abandoned in time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://{HOST}:{silent.getsockname()[1]}/"
        started = time.monotonic()
        assert sender.code(url=url, seconds=SHORT) == "timed_out"
        assert time.monotonic() - started < 4 * SHORT


def test_a_server_without_tls(sender: Sender, receiver: Receiver) -> None:
    """Nothing is sent in the clear."""
    with socket.create_server(("127.0.0.1", 0)) as plain:
        heard: list[bytes] = []

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert sender.code(url=f"https://{HOST}:{plain.getsockname()[1]}/") == "tls_failed"
        thread.join()
    assert b"POST" not in heard[0]
    assert receiver.received == []


def test_an_unknown_authority(sender: Sender, receiver: Receiver) -> None:
    """Whom the machine does not trust is told nothing."""
    assert sender.code(tls=None) == "tls_failed"
    assert receiver.received == []


@pytest.mark.parametrize(
    "change",
    [{"host": "127.0.0.1"}, {"host": "other.example.test"}, {"until": timedelta(days=-1)}],
    ids=["the address", "another name", "expired"],
)
def test_a_wrong_certificate(sender: Sender, authority: Authority, change: dict[str, Any]) -> None:
    """It has to be of the host's name, not of the address that was connected to, and of today."""
    with listening(authority.server(**change)) as server:
        assert sender.code(url=server.url) == "tls_failed"
        assert server.received == []


def test_no_proxy(sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """One would connect wherever it likes."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert sender.attempt().delivered_at is not None
    assert len(receiver.received) == 1


def test_nothing_secret_is_logged(
    sender: Sender, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """The message's id and a code: no address, no secret, no payload, at the loudest level."""
    receiver.reply = status(500)
    with caplog.at_level(logging.DEBUG, "secondlook"):
        kept = sender.attempt()
    mine = [record.getMessage() for record in caplog.records if record.name == "secondlook"]
    assert mine == [f"[Orchestrator] Webhook {kept.id}: http_500"]


def test_an_unforeseen_error_is_a_failed_attempt(sender: Sender, receiver: Receiver) -> None:
    """It is recorded by its name, and the other messages of the round are sent."""
    calls: list[str] = []

    def odd(address: str) -> bool:
        calls.append(address)
        if len(calls) == 1:
            raise KeyError(address)
        return True

    sender.put()
    sender.put()
    assert sender.webhook(allowed=odd).deliver_due() == 2
    assert len(receiver.received) == 1
    assert {each.last_error for each in sender.outbox.list()} == {"KeyError", None}


# -- addresses ------------------------------------------------------------------------------------------

PRIVATE = [
    "0.0.0.0",  # noqa: S104 -- nothing listens there
    *("0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1"),
    *("127.255.255.254", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255"),
    *("192.0.0.1", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1"),
    *("192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::10.0.0.1"),
    *("::8.8.8.8", "::ffff:0.0.0.0", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
    *("::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1"),
    *("64:ff9b::169.254.169.254", "64:ff9b::100.64.0.1", "64:ff9b:1::8.8.8.8", "100::1", "2001::1"),
    *("2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::"),
    *("2002:a00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1"),
    *("fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0", "fec0::1", "ff02::1", "ff0e::1"),
    *("", "localhost", "10.1", "2130706433", "0x7f.1", "0177.0.0.1", "8.8.8.8 ", "8.8.8.8:443"),
]

PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "169.253.255.255", "172.15.255.255"),
    *("172.32.0.1", "192.0.1.1", "223.255.255.254", "2001:4860:4860::8888", "2606:4700::1111"),
    *("2a00:1450:4001::1", "64:ff9b::8.8.8.8"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_no_private_address_is_allowed(address: str) -> None:
    """Private, local, shared, reserved, documentation, wrapped, or none at all."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    """Those beside the private ones too."""
    assert is_public(address)


@pytest.mark.parametrize(
    "addresses",
    [
        *(
            ["10.0.0.1"],
            ["169.254.169.254"],
            ["::ffff:10.0.0.1"],
            ["fe80::1%eth0"],
            ["2606:4700::1111%eth0"],
            [""],
        ),
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["127.0.0.1", "1.1.1.1", "::1"],
        ["127.0.0.1", "fe80::1%lo"],
    ],
    ids=" ".join,
)
def test_a_name_with_a_private_address_is_refused(
    sender: Sender, receiver: Receiver, addresses: list[str]
) -> None:
    """One is enough: nothing is connected to, whichever comes first. 127.0.0.1 stands for a public one."""
    sender.addresses = [addresses]
    assert sender.code() == "address_refused"
    assert (receiver.received, len(sender.looked_up)) == ([], 1)


def test_a_second_look_up_changes_nothing(sender: Sender, receiver: Receiver) -> None:
    """What was checked is what is connected to; a name that points elsewhere next time is refused then."""
    sender.addresses = [["127.0.0.1"], ["10.0.0.1"]]
    assert sender.attempt().delivered_at is not None
    assert sender.looked_up == [(HOST, receiver.port)]
    assert len(receiver.received) == 1
    assert sender.code() == "address_refused"
    assert len(sender.looked_up) == 2
    assert len(receiver.received) == 1


def test_the_next_address_is_tried(sender: Sender, receiver: Receiver) -> None:
    """Of several that are allowed, the first that answers."""
    sender.addresses = [["::1", "127.0.0.2", "127.0.0.1"]]
    assert sender.attempt(allowed=anywhere).delivered_at is not None
    assert len(receiver.received) == 1


def test_all_addresses_refuse(sender: Sender) -> None:
    """Then the last one's error counts."""
    sender.addresses = [["127.0.0.2", "127.0.0.3"]]
    assert sender.code(allowed=anywhere) == "connection_failed"


@pytest.mark.parametrize(
    "url",
    [
        *("https://localhost/", "https://127.0.0.1/", "https://[::1]/", "https://2130706433/"),
        *("https://0x7f.1/", "https://127.1/", "https://0/"),
    ],
)
def test_this_machine_is_refused(sender: Sender, url: str) -> None:
    """However it is written."""
    lookup = resolve if "localhost" in url else numeric
    assert sender.code(url=url, lookup=lookup, allowed=is_public) == "address_refused"


def numeric(host: str, port: int) -> Sequence[str]:
    """What the system makes of an address; it never asks for a name."""
    found = _socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [str(address[0]) for *_, address in found]


@pytest.mark.parametrize("error", [socket.gaierror(-2, "No"), UnicodeError("No"), None])
def test_a_name_that_is_not_found(sender: Sender, error: Exception | None) -> None:
    """Is looked up again at the next attempt."""

    def lookup(_host: str, _port: int) -> Sequence[str]:
        if error is not None:
            raise error
        return []

    assert sender.code(lookup=lookup) == "not_resolved"


def test_a_slow_look_up(sender: Sender) -> None:
    """Counts to the attempt's time."""
    over = threading.Event()

    def lookup(_host: str, _port: int) -> Sequence[str]:
        over.wait(10)
        return ["127.0.0.1"]

    started = time.monotonic()
    assert sender.code(lookup=lookup, seconds=SHORT) == "timed_out"
    assert time.monotonic() - started < 4 * SHORT
    over.set()


# -- settings -------------------------------------------------------------------------------------------

URL = f"https://{HOST}/hooks"


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://hooks.example.test",
        "https://hooks.example.test:8443/a?b=c",
        "HTTPS://hooks.example.test/",
        "https://[2606:4700::1111]/",
        f" {URL} ",
    ],
)
def test_an_address_that_may_be_set(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """https, with a port or a query where there is one."""
    monkeypatch.setenv("SECONDLOOK_WEBHOOK_URL", url)
    assert some(load_settings().webhook_url).get_secret_value() == url.strip()
    assert url.strip() not in repr(load_settings())


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example.test/zebra", "hooks.example.test/zebra", "https:///zebra", "https://"),
        *("ftp://hooks.example.test/zebra", "https://zebra:password@hooks.example.test/"),
        *("https://zebra@hooks.example.test/", "https://@hooks.example.test/zebra"),
        *("https://hooks.example.test:port/zebra", "https://hooks.example.test:99999/zebra"),
        *("https://hooks.example.test/zebra#part", "https://hooks.example.test/ze bra"),
        *("https://hooks.example.test/z\u00e9bra", "https://[zebra]/"),
    ],
)
def test_an_address_that_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message never shows it: what lies in it may be a token."""
    monkeypatch.setenv("SECONDLOOK_WEBHOOK_URL", url)
    with pytest.raises(SettingInvalid) as caught:
        load_settings()
    assert caught.value.message.startswith("SECONDLOOK_WEBHOOK_URL is (hidden); allowed: a public https://")
    assert "zebra" not in caught.value.message


def key(length: int) -> str:
    """A secret of so many bytes."""
    return "whsec_" + base64.b64encode(b"\xfb" * length).decode()


@pytest.mark.parametrize("secret", [key(24), key(32), key(64), f"{key(25)}\n"])
def test_a_secret_that_may_be_set(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 to 64 bytes."""
    monkeypatch.setenv("SECONDLOOK_WEBHOOK_SECRET", secret)
    assert some(load_settings().webhook_secret).get_secret_value() == secret.strip()
    assert secret.strip() not in repr(load_settings())


@pytest.mark.parametrize(
    "secret",
    [
        key(23),
        key(65),
        key(32).removeprefix("whsec_"),
        key(32).replace("whsec_", "whsec"),
        key(32).replace("whsec_", "whpk_"),
        key(32).replace("+", "-"),
        key(32)[:-1],
        key(32).replace("+", " "),
        "whsec_",
        "zebra",
        "whsec_\u00e9" + "a" * 43,
    ],
)
def test_a_secret_that_is_refused(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never shown."""
    monkeypatch.setenv("SECONDLOOK_WEBHOOK_SECRET", secret)
    with pytest.raises(SettingInvalid) as caught:
        load_settings()
    assert caught.value.message.startswith(
        "SECONDLOOK_WEBHOOK_SECRET is (hidden); allowed: whsec_ and 24 to 64"
    )


def test_no_webhook_unless_it_is_set(database: Database) -> None:
    """By default nobody is told."""
    assert webhook_of(load_settings(), database) is None


def test_the_settings_webhook(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address and secret make one, with the real rules: no public name is known here."""
    monkeypatch.setenv("SECONDLOOK_WEBHOOK_URL", "https://localhost/")
    monkeypatch.setenv("SECONDLOOK_WEBHOOK_SECRET", SECRET)
    made = some(webhook_of(load_settings(), database))
    run = Run.model_construct(task="snapshot", run_id=RUN, source_id=SOURCE, user_id=USER, batch_id=None)
    database.write(lambda connection: enqueue(connection, run, RunStatus.DONE, None))
    assert made.deliver_due() == 1
    assert Deliveries(database).list()[0].last_error == "address_refused"


@pytest.mark.parametrize(
    ("name", "value", "missing"),
    [
        ("SECONDLOOK_WEBHOOK_URL", URL, "SECONDLOOK_WEBHOOK_SECRET"),
        ("SECONDLOOK_WEBHOOK_SECRET", SECRET, "SECONDLOOK_WEBHOOK_URL"),
    ],
)
def test_one_without_the_other(
    database: Database, name: str, value: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is a mistake that is named."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingInvalid) as caught:
        webhook_of(load_settings(), database)
    assert caught.value.message == f"{name} is set without {missing}; set both, or neither"
