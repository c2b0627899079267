"""Batches in a real browser: started, left, stopped, restarted; unknown outcomes, budgets, the switch."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Dashboard, assert_accessible_in_both_schemes
from tests.processes import OTHER_USER, USER, Home, eventually
from tests.provider import Behaviour, Exchange, answering, answering_once, refusing

pytestmark = pytest.mark.browser


NOTING_TOASTS = """() => {
  window.told = "";
  const note = () => document.querySelectorAll("[data-testid=stToast]").forEach((it) => told += it.innerText);
  new MutationObserver(note).observe(document.body, {childList: true, subtree: true});
}"""


def told(tab: Dashboard, text: str) -> bool:
    """Whether a toast has said so since NOTING_TOASTS."""
    return text in tab.page.evaluate("told")


def answering_each(seconds: float = 0.3) -> Behaviour:
    """Answers whatever source is asked about properly, after a while."""

    def behave(exchange: Exchange) -> None:
        exchange.pause(seconds)
        answering(json.loads(exchange.request.body["messages"][-1]["content"]))(
            exchange
        )  # the prompt is the answer

    return behave


def refusing_each(status: int, message: str, seconds: float = 1) -> Behaviour:
    """Refuses whatever is asked, after a while."""

    def behave(exchange: Exchange) -> None:
        exchange.pause(seconds)
        refusing(status, message)(exchange)

    return behave


def open_batch(tab: Dashboard, query: str = "") -> None:
    """Go to the page and wait until it is drawn."""
    tab.page.goto(f"{tab.url}/batch?{query}")
    tab.page.get_by_role("heading", name="Batch", exact=True).wait_for()
    tab.see("Budgets")


def look(tab: Dashboard) -> None:
    """See what a batch would be."""
    tab.page.get_by_role("button", name="Preview").click()
    tab.see("Allowed by budgets")


def press(tab: Dashboard, name: str) -> None:
    """Press a button; the page may be drawing itself anew."""
    tab.page.get_by_role("button", name=name).first.click()


def begin(tab: Dashboard) -> None:
    """Look, and confirm."""
    look(tab)
    tab.page.get_by_role("button", name="Generate").click()


def batches(home: Home) -> list[str]:
    """The status of each batch, oldest first."""
    return [str(row["status"]) for row in home.ledger("select status from batches order by created_at")]


def counts(home: Home) -> dict[str, int]:
    """Runs by status."""
    found = home.ledger("select status, count(*) as number from runs group by status")
    return {row["status"]: row["number"] for row in found}


def test_start_leave_come_back_stop_resume(dashboard: Dashboard, open_page: Callable[..., Dashboard]) -> None:
    """A batch goes on without its page; stopped, what is in flight finishes; resumed, the rest is sent."""
    home = dashboard.home
    home.provider.behaviour = answering_each()
    open_batch(dashboard)
    dashboard.page.get_by_role("spinbutton", name="Concurrency").fill("2")
    look(dashboard)
    assert home.provider.requests == []
    assert batches(home) == []
    dashboard.page.get_by_role("button", name="Generate").click()
    dashboard.see("Running")
    dashboard.page.close()
    sent = len(home.provider.requests)
    eventually(lambda: len(home.provider.requests) > sent + 3)

    again = open_page()
    open_batch(again)
    again.see("Time left")
    press(again, "Pause")
    again.see("Paused")
    eventually(lambda: not counts(home).get("calling"))
    still = len(home.provider.requests)
    again.page.wait_for_timeout(700)
    assert len(home.provider.requests) == still
    press(again, "Resume")
    eventually(lambda: len(home.provider.requests) > still)
    press(again, "Stop")
    again.see("Runs that were not sent are canceled")
    eventually(lambda: set(counts(home)) == {"done", "cancelled"})
    done, all_ = counts(home)["done"], sum(counts(home).values())
    assert len(home.provider.requests) == done
    again.see(f"{done} of {all_} finished")

    home.provider.behaviour = answering_each(0)
    press(again, "Resume canceled runs")
    again.see("Batch finished")
    again.see("Finished")
    assert (batches(home), counts(home)) == (["ended"], {"done": all_})
    assert len(home.provider.requests) == all_
    expect(again.page.get_by_text("Batch finished")).to_have_count(1)
    assert len({row["source_id"] for row in home.snapshots()}) == len(home.snapshots()) == all_


def test_whichever_page_is_open_says_what_has_finished(
    dashboard: Dashboard, open_page: Callable[..., Dashboard]
) -> None:
    """A run and a batch, once each, also in a tab that was open before and in which nothing was done."""
    home = dashboard.home
    released: list[str] = []
    idle = open_page()
    idle.open()
    idle.see("46 sources")
    home.provider.behaviour = answering_once(lambda: "run" in released, home.sample.answer)
    dashboard.open_sample()
    for tab in (idle, dashboard):
        tab.page.evaluate(NOTING_TOASTS)  # they do not stay, and one is waited for after the other
    dashboard.generate.click()
    dashboard.see("Generating")
    dashboard.page.get_by_role("link", name="Batch").click()
    dashboard.see("Preview")
    released.append("run")
    eventually(lambda: told(dashboard, "Snapshot saved."))

    def held(exchange: Exchange) -> None:
        exchange.hold(lambda: "batch" in released)
        answering_each(0)(exchange)

    home.provider.behaviour = held
    begin(dashboard)
    dashboard.see("Running")
    dashboard.page.get_by_role("link", name="Sources").click()
    dashboard.see("46 sources")
    released.append("batch")
    for tab in (dashboard, idle):
        eventually(lambda tab=tab: told(tab, "Batch finished"), seconds=30)
    dashboard.page.reload()
    dashboard.see("46 sources")
    dashboard.page.wait_for_timeout(500)
    expect(dashboard.page.get_by_text("Batch finished")).to_have_count(0)


def test_what_failed_is_found(dashboard: Dashboard) -> None:
    """A run that failed outside of any batch is on the page, with its reason and a link to its source."""
    home = dashboard.home
    home.provider.behaviour = refusing(400, "Not [today](http://evil.example)")
    assert home.snapshot().code == 1
    open_batch(dashboard, f"user={USER}")
    expect(dashboard.page.get_by_text("OpenAI API error")).to_have_count(0)
    dashboard.page.get_by_text("Show recently failed runs").click()
    dashboard.see("OpenAI API error (400): Not [today](http:")
    dashboard.page.get_by_role("link", name=home.sample.name).click()
    dashboard.page.get_by_role("heading", name=home.sample.name).wait_for()
    assert f"source={home.sample.source_id}" in dashboard.page.evaluate("location.href")


def test_in_doubt_together_and_one_by_one(dashboard: Dashboard) -> None:
    """Runs with an unknown outcome are resent or canceled, one or several, only after a warning."""
    home = dashboard.home
    home.provider.behaviour = refusing(504, "Gateway time-out")
    open_batch(dashboard)
    begin(dashboard)
    dashboard.see("The provider has not confirmed whether it processed these requests")
    eventually(lambda: batches(home) == ["ended"])
    doubtful = counts(home)["in_doubt"]
    assert len(home.provider.requests) == doubtful
    dashboard.page.get_by_role("button", name="Cancel run").first.click()
    dashboard.see("1 run canceled")
    assert counts(home) == {"in_doubt": doubtful - 1, "cancelled": 1}
    expect(dashboard.page.get_by_role("button", name="Retry").first).to_be_disabled()
    dashboard.page.get_by_role("button", name="Select all").click()
    together = dashboard.page.get_by_role("button", name="Retry 20 selected")
    expect(together).to_be_disabled()
    home.provider.behaviour = answering_each(0)
    dashboard.page.get_by_text("I accept that I may be charged twice").click()
    expect(dashboard.page.get_by_role("button", name="Retry").first).to_be_enabled()
    together.click()
    eventually(lambda: counts(home).get("done", 0) == min(20, doubtful - 1))
    assert len(home.provider.requests) == doubtful + min(20, doubtful - 1)


def test_the_switch_and_the_budgets(home: Home, dashboard: Dashboard) -> None:
    """Sending is switched off on the page and on again; while it is off, every page says so."""
    open_batch(dashboard)
    press(dashboard, "Stop all sending")
    dashboard.see("Sending is off since")
    look(dashboard)
    dashboard.see("Sending is switched off since")
    expect(dashboard.page.get_by_role("button", name="Generate")).to_be_disabled()
    dashboard.open()
    dashboard.see("Sending is off since")
    switched = home.call("switch", "status").fields
    assert (switched["sending"], switched["by"]) == (False, "Sample user 1")
    assert home.call("switch", "on").fields["sending"]
    # Nobody presses anything: the open page refreshes automatically.
    expect(dashboard.page.get_by_text("Sending is off")).to_have_count(0, timeout=60_000)
    assert [each["budget"] for each in home.call("budget").items] == [
        "user_day",
        "user_month",
        "day",
        "month",
    ]
    assert home.provider.requests == []


def test_another_users_batch_is_not_seen(dashboard: Dashboard, open_page: Callable[..., Dashboard]) -> None:
    """Another user's batches and doubts are on no page of mine, and the choice of users outlives a click."""
    home = dashboard.home
    home.provider.behaviour = refusing(504, "Gateway time-out")
    open_batch(dashboard, f"user={OTHER_USER}")
    begin(dashboard)
    dashboard.see("Outcome unknown")
    dashboard.page.get_by_role("link", name="Sources").click()
    dashboard.see("42 sources")
    dashboard.page.reload()
    dashboard.see("42 sources")
    mine = open_page()
    open_batch(mine, f"user={USER}")
    for theirs in ("Batch of", "Outcome unknown", "Cancel run"):
        expect(mine.page.get_by_text(theirs)).to_have_count(0)


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing(open_page: Callable[..., Dashboard], width: int) -> None:
    """The page has no accessibility violation in any of its states, in both themes."""
    tab = open_page(width)
    tab.home.provider.behaviour = answering_each(1)
    open_batch(tab)
    assert_accessible_in_both_schemes(tab.page)
    tab.page.get_by_role("spinbutton", name="Concurrency").fill("2")  # it is not through before it is stopped
    look(tab)
    assert_accessible_in_both_schemes(tab.page)
    tab.page.get_by_role("button", name="Generate").click()
    tab.see("Running")
    assert_accessible_in_both_schemes(tab.page)
    tab.home.provider.behaviour = refusing_each(504, "Gateway time-out")
    press(tab, "Pause")
    tab.see("Paused")
    press(tab, "Resume")
    tab.see("The provider has not confirmed whether it processed these requests")
    press(tab, "Stop")
    tab.see("Stopped")
    tab.page.get_by_text("Show recently failed runs").click()
    press(tab, "Stop all sending")
    tab.see("Resume sending")
    assert_accessible_in_both_schemes(tab.page)
