"""What a trial came to, from its runs alone: unknown stays unknown, and nothing is counted twice."""

from __future__ import annotations

from decimal import Decimal

import pytest

from secondlook.domain.runs import TRIAL, Run, RunError, RunStatus
from secondlook.domain.usage import Usage
from secondlook.views.trial import Mistake, report_trial, trial_facts, trial_fields, tried_cells
from tests.examples import Json, body_of, echo
from tests.views.test_comparison import made

USED = Usage(prompt_tokens=10, completion_tokens=5, total_tokens=15, cached_tokens=0, reasoning_tokens=2)


def tried(**changes: Json) -> Run:
    """A run of a trial, answered exactly."""
    answered: dict[str, Json] = {
        "task": TRIAL,
        "latency_ms": 100,
        "answer": body_of(echo()),
        "answered_model": "m-1",
        "usage": USED,
        "cost_usd": Decimal("0.25"),
    }
    return made(**{**answered, **changes})


def unanswered(status: RunStatus, code: str | None = None, **changes: Json) -> Run:
    """A run of a trial without an answer."""
    error = None if code is None else RunError(code=code, message="No")
    return made(task=TRIAL, status=status, error=error, **changes)


def rejected(reason: str, content: object) -> Run:
    """A run of a trial whose answer breaks a rule."""
    error = RunError(code="answer_rejected", message="No", reason=reason)
    return tried(status=RunStatus.FAILED, answer=body_of(content), error=error)


def test_every_kind_of_end() -> None:
    """Exact and wrong answers, failures, unknown outcomes, and what is still open."""
    report = report_trial(
        [
            tried(),
            rejected("not_json", "no"),
            rejected("not_json", "no"),
            rejected("duplicate_key", '{"a": 1, "a": 1}'),
            unanswered(RunStatus.FAILED, "provider_error"),
            unanswered(RunStatus.IN_DOUBT, "in_doubt"),
            unanswered(RunStatus.CANCELLED, attempts=0),
            unanswered(RunStatus.QUEUED, attempts=0),
        ]
    )
    assert (report.exact, report.unknown, report.tally.runs, report.tally.open_runs) == (1, 1, 8, 1)
    assert list(report.mistakes.items()) == [
        (Mistake("json", "not_json"), 2),
        (Mistake("json", "duplicate_key"), 1),
    ]
    assert report.failures == {"provider_error": 1}
    assert [run.result for run in report.runs] == [
        *("Exact", "json: not_json", "json: not_json", "json: duplicate_key", "Failed: provider_error"),
        *("Outcome unknown: in_doubt", "Canceled", "Queued"),
    ]
    facts = trial_facts(report)
    assert facts["Exact answers"] == "1 of 8"
    assert facts["Mistakes"] == "2 json: not_json, 1 json: duplicate_key"
    assert (facts["Outcome unknown"], facts["In progress"], facts["Canceled"]) == ("1", "1", "1")
    assert (facts["Total tokens"], facts["Cost"]) == ("≥ 60", "≥ $1.0000")
    assert trial_fields(report)["cost_usd"] is None


@pytest.mark.parametrize(
    ("other", "cost", "total"),
    [
        pytest.param(tried(), "$0.5000", 30, id="both known"),
        pytest.param(tried(cost_usd=None), "≥ $0.2500", 30, id="no price"),
        pytest.param(tried(usage=Usage()), "$0.5000", None, id="no usage"),
        pytest.param(unanswered(RunStatus.IN_DOUBT, "in_doubt"), "≥ $0.2500", None, id="outcome unknown"),
        pytest.param(
            unanswered(RunStatus.CANCELLED, attempts=1), "≥ $0.2500", None, id="canceled while unknown"
        ),
        pytest.param(unanswered(RunStatus.CANCELLED, attempts=0), "$0.2500", 15, id="never sent"),
        pytest.param(unanswered(RunStatus.FAILED, "provider_error"), "$0.2500", 15, id="refused"),
    ],
)
def test_the_unknown_stays_unknown(other: Run, cost: str, total: int | None) -> None:
    """A sum with an unknown part has a least value for people and none for programs."""
    report = report_trial([tried(), other])
    assert trial_facts(report)["Cost"] == cost
    assert trial_fields(report)["total_tokens"] == total


def test_percentiles_are_nearest_ranks() -> None:
    """Of 1 to 20 in any order: the 10th and the 19th; runs without an answer have none."""
    runs = [tried(latency_ms=each) for each in (*range(2, 21, 2), *range(1, 21, 2))]
    fields = trial_fields(report_trial([*runs, unanswered(RunStatus.FAILED, "provider_error")]))
    assert (fields["latency_ms_p50"], fields["latency_ms_p95"]) == (10, 19)
    none = report_trial([unanswered(RunStatus.FAILED, "over_budget")])
    assert trial_fields(none)["latency_ms_p50"] is None
    assert trial_facts(none)["Agent call, p50 / p95"] == "none"


def test_the_offline_agent_was_not_paid() -> None:
    """What it would have cost is an estimate, and an unknown outcome of it costs nothing."""
    estimated = USED.model_copy(update={"estimated": True})
    doubt = unanswered(RunStatus.IN_DOUBT, "in_doubt", agent="offline")
    report = report_trial([tried(agent="offline", usage=estimated), doubt])
    assert trial_facts(report)["Cost"] == "≈ $0.2500 not billed"
    assert trial_fields(report)["cost_usd"] == 0
    assert trial_fields(report)["estimated_cost_usd"] == 0.25
    assert tried_cells(report.runs[0])[-1] == "≈ 15"


def test_an_erased_answer() -> None:
    """Its reason is kept with the error; the rule's name is not."""
    erased = rejected("mismatch", "no").model_copy(
        update={"answer": None, "input": "", "erased_at": "2026-11-28T10:00:00Z"}
    )
    report = report_trial([erased])
    assert report.mistakes == {Mistake(None, "mismatch"): 1}
    assert report.tally.total_tokens.value == 15
