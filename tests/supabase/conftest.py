"""The command line on Supabase: a proxy in front of the server, a provider, and an environment."""

from __future__ import annotations

import io
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.local_supabase import Server
from secondlook.cli import main
from secondlook.domain.access import Access
from tests.examples import SOURCE, USER, echo
from tests.processes import API_KEY, PROXIES, ROOT, Home, Outcome
from tests.provider import Json, Provider, answering
from tests.supabase.proxy import Proxy
from tests.supabase_server import SupabaseTables, SupabaseUser, minted_token

NAME = "Hannan's confidential roofs"


@dataclass(kw_only=True)
class Cloud(Home):
    """A home whose store is Supabase, with one source of USER's."""

    server: Server
    proxy: Proxy
    tables: SupabaseTables

    def unset(self, *names: str) -> None:
        """Take settings out of the environment."""
        for name in names:
            del self.env[name]
            self.monkeypatch.delenv(name)

    # -- commands ---------------------------------------------------------------------------------------

    def call(self, *arguments: str) -> Outcome:
        """Run a command in this process, with --json; its output gives nothing away."""
        return self.tidy(super().call(*arguments))

    def run(self, *arguments: str) -> Outcome:  # pyright: ignore[reportIncompatibleMethodOverride] -- no process dies here
        """Run a command as a real process; its output gives nothing away."""
        return self.tidy(super().run(*arguments))

    def say(self, *arguments: str, stdin: str = "") -> Outcome:
        """Run a command in this process as a person does, without --json."""
        self.capsys.readouterr()
        self.monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main(arguments)
        out, err = self.capsys.readouterr()
        return self.tidy(Outcome(code, out, err))

    def snapshot(self, *options: str) -> Outcome:
        """`secondlook snapshot` of the source, in this process."""
        return self.call("snapshot", SOURCE, "--user", USER, *options)

    def tidy(self, outcome: Outcome) -> Outcome:
        """No traceback; no key or token anywhere; nothing of buckets or names in messages and logs."""
        keys = (self.server.secret_key, self.server.publishable_key, self.server.jwt_secret, API_KEY, "eyJ")
        for hidden in ("Traceback", *keys):
            assert hidden not in outcome.out + outcome.err, hidden
        for hidden in ("2026-W0", NAME):
            assert hidden not in outcome.err, hidden
        return outcome

    # -- what is so -------------------------------------------------------------------------------------

    def person(self, user: SupabaseUser | None = None) -> Access:
        """The access of somebody who is signed in; by default of USER, who never signed up."""
        token = minted_token(self.server, USER) if user is None else user.access_token
        return Access(USER if user is None else user.user_id, token=lambda: token)

    def ledger(self, query: str, *values: str) -> list[Json]:
        """Rows of the ledger; it is made when it is first needed."""
        return super().ledger(query, *values) if (self.data / "ledger.db").exists() else []

    def snapshots(self) -> list[Json]:
        """All stored snapshots."""
        return self.server.sql("select * from snapshots order by generated_at")

    def status(self) -> str:
        """The source's status."""
        return self.tables.status(SOURCE)

    def all_is_done(self) -> None:
        """One call, one run, one snapshot."""
        assert [run["status"] for run in self.runs()] == ["done"]
        (stored,) = self.snapshots()
        assert stored["id"] == self.runs()[0]["run_id"]
        assert (stored["source_id"], stored["user_id"]) == (SOURCE, USER)
        assert len(self.provider.requests) == 1

    def nothing_is_started(self) -> None:
        """No call, no run, no snapshot."""
        assert (self.provider.requests, self.snapshots(), self.runs()) == ([], [], [])


@pytest.fixture
def proxy(supabase_server: Server) -> Generator[Proxy]:
    """The proxy, until the test ends."""
    made = Proxy(supabase_server.url)
    yield made
    made.close()


@pytest.fixture
def cloud(
    tmp_path: Path,
    supabase_server: Server,
    supabase_tables: SupabaseTables,
    proxy: Proxy,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Generator[Cloud]:
    """A home of the test's own, with the secret key; the provider answers properly."""
    made = Cloud(
        tmp_path, provider, monkeypatch, capsys, server=supabase_server, proxy=proxy, tables=supabase_tables
    )
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SECONDLOOK_USER")  # nobody is guessed on Supabase
    made.env.update(
        PATH="/usr/bin:/bin", HOME=str(tmp_path), PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1"
    )
    made.set(
        SECONDLOOK_DATA_DIR=str(made.data),
        SECONDLOOK_DEADLINE_SECONDS="20",
        OPENAI_API_KEY=API_KEY,
        OPENAI_BASE_URL=provider.base_url,
        SUPABASE_URL=proxy.url,
        SUPABASE_KEY=supabase_server.publishable_key,
        SUPABASE_SECRET_KEY=supabase_server.secret_key,
    )
    provider.behaviour = answering(echo())
    supabase_tables.add_source(SOURCE, name=NAME)
    yield made
    made.close()
