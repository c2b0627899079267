"""Rehearsals in a real browser: each rejected by its rule and path, marked everywhere, resolved by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from secondlook.providers.rehearsal import KINDS
from tests.e2e.conftest import Dashboard, assert_accessible_in_both_schemes
from tests.providers.test_rehearsal import REJECTED

pytestmark = pytest.mark.browser


@pytest.fixture
def settings() -> dict[str, str]:
    """There is no key: the offline agent answers."""
    return {"SECONDLOOK_AGENT": "auto", "OPENAI_API_KEY": "", "SECONDLOOK_AGENT_RETRIES": "1"}


def open_rehearsal(tab: Dashboard, query: str = "") -> None:
    """Go to the page and wait until it is drawn."""
    tab.page.goto(f"{tab.url}/rehearsal?{query}")
    tab.page.get_by_role("heading", name="Rehearsal", exact=True).wait_for()


def choose(tab: Dashboard, name: str) -> None:
    """Choose a kind."""
    kind = KINDS[f"rehearsal-{name}"]
    box = tab.page.get_by_role("combobox", name="Agent behavior")
    box.fill(kind.title)
    tab.page.get_by_role("option", name=kind.title).click()
    tab.see(kind.detail)


def rehearse(tab: Dashboard, name: str) -> None:
    """Choose a kind and rehearse it."""
    choose(tab, name)
    tab.page.get_by_role("button", name="Start rehearsal").click()
    tab.see(f"Rehearsal: rehearsal-{name}")


def fact(tab: Dashboard, name: str, value: str) -> None:
    """Wait until the page says this of what is left behind."""
    tab.page.get_by_role("row", name=f"{name} {value}", exact=True).first.wait_for()


def test_each_is_refused_by_its_rule(dashboard: Dashboard) -> None:
    """The page names the rule and the path that are known to be wrong: tests/dashboard has them all."""
    home = dashboard.home
    open_rehearsal(dashboard)
    for name, reason, path in REJECTED[:: len(REJECTED) // 2]:
        rehearse(dashboard, name)
        fact(dashboard, "Rule", reason)
        fact(dashboard, "Path", path or "the whole answer")
    fact(dashboard, "Store", "unchanged, no snapshot")
    assert {run["status"] for run in home.runs()} == {"failed"}
    assert len(home.runs()) == 3
    assert home.snapshots() == home.provider.requests == []
    assert home.status() == "bucketed"


def test_live_marked_and_canceled(dashboard: Dashboard) -> None:
    """One with an unknown outcome is shown wherever its source is, blocks it, and is canceled on the page."""
    home = dashboard.home
    open_rehearsal(dashboard)
    rehearse(dashboard, "rate-limit")
    dashboard.see("It is sent again in")
    fact(dashboard, "Requests", "2, none of them to a provider")
    dashboard.see("Rehearsal API error (429): Rate limit exceeded")

    rehearse(dashboard, "reset")
    dashboard.see("The request may have been answered and billed")
    expect(dashboard.page.get_by_role("button", name="Start rehearsal")).to_be_disabled()
    fact(dashboard, "Next run", "blocked until this one is resolved")
    again = dashboard.page.evaluate("location.href")
    dashboard.open_sample()
    dashboard.see("Rehearsal: rehearsal-reset")
    expect(dashboard.generate).to_be_disabled()
    dashboard.page.goto(again)
    dashboard.page.get_by_role("button", name="Cancel run").click()
    fact(dashboard, "Next run", "can start now")
    expect(dashboard.page.get_by_role("button", name="Start rehearsal")).to_be_enabled()
    assert home.runs()[-1]["status"] == "cancelled"
    dashboard.open_sample()
    expect(dashboard.generate).to_be_enabled()


@pytest.mark.parametrize("settings", [{}], ids=["with a key"])
def test_none_with_a_key(dashboard: Dashboard) -> None:
    """Where a key is set the page says why there is none, and offers nothing."""
    open_rehearsal(dashboard)
    dashboard.see("There are no rehearsals where OpenAI answers")
    dashboard.settle()
    expect(dashboard.page.get_by_role("button", name="Start rehearsal")).to_have_count(0)


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing(open_page: Callable[..., Dashboard], width: int) -> None:
    """The page has no accessibility violation, whatever became of the run, in both themes."""
    tab = open_page(width)
    open_rehearsal(tab)
    rehearse(tab, "no-usage")
    fact(tab, "Tokens", "unknown")
    assert_accessible_in_both_schemes(tab.page)
    rehearse(tab, "count-changed")
    fact(tab, "Rule", "mismatch")
    assert_accessible_in_both_schemes(tab.page)
    rehearse(tab, "silence")
    tab.see("The request may have been answered and billed")
    assert_accessible_in_both_schemes(tab.page)
