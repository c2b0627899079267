"""Which sentences of insights were accepted, by the version of the prompt, so that a change can be judged.

Computed from the journaled answers by the current rules: the same answers, judged again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from secondlook.domain.run_filter import RunFilter
from secondlook.domain.runs import INSIGHTS
from secondlook.ledger.history import History
from secondlook.ledger.runs import Ledger
from secondlook.pipeline.answers import trace_of

MOST_RUNS = 500
"""Runs that are judged, the newest of a period."""


@dataclass
class Acceptance:
    """What became of the sentences of one version of the prompt.

    Attributes:
        answers: Answers that counted and were not erased.
        rejected: Those of them that were rejected as a whole.
        sentences: Sentences of the others.
        refused: Refused sentences by their rule.
        tokens: Tokens of the answers that reported them, and how many did.
    """

    prompt_version: str
    answers: int = 0
    rejected: int = 0
    sentences: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    tokens: int = 0
    counted: int = 0

    @property
    def accepted(self) -> int:
        """Accepted sentences."""
        return self.sentences - self.refused.total()

    @property
    def rate(self) -> float | None:
        """Their share; None where there is no sentence."""
        return self.accepted / self.sentences if self.sentences else None

    @property
    def tokens_each(self) -> int | None:
        """Tokens of an answer on average; None where none reported them."""
        return round(self.tokens / self.counted) if self.counted else None


def acceptance(ledger: Ledger, history: History, wanted: RunFilter, *, only: str | None) -> list[Acceptance]:
    """Return what became of the sentences of a period's runs, by prompt version; rehearsals are left out.

    Args:
        ledger: The ledger that holds the runs.
        history: The same ledger's past runs.
        wanted: The period and the agent.
        only: The user whose runs may be seen; None for a reviewer.
    """
    found: dict[str, Acceptance] = {}
    asked = replace(wanted, task=INSIGHTS)
    for row in history.all(asked, only=only, limit=MOST_RUNS):
        run = ledger.get(row.run_id)
        if run.answer is None or run.rehearsal:
            continue
        each = found.setdefault(run.prompt_version, Acceptance(run.prompt_version))
        each.answers += 1
        sentences = trace_of(run).sentences
        each.rejected += not sentences
        each.sentences += len(sentences)
        each.refused.update(sentence.rule for sentence in sentences if sentence.rule is not None)
        if run.usage.total_tokens is not None:
            each.tokens += run.usage.total_tokens
            each.counted += 1
    return sorted(found.values(), key=lambda each: each.prompt_version)


def acceptance_cells(each: Acceptance) -> Mapping[str, str]:
    """A line of the table, as people read it."""
    refused = ", ".join(f"{rule}: {number:,}" for rule, number in each.refused.most_common())
    return {
        "Prompt version": each.prompt_version,
        "Answers": f"{each.answers:,}",
        "Rejected as a whole": f"{each.rejected:,}",
        "Sentences accepted": "none"
        if each.rate is None
        else f"{each.accepted:,} of {each.sentences:,} ({each.rate:.0%})",
        "Refused by rule": refused or "none",
        "Tokens per answer": "unknown" if each.tokens_each is None else f"{each.tokens_each:,}",
    }
