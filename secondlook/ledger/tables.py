"""The ledger's tables as queries see them now; `migrations` makes them.

Times are seconds since 1970 by the database's clock (generated_at is a snapshot's own text); money is in
billionths of a dollar, so that sums are exact. Bodies, inputs and requests are JSON text.

Nothing in a provider's answer may prevent journaling it: see `Body`, `Label` and `Number`.
"""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

_metadata = sa.MetaData()
_SURROGATE = re.compile("[\ud800-\udfff]")


class Body(sa.TypeDecorator[str]):
    """An untrusted text, unchanged; stored as bytes where the database's text type cannot hold it.

    Postgres text holds no NUL. Neither database holds lone surrogates, but the client produces none.
    """

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """The column's type in that database."""
        return dialect.type_descriptor(sa.LargeBinary() if _is_postgres(dialect) else sa.Text())

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> Any:  # noqa: ANN401 -- text or bytes
        """Convert a value before it is stored."""
        if value is None or not (_is_postgres(dialect) or _SURROGATE.search(value)):
            return value
        return value.encode("utf-8", "surrogatepass")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:  # noqa: ANN401, ARG002 -- text or bytes
        """Convert a stored value back."""
        return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


class Label(sa.TypeDecorator[str]):
    """An untrusted name or message, shown but not parsed; characters that no database holds are replaced.

    The client lets only printable characters through; this is for the day it does not.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """Convert a value before it is stored."""
        return value if value is None else _SURROGATE.sub("\ufffd", value.replace("\x00", "\ufffd"))


class Number(sa.TypeDecorator[int]):
    """An untrusted number; one that the column cannot hold is kept as unknown. The body has it as it came."""

    impl = sa.BigInteger
    cache_ok = True

    def __init__(self, bits: int = 64) -> None:
        super().__init__()
        self.bits = bits

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """The column's type in that database."""
        return dialect.type_descriptor(sa.BigInteger() if self.bits > 32 else sa.Integer())

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002
        """Convert a value before it is stored."""
        limit = 1 << (self.bits - 1)
        return value if value is not None and -limit <= value < limit else None


def _is_postgres(dialect: sa.Dialect) -> bool:
    return dialect.name == "postgresql"


runs = sa.Table(
    "runs",
    _metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("source_id", sa.Text),
    sa.Column("user_id", sa.Text),
    sa.Column("number", sa.Integer),
    sa.Column("agent", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("prompt_version", sa.Text),
    sa.Column("input", sa.Text),
    sa.Column("request", sa.Text),
    sa.Column("warnings", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("attempts", sa.Integer),
    sa.Column("answered_call", sa.Integer),
    sa.Column("generated_at", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("timings", sa.Text),
    sa.Column("owner", sa.Text),
    sa.Column("lease_until", sa.Double),
    sa.Column("created_at", sa.Double),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("store", sa.Text),
    sa.Column("batch_id", sa.Text),
    sa.Column("due_at", sa.Double),
    sa.Column("erased_at", sa.Double),
    sa.Column("task", sa.Text),
    sa.Column("subject", sa.Text),
)

calls = sa.Table(
    "calls",
    _metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("sent_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("outcome", sa.Text),
    sa.Column("http_status", Number(32)),
    sa.Column("error", Label),
    sa.Column("request_id", Label),
    sa.Column("model", Label),
    sa.Column("body", Body),
    sa.Column("prompt_tokens", Number),
    sa.Column("completion_tokens", Number),
    sa.Column("total_tokens", Number),
    sa.Column("cached_tokens", Number),
    sa.Column("reasoning_tokens", Number),
    sa.Column("estimated", sa.Boolean),
    sa.Column("cost_nanousd", Number),
    sa.Column("latency_ms", Number(32)),
    sa.Column("provider_ms", Number(32)),
    sa.Column("reservation", sa.Text),
    sa.Column("task", sa.Text),
)

submissions = sa.Table(
    "submissions",
    _metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text),
    sa.Column("run_id", sa.Text),
    sa.Column("created_at", sa.Double),
)

batches = sa.Table(
    "batches",
    _metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text),
    sa.Column("store", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("concurrency", sa.Integer),
    sa.Column("per_minute", sa.Double),
    sa.Column("next_at", sa.Double),
    sa.Column("skipped", sa.Text),
    sa.Column("created_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("halted_at", sa.Double),
    sa.Column("idle_s", sa.Double),
)

pace = sa.Table(
    "pace",
    _metadata,
    sa.Column("agent", sa.Text, primary_key=True),
    sa.Column("requests", sa.BigInteger),
    sa.Column("requests_reset_at", sa.Double),
    sa.Column("hold_until", sa.Double),
)

spending = sa.Table(
    "spending",
    _metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("calls", sa.BigInteger),
    sa.Column("nanousd", sa.BigInteger),
    sa.Column("reserved_nanousd", sa.BigInteger),
)

switches = sa.Table(
    "switches",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("is_on", sa.Boolean),
    sa.Column("changed_at", sa.Double),
    sa.Column("changed_by", Label),
)

deliveries = sa.Table(
    "deliveries",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text),
    sa.Column("event", sa.Text),
    sa.Column("payload", sa.Text),
    sa.Column("created_at", sa.Double),
    sa.Column("attempts", sa.Integer),
    sa.Column("due_at", sa.Double),
    sa.Column("lease_until", sa.Double),
    sa.Column("delivered_at", sa.Double),
    sa.Column("given_up_at", sa.Double),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_error", sa.Text),
)

reviews = sa.Table(
    "reviews",
    _metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("reviewer_id", sa.Text, primary_key=True),
    sa.Column("reviewer", Label),
    sa.Column("passed", sa.Boolean),
    sa.Column("note", Label),
    sa.Column("reviewed_at", sa.Double),
)

clocks = sa.Table("clock", _metadata, sa.Column("noted_at", sa.Double))

TABLES = (runs, calls, submissions, batches, pace, spending, switches, deliveries, reviews)
"""All that hold what happened, in an order in which they can be filled."""
