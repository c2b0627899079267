"""The gate of a served front door: who gets past it, and what leaves with every answer."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.testing.v1 import AppTest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection
from websockets.typing import Origin, Subprotocol

from dev.local_supabase import Server
from secondlook.dashboard import resources
from secondlook.web.cookies import NAME
from secondlook.web.gate import MAX_BODY_BYTES
from tests.processes import ROOT
from tests.supabase.proxy import Proxy, resetting
from tests.supabase_server import NewUser, SupabaseTables, SupabaseUser
from tests.web.serving import Served, cookie, serving, settings_for, sign_in

EVIL = "https://evil.example"
CLOSED = 4401

BEHIND = (
    *("/", "/sources", "/Sources", "/index.html", "/favicon.png", "/static/js/index.js"),
    *("/static/../index.html", "/_stcore/stream", "/_stcore/host-config"),
    *("/_stcore/allowed-message-origins", "/_stcore/upload_file/a/b", "/_stcore/script-health-check"),
    *("/_stcore/metrics", "/media/0123456789abcdef.json", "/component/some.component/index.html"),
    *("/app/static/x", "/_stcore/agent/openapi.json", "/_stcore/agent/interact", "/_stcore/agent/mcp"),
    *("/openapi.json", "/docs", "/api", "/auth", "//", "///auth/sign-in", "//auth/sign-in"),
    *("/./auth/../index.html", "/AUTH/../index.html", "/Auth/sign-in", "/%61uth", "/healthz/"),
    *("/healthz/../index.html", "/healthz/%2e%2e/index.html", "/healthz..%2findex.html", "/healthzz"),
    *("/readyz/../_stcore/host-config", "/readyz;/x", "/_stcore/health/../host-config"),
    *("/_stcore/health%2f..%2fhost-config", "/_stcore/healthz", "/%5cauth/sign-in", "/index.html?/auth/"),
    *("/?next=/auth/sign-in", "/;/auth/", "*"),
)
"""What a browser without a session must not get, however it is written."""

INTO_OPEN_TREES = (
    *("/auth/../index.html", "/auth/../_stcore/host-config", "/auth/%2e%2e/index.html"),
    *("/auth/%2E%2E/media/x", "/auth/..%2findex.html", "/auth%2f..%2findex.html", "/auth/..%5cindex.html"),
    *("/auth/./../index.html", "/auth//../index.html", "/auth/%2e%2e%2f_stcore%2fhost-config"),
    *("/auth/index.html", "/auth/static/../../index.html", "/auth/%3f/../../index.html"),
    *("/api/../index.html", "/api/..%2f..%2findex.html", "/api/../_stcore/host-config"),
    "/api/%2e%2e/media/x",
)
"""Written as if it lay below a path that is open, and meant to come out elsewhere."""


def _ids(paths: tuple[str, ...]) -> list[str]:
    return [path.replace("/", "|") for path in paths]


# -- HTTP -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", BEHIND, ids=_ids(BEHIND))
def test_nothing_without_a_session(door: Served, path: str) -> None:
    """A browser is sent to sign in, a program is refused; with a forged session it is the same."""
    for headers in ({}, {"Cookie": f"{NAME}={'A' * 43}"}, {"Cookie": f"{NAME}="}):
        page = door.raw(path, Accept="text/html", **headers)
        assert page.status == 303, page
        target = urlsplit(page.headers["location"])
        assert (target.scheme, target.netloc, target.path) == ("", "", "/auth/sign-in")
        assert page.body == b""
        program = door.raw(path, **headers)
        assert program.status == 401
        if path == "/_stcore/host-config":  # what an open page shows of it is read by a person
            assert program.body == b"You are signed out. Reload the page to sign in."
        else:
            assert json.loads(program.body)["code"] == "not_signed_in"


@pytest.mark.parametrize("path", INTO_OPEN_TREES, ids=_ids(INTO_OPEN_TREES))
def test_an_open_path_leads_nowhere_else(door: Served, path: str) -> None:
    """Nothing is served around the gate by a path that begins with an open one."""
    answer = door.raw(path, Accept="text/html")
    assert answer.status in {303, 400, 401, 404, 405}, answer
    assert b"<title>Streamlit" not in answer.body
    assert b"allowedOrigins" not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "NONSENSE"])
@pytest.mark.parametrize(
    "path", ["/", "/_stcore/upload_file/a/b", "/media/x"], ids=["page", "upload", "media"]
)
def test_no_method_passes(door: Served, method: str, path: str) -> None:
    """The gate looks at every method."""
    assert door.raw(path, method=method, body=b"" if method == "POST" else None).status in {400, 401}


def test_an_ended_session_opens_nothing(door: Served, supabase_user: SupabaseUser) -> None:
    """The cookie of a session that has ended is worth as much as none."""
    with door.signed_in(supabase_user) as browser:
        held = cookie(browser)
        assert door.raw("/", **held).status == 200
        assert door.raw("/_stcore/host-config", **held).status == 200
        assert browser.post("/auth/sign-out").status_code == 303
    for path in BEHIND[:16]:
        assert door.raw(path, **held).status == 401
    assert _refused(door, **held) == 403


@pytest.mark.parametrize(
    "host", ["localhost/auth/x?", "evil.example/auth/", "a@b/auth/x#", "", "[::1", "x y", "\xff"], ids=repr
)
def test_the_host_header_opens_nothing(door: Served, host: str) -> None:
    """What a client says in its Host header does not change which path is asked for."""
    assert door.raw("/_stcore/host-config", Host=host).status in {400, 401}
    assert door.raw("/", Host=host, Accept="text/html").status in {303, 400}


@pytest.mark.parametrize(
    "header", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Path"]
)
def test_no_header_changes_the_path(door: Served, header: str) -> None:
    """A path in a header is no path."""
    assert door.raw("/_stcore/host-config", **{header: "/auth/sign-in"}).status == 401


def test_an_address_that_is_no_text(door: Served) -> None:
    """Bytes that are no UTF-8 in the path or the query are refused like anything else."""
    for target in (b"/\xff", b"/?x=\xff", b"/%ff", b"/?x=%ff", b"/auth/sign-in?next=\xff", b"/auth/\xff"):
        with socket.create_connection(("localhost", int(door.url.rsplit(":", 1)[1])), timeout=20) as wire:
            wire.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while more := wire.recv(65536):
                answer += more
        assert answer.split(b" ")[1] in {b"200", b"400", b"401", b"404"}, (target, answer[:300])
    assert "Traceback" not in door.logged


OPEN = ("/healthz", "/readyz", "/_stcore/health", "/auth/sign-in", "/auth/forgot", "/auth/new-password")


@pytest.mark.parametrize("path", OPEN, ids=_ids(OPEN))
def test_what_is_open(door: Served, path: str) -> None:
    """Health and the pages of sign-in need no session."""
    assert door.raw(path).status == 200


def test_security_headers(door: Served, supabase_user: SupabaseUser) -> None:
    """Every answer forbids frames and third-party scripts, and gives no address away."""
    with door.signed_in(supabase_user) as browser:
        paths = (
            *("/", "/auth/sign-in", "/auth/sign-out", "/healthz", "/api/sources", "/_stcore/host-config"),
            "/none",
        )
        answers = [browser.get(path) for path in paths]
        answers.append(browser.post("/auth/sign-in", headers={"Origin": EVIL}))
    with door.browser() as stranger:
        answers.append(stranger.get("/"))
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "object-src 'none'" in policy
        scripts = next(part for part in policy.split(";") if part.strip().startswith("script-src "))
        assert "unsafe-inline" not in scripts
        assert "'unsafe-eval'" not in scripts
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] in {"same-origin", "no-referrer"}
        assert "access-control-allow-origin" not in answer.headers


# -- where sign-in leads --------------------------------------------------------------------------------

ELSEWHERE = (
    *("//evil.example", "///evil.example", "////evil.example", r"/\evil.example", r"\\evil.example"),
    *(r"\/evil.example", "https://evil.example", "https:evil.example", "http:///evil.example"),
    *("HtTp://evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example", "@evil.example"),
    *(".evil.example", " //evil.example", "\t//evil.example", "/\t/evil.example", "/\n/evil.example"),
    *("/\r\n/evil.example", "/x\r\nSet-Cookie: a=b", "/\x00/evil.example", "\u3000//evil.example"),
    *("/\u2028/evil.example", ""),
)


@pytest.mark.parametrize("to", ELSEWHERE, ids=range(len(ELSEWHERE)))
def test_no_open_redirect(door: Served, supabase_user: SupabaseUser, to: str) -> None:
    """Sign-in leads to a page of this site, whatever `next` says, in the address or in the form."""
    with door.browser() as browser:
        form = browser.get("/auth/sign-in", params={"next": to})
        assert form.status_code == 200
        assert 'name="next" value="/"' in form.text
        answer = sign_in(browser, supabase_user, to=to)
    assert answer.status_code == 303
    landed = httpx.URL(f"{door.url}/auth/sign-in").join(answer.headers["location"])
    assert landed == httpx.URL(f"{door.url}/")
    assert answer.headers.get_list("set-cookie", split_commas=False)[0].startswith(NAME)


OWN = ("/?source=1&search=a+b", "/sources", "/?search=caf%C3%A9", "/?next=//evil.example")


@pytest.mark.parametrize("to", OWN, ids=_ids(OWN))
def test_sign_in_leads_back(door: Served, supabase_user: SupabaseUser, to: str) -> None:
    """Who was sent to sign in comes back to the page that they asked for, with its query."""
    with door.browser() as browser:
        sent = browser.get(to)
        named = parse_qs(urlsplit(sent.headers["location"]).query)["next"][0]
        assert named == to
        answer = sign_in(browser, supabase_user, to=named)
    assert answer.headers["location"] == to


# -- other sites ----------------------------------------------------------------------------------------

OTHER_ORIGINS = {
    "other": EVIL,
    "null": "null",
    "empty": "",
    "file": "file://",
    "port": "http://localhost:1",
    "prefix": "http://localhost.evil.example",
    "user": "http://localhost@evil.example",
}
FORMS = ("/auth/sign-in", "/auth/sign-out", "/auth/forgot", "/auth/new-password")


@pytest.mark.parametrize("origin", OTHER_ORIGINS.values(), ids=OTHER_ORIGINS)
@pytest.mark.parametrize("path", FORMS, ids=_ids(FORMS))
def test_forms_of_other_sites(door: Served, supabase_user: SupabaseUser, path: str, origin: str) -> None:
    """A form that another site's page sends is refused before anything is done."""
    with door.signed_in(supabase_user) as browser:
        form = {"email": supabase_user.email, "password": supabase_user.password}
        answer = browser.post(path, data=form, headers={"Origin": origin})
        assert answer.status_code == 422
        assert answer.json()["reason"] == "origin"
        assert "set-cookie" not in answer.headers
        assert browser.get("/").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_forms_without_an_origin(door: Served, supabase_user: SupabaseUser, site: str) -> None:
    """A browser that names no origin still says that another site's page asks."""
    with door.browser() as browser:
        del browser.headers["Origin"]
        form = {"email": supabase_user.email, "password": supabase_user.password}
        answer = browser.post("/auth/sign-in", data=form, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 422


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
def test_only_a_form_signs_out(door: Served, supabase_user: SupabaseUser, method: str) -> None:
    """No other method than POST ends a session: they are not asked where they come from."""
    with door.signed_in(supabase_user) as browser:
        answer = browser.request(method, "/auth/sign-out", headers={"Origin": EVIL})
        assert answer.status_code in {200, 405, 422}
        assert browser.get("/").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_a_link_elsewhere_only_asks(door: Served, supabase_user: SupabaseUser, site: str | None) -> None:
    """A link to sign-out on another site's page leads to the question, and signs nobody out."""
    with door.signed_in(supabase_user) as browser:
        del browser.headers["Origin"]
        headers = {} if site is None else {"Sec-Fetch-Site": site}
        answer = browser.get("/auth/sign-out", headers=headers)
        assert answer.status_code == 200
        assert "<form" in answer.text
        assert browser.get("/").status_code == 200


# -- long bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*FORMS, "/api/snapshots"], ids=_ids((*FORMS, "/api/snapshots")))
def test_long_bodies(door: Served, path: str) -> None:
    """A body that nobody needs is refused, whether its length is told or not, and nothing breaks."""
    long = b"email=" + b"x" * MAX_BODY_BYTES
    kind = "application/json" if path.startswith("/api") else "application/x-www-form-urlencoded"
    with door.browser(Content_Type=kind) as browser:
        assert browser.post(path, content=long).status_code == 413
        chunks = (long[at : at + 8192] for at in range(0, len(long), 8192))
        try:
            status = browser.post(path, content=chunks).status_code
        except httpx.TransportError:
            status = 0  # cut off
        read = path != "/auth/sign-out"  # which takes nothing from its body
        assert status in ({0, 400, 401, 413} if read else {0, 303, 413}), status
    assert door.raw(path, method="POST", Content_Length="nonsense", Origin=door.url).status in {400, 413}
    assert "Traceback" not in door.logged


# -- cookies --------------------------------------------------------------------------------------------


def _set_cookie(answer: httpx.Response) -> set[str]:
    return {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}


PLACES: dict[str, tuple[dict[str, str], bool]] = {
    "localhost": ({}, False),
    "127.0.0.1": ({"Host": "127.0.0.1:8501", "Origin": "http://127.0.0.1:8501"}, False),
    "another-name": ({"Host": "looks.example", "Origin": "http://looks.example"}, True),
    "localhost-like": ({"Host": "localhost.evil.example", "Origin": "http://localhost.evil.example"}, True),
    "behind-tls": ({"X-Forwarded-Proto": "https"}, True),
}


@pytest.mark.parametrize(("headers", "secure"), PLACES.values(), ids=PLACES)
def test_cookies(door: Served, supabase_user: SupabaseUser, headers: dict[str, str], secure: bool) -> None:
    """No script reads the cookie, no other site sends it, and it leaves this machine over TLS alone."""
    with door.browser() as browser:
        form = {"email": supabase_user.email, "password": supabase_user.password}
        given = browser.post("/auth/sign-in", data=form, headers=headers)
        assert given.status_code == 303
        flags = _set_cookie(given)
        assert {"httponly", "samesite=lax", "path=/"} <= flags
        assert ("secure" in flags) is secure
        assert not any(flag.startswith("domain") for flag in flags)
        value = given.headers["set-cookie"].split(";")[0]
        taken = browser.post("/auth/sign-out", headers={**headers, "Cookie": value})
        assert taken.status_code == 303
        assert "max-age=0" in _set_cookie(taken)
        assert ("secure" in _set_cookie(taken)) is secure


# -- the WebSocket --------------------------------------------------------------------------------------


def _connect(door: Served, path: str = "/_stcore/stream", **headers: str) -> ClientConnection:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    origin = named.pop("Origin", door.url)
    return connect(
        door.url.replace("http", "ws") + path,
        origin=Origin(origin),
        additional_headers=named,
        subprotocols=[Subprotocol("streamlit")],
        open_timeout=20,
        close_timeout=5,
        max_size=None,
        proxy=None,
        compression=None,
    )


def _refused(door: Served, path: str = "/_stcore/stream", **headers: str) -> int:
    with pytest.raises(InvalidStatus) as refused:
        _connect(door, path, **headers)
    return refused.value.response.status_code


STREAMS = (
    *("/_stcore/stream", "/", "/_stcore//stream", "/auth/../_stcore/stream", "/auth/sign-in", "/api/x"),
    "/healthz",
)


@pytest.mark.parametrize("path", STREAMS, ids=_ids(STREAMS))
def test_no_websocket_without_a_session(door: Served, path: str) -> None:
    """The handshake is refused by 403, on whatever path."""
    assert _refused(door, path) == 403
    assert _refused(door, path, Cookie=f"{NAME}={'A' * 43}") == 403


@pytest.mark.parametrize("origin", OTHER_ORIGINS.values(), ids=OTHER_ORIGINS)
def test_no_websocket_from_another_site(door: Served, supabase_user: SupabaseUser, origin: str) -> None:
    """A page of another site opens none, even with the cookie."""
    with door.signed_in(supabase_user) as browser:
        assert _refused(door, Origin=origin, **cookie(browser)) == 403


def _rerun() -> bytes:
    message = BackMsg()
    message.rerun_script.query_string = ""
    return message.SerializeToString()


def _drain(stream: Connection, quiet: float = 1.0) -> bytes:
    """What comes until nothing has come for a while."""
    came = b""
    while True:
        try:
            message = stream.recv(timeout=quiet)
        except TimeoutError:
            return came
        came += message if isinstance(message, bytes) else message.encode()


def test_an_open_websocket_ends_with_its_session(
    door: Served, supabase_user: SupabaseUser, supabase_tables: SupabaseTables
) -> None:
    """A page that is open when the session ends gets nothing more: it is closed when it asks."""
    source = "11111111-2222-4333-8444-555555555555"
    supabase_tables.add_source(source, user_id=supabase_user.user_id, name="Something of mine")
    with door.signed_in(supabase_user) as browser, door.signed_in(supabase_user) as elsewhere:
        with _connect(door, **cookie(browser)) as stream:
            stream.send(_rerun())
            assert b"Something of mine" in _drain(stream, 3)
            elsewhere.post("/auth/sign-out")
            assert _drain(stream) == b""
            stream.send(_rerun())
            with pytest.raises(ConnectionClosed) as closed:
                stream.recv(timeout=20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CLOSED


# -- the embedded store ---------------------------------------------------------------------------------


def test_the_embedded_store_is_open(embedded_door: Served) -> None:
    """Without Supabase nobody can sign in: everything is open, and sign-in leads home."""
    for path in ("/", "/_stcore/host-config", "/healthz", "/readyz"):
        assert embedded_door.raw(path).status == 200
    answer = embedded_door.raw("/auth/sign-in?next=/x")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    with _connect(embedded_door) as stream:
        stream.send(_rerun())
        assert b"Sources" in _drain(stream, 3)
    assert _refused(embedded_door, Origin=EVIL) == 403


@pytest.mark.parametrize("path", FORMS, ids=_ids(FORMS))
def test_the_embedded_store_has_no_sign_in(embedded_door: Served, path: str) -> None:
    """Whatever is sent to its forms, nobody is signed in and nothing breaks."""
    embedded_door.begin()
    form = {"email": "ana@example.com", "password": "x", "again": "x", "access_token": "x"}
    with embedded_door.browser() as browser:
        answers = [browser.get(path), browser.post(path, data=form)]
    for answer in answers:
        assert answer.status_code < 500 or answer.status_code == 503
        assert "SUPABASE_URL is" not in answer.text  # it is not set
        assert f"{NAME}=" not in answer.headers.get("set-cookie", "").replace(f'{NAME}=""', "")
    assert "Traceback" not in embedded_door.logged


# -- health ---------------------------------------------------------------------------------------------


def test_health(door: Served) -> None:
    """A well process says so, part by part, and says it anew each time."""
    alive, ready = door.raw("/healthz"), door.raw("/readyz")
    assert (alive.status, json.loads(alive.body)) == (200, {"alive": True})
    assert ready.status == 200
    assert json.loads(ready.body) == {"ready": True, "settings": "ok", "store": "ok", "ledger": "ok"}
    assert alive.headers["cache-control"] == ready.headers["cache-control"] == "no-store"


def test_not_ready_without_a_store(supabase_server: Server, proxy: Proxy, folder: Path) -> None:
    """A process whose Supabase is gone is alive, not ready, and names the part alone; later it is ready."""
    with serving(folder, settings_for(supabase_server, proxy)) as served:
        proxy.spoil(resetting)
        _wait_for(served, 503)
        answer = served.raw("/readyz")
        assert json.loads(answer.body) == {
            "ready": False,
            "settings": "ok",
            "store": "store_unavailable",
            "ledger": "ok",
        }
        assert served.raw("/healthz").status == 200
        proxy.mend()
        _wait_for(served, 200)


def test_not_ready_without_a_ledger(supabase_server: Server, folder: Path) -> None:
    """A ledger that cannot be read is named; no session is found then, and nothing else breaks."""
    with serving(folder, settings_for(supabase_server)) as served:
        for file in served.data.glob("ledger.db*"):
            file.unlink()
        (served.data / "ledger.db").write_bytes(b"this is no database" * 100)
        _wait_for(served, 503)
        found = json.loads(served.raw("/readyz").body)
        assert found == {"ready": False, "settings": "ok", "store": "ok", "ledger": "ledger_unavailable"}
        assert served.raw("/healthz").status == 200
        refused = served.raw("/", Accept="text/html", Cookie=f"{NAME}={'A' * 43}")
        assert refused.status == 503
        assert "Traceback" not in served.logged


def test_settings_that_are_not_usable(folder: Path) -> None:
    """Under another server than `secondlook serve`, a wrong setting is said where people look."""
    uvicorn = ("-m", "uvicorn", "app:app", "--app-dir", str(ROOT), "--port", "{port}")
    settings = {"SUPABASE_URL": "nonsense", "SUPABASE_KEY": "sb_publishable_x"}
    with serving(folder, settings, arguments=uvicorn) as served:
        ready = served.raw("/readyz")
        assert (ready.status, json.loads(ready.body)) == (
            503,
            {"ready": False, "settings": "setting_invalid"},
        )
        assert served.raw("/").status == 200  # the page says what is wrong
        for path in FORMS:
            for answer in (served.raw(path), served.raw(path, method="POST", body=b"", Origin=served.url)):
                assert answer.status < 500 or answer.status == 503, (path, answer)
        assert "Traceback" not in served.logged


def _wait_for(served: Served, status: int) -> None:
    end = time.monotonic() + 20
    while served.raw("/readyz").status != status:
        assert time.monotonic() < end
        time.sleep(0.2)


# -- the pages' own guard -------------------------------------------------------------------------------


@contextmanager
def _fresh_resources() -> Generator[None]:
    resources.clear()
    try:
        yield
    finally:
        resources.clear()


PAGES = {"page": ROOT / "pages" / "sources.py", "main": ROOT / "secondlook" / "dashboard" / "main.py"}


@pytest.mark.parametrize("script", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("cookies", [{}, {NAME: "A" * 43}], ids=["none", "forged"])
def test_pages_guard_themselves(
    monkeypatch: pytest.MonkeyPatch,
    supabase_server: Server,
    supabase_tables: SupabaseTables,
    new_supabase_user: NewUser,
    script: Path,
    cookies: dict[str, str],
) -> None:
    """A page that is run without a session, as if the gate were not there, draws nothing of anybody."""
    person = new_supabase_user()
    source = "11111111-2222-4333-8444-555555555555"
    supabase_tables.add_source(source, user_id=person.user_id, name="Something of mine")
    for name, value in settings_for(supabase_server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.cookies", cookies)
    with _fresh_resources():
        test = AppTest.from_file(script, default_timeout=30)
        test.query_params["source"] = source
        test.query_params["user"] = person.user_id
        test.session_state["user"] = person.user_id
        test.run()
        shown = repr(test.main) + repr(test.sidebar)
        said = [each.value for each in (*test.error, *test.exception)]
    assert any("Nobody is signed in" in text for text in said), said
    for private in ("Something of mine", person.email, person.user_id, "Generate snapshot", "1 source"):
        assert private not in shown.replace(f"'{person.user_id}'", "")
    assert len(test.title) == len(test.dataframe) == len(test.button) == 0
