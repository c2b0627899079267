"""Rehearsals: each kind through the whole machinery, refused by the rule and path that are known here."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from secondlook.domain.access import Access
from secondlook.domain.runs import INSIGHTS, Run, RunStatus
from secondlook.errors import OverBudget, RequestInvalid, SecondlookError, SettingInvalid, SourceNotFound
from secondlook.execution.runner import Runner
from secondlook.pipeline.answers import trace_of
from secondlook.providers.rehearsal import KINDS
from secondlook.services import connect
from secondlook.views.insights import read_insights
from tests.examples import OTHER_USER, SOURCE, USER, bucket_row, example_plan, weeks
from tests.processes import eventually, rows
from tests.tables import EmbeddedTables

ME = Access(USER)

# The kind's name, the rule, the path of the first difference.
REJECTED = [
    ("count-changed", "mismatch", "demand.price_distribution[1].count"),
    ("band-dropped", "mismatch", "demand.price_distribution[3]"),
    ("band-renamed", "mismatch", "decision_latency.distribution[3].band"),
    ("weeks-reordered", "mismatch", "demand.weekly_volume[0].week"),
    ("week-added", "mismatch", "demand.weekly_volume[2]"),
    ("total-changed", "mismatch", "meta.estimate_count"),
    ("confidence-changed", "mismatch", "meta.confidence_level"),
    ("number-as-text", "schema", "demand.price_distribution[1].count"),
    ("number-as-decimal", "schema", "demand.price_distribution[1].count"),
    ("extra-key", "schema", "demand.summary"),
    ("key-missing", "schema", "meta.confidence_level"),
    ("key-twice", "duplicate_key", None),
    ("list", "schema", "$"),
    ("code-fence", "not_json", None),
    ("prose", "not_json", None),
    ("refusal", "refusal", "choices[0].message.refusal"),
    ("cut-off", "truncated", "choices[0].finish_reason"),
    ("content-filter", "content_filter", "choices[0].finish_reason"),
    ("other-end", "finish_reason", "choices[0].finish_reason"),
    ("no-text", "empty", "choices[0].message.content"),
    ("two-choices", "not_completion", None),
    ("empty", "not_completion", None),
    ("html", "not_completion", None),
    ("other-json", "not_completion", None),
    ("no-json", "not_completion", None),
]

# The kind's name, how the run ends, the message.
UNANSWERED = [
    ("wrong-model", RunStatus.FAILED, "Rehearsal API error (404): The model does not exist"),
    ("wrong-key", RunStatus.FAILED, "Rehearsal API error (401): Incorrect API key provided"),
    ("rate-limit", RunStatus.FAILED, "Rehearsal API error (429): Rate limit exceeded"),
    ("quota", RunStatus.FAILED, "Rehearsal API error (429): You exceeded your current quota"),
    ("server-error", RunStatus.FAILED, "Rehearsal API error (500): The server had an error"),
    ("overloaded", RunStatus.FAILED, "Rehearsal API error (503): The engine is overloaded"),
    ("redirect", RunStatus.FAILED, "Rehearsal API error (302): Found"),
    (
        "no-connection",
        RunStatus.FAILED,
        "Rehearsal API error (no connection): the server could not be reached at http://offline.invalid/v1",
    ),
    ("reset", RunStatus.IN_DOUBT, "Rehearsal API error (connection lost): no answer came"),
    ("broken-off", RunStatus.IN_DOUBT, "Rehearsal API error (connection lost): the answer broke off"),
    ("silence", RunStatus.IN_DOUBT, "Rehearsal API error (time-out): the server went silent"),
    ("gateway", RunStatus.IN_DOUBT, "Rehearsal API error (504): Gateway time-out"),
]
SENT_AGAIN = {"rate-limit", "overloaded", "no-connection"}
ACCEPTED = ("other-model", "no-usage")
REFUSED = {
    "invented-number": "characters",
    "wrong-direction": "claims",
    "cause": "vocabulary",
    "markup": "characters",
    "unknown-fact": "facts",
    "all-refused": "vocabulary",
}
"""Insights: the rule that refuses the headline; the run is done all the same."""


@pytest.fixture
def tables() -> EmbeddedTables:
    """The tables, with one source of two weeks; nothing is resent automatically."""
    services = connect()
    services.ping_store()
    made = EmbeddedTables(services.settings.data_dir / "store.db")
    made.add_source(SOURCE)
    return made


@pytest.fixture
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is resent automatically."""
    monkeypatch.setenv("SECONDLOOK_AGENT_RETRIES", "0")


def executed(name: str) -> Run:
    """A rehearsal, to its end."""
    services = connect()
    return Runner(services).execute(Runner(services).submit(SOURCE, ME, rehearsal=f"rehearsal-{name}").run_id)


def test_every_kind_is_known_here() -> None:
    """No kind goes without an expectation."""
    told = {name for name, *_ in REJECTED} | {name for name, *_ in UNANSWERED} | {*ACCEPTED, *REFUSED, "late"}
    assert {kind.name for kind in KINDS.values()} == told


@pytest.mark.parametrize(("name", "reason", "path"), REJECTED, ids=[name for name, *_ in REJECTED])
def test_a_rejected_answer(tables: EmbeddedTables, name: str, reason: str, path: str | None) -> None:
    """It breaks the rule at the path, its answer is kept, and the store is as before."""
    run = executed(name)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert (run.error.code, run.error.reason, run.error.path) == ("answer_rejected", reason, path)
    assert run.answer is not None
    assert (run.agent, run.model, run.rehearsal) == ("rehearsal", f"rehearsal-{name}", True)
    assert tables.count("snapshots") == 0
    assert tables.status(SOURCE) == "bucketed"


@pytest.mark.usefixtures("no_retries")
@pytest.mark.parametrize(("name", "status", "message"), UNANSWERED, ids=[name for name, *_ in UNANSWERED])
def test_no_answer(tables: EmbeddedTables, name: str, status: RunStatus, message: str) -> None:
    """A request that was refused has failed; one that may have been processed has an unknown outcome."""
    run = executed(name)
    assert run.error is not None
    assert (run.status, run.error.message) == (status, message)
    assert (run.answer, run.attempts) == (None, 1)
    assert tables.count("snapshots") == 0


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("name", sorted(name for name, status, _ in UNANSWERED if status is RunStatus.FAILED))
def test_what_may_be_sent_again(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Only what was certainly not processed is sent again."""
    monkeypatch.setenv("SECONDLOOK_AGENT_RETRIES", "1")
    services = connect()
    run = Runner(services).submit(SOURCE, ME, rehearsal=f"rehearsal-{name}")
    Runner(services).pick_up(run.run_id)
    waits = services.ledger.get(run.run_id).waits_ms is not None
    assert waits is (name in SENT_AGAIN)


@pytest.mark.parametrize("name", ACCEPTED)
def test_odd_and_right(tables: EmbeddedTables, name: str) -> None:
    """What breaks no rule is stored as any answer; the model asked marks it."""
    run = executed(name)
    assert run.status is RunStatus.DONE
    assert tables.count("snapshots") == 1
    told = (run.model, run.answered_model, run.usage.total_tokens is None)
    assert (
        told
        == {
            "other-model": ("rehearsal-other-model", "another-model", False),
            "no-usage": ("rehearsal-no-usage", "rehearsal-no-usage", True),
        }[name]
    )


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_sentence(name: str) -> None:
    """It is about the source's newest snapshot, changes nothing of what is shown, and QA sees the rule."""
    services, runner = connect(), Runner(connect())
    made = runner.execute(runner.submit(SOURCE, ME).run_id)
    run = executed(name)
    assert (run.status, run.task, run.subject) == (RunStatus.DONE, INSIGHTS, made.run_id)
    sentences = trace_of(run).sentences
    assert sentences[0].rule == REFUSED[name]
    assert all(each.rule for each in sentences) == (name == "all-refused")
    view = read_insights(services.store(ME), services.ledger, made.run_id, ME.user_id)
    assert (view.run, view.refused) == (None, {})
    assert services.ledger.latest(ME.user_id, SOURCE) == made


def test_a_late_answer_resolves_its_run(tables: EmbeddedTables, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the deadline the run's outcome is unknown, until its answer comes."""
    monkeypatch.setenv("SECONDLOOK_DEADLINE_SECONDS", "0.2")
    services = connect()
    run = Runner(services).submit(SOURCE, ME, rehearsal="rehearsal-late")
    runner = Runner(services)
    assert runner.execute(run.run_id).status is RunStatus.IN_DOUBT
    assert tables.count("snapshots") == 0
    with runner.sweeping():
        eventually(lambda: services.ledger.get(run.run_id).status is RunStatus.DONE)
    assert tables.count("snapshots") == 1


def test_afterwards_the_source_can_be_run(tables: EmbeddedTables) -> None:
    """A refused rehearsal stands in nobody's way."""
    executed("html")
    services = connect()
    runner = Runner(services)
    run = runner.execute(runner.submit(SOURCE, ME).run_id)
    assert (run.status, run.rehearsal) == (RunStatus.DONE, False)
    assert tables.count("snapshots") == 1


def test_canceled(tables: EmbeddedTables) -> None:
    """One with an unknown outcome blocks its source until it is canceled."""
    doubtful = executed("reset")
    with pytest.raises(RequestInvalid, match=r"^The source has an open run"):
        executed("html")
    connect().ledger.cancel(doubtful.run_id, USER)
    assert executed("html").status is RunStatus.FAILED
    assert tables.status(SOURCE) == "bucketed"


def test_a_real_run_is_not_joined(tables: EmbeddedTables) -> None:  # noqa: ARG001 -- the source is there
    """A rehearsal never takes the place of a run that somebody waits for."""
    services = connect()
    real = services.ledger.submit("99999999-2222-4333-8444-555555555555", example_plan(), number=1)
    with pytest.raises(RequestInvalid, match="has an open run"):
        Runner(services).submit(SOURCE, ME, rehearsal="rehearsal-html")
    assert [run.run_id for run in services.ledger.list(USER)] == [real.run_id]


@pytest.mark.usefixtures("tables")
def test_a_budget_holds_for_rehearsals(monkeypatch: pytest.MonkeyPatch) -> None:
    """They pass the one door of all runs: what no budget holds leaves no run."""
    monkeypatch.setenv("SECONDLOOK_BUDGET_DAY_CALLS", "0")
    with pytest.raises(OverBudget):
        Runner(connect()).submit(SOURCE, ME, rehearsal="rehearsal-html")
    assert connect().ledger.list(USER) == []


def test_too_few_weeks(tables: EmbeddedTables) -> None:
    """One week cannot be reordered: the answer would be right."""
    alone = "22222222-2222-4333-8444-555555555555"
    tables.add_source(alone, buckets=bucket_row(weekly_volume=weeks(("2026-W01", 35))))
    with pytest.raises(RequestInvalid, match=r"^This rehearsal takes a source with 2 weeks$"):
        Runner(connect()).submit(alone, ME, rehearsal="rehearsal-weeks-reordered")


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    ("user", "source", "model", "error"),
    [
        pytest.param(OTHER_USER, SOURCE, "rehearsal-html", SourceNotFound, id="another's source"),
        pytest.param(USER, "nonsense", "rehearsal-html", SourceNotFound, id="no id"),
        pytest.param(USER, SOURCE, "rehearsal-nonsense", RequestInvalid, id="no kind"),
        pytest.param(USER, SOURCE, "gpt-5", RequestInvalid, id="a real model"),
    ],
)
def test_nonsense(user: str, source: str, model: str, error: type[SecondlookError]) -> None:
    """What is no rehearsal of one's own source begins nothing."""
    with pytest.raises(error):
        Runner(connect()).submit(source, Access(user), rehearsal=model)
    assert connect().ledger.list(user) == []


KEY = {"OPENAI_API_KEY": "sk-a1b2c3"}
SUPABASE = {"SUPABASE_URL": "https://x.supabase.example", "SUPABASE_KEY": "sb_publishable_x"}
OFFLINE = {"SECONDLOOK_AGENT": "offline"}


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        pytest.param(KEY, "no rehearsals where OpenAI answers", id="a key"),
        pytest.param(SUPABASE, "on Supabase", id="Supabase"),
        pytest.param(SUPABASE | OFFLINE, "on Supabase", id="Supabase, offline"),
        pytest.param({"SECONDLOOK_AGENT": "openai"}, "OPENAI_API_KEY is required", id="openai, no key"),
        pytest.param({"SECONDLOOK_ENV": "production"}, "OPENAI_API_KEY is required", id="production"),
    ],
)
def test_where_there_are_none(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], words: str
) -> None:
    """With a real key or on Supabase the services refuses, whoever asks."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SecondlookError, match=words):
        Runner(connect()).submit(SOURCE, ME, rehearsal="rehearsal-html")
    assert not (Path("data") / "ledger.db").exists()


@pytest.mark.usefixtures("tables", "no_retries")
def test_a_rehearsal_that_is_executed_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queued here and executed where a key is set, it is refused, and waits for settings that allow it."""
    run = Runner(connect()).submit(SOURCE, ME, rehearsal="rehearsal-no-usage")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a1b2c3")
    with pytest.raises(SettingInvalid, match="no rehearsals where OpenAI answers"):
        Runner(connect()).execute(run.run_id)
    assert connect().ledger.get(run.run_id).attempts == 0
    monkeypatch.setenv("SECONDLOOK_AGENT", "offline")
    assert Runner(connect()).execute(run.run_id).status is RunStatus.DONE


@pytest.mark.usefixtures("tables")
def test_nobody_out_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The webhook's messages cannot say that a run is a rehearsal: there are none, but of the real run."""
    monkeypatch.setenv("SECONDLOOK_WEBHOOK_URL", "https://hooks.example/x")
    monkeypatch.setenv("SECONDLOOK_WEBHOOK_SECRET", "whsec_" + base64.b64encode(bytes(32)).decode())
    for name in ("html", "wrong-key", "no-usage"):
        executed(name)
    services = connect()
    runner = Runner(services)
    real = runner.execute(runner.submit(SOURCE, ME, regenerate=True).run_id)
    (message,) = rows(services.settings.data_dir / "ledger.db", "select payload from deliveries")
    assert real.run_id in message["payload"]


@pytest.mark.usefixtures("tables")
def test_no_setting_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """SECONDLOOK_MODEL cannot make a run a rehearsal: only the provider can."""
    monkeypatch.setenv("SECONDLOOK_MODEL", "rehearsal-html")
    services = connect()
    runner = Runner(services)
    run = runner.execute(runner.submit(SOURCE, ME).run_id)
    assert (run.status, run.agent, run.rehearsal) == (RunStatus.DONE, "offline", False)
