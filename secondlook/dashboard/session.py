"""The current user: on Supabase the one who is signed in, on the embedded store the one chosen."""

from __future__ import annotations

import html

import streamlit as st

from secondlook.auth.sessions import SignedIn
from secondlook.dashboard import resources
from secondlook.domain.access import Access
from secondlook.errors import NotSignedIn
from secondlook.stores.samples import SAMPLE_USERS
from secondlook.web import cookies

_KEY = "user"
_SIGN_OUT = '<a href="/auth/sign-out" target="_self" style="color: inherit">Sign out</a>'


def show_identity() -> None:
    """Draw in the sidebar who is signed in or, on the embedded store, the choice of users."""
    if not resources.services().requires_sign_in:
        _choose_user()
        return
    signed_in = _require_session()
    with st.sidebar:
        st.html(f"<small>Signed in as</small><br><b>{html.escape(signed_in.email)}</b>")
        if signed_in.access.reviewer:
            st.badge("Reviewer", icon=":material/visibility:", color="blue")
        st.html(_SIGN_OUT)


def require_access() -> Access:
    """Return the access of the current user: the first call of every page, and of every press or timer.

    The session is looked up each time: a page that is open elsewhere ends with it.

    Raises:
        NotSignedIn: Nobody is signed in, or the page was reached around the router.
    """
    if resources.services().requires_sign_in:
        return _require_session().access
    user = st.session_state.get(_KEY)
    if not isinstance(user, str):
        raise NotSignedIn("Nobody is signed in")
    return Access(user)


def in_url() -> dict[str, str]:
    """What the address of another page needs, to be drawn for the same user."""
    named = st.query_params.get(_KEY)
    return {} if named is None else {_KEY: named}


def own_name() -> str:
    """Who is asking, as other people know them.

    Raises:
        NotSignedIn: Nobody is signed in.
    """
    if resources.services().requires_sign_in:
        return _require_session().email
    return _name(require_access().user_id)


def _require_session() -> SignedIn:
    session_id = st.context.cookies.get(cookies.NAME)
    signed_in = resources.services().sessions.find(session_id) if session_id else None
    if signed_in is None:
        raise NotSignedIn("Nobody is signed in", hint="Reload the page to sign in.")
    return signed_in


def _choose_user() -> None:
    """Draw the choice of users; the URL holds it."""
    services = resources.services()
    default = services.default_user()
    users = services.store(Access(default)).users()
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
        help="The embedded store has no sign-in. Choose whose sources to show.",
    )
    if st.session_state[_KEY] != default and _KEY not in st.query_params:
        st.query_params[_KEY] = st.session_state[_KEY]  # Streamlit drops it on the way to another page


def _switch_user() -> None:
    # The URL of another user's source would only lead to "not found".
    st.query_params.from_dict({_KEY: st.session_state[_KEY]})


def _name(user: str) -> str:
    return SAMPLE_USERS.get(user, user)
