"""What is shown of a snapshot's insights: its facts, and the sentences that they back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

from secondlook.domain.bucket_rules import build_input, read_buckets
from secondlook.domain.runs import INSIGHTS, Run
from secondlook.domain.snapshots import Snapshot
from secondlook.domain.sources import SourceRow
from secondlook.errors import SecondlookError
from secondlook.ledger.runs import Ledger
from secondlook.pipeline.insights import find_answered, read_facts, read_snapshot
from secondlook.pipeline.outcome import insights_of
from secondlook.stores.base import Store
from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.facts import facts_of
from secondlook.tasks.insights.ranking import rank, strongest, tell
from secondlook.tasks.insights.schema import FEWEST, MOST
from secondlook.tasks.insights.sentences import write_briefly
from secondlook.tasks.insights.wording import value_text

Author = Literal["agent", "rules"]


@dataclass(frozen=True)
class Told:
    """A sentence as people read it.

    Attributes:
        facts: The ids of the facts that back it.
        by: `agent` where the agent wrote it, `rules` where it is our own.
    """

    text: str
    facts: tuple[str, ...]
    by: Author


@dataclass(frozen=True)
class InsightsView:
    """A snapshot's facts and the sentences about them.

    Attributes:
        headline: What stands out most; None where there is no fact.
        refused: The rule that refused a sentence of the agent's, by its position.
        run: The run that asked the agent; None where none has an answer.
        latest: The newest run, whatever became of it; None where nobody has asked.
    """

    snapshot: Snapshot
    facts: tuple[Fact, ...]
    headline: Told | None
    insights: tuple[Told, ...]
    refused: Mapping[int, str]
    run: Run | None
    latest: Run | None


def read_insights(store: Store, ledger: Ledger, snapshot_id: str, user_id: str) -> InsightsView:
    """Return what is shown of a snapshot's insights; nothing is sent.

    Raises:
        SourceNotFound: The user has no such snapshot.
        StoreUnavailable: It cannot be read.
    """
    snapshot = read_snapshot(store, snapshot_id, user_id)
    runs = ledger.about(snapshot.user_id, snapshot.source_id, INSIGHTS, snapshot.snapshot_id)
    return view_insights(snapshot, read_facts(store, snapshot), [run for run in runs if not run.rehearsal])


def view_insights(snapshot: Snapshot, facts: tuple[Fact, ...], runs: Sequence[Run]) -> InsightsView:
    """Return what is shown of a snapshot's insights.

    Args:
        snapshot: The snapshot.
        facts: Its facts.
        runs: The runs about it that are no rehearsals, newest first.
    """
    # The newest that is done: while a new answer is asked for, the old one stays.
    run = next((each for each in runs if insights_of(each) is not None), None) or find_answered(runs)
    told = None if run is None else insights_of(run)
    own = own_sentences(facts)
    accepted = () if told is None else told.accepted
    headline = next((Told(each.text, each.facts, "agent") for each in accepted if each.position == 0), None)
    insights = tuple(Told(each.text, each.facts, "agent") for each in accepted if each.position > 0)
    first, rest = (own[0], own[1:]) if own else (None, ())
    return InsightsView(
        snapshot=snapshot,
        facts=facts,
        headline=headline or first,
        insights=insights or tuple(rest[:MOST]),
        refused={} if told is None else told.refused,
        run=run,
        latest=runs[0] if runs else None,
    )


def own_sentences(facts: Sequence[Fact]) -> tuple[Told, ...]:
    """Our own sentences: what stands out, and at least as many as the agent would write."""
    return tuple(map(_tell, tell(facts, 1 + FEWEST)))


def standing_out(facts: Sequence[Fact]) -> tuple[Told, ...]:
    """What stands out, in our own sentences; none where nothing does."""
    return tuple(map(_tell, rank(facts)))


def all_facts(facts: Sequence[Fact]) -> tuple[Told, ...]:
    """Every fact in our own sentence."""
    return tuple(map(_tell, facts))


def written(view: InsightsView) -> tuple[Told, ...] | None:
    """The headline and the insights where the agent wrote any of them; None where it did not."""
    told = (*([] if view.headline is None else [view.headline]), *view.insights)
    return told if any(each.by == "agent" for each in told) else None


def strongest_of(row: SourceRow, today: date) -> str | None:
    """What stands out most in a source of the list, in one line; None where its buckets cannot be read."""
    if row.estimate_count is None:
        return None
    return _strongest(json.dumps(row.buckets), row.estimate_count, today)


@lru_cache(maxsize=1000)  # a list is drawn again with each press in it
def _strongest(row: str, estimate_count: int, today: date) -> str | None:
    try:
        buckets = read_buckets(json.loads(row), today=today)
    except SecondlookError:
        return None
    found = strongest(facts_of(build_input(buckets, estimate_count)))
    return "nothing clear" if found is None else write_briefly(found)


_LABELS = {"low": "Likely from", "high": "Likely to"}


def numbers(fact: Fact) -> dict[str, str]:
    """The values of a fact as people read them, and its p value."""
    told = {
        _LABELS.get(name, name.replace("_", " ").capitalize()): value_text(fact, name)
        for name, value in fact.values.items()
        if value is not None and (name, value) != ("ties", 1)
    }
    if fact.p is None:
        return told
    return {
        **told,
        "p value": f"{fact.p:.4f}" if fact.p >= 0.0001 else "below 0.0001",
        "Clear": "yes" if fact.clear else "no",
    }


def _tell(fact: Fact) -> Told:
    return Told(fact.sentence, (fact.id,), "rules")


# -- JSON ------------------------------------------------------------------------------------------------


def fact_fields(fact: Fact) -> dict[str, object]:
    """A fact as the API answers it; only a tested one has a p."""
    return {
        "id": fact.id,
        "values": dict(fact.values),
        "direction": fact.direction,
        "clear": fact.clear,
        **({} if fact.p is None else {"p": fact.p}),
        "cells": list(fact.cells),
        "sentence": fact.sentence,
    }


def insights_fields(view: InsightsView) -> dict[str, object]:
    """Insights as `secondlook insights --json` prints them and the API answers."""
    run = view.run
    return {
        "snapshot_id": view.snapshot.snapshot_id,
        "facts": [fact_fields(fact) for fact in view.facts],
        "headline": None if view.headline is None else _told_fields(view.headline),
        "insights": [_told_fields(each) for each in view.insights],
        "refused": [{"rule": rule, "position": position} for position, rule in sorted(view.refused.items())],
        "run_id": None if run is None else run.run_id,
        "agent": None if run is None else run.agent,
        "model": None if run is None else run.answered_model or run.model,
        "usage": run.usage.model_dump() if run is not None and run.answered else None,
        "cost_usd": None if run is None or run.cost_usd is None else float(run.cost_usd),
    }


def _told_fields(told: Told) -> dict[str, object]:
    return {"text": told.text, "facts": list(told.facts), "by": told.by}
