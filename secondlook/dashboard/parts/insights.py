"""What stands out, as pages draw it: sentences to choose from, the chosen one's numbers and cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from secondlook.dashboard.parts import figures
from secondlook.dashboard.parts.problems import escape
from secondlook.tasks.insights.facts import Fact
from secondlook.views.insights import Told, all_facts, numbers, standing_out

_SENTENCE = 700  # characters


def show_insights(
    facts: Sequence[Fact],
    key: str,
    told: Sequence[Told] | None = None,
    compared: Callable[[], Sequence[Fact]] | None = None,
) -> frozenset[str]:
    """Draw what stands out, at most a few sentences; a toggle shows all facts instead.

    Args:
        facts: The facts of a snapshot or of buckets.
        key: What they are of, for the widgets.
        told: The sentences to draw; None draws our own.
        compared: Reads the facts that "All facts" shows, where they say more.

    Returns:
        The cells of the chosen sentence, to be marked in the charts.
    """
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader("What stands out", anchor=False, width="content")
        every = st.toggle("All facts", key=f"all-facts-{key}")
    facts = compared() if every and compared is not None else facts
    shown = all_facts(facts) if every else standing_out(facts) if told is None else told
    if not shown:
        st.markdown("Nothing stands out: all differences in these buckets may be chance.")
        return frozenset()
    return _show_sentences(facts, shown, f"facts-{key}-{every}")


def _show_sentences(facts: Sequence[Fact], shown: Sequence[Told], key: str) -> frozenset[str]:
    def sentence(index: int) -> str:
        return _text(shown[index])

    chosen = st.radio(
        "Choose a sentence to see its numbers and to mark it in the charts",
        range(len(shown)),
        index=None,
        format_func=sentence,
        key=key,
    )
    if chosen is None or chosen >= len(shown):
        return frozenset()
    backing = [fact for fact in facts if fact.id in shown[chosen].facts]
    for fact in backing:
        figures.show_facts(numbers(fact))
    st.button(
        "Hide numbers and marks", icon=":material/close:", type="tertiary", on_click=_choose_none, args=(key,)
    )
    return frozenset(cell for fact in backing for cell in fact.cells)


def _choose_none(key: str) -> None:
    st.session_state[key] = None


def show_sentences(told: Sequence[Told]) -> None:
    """Draw sentences without a choice."""
    for each in told:
        st.markdown(f"- {_text(each)}")


def _text(told: Told) -> str:
    return escape(told.text, limit=_SENTENCE).replace(" %", "\u00a0%")  # a line does not begin with it
