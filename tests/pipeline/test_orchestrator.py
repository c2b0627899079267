"""The nine steps, the order of refusals, and what is left to do after an interruption."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr

from secondlook.domain.buckets import AgentInput
from secondlook.domain.runs import Plan, Run, RunStatus
from secondlook.errors import ApiKeyMissing, NotSignedIn, SecondlookError, StoreUnavailable
from secondlook.ledger.runs import Ledger, open_ledger
from secondlook.pipeline.answers import result_of
from secondlook.pipeline.execute import Agents, execute
from secondlook.pipeline.retries import Retries
from secondlook.pipeline.submit import prepare
from secondlook.providers.base import Provider
from secondlook.providers.offline import Offline
from secondlook.providers.openai.protocol import OpenAI
from secondlook.providers.table import find_provider
from secondlook.settings import load_settings
from secondlook.stores.base import Store
from secondlook.tasks.snapshot.offline import ANSWERERS
from tests.examples import (
    MODEL,
    NOBODY,
    OTHER_USER,
    SOURCE,
    USER,
    Json,
    body_of,
    bucket_row,
    completion,
    echo,
    example_answer,
    example_input,
    many_weeks,
    weeks,
)
from tests.ledger.executing import expire, next_number, query
from tests.recording import RecordingStore
from tests.tables import EmbeddedTables, newest

ONCE = Retries(most=0, seconds=0)


def offline() -> Offline:
    """The offline agent."""
    return Offline(load_settings(), ANSWERERS)


@dataclass
class House:
    """A store with one source, a ledger, and an agent; what the agent is asked is counted."""

    folder: Path
    store: RecordingStore
    ledger: Ledger
    asked: list[str] = field(default_factory=list[str])
    agent: Provider = field(default_factory=offline)
    signed_out: bool = False

    @property
    def tables(self) -> EmbeddedTables:
        """The product's tables."""
        return EmbeddedTables(self.folder / "store.db")

    def prepare(self, *, regenerate: bool = False, agent: str = "offline") -> Plan:
        """Steps 1 to 5."""
        return prepare(
            SOURCE,
            USER,
            regenerate=regenerate,
            store=self.store,
            settings=load_settings(),
            agent=lambda: find_provider(agent)(load_settings()),
        )

    def submit(self, *, regenerate: bool = False, agent: str = "offline") -> Run:
        """A queued run."""
        number = next_number(self.ledger)
        return self.ledger.submit(
            str(uuid4()), self.prepare(regenerate=regenerate, agent=agent), number=number
        )

    def stores(self, user_id: str) -> Store:
        """The store, as its user may see it while they are signed in."""
        assert user_id == USER
        if self.signed_out:
            raise NotSignedIn("Not now")
        return self.store

    def execute(self, run: Run, agents: Agents | None = None, *, production: bool = False) -> Run:
        """Steps 6 to 9, once; with the house's agent where none is given."""

        def of_the_house(name: str) -> Provider:
            self.asked.append(name)
            return self.agent

        execute(
            run.run_id,
            stores=self.stores,
            agents=agents or of_the_house,
            ledger=self.ledger,
            retries=ONCE,
            production=production,
        )
        return self.ledger.get(run.run_id)

    def answering(self, content: object, **changes: Json) -> None:
        """From now on OpenAI answers, with this content."""
        self.agent.close()
        body = json.dumps(completion(content, **changes))
        provider = OpenAI(load_settings().model_copy(update={"openai_api_key": SecretStr("sk-x")}))
        provider.transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=body.encode()))
        self.agent = provider


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    """One bucketed source, nothing run yet."""
    with (
        closing(RecordingStore(tmp_path / "store.db")) as store,
        closing(open_ledger(tmp_path / "ledger.db", lease_seconds=15)) as ledger,
    ):
        made = House(tmp_path, store, ledger)
        made.tables.add_source(SOURCE, name="A name that nobody sees")
        yield made
        made.agent.close()


# -- the nine steps -------------------------------------------------------------------------------------


def test_the_nine_steps(house: House) -> None:
    """One read, one call, one insert, one update; the snapshot is stored and the source marked."""
    run = house.execute(house.submit())
    assert run.status is RunStatus.DONE
    assert house.store.asked == ["load", "save_snapshot", "mark_generated"]
    assert house.asked == ["offline"]
    assert run.attempts == 1
    assert house.tables.status(SOURCE) == "snapshot_generated"
    assert list(run.timings) == ["load", "check", "call", "validate", "store", "mark"]
    stored = newest(house.store, SOURCE)
    assert stored is not None
    assert (stored.snapshot_id, stored.estimate_count, stored.confidence_level) == (run.run_id, 35, "low")
    assert stored.generated_at == run.generated_at
    assert stored.result == result_of(run)
    ((result,),) = house.tables.run("select result from snapshots")
    assert json.loads(str(result)) == {
        **echo(),
        "meta": {
            **echo()["meta"],
            "snapshot_id": run.run_id,
            "source_id": SOURCE,
            "generated_at": run.generated_at,
        },
    }


def test_the_plan(house: House) -> None:
    """What is sent holds aggregates alone, however the source is called."""
    plan = house.prepare()
    assert (plan.source_id, plan.user_id, plan.agent, plan.model) == (SOURCE, USER, "offline", MODEL)
    assert plan.input == example_input().model_dump_json()
    assert plan.warnings == ()
    sent = json.dumps(plan.request)
    for hidden in ("A name", SOURCE, SOURCE[:8], USER, "csv"):
        assert hidden not in sent


def test_estimates_that_moved_are_warned_of(house: House) -> None:
    """Rows count; buckets that cover fewer are run, with a warning."""
    house.tables.add_estimates(SOURCE, 41)
    run = house.execute(house.submit())
    assert run.status is RunStatus.DONE
    sent = AgentInput.model_validate_json(run.input)
    assert (sent.estimate_count, sent.confidence_level) == (41, "medium")
    assert run.warnings == (
        "weekly volume covers 35 of 41 estimates",
        "price bands cover 35 of 41 estimates: the estimates have probably moved since bucketing",
        "decision latency covers 35 of 41 estimates",
    )


def test_execute_may_be_called_any_number_of_times(house: House) -> None:
    """By anyone: what is done stays done, and nothing is asked or stored again."""
    run = house.execute(house.submit())
    before = list(house.store.asked)
    assert house.execute(run).model_dump() == run.model_dump()
    assert (house.store.asked, len(house.asked)) == (before, 1)


def test_a_run_that_somebody_carries_is_left_to_them(house: House) -> None:
    """Nothing happens to a run in another's hands."""
    run = house.submit()
    house.ledger.claim(run.run_id, "somebody")
    assert house.execute(run).status is RunStatus.QUEUED
    assert house.asked == []


def test_regenerate(house: House) -> None:
    """A source with a snapshot is run again where the caller says so; both snapshots are kept."""
    first = house.execute(house.submit())
    with pytest.raises(SecondlookError) as caught:
        house.submit()
    assert caught.value.message == (
        "Source must be bucketed before snapshot generation (current status: snapshot_generated)"
    )
    assert "--regenerate" in caught.value.hint
    second = house.execute(house.submit(regenerate=True))
    assert (second.status, second.warnings) == (RunStatus.DONE, ())
    assert second.run_id != first.run_id
    assert house.tables.count("snapshots") == 2
    assert house.tables.status(SOURCE) == "snapshot_generated"


# -- refusals -------------------------------------------------------------------------------------------


TOO_MUCH = {**bucket_row(), "weekly_volume": many_weeks(200, 1)}
"""35 estimates; 200 weeks sum to more, and their answer would not fit."""

TOO_LONG = bucket_row(price_band_5000_plus=200, weekly_volume=many_weeks(200, 1))
"""235 estimates, all well but for the answer's size."""


@dataclass(frozen=True)
class Wrong:
    """A source that breaks one rule and, where that can be, every later one."""

    code: str
    message: str
    user_id: str = USER
    status: str = "bucketed"
    buckets: dict[str, Any] | None = None
    rows: int = 0


REFUSALS = [
    pytest.param(
        Wrong("source_not_found", "Invalid source_id: not found", user_id=OTHER_USER, status="ingested"),
        id="1 source",
    ),
    pytest.param(
        Wrong(
            "source_not_bucketed",
            "Source must be bucketed before snapshot generation (current status: ingested)",
            status="ingested",
        ),
        id="2 status, before missing buckets",
    ),
    pytest.param(
        Wrong(
            "source_not_bucketed",
            "Source must be bucketed before snapshot generation (current status: pending)",
            status="pending",
            buckets=bucket_row(price_band_lt_500=-1),
        ),
        id="2 status, before wrong counts",
    ),
    pytest.param(Wrong("buckets_missing", "No buckets found for source: missing"), id="3 buckets present"),
    pytest.param(
        Wrong(
            "buckets_invalid",
            "price_band_lt_500 must be an integer of at least 0",
            buckets={**TOO_MUCH, "price_band_lt_500": "x"},
            rows=3,
        ),
        id="4 counts well-formed, before the minimum",
    ),
    pytest.param(
        Wrong(
            "buckets_invalid",
            "weekly_volume[200].week must be a real ISO week such as 2026-W01",
            buckets={**TOO_MUCH, "weekly_volume": [*many_weeks(200, 1), *weeks(("2025-W53", 1))]},
            rows=3,
        ),
        id="4 weeks well-formed, before the minimum",
    ),
    pytest.param(
        Wrong(
            "not_enough_estimates",
            "Minimum 25 estimates required for snapshot (found: 15)",
            buckets=TOO_MUCH,
            rows=15,
        ),
        id="5 minimum, before the sums",
    ),
    pytest.param(
        Wrong(
            "buckets_invalid",
            "weekly_volume: the sum is 200, more than the 35 estimates",
            buckets=TOO_MUCH,
        ),
        id="6 sums, before the size",
    ),
    pytest.param(
        Wrong(
            "buckets_invalid",
            "weekly_volume has too many weeks: the answer would take about 2451 tokens, "
            "SECONDLOOK_MAX_TOKENS is 2000",
            buckets=TOO_LONG,
        ),
        id="7 size, before the key",
    ),
    pytest.param(
        Wrong(
            "api_key_missing",
            "OPENAI_API_KEY is required. Add it to your .env.local file.",
            buckets=bucket_row(),
        ),
        id="8 key",
    ),
]


@pytest.mark.parametrize("wrong", REFUSALS)
def test_the_order_of_refusals(house: House, wrong: Wrong) -> None:
    """The first rule that is broken speaks; nothing is written, and no run is left."""
    source = str(uuid4())
    house.tables.add_source(
        source,
        user_id=wrong.user_id,
        status=wrong.status,
        buckets=wrong.buckets,
        with_buckets=wrong.buckets is not None,
    )
    house.tables.add_estimates(source, wrong.rows)

    def no_key() -> Provider:
        raise ApiKeyMissing

    with pytest.raises(SecondlookError) as caught:
        prepare(source, USER, regenerate=False, store=house.store, settings=load_settings(), agent=no_key)
    error = caught.value
    assert (error.code, error.message, error.run_id, error.usage) == (wrong.code, wrong.message, None, None)
    assert house.store.asked == ["load"]
    assert house.ledger.list(USER) == []


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("", id="empty"),
        pytest.param("12", id="number"),
        pytest.param(SOURCE + "0", id="too long"),
        pytest.param("' or 1=1 --", id="SQL"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param("00000000-0000-4000-8000-000000000000", id="unknown"),
    ],
)
@pytest.mark.parametrize("user", [USER, OTHER_USER, NOBODY, "not a uuid", ""])
def test_no_source_is_like_another(house: House, source: str, user: str) -> None:
    """An unknown id, a malformed id and another user's id cannot be told apart."""
    for wanted, who in ((source, user), (SOURCE, NOBODY)):
        with pytest.raises(SecondlookError) as caught:
            prepare(
                wanted,
                who,
                regenerate=False,
                store=house.store,
                settings=load_settings(),
                agent=offline,
            )
        assert (caught.value.code, caught.value.message) == (
            "source_not_found",
            "Invalid source_id: not found",
        )
        assert caught.value.hint == type(caught.value).default_hint


def test_an_id_may_be_written_in_any_way(house: House) -> None:
    """Capitals and missing dashes are the same UUID."""
    plan = prepare(
        SOURCE.upper().replace("-", ""),
        USER.upper(),
        regenerate=False,
        store=house.store,
        settings=load_settings(),
        agent=offline,
    )
    assert (plan.source_id, plan.user_id) == (SOURCE, USER)


# -- wrong answers --------------------------------------------------------------------------------------


def test_a_rejected_answer(house: House) -> None:
    """Nothing is stored, the status stays, and answer, usage, cost and path are kept for QA."""
    answer = echo()
    answer["demand"]["weekly_volume"][0]["count"] = 16
    house.answering(answer)
    run = house.execute(house.submit(agent="openai"))
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert (run.error.code, run.error.reason) == ("answer_rejected", "mismatch")
    assert run.error.path == "demand.weekly_volume[0].count"
    assert run.answer == body_of(answer)
    assert (run.usage.total_tokens, run.usage.estimated) == (550, False)
    assert run.cost_usd == Decimal("0.002375")  # 300 tokens, 100 cached, 150 answered
    assert run.attempts == 1
    assert house.tables.count("snapshots") == 0
    assert house.tables.status(SOURCE) == "bucketed"
    assert house.store.asked == ["load"]


def test_an_answer_of_an_unknown_model_has_an_unknown_cost(house: House) -> None:
    """A price that is not known is null."""
    house.answering(echo())
    run = house.submit(agent="openai")
    held = house.ledger.claim(run.run_id, "me")
    assert held is not None
    assert house.ledger.begin_call(held) == 1
    house.ledger.journal(run.run_id, 1, example_answer(model="llama-3.3-70b"))
    expire(house.folder / "ledger.db", run.run_id)
    assert house.execute(run).cost_usd is None


# -- interruptions --------------------------------------------------------------------------------------


def answered(house: House) -> Run:
    """A run whose carrier died with the answer journaled."""
    run = house.submit()
    held = house.ledger.claim(run.run_id, "the dead one")
    assert held is not None
    house.ledger.begin_call(held)
    house.ledger.journal(run.run_id, 1, example_answer())
    expire(house.folder / "ledger.db", run.run_id)
    return house.ledger.get(run.run_id)


def test_an_answered_run_goes_on_without_a_call(house: House) -> None:
    """The journaled answer is stored, dated when it was journaled."""
    run = answered(house)
    ended = house.execute(run)
    assert (ended.status, ended.attempts, ended.generated_at) == (RunStatus.DONE, 1, run.generated_at)
    assert house.asked == []
    assert house.tables.count("snapshots") == 1


@pytest.mark.parametrize("status", ["ingested", "pending", "insufficient_data", "archived"])
def test_a_status_that_changed_meanwhile_is_left_alone(house: House, status: str) -> None:
    """The snapshot is stored all the same, with a warning."""
    run = answered(house)
    house.tables.set_status(SOURCE, status)
    ended = house.execute(run)
    assert ended.status is RunStatus.DONE
    assert ended.warnings == ("the source's status changed meanwhile and was left alone",)
    assert house.tables.status(SOURCE) == status
    assert house.tables.count("snapshots") == 1


def test_buckets_that_changed_meanwhile_do_not_matter(house: House) -> None:
    """An answer is held against the input that was sent."""
    run = answered(house)
    house.tables.run("update estimate_buckets set price_band_lt_500 = 1, weekly_volume = 'broken'")
    assert house.execute(run).status is RunStatus.DONE


def test_a_source_that_was_deleted_meanwhile(house: House) -> None:
    """Its answer is kept and the run fails; nothing is stored."""
    run = answered(house)
    house.tables.run("delete from estimate_buckets where source_id = ?", SOURCE)
    house.tables.run("delete from sources where id = ?", SOURCE)
    ended = house.execute(run)
    assert ended.status is RunStatus.FAILED
    assert ended.error is not None
    assert (ended.error.code, ended.error.message) == ("source_not_found", "Invalid source_id: not found")
    assert ended.answer is not None


@pytest.mark.parametrize("where", ["save_snapshot", "mark_generated"])
def test_a_store_that_is_down(house: House, where: str) -> None:
    """The answer is kept; once the store is back the run goes on, without a second call or snapshot."""
    house.store.down = {where}
    run = house.submit()
    with pytest.raises(StoreUnavailable) as caught:
        house.execute(run)
    assert caught.value.run_id == run.run_id
    held_up = house.ledger.get(run.run_id)
    assert (held_up.status, held_up.attempts) == (RunStatus.ANSWERED, 1)
    assert held_up.error is not None
    assert held_up.error.code == "store_unavailable"
    house.store.down = set()
    ended = house.execute(run)
    assert (ended.status, ended.attempts, ended.error) == (RunStatus.DONE, 1, None)
    assert house.tables.count("snapshots") == 1
    assert house.tables.status(SOURCE) == "snapshot_generated"


@pytest.mark.parametrize("state", ["queued", "answered"])
def test_a_user_who_is_not_signed_in(house: House, state: str) -> None:
    """Nothing is sent or stored; the run waits as it is, says why, and goes on once they are back."""
    run = house.submit() if state == "queued" else answered(house)
    before = list(house.store.asked)
    house.signed_out = True
    with pytest.raises(NotSignedIn):
        house.execute(run)
    waiting = house.ledger.get(run.run_id)
    assert (waiting.status, waiting.attempts) == (run.status, run.attempts)
    assert waiting.error is not None
    assert waiting.error.code == "not_signed_in"
    assert [found.run_id for found in house.ledger.claimable()] == [run.run_id]
    assert (house.asked, house.store.asked) == ([], before)
    house.signed_out = False
    ended = house.execute(run)
    assert (ended.status, ended.attempts, ended.error) == (RunStatus.DONE, 1, None)
    assert house.tables.count("snapshots") == 1


def test_who_signs_out_while_the_agent_answers(house: House) -> None:
    """The store was opened before anything was sent: what was begun is stored."""
    run = house.submit()

    def agents(_: str) -> Provider:
        house.signed_out = True
        return house.agent

    assert house.execute(run, agents).status is RunStatus.DONE


def test_a_doubt_needs_nobody(house: House) -> None:
    """A run whose carrier died with the request out is found in doubt, whoever is signed in."""
    run = house.submit()
    held = house.ledger.claim(run.run_id, "the dead one")
    assert held is not None
    house.ledger.begin_call(held)
    expire(house.folder / "ledger.db", run.run_id)
    house.signed_out = True
    assert house.execute(run).status is RunStatus.IN_DOUBT


def test_who_died_with_a_request_out_is_in_doubt(house: House) -> None:
    """Whoever takes the run up sends nothing."""
    run = house.submit()
    held = house.ledger.claim(run.run_id, "the dead one")
    assert held is not None
    house.ledger.begin_call(held)
    expire(house.folder / "ledger.db", run.run_id)
    ended = house.execute(run)
    assert (ended.status, ended.attempts) == (RunStatus.IN_DOUBT, 1)
    assert house.asked == []
    ended = house.execute(run)
    assert (ended.status, house.asked) == (RunStatus.IN_DOUBT, [])


def test_a_late_answer_spares_the_second_call(house: House) -> None:
    """It comes after a person sent the run again and before the request is out: nothing is sent."""
    run = house.submit()
    held = house.ledger.claim(run.run_id, "the dead one")
    assert held is not None
    house.ledger.begin_call(held)
    house.ledger.abandon_call(held.model_copy(update={"attempts": 1}))
    house.ledger.resend(run.run_id, USER)

    def agents(_: str) -> Provider:
        house.ledger.journal(run.run_id, 1, example_answer())
        return house.agent

    ended = house.execute(run, agents)
    assert (ended.status, ended.attempts) == (RunStatus.DONE, 1)
    assert query(house.folder / "ledger.db", "select count(*) from calls") == [(1,)]


def test_a_run_that_is_given_up_as_it_is_taken_up(house: House) -> None:
    """Cancelled between the claim and the request: nothing is sent."""
    run = house.submit()

    def agents(_: str) -> Provider:
        house.ledger.cancel(run.run_id, USER)
        return house.agent

    ended = house.execute(run, agents)
    assert (ended.status, ended.attempts) == (RunStatus.CANCELLED, 0)


# -- logs -----------------------------------------------------------------------------------------------


SECRETS = ("731913", "2019-W37", "price_band", "weekly_volume", "500-1500", "pending")
"""Parts of buckets, prompts and answers; the count is one that nothing else has."""


def secret_row() -> dict[str, Any]:
    """Buckets that can be recognised."""
    return bucket_row(price_band_5000_plus=731913, weekly_volume=weeks(("2019-W37", 731913)))


@pytest.mark.parametrize("production", [False, True], ids=["development", "production"])
def test_the_two_lines_of_a_run(house: House, caplog: pytest.LogCaptureFixture, *, production: bool) -> None:
    """Ids, counts and, in development, usage: to the letter, and nothing else."""
    house.answering(echo())
    with caplog.at_level(logging.DEBUG, logger="secondlook"):
        run = house.execute(house.submit(agent="openai"), production=production)
    usage = ', "usage": {"prompt_tokens": 400, "completion_tokens": 150, "total_tokens": 550}'
    generated = f'"snapshot_id": "{run.run_id}", "estimate_count": 35, "confidence_level": "low"'
    complete = f'"snapshot_id": "{run.run_id}", "source_id": "{SOURCE}", {generated.partition(", ")[2]}'
    assert [record.getMessage() for record in caplog.records if record.name == "secondlook"] == [
        f"[OpenAI] Snapshot generated: {{{generated}{'' if production else usage}}}",
        f"[Orchestrator] Snapshot pipeline complete: {{{complete}}}",
    ]


@pytest.mark.parametrize("production", [False, True], ids=["development", "production"])
def test_logs_hold_no_content(house: House, caplog: pytest.LogCaptureFixture, *, production: bool) -> None:
    """Not in any mode, from any logger, at any level; a rejected answer leaves no trace either."""
    house.tables.run("delete from estimate_buckets where source_id = ?", SOURCE)
    house.tables.run("delete from sources where id = ?", SOURCE)
    house.tables.add_source(SOURCE, buckets=secret_row())
    with caplog.at_level(logging.DEBUG):
        assert house.execute(house.submit(), production=production).status is RunStatus.DONE
        house.answering(echo(example_input(secret_row(), 731999)))
        rejected = house.execute(house.submit(regenerate=True, agent="openai"), production=production)
        assert rejected.status is RunStatus.FAILED
    assert rejected.error is not None
    shown = caplog.text + rejected.error.model_dump_json()
    assert [secret for secret in SECRETS if secret in shown] == []
