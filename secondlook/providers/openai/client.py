"""One call to the agent: sends a request and journals the whole answer.

The request runs in its own thread, which journals the answer whenever it comes: a caller that times out does
not lose an answer that arrives later.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from secondlook.domain.addresses import public_address
from secondlook.domain.answers import AgentAnswer
from secondlook.domain.usage import Terms
from secondlook.errors import Outcome, ProviderError
from secondlook.providers.base import Journal
from secondlook.providers.openai.advice import SLOW, after_refusal
from secondlook.providers.openai.envelope import read_completion
from secondlook.providers.openai.error_bodies import ErrorBody, read_error
from secondlook.providers.openai.limits import read_limits, read_retry_after
from secondlook.providers.openai.safe_messages import repeats, shown_message
from secondlook.providers.openai.unpacking import read_text

if TYPE_CHECKING:
    import httpx2
    import openai

MAX_BODY_BYTES = 8 * 1024 * 1024
"""An answer is a few kilobytes; a longer one is cut here, and then rejected by its rules."""

LATE = 10
"""How many deadlines long the thread waits for a late answer."""

_NOT_PROCESSED = {429, 503}
_UNKNOWN = {408, 502, 504, *range(520, 525)}  # from a gateway, not the model; 52x are a CDN's

_LONG_KEY = 16
"""A key of fewer characters is no secret: local servers take any word, which an answer may hold."""

IDLE_SECONDS = 2
"""How long an idle connection is kept: shorter than servers do, of which some close theirs after 5 seconds.
A request on a connection that the server closes at that moment has an unknown outcome."""


class Streamed(Protocol):
    """A response whose body comes in pieces."""

    def iter_bytes(self) -> Iterator[bytes]:
        """The body, decoded."""
        ...


MODELS_SECONDS = 10
"""The longest wait for the list of models."""


class Client:
    """One server that speaks the protocol.

    Args:
        sdk: Makes the SDK's client, of an HTTP client and a time-out.
        label: How messages call the server.
        secret: The key, empty where there is none; never logged, never in a message.
        deadline_seconds: The longest wait for the whole call.
        transport: In place of the network.
    """

    def __init__(
        self,
        sdk: Callable[[httpx2.Client, httpx2.Timeout], openai.OpenAI],
        *,
        label: str,
        secret: str,
        deadline_seconds: float,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        import httpx2
        import openai

        from secondlook.providers.openai.brief_errors import BriefErrors

        # OPENAI_LOG=debug would log prompts.
        logging.getLogger("openai").setLevel(logging.WARNING)
        self._label = label
        self._deadline = deadline_seconds
        self._key = secret
        # A redirect would send the aggregates to an address that no setting names.
        http = httpx2.Client(
            transport=BriefErrors(
                transport or httpx2.HTTPTransport(limits=httpx2.Limits(keepalive_expiry=IDLE_SECONDS))
            ),
            follow_redirects=False,
            headers={"accept-encoding": "identity"},
        )
        # The deadline is the caller's; this thread keeps waiting for an answer that is paid for.
        timeout = httpx2.Timeout(LATE * deadline_seconds, connect=min(10, deadline_seconds / 2))
        self._client = sdk(http, timeout)
        # Without a key nothing is sent as one.
        self._headers = {} if secret else {"Authorization": openai.Omit()}

    def ask(self, request: Mapping[str, object], journal: Journal) -> None:
        """Send one request and journal its answer.

        Args:
            request: The body.
            journal: Called once with a whole answer, also where it comes after the deadline; its
                exceptions come back from here.

        Raises:
            ProviderError: There is no answer; its `outcome` says what became of the request.
        """
        received = threading.Event()
        journaled: Future[None] = Future()

        def execute() -> None:
            try:
                answer = self._send(request)
                received.set()
                journal(answer)
            except BaseException as error:  # noqa: BLE001 -- handed to the waiting thread as it is
                journaled.set_exception(error)
                received.set()
            else:
                journaled.set_result(None)

        # A daemon, so that a silent server does not keep the process from ending.
        threading.Thread(target=execute, name="secondlook-call", daemon=True).start()
        # The deadline is for the provider: once an answer is here, wait until it is kept.
        if not received.wait(self._deadline):
            raise self._failure(
                "time-out",
                f"no whole answer within {self._deadline:g} seconds",
                "unknown",
                hint=SLOW.format(seconds=self._deadline),
            )
        journaled.result()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def models(self) -> tuple[Mapping[str, str], object]:
        """The server's list of models, which is free: the headers, and the body as JSON.

        Raises:
            ProviderError: It cannot be reached, or refuses.
        """
        with self._translated({"messages": []}):
            listing: Any = self._client.models.with_raw_response
            response = listing.list(timeout=min(MODELS_SECONDS, self._deadline), extra_headers=self._headers)
            body = response.http_response.content[:MAX_BODY_BYTES]
        try:
            return response.headers, json.loads(body)
        except (ValueError, RecursionError):
            return response.headers, None

    def _send(self, request: Mapping[str, object]) -> AgentAnswer:
        started = time.perf_counter()
        create: Any = self._client.chat.completions.with_streaming_response.create
        # The request is whole: as a further body, the SDK does not go over it and its schema by types.
        with (
            self._translated(request),
            create(
                model=request["model"], messages=[], extra_body=request, extra_headers=self._headers
            ) as response,
        ):
            body = self._read(response, until=started + LATE * self._deadline)
        if len(self._key) >= _LONG_KEY:
            body = body.replace(self._key, "[key]")  # a server that quotes it: an answer never holds it
        completion = read_completion(body)
        return AgentAnswer(
            body=body,
            usage=completion.usage,
            model=completion.model,
            request_id=_header(response.headers, "x-request-id"),
            http_status=response.status_code,
            latency_ms=round((time.perf_counter() - started) * 1000),
            provider_ms=_milliseconds(_header(response.headers, "openai-processing-ms")),
            limits=read_limits(response.headers),
            terms=_terms(completion.terms, request),
        )

    @contextmanager
    def _translated(self, request: Mapping[str, object]) -> Generator[None]:
        """Convert every failure of a request to `ProviderError`."""
        import httpx2
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            self._refuse(error, request)
        except openai.APIConnectionError as error:
            never_sent = isinstance(
                error.__cause__,
                httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.LocalProtocolError,
            )
            if never_sent:
                raise self._failure(
                    "no connection",
                    f"the server could not be reached at {public_address(str(self._client.base_url))}",
                    "not_processed",
                ) from None
            if isinstance(error, openai.APITimeoutError):
                raise self._failure(
                    "time-out",
                    "the server went silent",
                    "unknown",
                    hint=SLOW.format(seconds=self._deadline),
                ) from None
            raise self._failure("connection lost", "no answer came", "unknown") from None
        except (httpx2.TransportError, httpx2.DecodingError):
            raise self._failure("connection lost", "the answer broke off", "unknown") from None
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001 -- after any error a request may be in flight
            raise self._failure(
                "unreadable", f"the call failed ({type(error).__name__})", "unknown"
            ) from None

    def _refuse(self, error: openai.APIStatusError, request: Mapping[str, object]) -> NoReturn:
        said = _error_of(error)
        final = said.is_final or error.response.headers.get("x-should-retry", "").strip().lower() == "false"
        outcome: Outcome = "refused"
        if error.status_code in _UNKNOWN:
            outcome = "unknown"
        elif error.status_code in _NOT_PROCESSED and not final:
            outcome = "not_processed"
        told = str(error.body)[:2000] if error.body is not None else ""
        raise self._failure(
            str(error.status_code),
            self._provider_message(said, error.status_code, request),
            outcome,
            hint=after_refusal(error.status_code, told),
            status=error.status_code,
            request_id=_header(error.response.headers, "x-request-id"),
            retry_after=read_retry_after(error.response.headers),
        ) from None

    def _provider_message(self, said: ErrorBody, status: int, request: Mapping[str, object]) -> str:
        """The provider's message in one line, without the key and the prompt."""
        if said.message is None or repeats(said.message, request):
            try:
                return HTTPStatus(status).phrase
            except ValueError:
                return "the server refused"
        return shown_message(said.message, self._key)

    def _failure(
        self,
        what: str,
        message: str,
        outcome: Outcome,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> ProviderError:
        return ProviderError(
            f"{self._label} API error ({what}): {message}",
            outcome=outcome,
            status=status,
            request_id=request_id,
            retry_after=retry_after,
            hint=hint,
        )

    def _read(self, response: Streamed, until: float) -> str:
        """The whole body as text. An endless body is cut at MAX_BODY_BYTES, a slow one is abandoned."""
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                break
            if time.perf_counter() > until:
                raise self._failure("time-out", "the answer does not end", "unknown")
        return read_text(b"".join(chunks)[:MAX_BODY_BYTES])


def _error_of(error: openai.APIStatusError) -> ErrorBody:
    try:
        return read_error(json.loads(error.response.content))
    except (ValueError, RecursionError):
        return ErrorBody()


def _terms(told: Terms, request: Mapping[str, object]) -> Terms:
    """The terms of an answer; unknown where a server does not say whether it took the tier that was asked."""
    if told.service_tier is None and request.get("service_tier") not in {None, "default", "auto"}:
        return told.model_copy(update={"service_tier": "unknown"})
    return told


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name, "")
    return value if re.fullmatch(r"[!-~]{1,200}", value) else None


def _milliseconds(value: str | None) -> int | None:
    return int(value) if value is not None and re.fullmatch(r"[0-9]{1,9}", value) else None
