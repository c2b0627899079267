"""Whether row security holds: found by reading what must not be readable. One request a table, no content."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from secondlook.connections.supabase import Project, session_over
from secondlook.errors import NotSignedIn, SecondlookError, StoreUnavailable
from secondlook.stores.supabase import TOKEN_CODES, Refused, read_rows
from secondlook.telemetry.log import log_failed

TABLES = ("sources", "estimate_buckets", "estimates_normalized", "snapshots")
_HOLDS_SECONDS = 600
_BROKEN_SECONDS = 5


@dataclass(frozen=True)
class _Look:
    at: float
    exposed: tuple[str, ...]
    token: str | None

    def is_old(self) -> bool:
        return time.monotonic() - self.at > (_BROKEN_SECONDS if self.exposed else _HOLDS_SECONDS)


class RowSecurity:
    """Looks, and remembers for a while what it saw.

    Args:
        project: The project, with the key that people use.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._seen: dict[str | None, _Look] = {}

    def verify(self, user_id: str | None = None, token: str | None = None) -> None:
        """Read what a person, or somebody without a session, must not see.

        Args:
            user_id: The person; None reads without a session.
            token: Their access token.

        Raises:
            StoreUnavailable: A table shows other people's rows, or cannot be asked.
            NotSignedIn: The token is not valid any more.
        """
        with self._lock:
            look = self._seen.get(user_id)
        if look is None or look.is_old():
            look = _Look(time.monotonic(), find_exposed(self._project, user_id, token), token)
            with self._lock:
                self._seen[user_id] = look
        if look.exposed:
            raise broken(look.exposed, signed_in=user_id is not None)

    def refuse_if_broken(self) -> None:
        """Refuse everybody where a look has found it broken, until the same look finds it mended.

        Raises:
            StoreUnavailable: A table shows other people's rows, or cannot be asked.
        """
        with self._lock:
            found = [(user_id, look.token) for user_id, look in self._seen.items() if look.exposed]
        for user_id, token in found:
            try:
                self.verify(user_id, token)
            except (
                NotSignedIn
            ):  # nobody can look with this token any more: a later look of somebody else's may
                self._forget_or_refuse(user_id)

    def _forget_or_refuse(self, user_id: str | None) -> None:
        with self._lock:
            look = self._seen.get(user_id)
            if look is None:
                return
            others = (other for user, other in self._seen.items() if user not in {user_id, None})
            if any(other.at > look.at and not other.exposed for other in others):
                self._seen.pop(user_id, None)
                return
        raise broken(look.exposed, signed_in=True)

    @contextmanager
    def watching(self) -> Generator[None]:
        """Look again and again, without a session, while the block runs."""
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(_HOLDS_SECONDS):
                try:
                    self.verify()
                except SecondlookError as error:
                    log_failed("row security", error.code)

        threading.Thread(target=watch, name="secondlook-row-security", daemon=True).start()
        try:
            yield
        finally:
            stop.set()


def find_exposed(project: Project, user_id: str | None, token: str | None) -> tuple[str, ...]:
    """The tables that show rows which are not this person's; without a person, any row at all.

    Raises:
        StoreUnavailable: The project cannot be asked.
        NotSignedIn: The token is not valid any more.
    """
    return tuple(table for table in TABLES if _shows_others(project, table, user_id, token))


def _shows_others(project: Project, table: str, user_id: str | None, token: str | None) -> bool:
    query = project.client(token).table(table)
    if user_id is None:
        rows = query.select("source_id" if table != "sources" else "id").limit(1)
    elif table in {"sources", "snapshots"}:
        rows = query.select("id").neq("user_id", user_id).limit(1)
    else:  # a row whose source cannot be seen is another's
        rows = query.select("source_id,sources(id)").is_("sources", None).limit(1)
    try:
        return bool(read_rows(rows))
    except Refused as refused:
        if refused.sqlstate == "42501":  # no right to read at all
            return False
        if refused.sqlstate in TOKEN_CODES:
            if user_id is None:  # a project that answers nobody without a session
                return False
            raise session_over() from None
        raise


def broken(exposed: tuple[str, ...], *, signed_in: bool) -> StoreUnavailable:
    """The error of tables that show what they must not."""
    whom = "by other people who are signed in" if signed_in else "by anybody, without a session"
    return StoreUnavailable(
        f"Row security is off or too wide: {', '.join(exposed)} can be read {whom}. Nothing is shown",
        hint="Enable row level security and its policies on the project, as in supabase/migrations; "
        "`secondlook check` says when it holds.",
    )
