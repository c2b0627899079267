"""A run as several pages draw it: its badges, its steps, and what it used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import streamlit as st

from secondlook.dashboard.parts import figures
from secondlook.dashboard.parts.problems import escape
from secondlook.domain.runs import INSIGHTS, TRIAL, Run, RunStatus
from secondlook.views.figures import duration
from secondlook.views.run import STATUS, view_run

_LOOKS: Mapping[RunStatus, tuple[str, Literal["blue", "gray", "green", "orange", "red"]]] = {
    RunStatus.QUEUED: ("hourglass", "blue"),
    RunStatus.CALLING: ("pending", "blue"),
    RunStatus.ANSWERED: ("pending", "blue"),
    RunStatus.DONE: ("check", "green"),
    RunStatus.FAILED: ("error", "red"),
    RunStatus.IN_DOUBT: ("help", "orange"),
    RunStatus.CANCELLED: ("remove_circle", "gray"),
}

STEPS = (
    ("load", "Verify the source, load its buckets, count its estimates"),
    ("check", "Determine the confidence, build the agent input"),
    ("call", "Call the agent once"),
    ("validate", "Compare every value of the answer with the buckets"),
    ("store", "Store the snapshot with its metadata"),
    ("mark", "Update the status of the source"),
)
"""The nine steps as they are timed: steps that share a round trip share a line."""

_INSIGHT_STEPS = (
    ("load", "Read the snapshot and the one before it"),
    ("check", "Compute the facts, build the agent input"),
    ("call", "Call the agent once"),
    ("validate", "Check every sentence of the answer against the facts"),
)

_STORING = 4
"""Where the steps begin that a run without a snapshot does not have."""


def show_status_badge(run: Run) -> None:
    """Draw a run's status."""
    icon, color = _LOOKS[run.status]
    st.badge(STATUS[run.status], icon=f":material/{icon}:", color=color)


def show_rehearsal_badge(run: Run) -> None:
    """Draw that a run is a rehearsal, where it is one."""
    if run.rehearsal:
        st.badge(f"Rehearsal: {escape(run.model)}", icon=":material/theater_comedy:", color="violet")


def show_trial_badge(run: Run) -> None:
    """Draw that a run tries a model, where it does."""
    if run.task == TRIAL:
        st.badge("Trial, no snapshot", icon=":material/experiment:", color="violet")


def show_insights_badge(run: Run) -> None:
    """Draw that a run asks for insights, where it does."""
    if run.task == INSIGHTS:
        st.badge("Insights", icon=":material/lightbulb:", color="violet")


def status_icon(status: RunStatus) -> str:
    """Return the icon of a status as Markdown."""
    return f":material/{_LOOKS[status][0]}:"


def step_lines(run: Run) -> list[str]:
    """Return each step as Markdown: how long it took, or that it is under way, failed or was not reached."""
    lines: list[str] = []
    timings = dict(run.timings)
    if run.latency_ms is not None:
        timings.setdefault("call", run.latency_ms)
    reached = True
    for step, text in _steps(run):
        if step in timings:
            took = duration(timings[step]).replace(" ", "\u00a0")
            lines.append(f":material/check: {text} · {took}")
        elif reached:
            reached = False
            icon = ":material/pending:" if run.status.active else status_icon(run.status)
            lines.append(f"{icon} **{text}**")
        else:
            lines.append(f":material/radio_button_unchecked: {text}")
    return lines


def _steps(run: Run) -> tuple[tuple[str, str], ...]:
    if run.task == INSIGHTS:
        return _INSIGHT_STEPS
    return STEPS if run.makes_snapshot else STEPS[:_STORING]


def show_usage(run: Run, check: str) -> None:
    """Draw what a run used.

    Args:
        run: The run.
        check: The result of checking its answer.
    """
    view = view_run(run)
    estimated = run.usage.estimated
    st.caption(
        f"Usage, estimated for the {view.agent.lower()}" if estimated else "Usage, as counted by the provider"
    )
    figures.show_metrics(
        {
            "Prompt tokens": view.prompt_tokens,
            "Completion tokens": view.completion_tokens,
            "Total tokens": view.total_tokens,
            "Cost": view.cost,
        },
        width=figures.METRIC_PIXELS,
    )
    figures.show_facts(
        {
            "Check": check,
            "Agent": view.agent,
            "Model asked": run.model,
            "Model answered": view.answered_model,
            "Cached tokens": view.cached_tokens,
            **view.reasoning,
            **view.usage_problem,
            "Whole run": view.total,
            "Agent call": view.call,
            "Provider time": view.provider,
            "Request id": run.request_id or "unknown",
            "Requests sent": str(run.attempts),
            "Snapshot id": run.run_id,
        }
    )
