"""A token that is not valid yet, since clocks differ by a second: tried once more, never a session's end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from secondlook.auth.accounts import Accounts
from secondlook.connections.supabase import Project
from secondlook.errors import NotSignedIn, SecondlookError, StoreUnavailable
from secondlook.stores.row_security import RowSecurity
from secondlook.stores.supabase import SupabaseStore
from tests.examples import SOURCE, USER

Answer = tuple[int, object]

EARLY: Answer = (401, {"code": "PGRST303", "message": "JWT issued at future"})
NO_ROWS: Answer = (200, [])
AUTH_EARLY: Answer = (
    403,
    {
        "code": 403,
        "error_code": "bad_jwt",
        "msg": "invalid JWT: token has invalid claims: token used before issued",
    },
)
PERSON: Answer = (
    200,
    {
        "id": USER,
        "aud": "authenticated",
        "email": "a@example.com",
        "app_metadata": {},
        "user_metadata": {},
        "created_at": "2026-01-01T00:00:00Z",
    },
)


@contextmanager
def server(*answers: Answer) -> Generator[tuple[Project, list[str]]]:
    """A project that gives these answers, the last one to every further request, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Give the next answer."""
            status, body = answers[min(len(asked), len(answers) - 1)]
            asked.append(self.path)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        project = Project(f"http://127.0.0.1:{listening.server_port}", "sb_publishable_x")
        try:
            yield project, asked
        finally:
            project.close()
            listening.shutdown()


def early(message: str, code: str = "PGRST303") -> Answer:
    """PostgREST's refusal of a token in these words."""
    return (401, {"code": code, "message": message})


def with_a_session(project: Project) -> object:
    """A page or a bearer of the API."""
    return SupabaseStore(project, lambda: "token").load(SOURCE, USER)


def with_the_key(project: Project) -> object:
    """The command line."""
    return SupabaseStore(project).load(SOURCE, USER)


def verifying(project: Project) -> object:
    """The test of row security before anything is shown."""
    return RowSecurity(project).verify(USER, "token")


def asking_who(project: Project) -> object:
    """Whose bearer it is."""
    return Accounts(project).person("token")


CALLERS = [with_a_session, with_the_key, verifying]


@pytest.mark.parametrize("call", CALLERS, ids=lambda call: call.__name__)
def test_once_is_not_noticed(call: Callable[[Project], object]) -> None:
    """A clock that is a second off: one more request, after about a second."""
    with server(EARLY, NO_ROWS) as (project, asked):
        call(project)
        assert asked[0] == asked[1]


@pytest.mark.parametrize("call", CALLERS, ids=lambda call: call.__name__)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(EARLY, id="issued at future"),
        pytest.param(early("JWT not yet valid"), id="not yet valid"),
        pytest.param(early("JWT issued at future", "PGRST301"), id="an older code"),
    ],
)
def test_twice_is_the_stores_trouble(call: Callable[[Project], object], answer: Answer) -> None:
    """Neither the session's end nor a wrong key: it may be tried again."""
    with server(answer) as (project, asked), pytest.raises(StoreUnavailable) as caught:
        call(project)
    assert caught.value.message == "Supabase does not take the token yet: its clocks differ"
    assert len(asked) == 2


def test_the_same_of_supabase_auth() -> None:
    """Where it says whose token it is."""
    with server(AUTH_EARLY, PERSON) as (project, asked):
        asking_who(project)
        assert len(asked) == 2
    with server(AUTH_EARLY) as (project, asked), pytest.raises(StoreUnavailable, match="clocks differ"):
        asking_who(project)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("call", "answer", "error"),
    [
        pytest.param(with_a_session, early("JWT expired"), NotSignedIn, id="expired"),
        pytest.param(with_a_session, early("JWT not in audience"), NotSignedIn, id="another audience"),
        pytest.param(with_the_key, early("JWT expired"), StoreUnavailable, id="an expired key"),
        pytest.param(
            asking_who, (403, {"error_code": "bad_jwt", "msg": "token is expired"}), NotSignedIn, id="Auth"
        ),
    ],
)
def test_other_refusals_are_as_before(
    call: Callable[[Project], object], answer: Answer, error: type[SecondlookError]
) -> None:
    """Told at once, and not sent again."""
    with server(answer) as (project, asked), pytest.raises(error) as caught:
        call(project)
    assert "clocks" not in caught.value.message
    assert len(asked) == 1
