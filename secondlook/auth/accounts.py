"""Accounts in Supabase Auth. Nothing is remembered here: each call has a client of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import httpx

from secondlook.connections.supabase import (
    EARLY_SECONDS,
    Project,
    clocks_differ,
    is_early,
    session_over,
    unreachable,
)
from secondlook.errors import NotSignedIn, RequestInvalid, SecondlookError, StoreUnavailable

if TYPE_CHECKING:
    from supabase_auth import SyncGoTrueClient
    from supabase_auth.types import AuthResponse, User

T = TypeVar("T")

REVIEWER = "reviewer"
"""The `role` in a user's app_metadata that lets them see other people's runs; only an admin can set it."""

_REFUSED = "E-mail address or password is wrong"
_ENDED = ("refresh_token_", "session_", "user_")
_NO_TOKEN = {"bad_jwt", "no_authorization", "validation_failed"}
"""Codes of Supabase Auth for a token that is not valid; any other refusal ends no session."""

_PASSWORD_CODES = {"weak_password", "same_password", "validation_failed"}


@dataclass(frozen=True)
class Person:
    """Somebody whom Supabase Auth knows."""

    user_id: str
    email: str
    reviewer: bool


@dataclass(frozen=True)
class Grant:
    """What a sign-in gives.

    Attributes:
        lifetime: Seconds for which the access token is valid.
    """

    person: Person
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    lifetime: float


class Accounts:
    """Signs in and out, and looks after passwords.

    Every method raises `StoreUnavailable` where Supabase cannot be reached or does not answer as it should.

    Args:
        project: The project, with the key that people use.
    """

    def __init__(self, project: Project) -> None:
        self._project = project

    def sign_in(self, email: str, password: str) -> Grant:
        """Sign in.

        Raises:
            NotSignedIn: Supabase refuses; which of address and password is wrong is not said.
        """
        return _grant(
            self._ask(
                lambda auth: auth.sign_in_with_password({"email": email, "password": password}), _REFUSED
            )
        )

    def renew(self, refresh_token: str) -> Grant:
        """Trade a refresh token for new tokens; each can be used once.

        Raises:
            NotSignedIn: The session was revoked or has ended.
        """
        return _grant(self._ask(lambda auth: auth.refresh_session(refresh_token)))

    def person(self, access_token: str) -> Person:
        """The person that an access token belongs to, as Supabase Auth says.

        Raises:
            NotSignedIn: It is expired, forged or revoked.
        """
        answer = self._ask(lambda auth: auth.get_user(access_token))
        if answer is None:
            raise session_over()
        return _person(answer.user)

    def ping(self) -> None:
        """Check that Supabase Auth answers: it must refuse an invalid token."""
        with suppress(NotSignedIn):
            self.person("none")

    def leave(self, access_token: str) -> None:
        """End the session of this token alone."""
        self._ask(lambda auth: auth.admin.sign_out(access_token, "local"))

    def sign_out(self, access_token: str) -> None:
        """End all of a person's sessions; none of their refresh tokens works afterwards."""
        self._ask(lambda auth: auth.admin.sign_out(access_token, "global"))

    def send_reset(self, email: str, redirect_to: str) -> None:
        """Have Supabase send a mail with a link to the page that sets a new password.

        Raises:
            NotSignedIn: Supabase sent no mail. The reason may reveal whether the account exists: log it only.
        """
        self._ask(lambda auth: auth.reset_password_for_email(email, {"redirect_to": redirect_to}), _NO_MAIL)

    def redeem(self, token_hash: str) -> Grant:
        """Sign in by the token of such a mail.

        Raises:
            NotSignedIn: It is used up or too old.
        """
        return _grant(
            self._ask(lambda auth: auth.verify_otp({"type": "recovery", "token_hash": token_hash}), _LINK)
        )

    def set_password(self, access_token: str, refresh_token: str, password: str) -> Person:
        """Give the person of these tokens a new password, and end all their sessions with Supabase.

        Raises:
            NotSignedIn: The tokens are not valid any more.
            RequestInvalid: The password is not accepted; says why.
        """
        auth = self._project.client().auth
        _ask(lambda: auth.set_session(access_token, refresh_token), _LINK)
        changed = _ask(lambda: auth.update_user({"password": password}), _LINK)
        with suppress(SecondlookError):  # the password is changed even if the sessions remain
            _ask(lambda: auth.sign_out({"scope": "global"}))
        return _person(changed.user)

    def _ask(self, request: Callable[[SyncGoTrueClient], T], refused: str | None = None) -> T:
        auth = self._project.client().auth
        return _ask(lambda: request(auth), refused)


_NO_MAIL = "Supabase sent no mail"
_LINK = "The link is used up or too old"


def _ask(request: Callable[[], T], refused: str | None = None) -> T:
    """Send a request to Supabase Auth and translate what goes wrong, without quoting what was sent."""
    from supabase_auth.errors import AuthApiError, AuthError, AuthRetryableError, AuthWeakPasswordError

    try:
        return _once_more_if_early(request)
    except AuthWeakPasswordError as error:
        raise RequestInvalid(error.message, reason="password", hint="Choose another password.") from None
    except AuthApiError as error:
        raise _refusal(error.status, error.code or "", error.message, refused) from None
    except AuthRetryableError as error:
        status = f" (status {error.status})" if error.status else ""
        raise StoreUnavailable(f"Supabase Auth cannot be reached{status}") from None
    except AuthError as error:
        if type(error).__name__ in {"AuthSessionMissingError", "AuthInvalidJwtError"}:
            raise session_over() from None
        raise StoreUnavailable(
            f"Supabase Auth answered with something unexpected ({type(error).__name__})"
        ) from None
    except httpx.HTTPError as error:
        raise unreachable(error) from None
    except (ValueError, RecursionError):  # pydantic's ValidationError is one of the first
        raise StoreUnavailable("Supabase Auth answered with something unexpected") from None


def _once_more_if_early(request: Callable[[], T]) -> T:
    from supabase_auth.errors import AuthApiError

    try:
        return request()
    except AuthApiError as error:
        if not is_early(error.message):
            raise
    time.sleep(EARLY_SECONDS)
    return request()


def _refusal(status: int, code: str, words: str, refused: str | None) -> SecondlookError:
    if is_early(words):
        return clocks_differ()
    if code in _PASSWORD_CODES and status in {400, 422}:
        return RequestInvalid(
            " ".join(words.split())[:200], reason="password", hint="Correct it, then try again."
        )
    if code == "email_not_confirmed":
        return NotSignedIn(
            "The e-mail address is not confirmed yet", hint="Open the link in the mail that was sent to it."
        )
    if refused == _NO_MAIL:
        return NotSignedIn(refused)
    if status >= 500:
        return StoreUnavailable(f"Supabase Auth failed (status {status})")
    if status == 429:
        busy = "Supabase refuses further attempts for now"
        hint = "Wait a few minutes, then try again."
        return StoreUnavailable(busy, hint=hint) if refused is None else NotSignedIn(busy, hint=hint)
    if "API key" in words:
        return StoreUnavailable("Supabase does not accept the key", hint="Look at SUPABASE_KEY.")
    if refused is not None:
        return NotSignedIn(refused, hint="Try again.")
    if code.startswith(_ENDED) or code in _NO_TOKEN or not code:
        return session_over()
    return StoreUnavailable(f"Supabase Auth refused the request ({status}, {code})")


def _grant(answer: AuthResponse) -> Grant:
    session, user = answer.session, answer.user
    if session is None or user is None:
        raise StoreUnavailable("Supabase Auth answered without a session")
    return Grant(
        person=_person(user),
        access_token=session.access_token,
        refresh_token=session.refresh_token,
        lifetime=float(session.expires_in),
    )


def _person(user: User) -> Person:
    return Person(
        user_id=user.id,
        email=user.email or "",
        reviewer=user.app_metadata.get("role") == REVIEWER,
    )
