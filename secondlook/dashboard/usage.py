"""Usage: runs, calls, tokens and cost of a period, each figure a link to its runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import altair as alt
import streamlit as st

from secondlook.dashboard.parts import arrow, budgets, charts, figures
from secondlook.dashboard.parts.links import show_sources_link
from secondlook.dashboard.parts.problems import escape
from secondlook.domain.access import Access
from secondlook.domain.money import usd
from secondlook.domain.run_filter import read_filter
from secondlook.domain.runs import RunStatus
from secondlook.errors import RequestInvalid
from secondlook.ledger.tally import (
    Tally,
    Total,
)
from secondlook.ledger.usage import (
    CALL_FIELDS,
    DIMENSIONS,
    Dimension,
    UsageQuery,
    UsageReport,
    UsageRow,
)
from secondlook.providers.table import PROVIDERS
from secondlook.services import Services
from secondlook.stores.samples import SAMPLE_USERS
from secondlook.views.acceptance import MOST_RUNS, acceptance, acceptance_cells
from secondlook.views.export import to_csv_file, to_json
from secondlook.views.figures import money
from secondlook.views.run import STATUS
from secondlook.views.usage import (
    report_fields,
    report_table,
    say_cost,
    say_percentiles,
    say_rate,
    say_rejected,
    say_tokens,
)

MOST_ROWS = 100
"""Rows of the table; CSV and JSON have all rows."""

_MOST_BARS = 400
_KEY = "usage-"
_ANY = "any"
_NAMES: Mapping[Dimension, str] = {
    "day": "Day",
    "model": "Model asked",
    "user": "User",
    "source": "Source",
    "status": "Run status",
    "task": "Task",
}
_MEASURES = ("Cost", "Tokens", "Calls")


def show_usage(services: Services, access: Access) -> None:
    """Draw filters, totals, a chart, the rows, the budgets, and downloads of all of it."""
    query = _wanted(services, access)
    _show_filters(query)
    report = services.usage.report(query)
    linked = _Links(query, services, access)
    if not report.total.runs and not report.total.calls:
        st.info("There were no runs or calls in this period. Choose another period, or generate a snapshot.")
        show_sources_link()
    _show_total(report.total)
    if query.by == "day":
        _show_chart(report)
    _show_rows(report, linked)
    _show_failures(report.total, linked)
    _show_acceptance(services, query)
    _show_budgets_and_files(services, access, report)


# -- filters --------------------------------------------------------------------------------------------


def _wanted(services: Services, access: Access) -> UsageQuery:
    """Return what the URL asks for; draw a warning for each value that is left out."""
    params = st.query_params.to_dict()
    found, wrong = read_filter({name: params.get(name, "") for name in ("since", "until", "agent")})
    by = params.get("by", "day")
    if by not in DIMENSIONS:
        wrong.append(f"by must be one of {', '.join(DIMENSIONS)}. It is ignored.")
        by = "day"
    try:
        since, until = services.usage.period(found.since, found.until)
    except RequestInvalid:
        wrong = [
            *(each for each in wrong if "No run matches" not in each),
            "since is after until. Both are ignored.",
        ]
        since, until = services.usage.period()
    for problem in wrong:
        st.warning(escape(problem), icon=":material/filter_alt_off:")
    return UsageQuery(since, until, by, services.policy.visible_user_id(access), found.agent)


def _show_filters(query: UsageQuery) -> None:
    """Draw the filters; each widget shows a value of the URL and writes to it."""
    for name, value in {
        "by": query.by,
        "since": query.since,
        "until": query.until,
        "agent": query.agent or _ANY,
    }.items():
        if st.session_state.get(_KEY + name) != value:
            st.session_state[_KEY + name] = value
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.radio(
            "Group by",
            DIMENSIONS,
            horizontal=True,
            key=f"{_KEY}by",
            format_func=str.capitalize,
            on_change=_set,
            args=("by",),
        )
        for label, name in (("From", "since"), ("To", "until")):
            figures.ask_day(label, name, f"{_KEY}{name}", _set, width=168)
        agents = dict.fromkeys((_ANY, *PROVIDERS, st.session_state[f"{_KEY}agent"]))  # a URL may name any
        st.selectbox("Agent", tuple(agents), key=f"{_KEY}agent", on_change=_set, args=("agent",), width=150)


def _set(name: str) -> None:
    # Both days: the other one would move with today.
    for each in ("since", "until") if name in {"since", "until"} else (name,):
        value: Any = st.session_state[_KEY + each]
        if value in {None, _ANY}:
            st.query_params.pop(each, None)
        else:
            st.query_params[each] = str(value)


# -- links ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Links:
    """Links from figures to the runs that they count, by the filters of the Runs page."""

    query: UsageQuery
    services: Services
    access: Access

    def link(self, text: str, row: UsageRow | None = None, **more: str) -> str:
        """Return a figure as a link, escaped for a place that takes Markdown."""
        wanted = {"since": self.query.since.isoformat(), "until": self.query.until.isoformat()}
        if self.query.agent is not None:
            wanted["agent"] = self.query.agent
        if not self.services.requires_sign_in and (row is None or self.query.by != "user"):
            wanted |= {
                "user": self.access.user_id,
                "everyone": "1",
            }  # `user` is whose pages are shown
        if row is not None:
            days = {"since": row.key, "until": row.key}
            wanted |= days if self.query.by == "day" else {self.query.by: row.key}
        return f"[{_cell(text)}](runs?{urlencode({**wanted, **more})})"


# -- the figures ----------------------------------------------------------------------------------------


def _show_total(total: Tally) -> None:
    metrics = {
        "Runs": f"{total.runs:,}",
        "Failed runs": f"{total.failed:,} ({say_rate(total.failure_rate)})",
        "Calls": f"{total.calls:,}",
        "Unanswered calls": say_rate(total.call_error_rate),
        "Tokens": say_tokens(total.total_tokens, estimated=total.estimated > 0),
        "Cost": say_cost(total),
        "Rejected answers": say_rejected(total),
        "Agent call, p50 / p95": say_percentiles(total.call_ms, total.answered),
        "Provider time, p50 / p95": say_percentiles(total.provider_ms, total.answered),
        "Network and overhead, p50 / p95": say_percentiles(total.own_ms, total.answered),
    }
    figures.show_metrics(metrics)
    unknown = _unknown(total)
    if unknown:
        st.caption(escape(unknown))


def _unknown(total: Tally) -> str:
    """Return of how many calls tokens or cost are unknown, in a sentence."""
    parts = {"the tokens": total.total_tokens.unknown, "the cost": total.cost.unknown}
    said = [
        f"{name} of {number:,} call{'' if number == 1 else 's'}" for name, number in parts.items() if number
    ]
    if not said:
        return ""
    return (
        f"Unknown: {' and '.join(said)}. ≥ marks a sum without them. An answer may report no usage, a model "
        "may have no known price, or the outcome of a call may be unknown."
    )


def _spec() -> dict[str, Any]:
    bars = alt.Chart(alt.NamedData("rows"), height=240).mark_bar()
    return charts.without_data(
        bars.encode(
            x=alt.X("day:O", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy")),
            y=alt.Y("value:Q", title=None, stack=True),
            color=alt.Color("kind:N", title=None, sort=None, legend=charts.LEGEND),
            tooltip=[
                alt.Tooltip("day:N", title="Day"),
                alt.Tooltip("kind:N", title="Kind"),
                alt.Tooltip("said:N", title="Figure"),
            ],
        )
    )


BARS = _spec()


def _show_chart(report: UsageReport) -> None:
    with st.container(border=True):
        measure = st.radio("Daily chart", _MEASURES, horizontal=True, key=f"{_KEY}measure")
        days = _days(report.query)
        rows = {row.key: row.tally for row in report.rows}
        kinds = _KINDS[measure]
        bars = arrow.of_rows(
            [
                {"day": day, "kind": kind, "value": value, "said": said}
                for day in days
                for kind, figure in kinds.items()
                for value, said in [figure(rows.get(day, Tally()))]
            ]
        )
        whole = ", ".join(f"{kind} {figure(report.total)[1]}" for kind, figure in kinds.items())
        text = f"{measure} by day from {days[0]} to {days[-1]}: {whole}."
        st.vega_lite_chart(bars, BARS, width="stretch", alt=text)  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types


def _days(query: UsageQuery) -> list[str]:
    """Return all days of the period, or its last ones, those without a run included."""
    number = min((query.until - query.since).days + 1, _MOST_BARS)
    return [(query.until - timedelta(days=back)).isoformat() for back in reversed(range(number))]


def _of_money(total: Total, *, estimated: bool) -> tuple[float, str]:
    dollars = usd(total.known)
    return float(dollars or 0), f"{'≥ ' if total.unknown else ''}{money(dollars, estimated=estimated)}"


def _of_calls(number: int) -> tuple[float, str]:
    return number, f"{number:,}"


def _of_tokens(total: Total, tally: Tally) -> tuple[float, str]:
    return total.known, say_tokens(total, estimated=tally.estimated > 0)


_KINDS: Mapping[str, Mapping[str, Callable[[Tally], tuple[float, str]]]] = {
    "Cost": {
        "billed": lambda tally: _of_money(tally.cost, estimated=False),
        "estimated, not billed": lambda tally: _of_money(tally.estimated_cost, estimated=True),
    },
    "Tokens": {
        "prompt": lambda tally: _of_tokens(tally.prompt_tokens, tally),
        "completion": lambda tally: _of_tokens(tally.completion_tokens, tally),
    },
    "Calls": {
        "answered": lambda tally: _of_calls(tally.answered),
        "unanswered": lambda tally: _of_calls(tally.calls - tally.answered),
    },
}


def _show_rows(report: UsageReport, links: _Links) -> None:
    by = report.query.by
    shown = report.rows[:MOST_ROWS]
    lines = [_line("Total", report.total, links, None, _NAMES[by])]
    lines += [_line(_named(by, row.key), row.tally, links, row, _NAMES[by]) for row in shown]
    st.table(arrow.of_rows(lines), hide_index=True, border="horizontal")  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
    if len(shown) < len(report.rows):
        st.caption(f"The {len(shown)} most expensive of {len(report.rows):,} rows. CSV and JSON have all.")
    st.caption(
        "Each figure links to its runs. Days are in UTC. A run counts on the day it was created, a call on "
        "the day it was sent. p50 and p95: half and 95 % of the answers took no longer."
    )


def _line(name: str, tally: Tally, links: _Links, row: UsageRow | None, heading: str) -> dict[str, str]:
    def linked(text: str, **more: str) -> str:
        return links.link(text, row, **more)

    unknown = tally.statuses.get("in_doubt", 0)
    return {
        heading: links.link(name, row),
        "Runs": linked(f"{tally.runs:,}"),
        "Failed": linked(f"{tally.failed:,}", status="failed") if tally.failed else "0",
        "Outcome unknown": linked(f"{unknown:,}", status="in_doubt") if unknown else "0",
        "Calls": linked(f"{tally.calls:,}"),
        "Unanswered": _cell(say_rate(tally.call_error_rate)),
        "Tokens": linked(say_tokens(tally.total_tokens, estimated=tally.estimated > 0)),
        "Cost": linked(say_cost(tally)),
        "Rejected": linked(say_rejected(tally), verdict="refused") if tally.rejected else "0",
        "Call p50 / p95": _cell(say_percentiles(tally.call_ms, tally.answered)),
        "Provider": _cell(say_percentiles(tally.provider_ms, tally.answered)),
        "Overhead": _cell(say_percentiles(tally.own_ms, tally.answered)),
    }


def _cell(text: str) -> str:
    """Return a cell that breaks between figures and at hyphens. Browsers copy its spaces as spaces."""
    whole = escape(text).replace(" ", "&nbsp;")
    return whole.replace("&nbsp;&#43;&nbsp;", " &#43; ").replace("&nbsp;/&nbsp;", "&nbsp;/ ")


def _named(by: Dimension, key: str) -> str:
    if by == "user":
        return SAMPLE_USERS.get(key, key)
    return STATUS[RunStatus(key)] if by == "status" and key in set(RunStatus) else key


def _show_failures(total: Tally, links: _Links) -> None:
    if not total.failures:
        return
    codes = sorted(total.failures.items(), key=lambda found: (-found[1], found[0]))
    said = ", ".join(
        links.link(f"{code.replace('_', ' ')}: {number:,}", status="failed", code=code)
        for code, number in codes
    )
    st.markdown(f"**Failures by error** {said}")


def _show_acceptance(services: Services, query: UsageQuery) -> None:
    """Draw which sentences of insights were accepted, where there are any."""
    since, until = query.since.isoformat(), query.until.isoformat()
    wanted, _ = read_filter({"since": since, "until": until, "agent": query.agent or ""})
    found = acceptance(services.ledger, services.history, wanted, only=query.user_id)
    if not found:
        return
    st.header("Insights by prompt version", anchor=False)
    lines = [{name: _cell(text) for name, text in acceptance_cells(each).items()} for each in found]
    st.table(arrow.of_rows(lines), hide_index=True, border="horizontal")  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
    st.caption(f"Sentences of the newest {MOST_RUNS} runs of the period, checked by the current rules.")


def _show_budgets_and_files(services: Services, access: Access, report: UsageReport) -> None:
    statuses = services.budgets.standing(access.user_id)
    st.header("Budgets", anchor=False)
    budgets.show_table(statuses)
    query = report.query
    name = f"usage-by-{query.by}-{query.since}-{query.until}"

    def each_call() -> bytes:
        return to_csv_file(CALL_FIELDS, services.usage.each_call(query))

    files: Sequence[tuple[str, Any, str, str]] = (
        ("CSV", lambda: to_csv_file(*report_table(report), missing="unknown"), f"{name}.csv", "text/csv"),
        ("JSON", lambda: to_json(report_fields(report, statuses)), f"{name}.json", "application/json"),
        ("All calls as CSV", each_call, f"calls-{query.since}-{query.until}.csv", "text/csv"),
    )
    with st.container(horizontal=True):
        for label, data, file_name, mime in files:
            st.download_button(label, data, file_name, mime, icon=":material/download:", on_click="ignore")
