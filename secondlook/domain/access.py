"""Who asks, with which credentials, and who may see and do what. An Access opens one user's data only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from secondlook.errors import NotSignedIn


@dataclass(frozen=True)
class Access:
    """One user and the credentials that open the store for them.

    Attributes:
        user_id: Whose data it opens.
        reviewer: Whether they may also see other people's runs in the ledger, never their rows in the store.
        token: Returns an access token that is valid now, or raises `NotSignedIn`; None where the process uses
            its own credentials: on the embedded store, or with the project's secret key.
        renews: Whether the token is renewed for as long as the session lives.
    """

    user_id: str
    reviewer: bool = False
    token: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    renews: bool = False


@dataclass(frozen=True)
class Policy:
    """Who may see and do what.

    Attributes:
        tells_people_apart: Whether people sign in. If they do not, everybody may do everything.
    """

    tells_people_apart: bool

    def is_reviewer(self, access: Access) -> bool:
        """Whether somebody may see everybody's runs, review them, and switch all sending off and on."""
        return access.reviewer or not self.tells_people_apart

    def check_reviewer(self, access: Access, action: str) -> None:
        """Check that somebody may do what only reviewers may, such as `review runs`.

        Raises:
            NotSignedIn: They may not.
        """
        if not self.is_reviewer(access):
            raise NotSignedIn(f"Only reviewers can {action}", hint="Ask a reviewer.")

    def visible_user_id(self, access: Access) -> str | None:
        """The only user whose runs somebody may see; None where they may see everybody's."""
        return None if self.is_reviewer(access) else access.user_id
