"""One call to the agent: a request out, the whole answer into the journal, and nothing else.

The request runs in a thread of its own, which journals the answer whenever it comes: a caller that gives
up at its deadline has not lost an answer that arrives after it.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from secondlook.domain.answers import AgentAnswer
from secondlook.domain.buckets import AgentInput
from secondlook.domain.runs import AgentName
from secondlook.errors import Outcome, ProviderError
from secondlook.providers.openai import models
from secondlook.providers.openai.limits import read_limits, read_retry_after
from secondlook.settings import Settings
from secondlook.tasks.snapshot import prompt
from secondlook.tasks.snapshot.rules import read_completion
from secondlook.tasks.snapshot.schema import RESPONSE_FORMAT

if TYPE_CHECKING:
    import httpx2
    import openai

MAX_BODY_BYTES = 8 * 1024 * 1024
"""An answer is a few kilobytes; what goes on past this is cut here, and rejected by its rules."""

LATE = 10
"""For how many deadlines a late answer is still listened for."""

_NOT_PROCESSED = {429, 503}
_UNKNOWN = {408, 502, 504, *range(520, 525)}  # a gateway's word, not the model's; 52x are a CDN's
_KEY = re.compile(r"\b[rs]k-[\w*.-]*[\w*]")


class Streamed(Protocol):
    """A response whose body comes in pieces."""

    def iter_bytes(self) -> Iterator[bytes]:
        """The body, decoded."""
        ...


_PIECE = 12
"""So many letters and digits in a row of the prompt are a quote of it."""

_KEY_PIECE = 6
"""So many characters in a row of the key are a piece of it."""

Journal = Callable[[AgentAnswer], None]


def build_request(agent_input: AgentInput, settings: Settings) -> dict[str, Any]:
    """The body of the request, by the model's family and the settings that override it."""
    limit = settings.token_parameter
    if limit == "auto":
        limit = models.token_parameter(settings.model)
    temperature = settings.temperature
    if temperature == "auto":
        temperature = models.DEFAULT_TEMPERATURE if models.takes_temperature(settings.model) else "none"
    request: dict[str, Any] = {
        "model": settings.model,
        "messages": prompt.messages(agent_input),
        "response_format": RESPONSE_FORMAT,
        limit: settings.max_tokens,
    }
    if temperature != "none":
        request["temperature"] = temperature
    return request


class Agent:
    """OpenAI's chat completions, or a server that speaks the same protocol.

    Args:
        name: Which agent this is; it is stored with every run.
        api_key: The key; never logged, never in a message.
        base_url: The server.
        deadline_seconds: The longest wait for the whole call.
        transport: In place of the network (the offline agent).
    """

    def __init__(
        self,
        name: AgentName,
        *,
        api_key: str,
        base_url: str,
        deadline_seconds: float,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        import httpx2
        import openai

        from secondlook.providers.openai.transport import BriefErrors

        # OPENAI_LOG=debug would log prompts.
        logging.getLogger("openai").setLevel(logging.WARNING)
        self.name: AgentName = name
        self._deadline = deadline_seconds
        self._key = api_key
        # A redirect would send the aggregates to an address that nobody named.
        self._http = httpx2.Client(
            transport=BriefErrors(transport or httpx2.HTTPTransport()),
            follow_redirects=False,
            headers={"accept-encoding": "identity"},
        )
        self._client = openai.OpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,  # the SDK would send again after a time-out
            # The deadline is the caller's; this thread listens on for an answer that is paid for.
            timeout=httpx2.Timeout(LATE * deadline_seconds, connect=min(10, deadline_seconds / 2)),
            http_client=self._http,
        )

    def ask(self, request: Mapping[str, object], journal: Journal) -> None:
        """Send one request and journal its answer.

        Args:
            request: The body, as `build_request` made it.
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

        # A daemon: a process that must end does not wait for a silent server.
        threading.Thread(target=execute, name="secondlook-call", daemon=True).start()
        # The deadline is the provider's: an answer that is here is waited for until it is kept.
        if not received.wait(self._deadline):
            raise _failure(
                "time-out", f"no whole answer within {self._deadline:g} seconds", outcome="unknown"
            )
        journaled.result()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, request: Mapping[str, object]) -> AgentAnswer:
        import httpx2
        import openai

        started = time.perf_counter()
        create: Any = self._client.chat.completions.with_streaming_response.create
        try:
            # The request is whole: as a further body, the SDK does not go over it and its schema by types.
            with create(model=request["model"], messages=[], extra_body=request) as response:
                body = _read(response, until=started + LATE * self._deadline)
        except openai.APIStatusError as error:
            self._refuse(error, request)
        except openai.APIConnectionError as error:
            never_sent = isinstance(
                error.__cause__,
                httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.LocalProtocolError,
            )
            if never_sent:
                raise _failure("no connection", "the server could not be reached", "not_processed") from None
            if isinstance(error, openai.APITimeoutError):
                raise _failure("time-out", "the server went silent", "unknown") from None
            raise _failure("connection lost", "no answer came", "unknown") from None
        except (httpx2.TransportError, httpx2.DecodingError):
            raise _failure("connection lost", "the answer broke off", "unknown") from None
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever it is, a request may be out
            raise _failure("unreadable", f"the call failed ({type(error).__name__})", "unknown") from None
        completion = read_completion(body)
        return AgentAnswer(
            body=body,
            usage=completion.usage.model_copy(update={"estimated": self.name == "offline"}),
            model=completion.model,
            request_id=_header(response.headers, "x-request-id"),
            http_status=response.status_code,
            latency_ms=round((time.perf_counter() - started) * 1000),
            provider_ms=_milliseconds(_header(response.headers, "openai-processing-ms")),
            limits=read_limits(response.headers),
        )

    def _refuse(self, error: openai.APIStatusError, request: Mapping[str, object]) -> NoReturn:
        outcome: Outcome = "refused"
        if error.status_code in _UNKNOWN:
            outcome = "unknown"
        elif error.status_code in _NOT_PROCESSED and error.code != "insufficient_quota":
            outcome = "not_processed"
        raise _failure(
            str(error.status_code),
            self._provider_message(error, request),
            outcome,
            status=error.status_code,
            request_id=_header(error.response.headers, "x-request-id"),
            retry_after=read_retry_after(error.response.headers),
        ) from None

    def _provider_message(self, error: openai.APIStatusError, request: Mapping[str, object]) -> str:
        """The provider's own message, in one line, without the key and without what was sent."""
        body = error.body
        message = body.get("message") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] -- a foreign server's JSON
        if not isinstance(message, str) or not message.strip() or _repeats(message, request):
            try:
                return HTTPStatus(error.status_code).phrase
            except ValueError:
                return "the server refused"
        message = _without(_KEY.sub("[key]", message), self._key)
        return "".join(c if c.isprintable() else " " for c in message)[:300]


def _failure(
    what: str,
    message: str,
    outcome: Outcome,
    *,
    status: int | None = None,
    request_id: str | None = None,
    retry_after: float | None = None,
) -> ProviderError:
    return ProviderError(
        f"OpenAI API error ({what}): {message}",
        outcome=outcome,
        status=status,
        request_id=request_id,
        retry_after=retry_after,
    )


def _read(response: Streamed, until: float) -> str:
    """The whole body as text; a body without end is cut at MAX_BODY_BYTES, one without pace given up."""
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            break
        if time.perf_counter() > until:
            raise _failure("time-out", "the answer does not end", "unknown")
    return b"".join(chunks)[:MAX_BODY_BYTES].decode("utf-8", errors="replace")


def _repeats(message: str, request: Mapping[str, object]) -> bool:
    """True where a server quotes the prompt in its error: a line of it, or a part with counts in it.

    A part may be cut, escaped or reformatted. The schema's own names may be told: they are no content.
    """
    sent: Any = request["messages"]
    texts: list[str] = [entry["content"] for entry in sent]
    lines = (line for text in texts for line in text.splitlines() if ":" in line or " " in line)
    letters = [_letters(text) for text in texts]
    pieces = (text[i : i + _PIECE] for text in letters for i in range(len(text) - _PIECE + 1))
    told = _letters(message)
    return any(line in message for line in lines) or any(
        piece in told for piece in pieces if not piece.isalpha()
    )


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _without(message: str, key: str) -> str:
    """A message without the key and without any piece of it."""
    size = min(_KEY_PIECE, len(key))
    for start in range(len(key) - size + 1):
        message = message.replace(key[start : start + size], "[key]")
    return re.sub(r"(\[key\])+", "[key]", message)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name, "")
    return value if re.fullmatch(r"[!-~]{1,200}", value) else None


def _milliseconds(value: str | None) -> int | None:
    return int(value) if value is not None and re.fullmatch(r"[0-9]{1,9}", value) else None
