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
    named = st.query_params.get(_KEY, default)
    st.sidebar.selectbox(
        "User",
        users,
        index=users.index(named if named in users else default),
        format_func=_name,
        key=_KEY,
        on_change=_switch_user,
        help="The embedded store has no sign-in: choose whose sources to see.",
    )


def _switch_user() -> None:
    # The URL of another user's source would only lead to "not found".
    st.query_params.from_dict({_KEY: st.session_state[_KEY]})


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
