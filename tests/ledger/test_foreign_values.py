"""Whatever a provider wrote, its answer is journaled: the body exactly, the rest as columns hold it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondlook.domain.answers import AgentAnswer
from secondlook.domain.runs import RunStatus
from secondlook.domain.usage import Usage
from secondlook.errors import ProviderError
from secondlook.ledger.runs import Ledger, open_ledger
from tests.examples import example_answer
from tests.ledger import executing
from tests.ledger.executing import Where, query

LONGEST = 2**63 - 1
ODD = "\x00\ud800\udfff"
NAMES = st.none() | st.text(st.characters(codec="utf-8") | st.sampled_from(ODD), max_size=20)
COUNTS = st.none() | st.integers(0, 2**70) | st.sampled_from([2**31 - 1, 2**31, LONGEST, LONGEST + 1])
BODIES = st.text(
    st.characters(codec="utf-8") | st.sampled_from(f'{ODD}\ufeff\ufffd"\\\r\n')
) | st.binary().map(
    lambda sent: sent.decode("utf-8", errors="replace")  # as the client reads it
)


@st.composite
def answers(draw: st.DrawFn) -> AgentAnswer:
    """Any answer that the types let through."""
    return AgentAnswer(
        body=draw(BODIES),
        usage=Usage(
            prompt_tokens=draw(COUNTS),
            completion_tokens=draw(COUNTS),
            total_tokens=draw(COUNTS),
            cached_tokens=draw(COUNTS),
            estimated=draw(st.booleans()),
        ),
        model=draw(NAMES),
        request_id=draw(NAMES),
        latency_ms=draw(st.integers(0, 2**70)),
        provider_ms=draw(COUNTS),
        http_status=draw(st.integers(0, 2**70)),
    )


def kept(count: int | None, bits: int = 64) -> int | None:
    """A count as a column keeps it."""
    return count if count is not None and count < 2 ** (bits - 1) else None


def named(name: str | None) -> str | None:
    """A name as a column keeps it."""
    return None if name is None else "".join("\ufffd" if letter in ODD else letter for letter in name)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(answer=answers())
def test_any_answer_is_journaled(ledger: Ledger, answer: AgentAnswer) -> None:
    """The body to the letter; what no column holds is unknown, never wrong, and never in its way."""
    held = executing.calling(ledger)
    assert ledger.journal(held.run_id, 1, answer)
    run = ledger.get(held.run_id)
    usage = answer.usage
    assert (run.status, run.answer) == (RunStatus.ANSWERED, answer.body)
    assert run.usage == Usage(
        prompt_tokens=kept(usage.prompt_tokens),
        completion_tokens=kept(usage.completion_tokens),
        total_tokens=kept(usage.total_tokens),
        cached_tokens=kept(usage.cached_tokens),
        estimated=usage.estimated,
    )
    assert (run.answered_model, run.request_id) == (named(answer.model), named(answer.request_id))
    assert (run.latency_ms, run.provider_ms) == (kept(answer.latency_ms, 32), kept(answer.provider_ms, 32))
    executing.finish(ledger, held)  # so that the next example gets a run of its own
    assert ledger.get(held.run_id).answer == answer.body


def test_a_long_body_is_kept(ledger: Ledger) -> None:
    """As long as the client lets it be."""
    body = "\x00\u20ac\U0001f600 " * 800_000
    held = executing.calling(ledger)
    ledger.journal(held.run_id, 1, example_answer(body))
    assert ledger.get(held.run_id).answer == body


@pytest.mark.parametrize("cost", [Decimal(2**63), Decimal(10**40), Decimal(LONGEST) / 10**9])
def test_a_cost_without_measure_ends_the_run_all_the_same(ledger: Ledger, cost: Decimal) -> None:
    """It is unknown where no column holds it."""
    held = executing.answered(ledger, cost)
    ledger.finish(held, timings={})
    run = ledger.get(held.run_id)
    assert (run.status, run.cost_usd) == (RunStatus.DONE, cost if cost < LONGEST else None)


@pytest.mark.parametrize("odd", ["\x00", "\ud800"], ids=["NUL", "surrogate"])
def test_what_a_refusal_says_cannot_stop_it(ledger: Ledger, where: Where, odd: str) -> None:
    """Neither the message nor the request id keeps a run from its end."""
    held = executing.calling(ledger)
    error = ProviderError("No", outcome="refused", status=10**30, request_id=f"req{odd}")
    error.message = "No\x00"
    ledger.end_call(held, 1, error)
    assert ledger.get(held.run_id).status is RunStatus.FAILED
    assert query(where, "select error, request_id, http_status from calls") == [
        ("No\ufffd", "req\ufffd", None)
    ]


def test_the_journal_is_the_same_on_both(new_database: Callable[[], Where]) -> None:
    """What is read back does not depend on the kind of database, not even its type."""
    with closing(open_ledger(new_database(), lease_seconds=15)) as ledger:
        held = executing.answered(ledger, Decimal("0.1"))
        ledger.finish(held, timings={})
        run = ledger.get(held.run_id)
        assert type(run.answer) is str
        assert type(run.cost_usd) is Decimal
        assert type(run.usage.estimated) is bool
        assert type(run.latency_ms) is int
