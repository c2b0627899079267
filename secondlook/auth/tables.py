"""The tables of sign-in, which `ledger.migrations` makes in the ledger's database.

Session ids, e-mail addresses of attempts and network addresses are kept as hashes alone. Times are seconds
since 1970 by the database's clock.
"""

from __future__ import annotations

import sqlalchemy as sa

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
