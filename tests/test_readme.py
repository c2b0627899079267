"""What the README says is so: its examples run, and what it names is there."""

from __future__ import annotations

import argparse
import json
import re
import socket
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from secondlook import cli
from secondlook.dashboard import resources, session
from secondlook.domain.access import Access
from secondlook.domain.runs import RunStatus
from secondlook.errors import ERRORS, NotSignedIn, SecondlookError, SourceNotBucketed
from secondlook.execution.runner import Runner
from secondlook.services import Services, connect
from secondlook.stores.samples import SAMPLE_USERS, sample_sources
from secondlook.web.problems import STATUS
from tests.examples import NOBODY, OTHER_USER, SOURCE, USER, bucket_row, example_answer, many_weeks
from tests.ledger.executing import claimed, expire
from tests.processes import Home
from tests.provider import refusing, replying
from tests.tables import EmbeddedTables

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SAMPLE = "4bb9bd05-cd46-52e5-8032-8c5993b8c91a"


def section(heading: str) -> str:
    """What stands under a heading."""
    return README.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section(heading).splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def run_block(number: int) -> dict[str, Any]:
    """What an example defines, once it has run as it stands."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(BLOCKS[number], f"README.md, example {number + 1}", "exec"), names)  # noqa: S102 -- the README's own
    return names


@pytest.fixture
def tables() -> EmbeddedTables:
    """The tables of the embedded store, with one source of a user without samples."""
    services = connect()
    services.ping_store()
    made = EmbeddedTables(services.settings.data_dir / "store.db")
    made.add_source(SOURCE, user_id=NOBODY)
    return made


@pytest.fixture
def services(tables: EmbeddedTables) -> Services:  # noqa: ARG001 -- the source is there
    """The parts that the examples work with."""
    return connect()


# -- the examples ---------------------------------------------------------------------------------------


def test_there_are_four_examples() -> None:
    """A call, a route, a job and a callback: each is run below."""
    assert [
        bool(re.search(word, block))
        for word, block in zip(("print", "Request", "job", "resources"), BLOCKS, strict=True)
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
    """It returns at once with a run that ends by itself; pressed twice, it is one run."""
    monkeypatch.setattr(session, "require_access", lambda: Access(NOBODY))
    generate = run_block(3)["generate"]
    run = generate(SOURCE)
    assert generate(SOURCE).run_id == run.run_id
    give_up = time.monotonic() + 20
    while services.ledger.get(run.run_id).status is not RunStatus.DONE:
        assert time.monotonic() < give_up, "it never came to an end"
        time.sleep(0.02)
    assert services.ledger.get(run.run_id).attempts == 1
    assert tables.run("select id from snapshots") == [(run.run_id,)]


# -- the command line -----------------------------------------------------------------------------------


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    choices: list[Any] = [action.choices for action in cli._parser()._actions if action.choices]  # pyright: ignore[reportPrivateUsage] -- argparse tells no other way
    return dict(choices[0])


def usage(name: str, parser: argparse.ArgumentParser) -> set[str]:
    """A command and what it takes: positional names, options without --help and --json, `*` for a value."""
    taken = {name}
    for action in parser._actions:  # pyright: ignore[reportPrivateUsage]
        if not action.option_strings:
            taken.add(str(action.metavar or "|".join(action.choices or ())))
        elif action.option_strings[-1] not in {"--help", "--json"}:
            taken.add(f"[{action.option_strings[-1]}{'' if action.nargs == 0 else ' *'}]")
    return taken


def test_the_table_of_commands() -> None:
    """Exactly the commands that there are, each with exactly what it takes."""
    named = [cells[0].strip("`").replace("\\|", "|") for cells in rows("Command line")]
    written = [re.sub(r"(\[--[\w-]+) \w+\]", r"\1 *]", line) for line in named]
    assert [set(re.findall(r"\[[^]]+\]|\S+", line)) for line in written] == [
        usage(name, parser) for name, parser in parsers().items()
    ]


def test_every_command_takes_json() -> None:
    """As it says above the table."""
    assert "Every command takes `--json`." in section("Command line")
    assert all("--json" in parser.format_help() for parser in parsers().values())


HINTS = " ".join(error.default_hint for error in ERRORS.values())


@pytest.mark.parametrize("said", sorted(set(re.findall(r"`secondlook ([^`-][^`]*)`", README + HINTS))))
def test_every_command_that_is_named_exists(said: str) -> None:
    """In the text and in the errors' hints: the command, and each option."""
    name, *words = said.split()
    assert name in parsers()
    assert [
        word for word in words if word.startswith("--") and word not in parsers()[name].format_help()
    ] == []


def test_the_sample_users() -> None:
    """Those that the README names, in their order; so are the sources of its examples there."""
    named: list[str] = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", README)
    ids = {str(sample.source["id"]): str(sample.source["user_id"]) for sample in sample_sources()}
    assert [each for each in dict.fromkeys(named) if each in SAMPLE_USERS] == list(SAMPLE_USERS)
    assert [each for each in named if each not in SAMPLE_USERS and each not in ids] == []
    assert ids[SAMPLE] == USER


# -- when something goes wrong --------------------------------------------------------------------------


def refused(home: Home, **buckets: object) -> str:
    """Why a source with these buckets is refused."""
    EmbeddedTables(home.data / "store.db").add_source(SOURCE, buckets=bucket_row(**buckets))
    return str(home.call("snapshot", SOURCE).error["message"])


def unknown_source(home: Home) -> str:
    """No such source."""
    return str(home.call("snapshot", NOBODY).error["message"])


def anothers_source(home: Home) -> str:
    """A status that allows no snapshot."""
    home.store("update sources set status = 'ingested'")
    return str(home.snapshot().error["message"])


def no_buckets(home: Home) -> str:
    """A source without its buckets row."""
    home.store("delete from estimate_buckets where source_id = ?", home.sample.source_id)
    return str(home.snapshot().error["message"])


def no_key(home: Home) -> str:
    """OpenAI is meant, and there is no key."""
    home.set(OPENAI_API_KEY="")
    return str(home.snapshot().error["message"])


def provider_says(status: int) -> Callable[[Home], str]:
    """The provider refuses."""

    def provoke(home: Home) -> str:
        home.provider.behaviour = refusing(status, "No")
        return str(home.snapshot().error["message"])

    return provoke


def spent_budget(home: Home) -> str:
    """No call is left of the day."""
    home.set(SECONDLOOK_BUDGET_DAY_CALLS="0")
    return str(home.snapshot().error["message"])


def switched_off(home: Home) -> str:
    """Somebody has stopped all sending."""
    assert home.call("switch", "off").code == 0
    return str(home.snapshot().error["message"])


def other_agent(home: Home) -> str:
    """A run is queued for OpenAI, and then the settings say offline."""
    Runner(home.services()).submit(home.sample.source_id, Access(USER))
    home.set(SECONDLOOK_AGENT="offline")
    return str(home.snapshot().error["message"])


def rejected(home: Home) -> str:
    """The answer is no completion."""
    home.provider.behaviour = replying("{}")
    return str(home.snapshot().error["message"])


def in_doubt(home: Home) -> str:
    """The connection is lost with the request out: the run's status."""
    home.provider.behaviour = lambda exchange: exchange.reset()
    run_id = home.snapshot().error["run_id"]
    (run,) = home.call("runs").items
    assert run["run_id"] == run_id
    return str(run["status"])


def no_store(home: Home) -> str:
    """The store is no database."""
    (home.data / "store.db").write_text("no database at all" * 100)
    return str(home.call("sources").error["message"])


def no_ledger(home: Home) -> str:
    """The ledger is no database."""
    (home.data / "ledger.db").write_text("no database at all" * 100)
    return str(home.call("runs").error["message"])


def full_disk(home: Home) -> str:
    """No room for an answer."""
    usage = SimpleNamespace(total=10**9, used=10**9, free=0)
    home.monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] -- a stand-in
    return str(home.snapshot().error["message"])


@contextmanager
def project(home: Home, status: int, body: object) -> Generator[Services]:
    """A Supabase project, as pages reach it, that gives one answer to whatever it is asked."""

    class OneAnswer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Give it."""
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), OneAnswer) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield on_supabase(home, server.server_port)
        finally:
            connect(for_pages=True).close()
            server.shutdown()


def on_supabase(home: Home, port: int) -> Services:
    """The services of a project on this machine, as pages have it."""
    home.set(SUPABASE_URL=f"http://127.0.0.1:{port}", SUPABASE_KEY="sb_publishable_x")
    return connect(for_pages=True)


def message(look: Callable[[], object]) -> str:
    """What a look is refused with."""
    with pytest.raises(SecondlookError) as caught:
        look()
    return caught.value.message


def unreachable(home: Home) -> str:
    """Nobody listens there."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        return message(on_supabase(home, nobody.getsockname()[1]).ping_store)


def silent(home: Home) -> str:
    """Somebody listens there, and never answers."""
    home.monkeypatch.setattr("secondlook.connections.supabase.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return message(on_supabase(home, listening.getsockname()[1]).ping_store)


def no_table(home: Home) -> str:
    """The migrations were not run."""
    with project(home, 404, {"code": "PGRST205", "message": "Could not find the table"}) as services:
        return message(services.ping_store)


def too_wide(home: Home) -> str:
    """Rows are shown to somebody without a session."""
    with project(home, 200, [{"id": SOURCE, "source_id": SOURCE}]) as services:
        return message(services.ping_store)


def ended(home: Home) -> str:
    """The project does not take the token any more."""
    with project(home, 401, {"code": "PGRST303", "message": "JWT expired"}) as services:
        store = services.store(Access(USER, token=lambda: "token"))
        return message(lambda: store.load(SOURCE, USER))


def nobody(_: Home) -> str:
    """A page that is reached around the sign-in."""
    with pytest.raises(NotSignedIn) as caught:
        session.require_access()
    return caught.value.message


def no_secret_key(home: Home) -> str:
    """The command line on a project."""
    on_supabase(home, 9)
    return str(home.snapshot("--user", USER).error["message"])


def another_store(home: Home) -> str:
    """A run was queued on the embedded store, and the settings mean a project."""
    Runner(home.services()).submit(home.sample.source_id, Access(USER))
    on_supabase(home, 9)
    home.set(SUPABASE_SECRET_KEY="sb_secret_made_up")  # noqa: S106 -- made up
    return str(home.snapshot("--user", USER).error["message"])


def wrong_setting(home: Home) -> str:
    """A value that is not allowed."""
    home.set(SECONDLOOK_AGENT="robot")
    return str(home.snapshot().error["message"])


PROVOKED: dict[str, Callable[[Home], str]] = {
    "Invalid source_id: not found": unknown_source,
    "Source must be bucketed before snapshot generation (current status: …)": anothers_source,
    "No buckets found for source: missing": no_buckets,
    "Minimum 25 estimates required for snapshot (found: …)": lambda home: refused(
        home, price_band_500_1500=5
    ),
    "weekly_volume …": lambda home: refused(home, weekly_volume="[{"),
    "price_band_… must be …": lambda home: refused(home, price_band_lt_500="x"),
    "… the answer would take about N tokens, SECONDLOOK_MAX_TOKENS is M": lambda home: refused(
        home, price_band_5000_plus=200, weekly_volume=many_weeks(200)
    ),
    "OPENAI_API_KEY is required. Add it to your .env.local file.": no_key,
    "OpenAI API error (429): …": provider_says(429),
    "OpenAI API error (401): …": provider_says(401),
    "The budget of … is spent: …": spent_budget,
    "Sending is switched off since … by …": switched_off,
    "This run was queued for …, but the current settings select …": other_agent,
    "Answer rejected (…): …": rejected,
    "in_doubt": in_doubt,
    "The store … cannot be used: …": no_store,
    "The ledger cannot be used: …": no_ledger,
    "The ledger's disk …": full_disk,
    "Supabase cannot be reached …": unreachable,
    "Supabase did not answer in time …": silent,
    "Supabase lacks a table or a column: …": no_table,
    "Row security is off or too wide: …": too_wide,
    "Nobody is signed in": nobody,
    "The session has ended": ended,
    "The run belongs to the store …, and the settings mean …": another_store,
    "SUPABASE_SECRET_KEY is not set: …": no_secret_key,
    "SECONDLOOK_… is …; allowed: …": wrong_setting,
}
"""Each message of the table, and how to come to it."""


def test_the_table_of_messages_is_known() -> None:
    """Whoever adds a message there adds below how to come to it."""
    table = [
        message
        for cells in rows("When something goes wrong")
        for message in re.findall(r"`([^`]+)`", cells[0])
    ]
    assert table == list(PROVOKED)


@pytest.mark.parametrize("message", list(PROVOKED))
def test_the_message_is_what_is_said(home: Home, message: str) -> None:
    """Provoked, it reads as the README writes it: `…` for any words, N and M for numbers."""
    pattern = re.escape(message).replace("…", ".+")
    pattern = re.sub(r"\b[NM]\b", r"\\d+", pattern)
    assert re.fullmatch(pattern, PROVOKED[message](home))


def test_check_sends_nothing(home: Home) -> None:
    """As it says below the table."""
    assert "`secondlook check` looks at all of this without sending the agent anything." in README
    assert home.call("check").code == 0
    assert home.provider.requests == []


def test_the_table_of_statuses() -> None:
    """Every code that there is, with the status that a program gets."""
    said = {
        code: int(cells[0])
        for cells in rows("HTTP API")
        if cells[0].isdigit()
        for code in re.findall(r"`([a-z_]+)`", cells[1])
    }
    assert said == STATUS
    assert set(said) == set(ERRORS)


# -- what else it names ---------------------------------------------------------------------------------


def test_the_map_is_of_this_code() -> None:
    """Each file and folder of the map is there."""
    package = ROOT / "secondlook"
    named: set[Path] = set()
    for cells in rows("Map of the code"):
        names: list[str] = re.findall(r"`([^`]+)`", cells[0])
        folder = ROOT / Path(names[0].rstrip("/")).parent
        named |= {ROOT / name if (ROOT / name).exists() else folder / name for name in names}
    assert [path for path in named if not path.exists()] == []
    assert {ROOT / "app.py", ROOT / "pages", package / "orchestrator.py"} <= named


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake (\w+)(?=[\s`;]*[`#(\n])", README))))
def test_every_make_target_exists(target: str) -> None:
    """What the README says to make can be made."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", README))
def test_every_link_leads_somewhere(link: str) -> None:
    """Files and folders that the README links are in the repository, its sections in itself."""
    headings = {
        "#" + heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    }
    assert link.startswith("https://") or link in headings or (ROOT / link).exists()


def test_both_databases_are_where_it_says() -> None:
    """In the data folder, by their names."""
    services = connect()
    services.ping_store()
    services.ledger.ping()
    for name in ("store.db", "ledger.db"):
        with closing(sqlite3.connect(services.settings.data_dir / name)) as database:
            assert database.execute("select count(*) from sqlite_master").fetchone() != (0,)
    assert OTHER_USER in README
