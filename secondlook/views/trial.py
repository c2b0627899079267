"""What a trial of a model came to: the page Rehearsal and `secondlook try-model` show what is computed here.

Pure. What is unknown is counted, and never taken for nothing.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secondlook.domain.money import nano, usd
from secondlook.domain.runs import Run, RunStatus
from secondlook.errors import AnswerRejected
from secondlook.ledger.tally import Samples, Tally, Total
from secondlook.pipeline.answers import trace_of
from secondlook.providers.table import is_local, label_of
from secondlook.views.figures import duration, tokens
from secondlook.views.run import STATUS
from secondlook.views.usage import PERCENTILES, say_cost, say_percentiles, say_tokens

_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens", "cached_tokens")


@dataclass(frozen=True)
class Mistake:
    """Why the rules reject an answer.

    Attributes:
        rule: The name of the first rule that does not hold; None where the answer was erased.
        reason: The reason that the answer is rejected with.
    """

    rule: str | None
    reason: str

    def __str__(self) -> str:
        return f"{self.rule or 'unknown rule'}: {self.reason}"


@dataclass(frozen=True)
class TriedRun:
    """One run of a trial.

    Attributes:
        mistake: What its answer breaks; None where it is exact, or where there is none.
        code: The stable code of the error that it ended with; None where there is none.
    """

    run_id: str
    source_id: str
    status: RunStatus
    mistake: Mistake | None
    code: str | None
    latency_ms: int | None
    total_tokens: int | None
    estimated: bool

    @property
    def result(self) -> str:
        """What became of it, as people read it."""
        if self.status is RunStatus.DONE:
            return "Exact"
        if self.mistake is not None:
            return str(self.mistake)
        return f"{STATUS[self.status]}{'' if self.code is None else f': {self.code}'}"


@dataclass(frozen=True)
class TrialReport:
    """What a trial of a model came to.

    Attributes:
        agent: The provider that was asked.
        model: The model that was asked.
        answered_models: The models that answered, as the answers name them.
        tally: The figures of the runs, and of the answers that count.
        reasoning_tokens: Tokens of the answers that were reasoning.
        mistakes: Rejected answers by what they break, the most frequent first.
        failures: Runs that failed without an answer, by the code of their error.
        unknown: Runs of which nobody knows whether they were answered.
        runs: Each run, in the order in which they were released.
    """

    agent: str
    model: str
    answered_models: tuple[str, ...]
    prompt_version: str
    tally: Tally
    reasoning_tokens: Total
    mistakes: Mapping[Mistake, int]
    failures: Mapping[str, int]
    unknown: int
    runs: tuple[TriedRun, ...]

    @property
    def exact(self) -> int:
        """Answers that every rule accepts."""
        return self.tally.statuses.get(RunStatus.DONE, 0)


def report_trial(tried: Sequence[Run]) -> TrialReport:
    """Return what the runs of a trial came to.

    Args:
        tried: Its runs, of which there is at least one: all ask the same model of the same agent.
    """
    first, answered = tried[0], [run for run in tried if run.answered]
    unknown = sum(map(_is_unknown, tried))
    each = tuple(map(_tried, tried))
    totals = {name: _total([getattr(run.usage, name) for run in answered], unknown) for name in _TOKENS}
    estimated = sum(run.usage.estimated for run in answered)
    local = is_local(first.agent)
    cost = _total([nano(run.cost_usd) for run in answered], 0 if local else unknown)
    failures = Counter(run.error.code for run in tried if run.status is RunStatus.FAILED and run.error)
    rejected = failures.pop(AnswerRejected.code, 0)
    latencies = sorted(run.latency_ms for run in answered if run.latency_ms is not None)
    return TrialReport(
        agent=first.agent,
        model=first.model,
        answered_models=tuple(sorted({run.answered_model for run in answered if run.answered_model})),
        prompt_version=first.prompt_version,
        tally=Tally(
            statuses=Counter(run.status for run in tried),
            outcomes={"answered": len(answered), "unknown": unknown},
            estimated=estimated,
            rejected=rejected,
            call_ms=Samples(array("q", latencies)),
            prompt_tokens=totals["prompt_tokens"],
            completion_tokens=totals["completion_tokens"],
            total_tokens=totals["total_tokens"],
            cached_tokens=totals["cached_tokens"],
            cost=Total() if local else cost,
            estimated_cost=cost if local else Total(),
        ),
        reasoning_tokens=totals["reasoning_tokens"],
        mistakes=dict(Counter(run.mistake for run in each if run.mistake is not None).most_common()),
        failures=dict(failures),
        unknown=unknown,
        runs=each,
    )


def _is_unknown(run: Run) -> bool:
    """Whether a request may have been answered that no answer came for."""
    return not run.answered and (
        run.status is RunStatus.IN_DOUBT or (run.status is RunStatus.CANCELLED and run.attempts > 0)
    )


def _total(values: Sequence[int | None], unknown: int) -> Total:
    known = [value for value in values if value is not None]
    return Total(sum(known), len(values) - len(known) + unknown)


def _tried(run: Run) -> TriedRun:
    error, mistake = run.error, None
    if run.status is RunStatus.FAILED and error is not None and error.code == AnswerRejected.code:
        failed = trace_of(run).failed
        mistake = Mistake(None if failed is None else failed.rule.name, error.reason or "unknown")
    return TriedRun(
        run_id=run.run_id,
        source_id=run.source_id,
        status=run.status,
        mistake=mistake,
        code=None if error is None else error.code,
        latency_ms=run.latency_ms,
        total_tokens=run.usage.total_tokens if run.answered else None,
        estimated=run.usage.estimated,
    )


# -- for people -----------------------------------------------------------------------------------------


def trial_facts(report: TrialReport) -> dict[str, str]:
    """The figures of a trial by their names, as people read them."""
    tally = report.tally
    counted = {name: getattr(tally, name) for name in _TOKENS if name != "reasoning_tokens"}
    counted["reasoning_tokens"] = report.reasoning_tokens
    other = {
        "Outcome unknown": report.unknown,
        "In progress": tally.open_runs,
        "Canceled": tally.statuses.get(RunStatus.CANCELLED, 0),
    }
    return {
        "Agent": label_of(report.agent),
        "Model asked": report.model,
        "Model answered": ", ".join(report.answered_models) or "unknown",
        "Prompt version": report.prompt_version,
        "Sources tried": f"{tally.runs:,}",
        "Exact answers": f"{report.exact:,} of {tally.runs:,}",
        "Mistakes": ", ".join(f"{number:,} {mistake}" for mistake, number in report.mistakes.items())
        or "none",
        "Failed without an answer": ", ".join(f"{n:,} {code}" for code, n in report.failures.items())
        or "none",
        **{name: f"{number:,}" for name, number in other.items() if number},
        **{
            name.replace("_", " ").capitalize(): say_tokens(counted[name], estimated=tally.estimated > 0)
            for name in _TOKENS
        },
        "Cost": say_cost(tally),
        "Agent call, p50 / p95": say_percentiles(tally.call_ms, tally.answered),
    }


TRIED_COLUMNS = ("Run", "Source", "Result", "Agent call", "Tokens")
"""The columns of the table of runs, in their order."""


def tried_cells(run: TriedRun) -> tuple[str, ...]:
    """A run's line in that table."""
    return (
        run.run_id,
        run.source_id,
        run.result,
        "none" if run.latency_ms is None else duration(run.latency_ms),
        "none" if run.latency_ms is None else tokens(run.total_tokens, estimated=run.estimated),
    )


# -- JSON -----------------------------------------------------------------------------------------------


def trial_fields(report: TrialReport) -> dict[str, object]:
    """A trial as `secondlook try-model --json` prints it; null is unknown."""
    tally = report.tally
    cost, estimated_cost = usd(tally.cost.value), usd(tally.estimated_cost.value)
    return {
        "agent": report.agent,
        "model": report.model,
        "models_answered": list(report.answered_models),
        "prompt_version": report.prompt_version,
        "sources": tally.runs,
        "exact": report.exact,
        "mistakes": [
            {"rule": mistake.rule, "reason": mistake.reason, "runs": number}
            for mistake, number in report.mistakes.items()
        ],
        "failures": dict(report.failures),
        "in_doubt": report.unknown,
        "counts": {str(status): number for status, number in tally.statuses.items()},
        **{name: getattr(tally, name).value for name in _TOKENS if name != "reasoning_tokens"},
        "reasoning_tokens": report.reasoning_tokens.value,
        "usage_estimated": tally.estimated > 0,
        "cost_usd": None if cost is None else float(cost),
        "estimated_cost_usd": None if estimated_cost is None else float(estimated_cost),
        **{f"latency_ms_p{percent}": tally.call_ms.percentile(percent) for percent in PERCENTILES},
        "runs": [
            {
                "run_id": run.run_id,
                "source_id": run.source_id,
                "status": str(run.status),
                "rule": None if run.mistake is None else run.mistake.rule,
                "reason": None if run.mistake is None else run.mistake.reason,
                "error_code": run.code,
                "latency_ms": run.latency_ms,
                "total_tokens": run.total_tokens,
            }
            for run in report.runs
        ],
    }
