"""Limits attempts to sign in; they are counted in the ledger's database, so all replicas share the count."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import sqlalchemy as sa

from secondlook.auth.tables import attempts
from secondlook.connections.database import Database, now, queue_writes
from secondlook.errors import NotSignedIn

WINDOW_SECONDS = 15 * 60
BY_BOTH, BY_ACCOUNT, BY_ADDRESS = 8, 30, 40
"""Tries in the window for one account from one network address, for one account, from one address. Somebody
with many addresses can close another's account for the window: the price of not letting them guess."""


_COUNTING = 0x5EC04D11
"""The lock for counting: concurrent tries must all be counted."""


class TooManyAttempts(NotSignedIn):
    """Somebody tried too often.

    Attributes:
        retry_after: Seconds until the next try is looked at.
    """

    def __init__(self, retry_after: int) -> None:
        minutes = math.ceil(retry_after / 60)
        super().__init__(
            "Too many attempts",
            hint=f"Try again in {minutes} minute{'' if minutes == 1 else 's'}.",
            reason="too_many_attempts",
        )
        self.retry_after = retry_after


class Attempts:
    """Counts attempts to sign in or to have a mail sent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, what: str, account: str, address: str) -> None:
        """Count an attempt, before it is made.

        Args:
            what: What is tried; each has a count of its own.
            account: The e-mail address it is for.
            address: The network address it comes from.

        Raises:
            TooManyAttempts: There were too many in the window; this one is not counted.
        """
        limits = (
            (_key(what, account, address), BY_BOTH),
            (_key(what, "account", account), BY_ACCOUNT),
            (_key(what, "address", address), BY_ADDRESS),
        )

        def count(connection: sa.Connection) -> int | None:
            queue_writes(connection, _COUNTING)
            connection.execute(sa.delete(attempts).where(attempts.c.at < now() - WINDOW_SECONDS))
            waits = [wait for key, limit in limits if (wait := _wait(connection, key, limit)) is not None]
            if waits:
                return max(waits)
            for key, _ in limits:
                connection.execute(sa.insert(attempts).values(key=key, at=now()))
            return None

        wait = self._database.write(count)
        if wait is not None:
            raise TooManyAttempts(wait)

    def forget(self, what: str, account: str, address: str) -> None:
        """Reset the count of an account whose owner has signed in from this address."""
        mine = attempts.c.key.in_((_key(what, account, address), _key(what, "account", account)))
        here = attempts.c.key == _key(what, "address", address)
        last = sa.select(sa.func.max(attempts.c.at)).where(here).scalar_subquery()

        def forget(connection: sa.Connection) -> None:
            connection.execute(sa.delete(attempts).where(mine))
            # Only failures count against an address: many people share a proxy's or an office's.
            connection.execute(sa.delete(attempts).where(here, attempts.c.at == last))

        self._database.write(forget)


def _wait(connection: sa.Connection, key: str, limit: int) -> int | None:
    """Seconds until there is room below the limit; None where there is."""
    query = (
        sa.select(attempts.c.at + WINDOW_SECONDS - now())
        .where(attempts.c.key == key)
        .order_by(attempts.c.at.desc())
        .limit(1)
        .offset(limit - 1)
    )
    left: Sequence[float] = connection.scalars(query).all()
    return math.ceil(left[0]) if left else None


def _key(*parts: str) -> str:
    return hashlib.sha256(
        "\0".join(part.strip().lower() for part in parts).encode(errors="replace")
    ).hexdigest()
