"""The HTTP API under /api: what the pages do, for programs of people who are signed in to Supabase.

Long because it is the list of all routes with the types that its OpenAPI description is made of.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from anyio import sleep
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import compile_path

from secondlook.connections.supabase import session_over
from secondlook.domain.access import Access
from secondlook.domain.buckets import ConfidenceLevel
from secondlook.domain.identifiers import canonical, not_found
from secondlook.domain.runs import Run, RunStatus
from secondlook.domain.snapshots import Snapshot, SnapshotResult
from secondlook.domain.sources import SortKey, SourceQuery
from secondlook.domain.usage import Usage
from secondlook.errors import AnswerRejected, NotSignedIn, RequestInvalid, SecondlookError
from secondlook.execution.runner import Runner
from secondlook.pipeline.outcome import error_of, outcome
from secondlook.services import Services
from secondlook.views.figures import source_fields
from secondlook.views.insights import insights_fields, read_insights
from secondlook.views.run import run_fields, snapshot_fields
from secondlook.web.problems import fields, problem

MAX_WAIT_SECONDS = 120
_POLL_SECONDS = 0.2
_WAIT = re.compile(r"(?:^|[,;\s])wait(?:\s*=\s*\"?([0-9]+)\"?)?(?=$|[,;\s])", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,8000}")

Identifier = Annotated[str, Path(description="A UUID")]


class SnapshotRequest(BaseModel):
    """Which source to make a snapshot of."""

    model_config = ConfigDict(extra="forbid", strict=True)

    source_id: Annotated[str, Field(description="The source's UUID")]
    regenerate: Annotated[bool, Field(description="Make another one of a source that has a snapshot")] = False


class SourcesQuery(BaseModel):
    """Which sources to list, and in what order."""

    model_config = ConfigDict(extra="forbid")

    search: Annotated[str, Field(max_length=200, description="A part of the name")] = ""
    status: Annotated[str | None, Field(max_length=100)] = None
    sort: SortKey = "name"
    order: Literal["asc", "desc"] = "asc"
    offset: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 25


class InsightsRequest(BaseModel):
    """How to ask for insights."""

    model_config = ConfigDict(extra="forbid", strict=True)

    regenerate: Annotated[bool, Field(description="Ask again where there is an answer")] = False


class Accepted(BaseModel):
    """A run that was queued, or joined."""

    run_id: str


class SourceItem(BaseModel):
    """A source; counts are null where its buckets cannot be read."""

    source_id: str
    source_name: str
    source_type: str
    status: str
    estimate_count: int | None
    confidence_level: ConfidenceLevel | None
    snapshot_id: str | None


class SourceList(BaseModel):
    """A page of sources, and how many match in all."""

    sources: list[SourceItem]
    total: int


class Problem(BaseModel):
    """What went wrong (RFC 9457); `code` is stable."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str | None = None
    run_id: str | None = None
    reason: str | None = None
    path: str | None = None
    usage: dict[str, Any] | None = None


class RunState(BaseModel):
    """A run. Usage and cost are null where they are unknown; `error` says why it ended or waits."""

    run_id: str
    task: str
    source_id: str
    user_id: str
    agent: str
    status: RunStatus
    error_code: str | None
    attempts: int
    usage: Usage | None
    usage_problem: str | None
    cost_usd: float | None
    model: str
    created_at: str
    finished_at: str | None
    error: Problem | None


class SnapshotMade(BaseModel):
    """A run that is done; `latency_ms` is the whole run."""

    run_id: str
    snapshot_id: str
    source_id: str
    agent: str
    result: SnapshotResult
    usage: Usage
    cost_usd: float | None
    model: str
    request_id: str | None
    attempts: int
    latency_ms: int
    warnings: list[str]


class FactItem(BaseModel):
    """A fact about a snapshot; `p` is there where it was tested."""

    id: str
    values: dict[str, int | float | str | None]
    direction: Literal["up", "down"] | None
    clear: bool
    p: float | None = None
    cells: list[str]
    sentence: str


class ToldItem(BaseModel):
    """A sentence that facts back, and who wrote it."""

    text: str
    facts: list[str]
    by: Literal["agent", "rules"]


class RefusedItem(BaseModel):
    """A sentence of the agent's that a rule refused: 0 is the headline, 1 the first insight."""

    rule: str
    position: int


class SnapshotInsights(BaseModel):
    """What stands out in a snapshot; run and what it took are null where no answer is there."""

    snapshot_id: str
    facts: list[FactItem]
    headline: ToldItem | None
    insights: list[ToldItem]
    refused: list[RefusedItem]
    run_id: str | None
    agent: str | None
    model: str | None
    usage: Usage | None
    cost_usd: float | None


Responses: TypeAlias = dict[int | str, dict[str, Any]]

_REFUSALS = {
    400: "The request cannot be read",
    401: "Nobody is signed in by this token",
    404: "No such thing, or another user's",
    409: "The source's state does not allow it, or the outcome of its last run is unknown",
    413: "The body is too long",
    422: "The request or the source's buckets break a rule",
    429: "Over a budget",
    502: "The provider failed, or its answer was rejected",
    503: "Store, ledger or settings are not usable",
}


def _problems(*statuses: int) -> Responses:
    schema = {"$ref": "#/components/schemas/Problem"}
    described: Responses = {
        status: {
            "description": _REFUSALS[status],
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status in (400, 401, *statuses, 503)
    }
    described[401]["headers"] = {"WWW-Authenticate": _text_header("Bearer")}
    return described


def _text_header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


@dataclass(frozen=True)
class _Parts:
    services: Callable[[], Services]
    runner: Callable[[], Runner]


def build_api(services: Callable[[], Services], runner: Callable[[], Runner]) -> FastAPI:
    """The API as an app of its own, to be mounted at /api.

    Args:
        services: The process's services; raises where the settings are not usable.
        runner: Its runner; likewise.
    """
    # No page of documentation: it would be fetched from another site.
    api = FastAPI(
        title="2ndlook snapshots",
        version="1",
        description="Snapshots of a person's bucketed sources, in their name, by a Supabase access token.",
        docs_url=None,
        redoc_url=None,
    )
    api.state.parts = _Parts(services, runner)
    api.include_router(_router)
    api.add_exception_handler(SecondlookError, _on_error)
    api.add_exception_handler(RequestValidationError, _on_invalid)
    api.add_exception_handler(HTTPException, _on_http)
    return api


def _parts(request: Request) -> _Parts:
    return request.app.state.parts


_bearer = HTTPBearer(auto_error=False, description="A Supabase access token")
_WithParts = Annotated[_Parts, Depends(_parts)]


def _signed_in(
    parts: _WithParts, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Access:
    if given is None:
        raise NotSignedIn(
            "Nobody is signed in", hint="Send a Supabase access token as Authorization: Bearer."
        )
    return _access(parts.services(), given.credentials)


_Asking = Annotated[Access, Depends(_signed_in)]

_router = APIRouter()

_MADE: Responses = {
    **_problems(404, 409, 413, 422, 429, 502),
    200: {
        "description": "The snapshot, with `Prefer: wait`",
        "model": SnapshotMade,
        "headers": {"Preference-Applied": _text_header("wait")},
        "links": {
            "snapshot": {
                "operationId": "read_snapshot",
                "parameters": {"snapshot_id": "$response.body#/snapshot_id"},
            }
        },
    },
    202: {
        "description": "The run",
        "model": Accepted,
        "headers": {"Location": _text_header("Where the run can be read")},
        "links": {"run": {"operationId": "read_run", "parameters": {"run_id": "$response.body#/run_id"}}},
    },
}


def _preference(
    request: Request,
    prefer: Annotated[  # noqa: ARG001 -- described here; a header may come in several lines
        str | None, Header(description="`wait`, or `wait=` and seconds: answer when it has ended")
    ] = None,
) -> str:
    return ", ".join(request.headers.getlist("prefer"))


_Preferring = Annotated[str, Depends(_preference)]


@_router.post("/snapshots", status_code=202, response_model=None, responses=_MADE)
async def create_snapshot(
    request: SnapshotRequest,
    access: _Asking,
    parts: _WithParts,
    prefer: _Preferring,
    idempotency_key: Annotated[
        str | None, Header(pattern=r"^[ -~]{1,255}$", description="Names the run for good")
    ] = None,
) -> Response:
    """Make a snapshot: begins a run and answers at once, or, with `Prefer: wait`, when it has ended.

    While a run of the source is active this joins it. The same Idempotency-Key gives the same run again.
    """

    def submit(runner: Runner) -> Run:
        return runner.submit(request.source_id, access, regenerate=request.regenerate, key=idempotency_key)

    run, ended = await _begin(parts, access, submit, prefer)
    if not ended:
        return _accepted(run)
    return JSONResponse(snapshot_fields(outcome(run)), headers={"Preference-Applied": "wait"})


async def _begin(
    parts: _Parts, access: Access, queue: Callable[[Runner], Run], prefer: str
) -> tuple[Run, bool]:
    """Queue and start a run, or join one; returns what `_wait` does."""

    def begin() -> Run:
        runner = parts.runner()
        runner.admit(access)
        run = queue(runner)
        if run.status.active:
            runner.start(run.run_id)
        return run

    return await _wait(parts, await run_in_threadpool(begin), prefer)


async def _wait(parts: _Parts, run: Run, prefer: str) -> tuple[Run, bool]:
    """A run as it is after the wait that was asked for, and whether that was asked for and it has ended."""
    seconds = _seconds_to_wait(prefer)
    if seconds is None:
        return run, False
    give_up = time.monotonic() + seconds
    while _goes_on(run) and time.monotonic() < give_up:
        await sleep(_POLL_SECONDS)
        run = await run_in_threadpool(parts.services().ledger.get, run.run_id)
    return run, not _goes_on(run)


@_router.get(
    "/runs/{run_id}", operation_id="read_run", response_model=RunState, responses=_problems(404, 422)
)
def read_run(run_id: Identifier, access: _Asking, parts: _WithParts) -> Any:  # noqa: ANN401 -- see the model
    """A run of yours; a reviewer reads anybody's."""
    services = parts.services()
    run = services.ledger.get(run_id, services.policy.visible_user_id(access))
    return {**run_fields(run), "error": None if run.error is None else fields(error_of(run))}


@_router.get("/sources", response_model=SourceList, responses=_problems(422))
def list_sources(access: _Asking, parts: _WithParts, query: Annotated[SourcesQuery, Query()]) -> Any:  # noqa: ANN401 -- see the model
    """Your bucketed sources, a page at a time, and how many match in all."""
    page = (
        parts.services()
        .store(access)
        .list_sources(
            access.user_id,
            SourceQuery(
                search=query.search,
                status=query.status,
                sort=query.sort,
                descending=query.order == "desc",
                offset=query.offset,
                limit=query.limit,
            ),
        )
    )
    return {"sources": [source_fields(row) for row in page.rows], "total": page.total}


@_router.get("/snapshots/{snapshot_id}", operation_id="read_snapshot", responses=_problems(404, 422))
def read_snapshot(snapshot_id: Identifier, access: _Asking, parts: _WithParts) -> Snapshot:
    """A snapshot of yours; its `result` has the locked schema."""
    wanted = canonical(snapshot_id, "snapshot_id")
    found = parts.services().store(access).get_snapshot(wanted, access.user_id)
    if found is None:
        raise not_found("snapshot_id")
    return found


@_router.get(
    "/snapshots/{snapshot_id}/insights",
    operation_id="read_insights",
    response_model=SnapshotInsights,
    response_model_exclude_unset=True,
    responses=_problems(404, 422),
)
def get_insights(snapshot_id: Identifier, access: _Asking, parts: _WithParts) -> Any:  # noqa: ANN401 -- see the model
    """What stands out in a snapshot of yours: its facts, and sentences about them. Nothing is sent."""
    services = parts.services()
    view = read_insights(services.store(access), services.ledger, snapshot_id, access.user_id)
    return insights_fields(view)


_ASKED: Responses = {
    **_MADE,
    200: {
        "description": "The insights, with `Prefer: wait`, or where they are there",
        "model": SnapshotInsights,
        "headers": {"Preference-Applied": _text_header("wait")},
    },
}


@_router.post("/snapshots/{snapshot_id}/insights", status_code=202, response_model=None, responses=_ASKED)
async def create_insights(
    snapshot_id: Identifier,
    access: _Asking,
    parts: _WithParts,
    prefer: _Preferring,
    request: InsightsRequest | None = None,
    idempotency_key: Annotated[
        str | None, Header(pattern=r"^[ -~]{1,255}$", description="Names the run for good")
    ] = None,
) -> Response:
    """Ask the agent what stands out: answers at once, or, with `Prefer: wait`, when the run has ended.

    A snapshot has one answer for each version of the prompt: asked again, this gives what is there.
    """

    def explain(runner: Runner) -> Run:
        regenerate = request is not None and request.regenerate
        return runner.explain(snapshot_id, access, regenerate=regenerate, key=idempotency_key)

    run, ended = await _begin(parts, access, explain, prefer)
    if not ended:
        return _accepted(run)
    error = None if run.status is RunStatus.DONE else error_of(run)
    if error is not None and not isinstance(error, AnswerRejected):
        raise error
    found = await run_in_threadpool(get_insights, snapshot_id, access, parts)
    return JSONResponse(found, headers={"Preference-Applied": "wait"})


def _goes_on(run: Run) -> bool:
    """False where it has ended, or waits because no worker can execute it now."""
    return run.status.active and (run.error is None or run.owner is not None)


def _accepted(run: Run) -> Response:
    return JSONResponse({"run_id": run.run_id}, 202, {"Location": f"/api/runs/{run.run_id}"})


def _access(services: Services, token: str) -> Access:
    """Whose token this is, by Supabase's own word."""
    if not services.requires_sign_in:
        raise NotSignedIn(
            "The embedded store has no sign-in", hint="The API needs Supabase: set SUPABASE_URL."
        )
    expires = _expiry(token)
    if not _TOKEN.fullmatch(token) or expires <= time.time():
        raise session_over()
    person = services.sessions.accounts.person(token)
    services.row_security.verify(person.user_id, token)

    def valid_token() -> str:
        if time.time() > expires:
            raise session_over()
        return token

    return Access(person.user_id, reviewer=person.reviewer, token=valid_token)


def _expiry(token: str) -> float:
    """When a token says that it ends; 0 for what is no token. Nothing is believed: Supabase is asked next."""
    try:
        payload = token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return 0.0


def _seconds_to_wait(prefer: str) -> float | None:
    wish = _WAIT.search(prefer.lower())
    if wish is None:
        return None
    return min(float(wish[1] or MAX_WAIT_SECONDS), MAX_WAIT_SECONDS)


async def _on_error(_request: Request, error: Exception) -> Response:
    return problem(error if isinstance(error, SecondlookError) else SecondlookError("Something went wrong"))


async def _on_invalid(_request: Request, error: Exception) -> Response:
    wrong = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": ""}
    inside = [] if wrong.get("type") == "json_invalid" else [str(part) for part in wrong["loc"][1:]]
    where = ".".join(inside) or str(next(iter(wrong["loc"]), "request"))
    return problem(RequestInvalid(f"{where}: {wrong['msg']}", path=where))


async def _on_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = str(error.detail) if isinstance(error, HTTPException) else ""
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 405:
        headers["Allow"] = _allowed(request)
    return problem(RequestInvalid(detail), status, headers)


def _allowed(request: Request) -> str:
    """The methods of an address: each is a route of its own, and an error knows but the first."""
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    described: dict[str, dict[str, object]] = request.app.openapi()["paths"]
    found = (methods for template, methods in described.items() if compile_path(template)[0].match(path))
    return ", ".join(sorted({method.upper() for methods in found for method in methods}))
