"""Insights as a task: what is asked about a snapshot, and which sentences of the answer are accepted."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from secondlook.domain.answers import Completion
from secondlook.domain.questions import Question
from secondlook.domain.runs import INSIGHTS, Run
from secondlook.errors import AnswerRejected
from secondlook.tasks.base import ProductTables, SentenceCheck, Step, Task, Trace
from secondlook.tasks.checklist import check_each
from secondlook.tasks.insights import prompt
from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.parsing import Slot, scan
from secondlook.tasks.insights.prompt import InsightsInput
from secondlook.tasks.insights.rules import RULES, InsightsReading, Said, check_answer
from secondlook.tasks.insights.wording import value_text


@dataclass(frozen=True)
class Insight:
    """An accepted sentence of an answer.

    Attributes:
        position: 0 is the headline, 1 the first insight, and so on.
        text: With its values.
        facts: The ids that it cites.
    """

    position: int
    text: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Insights:
    """What an answer becomes.

    Attributes:
        accepted: The sentences that every rule accepts, in their order.
        refused: The rule that refuses a sentence, by its position.
    """

    accepted: tuple[Insight, ...]
    refused: Mapping[int, str]


class InsightsTask(Task[InsightsInput, Insights]):
    """The agent says what stands out; each sentence is accepted or refused by itself."""

    name = INSIGHTS
    title = "Insights"
    prompt_version = prompt.PROMPT_VERSION
    input_type = InsightsInput

    def question(self, given: InsightsInput) -> Question:
        """The facts."""
        return prompt.question(given)

    def check(self, completion: Completion, given: InsightsInput) -> Insights:
        """Its sentences, where the answer as a whole has the right form."""
        facts = given.by_id()
        said = check_answer(completion, facts)
        return Insights(
            accepted=tuple(
                Insight(each.position, fill(each.text, facts), each.facts)
                for each in said
                if each.rule is None
            ),
            refused={each.position: each.rule for each in said if each.rule is not None},
        )

    def result(self, run: Run, accepted: object) -> Insights:  # noqa: ARG002 -- insights get no identity
        """The sentences as they were accepted."""
        return cast("Insights", accepted)

    def trace(self, completion: Completion | None, given: InsightsInput | None) -> Trace:
        """Each rule for the whole, and each sentence with the rule that accepts or refuses it."""
        if given is None or completion is None:
            return Trace(tuple(check_each(RULES, None)), text=None if completion is None else completion.text)
        facts = given.by_id()
        checks = tuple(check_each(RULES, InsightsReading(completion)))
        said: tuple[Said, ...] = ()
        with suppress(AnswerRejected):  # the checks say why
            said = check_answer(completion, facts)
        return Trace(
            checks=checks,
            matched=sum(each.rule is None for each in said),
            values=len(said),
            text=completion.text,
            sentences=tuple(
                SentenceCheck(
                    position=each.position,
                    text=each.text,
                    shown=fill(each.text, facts) if each.rule is None else None,
                    facts=each.facts,
                    rule=each.rule,
                )
                for each in said
            ),
        )

    def keep(self, run: Run, result: Insights, tables: ProductTables, step: Step) -> tuple[str, ...]:  # noqa: ARG002
        """Store nothing and mark nothing: the journal has the answer."""
        return ()

    def log_fields(self, result: Insights) -> Mapping[str, object]:
        """How many sentences were accepted and refused."""
        return {"accepted": len(result.accepted), "refused": len(result.refused)}


def fill(text: str, facts: Mapping[str, Fact]) -> str:
    """An accepted text with its values."""
    shown = text
    for token in dict.fromkeys(token for token in scan(text) or () if isinstance(token, Slot)):
        shown = shown.replace(f"{{{token.fact}.{token.name}}}", value_text(facts[token.fact], token.name))
    return shown[:1].upper() + shown[1:]
