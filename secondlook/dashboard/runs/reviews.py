"""Reviews of a run: what reviewers said, and the form in which a reviewer says it."""

from __future__ import annotations

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts.budgets import moment
from secondlook.dashboard.parts.problems import escape
from secondlook.domain.access import Access
from secondlook.errors import NotSignedIn
from secondlook.ledger.reviews import MOST_NOTE, Review
from secondlook.services import Services
from secondlook.views.run_details import RunDetails

_SAVED = "review-saved"


def show_review_badge(review: Review) -> None:
    """Draw who reviewed a run, and whether it passed."""
    result = "Passed" if review.passed else "Failed"
    st.badge(
        f"{result} by {escape(review.reviewer, limit=40)}",
        icon=":material/thumb_up:" if review.passed else ":material/thumb_down:",
        color="green" if review.passed else "red",
    )


def show_reviews(services: Services, access: Access, details: RunDetails) -> None:
    """Draw the reviews of a run, and the form where a reviewer looks."""
    st.subheader("Review", anchor=False)
    saved: str | None = st.session_state.pop(_SAVED, None)
    if saved is not None:
        st.toast(saved, icon=":material/rate_review:")
    for review in details.reviews:
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center"):
                show_review_badge(review)
                st.caption(escape(moment(review.reviewed_at)), width="content")
            if review.note:
                st.markdown("  \n".join(escape(line, limit=MOST_NOTE) for line in review.note.splitlines()))
    if not services.policy.is_reviewer(access):
        if not details.reviews:
            st.caption("There is no review yet.")
        return
    own = next((review for review in details.reviews if review.reviewer_id == access.user_id), None)
    _show_form(details.run.run_id, own)


def _show_form(run_id: str, own: Review | None) -> None:
    passed, note = f"passed-{run_id}", f"note-{run_id}"
    with st.form(f"review-{run_id}", border=False):
        st.radio(
            "Your review",
            (True, False),
            format_func=lambda each: "Pass" if each else "Fail",
            index=None if own is None else (True, False).index(own.passed),
            horizontal=True,
            key=passed,
        )
        st.text_area(
            "Note",
            value="" if own is None else own.note,
            key=note,
            max_chars=MOST_NOTE,
            height=90,
            placeholder="Reason",
        )
        st.form_submit_button(
            "Save review",
            icon=":material/rate_review:",
            on_click=_save,
            args=(run_id, passed, note),
            type="primary",
        )
    if own is not None:
        st.button("Withdraw", on_click=_withdraw, args=(run_id,))


def _reviewer(run_id: str) -> Access:
    """Return the reviewer's access, checked again: a press may come after a session has ended."""
    services, access = resources.services(), session.require_access()
    if not services.policy.is_reviewer(access):
        raise NotSignedIn("Only reviewers can review runs", hint="Ask a reviewer.")
    services.ledger.get(run_id)
    return access


def _save(run_id: str, passed_key: str, note_key: str) -> None:
    access = _reviewer(run_id)
    passed: bool | None = st.session_state[passed_key]
    if passed is None:
        st.session_state[_SAVED] = "Review not saved. Choose Pass or Fail first."
        return
    resources.services().reviews.say(
        run_id,
        access.user_id,
        reviewer=session.own_name(),
        passed=passed,
        note=str(st.session_state[note_key] or ""),
    )
    st.session_state[_SAVED] = f"Review saved: {'Pass' if passed else 'Fail'}"


def _withdraw(run_id: str) -> None:
    resources.services().reviews.take_back(run_id, _reviewer(run_id).user_id)
    st.session_state[_SAVED] = "Review withdrawn"
