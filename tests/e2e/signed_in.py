"""A dashboard in front of a Supabase of its own, whose mails lead back to it, and people in browsers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, WebSocket

from dev.local_supabase import Server, local_supabase
from tests.examples import bucket_row
from tests.processes import API_KEY, rows
from tests.provider import Json, Provider, answering, right_answer
from tests.supabase_server import SupabaseTables, SupabaseUser, sign_up
from tests.web.serving import Served, free_port, serving, settings_for

_LATE_FILE = "dynamically imported module"
"""What a page says that asks for a part of itself after its session has ended."""

_PROBE = re.compile(r"//[^/]+/\w+/_stcore/(health|host-config)$")
"""Where Streamlit looks first when a page is opened by its own address: the address might be the app's."""


@dataclass(frozen=True)
class Site:
    """A Supabase, the port of the dashboard that its mails lead to, and a provider."""

    server: Server
    port: int
    provider: Provider
    folder: Path

    @property
    def tables(self) -> SupabaseTables:
        """Its tables."""
        return SupabaseTables(self.server)

    @property
    def settings(self) -> dict[str, str]:
        """What its dashboards are started with."""
        return {
            **settings_for(self.server),
            "SECONDLOOK_AGENT": "openai",
            "SECONDLOOK_DEADLINE_SECONDS": "30",
            "OPENAI_API_KEY": API_KEY,
            "SECONDLOOK_AGENT_RETRIES": "0",
            "OPENAI_BASE_URL": self.provider.base_url,
        }


@dataclass
class House:
    """Somebody with a source that can be run, and dashboards of the test's own."""

    site: Site
    folder: Path
    person: SupabaseUser
    source_id: str
    answer: Json
    name: str

    @property
    def provider(self) -> Provider:
        """Whom the dashboards ask."""
        return self.site.provider

    @contextmanager
    def serving(self, *, port: int | None = None, **settings: str) -> Generator[Served]:
        """A dashboard of its own, on the test's data folder."""
        with serving(self.folder, {**self.site.settings, **settings}, port=port) as served:
            yield served

    def newcomer(self, *names: str) -> SupabaseUser:
        """Somebody else, with sources of these names."""
        made = sign_up(self.site.server)
        for name in names:
            self.site.tables.add_source(str(uuid4()), user_id=made.user_id, name=name)
        return made

    def statuses(self, served: Served) -> list[str]:
        """In which states the source's runs are."""
        found = rows(served.data / "ledger.db", "select status from runs where source_id = ?", self.source_id)
        return [str(row["status"]) for row in found]

    def snapshots(self) -> list[Json]:
        """The snapshots of the source."""
        return self.site.server.sql(
            "select id from snapshots where source_id = $1::text::uuid", self.source_id
        )


@dataclass
class Tab:
    """A page, as a person uses it, and what it asked for."""

    page: Page
    url: str
    console: list[str] = field(default_factory=list[str])
    external: list[str] = field(default_factory=list[str])
    streams: list[WebSocket] = field(default_factory=list[WebSocket])

    def __post_init__(self) -> None:
        self.page.set_default_timeout(30_000)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.page.on("request", lambda request: self._look(request.url))
        self.page.on("websocket", lambda stream: self.streams.append(stream))  # noqa: PLW0108 -- it takes no built-in

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _PROBE.search(message.location["url"]):
            self.console.append(message.text)

    def _look(self, url: str) -> None:
        if not url.startswith(
            ("http://localhost:", "ws://localhost:", "http://127.0.0.1:", "data:", "blob:")
        ):
            self.external.append(url)

    @property
    def context(self) -> BrowserContext:
        """The browser that it is a tab of."""
        return self.page.context

    def open(self, path: str = "/") -> None:
        """Go to an address of the dashboard."""
        self.page.goto(self.url + path)

    def see(self, text: str) -> None:
        """Wait until a text is on the page."""
        self.page.get_by_text(text).first.wait_for()

    def sign_in(self, person: SupabaseUser, password: str | None = None, path: str = "/") -> None:
        """Be led to sign in from an address, and come back to it."""
        self.open(path)
        self.page.get_by_label("E-mail address").fill(person.email)
        self.page.get_by_label("Password").fill(password or person.password)
        self.page.get_by_role("button", name="Sign in").click()

    def sign_out(self) -> None:
        """Follow the link in the sidebar."""
        self.page.get_by_text("Sign out").wait_for(state="attached")
        if not self.page.get_by_text("Sign out").is_visible():
            self.page.get_by_test_id("stExpandSidebarButton").click()
        self.page.get_by_text("Sign out").click()
        self.page.get_by_role("heading", name="Sign in").wait_for()

    def wait_until_cut_off(self) -> None:
        """Wait until the first WebSocket of the page is closed."""
        for _ in range(200):
            if self.streams[0].is_closed():
                return
            self.page.wait_for_timeout(100)  # which lets events arrive
        raise AssertionError("it stays open")

    def generate(self) -> None:
        """Press the button."""
        self.page.get_by_role("button", name="Generate snapshot").click()


@pytest.fixture(scope="session")
def site(supabase_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:  # noqa: ARG001 -- skips where none can run
    """A Supabase whose mails lead to the dashboard's port."""
    port, provider = free_port(), Provider()
    try:
        with local_supabase(fsync=False, site_url=f"http://localhost:{port}") as server:
            yield Site(server, port, provider, tmp_path_factory.mktemp("site"))
    finally:
        provider.close()


@pytest.fixture(scope="session")
def running_site(site: Site) -> Generator[Served]:
    """The dashboard; tests take `served_site`."""
    with serving(site.folder, site.settings, port=site.port) as served:
        yield served


@pytest.fixture
def served_site(running_site: Served) -> Served:
    """The dashboard; nobody has tried to sign in yet."""
    running_site.begin()
    return running_site


@pytest.fixture
def house(site: Site, tmp_path: Path) -> House:
    """Somebody with a source that can be run; the provider answers it properly."""
    person, source_id, row = sign_up(site.server), str(uuid4()), bucket_row()
    name = f"Roof repairs {source_id[:4]}"
    site.tables.add_source(source_id, user_id=person.user_id, name=name, buckets=row)
    site.tables.add_estimates(source_id, 35)
    answer = right_answer({**row, "weekly_volume": json.dumps(row["weekly_volume"])})
    site.provider.begin_anew()
    site.provider.behaviour = answering(answer)
    return House(site, tmp_path / "house", person, source_id, answer, name)


@pytest.fixture
def new_tab(browser: Browser) -> Generator[Callable[..., Tab]]:
    """Opens tabs; after the test, none may have asked another site, and no error is in a console but 401s."""
    opened: list[Tab] = []
    with ExitStack() as stack:

        def new(
            served: Served,
            *,
            beside: Tab | None = None,
            color_scheme: str = "light",
            width: int = 1280,
        ) -> Tab:
            if beside is None:
                context = browser.new_context(
                    color_scheme="dark" if color_scheme == "dark" else "light",
                    viewport={"width": width, "height": 900},
                )
                stack.callback(context.close)
            else:
                context = beside.context
            tab = Tab(context.new_page(), served.url)
            opened.append(tab)
            return tab

        yield new
    assert [url for tab in opened for url in tab.external] == []
    meant = ("401", "403", "422", "429", "503", "ERR_CONNECTION_REFUSED", "WebSocket", _LATE_FILE)
    restarting = (
        "/_stcore/health",
        "/_stcore/host-config",
        "Is Streamlit still running?",
        "Cannot send rerun backMessage",  # of a part of the page that looks for news meanwhile
    )
    errors = [
        text
        for tab in opened
        for text in tab.console
        if not any(word in text for word in (*meant, *restarting))
    ]
    assert errors == [], errors
