"""Who is asking, and by what right. Whoever holds an Access reaches one user's data, and no one else's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Access:
    """One user, and what opens the store for them.

    Attributes:
        user_id: Whose data it opens.
        reviewer: Whether they may also see other people's runs in the ledger, never their rows in the store.
        token: Gives an access token that is valid now, or raises `NotSignedIn`; None where the process asks
            by its own right: on the embedded store, or with the project's secret key.
        renews: Whether the token is renewed for as long as the session lives.
    """

    user_id: str
    reviewer: bool = False
    token: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    renews: bool = False
