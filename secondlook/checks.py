"""What `secondlook check` looks at: settings, imports, store, ledger, key and model. It sends nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from urllib.parse import urlsplit

from secondlook.agent.families import has_ended, shutdown_notice
from secondlook.errors import SecondlookError
from secondlook.settings import Settings
from secondlook.wiring import Wiring, connect

IMPORTS = ("altair", "genai_prices", "openai", "pandas", "pydantic", "sqlalchemy", "streamlit", "uvicorn")


@dataclass(frozen=True)
class Check:
    """One thing looked at: whether it is as it must be, and what was found."""

    name: str
    ok: bool
    detail: str


def run_checks() -> list[Check]:
    """Look at everything; a failure does not stop the rest, but without settings there is no rest."""
    try:
        wiring = connect()
    except SecondlookError as error:
        return [Check("settings", ok=False, detail=error.message)]
    return [
        Check("settings", ok=True, detail=f"{wiring.settings.env}, data in {wiring.settings.data_dir}"),
        _attempt("imports", _import_all),
        _attempt("store", lambda: _ping_store(wiring)),
        _attempt("ledger", lambda: _ping_ledger(wiring)),
        _attempt("agent", lambda: _describe_agent(wiring)),
        _check_model(wiring.settings),
    ]


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, detail=look())
    except (SecondlookError, ImportError) as error:
        return Check(name, ok=False, detail=str(error))


def _import_all() -> str:
    for module in IMPORTS:
        import_module(module)
    return f"{len(IMPORTS)} libraries can be imported"


def _ping_store(wiring: Wiring) -> str:
    wiring.store.ping()
    return f"embedded, {wiring.settings.data_dir / 'store.db'}"


def _ping_ledger(wiring: Wiring) -> str:
    wiring.ledger.ping()
    return f"{wiring.settings.data_dir / 'ledger.db'} can be written"


def _describe_agent(wiring: Wiring) -> str:
    name = wiring.agent_name()
    if name == "offline":
        return "the offline agent answers: nothing is sent, usage is estimated"
    wiring.agent(name)
    key = wiring.settings.openai_api_key.get_secret_value() if wiring.settings.openai_api_key else ""
    start = key[: min(7, len(key) // 4)]
    server = urlsplit(wiring.settings.openai_base_url)  # without a user and password that it may hold
    port = f":{server.port}" if server.port else ""
    return f"OpenAI at {server.scheme}://{server.hostname}{port}{server.path}, key {start}…"


def _check_model(settings: Settings) -> Check:
    today = datetime.now(UTC).date()
    ended = has_ended(settings.model, today)
    return Check("model", ok=not ended, detail=shutdown_notice(settings.model, today) or settings.model)
