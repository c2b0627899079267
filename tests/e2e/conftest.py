"""A browser, and the dashboard served to it by a real process."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from axe_playwright_python.sync_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.e2e.demo import demo
from tests.e2e.signed_in import house, new_tab, running_site, served_site, site
from tests.examples import some
from tests.processes import USER, Home, eventually, furnish, rows, settings_for
from tests.provider import Provider
from tests.web.serving import Served, free_port, serving, wait_until_served

__all__ = ["demo", "house", "new_tab", "running_site", "served_site", "site"]  # fixtures

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_ROW = 35  # pixels of a row of the table, its header too


@dataclass(frozen=True)
class Dashboard:
    """A page of the served dashboard, as a person uses it."""

    home: Home
    url: str
    page: Page

    def open(self, query: str = "") -> None:
        """Go to the landing page with this query and wait until it is drawn."""
        self.page.goto(f"{self.url}/?{query}")
        self.settle()

    def open_sample(self) -> None:
        """Go to the sample source by its URL."""
        self.open(f"source={self.home.sample.source_id}")
        self.page.get_by_role("heading", name=self.home.sample.name).wait_for()

    def settle(self) -> None:
        """Wait until the script has run."""
        app = '[data-testid=stApp][data-test-connection-state="CONNECTED"]'
        self.page.wait_for_selector(f'{app}[data-test-script-state="notRunning"]')

    def choose_row(self, number: int) -> None:
        """Tick a row of the table, counted from 1."""
        table = self.page.get_by_test_id("stDataFrame").first
        table.locator("canvas").first.wait_for()
        box = some(table.bounding_box())
        self.page.mouse.click(box["x"] + 12, box["y"] + _ROW * number + _ROW / 2)

    @property
    def generate(self) -> Locator:
        """The button."""
        return self.page.get_by_role("button", name="Generate snapshot")

    def see(self, text: str) -> None:
        """Wait until a text is on the page."""
        self.page.get_by_text(text).first.wait_for()


def settle(page: Page) -> None:
    """Wait until the script has run, charts and tables are drawn, and nothing fades in any more."""
    page.wait_for_selector(
        '[data-testid=stApp][data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"]'
    )
    page.wait_for_function(
        """() => {
          const all = (where, has) =>
            [...document.querySelectorAll(`[data-testid=${where}]`)].every(each => each.querySelector(has));
          const still = document.getAnimations().every(
            each => each.effect.getComputedTiming().iterations === Infinity || each.playState !== 'running');
          return all('stVegaLiteChart', 'svg, canvas') && all('stDataFrame', 'canvas') && still
            && !document.querySelector('[data-stale=true]')
            && all('stDownloadButton', 'button')
            && ![...document.querySelectorAll('[data-testid=stSkeleton]')].some(
              each => each.checkVisibility());
        }"""
    )


def assert_accessible(page: Page) -> None:
    """Axe finds nothing on a page as it is drawn.

    Toasts are waited for to go: Streamlit gives theirs no name, and no way to give one. Nor does it let
    anybody change the role of the place where a file is dropped.
    """
    expect(page.get_by_test_id("stToast")).to_have_count(0, timeout=20_000)
    found = Axe().run(page)  # pyright: ignore[reportUnknownMemberType] -- it has no types
    violations = cast("list[dict[str, Any]]", found.response["violations"])  # pyright: ignore[reportUnknownMemberType] -- as above
    assert [each for each in violations if not _of_the_dropzone(each)] == [], found.generate_report()


def _of_the_dropzone(violation: dict[str, Any]) -> bool:
    nodes = violation["nodes"]
    dropzone = all('data-testid="stFileUploaderDropzone"' in node["html"] for node in nodes)
    return dropzone and violation["id"] == "presentation-role-conflict"


def in_both_schemes(page: Page) -> Iterator[Literal["light", "dark"]]:
    """A page by day and by night: what is drawn changes with what the browser prefers."""
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(
            "it => getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme === it",
            arg=scheme,
        )
        settle(page)
        yield scheme


def assert_accessible_in_both_schemes(page: Page) -> None:
    """Axe finds nothing in either, and nothing is wider than the window."""
    for _ in in_both_schemes(page):
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture(scope="session")
def browser() -> Generator[Browser]:
    """Chromium; without it the browser tests are skipped, in CI they fail."""
    if CHROMIUM is None:
        message = "the browser tests need Chromium (Debian: apt-get install chromium)"
        if "CI" in os.environ:
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=20_000)  # as pages wait, since the machine may be busy
    options = ["--no-sandbox", "--headless=new", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Generator[BrowserContext]:
    """Where pages are opened; those of Streamlit's files that one has loaded the next finds in its cache."""
    made = browser.new_context()
    yield made
    made.close()


NewPage = Callable[..., Page]


@pytest.fixture
def new_page(context: BrowserContext) -> Generator[NewPage]:
    """Opens pages of a width, which know of no page before this test."""

    def new(width: int = 1440) -> Page:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 1000})
        page.set_default_timeout(20_000)
        return page

    yield new
    for page in context.pages:
        if page.url.startswith("http"):
            page.evaluate("localStorage.clear()")
        page.close()
    context.clear_cookies()


@dataclass(frozen=True)
class Shared:
    """A served dashboard that every test finds as if it had just been started.

    Attributes:
        served: The process.
        provider: Whom it asks.
        initial: Its databases as they were at the beginning, by their names.
    """

    served: Served
    provider: Provider
    initial: Mapping[str, Path]

    def begin_anew(self) -> None:
        """Let nothing go on, then put everything back."""
        ledger = self.served.data / "ledger.db"
        self.provider.begin_anew()
        rows(ledger, "update batches set status = 'stopped' where status in ('filling', 'running', 'paused')")
        rows(ledger, "update runs set status = 'cancelled' where status = 'queued'")
        eventually(lambda: not rows(ledger, "select 1 from runs where owner is not null"))
        for name, copy in self.initial.items():
            _put_back(self.served.data / name, copy)
        self.served.begin()


def _put_back(path: Path, copy: Path) -> None:
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as database:
        database.execute("attach ? as copy", [str(copy)])
        database.execute("begin immediate")
        tables = database.execute("select name from copy.sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            database.execute(f"delete from main.{table}")  # noqa: S608 -- the product's own names
            database.execute(f"insert into main.{table} select * from copy.{table}")  # noqa: S608
        database.execute("commit")


Share = Callable[..., Shared]


@pytest.fixture(scope="session")
def share(tmp_path_factory: pytest.TempPathFactory, filled_store: Path) -> Generator[Share]:
    """Gives the one served dashboard that has these settings."""
    known: dict[frozenset[tuple[str, str]], Shared] = {}
    with ExitStack() as stack:

        def shared(**settings: str) -> Shared:
            key = frozenset(settings.items())
            if key not in known:
                folder = tmp_path_factory.mktemp("shared")
                (folder / "data").mkdir()
                shutil.copy(filled_store, folder / "data")
                provider = stack.enter_context(closing(Provider()))
                served = stack.enter_context(
                    serving(folder, {"SECONDLOOK_USER": USER, **settings_for(provider), **settings})
                )
                initial = {name: folder / name for name in ("store.db", "ledger.db")}
                for name, copy in initial.items():
                    with (
                        closing(sqlite3.connect(served.data / name)) as source,
                        closing(sqlite3.connect(copy)) as target,
                    ):
                        source.backup(target)
                known[key] = Shared(served, provider, initial)
            return known[key]

        yield shared


@pytest.fixture
def settings() -> dict[str, str]:
    """What the dashboard is served with, besides what every home has."""
    return {}


@pytest.fixture
def shared(share: Share, settings: dict[str, str]) -> Shared:
    """The served dashboard, as new."""
    made = share(**settings)
    made.begin_anew()
    return made


@pytest.fixture
def home(shared: Shared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Home:
    """The home of the shared dashboard; the provider answers the sample properly."""
    return furnish(Home(shared.served.folder, shared.provider, monkeypatch, capsys))


@pytest.fixture
def served(shared: Shared) -> str:
    """The shared dashboard's address."""
    return shared.served.url


@pytest.fixture
def open_page(new_page: NewPage, home: Home, served: str) -> Generator[Callable[..., Dashboard]]:
    """Opens tabs; after the test, no tab may have asked another site for anything."""
    external: list[str] = []

    def note(url: str) -> None:
        if not url.startswith((served, served.replace("http", "ws"), "data:", "blob:", "about:")):
            external.append(url)

    def opened(width: int = 1440) -> Dashboard:
        page = new_page(width)
        page.on("request", lambda request: note(request.url))
        return Dashboard(home, served, page)

    yield opened
    assert external == []


@pytest.fixture
def dashboard(open_page: Callable[..., Dashboard]) -> Dashboard:
    """One tab."""
    return open_page()


@pytest.fixture
def own_dashboard(own_home: Home, new_page: NewPage) -> Dashboard:
    """One tab of a dashboard that serves this test alone."""
    return serve(own_home, new_page())


def serve(home: Home, page: Page) -> Dashboard:
    """A tab of one more process that serves a home; the last that the home has started."""
    port = free_port()
    home.start("serve", "--port", str(port))
    url = f"http://localhost:{port}"
    wait_until_served(url)
    return Dashboard(home, url, page)
