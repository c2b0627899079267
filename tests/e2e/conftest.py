"""A browser, and the dashboard served to it by a real process."""

from __future__ import annotations

import os
import shutil
import socket
import urllib.request
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.processes import Home, eventually

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
        box = table.bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + 12, box["y"] + _ROW * number + _ROW / 2)

    @property
    def generate(self) -> Locator:
        """The button."""
        return self.page.get_by_role("button", name="Generate snapshot")

    def see(self, text: str) -> None:
        """Wait until a text is on the page."""
        self.page.get_by_text(text).first.wait_for()


def assert_accessible(page: Page) -> None:
    """Axe finds nothing on a page as it is drawn.

    Toasts are waited for to go: Streamlit gives theirs no name, and no way to give one.
    """
    expect(page.get_by_test_id("stToast")).to_have_count(0, timeout=20_000)
    found = Axe().run(page)  # pyright: ignore[reportUnknownMemberType] -- it has no types
    assert found.violations_count == 0, found.generate_report()


@pytest.fixture(scope="session")
def browser() -> Generator[Browser]:
    """Chromium; without it the browser tests are skipped, in CI they fail."""
    if CHROMIUM is None:
        message = "the browser tests need Chromium (Debian: apt-get install chromium)"
        if "CI" in os.environ:
            pytest.fail(message)
        pytest.skip(message)
    options = ["--no-sandbox", "--headless=new", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield launched
        launched.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_served(url: str) -> None:
    """Wait until the server answers."""

    def healthy() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:  # noqa: S310 -- our own server
                return answer.status == 200
        except OSError:
            return False

    eventually(healthy, seconds=60)


@pytest.fixture
def served(home: Home) -> str:
    """The dashboard's address, served by `secondlook serve` from another folder."""
    port = free_port()
    home.start("serve", "--port", str(port))
    url = f"http://localhost:{port}"
    wait_until_served(url)
    return url


@pytest.fixture
def open_page(browser: Browser, home: Home, served: str) -> Generator[Callable[..., Dashboard]]:
    """Opens tabs; after the test, no tab may have asked another site for anything."""
    foreign: list[str] = []
    contexts = [browser.new_context(viewport={"width": 1440, "height": 1000}) for _ in range(1)]

    def note(url: str) -> None:
        if not url.startswith((served, served.replace("http", "ws"), "data:", "blob:", "about:")):
            foreign.append(url)

    def opened(color_scheme: str = "light", width: int = 1440) -> Dashboard:
        context = contexts[0]
        if color_scheme != "light" or width != 1440:
            context = browser.new_context(
                color_scheme="dark" if color_scheme == "dark" else "light",
                viewport={"width": width, "height": 1000},
            )
            contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda request: note(request.url))
        return Dashboard(home, served, page)

    yield opened
    for context in contexts:
        context.close()
    assert foreign == []


@pytest.fixture
def dashboard(open_page: Callable[..., Dashboard]) -> Dashboard:
    """One tab."""
    return open_page()


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where a test leaves screenshots."""
    return tmp_path
