"""The ledger's tables as queries see them, and the ordered migrations that make them.

Times are seconds since 1970 by the database's clock (generated_at is a snapshot's own text); money is in
billionths of a dollar, so that sums are exact. Bodies, inputs and requests are JSON text.

What a provider wrote must never keep its answer from the journal: see `Body`, `Label` and `Number`.
"""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from secondlook.connections.database import Migration

_metadata = sa.MetaData()
_SURROGATE = re.compile("[\ud800-\udfff]")


class Body(sa.TypeDecorator[str]):
    """A foreign text, exactly as it is: as bytes where the database's own text does not hold it.

    That of Postgres holds no NUL, and that of neither a lone surrogate, which the client makes none of.
    """

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """The column's type in that database."""
        return dialect.type_descriptor(sa.LargeBinary() if _is_postgres(dialect) else sa.Text())

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> Any:  # noqa: ANN401 -- text or bytes
        """On its way in."""
        if value is None or not (_is_postgres(dialect) or _SURROGATE.search(value)):
            return value
        return value.encode("utf-8", "surrogatepass")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:  # noqa: ANN401, ARG002 -- text or bytes
        """On its way out."""
        return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


class Label(sa.TypeDecorator[str]):
    """A foreign name or message, shown and not computed with: what no database holds is replaced.

    The client lets only printable characters through; this is for the day it does not.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """On its way in."""
        return value if value is None else _SURROGATE.sub("\ufffd", value.replace("\x00", "\ufffd"))


class Number(sa.TypeDecorator[int]):
    """A foreign number; one that the column cannot hold is kept as unknown. The body has it as it came."""

    impl = sa.BigInteger
    cache_ok = True

    def __init__(self, bits: int = 64) -> None:
        super().__init__()
        self.bits = bits

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """The column's type in that database."""
        return dialect.type_descriptor(sa.BigInteger() if self.bits > 32 else sa.Integer())

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002
        """On its way in."""
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
    sa.Column("erased_at", sa.Double),  # made by ledger.pruning
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


def _runs_and_calls(connection: sa.Connection) -> None:
    connection.exec_driver_sql(
        """
        create table runs (
          run_id text primary key,
          source_id text not null,
          user_id text not null,
          number integer not null,
          agent text not null,
          model text not null,
          prompt_version text not null,
          input text not null,
          request text not null,
          warnings text not null,
          status text not null,
          attempts integer not null default 0,
          answered_call integer,
          generated_at text,
          error_code text,
          error text,
          timings text not null,
          owner text,
          lease_until double precision not null default 0,
          created_at double precision not null,
          started_at double precision,
          finished_at double precision
        )
        """
    )
    # At most one unsettled run a source, whoever asks at the same moment: the guarantee is the database's.
    connection.exec_driver_sql(
        "create unique index runs_unsettled on runs (user_id, source_id) "
        "where status in ('queued', 'calling', 'answered', 'in_doubt')"
    )
    connection.exec_driver_sql(
        "create index runs_open on runs (lease_until) where status in ('queued', 'calling', 'answered')"
    )
    # Whoever looked at the same newest run asks for the same next one: of two, one is made.
    connection.exec_driver_sql("create unique index runs_by_source on runs (user_id, source_id, number)")
    connection.exec_driver_sql("create index runs_by_user on runs (user_id, created_at)")
    body = "bytea" if _is_postgres(connection.dialect) else "text"
    connection.exec_driver_sql(
        f"""
        create table calls (
          run_id text not null references runs (run_id),
          number integer not null,
          sent_at double precision not null,
          ended_at double precision,
          outcome text,
          http_status integer,
          error text,
          request_id text,
          model text,
          body {body},
          prompt_tokens bigint,
          completion_tokens bigint,
          total_tokens bigint,
          cached_tokens bigint,
          estimated boolean,
          cost_nanousd bigint,
          latency_ms integer,
          provider_ms integer,
          primary key (run_id, number)
        )
        """
    )


def _submissions(connection: sa.Connection) -> None:
    # The key is written before the run it names: its row is what two submissions of one key wait for.
    connection.exec_driver_sql(
        """
        create table submissions (
          user_id text not null,
          key text not null,
          fingerprint text not null,
          run_id text not null references runs (run_id) deferrable initially deferred,
          created_at double precision not null,
          primary key (user_id, key)
        )
        """
    )


def _stores(connection: sa.Connection) -> None:
    connection.exec_driver_sql("alter table runs add column store text not null default 'embedded'")


def _batches_and_retries(connection: sa.Connection) -> None:
    # due_at: a run may not go on before; null is a run of a batch whose turn has not come.
    connection.exec_driver_sql("alter table runs add column batch_id text")
    connection.exec_driver_sql("alter table runs add column due_at double precision default 0")
    connection.exec_driver_sql("alter table calls add column reservation text")
    connection.exec_driver_sql("drop index runs_open")
    connection.exec_driver_sql(
        "create index runs_open on runs (due_at) "
        "where status in ('queued', 'calling', 'answered') and due_at is not null"
    )
    connection.exec_driver_sql(
        "create index runs_waiting on runs (batch_id, created_at, run_id) "
        "where status = 'queued' and due_at is null"
    )
    connection.exec_driver_sql(
        "create index runs_by_batch on runs (batch_id, status) where batch_id is not null"
    )
    connection.exec_driver_sql(
        """
        create table batches (
          batch_id text primary key,
          user_id text not null,
          store text not null,
          status text not null,
          concurrency integer not null,
          per_minute double precision,
          next_at double precision not null default 0,
          skipped text not null,
          created_at double precision not null,
          ended_at double precision,
          halted_at double precision,
          idle_s double precision not null default 0
        )
        """
    )
    connection.exec_driver_sql("create index batches_by_user on batches (user_id, created_at)")
    connection.exec_driver_sql(
        """
        create table pace (
          agent text primary key,
          requests bigint,
          requests_reset_at double precision not null default 0,
          hold_until double precision not null default 0
        )
        """
    )


def _in_doubt(connection: sa.Connection) -> None:
    # Pages ask for them again and again, among all that a user ever had.
    connection.exec_driver_sql(
        "create index runs_in_doubt on runs (user_id, created_at) where status = 'in_doubt'"
    )


def _reasoning(connection: sa.Connection) -> None:
    connection.exec_driver_sql("alter table calls add column reasoning_tokens bigint")


def _rehearsals(connection: sa.Connection) -> None:
    # They were runs of the offline agent, told by their model's name.
    connection.exec_driver_sql(
        "update runs set agent = 'rehearsal' where agent = 'offline' and substr(model, 1, 10) = 'rehearsal-'"
    )


MIGRATIONS: tuple[Migration, ...] = (
    ("001_runs_and_calls", _runs_and_calls),
    ("002_submissions", _submissions),
    ("003_stores", _stores),
    ("004_batches_and_retries", _batches_and_retries),
    ("005_in_doubt", _in_doubt),
    ("006_reasoning", _reasoning),
    ("007_rehearsals", _rehearsals),
)
