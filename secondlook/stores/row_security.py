"""Whether row security holds: found by reading what must not be readable. One request a table, no content."""

from __future__ import annotations

import threading
import time

from secondlook.errors import NotSignedIn, StoreUnavailable
from secondlook.project import Project
from secondlook.stores.supabase import Refused, read_rows

TABLES = ("sources", "estimate_buckets", "estimates_normalized", "snapshots")
_HOLDS_SECONDS = 600
_BROKEN_SECONDS = 5


class RowSecurity:
    """Looks, and remembers for a while what it saw.

    Args:
        project: The project, with the key that people use.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._seen: dict[str | None, tuple[float, tuple[str, ...]]] = {}

    def verify(self, user_id: str | None = None, token: str | None = None) -> None:
        """Read what a person, or somebody without a session, must not see.

        Args:
            user_id: The person; None reads without a session.
            token: Their access token.

        Raises:
            StoreUnavailable: A table shows other people's rows, or cannot be asked.
        """
        with self._lock:
            at, exposed = self._seen.get(user_id, (0.0, None))
        if exposed is None or time.monotonic() - at > (_BROKEN_SECONDS if exposed else _HOLDS_SECONDS):
            exposed = find_exposed(self._project, user_id, token)
            with self._lock:
                self._seen[user_id] = (time.monotonic(), exposed)
        if exposed:
            raise broken(exposed, signed_in=user_id is not None)

    def refuse_if_broken(self) -> None:
        """Refuse where a look has found it broken; somebody's next look may find it mended.

        Raises:
            StoreUnavailable: A table shows other people's rows.
        """
        with self._lock:
            broken_for = [(user, exposed) for user, (_, exposed) in self._seen.items() if exposed]
        for user, exposed in broken_for:
            if user is not None:
                raise broken(exposed, signed_in=True)
            self.verify()


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
        return bool(read_rows(rows.execute))
    except Refused as refused:
        if refused.sqlstate == "42501":  # no right to read at all
            return False
        raise
    except NotSignedIn:
        if user_id is None:  # a project that answers nobody without a session
            return False
        raise


def broken(exposed: tuple[str, ...], *, signed_in: bool) -> StoreUnavailable:
    """The error of tables that show what they must not."""
    whom = "to other people who are signed in" if signed_in else "to anybody, without a session"
    return StoreUnavailable(
        f"Row security is off or too wide: {', '.join(exposed)} can be read {whom}. Nothing is shown",
        hint="Enable row level security and its policies on the project, as in supabase/migrations; "
        "`secondlook check` says when it holds.",
    )
