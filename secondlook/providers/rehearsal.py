"""Rehearsals: a provider that misbehaves on purpose, so that people see how the program reacts.

The request's model chooses how (`rehearsal-html`). Nothing is sent. Long because it is the table of all kinds
of misbehavior, each with what people should see.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from secondlook.domain.runs import INSIGHTS, SNAPSHOT
from secondlook.providers.base import Answerers, Json
from secondlook.providers.offline import Offline, completion_of, reply
from secondlook.providers.openai.client import LATE
from secondlook.settings import Settings

if TYPE_CHECKING:
    import httpx2

Misbehave = Callable[["httpx2.Request", Json], "httpx2.Response"]
"""Answers a request, given the right completion, in another way; or raises what a connection raises."""


@dataclass(frozen=True)
class Kind:
    """One way to misbehave.

    Attributes:
        name: Its model's name behind the prefix.
        group: The group of its kind.
        title: What the agent does.
        detail: The same, precisely.
        misbehave: Does it.
        weeks: The least number of weeks that it needs.
        task: The task whose answer it changes; a snapshot's unless it says so.
    """

    name: str
    group: str
    title: str
    detail: str
    misbehave: Misbehave
    weeks: int = 0
    task: str = SNAPSHOT

    @property
    def model(self) -> str:
        """The model's name that asks for it."""
        return f"rehearsal-{self.name}"


class Rehearsal(Offline):
    """A provider that misbehaves; its models are the kinds.

    Args:
        settings: The settings.
        answerers: What it misbehaves with.
        kind: The model that new runs ask.
    """

    name = "rehearsal"
    label = "Rehearsal"

    def __init__(self, settings: Settings, answerers: Answerers | None = None, kind: str = "") -> None:
        super().__init__(settings, answerers)
        self._kind = kind

    @property
    def model(self) -> str:
        """The kind's model."""
        return self._kind

    def notice(self) -> None:
        """Its models do not end."""

    def respond(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a chat completion request as its model says."""
        body: Json = json.loads(request.content)
        kind = KINDS.get(body["model"])
        if kind is None:
            return _response(HTTPStatus.NOT_FOUND, '{"error": {"message": "There is no such rehearsal"}}')
        return kind.misbehave(request, completion_of(body, self.answerers))


# -- how ------------------------------------------------------------------------------------------------


def _edited(edit: Callable[[Json], object]) -> Misbehave:
    """The right answer with a change."""

    def rewrite(text: str) -> str:
        answer: Json = json.loads(text)
        edit(answer)
        return json.dumps(answer, separators=(",", ":"), ensure_ascii=False)

    return _said(rewrite)


def _said(rewrite: Callable[[str], str]) -> Misbehave:
    """The right text, written in another way."""

    def edit(completion: Json) -> None:
        message: Json = completion["choices"][0]["message"]
        message["content"] = rewrite(message["content"])

    return _enveloped(edit)


def _enveloped(edit: Callable[[Json], object]) -> Misbehave:
    """The right completion with a change."""

    def misbehave(_request: httpx2.Request, right: Json) -> httpx2.Response:
        edit(right)
        return reply(right)

    return misbehave


def _sent(body: str) -> Misbehave:
    """Another body with status 200."""

    def misbehave(_request: httpx2.Request, _right: Json) -> httpx2.Response:
        return _response(200, body)

    return misbehave


def _refused(
    status: HTTPStatus, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
) -> Misbehave:
    """An error, as OpenAI writes it."""
    body = json.dumps({"error": {"message": message, "type": "rehearsal", "param": None, "code": code}})

    def misbehave(_request: httpx2.Request, _right: Json) -> httpx2.Response:
        return _response(status, body, headers)

    return misbehave


def _response(status: int, body: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
    import httpx2

    told = {"content-type": "application/json", "x-request-id": "offline", **(headers or {})}
    return httpx2.Response(status, headers=told, content=body.encode())


def _no_connection(request: httpx2.Request, _right: Json) -> httpx2.Response:
    import httpx2

    raise httpx2.ConnectError("connection refused", request=request)


def _reset(request: httpx2.Request, _right: Json) -> httpx2.Response:
    import httpx2

    raise httpx2.ReadError("connection reset by peer", request=request)


def _silence(request: httpx2.Request, _right: Json) -> httpx2.Response:
    import httpx2

    raise httpx2.ReadTimeout("the server went silent", request=request)


def _broken_off(_request: httpx2.Request, right: Json) -> httpx2.Response:
    import httpx2

    class Half(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            body = json.dumps(right).encode()
            yield body[: len(body) // 2]
            raise httpx2.RemoteProtocolError("the body broke off")

    return httpx2.Response(200, headers={"content-type": "application/json"}, stream=Half())


def _late(request: httpx2.Request, right: Json) -> httpx2.Response:
    waited: float = request.extensions["timeout"]["read"]  # the client listens for so many deadlines
    time.sleep(waited / LATE + 1)
    return reply(right)


def _choice(completion: Json, **values: object) -> None:
    completion["choices"][0].update(values)


def _message(completion: Json, **values: object) -> None:
    completion["choices"][0]["message"].update(values)


def _cut_off(completion: Json) -> None:
    text: str = completion["choices"][0]["message"]["content"]
    _message(completion, content=text[: len(text) // 2])
    _choice(completion, finish_reason="length")


def _weeks(answer: Json) -> list[Json]:
    return answer["demand"]["weekly_volume"]


def _prices(answer: Json) -> list[Json]:
    return answer["demand"]["price_distribution"]


def _latencies(answer: Json) -> list[Json]:
    return answer["decision_latency"]["distribution"]


def _headline(answer: Json, text: str, *, cites: str | None = None) -> None:
    answer["headline"] = {"text": text, "facts": answer["headline"]["facts"] if cites is None else [cites]}


def _refuse_all(answer: Json) -> None:
    for each in (answer["headline"], *answer["insights"]):
        each["text"] = f"Customers love this: {each['text']}"


def _rewrite_count(answer: Json, write: Callable[[int], object]) -> None:
    _prices(answer)[1]["count"] = write(_prices(answer)[1]["count"])


# -- which ----------------------------------------------------------------------------------------------

VALUES = "Wrong value"
FORM = "Wrong form"
COMPLETION = "No answer"
REFUSED = "Refused"
CONNECTION = "Connection"
ODD = "Odd, but right"
INSIGHT = "Insights"

_ALL = (
    Kind(
        "count-changed",
        VALUES,
        "A count changed",
        "The second price band's count is one more.",
        _edited(partial(_rewrite_count, write=lambda count: count + 1)),
    ),
    Kind(
        "band-dropped",
        VALUES,
        "A band dropped",
        "The last price band is left out.",
        _edited(lambda answer: _prices(answer).pop()),
    ),
    Kind(
        "band-renamed",
        VALUES,
        "A band renamed",
        "The last latency band has another name.",
        _edited(lambda answer: _latencies(answer)[3].update(band="22d+")),
    ),
    Kind(
        "weeks-reordered",
        VALUES,
        "Weeks reordered",
        "The weeks come newest first.",
        _edited(lambda answer: _weeks(answer).reverse()),
        weeks=2,
    ),
    Kind(
        "week-added",
        VALUES,
        "A week made up",
        "A week that nobody asked about comes last.",
        _edited(lambda answer: _weeks(answer).append({"week": "1999-W01", "count": 1})),
    ),
    Kind(
        "total-changed",
        VALUES,
        "The total changed",
        "The estimate count is one less.",
        _edited(lambda answer: answer["meta"].update(estimate_count=answer["meta"]["estimate_count"] - 1)),
    ),
    Kind(
        "confidence-changed",
        VALUES,
        "The confidence changed",
        "The confidence level is one that there is not.",
        _edited(lambda answer: answer["meta"].update(confidence_level="certain")),
    ),
    Kind(
        "number-as-text",
        FORM,
        "A number as text",
        "The second price band's count is in quotes.",
        _edited(partial(_rewrite_count, write=str)),
    ),
    Kind(
        "number-as-decimal",
        FORM,
        "A number with decimals",
        "The second price band's count ends in .0.",
        _edited(partial(_rewrite_count, write=float)),
    ),
    Kind(
        "extra-key",
        FORM,
        "An extra key",
        "The answer holds a summary that nobody asked for.",
        _edited(lambda answer: answer["demand"].update(summary="A good year.")),
    ),
    Kind(
        "key-missing",
        FORM,
        "A key missing",
        "The answer does not say its confidence level.",
        _edited(lambda answer: answer["meta"].pop("confidence_level")),
    ),
    Kind(
        "key-twice",
        FORM,
        "A key twice",
        "The estimate count comes twice, with two values.",
        _said(lambda text: text.replace('"estimate_count":', '"estimate_count":0,"estimate_count":', 1)),
    ),
    Kind(
        "list",
        FORM,
        "A list",
        "The right answer, as the only entry of a list.",
        _said(lambda text: f"[{text}]"),
    ),
    Kind(
        "code-fence",
        FORM,
        "A code fence",
        "The right answer, between code fences.",
        _said(lambda text: f"```json\n{text}\n```"),
    ),
    Kind(
        "prose",
        FORM,
        "Words around it",
        "The right answer, and a friendly sentence before it.",
        _said(lambda text: f"Here is your snapshot: {text}"),
    ),
    Kind(
        "refusal",
        COMPLETION,
        "A refusal",
        "The model says that it cannot help.",
        _enveloped(partial(_message, content=None, refusal="I cannot help with that.")),
    ),
    Kind(
        "cut-off",
        COMPLETION,
        "A cut-off answer",
        "The answer ends half way, at the token limit.",
        _enveloped(_cut_off),
    ),
    Kind(
        "content-filter",
        COMPLETION,
        "A content filter",
        "The provider's filter stops the answer.",
        _enveloped(partial(_choice, finish_reason="content_filter")),
    ),
    Kind(
        "other-end",
        COMPLETION,
        "Another end",
        "The model wants to call a tool instead.",
        _enveloped(partial(_choice, finish_reason="tool_calls")),
    ),
    Kind(
        "no-text",
        COMPLETION,
        "No text",
        "A completion whose message is empty.",
        _enveloped(partial(_message, content="")),
    ),
    Kind(
        "two-choices",
        COMPLETION,
        "Two choices",
        "A completion with the right answer twice.",
        _enveloped(lambda completion: completion["choices"].append(completion["choices"][0])),
    ),
    Kind("empty", COMPLETION, "An empty body", "Status 200, and nothing else.", _sent("")),
    Kind(
        "html",
        COMPLETION,
        "An HTML page",
        "Status 200, and a page to sign in at a proxy.",
        _sent("<!doctype html><html><body><h1>Sign in to go on</h1></body></html>"),
    ),
    Kind(
        "other-json",
        COMPLETION,
        "Another JSON",
        "Status 200, and an object that is no completion.",
        _sent('{"status": "ok"}'),
    ),
    Kind("no-json", COMPLETION, "No JSON", "Status 200, and plain words.", _sent("All is well.")),
    Kind(
        "wrong-model",
        REFUSED,
        "A wrong model (404)",
        "The provider does not know the model.",
        _refused(HTTPStatus.NOT_FOUND, "The model does not exist", code="model_not_found"),
    ),
    Kind(
        "wrong-key",
        REFUSED,
        "A wrong key (401)",
        "The provider does not take the key.",
        _refused(HTTPStatus.UNAUTHORIZED, "Incorrect API key provided", code="invalid_api_key"),
    ),
    Kind(
        "rate-limit",
        REFUSED,
        "Rate limit (429)",
        "Too many requests: none is processed, and each may be sent again.",
        _refused(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Rate limit exceeded",
            code="rate_limit_exceeded",
            headers={"retry-after": "1"},
        ),
    ),
    Kind(
        "quota",
        REFUSED,
        "Quota spent (429)",
        "The same status, but sending again would not help.",
        _refused(HTTPStatus.TOO_MANY_REQUESTS, "You exceeded your current quota", code="insufficient_quota"),
    ),
    Kind(
        "server-error",
        REFUSED,
        "Server error (500)",
        "The provider fails.",
        _refused(HTTPStatus.INTERNAL_SERVER_ERROR, "The server had an error"),
    ),
    Kind(
        "overloaded",
        REFUSED,
        "Overloaded (503)",
        "The provider does not process it, and it may be sent again.",
        _refused(HTTPStatus.SERVICE_UNAVAILABLE, "The engine is overloaded"),
    ),
    Kind(
        "redirect",
        REFUSED,
        "A redirect (302)",
        "The provider sends the client to another address.",
        _refused(HTTPStatus.FOUND, "Found", headers={"location": "http://elsewhere.invalid/"}),
    ),
    Kind(
        "no-connection",
        CONNECTION,
        "No connection",
        "Nobody listens: certainly nothing was processed, and it may be sent again.",
        _no_connection,
    ),
    Kind("reset", CONNECTION, "A reset", "The connection is reset after the request went out.", _reset),
    Kind("broken-off", CONNECTION, "A broken body", "The connection ends half way through.", _broken_off),
    Kind("silence", CONNECTION, "Silence", "The server takes the request and says nothing.", _silence),
    Kind(
        "gateway",
        CONNECTION,
        "A time-out at a gateway (504)",
        "A gateway stops waiting. The model may still answer.",
        _refused(HTTPStatus.GATEWAY_TIMEOUT, "Gateway time-out"),
    ),
    Kind(
        "late",
        CONNECTION,
        "A late answer",
        "The right answer, a second after the deadline.",
        _late,
    ),
    Kind(
        "other-model",
        ODD,
        "Another model answers",
        "The right answer, by a model of another name.",
        _enveloped(lambda completion: completion.update(model="another-model")),
    ),
    Kind(
        "no-usage",
        ODD,
        "No usage",
        "The right answer, without a count of its tokens.",
        _enveloped(lambda completion: completion.pop("usage")),
    ),
    Kind(
        "invented-number",
        INSIGHT,
        "An invented number",
        "The headline names a number that no fact has.",
        _edited(
            partial(
                _headline,
                text="About 99 of {sample.estimates} estimates fall in the top price band.",
                cites="sample",
            )
        ),
        task=INSIGHTS,
    ),
    Kind(
        "wrong-direction",
        INSIGHT,
        "A wrong direction",
        "The headline says that the sample is growing.",
        _edited(
            partial(_headline, text="Volume is growing to {sample.estimates} estimates.", cites="sample")
        ),
        task=INSIGHTS,
    ),
    Kind(
        "cause",
        INSIGHT,
        "A cause",
        "The headline says why, which no fact does.",
        _edited(
            partial(
                _headline,
                text="Confidence is {sample.confidence} because of {sample.estimates} estimates.",
                cites="sample",
            )
        ),
        task=INSIGHTS,
    ),
    Kind(
        "markup",
        INSIGHT,
        "Markup",
        "The headline holds a link.",
        _edited(
            partial(
                _headline,
                text="[Confidence](https://example.com) is {sample.confidence} here.",
                cites="sample",
            )
        ),
        task=INSIGHTS,
    ),
    Kind(
        "unknown-fact",
        INSIGHT,
        "An unknown fact",
        "The headline cites a fact that there is not.",
        _edited(partial(_headline, text="Revenue comes to {revenue.total} overall here.", cites="revenue")),
        task=INSIGHTS,
    ),
    Kind(
        "all-refused",
        INSIGHT,
        "Nothing but refused",
        "Every sentence speaks of customers, so our own sentences stand in their place.",
        _edited(_refuse_all),
        task=INSIGHTS,
    ),
)

KINDS: Mapping[str, Kind] = {kind.model: kind for kind in _ALL}
"""Every kind by its model's name, in the order in which they are shown."""
