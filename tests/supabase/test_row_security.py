"""Row security that is off or too wide: found by whoever looks, and then nothing is shown to anybody."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from secondlook.auth.sessions import SignedIn
from secondlook.dashboard import resources
from secondlook.domain.access import Access
from secondlook.domain.sources import SourceQuery
from secondlook.errors import StoreUnavailable
from secondlook.execution.runner import Runner
from secondlook.services import Services, connect
from secondlook.web.gate import Gate
from secondlook.web.routes import routes
from tests.examples import SOURCE, USER, example_snapshot
from tests.processes import ROOT
from tests.supabase.conftest import NAME, Cloud
from tests.supabase_server import SupabaseUser

TABLES = ("sources", "estimate_buckets", "estimates_normalized", "snapshots")
ANYBODY, PEOPLE = "without a session", "as a person"
OFF, FOR_PEOPLE, FOR_ANYBODY = "off", "too wide for people", "too wide for anybody"
FOUND = {OFF: {ANYBODY, PEOPLE}, FOR_PEOPLE: {PEOPLE}, FOR_ANYBODY: {ANYBODY}}
"""Which looks see it."""

TABLES_AND_FINDERS = [pytest.param(table, how, id=f"{table} {how}") for table in TABLES for how in FOUND]


@dataclass
class Open:
    """A project that holds everything of USER's, and a person who has nothing."""

    cloud: Cloud
    person: SupabaseUser

    def break_it(self, table: str, how: str) -> None:
        """Open a table."""
        statement = {
            OFF: f"alter table {table} disable row level security",
            FOR_PEOPLE: f"create policy too_wide on {table} to authenticated using (true)",
            FOR_ANYBODY: f"create policy too_wide on {table} to anon using (true)",
        }[how]
        self.cloud.server.sql(statement)

    def mend(self) -> None:
        """Close them all."""
        for table in TABLES:
            self.cloud.server.sql(f"alter table {table} enable row level security")
            self.cloud.server.sql(f"drop policy if exists too_wide on {table}")

    @property
    def access(self) -> Access:
        """The person's."""
        return Access(self.person.user_id, token=lambda: self.person.access_token)

    def services(self) -> Services:
        """What serves people."""
        return connect(for_pages=True)

    def look(self, services: Services, who: str) -> None:
        """Look at row security."""
        if who == ANYBODY:
            services.row_security.verify()
        else:
            services.row_security.verify(self.person.user_id, self.person.access_token)

    def client(self, services: Services | None = None) -> TestClient:
        """Someone who asks the front door."""
        served = services or self.services()
        runner = Runner(served)
        app = Starlette(
            routes=routes(lambda: served, lambda: runner),
            middleware=[Middleware(Gate, services=lambda: served)],
        )
        return TestClient(app, follow_redirects=False)

    def form(self) -> dict[str, str]:
        """What they send to sign in."""
        return {"email": self.person.email, "password": self.person.password}

    def headers(self) -> dict[str, str]:
        """What their programs send to the API."""
        return {"Authorization": f"Bearer {self.person.access_token}"}


@pytest.fixture
def opened(cloud: Cloud, supabase_user: SupabaseUser) -> Generator[Open]:
    """The project; whatever is opened is closed at the end."""
    cloud.tables.add_estimates(SOURCE, 2)
    cloud.services().store(Access(USER)).save_snapshot(example_snapshot())
    made = Open(cloud, supabase_user)
    yield made
    made.mend()


def message_for(who: str, table: str) -> str:
    """What whoever is refused reads."""
    whom = "by anybody, without a session" if who == ANYBODY else "by other people who are signed in"
    return f"Row security is off or too wide: {table} can be read {whom}. Nothing is shown"


def test_it_holds(opened: Open) -> None:
    """With the policies of supabase/migrations every look is content, and people are served."""
    services = opened.services()
    for who in (ANYBODY, PEOPLE):
        opened.look(services, who)
    assert services.store(opened.access).list_sources(opened.person.user_id, SourceQuery()).total == 0
    client = opened.client()
    assert client.get("/readyz").json() == {"ready": True, "settings": "ok", "store": "ok", "ledger": "ok"}
    assert client.post("/auth/sign-in", data=opened.form()).status_code == 303
    assert client.get("/api/sources", headers=opened.headers()).json() == {"sources": [], "total": 0}


@pytest.mark.parametrize(("table", "how"), TABLES_AND_FINDERS)
def test_a_look_finds_it(opened: Open, table: str, how: str) -> None:
    """Without a session and as a person; from then on nobody is shown anything."""
    opened.break_it(table, how)
    for who in (ANYBODY, PEOPLE):
        services = Services(opened.services().settings)
        if who not in FOUND[how]:
            opened.look(services, who)
            services.store(opened.access)
            continue
        with pytest.raises(StoreUnavailable) as looked:
            opened.look(services, who)
        with pytest.raises(StoreUnavailable) as refused:
            services.store(opened.access)
        assert looked.value.message == refused.value.message == message_for(who, table)
        assert "supabase/migrations" in looked.value.hint


@pytest.mark.parametrize(("table", "how"), TABLES_AND_FINDERS)
def test_check_finds_it(opened: Open, table: str, how: str) -> None:
    """By both looks, where an e-mail address and a password are given; nothing of the rows is printed."""
    opened.break_it(table, how)
    if how == FOR_ANYBODY:  # the others are tried with the secret key
        opened.cloud.unset("SUPABASE_SECRET_KEY")
    outcome = opened.cloud.say("check", "--email", opened.person.email, stdin=f"{opened.person.password}\n")
    assert outcome.code == 1
    for name, who in (("row security", ANYBODY), ("row security of a person", PEOPLE)):
        failed = f"FAIL  {name}: {message_for(who, table)}\n"
        assert (failed in outcome.out) is (who in FOUND[how])
        assert (f"ok    {name}: holds" in outcome.out) is (who not in FOUND[how])
    for hidden in (NAME, SOURCE, USER, opened.person.password):
        assert hidden not in outcome.out + outcome.err


@pytest.mark.parametrize(("table", "how"), TABLES_AND_FINDERS)
def test_the_front_door_refuses(opened: Open, table: str, how: str) -> None:
    """Sign-in, API and readiness say so; no cookie is given and no row is shown."""
    opened.break_it(table, how)
    client = opened.client()
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["store"]) == (
        (503, "store_unavailable") if ANYBODY in FOUND[how] else (200, "ok")
    )
    # What either look has found holds for everybody.
    who = PEOPLE if PEOPLE in FOUND[how] else ANYBODY
    signed_in = client.post("/auth/sign-in", data=opened.form())
    asked = client.get("/api/sources", headers=opened.headers())
    assert asked.status_code == 503
    assert asked.json()["code"] == "store_unavailable"
    assert asked.json()["detail"] == message_for(who, table)
    if PEOPLE in FOUND[how]:
        assert signed_in.status_code == 503
        assert message_for(who, table) in signed_in.text
        assert "set-cookie" not in signed_in.headers
    started = client.post("/api/snapshots", headers=opened.headers(), json={"source_id": SOURCE})
    assert started.status_code == 503
    for answer in (signed_in, asked, started):
        assert NAME not in answer.text
    assert opened.cloud.provider.requests == []


def test_the_front_door_does_not_open(opened: Open) -> None:
    """`secondlook serve` looks before it serves."""
    opened.break_it("sources", FOR_ANYBODY)
    outcome = opened.cloud.say("serve")
    message, _hint = outcome.err.splitlines()
    assert (outcome.code, message) == (1, message_for(ANYBODY, "sources"))


@pytest.mark.parametrize("how", list(FOUND))
def test_a_page_refuses(opened: Open, how: str) -> None:
    """Whoever was signed in before it broke sees the reason, and no row."""
    opened.break_it("sources", how)
    resources.clear()
    resources.services()
    with pytest.raises(StoreUnavailable):
        opened.look(resources.services(), PEOPLE if PEOPLE in FOUND[how] else ANYBODY)
    signed_in = SignedIn(opened.person.email, opened.access)
    opened.cloud.monkeypatch.setattr("secondlook.dashboard.session._require_session", lambda: signed_in)
    try:
        page = AppTest.from_file(str(ROOT / "secondlook" / "dashboard" / "main.py"), default_timeout=60).run()
    finally:
        resources.clear()
    assert not page.exception
    assert "Row security is off or too wide" in page.error[0].value
    assert len(page.dataframe) == 0


def test_a_mended_project_is_served_again(
    opened: Open, new_supabase_user: Callable[[], SupabaseUser], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one person found is not held against the next, once it holds for them."""
    monkeypatch.setattr("secondlook.stores.row_security._BROKEN_SECONDS", 0)
    services = opened.services()
    opened.break_it("snapshots", FOR_PEOPLE)
    with pytest.raises(StoreUnavailable):
        opened.look(services, PEOPLE)
    opened.mend()
    next_one = new_supabase_user()
    services.row_security.verify(next_one.user_id, next_one.access_token)
    access = Access(next_one.user_id, token=lambda: next_one.access_token)
    assert services.store(access).list_sources(next_one.user_id, SourceQuery()).total == 0


def test_no_right_to_read_holds(opened: Open) -> None:
    """A table that nobody may read without a session is as good as one with policies."""
    server = opened.cloud.server
    for table in TABLES:
        server.sql(f"revoke select on {table} from anon")  # noqa: S608 -- the suite's own names
    try:
        opened.look(opened.services(), ANYBODY)
        opened.services().ping_store()
    finally:
        for table in TABLES:
            server.sql(f"grant select on {table} to anon")
