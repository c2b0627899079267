"""The migrations of the ledger's database, in order. Append-only: a new migration comes last.

Names are never used twice, and what a migration does is never changed: data folders have recorded them. They
hold DDL of their own day, not the tables as queries see them now. `ledger.worker_queue` brings its own.
The module is as long as the list: one that is split could be applied in another order.
"""

from __future__ import annotations

import sqlalchemy as sa

from secondlook.connections.database import now
from secondlook.connections.migrations import Migration
from secondlook.ledger.tables import clocks


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
    # At most one open run per source, even with concurrent requests: the database guarantees it.
    connection.exec_driver_sql(
        "create unique index runs_unsettled on runs (user_id, source_id) "
        "where status in ('queued', 'calling', 'answered', 'in_doubt')"
    )
    connection.exec_driver_sql(
        "create index runs_open on runs (lease_until) where status in ('queued', 'calling', 'answered')"
    )
    # Two requests that saw the same newest run ask for the same number: only one gets it.
    connection.exec_driver_sql("create unique index runs_by_source on runs (user_id, source_id, number)")
    connection.exec_driver_sql("create index runs_by_user on runs (user_id, created_at)")
    body = "bytea" if connection.dialect.name == "postgresql" else "text"
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
    # The key is written before its run: two submissions of one key wait for its row.
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
    # due_at: a run may not be executed before; null is a batch run that is not released.
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
    # Pages query them often, among all runs of a user.
    connection.exec_driver_sql(
        "create index runs_in_doubt on runs (user_id, created_at) where status = 'in_doubt'"
    )


def _spending_and_switches(connection: sa.Connection) -> None:
    connection.exec_driver_sql(
        """
        create table spending (
          scope text not null,
          period text not null,
          calls bigint not null,
          nanousd bigint not null,
          reserved_nanousd bigint not null,
          primary key (scope, period)
        )
        """
    )
    connection.exec_driver_sql(
        """
        create table switches (
          name text primary key,
          is_on boolean not null,
          changed_at double precision,
          changed_by text
        )
        """
    )
    # Inserted here, so that there is always a row to lock.
    connection.exec_driver_sql("insert into switches (name, is_on) values ('sending', true)")


def _outbox(connection: sa.Connection) -> None:
    connection.exec_driver_sql(
        """
        create table deliveries (
          id text primary key,
          run_id text not null,
          event text not null,
          payload text not null,
          created_at double precision not null,
          attempts integer not null default 0,
          due_at double precision not null,
          lease_until double precision not null default 0,
          delivered_at double precision,
          given_up_at double precision,
          last_status integer,
          last_error text
        )
        """
    )
    connection.exec_driver_sql(
        "create index deliveries_open on deliveries (due_at) "
        "where delivered_at is null and given_up_at is null"
    )
    connection.exec_driver_sql("create index deliveries_by_run on deliveries (run_id)")
    connection.exec_driver_sql("create index deliveries_by_time on deliveries (created_at)")


def _note(connection: sa.Connection) -> None:
    connection.exec_driver_sql("create table clock (noted_at double precision not null)")
    connection.execute(sa.insert(clocks).values(noted_at=now()))


def _light_indexes(connection: sa.Connection) -> None:
    # All columns that runs are filtered by, in the order of lists: one index for all users, one per user,
    # which replaces the narrower one.
    light = "created_at desc, run_id desc, status, error_code, agent, model, prompt_version, source_id"
    connection.exec_driver_sql(f"create index runs_by_time on runs ({light}, user_id)")
    connection.exec_driver_sql(f"create index runs_of_user on runs (user_id, {light})")
    connection.exec_driver_sql("drop index runs_by_user")


def _reviews(connection: sa.Connection) -> None:
    connection.exec_driver_sql(
        """
        create table reviews (
          run_id text not null references runs (run_id),
          reviewer_id text not null,
          reviewer text not null,
          passed boolean not null,
          note text not null,
          reviewed_at double precision not null,
          primary key (run_id, reviewer_id)
        )
        """
    )
    connection.exec_driver_sql("create index reviews_passed on reviews (passed, run_id)")


def _days_and_owners(connection: sa.Connection) -> None:
    on_sqlite = connection.dialect.name == "sqlite"
    # Postgres rounds where SQLite cuts.
    day = "cast({} / 86400 as integer)" if on_sqlite else "cast(floor({} / 86400) as integer)"
    figures = (
        "outcome, estimated, cost_nanousd, prompt_tokens, completion_tokens, total_tokens, cached_tokens, "
        "latency_ms, provider_ms, run_id"
    )
    facts = "status, error_code, agent, model, user_id, source_id"
    for view, table, at, columns in (
        ("usage_calls", "calls", "sent_at", figures),
        ("usage_runs", "runs", "created_at", facts),
    ):
        expression = day.format(at)
        connection.exec_driver_sql(f"create index {view}_by_day on {table} (({expression}), {columns})")
        using = f"indexed by {view}_by_day" if on_sqlite else ""
        connection.exec_driver_sql(
            f"create view {view} as select {expression} as day, {columns} from {table} {using}"  # noqa: S608 -- names of this module
        )
    connection.exec_driver_sql(f"create index usage_owners_by_run on runs (run_id, {facts})")
    using = "indexed by usage_owners_by_run" if on_sqlite else ""
    connection.exec_driver_sql(f"create view usage_owners as select run_id, {facts} from runs {using}")  # noqa: S608 -- names of this module
    connection.exec_driver_sql(
        "create index usage_rejected on runs (run_id) where error_code = 'answer_rejected'"
    )


def _erased_at(connection: sa.Connection) -> None:
    connection.exec_driver_sql("alter table runs add column erased_at double precision")


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


def _tasks(connection: sa.Connection) -> None:
    for table in ("runs", "calls"):
        connection.exec_driver_sql(f"alter table {table} add column task text not null default 'snapshot'")
    # The rules for a source now hold for each of its tasks.
    for index in ("runs_unsettled", "runs_by_source", "runs_by_time", "runs_of_user"):
        connection.exec_driver_sql(f"drop index {index}")
    connection.exec_driver_sql(
        "create unique index runs_unsettled on runs (user_id, source_id, task) "
        "where status in ('queued', 'calling', 'answered', 'in_doubt')"
    )
    connection.exec_driver_sql(
        "create unique index runs_by_source on runs (user_id, source_id, task, number)"
    )
    # All columns that runs are filtered by, as before, and the task.
    light = "created_at desc, run_id desc, status, error_code, agent, model, prompt_version, source_id, task"
    connection.exec_driver_sql(f"create index runs_by_time on runs ({light}, user_id)")
    connection.exec_driver_sql(f"create index runs_of_user on runs (user_id, {light})")
    _usage_with_tasks(connection)


def _usage_with_tasks(connection: sa.Connection) -> None:
    on_sqlite = connection.dialect.name == "sqlite"
    day = "cast(created_at / 86400 as integer)" if on_sqlite else "cast(floor(created_at / 86400) as integer)"
    facts = "status, error_code, agent, model, user_id, source_id, task"
    for view, index, key, first in (
        ("usage_runs", "usage_runs_by_day", f"({day})", f"{day} as day"),
        ("usage_owners", "usage_owners_by_run", "run_id", "run_id"),
    ):
        connection.exec_driver_sql(f"drop view {view}")
        connection.exec_driver_sql(f"drop index {index}")
        connection.exec_driver_sql(f"create index {index} on runs ({key}, {facts})")
        using = f"indexed by {index}" if on_sqlite else ""
        connection.exec_driver_sql(f"create view {view} as select {first}, {facts} from runs {using}")  # noqa: S608 -- names of this module


def _reasoning(connection: sa.Connection) -> None:
    connection.exec_driver_sql("alter table calls add column reasoning_tokens bigint")


def _rehearsals(connection: sa.Connection) -> None:
    # Rehearsals were runs of the offline agent, marked by their model's name.
    connection.exec_driver_sql(
        "update runs set agent = 'rehearsal' where agent = 'offline' and substr(model, 1, 10) = 'rehearsal-'"
    )


def _subjects(connection: sa.Connection) -> None:
    # What a run is about besides its source: the snapshot, for insights. The rules now hold for each of them.
    connection.exec_driver_sql("alter table runs add column subject text not null default ''")
    for index in ("runs_unsettled", "runs_by_source"):
        connection.exec_driver_sql(f"drop index {index}")
    connection.exec_driver_sql(
        "create unique index runs_unsettled on runs (user_id, source_id, task, subject) "
        "where status in ('queued', 'calling', 'answered', 'in_doubt')"
    )
    connection.exec_driver_sql(
        "create unique index runs_by_source on runs (user_id, source_id, task, subject, number)"
    )


MIGRATIONS: tuple[Migration, ...] = (
    ("001_runs_and_calls", _runs_and_calls),
    ("002_submissions", _submissions),
    ("003_stores", _stores),
    ("004_batches_and_retries", _batches_and_retries),
    ("005_in_doubt", _in_doubt),
    ("budgets_001_spending_and_switches", _spending_and_switches),
    ("deliveries_001_outbox", _outbox),
    ("clock_001_noted", _note),
    ("history_001_light_indexes", _light_indexes),
    ("reviews_001_reviews", _reviews),
    ("usage_001_days_and_owners", _days_and_owners),
    ("pruning_001_erased_at", _erased_at),
    ("auth_001_sessions_and_attempts", _sessions_and_attempts),
    ("tasks_001_tasks", _tasks),
    ("006_reasoning", _reasoning),
    ("007_rehearsals", _rehearsals),
    ("008_subjects", _subjects),
)
