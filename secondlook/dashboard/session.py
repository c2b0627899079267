"""Who is asking. On the embedded store nobody can sign in: the sidebar chooses."""

from __future__ import annotations

import streamlit as st

from secondlook.dashboard import resources
from secondlook.errors import NotSignedIn
from secondlook.stores.samples import SAMPLE_USERS

_KEY = "user"


def choose_user() -> None:
    """Draw the choice of users in the sidebar; the URL carries it."""
    users = resources.wiring().store.users()
    default = resources.wiring().default_user()
    if default not in users:
        users.insert(0, default)
    st.sidebar.selectbox(
        "User",
        users,
        index=users.index(default),
        format_func=_name,
        key=_KEY,
        bind="query-params",
        help="The embedded store has no sign-in: choose whose sources to see.",
    )


def _name(user: str) -> str:
    return SAMPLE_USERS.get(user, user)


def require_user() -> str:
    """The user whose page this is; the first line of every page.

    Raises:
        NotSignedIn: The page was reached around the router.
    """
    user = st.session_state.get(_KEY)
    if not isinstance(user, str):
        raise NotSignedIn("Nobody is signed in")
    return user
