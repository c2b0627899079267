"""Tells another system how runs ended: signed messages to one https address (Standard Webhooks).

The address comes from the settings, and what its name resolves to comes from whoever owns the name. So every
attempt looks the name up once, refuses it unless all of its addresses are public, and connects to those very
addresses: a second look-up could say something else.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import standardwebhooks

from secondlook.connections.database import Database
from secondlook.connections.retry_after import read_seconds
from secondlook.errors import SecondlookError, SettingInvalid
from secondlook.ledger.outbox import Deliveries, Delivery
from secondlook.settings import Settings
from secondlook.telemetry.log import log_failed

ATTEMPT_SECONDS = 10
"""The longest that an attempt may take, from looking up the name to the answer's status."""

AT_ONCE = 8
"""Messages that are sent at the same time."""

POLL_SECONDS = 5

_GONE = 410


class _Refused(Exception):
    """An attempt that ended before anything was sent; its text is the code."""


def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, in the order in which the system would try them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NOT_PUBLIC = (
    # Python's own lists grow from release to release; these are not in all of them.
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments
    ipaddress.ip_network("192.88.99.0/24"),  # relays of 6to4
    ipaddress.ip_network("2001::/23"),  # protocol assignments; Teredo, which wraps an IPv4 address
    ipaddress.ip_network("2002::/16"),  # 6to4, which wraps one too
    ipaddress.ip_network("3fff::/20"),  # documentation
)


def is_public(address: str) -> bool:
    """True for an address on the public internet: no private, local, shared, reserved or wrapped one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:  # how a network without IPv4 reaches it: what counts is what lies behind
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)))
        if ip.scope_id is not None or ip not in _GLOBAL_UNICAST:
            return False
    listed = any(ip in network for network in _NOT_PUBLIC)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not listed


class Webhook:
    """Sends the outbox's messages.

    Args:
        url: The https address.
        secret: whsec_ and the key in Base64.
        deliveries: The outbox.
        lookup: Gives the addresses of a host.
        allowed: Whether an address may be connected to.
        tls: What a certificate must satisfy; by default the machine's authorities.
        seconds: The longest that an attempt may take.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        deliveries: Deliveries,
        *,
        lookup: Callable[[str, int], Sequence[str]] = resolve,
        allowed: Callable[[str], bool] = is_public,
        tls: ssl.SSLContext | None = None,
        seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self._url = url
        self._signer = standardwebhooks.Webhook(secret)
        self._deliveries = deliveries
        self._lookup = lookup
        self._allowed = allowed
        self._tls = tls or httpcore2.default_ssl_context()
        self._seconds = seconds

    def deliver_due(self) -> int:
        """Send up to AT_ONCE messages that are due, once each; takes about ATTEMPT_SECONDS at the most.

        Returns:
            How many were tried. Where it is not 0, more may be due.

        Raises:
            LedgerUnavailable: The outbox cannot be read, or what became of a message not noted: it is sent
                again later.
        """
        claimed = self._deliveries.claim(AT_ONCE)
        if claimed:
            with ThreadPoolExecutor(len(claimed), thread_name_prefix="secondlook-webhook") as pool:
                list(pool.map(self._deliver, claimed))
        return len(claimed)

    @contextmanager
    def delivering(self) -> Generator[None]:
        """Send what is due, again and again, in a thread of its own, while the block runs and once after."""
        stop = threading.Event()

        def deliver() -> None:
            while True:
                last = stop.is_set()
                try:
                    while self.deliver_due() and not stop.is_set():
                        pass
                except SecondlookError as error:
                    log_failed("webhook", error.code)
                if last:
                    return
                stop.wait(POLL_SECONDS)

        sender = threading.Thread(target=deliver, name="secondlook-webhook", daemon=True)
        sender.start()
        try:
            yield
        finally:
            stop.set()
            sender.join()

    def _deliver(self, delivery: Delivery) -> None:
        status: int | None = None
        retry_after: float | None = None
        try:
            status, retry_after = self._post(delivery)
        except Exception as error:  # noqa: BLE001 -- whatever it is, one attempt failed; a message may hold the address
            code = _code(error)
        else:
            if 200 <= status < 300:
                self._deliveries.delivered(delivery, status)
                return
            code = f"http_{status}"
        log_failed(f"Webhook {delivery.id}", code)
        self._deliveries.failed(delivery, status, code, final=status == _GONE, retry_after=retry_after)

    def _post(self, delivery: Delivery) -> tuple[int, float | None]:
        """The status of the answer and the seconds of its Retry-After; its body is not read."""
        at = datetime.now(UTC)
        body = delivery.payload
        headers: dict[bytes | str, bytes | str] = {
            "Host": urlsplit(self._url).netloc,
            "Content-Type": "application/json",
            "User-Agent": "secondlook",
            "Connection": "close",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._signer.sign(delivery.id, at, body),
        }
        network = _Checked(self._lookup, self._allowed, self._tls, time.monotonic() + self._seconds)
        # The pool sets up its context anew for each connection, which the shared one must not be while
        # other threads use it. This one trusts nobody, and nothing is sent by it: see _Timed.start_tls.
        unused = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with (
            httpcore2.ConnectionPool(ssl_context=unused, network_backend=network) as pool,
            pool.stream("POST", self._url, headers=headers, content=body.encode()) as response,
        ):
            return response.status, _retry_after(response.headers)


@dataclass
class _Checked(httpcore2.NetworkBackend):
    """Connects to addresses that were looked up once and are all allowed, until a moment in time."""

    _lookup: Callable[[str, int], Sequence[str]]
    _allowed: Callable[[str], bool]
    _tls: ssl.SSLContext
    _until: float

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 -- what counts is the whole attempt's time
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first of the host's addresses that answers."""
        addresses = self._addresses(host, port)
        if not all(map(self._allowed, addresses)):
            raise _Refused("address_refused")
        network = httpcore2.SyncBackend()
        for tried, address in enumerate(addresses, start=1):
            share = _left(self._until) / (len(addresses) - tried + 1)
            try:
                stream = network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if tried == len(addresses):
                    raise
            else:
                return _Timed(stream, self._tls, self._until)
        raise _Refused("not_resolved")

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        found: Future[Sequence[str]] = Future()

        def look_up() -> None:
            try:
                found.set_result(self._lookup(host, port))
            except (OSError, UnicodeError):
                found.set_result(())

        # The system's look-up takes no time limit.
        threading.Thread(target=look_up, name="secondlook-lookup", daemon=True).start()
        return found.result(_left(self._until))


@dataclass
class _Timed(httpcore2.NetworkStream):
    """A connection that is over at a moment in time, however slowly the other side goes on."""

    _inner: httpcore2.NetworkStream
    _tls: ssl.SSLContext
    _until: float

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Receive."""
        return self._inner.read(max_bytes, _left(self._until))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Send."""
        self._inner.write(buffer, _left(self._until))

    def close(self) -> None:
        """Close."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002 -- the one that was given to the webhook counts
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        """Encrypt, with the certificate checked for the host's name, whatever the address."""
        try:
            stream = self._inner.start_tls(self._tls, server_hostname, _left(self._until))
        except httpcore2.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise _Refused("tls_failed") from None
            raise
        return _Timed(stream, self._tls, self._until)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 -- as the interface has it
        """What lies below."""
        return self._inner.get_extra_info(info)


def _retry_after(headers: Sequence[tuple[bytes, bytes]]) -> float | None:
    """The longest wait that an answer's headers ask for; None where they ask for none."""
    date = {name.lower(): value.decode("latin-1") for name, value in headers}.get(b"date")
    asked = (
        read_seconds(value.decode("latin-1"), date)
        for name, value in headers
        if name.lower() == b"retry-after"
    )
    return max((seconds for seconds in asked if seconds is not None), default=None)


def _left(until: float) -> float:
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _code(error: BaseException) -> str:
    """What went wrong, as a code: never a message, which could hold the address."""
    if isinstance(error, _Refused):
        return str(error)
    if isinstance(error, httpcore2.TimeoutException | TimeoutError):
        return "timed_out"
    if isinstance(error, httpcore2.NetworkError | httpcore2.ProtocolError | OSError):
        return "connection_failed"
    return type(error).__name__


def webhook_of(settings: Settings, database: Database) -> Webhook | None:
    """The webhook that the settings ask for; None where they ask for none.

    Raises:
        SettingInvalid: Of address and secret one alone is set.
        LedgerUnavailable: The outbox cannot be made.
    """
    url, secret = settings.webhook_url, settings.webhook_secret
    if url is None and secret is None:
        return None
    if url is None or secret is None:
        named, other = ("SECRET", "URL") if url is None else ("URL", "SECRET")
        raise SettingInvalid(
            f"SECONDLOOK_WEBHOOK_{named} is set without SECONDLOOK_WEBHOOK_{other}; set both, or neither"
        )
    return Webhook(url.get_secret_value(), secret.get_secret_value(), Deliveries(database))
