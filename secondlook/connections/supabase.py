"""The Supabase project: one shared HTTP client, and a separate Supabase client for each user.

Clients are never shared between users: requests would use the session of the last one who signed in.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import httpx

from secondlook.errors import NotSignedIn, SecondlookError, StoreUnavailable

if TYPE_CHECKING:
    from supabase import Client

UNREACHABLE = "unreachable"
"""The reason of an error that may be temporary."""

TIMEOUT = httpx.Timeout(10, connect=3)
"""Seconds for each part of a request."""


class Project:
    """A Supabase project, reached with one of its keys.

    Args:
        url: Its address.
        key: A publishable key for people, or a secret key for this process.
    """

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None

    def client(self, token: str | None = None) -> Client:
        """A client for one user.

        Args:
            token: Their access token; None asks with the key alone.
        """
        from supabase import Client, ClientOptions

        options = ClientOptions(
            httpx_client=self._connections(),
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,  # it would block for seconds, and hide what happens
        )
        if token is not None:
            options.headers = {**options.headers, "Authorization": f"Bearer {token}"}
        return Client.create(self.url, self._key, options)

    def _connections(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                self._http = httpx.Client(http2=False, timeout=TIMEOUT, follow_redirects=False)
            return self._http

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._http is not None:
                self._http.close()
            self._http = None


EARLY_SECONDS = 1.0
"""How long to wait before a token is tried once more that is not valid yet by the server's clock."""

_EARLY = re.compile(r"issued at future|used before issued|not valid yet|not yet valid", re.IGNORECASE)


def is_early(words: str) -> bool:
    """Whether a server refuses a token because its clock is behind that of the server that issued it."""
    return _EARLY.search(words) is not None


def clocks_differ() -> SecondlookError:
    """The error of a token that is still not valid yet; the session has not ended."""
    return StoreUnavailable(
        "Supabase does not take the token yet: its clocks differ",
        reason=UNREACHABLE,
        hint="Try again in a moment. Where this stays, set the clocks of the servers.",
    )


def unreachable(error: Exception) -> SecondlookError:
    """The error of a request that brought no answer; the exception's own text may hold an address."""
    what = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "cannot be reached"
    return StoreUnavailable(f"Supabase {what} ({type(error).__name__})", reason=UNREACHABLE)


def session_over() -> NotSignedIn:
    """The error of a token that is expired, forged or revoked."""
    return NotSignedIn("The session has ended", hint="Sign in again; your runs continue then.")
