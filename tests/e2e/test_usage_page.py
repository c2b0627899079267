"""Usage in a real browser: looked at, followed to a run, taken away."""

from __future__ import annotations

import csv
import json
import string
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator

from tests.e2e.conftest import Dashboard
from tests.mixed_runs import insert, mixed

pytestmark = pytest.mark.browser


def open_usage(tab: Dashboard, query: str = "") -> None:
    """Go to the page and wait until it is drawn."""
    tab.page.goto(f"{tab.url}/usage?{query}")
    tab.page.get_by_role("heading", name="Usage", exact=True).wait_for()
    tab.page.get_by_role("button", name="All calls as CSV").wait_for()
    tab.settle()


def take(tab: Dashboard, name: str) -> Path:
    """Press a button that gives a file away."""
    with tab.page.expect_download() as taken:
        tab.page.get_by_role("button", name=name, exact=True).click()
    return taken.value.path()


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_look_follow_and_take_away(dashboard: Dashboard) -> None:
    """By keyboard to another grouping; a figure leads to its runs; files and command line say the same."""
    home = dashboard.home
    insert(home.data / "ledger.db", mixed(400, days=20, until=time.time() - 60))
    open_usage(dashboard)
    dashboard.see("Daily chart")
    dashboard.page.get_by_role("radio", name="Day").focus()
    dashboard.page.keyboard.press("ArrowRight")
    dashboard.page.get_by_role("columnheader", name="Model asked").wait_for()
    assert "by=model" in dashboard.page.url

    shown: dict[str, Any] = json.loads(take(dashboard, "JSON").read_text(), parse_float=Decimal)
    said = json.loads(home.call("usage", "--by", "model").out, parse_float=Decimal)
    assert shown["total"] == said["total"]
    assert shown["rows"] == said["rows"]
    table = rows(take(dashboard, "CSV"))
    assert [row["model"].removeprefix("'") for row in table] == [row["model"] for row in shown["rows"]]
    assert all(row["model"][0] not in "=+-@" for row in table)
    assert len(rows(take(dashboard, "All calls as CSV"))) == shown["total"]["calls"]

    failed = dashboard.page.get_by_role("row", name="Total").get_by_role("link").nth(2)
    assert failed.inner_text() == f"{shown['total']['failed']:,}"
    with dashboard.page.context.expect_page() as opened:
        failed.click()
    opened.value.get_by_text(f"{shown['total']['failed']} runs").first.wait_for()


def test_what_is_copied_can_be_pasted(dashboard: Dashboard) -> None:
    """A day, and a figure with spaces, are copied letter by letter, and the command line takes the day."""
    home, page = dashboard.home, dashboard.page
    insert(home.data / "ledger.db", mixed(400, days=20, until=time.time() - 60))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_usage(dashboard)
    cells = page.get_by_test_id("stTable").first.locator("tbody tr").nth(1).locator("td, th")
    days = [row["day"] for row in json.loads(home.call("usage").out)["rows"]]

    def copied(cell: Locator) -> str:
        cell.evaluate("each => getSelection().selectAllChildren(each)")
        page.keyboard.press("Control+C")
        return str(page.evaluate("navigator.clipboard.readText()")).strip()

    cells.first.wait_for()
    texts = [copied(cell) for cell in cells.all()]
    day = texts[0]
    assert day in days
    assert home.call("usage", "--since", day).code == 0
    assert set("".join(texts)) <= {*string.printable, "≈", "≥"}
