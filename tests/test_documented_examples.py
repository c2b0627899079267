"""The examples of README and docs/api.md run as they stand."""

from __future__ import annotations

import re
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from secondlook.dashboard import resources, session
from secondlook.domain.access import Access
from secondlook.domain.runs import RunStatus
from secondlook.errors import SourceNotBucketed
from secondlook.execution.runner import Runner
from secondlook.services import Services, connect
from secondlook.stores.samples import MADE_UP_USER
from tests.documents import PAGES, blocks
from tests.examples import NOBODY, SOURCE, USER, example_answer
from tests.ledger.executing import claimed, expire
from tests.processes import eventually
from tests.tables import EmbeddedTables, own_tables

EXAMPLES = [block for page in PAGES for block in blocks(page, "python")]
SAMPLE = "3f9b947b-e087-5813-9ebc-7182f1173d4c"


def run_block(number: int) -> dict[str, Any]:
    """What an example defines, once it has run as it stands."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(EXAMPLES[number], f"example {number + 1}", "exec"), names)  # noqa: S102 -- the project's own
    return names


@pytest.fixture
def tables() -> EmbeddedTables:
    """The tables of the embedded store, with the example's source and one of a user without samples."""
    made = own_tables()
    made.add_source(SOURCE, user_id=NOBODY)
    made.add_source(SAMPLE, user_id=MADE_UP_USER)
    return made


@pytest.fixture
def services(tables: EmbeddedTables) -> Services:  # noqa: ARG001 -- the source is there
    """The parts that the examples work with."""
    return connect()


def test_every_example_runs_below() -> None:
    """A call, a route, a job and a callback: there is no further one."""
    assert [
        bool(re.search(word, block))
        for word, block in zip(("print", "Request", "job", "resources"), EXAMPLES, strict=True)
    ] == [True] * 4


def test_the_call(tables: EmbeddedTables, capsys: pytest.CaptureFixture[str]) -> None:
    """On a new machine, with the samples and without a key, it makes a snapshot and says what it took."""
    assert tables.status(SAMPLE) == "bucketed"
    run_block(0)
    snapshot_id, agent, tokens, cost = capsys.readouterr().out.split()
    ((stored,),) = tables.run("select id from snapshots where source_id = ?", SAMPLE)
    assert (snapshot_id, agent) == (stored, "offline")
    assert int(tokens) > 0
    assert float(cost) > 0
    assert tables.status(SAMPLE) == "snapshot_generated"


def test_the_call_that_is_refused(tables: EmbeddedTables, capsys: pytest.CaptureFixture[str]) -> None:
    """Its except clause prints code, message, hint and, where nothing was sent, no run."""
    tables.set_status(SAMPLE, "ingested")
    run_block(0)
    said = capsys.readouterr().out
    assert said.startswith(
        "source_not_bucketed Source must be bucketed before snapshot generation (current status: ingested) "
    )
    assert said.endswith(f"{SourceNotBucketed.default_hint} None\n")


class SignIn:
    """A sign-in in front of a route: it says who is asking, from a header that only the test sets."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the user and go on."""
        if scope["type"] == "http":
            scope["user"] = SimpleNamespace(id=dict(scope["headers"])[b"x-user"].decode())
        await self.app(scope, receive, send)


@pytest.fixture
def api(services: Services) -> Generator[TestClient]:  # noqa: ARG001 -- the source is there
    """The example's route, behind a sign-in."""
    route = Route("/snapshots", run_block(1)["create_snapshot"], methods=["POST"])
    with TestClient(Starlette(routes=[route], middleware=[Middleware(SignIn)])) as client:
        yield client


def test_the_route(api: TestClient, services: Services, tables: EmbeddedTables) -> None:
    """The user who is signed in gets the snapshot's id; one who is named in the body counts for nothing."""
    answer = api.post("/snapshots", json={"source_id": SOURCE, "user_id": USER}, headers={"x-user": NOBODY})
    (run,) = services.ledger.list(NOBODY)
    assert (answer.status_code, answer.json()) == (200, {"snapshot_id": run.run_id})
    assert (run.status, tables.count("snapshots")) == (RunStatus.DONE, 1)


@pytest.mark.parametrize(
    ("source", "user"),
    [
        pytest.param(SOURCE, USER, id="another's"),
        pytest.param(SAMPLE, NOBODY, id="the other way round"),
        pytest.param("00000000-0000-4000-8000-000000000000", NOBODY, id="unknown"),
        pytest.param("x", NOBODY, id="malformed"),
        pytest.param(12, NOBODY, id="no text"),
        pytest.param(None, NOBODY, id="null"),
    ],
)
def test_the_route_tells_nobody_what_exists(
    api: TestClient, services: Services, source: object, user: str
) -> None:
    """Unknown, malformed and another's: the same answer, to the byte."""
    answer = api.post("/snapshots", json={"source_id": source, "user_id": USER}, headers={"x-user": user})
    assert (answer.status_code, answer.content) == (404, b'{"error":"Invalid source_id: not found"}')
    assert services.ledger.list(USER) == services.ledger.list(NOBODY) == []


def test_the_route_that_refuses(api: TestClient, tables: EmbeddedTables) -> None:
    """Any other error comes with its stable code."""
    tables.set_status(SOURCE, "pending")
    answer = api.post("/snapshots", json={"source_id": SOURCE}, headers={"x-user": NOBODY})
    assert (answer.status_code, answer.json()) == (
        422,
        {
            "error": "Source must be bucketed before snapshot generation (current status: pending)",
            "code": "source_not_bucketed",
        },
    )


def test_the_job(tables: EmbeddedTables) -> None:
    """It returns the snapshot's id."""
    made = run_block(2)["process"]({"source_id": SOURCE, "user_id": NOBODY})
    assert tables.run("select id from snapshots") == [(made,)]


def test_the_job_after_a_crash(services: Services, tables: EmbeddedTables) -> None:
    """Run again after its process died with the answer journaled: the same run, and no second call."""
    run = Runner(services).submit(SOURCE, Access(NOBODY))
    assert services.ledger.begin_call(claimed(services.ledger, run)) == 1
    services.ledger.journal(run.run_id, 1, example_answer())
    expire(services.settings.data_dir / "ledger.db", run.run_id)
    assert run_block(2)["process"]({"source_id": SOURCE, "user_id": NOBODY}) == run.run_id
    assert [(each.status, each.attempts) for each in services.ledger.list(NOBODY)] == [(RunStatus.DONE, 1)]
    assert tables.count("snapshots") == 1


@pytest.fixture
def fresh_resources() -> Generator[None]:
    """The pages' parts, made for one test and forgotten after it; the runner's threads end first."""
    resources.clear()
    yield
    with resources.runner().sweeping():
        pass
    resources.clear()


@pytest.mark.usefixtures("fresh_resources")
def test_the_callback(services: Services, tables: EmbeddedTables, monkeypatch: pytest.MonkeyPatch) -> None:
    """It returns at once with a run that ends on its own; pressed twice, it is one run."""
    monkeypatch.setattr(session, "require_access", lambda: Access(NOBODY))
    generate = run_block(3)["generate"]
    run = generate(SOURCE)
    assert generate(SOURCE).run_id == run.run_id
    eventually(lambda: services.ledger.get(run.run_id).status is RunStatus.DONE)
    assert services.ledger.get(run.run_id).attempts == 1
    assert tables.run("select id from snapshots") == [(run.run_id,)]
