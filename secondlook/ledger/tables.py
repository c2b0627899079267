"""The ledger's tables as queries see them, and the ordered migrations that make them.

Times are seconds since 1970 by the database's clock (generated_at is a snapshot's own text); money is in
billionths of a dollar, so that sums are exact. Bodies, inputs and requests are JSON text.
"""

from __future__ import annotations

import sqlalchemy as sa

from secondlook.database import Migration

_metadata = sa.MetaData()

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
)

calls = sa.Table(
    "calls",
    _metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("sent_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("outcome", sa.Text),
    sa.Column("http_status", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("body", sa.Text),
    sa.Column("prompt_tokens", sa.BigInteger),
    sa.Column("completion_tokens", sa.BigInteger),
    sa.Column("total_tokens", sa.BigInteger),
    sa.Column("cached_tokens", sa.BigInteger),
    sa.Column("estimated", sa.Boolean),
    sa.Column("cost_nanousd", sa.BigInteger),
    sa.Column("latency_ms", sa.Integer),
    sa.Column("provider_ms", sa.Integer),
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
    connection.exec_driver_sql(
        """
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
          body text,
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


MIGRATIONS: tuple[Migration, ...] = (("001_runs_and_calls", _runs_and_calls),)
