"""Runs are executed outside any page, and `run_snapshot` is the same path in the caller's own thread."""

from __future__ import annotations

import contextlib
import logging
import time
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from secondlook import run_snapshot
from secondlook.domain.access import Access
from secondlook.domain.runs import Run, RunStatus
from secondlook.domain.sources import SourceRecord
from secondlook.errors import ApiKeyMissing, InDoubt, RequestInvalid, SecondlookError, SourceNotBucketed
from secondlook.execution.runner import Runner
from secondlook.pipeline.outcome import error_of, outcome, total_ms
from secondlook.services import Services, connect
from secondlook.stores.samples import practice_sources
from secondlook.stores.sqlite import SqliteStore
from tests.examples import MODEL, NOBODY, SOURCE, USER, echo, example_answer
from tests.ledger.executing import REFUSED, UNKNOWN, claimed, expire
from tests.processes import eventually
from tests.tables import EmbeddedTables, own_tables


@pytest.fixture
def services() -> Services:
    """The parts, by the clean environment; closed by conftest."""
    return connect()


@pytest.fixture
def tables() -> EmbeddedTables:
    """The tables, with one source."""
    made = own_tables()
    made.add_source(SOURCE)
    return made


@pytest.fixture
def runner(services: Services, tables: EmbeddedTables) -> Runner:  # noqa: ARG001 -- the source is there
    """A runner on them."""
    return Runner(services)


def test_run_snapshot(tables: EmbeddedTables) -> None:
    """One call makes a snapshot and says what it took."""
    made = run_snapshot(source_id=SOURCE, user_id=USER)
    assert str(UUID(made.run_id)) == made.run_id == made.snapshot_id
    assert (made.source_id, made.agent, made.model) == (SOURCE, "offline", MODEL)
    assert (made.request_id, made.attempts, made.warnings) == ("offline", 1, ())
    result = made.result.model_dump(mode="json")
    assert result == {**echo(), "meta": result["meta"]}
    assert result["meta"] == {
        "snapshot_id": made.run_id,
        "source_id": SOURCE,
        "generated_at": result["meta"]["generated_at"],
        "estimate_count": 35,
        "confidence_level": "low",
    }
    assert time.strptime(result["meta"]["generated_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert made.usage.estimated
    assert made.usage.total_tokens == (made.usage.prompt_tokens or 0) + (made.usage.completion_tokens or 0)
    assert made.cost is not None
    assert made.cost > Decimal(0)
    assert list(made.timings) == ["load", "check", "call", "validate", "store", "mark", "total"]
    assert made.timings["total"] >= made.timings["call"]
    assert tables.status(SOURCE) == "snapshot_generated"


def test_every_sample_that_can_be_run_makes_its_snapshot(runner: Runner) -> None:
    """The newcomer's first click works, whichever source it is on."""
    for sample in practice_sources()[:12]:
        source, user = str(sample.source["id"]), str(sample.source["user_id"])
        try:
            made = outcome(runner.execute(runner.submit(source, Access(user)).run_id))
        except SecondlookError as error:
            assert error.code == "not_enough_estimates", error.message  # noqa: PT017 -- or it is made
        else:
            assert made.result.meta.source_id == source


def test_pressing_twice_is_pressing_once(services: Services, runner: Runner) -> None:
    """While a run is active, asking again joins it, also once its source's status has changed."""
    run = runner.submit(SOURCE, Access(USER))
    assert runner.submit(SOURCE, Access(USER)).run_id == run.run_id
    assert runner.submit(SOURCE.upper(), Access(USER.upper())).run_id == run.run_id
    assert len(services.ledger.list(USER)) == 1


# -- keys -----------------------------------------------------------------------------------------------

KEY = "an idempotency key"


def test_a_key_names_its_run_for_good(services: Services, runner: Runner) -> None:
    """The same request under it gives the same run while it is active and after it ended, as it is then."""
    run = runner.submit(SOURCE, Access(USER), key=KEY)
    assert runner.submit(SOURCE, Access(USER), key=KEY).run_id == run.run_id
    assert runner.execute(run.run_id).status is RunStatus.DONE
    again = runner.submit(SOURCE, Access(USER), key=KEY)
    assert (again.run_id, again.status) == (run.run_id, RunStatus.DONE)
    with pytest.raises(SourceNotBucketed):
        runner.submit(SOURCE, Access(USER), key="another")
    assert len(services.ledger.list(USER)) == 1


def test_a_request_may_be_written_in_any_form(runner: Runner) -> None:
    """Capitals and missing dashes are the same source: it is the same request."""
    run = runner.submit(SOURCE, Access(USER), key=KEY)
    runner.execute(run.run_id)
    for written in (SOURCE.upper(), SOURCE.replace("-", "")):
        assert runner.submit(written, Access(USER), key=KEY).run_id == run.run_id


def test_a_key_of_a_run_that_failed(services: Services, runner: Runner) -> None:
    """A failed run is not tried again by the same request; without a key, or under another, it is."""
    run = runner.submit(SOURCE, Access(USER), key=KEY)
    held = claimed(services.ledger, run)
    services.ledger.begin_call(held)
    services.ledger.end_call(held, 1, REFUSED)
    assert runner.submit(SOURCE, Access(USER), key=KEY).status is RunStatus.FAILED
    assert runner.submit(SOURCE, Access(USER), key="another").run_id != run.run_id


@pytest.mark.parametrize("ended", [False, True], ids=["active", "ended"])
@pytest.mark.parametrize(
    ("source", "regenerate"),
    [pytest.param(NOBODY, False, id="another source"), pytest.param(SOURCE, True, id="regenerate")],
)
def test_another_request_under_a_key_is_refused(
    services: Services, runner: Runner, tables: EmbeddedTables, source: str, *, regenerate: bool, ended: bool
) -> None:
    """It gets neither a run of its own nor another request's; by another key it may run."""
    tables.add_source(NOBODY)
    run = runner.submit(SOURCE, Access(USER), key=KEY)
    if ended:
        runner.execute(run.run_id)
    with pytest.raises(RequestInvalid) as caught:
        runner.submit(source, Access(USER), regenerate=regenerate, key=KEY)
    assert (caught.value.reason, caught.value.run_id) == ("idempotency_key", None)
    assert [each.run_id for each in services.ledger.list(USER)] == [run.run_id]
    assert runner.submit(source, Access(USER), regenerate=regenerate, key="another").status.active


def test_what_is_refused_leaves_its_key_free(runner: Runner, tables: EmbeddedTables) -> None:
    """Nothing was started under it: it may be used again, for that or for something else."""
    for source, status in ((NOBODY, "ingested"), (SOURCE, "bucketed")):
        tables.set_status(SOURCE, "ingested")
        with pytest.raises(SecondlookError):
            runner.submit(source, Access(USER), key=KEY)
        tables.set_status(SOURCE, status)
    assert runner.submit(SOURCE, Access(USER), key=KEY).status is RunStatus.QUEUED


@pytest.mark.parametrize("same", [True, False], ids=["the same request", "another request"])
def test_a_key_that_is_taken_meanwhile(
    services: Services, runner: Runner, tables: EmbeddedTables, monkeypatch: pytest.MonkeyPatch, *, same: bool
) -> None:
    """Another request takes it while this one reads its source: one run, or a refusal."""
    tables.add_source(NOBODY)
    load = SqliteStore.load
    others: list[str] = []

    def load_then_be_overtaken(
        self: SqliteStore, source_id: str, user_id: str, *, with_snapshot: bool = False
    ) -> SourceRecord | None:
        found = load(self, source_id, user_id, with_snapshot=with_snapshot)
        if not others:
            others.append("")
            others[0] = runner.submit(SOURCE if same else NOBODY, Access(USER), key=KEY).run_id
        return found

    monkeypatch.setattr(SqliteStore, "load", load_then_be_overtaken)
    if same:
        assert runner.submit(SOURCE, Access(USER), key=KEY).run_id == others[0]
    else:
        with pytest.raises(RequestInvalid):
            runner.submit(SOURCE, Access(USER), key=KEY)
    assert [run.run_id for run in services.ledger.list(USER)] == others


# -- at once --------------------------------------------------------------------------------------------


def test_the_offline_agent_spends_nothing(services: Services, tables: EmbeddedTables) -> None:  # noqa: ARG001 -- the source is there
    """What it would have cost is shown; no budget holds any of it, but the call counts."""
    made = run_snapshot(source_id=SOURCE, user_id=USER)
    assert made.cost
    for status in services.budgets.standing(USER):
        assert (status.used.calls, status.used.nanousd, status.used.reserved_nanousd) == (1, 0, 0)


@pytest.mark.parametrize("regenerate", [False, True], ids=["once", "regenerate"])
def test_an_unknown_outcome_resolved_between_check_and_queue_is_not_doubled(
    services: Services,
    runner: Runner,
    tables: EmbeddedTables,
    monkeypatch: pytest.MonkeyPatch,
    *,
    regenerate: bool,
) -> None:
    """A late answer resolves the unknown outcome, and it ends, while the next press reads the source."""
    run = runner.submit(SOURCE, Access(USER))
    held = claimed(services.ledger, run)
    assert services.ledger.begin_call(held) == 1
    services.ledger.end_call(held, 1, UNKNOWN)
    load = SqliteStore.load
    resolved: list[Run] = []

    def load_then_answer(
        self: SqliteStore, source_id: str, user_id: str, *, with_snapshot: bool = False
    ) -> SourceRecord | None:
        found = load(self, source_id, user_id, with_snapshot=with_snapshot)
        if not resolved:
            services.ledger.journal(run.run_id, 1, example_answer())
            resolved.extend(runner.resume())
        return found

    monkeypatch.setattr(SqliteStore, "load", load_then_answer)
    with contextlib.suppress(InDoubt):
        assert run_snapshot(source_id=SOURCE, user_id=USER, regenerate=regenerate).snapshot_id == run.run_id
    assert [each.status for each in resolved] in ([], [RunStatus.DONE])  # [] where it ends as unknown at once
    assert [each.attempts for each in services.ledger.list(USER)] == [1]
    assert tables.count("snapshots") == len(resolved)


def test_a_thread_executes_it(services: Services, runner: Runner) -> None:
    """The caller may go away; starting twice starts once."""
    run = runner.submit(SOURCE, Access(USER))
    with runner.sweeping():
        runner.start(run.run_id)
        runner.start(run.run_id)
        eventually(lambda: services.ledger.get(run.run_id).status is RunStatus.DONE)
    assert services.ledger.get(run.run_id).attempts == 1


def test_sweeping_takes_up_what_may_go_on(services: Services, runner: Runner) -> None:
    """A run that nobody executes is found without being named."""
    run = runner.submit(SOURCE, Access(USER))
    with runner.sweeping():
        eventually(lambda: services.ledger.get(run.run_id).status is RunStatus.DONE)


def test_leaving_waits_for_what_is_in_flight(services: Services, runner: Runner) -> None:
    """A server that stops does not drop a run that it has started."""
    run = runner.submit(SOURCE, Access(USER))
    with runner.sweeping():
        runner.start(run.run_id)
        eventually(lambda: services.ledger.get(run.run_id).started_at is not None)
    assert services.ledger.get(run.run_id).status is RunStatus.DONE


def test_resume(services: Services, runner: Runner, tables: EmbeddedTables) -> None:
    """What is queued and what is answered is executed; what was calling has an unknown outcome."""
    ledger_path = services.settings.data_dir / "ledger.db"
    sources = [str(UUID(int=number, version=4)) for number in range(3)]
    for source in sources:
        tables.add_source(source)
    queued, answered, calling = (runner.submit(source, Access(USER)) for source in sources)
    for run in (answered, calling):
        assert services.ledger.begin_call(claimed(services.ledger, run)) == 1
        expire(ledger_path, run.run_id)
    services.ledger.journal(answered.run_id, 1, example_answer())
    assert {run.run_id: run.status for run in runner.resume()} == {
        queued.run_id: RunStatus.DONE,
        answered.run_id: RunStatus.DONE,
        calling.run_id: RunStatus.IN_DOUBT,
    }
    assert [services.ledger.get(run.run_id).attempts for run in (queued, answered, calling)] == [1, 1, 1]
    assert runner.resume() == []


def test_one_run_that_cannot_go_on_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, tables: EmbeddedTables, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that this process cannot execute stays queued, its code in the log; the next is executed."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a1b2c3")
    Runner(connect()).submit(SOURCE, Access(USER))
    monkeypatch.delenv("OPENAI_API_KEY")
    tables.add_source(NOBODY)
    runner = Runner(connect())
    runner.submit(NOBODY, Access(USER))
    with caplog.at_level(logging.WARNING, logger="secondlook"):
        assert [run.status for run in runner.resume()] == [RunStatus.QUEUED, RunStatus.DONE]
    assert [message.rsplit(" ", 1)[-1] for message in caplog.messages] == ["api_key_missing"]


def test_a_queued_run_keeps_its_agent(
    monkeypatch: pytest.MonkeyPatch,
    tables: EmbeddedTables,
    services: Services,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A run for OpenAI is never answered by the offline agent, not even where the key is gone."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a1b2c3")
    run = Runner(connect()).submit(SOURCE, Access(USER))
    assert run.agent == "openai"
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ApiKeyMissing) as caught:
        Runner(connect()).execute(run.run_id)
    assert caught.value.run_id == run.run_id
    with caplog.at_level(logging.WARNING, logger="secondlook"):
        (executed,) = Runner(connect()).resume()
    assert (executed.status, executed.attempts) == (RunStatus.QUEUED, 0)
    assert caplog.messages == [f"[Orchestrator] Run {run.run_id}: api_key_missing"]
    assert services.ledger.get(run.run_id).agent == "openai"
    assert tables.status(SOURCE) == "bucketed"


def test_a_failed_run(services: Services, runner: Runner) -> None:
    """The provider's error comes back as it was, with the run's id; a new run may begin."""
    run = runner.submit(SOURCE, Access(USER))
    held = claimed(services.ledger, run)
    services.ledger.begin_call(held)
    services.ledger.end_call(held, 1, REFUSED)
    error = error_of(runner.execute(run.run_id))
    assert (error.code, error.message, error.run_id) == ("provider_error", REFUSED.message, run.run_id)
    assert error.hint
    assert runner.submit(SOURCE, Access(USER)).run_id != run.run_id


def test_the_whole_time_holds_the_preparation(services: Services, runner: Runner) -> None:
    """Milliseconds of the whole run, an integer."""
    run = services.ledger.get(runner.submit(SOURCE, Access(USER)).run_id)
    assert type(total_ms(run)) is int
    assert total_ms(run) >= run.elapsed_ms


def test_two_data_folders_are_two_worlds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Changed settings get their own parts; equal ones share them."""
    first = connect()
    assert connect() is first
    monkeypatch.setenv("SECONDLOOK_DATA_DIR", str(tmp_path / "other"))
    assert connect() is not first
