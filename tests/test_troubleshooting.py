"""docs/troubleshooting.md: each message is provoked and read; the codes are all that there are."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest

from secondlook.dashboard import session
from secondlook.domain.access import Access
from secondlook.errors import ERRORS, NotSignedIn, SecondlookError
from secondlook.execution.runner import Runner
from secondlook.services import Services, connect
from secondlook.web.problems import STATUS
from tests.documents import PAGES, rows, section
from tests.examples import NOBODY, SOURCE, USER, bucket_row, many_weeks
from tests.processes import Home
from tests.provider import Behaviour, completion, going_silent, refusing, replying
from tests.tables import EmbeddedTables

PAGE = "docs/troubleshooting.md"


def refused(home: Home, **buckets: object) -> str:
    """Why a source with these buckets is refused."""
    EmbeddedTables(home.data / "store.db").add_source(SOURCE, buckets=bucket_row(**buckets))
    return str(home.call("snapshot", SOURCE).error["message"])


def run_of_a_deleted_source(home: Home) -> str:
    """A run is queued, and its source is to be deleted."""
    Runner(home.services()).submit(home.sample.source_id, Access(USER))
    return str(home.call("delete", home.sample.source_id).error["message"])


def import_twice(home: Home) -> str:
    """A project has the claim of an import that began a moment ago."""
    claimed = {
        "id": SOURCE,
        "user_id": USER,
        "source_type": "import",
        "source_name": "Import in progress (0123456789abcde)",
        "status": "pending",
        "created_at": datetime.now(UTC).isoformat(),
    }
    with project(
        home, 200, [claimed], to_insert=(409, {"code": "23505", "message": "duplicate"})
    ) as services:
        estimates = services.estimates(Access(USER, token=lambda: "token"))
        return message(lambda: estimates.bucket(SOURCE, USER))


def told(behave: Behaviour | None = None, *, sql: str = "", **settings: str) -> Callable[[Home], str]:
    """Why a snapshot is refused by a provider that behaves so, with store and settings changed so."""

    def provoke(home: Home) -> str:
        home.provider.behaviour = behave or home.provider.behaviour
        home.store(sql)
        home.set(**settings)
        return str(home.snapshot().error["message"])

    return provoke


def says(text: str, finish_reason: str = "stop") -> Behaviour:
    """The model answers with some text."""
    answer = completion(text)
    answer["choices"][0]["finish_reason"] = finish_reason
    return replying(json.dumps(answer))


def unknown_source(home: Home) -> str:
    """No such source."""
    return str(home.call("snapshot", NOBODY).error["message"])


def no_server(home: Home) -> str:
    """Nobody listens where the provider should."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        home.set(OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1", SECONDLOOK_AGENT_RETRIES="0")
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


def nothing_to_try(home: Home) -> str:
    """No source has buckets that can be run."""
    home.store("update sources set status = 'ingested'")
    return str(home.call("try-model").error["message"])


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
def project(
    home: Home, status: int, body: object, to_insert: tuple[int, object] = (500, {})
) -> Generator[Services]:
    """A Supabase project, as pages reach it, that gives one answer to whatever it is asked."""

    class OneAnswer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Give it."""
            self.give(status, body)

        def do_POST(self) -> None:
            """Give the answer to an insert."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self.give(*to_insert)

        def give(self, status: int, body: object) -> None:
            """Answer with JSON."""
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


def early(home: Home) -> str:
    """The project's clock is behind that of the server that issued the token."""
    with project(home, 401, {"code": "PGRST303", "message": "JWT issued at future"}) as services:
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


PROVOKED: dict[str, Callable[[Home], str]] = {
    "Invalid source_id: not found": unknown_source,
    "Source must be bucketed before snapshot generation (current status: …)": told(
        sql="update sources set status = 'ingested'"
    ),
    "No buckets found for source: missing": told(sql="delete from estimate_buckets"),
    "Minimum 25 estimates required for snapshot (found: …)": lambda home: refused(
        home, price_band_500_1500=5
    ),
    "The source has a run that has not ended (…)": run_of_a_deleted_source,
    "Another import of this source is in progress": import_twice,
    "weekly_volume …": lambda home: refused(home, weekly_volume="[{"),
    "price_band_… must be …": lambda home: refused(home, price_band_lt_500="x"),
    "… the answer would take about N tokens, SECONDLOOK_MAX_TOKENS is M": lambda home: refused(
        home, price_band_5000_plus=200, weekly_volume=many_weeks(200)
    ),
    "OPENAI_API_KEY is required. Add it to your .env.local file.": told(OPENAI_API_KEY=""),
    "AZURE_OPENAI_API_KEY is required. Add it to your .env.local file.": told(SECONDLOOK_AGENT="azure"),
    "OPENAI_BASE_URL is not set, and SECONDLOOK_AGENT is 'compatible'": told(
        SECONDLOOK_AGENT="compatible", OPENAI_BASE_URL=""
    ),
    "SECONDLOOK_MODEL is not set, and SECONDLOOK_AGENT is '…'": told(SECONDLOOK_AGENT="compatible"),
    "OpenAI API error (no connection): the server could not be reached at …": no_server,
    "OpenAI API error (time-out): no whole answer within … seconds": told(
        going_silent, SECONDLOOK_DEADLINE_SECONDS="0.2"
    ),
    "OpenAI API error (400): …": told(refusing(400, "No")),
    "OpenAI API error (429): …": told(refusing(429, "No")),
    "OpenAI API error (401): …": told(refusing(401, "No")),
    "The budget of … is spent: …": told(SECONDLOOK_BUDGET_DAY_CALLS="0"),
    "Sending is switched off since … by …": switched_off,
    "This run was queued for …, but the current settings select …": other_agent,
    "Answer rejected (not_completion): the server answered with an error: …": told(
        replying('{"error": {"message": "Upstream is out"}}')
    ),
    "Answer rejected (truncated): …": told(says("{", finish_reason="length")),
    "Answer rejected (not_json): …": told(says("Here it is")),
    "Answer rejected (schema): …": told(says("{}")),
    "Answer rejected (…): …": told(replying("{}")),
    "No source can be tried…": nothing_to_try,
    "in_doubt": in_doubt,
    "The store … cannot be used: …": no_store,
    "The ledger cannot be used: …": no_ledger,
    "The ledger's disk …": full_disk,
    "Supabase cannot be reached …": unreachable,
    "Supabase did not answer in time …": silent,
    "Supabase lacks a table or a column: …": no_table,
    "Row security is off or too wide: …": too_wide,
    "Supabase does not take the token yet: its clocks differ": early,
    "Nobody is signed in": nobody,
    "The session has ended": ended,
    "The run belongs to the store …, and the settings mean …": another_store,
    "SUPABASE_SECRET_KEY is not set: …": no_secret_key,
    "SECONDLOOK_… is …; allowed: …": told(SECONDLOOK_AGENT="robot"),
}
"""Each message of the table, and how to come to it."""


def test_the_table_of_messages_is_known() -> None:
    """Whoever adds a message there adds below how to come to it."""
    table = [
        message for cells in rows(section(PAGE, "Messages")) for message in re.findall(r"`([^`]+)`", cells[0])
    ]
    assert table == list(PROVOKED)


@pytest.mark.parametrize("message", list(PROVOKED))
def test_the_message_is_what_is_said(home: Home, message: str) -> None:
    """Provoked, it reads as the page writes it: `…` for any words, N and M for numbers."""
    pattern = re.escape(message).replace("…", ".+")
    pattern = re.sub(r"\b[NM]\b", r"\\d+", pattern)
    assert re.fullmatch(pattern, PROVOKED[message](home))


def test_check_sends_nothing(home: Home) -> None:
    """As it says above the table."""
    assert "`secondlook check` looks at all of this without sending anything." in PAGES[PAGE]
    assert home.call("check").code == 0
    assert home.provider.requests == []


def test_the_table_of_codes() -> None:
    """Every code that there is, with the HTTP status that a program gets."""
    table = {cells[0].strip("`"): int(cells[1]) for cells in rows(section(PAGE, "Error codes"))}
    assert table == STATUS
    assert set(table) == set(ERRORS)
