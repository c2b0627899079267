"""People who sign in, in a real browser, against a real Supabase and an OpenAI-speaking server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from dev.local_supabase.people import give_role
from secondlook.web.cookies import NAME
from tests.e2e.conftest import assert_accessible
from tests.e2e.signed_in import House, Tab
from tests.postgres_server import PostgresServer
from tests.processes import eventually
from tests.provider import answering_once
from tests.web.serving import Served, free_port

pytestmark = pytest.mark.browser

NewTab = Callable[..., Tab]
NEW = "another-look-at-it"


def handshake(served: Served, tab: Tab, session: str) -> int:
    """The status by which the WebSocket is refused to a session."""
    with pytest.raises(InvalidStatus) as refused:
        connect(
            f"{served.url.replace('http', 'ws')}/_stcore/stream",
            origin=Origin(tab.url),
            additional_headers={"Cookie": f"{NAME}={session}"},
            proxy=None,
        )
    return refused.value.response.status_code


def session_of(tab: Tab) -> str:
    """The id in the browser's cookie, which no script can read."""
    held = next(each for each in tab.context.cookies() if each.get("name") == NAME)
    assert (held.get("httpOnly"), held.get("sameSite")) == (True, "Lax")
    assert NAME not in tab.page.evaluate("document.cookie")
    return held.get("value") or ""


def test_signed_in_through_a_restart(house: House, new_tab: NewTab) -> None:
    """A refresh, a second tab and a restarted server leave one signed in; sign-out ends it."""
    port = free_port()
    with house.serving(port=port) as first:
        tab = new_tab(first)
        tab.sign_in(house.person, path=f"/?source={house.source_id}")
        tab.page.get_by_role("heading", name=house.name).wait_for()
        tab.see(house.person.email)
        tab.generate()
        tab.see("values match the buckets")
        tab.page.reload()
        tab.see("values match the buckets")
        second = new_tab(first, beside=tab)
        second.open(f"/?source={house.source_id}")
        second.see("values match the buckets")
    with house.serving(port=port) as again:
        tab.page.reload()
        tab.see("values match the buckets")
        second.see("values match the buckets")
        assert len(house.provider.requests) == 1
        session = session_of(tab)
        tab.sign_out()
        assert handshake(again, tab, session) == 403
        second.page.reload()
        second.page.get_by_role("heading", name="Sign in").wait_for()
        tab.open(f"/?source={house.source_id}")
        tab.page.get_by_role("heading", name="Sign in").wait_for()
        expect(tab.page.get_by_text(house.name)).to_have_count(0)


def test_an_open_page_ends_with_the_session(house: House, new_tab: NewTab, served_site: Served) -> None:
    """A page that is open elsewhere when its person signs out gets nothing any more, and says where to go."""
    tab = new_tab(served_site)
    tab.sign_in(house.person)
    second = new_tab(served_site, beside=tab)
    second.open(f"/?source={house.source_id}")
    second.page.get_by_role("button", name="Generate snapshot").wait_for()
    second.page.get_by_role("heading", name="Buckets").wait_for()  # the last that is drawn
    session = session_of(second)
    tab.sign_out()
    second.generate()
    second.wait_until_cut_off()
    assert handshake(served_site, second, session) == 403
    second.page.wait_for_timeout(1500)
    assert house.provider.requests == []
    second.page.reload()
    second.page.get_by_role("heading", name="Sign in").wait_for()


def test_a_second_replica_knows_the_session(
    house: House, new_tab: NewTab, postgres_server: PostgresServer
) -> None:
    """On a shared ledger, who is signed in at one replica is signed in at the other, and out at both."""
    shared = postgres_server.empty_database()
    with (
        house.serving(SECONDLOOK_LEDGER_URL=shared) as first,
        house.serving(SECONDLOOK_LEDGER_URL=shared) as other,
    ):
        tab = new_tab(first)
        tab.sign_in(house.person, path=f"/?source={house.source_id}")
        tab.generate()
        tab.see("values match the buckets")
        there = new_tab(other, beside=tab)
        there.open(f"/?source={house.source_id}")  # cookies do not know ports
        there.see("values match the buckets")
        session = session_of(there)
        there.sign_out()
        assert handshake(first, tab, session) == 403
        assert len(house.provider.requests) == 1


def test_signing_out_during_a_call(house: House, new_tab: NewTab, served_site: Served) -> None:
    """The answer to a call that was out is kept, and its run is finished at the next sign-in: one call."""
    release: list[bool] = []
    house.provider.behaviour = answering_once(lambda: bool(release), house.answer)
    tab = new_tab(served_site)
    tab.sign_in(house.person, path=f"/?source={house.source_id}")
    tab.generate()
    eventually(lambda: len(house.provider.requests) == 1, seconds=60)
    tab.sign_out()
    release.append(True)
    eventually(lambda: house.statuses(served_site) == ["answered"])
    tab.sign_in(house.person, path=f"/?source={house.source_id}")
    tab.see("values match the buckets")
    assert house.statuses(served_site) == ["done"]
    assert len(house.provider.requests) == len(house.snapshots()) == 1


def test_another_persons_source(house: House, new_tab: NewTab, served_site: Served) -> None:
    """Another's source by its address shows exactly what an unknown id shows."""
    stranger = house.newcomer("Mine alone")
    tab = new_tab(served_site)
    tab.sign_in(stranger)
    tab.see("1 source")
    shown: list[str] = []
    for source in (house.source_id, "00000000-0000-4000-8000-00000000ffff"):
        tab.open(f"/?source={source}")
        tab.see("Invalid source_id: not found")
        tab.page.wait_for_timeout(300)
        shown.append(tab.page.locator("body").inner_text())
    assert shown[0] == shown[1]
    assert house.name not in shown[0]
    assert house.provider.requests == []


def test_forgotten_password(house: House, new_tab: NewTab, served_site: Served) -> None:
    """The mail's link leads to the form, the tokens leave the address, and the new password is the one."""
    tab = new_tab(served_site)
    tab.open()
    tab.page.get_by_role("link", name="Forgot your password?").click()
    tab.page.get_by_label("E-mail address").fill(house.person.email)
    tab.page.get_by_role("button", name="Send the mail").click()
    tab.see("a mail is on its way")
    mail = next(mail for mail in house.site.server.mails if mail.to == house.person.email)
    tab.page.goto(mail.link)
    tab.page.get_by_role("heading", name="Set a new password").wait_for()
    assert tab.page.url == f"{served_site.url}/auth/new-password"
    tab.page.get_by_label("New password").fill(NEW)
    tab.page.get_by_label("The same again").fill(NEW)
    tab.page.get_by_role("button", name="Set the password").click()
    tab.see("Your new password is set")
    tab.page.get_by_label("E-mail address").fill(house.person.email)
    tab.page.get_by_label("Password").fill(house.person.password)
    tab.page.get_by_role("button", name="Sign in").click()
    tab.see("E-mail address or password is wrong")
    tab.sign_in(house.person, NEW)
    tab.see("1 source")
    again = new_tab(served_site)
    again.page.goto(mail.link)
    again.see("The link is used up or too old")


def test_a_link_that_leads_home(house: House, new_tab: NewTab) -> None:
    """Where Supabase leads to the site's own address, the tokens find their way to the form."""
    with house.serving(SECONDLOOK_PUBLIC_URL="http://127.0.0.1:1/not-allowed") as served:
        tab = new_tab(served)
        tab.open("/auth/forgot")
        tab.page.get_by_label("E-mail address").fill(house.person.email)
        tab.page.get_by_role("button", name="Send the mail").click()
        tab.see("a mail is on its way")
        mail = next(mail for mail in house.site.server.mails if mail.to == house.person.email)
        tab.page.goto(mail.link)
        tab.page.get_by_role("heading", name="Set a new password").wait_for()
        expect(tab.page.get_by_label("New password")).to_be_visible()
        assert "access_token" not in tab.page.url


def test_without_a_key(house: House, new_tab: NewTab) -> None:
    """Without a key the button is off and the page says why: on Supabase nothing is made up."""
    with house.serving(OPENAI_API_KEY="", SECONDLOOK_AGENT="auto") as served:
        tab = new_tab(served)
        tab.sign_in(house.person, path=f"/?source={house.source_id}")
        tab.see("OPENAI_API_KEY")
        expect(tab.page.get_by_role("button", name="Generate snapshot")).to_be_disabled()


def test_a_reviewer_is_marked(house: House, new_tab: NewTab, served_site: Served) -> None:
    """Who may see other people's runs sees that they may; others do not."""
    reviewer = house.newcomer("A reviewer's own")
    give_role(house.site.server, reviewer.user_id, "reviewer")
    tab = new_tab(served_site)
    tab.sign_in(reviewer)
    tab.see("1 source")
    tab.page.locator(".stMarkdownBadge").get_by_text("Reviewer").wait_for()
    expect(tab.page.get_by_text(house.name)).to_have_count(0)
    other = new_tab(served_site)
    other.sign_in(house.person)
    other.see("1 source")
    expect(other.page.locator(".stMarkdownBadge").get_by_text("Reviewer")).to_have_count(0)


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(
    house: House, new_tab: NewTab, served_site: Served, color_scheme: str, width: int
) -> None:
    """The pages of sign-in, as they open and as they refuse, have no accessibility violation."""
    tab = new_tab(served_site, color_scheme=color_scheme, width=width)

    def look() -> None:
        assert_accessible(tab.page)
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    for path in (
        *("/auth/sign-in", "/auth/sign-in?changed", "/auth/forgot", "/auth/new-password?token_hash=x"),
        *("/auth/new-password", "/auth/new-password?error=access_denied", "/auth/sign-out"),
    ):
        tab.open(path)
        look()
    tab.sign_in(house.person, "wrong-password")
    tab.see("E-mail address or password is wrong")
    look()
    tab.open("/auth/forgot")
    tab.page.get_by_label("E-mail address").fill("nobody@example.com")
    tab.page.keyboard.press("Enter")
    tab.see("a mail is on its way")
    look()
    tab.sign_in(house.person)
    tab.see("1 source")
    tab.page.wait_for_timeout(500)
    look()


def test_keyboard_alone(house: House, new_tab: NewTab, served_site: Served) -> None:
    """Without a mouse one signs in, meets a refusal, and signs out; the focus is always to be seen."""
    tab = new_tab(served_site)
    keys = tab.page.keyboard
    tab.open()
    expect(tab.page.get_by_label("E-mail address")).to_be_focused()
    keys.type(house.person.email)
    keys.press("Tab")
    expect(tab.page.get_by_label("Password")).to_be_focused()
    keys.type("wrong-password")
    keys.press("Enter")
    tab.see("E-mail address or password is wrong")
    expect(tab.page.get_by_label("Password")).to_be_focused()
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert tab.page.evaluate(outline) != "none"
    keys.type(house.person.password)
    keys.press("Tab")
    expect(tab.page.get_by_role("button", name="Sign in")).to_be_focused()
    keys.press("Space")
    tab.see("1 source")
    tab.open("/auth/sign-out")
    keys.press("Tab")
    expect(tab.page.get_by_role("button", name="Sign out")).to_be_focused()
    keys.press("Enter")
    tab.page.get_by_role("heading", name="Sign in").wait_for()
