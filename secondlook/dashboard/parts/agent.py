"""The agent as pages draw it: who answers, and what it will see."""

from __future__ import annotations

import streamlit as st

from secondlook.dashboard.parts.problems import escape
from secondlook.errors import SecondlookError
from secondlook.pipeline.preview import Preview
from secondlook.providers import prices
from secondlook.services import Services
from secondlook.tasks.snapshot.prompt import estimate_usage, right_answer
from secondlook.views.figures import money, tokens


def show_agent(services: Services, notice: str | None) -> None:
    """Draw who answers and with which model, in the sidebar.

    Args:
        services: The parts to work with.
        notice: That the model will be shut down, or None.
    """
    settings = services.settings
    with st.sidebar:
        try:
            name = services.agent_name()
        except SecondlookError as error:
            st.error(f"**{escape(error.message)}**", icon=":material/key_off:")
        else:
            if name == "offline":
                show_offline_badge()
                st.caption("No request is sent and nothing is billed. Token counts are estimates.")
            else:
                st.badge("OpenAI", icon=":material/cloud:", color="green")
        st.caption(f"Model: {escape(settings.model)}")
        if notice is not None:
            st.markdown(f":small[:orange[:material/schedule: {escape(notice)}]]")


def show_offline_badge() -> None:
    """Draw that the offline agent answers or has answered."""
    st.badge("Offline agent", icon=":material/cloud_off:", color="orange")


def show_agent_input(view: Preview, model: str) -> None:
    """Draw exactly what the agent would see and about what that costs, before anything is sent."""
    if view.agent_input is None:
        return
    usage = estimate_usage(view.agent_input)
    cost = money(prices.cost_usd(usage, model), estimated=True)
    label = f"Agent input: about {tokens(usage.total_tokens)} tokens, {escape(cost)}"
    panel = st.expander(label, icon=":material/visibility:", key="agent-input", on_change="rerun")
    if panel.open:
        with panel:
            st.caption("The agent sees this object and its instructions only. Tokens and cost are estimates.")
            st.json(right_answer(view.agent_input), expanded=2)
