"""The list of runs: filtered by the URL, counted and paged by the ledger, exported as CSV and JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from secondlook.dashboard.parts import arrow, figures, links
from secondlook.dashboard.parts.budgets import moment
from secondlook.dashboard.parts.problems import escape
from secondlook.domain.access import Access
from secondlook.domain.run_filter import CODES, REVIEWS, VERDICTS, RunFilter, read_filter
from secondlook.domain.runs import RunStatus
from secondlook.ledger.history import RunPage, RunRow
from secondlook.providers.table import PROVIDERS
from secondlook.services import Services
from secondlook.views import export
from secondlook.views import run as run_view
from secondlook.views.figures import duration, money, tokens

PAGE_SIZE = 20
OPEN, PAGE, EVERYONE = "run", "page", "everyone"
"""What else the URL holds: the open run, the page, and on the embedded store that all users are meant."""

_ROW_PIXELS = 35
_KEY = "runs-"  # the widgets' keys: Sources has a status and a page of its own
_ANY = "any"
_LONGEST = 200  # characters of a message in a line of the table
_LABELS: Mapping[str, str] = {
    "none": "none yet",
    "refused": "rejected",
    **{code: code.replace("_", " ") for code in CODES},
    **run_view.STATUS,
}
_COLUMNS = {
    "Created, UTC": st.column_config.TextColumn(width=122),
    "Status": st.column_config.TextColumn(width=126),
    "Verdict": st.column_config.TextColumn(width=74),
    "Reason": st.column_config.TextColumn(width=168),
    "Cost": st.column_config.TextColumn(width=72, alignment="right"),
    "Tokens": st.column_config.TextColumn(width=62, alignment="right"),
    "Call": st.column_config.TextColumn(width=60, alignment="right"),
    "Review": st.column_config.TextColumn(width=60),
    "Model": st.column_config.TextColumn(width=155),
    "Source": st.column_config.TextColumn(width=76),
    "User": st.column_config.TextColumn(width=76),
}


def wanted_runs(services: Services) -> RunFilter:
    """Return the filter that the URL asks for; draw a warning for each value that is left out of it."""
    params = st.query_params.to_dict()
    if not services.requires_sign_in and EVERYONE in params:
        params.pop("user", None)  # there it names the user whose pages are shown
    found, wrong = read_filter(params)
    if not re.fullmatch("[1-9][0-9]{0,8}", params.get(PAGE, "1")):
        wrong.append("page must be a whole number from 1. It is ignored.")
        st.query_params.pop(PAGE, None)
    for problem in wrong:
        st.warning(escape(problem), icon=":material/filter_alt_off:")
    return found


def show_runs(services: Services, access: Access, wanted: RunFilter) -> None:
    """Draw filters, table and pages; a chosen row goes into the URL."""
    only = services.policy.visible_user_id(access)
    hint = st.container(horizontal=True, vertical_alignment="center")
    _show_filters(services, access, wanted)
    page = int(st.query_params.get(PAGE, "1"))
    found = services.history.page(wanted, only=only, offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE)
    if not found.total:
        _show_empty(filtered=bool(wanted.params()))
        return
    if found.rows:
        _show_hint(hint, found.rows[0], newest=page == 1)
    _show_table(found, users=only is None)
    _show_foot(services, wanted, only, found.total, page)


def _show_hint(place: DeltaGenerator, first: RunRow, *, newest: bool) -> None:
    """Draw what to do first, at the top of the list."""
    place.button(
        "Open newest run" if newest else "Open first run",
        type="primary",
        icon=":material/search:",
        on_click=change_url,
        kwargs={OPEN: first.run_id},
    )
    place.markdown(
        "Or select a run in the table (keyboard: Shift+Space) to see its details.", width="content"
    )


def change_url(**values: str | None) -> None:
    """Write values into the URL, or remove those that are None."""
    for name, value in values.items():
        if value is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = value


# -- filters --------------------------------------------------------------------------------------------


def _show_filters(services: Services, access: Access, wanted: RunFilter) -> None:
    """Draw the filters; each widget shows a value of the URL and writes to it."""
    today = datetime.now(UTC).date()
    with st.container(horizontal=True, vertical_alignment="center"):
        _switch("Failures only", "failures", wanted.failures, {"failures": "1"})
        _switch("Differs from input", "differs", wanted.differs, {"differs": "1"})
        day = {"since": today.isoformat(), "until": today.isoformat()}
        _switch("Today", "today", wanted.since == wanted.until == today, day)
        if not services.requires_sign_in:
            _sync("mine", wanted.user is not None)
            st.toggle("This user only", key=f"{_KEY}mine", on_change=_set_mine, args=(access.user_id,))
        st.button(
            "Clear filters", icon=":material/filter_alt_off:", disabled=not wanted.params(), on_click=_clear
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _choice("Status", "status", tuple(RunStatus), wanted.status)
        _choice("Verdict", "verdict", VERDICTS, wanted.verdict)
        _choice("Error", "code", CODES, wanted.code)
        _choice("Review", "review", REVIEWS, wanted.review)
    inside = {
        "model",
        "agent",
        "prompt",
        "source",
        "since",
        "until",
        *(["user"] if services.requires_sign_in else []),
    }
    set_here = inside & wanted.params().keys()
    label = f"More filters ({len(set_here)} set)" if set_here else "More filters"
    panel = st.expander(label, icon=":material/tune:", type="compact", key=f"{_KEY}more", on_change="rerun")
    if panel.open:
        with panel:
            _show_more(services, access, wanted)


def _show_more(services: Services, access: Access, wanted: RunFilter) -> None:
    only = services.policy.visible_user_id(access)
    choices = services.history.choices(only=only)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _choice("Model asked", "model", choices.models, wanted.model)
        _choice("Agent", "agent", tuple(PROVIDERS), wanted.agent)
        _choice("Prompt version", "prompt", choices.prompts, wanted.prompt)
        if services.requires_sign_in and only is None:
            _choice("User", "user", choices.users, wanted.user)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, name, day in (("Since", "since", wanted.since), ("Until", "until", wanted.until)):
            _sync(name, day)
            figures.ask_day(label, name, f"{_KEY}{name}", _set, width=200)
        _sync("source", wanted.source or "")
        st.text_input(
            "Source",
            key=f"{_KEY}source",
            max_chars=60,
            placeholder="Source id",
            on_change=_set,
            args=("source",),
        )


def _sync(name: str, value: object) -> None:
    if st.session_state.get(_KEY + name) != value:
        st.session_state[_KEY + name] = value


def _choice(label: str, name: str, values: Sequence[str], chosen: str | None) -> None:
    options = [_ANY, *map(str, values)]
    if chosen is not None and chosen not in options:
        options.append(chosen)  # that no run has, or that is not among the first
    _sync(name, _ANY if chosen is None else str(chosen))
    st.selectbox(
        label,
        options,
        key=f"{_KEY}{name}",
        format_func=lambda value: _LABELS.get(value, value),
        on_change=_set,
        args=(name,),
        width=210,
    )


def _set(name: str) -> None:
    value: Any = st.session_state[_KEY + name]
    text = value.isoformat() if isinstance(value, date) else str(value or "").strip()
    change_url(**{name: None if text in {"", _ANY} else text, PAGE: None})


def _switch(label: str, name: str, on: bool, meant: Mapping[str, str]) -> None:
    """A switch that writes its values into the URL, or removes them."""

    def turn() -> None:
        turned = st.session_state[_KEY + name]
        change_url(**{each: text if turned else None for each, text in meant.items()}, page=None)

    _sync(name, on)
    st.toggle(label, key=_KEY + name, on_change=turn)


def _set_mine(user_id: str) -> None:
    if st.session_state[f"{_KEY}mine"]:
        change_url(user=user_id, everyone=None, page=None)
    else:
        change_url(everyone="1" if "user" in st.query_params else None, page=None)


def _clear() -> None:
    kept = {name: st.query_params[name] for name in ("user",) if name in st.query_params}
    st.query_params.from_dict({**kept, EVERYONE: "1"} if kept else {})


def _show_empty(*, filtered: bool) -> None:
    if filtered:
        st.info("No run matches. Clear the filters, or choose another day.")
    else:
        st.info("There are no runs yet. Generate a snapshot to see its run here.")
        links.show_sources_link()


# -- the table ------------------------------------------------------------------------------------------


def _show_table(found: RunPage, *, users: bool) -> None:
    ids = [row.run_id for row in found.rows]
    key = f"runs {' '.join(ids)}"  # a table per list of rows, or the selection would stay

    def choose() -> None:
        rows: list[int] = st.session_state[key]["selection"]["rows"]
        if rows:
            st.query_params[OPEN] = ids[rows[0]]

    cells: dict[str, Callable[[RunRow], str]] = {
        "Created, UTC": lambda row: moment(row.created_at).removesuffix(" UTC"),
        "Status": lambda row: run_view.STATUS[row.status],
        "Verdict": lambda row: "" if row.verdict == "none" else _LABELS.get(row.verdict, row.verdict),
        "Reason": _reason,
        "Cost": lambda row: money(row.cost_usd, estimated=row.usage.estimated) if row.answered else "",
        "Tokens": _tokens,
        "Call": lambda row: "" if row.latency_ms is None else duration(row.latency_ms),
        "Review": _reviewed,
        "Model": lambda row: export.neutralise(row.answered_model or row.model),
        "Source": lambda row: row.source_id[:8],
        "User": lambda row: row.user_id[:8],
    }
    if not users:
        del cells["User"]
    st.dataframe(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        arrow.of_columns({name: [cell(row) for row in found.rows] for name, cell in cells.items()}),
        hide_index=True,
        height=_ROW_PIXELS * (len(ids) + 1) + 3,
        column_config=_COLUMNS,
        key=key,
        on_select=choose,
        selection_mode="single-row",
        alt="Runs, newest first; select a row, or press Shift and Space on it, to open a run",
    )


def _reason(row: RunRow) -> str:
    if row.error is None:
        return ""
    if row.verdict == "refused":
        return f"{row.error.reason} at {row.error.path}" if row.error.path else row.error.reason or ""
    return export.neutralise(row.error.message[:_LONGEST])


def _tokens(row: RunRow) -> str:
    if not row.answered:
        return ""
    return tokens(row.usage.total_tokens, estimated=row.usage.estimated)


def _reviewed(row: RunRow) -> str:
    results = ((row.passed, "pass"), (row.failed, "fail"))
    return ", ".join(f"{number} {result}" for number, result in results if number)


def _show_foot(services: Services, wanted: RunFilter, only: str | None, total: int, page: int) -> None:
    pages = math.ceil(total / PAGE_SIZE)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        noun = "run" if total == 1 else "runs"
        st.caption(f"{total:,} {noun}.", width="content")
        if pages > 1:
            shown = min(page, pages)
            # Another list is another widget: Streamlit warns where one with a default is set from outside.
            name = f"{PAGE} {wanted.params()}"
            if _KEY + name in st.session_state:
                _sync(name, shown)
            st.pagination(pages, default=shown, key=_KEY + name, on_change=_turn, args=(name,))
        with st.container(horizontal=True, width="content"):
            history, reviews = services.history, services.reviews

            def rows() -> Sequence[Mapping[str, export.Cell]]:
                return run_view.exported(history, reviews, wanted, only=only)

            _export("CSV", "csv", "text/csv", lambda: export.to_csv_file(run_view.COLUMNS, rows()))
            _export("JSON", "json", "application/json", lambda: export.to_json(rows()).encode())


def _turn(name: str) -> None:
    change_url(page=str(st.session_state[_KEY + name]))


def _export(label: str, ending: str, mime: str, make: Callable[[], bytes]) -> None:
    st.download_button(
        label,
        make,
        file_name=f"runs.{ending}",
        mime=mime,
        icon=":material/download:",
        on_click="ignore",
        help="All matching runs, newest first, up to 100,000",
    )
