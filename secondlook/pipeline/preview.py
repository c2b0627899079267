"""Previews a run of a source: its data, its warnings, what would be sent, and the first rule that refuses it.

Pages show it, and the orchestrator acts on it. Nothing here reads or writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from secondlook.domain import bucket_rules as rules
from secondlook.domain.buckets import AgentInput
from secondlook.domain.runs import Run
from secondlook.domain.snapshots import SnapshotResult
from secondlook.domain.sources import Source, SourceRecord
from secondlook.errors import SecondlookError
from secondlook.tasks.snapshot import prompt


@dataclass(frozen=True)
class Preview:
    """A source as it would be run now.

    Attributes:
        agent_input: Exactly what the agent would see; None where the buckets are missing or invalid.
        warnings: What is odd about the buckets, in plain words.
        refusal: The error of the first rule that refuses a run, or None.
    """

    source: Source
    agent_input: AgentInput | None
    warnings: tuple[str, ...]
    refusal: SecondlookError | None


def preview(record: SourceRecord, *, max_tokens: int, regenerate: bool) -> Preview:
    """Check a source by the rules in the order of docs/contract.md; the first refusal counts.

    Args:
        record: The source as it was loaded.
        max_tokens: The limit of the answer's tokens.
        regenerate: Whether a source that has a snapshot may be run.
    """
    refusals: list[SecondlookError] = []

    def attempt(check: Callable[[], None]) -> None:
        try:
            check()
        except SecondlookError as error:
            refusals.append(error)

    attempt(lambda: rules.check_status(record.source.status, regenerate=regenerate))
    try:
        buckets = rules.read_buckets(record.buckets, today=datetime.now(UTC).date())
    except SecondlookError as error:
        return Preview(record.source, None, (), (*refusals, error)[0])
    n = rules.count_estimates(record, buckets)
    agent_input = rules.build_input(buckets, n)
    attempt(lambda: rules.check_minimum(n))
    attempt(lambda: rules.check_sums(buckets, n))
    attempt(lambda: rules.check_answer_size(prompt.reserve_answer_tokens(agent_input), max_tokens))
    return Preview(
        record.source,
        agent_input,
        rules.uncovered(buckets, n),
        refusals[0] if refusals else None,
    )


def changed_since(result: SnapshotResult, agent_input: AgentInput | None) -> bool:
    """True where the buckets are not those that a snapshot was made of."""
    return agent_input is None or (
        result.demand,
        result.decision_latency,
        result.meta.estimate_count,
    ) != (agent_input.demand, agent_input.decision_latency, agent_input.estimate_count)


def changed_since_queued(run: Run, agent_input: AgentInput | None) -> bool:
    """True if a source's buckets are not the input of its open run; False if that run has ended."""
    is_open = not run.status.final and run.erased_at is None
    return is_open and AgentInput.model_validate_json(run.input) != agent_input
