"""What a run of a source would be: its data, its warnings, what would be sent, and the first rule against it.

Pages show it; the orchestrator acts on it. Nothing here reads or writes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from secondlook.agent import prompt
from secondlook.errors import SecondlookError
from secondlook.models import AgentInput, Buckets, SnapshotResult, Source, SourceRecord, Usage
from secondlook.settings import Settings
from secondlook.validation import buckets as rules


@dataclass(frozen=True)
class Preview:
    """A source as it would be run now.

    Attributes:
        buckets: None where they are missing or cannot be read; so are the three after it.
        agent_input: Exactly what the agent would see.
        usage: About what the run would use.
        refusal: The first rule that stands against a run, or None.
    """

    source: Source
    buckets: Buckets | None
    estimate_count: int | None
    agent_input: AgentInput | None
    usage: Usage | None
    warnings: tuple[str, ...]
    refusal: SecondlookError | None


def preview(record: SourceRecord, settings: Settings, *, regenerate: bool) -> Preview:
    """Hold a source against the rules, in the order of CONTRACT.md: the first refusal is the one that counts.

    Args:
        record: The source as it was loaded.
        settings: For the limit of the answer's tokens.
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
        bucketed = rules.read_buckets(record.buckets, today=datetime.now(UTC).date())
    except SecondlookError as error:
        refusals.append(error)
        return Preview(record.source, None, None, None, None, (), refusals[0])
    n = rules.count_estimates(record, bucketed)
    agent_input = rules.build_input(bucketed, n)
    reserve = prompt.reserve_answer_tokens(len(bucketed.weeks))
    attempt(lambda: rules.check_minimum(n))
    attempt(lambda: rules.check_sums(bucketed, n))
    attempt(lambda: rules.check_answer_size(reserve, settings.max_tokens))
    return Preview(
        source=record.source,
        buckets=bucketed,
        estimate_count=n,
        agent_input=agent_input,
        usage=prompt.estimate_usage(agent_input),
        warnings=rules.uncovered(bucketed, n),
        refusal=refusals[0] if refusals else None,
    )


def changed_since(result: SnapshotResult, agent_input: AgentInput | None) -> bool:
    """True where the buckets are not those that a snapshot was made of."""
    return agent_input is None or (
        result.demand,
        result.decision_latency,
        result.meta.estimate_count,
    ) != (agent_input.demand, agent_input.decision_latency, agent_input.estimate_count)
