"""The forms of sign-in, of a served front door in front of a real Supabase."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from dev.local_supabase import Mail, Server
from secondlook.auth.attempts import BY_BOTH, WINDOW_SECONDS
from secondlook.web.cookies import NAME
from tests.supabase.proxy import Behaviour, Proxy, resetting, saying
from tests.supabase_server import NewUser, SupabaseUser
from tests.supabase_server import sign_in as sign_in_elsewhere
from tests.web.serving import WRONG, Served, serving, settings_for, sign_in

NEW = "another-look-at-it"


def said(answer: httpx.Response) -> str:
    """What the page says is wrong, or well."""
    found = re.search(r'role="(?:alert|status)">(.*?)</p>', answer.text, re.DOTALL)
    return "" if found is None else " ".join(html.unescape(re.sub(r"<[^>]+>", "", found[1])).split())


def same_words(first: httpx.Response, second: httpx.Response, *, but: tuple[str, str]) -> bool:
    """Whether two answers differ in nothing but what was typed."""
    bodies = [answer.text.replace(typed, "TYPED") for answer, typed in zip((first, second), but, strict=True)]
    heads = [
        {name: value for name, value in answer.headers.items() if name not in {"date", "content-length"}}
        for answer in (first, second)
    ]
    return bodies[0] == bodies[1] and heads[0] == heads[1] and first.status_code == second.status_code


# -- signing in -----------------------------------------------------------------------------------------


def test_sign_in(door: Served, supabase_user: SupabaseUser) -> None:
    """The right password leads in; the page is the person's own."""
    with door.browser() as browser:
        assert browser.get("/").status_code == 303
        answer = sign_in(browser, supabase_user)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert browser.get("/").status_code == 200
        held = [row for row in door.sessions() if row["user_id"] == supabase_user.user_id]
    assert len(held) == 1
    assert browser.cookies[NAME] not in repr(held)


def test_no_session_is_taken_over(door: Served, supabase_user: SupabaseUser) -> None:
    """Who signs in gets an id of their own, whatever cookie they brought along."""
    with door.browser() as browser:
        browser.cookies.set(NAME, "A" * 43)
        answer = sign_in(browser, supabase_user)
        assert f"{NAME}={'A' * 43}" not in answer.headers["set-cookie"]
    assert door.raw("/", Cookie=f"{NAME}={'A' * 43}").status == 401


def test_wrong_password_and_unknown_address(door: Served, supabase_user: SupabaseUser) -> None:
    """Nothing says which of the two was wrong."""
    stranger = f"{uuid4().hex}@example.com"
    with door.browser() as browser:
        wrong = sign_in(browser, supabase_user, WRONG)
        unknown = browser.post("/auth/sign-in", data={"email": stranger, "password": WRONG, "next": "/"})
    assert wrong.status_code == 401
    assert said(wrong) == "E-mail address or password is wrong. Try again."
    assert same_words(wrong, unknown, but=(supabase_user.email, stranger))
    assert "set-cookie" not in wrong.headers
    assert WRONG not in wrong.text


TYPED = {
    "nothing": {},
    "no-password": {"email": "ana@example.com"},
    "no-email": {"password": "x"},
    "no-address": {"email": "ana", "password": "x"},
    "markup": {"email": '"><script>alert(1)</script>', "password": "x"},
    "nul": {"email": "a\0@example.com", "password": "\0"},
    "long": {"email": "a" * 5000 + "@example.com", "password": "x" * 5000},
    "letters": {"email": "ä@exämple.com", "password": "ü😀"},
}


@pytest.mark.parametrize("form", TYPED.values(), ids=TYPED)
def test_whatever_is_typed(door: Served, form: dict[str, str]) -> None:
    """Nobody comes in by it, it is shown as text, and nothing breaks."""
    with door.browser() as browser:
        answer = browser.post("/auth/sign-in", data=form)
    assert answer.status_code in {401, 422, 503}  # Supabase itself fails at a NUL
    assert said(answer)
    assert "<script>alert" not in answer.text
    assert "Traceback" not in door.logged


def test_files_and_strange_bodies(door: Served) -> None:
    """A form of another kind than the page's is refused in order."""
    with door.browser() as browser:
        answers = [
            browser.post("/auth/sign-in", files={"email": b"x", "password": b"y"}),
            browser.post("/auth/sign-in", json={"email": "x", "password": "y"}),
            browser.post(
                "/auth/sign-in", content=b"\xff\xfe%zz&&=&=", headers={"Content-Type": "text/plain"}
            ),
            browser.post(
                "/auth/sign-in", content=b"--", headers={"Content-Type": "multipart/form-data; boundary=x"}
            ),
            browser.post("/auth/sign-in", content=b"x", headers={"Content-Type": "multipart/form-data"}),
        ]
    assert {answer.status_code for answer in answers} <= {400, 401, 415, 422}
    assert "Traceback" not in door.logged


def test_too_many_tries(door: Served, supabase_user: SupabaseUser, proxy: Proxy) -> None:
    """After too many tries the right password is refused too, and it says until when."""
    with door.browser() as browser:
        for _ in range(BY_BOTH):
            assert sign_in(browser, supabase_user, WRONG).status_code == 401
        asked = len(proxy.asked)
        answer = sign_in(browser, supabase_user)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= WINDOW_SECONDS
        assert said(answer) == "Too many attempts. Try again in 15 minutes."
        assert len(proxy.asked) == asked
        elsewhere = browser.post(
            "/auth/sign-in",
            data={"email": supabase_user.email, "password": supabase_user.password},
            headers={"X-Forwarded-For": "203.0.113.7"},
        )
        assert elsewhere.status_code == 303


def test_too_many_tries_say_nothing_of_the_account(door: Served, supabase_user: SupabaseUser) -> None:
    """An address without an account is closed after as many tries, with the same words."""
    stranger = f"{uuid4().hex}@example.com"
    closed: list[httpx.Response] = []
    with door.browser() as browser:
        for email in (supabase_user.email, stranger):
            for _ in range(BY_BOTH + 1):
                answer = browser.post("/auth/sign-in", data={"email": email, "password": WRONG})
            closed.append(answer)  # pyright: ignore[reportPossiblyUnboundVariable] -- the range is not empty
    assert [answer.status_code for answer in closed] == [429, 429]
    assert said(closed[0]) == said(closed[1])


def test_supabases_own_limit(door: Served, supabase_user: SupabaseUser, proxy: Proxy) -> None:
    """Where Supabase refuses further attempts, the page says so."""
    proxy.spoil(saying("/auth/v1/token", 429, code=429, error_code="over_request_rate_limit", msg="x"))
    with door.browser() as browser:
        answer = sign_in(browser, supabase_user)
    assert answer.status_code in {401, 429}
    assert "Wait a few minutes" in said(answer)


WEATHERS = {
    "down": resetting,
    "500": saying("/auth/v1/token", 500, code=500, msg="Database error at 10.0.0.1"),
    "502": saying("/auth/v1/token", 502, message="Bad gateway"),
    "nonsense": saying("/auth/v1/token", 200, access_token=1),
    "tables-down": saying("/rest/v1/", 503, message="Unavailable"),
}


@pytest.mark.parametrize("weather", WEATHERS.values(), ids=WEATHERS)
def test_supabase_down(door: Served, supabase_user: SupabaseUser, proxy: Proxy, weather: Behaviour) -> None:
    """The page says that it is Supabase; nobody is half signed in, and nothing private is said or logged."""
    proxy.spoil(weather)
    with door.browser() as browser:
        answer = sign_in(browser, supabase_user)
        assert answer.status_code == 503
        assert "Supabase" in said(answer)
        assert "set-cookie" not in answer.headers
        assert "10.0.0.1" not in answer.text
        proxy.mend()
        door.forget_attempts()
        assert sign_in(browser, supabase_user).status_code == 303
    for private in ("Traceback", supabase_user.email, supabase_user.password):
        assert private not in door.logged


def test_nothing_private_is_logged(supabase_server: Server, folder: Path, new_supabase_user: NewUser) -> None:
    """A whole day's sign-ins leave no address, password, token or id in the process's output."""
    person = new_supabase_user()
    with serving(folder, settings_for(supabase_server)) as served:
        with served.browser() as browser:
            sign_in(browser, person, WRONG)
            sign_in(browser, person)
            session_id = browser.cookies[NAME]
            browser.get("/?search=private-word")
            browser.post("/auth/forgot", data={"email": person.email})
            token = mail_for(supabase_server, person).token_hash
            browser.get("/auth/new-password", params={"token_hash": token})
            browser.post("/auth/new-password", data={"token_hash": token, "password": NEW, "again": NEW})
            browser.post("/auth/sign-out")
        served.stop()
        secrets = (person.email, person.password, WRONG, NEW, session_id, token, "private-word", "Traceback")
        assert [secret for secret in secrets if secret in served.logged] == []


# -- signing out ----------------------------------------------------------------------------------------


def test_sign_out(door: Served, supabase_server: Server, supabase_user: SupabaseUser) -> None:
    """The form signs out, takes the cookie and leads to sign-in; Supabase's own session ends too."""
    elsewhere = sign_in_elsewhere(supabase_server, supabase_user)
    with door.signed_in(supabase_user) as browser, door.signed_in(supabase_user) as other:
        assert "<form" in browser.get("/auth/sign-out").text
        answer = browser.post("/auth/sign-out")
        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/sign-in")
        assert NAME not in browser.cookies
        assert browser.get("/").status_code == 303
        assert other.get("/").status_code == 303
    assert supabase_server.ask("GET", "/auth/v1/user", token=elsewhere.access_token).status == 403


def test_the_pages_own_link_signs_out(door: Served, supabase_user: SupabaseUser) -> None:
    """The link in the sidebar signs out at once: the browser says that this site's page sent it."""
    with door.signed_in(supabase_user) as browser:
        answer = browser.get("/auth/sign-out", headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 303
        assert browser.get("/").status_code == 303


def test_signing_out_twice(door: Served, supabase_user: SupabaseUser) -> None:
    """Nobody who signs out is told that they were not signed in."""
    with door.signed_in(supabase_user) as browser:
        held = browser.cookies[NAME]
        browser.post("/auth/sign-out")
        for value in (held, "nonsense"):
            again = browser.post("/auth/sign-out", headers={"Cookie": f"{NAME}={value}"})
            assert again.status_code == 303


# -- a forgotten password -------------------------------------------------------------------------------


def mail_for(server: Server, person: SupabaseUser) -> Mail:
    """The newest mail to somebody."""
    return [mail for mail in server.mails if mail.to == person.email][-1]


def tokens_of(mail: Mail) -> dict[str, str]:
    """What a browser finds in its address when it has followed the mail's link."""
    answer = httpx.get(mail.link, follow_redirects=False, trust_env=False)
    fragment = parse_qs(urlsplit(answer.headers["location"]).fragment)
    return {name: fragment[name][0] for name in ("access_token", "refresh_token")}


def set_password(browser: httpx.Client, password: str = NEW, **link: str) -> httpx.Response:
    """Fill in the form that the link leads to, and send it."""
    return browser.post("/auth/new-password", data={**link, "password": password, "again": password})


@pytest.mark.parametrize("kind", ["fragment", "token_hash"])
def test_forgotten_password(
    door: Served, supabase_server: Server, supabase_user: SupabaseUser, kind: str
) -> None:
    """The mail's link leads to a new password; the old one is refused then, and every session has ended."""
    with door.signed_in(supabase_user) as open_elsewhere, door.browser() as browser:
        sent = browser.post("/auth/forgot", data={"email": supabase_user.email})
        assert sent.status_code == 200
        assert "a mail is on its way" in said(sent)
        mail = mail_for(supabase_server, supabase_user)
        if kind == "fragment":
            link = tokens_of(mail)
        else:
            link = {"token_hash": mail.token_hash}
            page = browser.get("/auth/new-password", params=link)
            assert f'value="{mail.token_hash}"' in page.text
        answer = set_password(browser, **link)
        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/sign-in?changed")
        assert "Your new password is set" in said(browser.get("/auth/sign-in?changed"))
        assert sign_in(browser, supabase_user).status_code == 401
        assert sign_in(browser, supabase_user, NEW).status_code == 303
        again = set_password(browser, "yet-another-look", **link)
        assert again.status_code == 401
        assert sign_in(browser, supabase_user, NEW).status_code == 303
        assert open_elsewhere.get("/").status_code == 303
    answer = supabase_server.ask("GET", "/auth/v1/user", token=supabase_user.access_token)
    assert answer.status == 403


def test_the_link_in_the_mail_leads_here(door: Served, supabase_user: SupabaseUser, proxy: Proxy) -> None:
    """Supabase is asked to lead to the page that sets the password, as the browser knows it."""
    with door.browser() as browser:
        browser.post("/auth/forgot", data={"email": supabase_user.email})
    asked = [each for each in proxy.asked if each.path.startswith("/auth/v1/recover")]
    assert asked[0].values("redirect_to") == [f"{door.url}/auth/new-password"]


def test_no_account_is_told(door: Served, supabase_server: Server, supabase_user: SupabaseUser) -> None:
    """An address with an account and one without get the same answer; only one gets a mail."""
    stranger = f"{uuid4().hex}@example.com"
    with door.browser() as browser:
        known = browser.post("/auth/forgot", data={"email": supabase_user.email})
        unknown = browser.post("/auth/forgot", data={"email": stranger})
    assert same_words(known, unknown, but=(supabase_user.email, stranger))
    assert [mail.to for mail in supabase_server.mails if mail.to in {supabase_user.email, stranger}] == [
        supabase_user.email
    ]


REFUSALS = {
    "429": saying("/auth/v1/recover", 429, code=429, error_code="over_email_send_rate_limit", msg="x"),
    "400": saying("/auth/v1/recover", 400, code=400, error_code="user_not_found", msg="x"),
    "422": saying("/auth/v1/recover", 422, code=422, error_code="email_address_invalid", msg="x"),
    "mail-server": saying(
        "/auth/v1/recover", 500, code=500, error_code="unexpected_failure", msg="Error sending recovery email"
    ),
}


@pytest.mark.parametrize("weather", REFUSALS.values(), ids=REFUSALS)
def test_no_account_is_told_by_a_refusal(door: Served, proxy: Proxy, weather: Behaviour) -> None:
    """What Supabase says of an address that it knows stays here: the answer is that of any address."""
    with door.browser() as browser:
        usual = browser.post("/auth/forgot", data={"email": "nobody@example.com"})
        proxy.spoil(weather)
        refused = browser.post("/auth/forgot", data={"email": "nobody@example.com"})
    assert same_words(usual, refused, but=("x@", "x@"))


def test_too_many_mails(door: Served, supabase_server: Server, supabase_user: SupabaseUser) -> None:
    """One address gets no more mails than a person could want, and the page says when to try again."""
    with door.browser() as browser:
        answers = [
            browser.post("/auth/forgot", data={"email": supabase_user.email}) for _ in range(BY_BOTH + 1)
        ]
    assert [answer.status_code for answer in answers] == [200] * BY_BOTH + [429]
    assert "retry-after" in answers[-1].headers
    assert len([mail for mail in supabase_server.mails if mail.to == supabase_user.email]) <= BY_BOTH


def test_passwords_that_are_not_taken(
    door: Served, supabase_server: Server, supabase_user: SupabaseUser
) -> None:
    """Two that differ, and one that Supabase refuses, can be typed again with the same link."""
    with door.browser() as browser:
        browser.post("/auth/forgot", data={"email": supabase_user.email})
        link = {"token_hash": mail_for(supabase_server, supabase_user).token_hash}
        differ = browser.post("/auth/new-password", data={**link, "password": NEW, "again": f"{NEW}x"})
        assert differ.status_code == 422
        assert "The two passwords differ" in said(differ)
        short = set_password(browser, "x", **hidden(differ))
        assert short.status_code == 422
        assert "6 characters" in said(short)
        assert "x" not in [value for name, value in hidden(short).items() if name == "password"]
        done = set_password(browser, NEW, **hidden(short))
        assert done.status_code == 303, said(done)
        assert sign_in(browser, supabase_user, NEW).status_code == 303


def hidden(answer: httpx.Response) -> dict[str, str]:
    """The form's hidden fields."""
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text))


BROKEN = {
    "nothing": {},
    "token_hash": {"token_hash": "0" * 64},
    "access_token": {"access_token": "x", "refresh_token": "y"},
    "shaped": {"access_token": "e30.e30.e30", "refresh_token": ""},
    "nul": {"token_hash": "\0"},
}


@pytest.mark.parametrize("link", BROKEN.values(), ids=BROKEN)
def test_broken_links(door: Served, link: dict[str, str]) -> None:
    """A link that is used up, cut off or made up leads to the page that sends another."""
    with door.browser() as browser:
        answer = set_password(browser, **link)
    assert answer.status_code in {401, 503}  # Supabase itself fails at a NUL
    assert said(answer)
    assert 'action="/auth/forgot"' in answer.text
    assert "Traceback" not in door.logged


def test_a_link_that_supabase_has_refused(door: Served) -> None:
    """Supabase leads here with an error where the link is too old: the page says so."""
    page = door.raw("/auth/new-password?error=access_denied&error_code=otp_expired")
    assert b"The link is used up or too old" in page.body


def test_another_persons_token_changes_only_theirs(
    door: Served, supabase_server: Server, new_supabase_user: NewUser
) -> None:
    """The password that is set is that of the link's own person, whoever is signed in."""
    ana, ben = new_supabase_user(), new_supabase_user()
    with door.signed_in(ana) as browser:
        browser.post("/auth/forgot", data={"email": ben.email})
        link = {"token_hash": mail_for(supabase_server, ben).token_hash}
        assert set_password(browser, **link).status_code == 303
        assert browser.get("/").status_code == 200  # ana's session is none of theirs
    with door.browser() as browser:
        assert sign_in(browser, ana).status_code == 303
        assert sign_in(browser, ben, NEW).status_code == 303
