"""Tokens of a call for insights, by o200k: the facts do not grow with the weeks.

The ranks come with the npm package gpt-tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench.line import Goal, Line, measured, not_measured
from bench.tokens import count, example, missing
from secondlook.tasks.insights.facts import facts_of
from secondlook.tasks.insights.offline import answer_offline
from secondlook.tasks.insights.prompt import build_input, lay_out, question
from secondlook.tasks.insights.schema import INSIGHTS

GOAL = Goal("≤", 1800, "tokens")
FRAMES = 17
"""Tokens of the messages' frames, as OpenAI counts them."""


def lines() -> Iterator[Line]:
    """The tokens of a call for 12, 26 and 52 weeks, against the goal."""
    what, why = "tokens of a call for insights, {} weeks (o200k)", missing()
    if why is not None:
        yield not_measured(what.format(12), "", GOAL, why)
        return
    for weeks in (12, 26, 52):
        given = build_input(facts_of(example(weeks), example(weeks // 2)))
        asked = question(given)
        answer = json.dumps(answer_offline(lay_out(given))[0], separators=(",", ":"))
        schema = json.dumps(INSIGHTS, separators=(",", ":"))
        texts = [*(message.content for message in asked.messages), schema, answer]
        instructions, facts, shape, said = count(texts)
        made_of = f"unchanging part {instructions}, facts {facts}, schema {shape}, answer {said}"
        estimated = f"{made_of}; estimated {asked.prompt_tokens} + {asked.answer_tokens}"
        whole = instructions + facts + shape + said + FRAMES
        yield measured(what.format(weeks), "", estimated, whole, "tokens", GOAL)
