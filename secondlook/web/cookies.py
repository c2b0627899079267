"""The session cookie: no script can read it, no other site can send it."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import Response

from secondlook.auth.sessions import KEPT_SECONDS

NAME = "secondlook_session"
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


def session_id(connection: HTTPConnection) -> str | None:
    """The session's id that a browser sends."""
    return connection.cookies.get(NAME)


def give(response: Response, connection: HTTPConnection, value: str) -> None:
    """Give a browser its session."""
    response.set_cookie(
        NAME, value, max_age=KEPT_SECONDS, httponly=True, samesite="lax", secure=_secure(connection)
    )


def take(response: Response, connection: HTTPConnection) -> None:
    """Take the session from a browser."""
    response.delete_cookie(NAME, httponly=True, samesite="lax", secure=_secure(connection))


def _secure(connection: HTTPConnection) -> bool:
    # Behind a proxy that ends TLS the scheme reads http: only this machine's own name proves that it is.
    return connection.url.scheme in {"https", "wss"} or connection.url.hostname not in _THIS_MACHINE
