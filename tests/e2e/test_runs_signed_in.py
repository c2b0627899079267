"""Whose runs one sees on Supabase: one's own, and as a reviewer everybody's, but no rows of theirs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from dev.local_supabase.people import give_role
from tests.e2e.signed_in import House, Tab
from tests.processes import rows
from tests.web.serving import Served

pytestmark = pytest.mark.browser


def test_own_runs_and_reviewers(house: House, new_tab: Callable[..., Tab], served_site: Served) -> None:
    """Another's run is no run; a reviewer sees it, marks it, and not its source; its owner reads the mark."""
    tab = new_tab(served_site)
    tab.sign_in(house.person, path=f"/?source={house.source_id}")
    tab.generate()
    tab.see("values match the buckets")
    found = rows(
        served_site.data / "ledger.db", "select run_id from runs where user_id = ?", house.person.user_id
    )
    path = f"/runs?run={found[0]['run_id']}"

    stranger = new_tab(served_site)
    stranger.sign_in(house.newcomer("Mine alone"), path="/runs")
    stranger.see("There are no runs yet")
    stranger.open(f"/runs?user={house.person.user_id}")
    stranger.see("No run matches")
    shown: set[str] = set()
    for query in (path, "/runs?run=00000000-0000-4000-8000-00000000ffff", "/runs?run=nonsense"):
        stranger.open(query)
        stranger.see("Invalid run_id: not found")
        stranger.page.wait_for_timeout(300)
        shown.add(stranger.page.locator("body").inner_text())
    assert len(shown) == 1

    somebody = house.newcomer("A reviewer's own")
    give_role(house.site.server, somebody.user_id, "reviewer")
    reviewer = new_tab(served_site)
    reviewer.sign_in(somebody, path=f"/runs?user={house.person.user_id}")
    reviewer.see("1 run.")
    reviewer.open(path)
    reviewer.see("14 of 14 rules passed")
    reviewer.see("The source and the snapshot are in the owner's store")
    expect(reviewer.page.get_by_text(house.name)).to_have_count(0)
    reviewer.page.get_by_text("Pass", exact=True).click()
    reviewer.page.get_by_label("Note").fill("Looked at twice")
    reviewer.page.get_by_role("button", name="Save review").click()
    reviewer.see("Review saved: Pass")

    tab.open(path)
    tab.see("Passed by")
    tab.see("Looked at twice")
    tab.page.get_by_test_id("stMain").get_by_role("link", name=house.name).wait_for()
    expect(tab.page.get_by_role("button", name="Save review")).to_have_count(0)
    tab.open("/runs?review=pass")
    tab.see("1 run.")
