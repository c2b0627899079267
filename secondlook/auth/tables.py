"""The tables of sign-in, in the ledger's database, and the ordered migrations that make them.

Session ids, e-mail addresses of attempts and network addresses are kept as hashes alone. Times are seconds
since 1970 by the database's clock.
"""

from __future__ import annotations

import sqlalchemy as sa

from secondlook.connections.database import Migration

_metadata = sa.MetaData()

sessions = sa.Table(
    "sessions",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("reviewer", sa.Boolean),
    sa.Column("tokens", sa.Text),
    sa.Column("version", sa.Integer),
    sa.Column("renew_at", sa.Double),
    sa.Column("expires_at", sa.Double),
    sa.Column("renewing_until", sa.Double),
    sa.Column("renewed_at", sa.Double),
)

attempts = sa.Table(
    "sign_in_attempts",
    _metadata,
    sa.Column("key", sa.Text),
    sa.Column("at", sa.Double),
)


def _sessions_and_attempts(connection: sa.Connection) -> None:
    connection.exec_driver_sql(
        """
        create table sessions (
          id text primary key,
          user_id text not null,
          email text not null,
          reviewer boolean not null,
          tokens text not null,
          version integer not null,
          renew_at double precision not null,
          expires_at double precision not null,
          renewing_until double precision not null,
          renewed_at double precision not null
        )
        """
    )
    connection.exec_driver_sql("create index sessions_by_user on sessions (user_id)")
    connection.exec_driver_sql(
        "create table sign_in_attempts (key text not null, at double precision not null)"
    )
    connection.exec_driver_sql("create index sign_in_attempts_by_key on sign_in_attempts (key, at)")


MIGRATIONS: tuple[Migration, ...] = (("auth_001_sessions_and_attempts", _sessions_and_attempts),)
