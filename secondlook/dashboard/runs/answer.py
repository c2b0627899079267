"""The answer of a run: which rules it keeps, its values next to the input's, and the exact texts."""

from __future__ import annotations

import json

import streamlit as st

from secondlook.dashboard.parts import arrow
from secondlook.dashboard.parts.problems import escape
from secondlook.domain.untrusted_text import spell_out
from secondlook.tasks.base import Cell, Trace
from secondlook.tasks.checklist import Check
from secondlook.tasks.insights.rules import RULE_WORDS
from secondlook.views.run_details import RunDetails

MOST_SHOWN = 200_000
"""Characters of a text that are sent to the browser; the export has all of it."""

_ROW_PIXELS = 35
_MOST_ROWS = 12
_TEXT_PIXELS = 460
_SHORT = 600  # characters of a text that needs no scrolling

_MARKS = {
    "equal": "✓ equal",
    "any": "✓ any text",
    "differs": "✗ differs",
    "type": "✗ wrong type",
    "missing": "✗ missing",
    "extra": "✗ unexpected",
    "unread": "not read",
}
_VERDICTS = {"accepted": "accepted", "refused": "rejected", "none": "neither accepted nor rejected"}


def show_checks(details: RunDetails) -> None:
    """Draw every rule and its result."""
    st.subheader("Verdict", anchor=False)
    found = details.trace
    if details.run.erased_at is not None:
        verdict = f"The answer was {_VERDICTS[details.run.verdict]}."
        st.caption(verdict if details.run.answered else "There is no answer.")
        return
    if details.run.answer is None:
        st.caption(f"There is no answer, so none of the {len(found.checks)} rules was checked.")
        return
    passed = sum(check.state == "passed" for check in found.checks)
    st.caption(f"{passed} of {len(found.checks)} rules passed. They are checked in this order.")
    st.markdown("  \n".join(_check_line(check) for check in found.checks))


def _check_line(check: Check) -> str:
    rule = escape(check.rule.words)
    if check.state == "passed":
        return f":green[:material/check_circle:] {rule}"
    if check.state == "not_reached":
        return f":gray[:material/radio_button_unchecked: {rule} · not checked]"
    where = f" at **{escape(check.path)}**" if check.path else ""
    return f":red[:material/cancel:] **{rule}** · failed: {escape(check.reason or '')}{where}"


def show_sentences(found: Trace) -> None:
    """Draw every sentence of an answer with the rule that refused it; refused ones are shown nowhere else."""
    accepted = found.matched
    st.subheader("Sentences", anchor=False)
    st.caption(f"{accepted} of {len(found.sentences)} sentences accepted. Refused ones are shown only here.")
    for each in found.sentences:
        name = "Headline" if each.position == 0 else f"Insight {each.position}"
        cited = f"cites {', '.join(each.facts) or 'nothing'}"
        text = escape(spell_out(each.text), limit=_SHORT)
        if each.rule is None:
            st.markdown(
                f":green[:material/check_circle:] **{name}**, {escape(cited)}  \n{escape(each.shown or '')}"
            )
        else:
            rule = RULE_WORDS.get(each.rule, each.rule)
            st.markdown(
                f":red[:material/cancel: **{name}**, {escape(cited)} · refused by {escape(each.rule)}: "
                f"{escape(rule)}]"
            )
        st.caption(text)


def show_values(found: Trace, *, answered: bool) -> None:
    """Draw every value of input and answer side by side, those that differ first."""
    st.subheader("Input and answer, value by value", anchor=False)
    if not answered:
        st.caption("There is no answer. These values were sent.")
    elif not found.readable:
        st.caption("The answer is not valid JSON. Its text is below, unchanged.")
    elif found.differing:
        cut = " The answer contains more values than this table; see its text." if found.cut else ""
        one = found.differing == 1
        differ = "value does not match** and comes" if one else "values do not match** and come"
        st.markdown(f":red[:material/cancel: **{found.differing:,} {differ} first.{cut}]")
    else:
        st.markdown(":green[:material/check_circle: **Every value matches** in place and type.]")
    if found.findings:
        st.markdown("\n".join(f"- {escape(finding)}" for finding in found.findings))
    shown = min(len(found.cells), _MOST_ROWS)
    st.dataframe(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        arrow.of_rows([_cell_row(cell) for cell in found.cells]),
        hide_index=True,
        height=_ROW_PIXELS * (shown + 1) + 3,
        placeholder="none",
        column_config=_CELL_COLUMNS,
        key="cells",
        alt="Each value that was sent next to the one that was received",
    )


_CELL_COLUMNS = {
    "Match": st.column_config.TextColumn(width=100),
    "Value": st.column_config.TextColumn(width=120),
    "Sent": st.column_config.TextColumn(width=85),
    "Received": st.column_config.TextColumn(width=110),
    "Path": st.column_config.TextColumn(width=330),
}


def _cell_row(cell: Cell) -> dict[str, str | None]:
    return {
        "Match": _MARKS[cell.mark],
        "Value": f"{cell.entry} {cell.name}".strip(),
        "Sent": cell.sent,
        "Received": cell.came,
        "Path": cell.path,
    }


def show_texts(details: RunDetails) -> None:
    """Draw the exact request and the raw answer, each when it is opened."""
    st.subheader("Exact request and answer", anchor=False)
    run = details.run
    _show_text("Request", "request", json.dumps(run.request, indent=2, ensure_ascii=False))
    if run.answer is None:
        st.caption("There is no answer.")
        return
    if details.trace.text:
        _show_text("Text of the answer", "text", details.trace.text)
    _show_text("Whole body of the answer", "body", run.answer)


def _show_text(label: str, key: str, text: str) -> None:
    panel = st.expander(f"{label}: {len(text):,} characters", key=f"text-{key}", on_change="rerun")
    if not panel.open:
        return
    # The buttons lie inside: by keyboard, a part of a page can only be scrolled where it holds a focus.
    with panel, st.container(height=_TEXT_PIXELS if len(text) > _SHORT else "content", border=False):
        st.download_button(
            "Download text",
            lambda: text.encode("utf-8", "backslashreplace"),
            file_name=f"{key}.txt",
            mime="text/plain",
            icon=":material/download:",
            on_click="ignore",
            key=f"download-{key}",
        )
        if len(text) > MOST_SHOWN:
            st.caption(f"The first {MOST_SHOWN:,} characters. The download is complete.")
        # No colours of a language: on a light ground they have too little contrast.
        st.code(spell_out(text[:MOST_SHOWN]), language=None, wrap_lines=True)
