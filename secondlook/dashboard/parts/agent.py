"""The agent as pages draw it: who answers, and what it will see."""

from __future__ import annotations

import streamlit as st

from secondlook.dashboard.parts.problems import escape
from secondlook.domain.runs import Run
from secondlook.errors import SecondlookError
from secondlook.pipeline.preview import Preview
from secondlook.providers.base import Provider
from secondlook.providers.table import is_local, label_of
from secondlook.services import Services
from secondlook.tasks.snapshot.prompt import estimate_usage, right_answer
from secondlook.views.figures import money, tokens


def show_agent(services: Services) -> None:
    """Draw in the sidebar who answers, with which model, and whether that model ends or was replaced."""
    agent = services.selected_agent()
    missing, notice = agent.missing(), agent.notice()
    with st.sidebar:
        if missing is not None:
            st.error(f"**{escape(missing.message)}**", icon=":material/key_off:")
        elif agent.local:
            st.badge(agent.label, icon=":material/cloud_off:", color="orange")
            st.caption("No request is sent and nothing is billed. Token counts are estimates.")
        else:
            st.badge(agent.label, icon=":material/cloud:", color="green")
        st.caption(f"Model: {escape(agent.model)}")
        if notice is not None:
            st.markdown(f":small[:orange[:material/schedule: {escape(notice)}]]")


def missing_agent(services: Services) -> SecondlookError | None:
    """Why no agent can be asked; None where one can."""
    try:
        services.agent_name()
    except SecondlookError as error:
        return error
    return None


def show_local_badge(run: Run) -> None:
    """Draw that no provider answered a run, where that is so; a rehearsal has a badge of its own."""
    if is_local(run.agent) and not run.rehearsal:
        st.badge(label_of(run.agent), icon=":material/cloud_off:", color="orange")


def show_agent_input(view: Preview, agent: Provider) -> None:
    """Draw exactly what the agent would see and about what that costs, before anything is sent."""
    if view.agent_input is None:
        return
    usage = estimate_usage(view.agent_input)
    cost = money(agent.forecast_usd(usage, agent.model), estimated=True)
    label = f"Agent input: about {tokens(usage.total_tokens)} tokens, {escape(cost)}"
    panel = st.expander(label, icon=":material/visibility:", key="agent-input", on_change="rerun")
    if panel.open:
        with panel:
            st.caption("The agent sees this object and its instructions only. Tokens and cost are estimates.")
            st.json(right_answer(view.agent_input), expanded=2)
