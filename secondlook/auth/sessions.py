"""Who is signed in. The browser holds a random id in a cookie; the tokens lie here, encrypted.

The key to a session's tokens is made from the id in its cookie, of which the database has but a hash: the
database alone opens nothing. Replicas that share the ledger share the sessions.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secondlook.auth.accounts import Accounts, Grant
from secondlook.auth.tables import sessions
from secondlook.connections.database import Database, now
from secondlook.connections.supabase import session_over
from secondlook.domain.access import Access
from secondlook.errors import NotSignedIn, SecondlookError

KEPT_SECONDS = 30 * 24 * 3600
"""Seconds without use after which a session is deleted."""

_MARGIN_SECONDS = 60
_RENEWAL_SECONDS = 15
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class SignedIn:
    """A session as pages and routes see it."""

    email: str
    access: Access


class Sessions:
    """The sessions of all signed-in people, in the ledger's database.

    Every method raises `LedgerUnavailable` where it cannot be read or written.
    """

    def __init__(self, database: Database, accounts: Accounts) -> None:
        self._database = database
        self.accounts = accounts

    def begin(self, grant: Grant) -> str:
        """Keep the tokens of a sign-in.

        Returns:
            The session's id, for the cookie; it is nowhere else.
        """
        session_id = secrets.token_urlsafe(32)
        row = {"id": _digest(session_id), "version": 0, **_columns(session_id, grant)}

        def insert(connection: sa.Connection) -> None:
            connection.execute(sa.delete(sessions).where(sessions.c.renewed_at < now() - KEPT_SECONDS))
            connection.execute(sa.insert(sessions).values(row))

        self._database.write(insert)
        return session_id

    def find(self, session_id: str) -> SignedIn | None:
        """Who is signed in by this id; None where nobody is."""
        row = self._read(session_id)
        if row is None:
            return None
        access = Access(
            row.user_id, reviewer=bool(row.reviewer), token=lambda: self._token(session_id), renews=True
        )
        return SignedIn(row.email, access)

    def end(self, session_id: str) -> None:
        """Sign the person out, here and wherever else they are signed in."""
        row = self._read(session_id)
        if row is None:
            return
        token = None
        with suppress(SecondlookError):  # renewed where it has expired: Supabase would not take it
            token = self._token(session_id)
        self.forget(row.user_id)
        if token is not None:
            with suppress(SecondlookError):  # the sessions here are gone even if Supabase fails
                self.accounts.sign_out(token)

    def drop(self, session_id: str) -> None:
        """End one session here: somebody signs in anew in the same browser."""
        mine = sessions.c.id == _digest(session_id)
        self._database.write(lambda connection: connection.execute(sa.delete(sessions).where(mine)))

    def forget(self, user_id: str) -> None:
        """End every session of a person here; Supabase is not told."""
        theirs = sessions.c.user_id == user_id
        self._database.write(lambda connection: connection.execute(sa.delete(sessions).where(theirs)))

    def _token(self, session_id: str) -> str:
        """An access token that is valid now; of several processes, one renews it and the others wait.

        Raises:
            NotSignedIn: The session has ended.
            StoreUnavailable: It must be renewed, and Supabase cannot be reached.
        """
        while True:
            row = self._read(session_id)
            if row is None:
                raise session_over()
            if row.now < row.renew_at:
                return _open(session_id, row)["access_token"]
            if self._claim(row):
                return self._renew(session_id, row)
            if row.now < row.expires_at - _POLL_SECONDS:
                return _open(session_id, row)["access_token"]  # another process is renewing it
            time.sleep(_POLL_SECONDS)

    def _claim(self, row: sa.Row[Any]) -> bool:
        claim = (
            sa.update(sessions)
            .where(
                sessions.c.id == row.id,
                sessions.c.version == row.version,
                sessions.c.renewing_until < now(),
            )
            .values(renewing_until=now() + _RENEWAL_SECONDS)
        )
        return self._database.write(lambda connection: connection.execute(claim).rowcount) == 1

    def _renew(self, session_id: str, row: sa.Row[Any]) -> str:
        mine = (sessions.c.id == row.id) & (sessions.c.version == row.version)
        tokens = _open(session_id, row)
        try:
            grant = self.accounts.renew(tokens["refresh_token"])
        except NotSignedIn:
            self._database.write(lambda connection: connection.execute(sa.delete(sessions).where(mine)))
            raise
        except SecondlookError:
            release = sa.update(sessions).where(mine).values(renewing_until=0)
            self._database.write(lambda connection: connection.execute(release))
            if row.now < row.expires_at - _RENEWAL_SECONDS:
                return tokens["access_token"]
            raise
        renewed = {"version": row.version + 1, **_columns(session_id, grant)}
        self._database.write(
            lambda connection: connection.execute(sa.update(sessions).where(mine).values(renewed))
        )
        return grant.access_token

    def _read(self, session_id: str) -> sa.Row[Any] | None:
        query = sa.select(sessions, now().label("now")).where(
            sessions.c.id == _digest(session_id), sessions.c.renewed_at > now() - KEPT_SECONDS
        )
        return self._database.read(lambda connection: connection.execute(query).one_or_none())


def _columns(session_id: str, grant: Grant) -> dict[str, Any]:
    tokens = json.dumps({"access_token": grant.access_token, "refresh_token": grant.refresh_token})
    return {
        "user_id": grant.person.user_id,
        "email": grant.person.email,
        "reviewer": grant.person.reviewer,
        "tokens": _cipher(session_id).encrypt(tokens.encode()).decode(),
        "renew_at": now() + grant.lifetime - min(_MARGIN_SECONDS, grant.lifetime / 4),
        "expires_at": now() + grant.lifetime,
        "renewing_until": 0,
        "renewed_at": now(),
    }


def _open(session_id: str, row: sa.Row[Any]) -> dict[str, str]:
    try:
        return json.loads(_cipher(session_id).decrypt(row.tokens.encode()))
    except (InvalidToken, ValueError):
        raise session_over() from None


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode(errors="replace")).hexdigest()


def _cipher(session_id: str) -> Fernet:
    # The id is random enough to need no slow derivation.
    derived = HKDF(SHA256(), length=32, salt=None, info=b"secondlook session").derive(session_id.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
