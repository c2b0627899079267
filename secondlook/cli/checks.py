"""The checks of `secondlook check`. None of them makes a paid request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from secondlook.domain.addresses import public_address
from secondlook.errors import SecondlookError

if TYPE_CHECKING:
    from secondlook.services import Services

IMPORTS = (
    "altair",
    "fastapi",
    "genai_prices",
    "openai",
    "pandas",
    "psycopg",
    "pyarrow",
    "pydantic",
    "sqlalchemy",
    "streamlit",
    "supabase",
    "uvicorn",
)


@dataclass(frozen=True)
class Check:
    """One check: whether it passed, what it found, and what to do where it failed."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def run_checks(email: str | None = None, password: str = "") -> list[Check]:
    """Run all checks. A failure does not stop the others, except that all of them need valid settings.

    Args:
        email: On Supabase, somebody to sign in as: row security is then tried in their name too.
        password: Theirs.
    """
    from secondlook.services import connect

    try:
        services = connect()
    except SecondlookError as error:
        return [Check("settings", ok=False, detail=error.message, hint=error.hint)]
    return [
        Check("settings", ok=True, detail=f"{services.settings.env}, data in {services.settings.data_dir}"),
        _attempt("imports", _import_all),
        *(
            _check_supabase(services, email, password)
            if services.requires_sign_in
            else [_attempt("store", lambda: _ping_store(services))]
        ),
        _attempt("ledger", lambda: _ping_ledger(services)),
        *_check_agent(services),
    ]


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, detail=look())
    except SecondlookError as error:
        return Check(name, ok=False, detail=error.message, hint=error.hint)
    except ImportError as error:
        return Check(name, ok=False, detail=str(error))


def _import_all() -> str:
    for module in IMPORTS:
        import_module(module)
    return f"{len(IMPORTS)} libraries can be imported"


def _ping_store(services: Services) -> str:
    services.ping_store()
    return f"embedded, {services.settings.data_dir / 'store.db'}"


def _check_supabase(services: Services, email: str | None, password: str) -> list[Check]:
    looks: dict[str, Callable[[], str]] = {
        "store": lambda: _ping_project(services),
        "sign-in": lambda: _ping_sign_in(services),
        "row security": lambda: _try_without_session(services),
    }
    if email is not None:
        looks["row security of a person"] = lambda: _try_as_person(services, email, password)
    return [_attempt(name, look) for name, look in looks.items()]


def _ping_project(services: Services) -> str:
    """Check the project with the key that people use, and with this process's own."""
    from secondlook.stores.supabase import SupabaseStore

    SupabaseStore(services.project).ping()
    if services.has_service_key:
        services.ping_store()
    by = (
        "with the secret key too"
        if services.has_service_key
        else "no secret key: people alone can run a source"
    )
    return f"Supabase at {public_address(services.settings.supabase_url or '')}, {by}"


def _ping_sign_in(services: Services) -> str:
    services.sessions.accounts.ping()
    return "Supabase Auth answers"


def _try_without_session(services: Services) -> str:
    services.row_security.verify()
    if not services.has_service_key:
        return "holds: nothing can be read without a session"
    filled = services.tables_with_rows()
    tried = ", ".join(filled) or "no table, for all are empty"
    return f"holds: nothing can be read without a session, though there are rows in {tried}"


def _try_as_person(services: Services, email: str, password: str) -> str:
    accounts = services.sessions.accounts
    grant = accounts.sign_in(email, password)
    try:
        services.row_security.verify(grant.person.user_id, grant.access_token)
    finally:
        accounts.leave(grant.access_token)
    return f"holds: {email} sees no row of anybody else"


def _ping_ledger(services: Services) -> str:
    services.ledger.ping()
    shared = services.settings.ledger_url is not None
    return f"{'Postgres' if shared else services.settings.data_dir / 'ledger.db'} can be written"


def _check_agent(services: Services) -> list[Check]:
    """Check for free the agent, its model, and whether it enforces a JSON schema."""
    try:
        agent = services.agent(services.agent_name())
    except SecondlookError as error:
        selected = services.selected_agent()
        model = selected.notice() or selected.model
        return [
            Check("agent", ok=False, detail=error.message, hint=error.hint),
            Check("model", ok=True, detail=model),
        ]
    return [Check(found.name, ok=found.ok, detail=found.detail) for found in agent.check()]
