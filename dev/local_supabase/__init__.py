"""A Supabase on this machine, for tests and for `make supabase`; and a Postgres alone.

`@supabase/lite` answers as PostgREST and GoTrue do; behind it is a real Postgres where one is installed,
otherwise Postgres compiled to WebAssembly (pglite), which needs nothing installed.
"""

from __future__ import annotations

from .asking import Answer
from .mails import Mail
from .postgres import Postgres, local_postgres, postgres_bin
from .processes import StartFailed
from .server import Driver, Server, Unavailable, local_supabase

__all__ = [
    "Answer",
    "Driver",
    "Mail",
    "Postgres",
    "Server",
    "StartFailed",
    "Unavailable",
    "local_postgres",
    "local_supabase",
    "postgres_bin",
]
