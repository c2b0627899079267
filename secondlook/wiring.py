"""Settings → which store, which agent, which ledger."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from secondlook.errors import ApiKeyMissing, LedgerUnavailable, SettingInvalid, StoreUnavailable
from secondlook.ledger.runs import Ledger, open_ledger
from secondlook.models import AgentName
from secondlook.settings import Settings, load_settings
from secondlook.stores.base import Store
from secondlook.stores.samples import SAMPLE_USERS
from secondlook.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from secondlook.agent.client import Agent


class Wiring:
    """The parts that a process works with, each opened when it is first used.

    Args:
        settings: The settings they follow.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._store: Store | None = None
        self._ledger: Ledger | None = None
        self._agents: dict[AgentName, Agent] = {}

    @property
    def store(self) -> Store:
        """The store.

        Raises:
            StoreUnavailable: It cannot be opened.
            SettingInvalid: A store is asked for that this version does not have.
        """
        with self._lock:
            if self._store is None:
                if self.settings.supabase_url is not None:
                    raise SettingInvalid(
                        "SUPABASE_URL is set, but this version only has the embedded store",
                        hint="Unset SUPABASE_URL.",
                    )
                folder = self.settings.data_dir
                try:
                    _make_folder(folder)
                except OSError as error:
                    raise StoreUnavailable(_unwritable(folder, error)) from None
                self._store = SqliteStore(folder / "store.db")
            return self._store

    @property
    def ledger(self) -> Ledger:
        """The ledger.

        Raises:
            LedgerUnavailable: It cannot be opened.
        """
        with self._lock:
            if self._ledger is None:
                folder = self.settings.data_dir
                try:
                    _make_folder(folder)
                except OSError as error:
                    raise LedgerUnavailable(_unwritable(folder, error)) from None
                self._ledger = open_ledger(folder / "ledger.db", lease_seconds=self.settings.lease_seconds)
            return self._ledger

    def agent_name(self) -> AgentName:
        """Which agent a new run asks.

        Raises:
            ApiKeyMissing: OpenAI is meant, and there is no key.
        """
        if self.settings.agent == "offline":
            return "offline"
        if self.settings.openai_api_key is not None:
            return "openai"
        embedded = self.settings.supabase_url is None
        if self.settings.agent == "auto" and embedded and not self.settings.production:
            return "offline"
        raise ApiKeyMissing

    def agent(self, name: AgentName) -> Agent:
        """The agent of that name, made when it is first asked for.

        Raises:
            ApiKeyMissing: It is OpenAI, and there is no key.
        """
        with self._lock:
            if name not in self._agents:
                self._agents[name] = self._make_agent(name)
            return self._agents[name]

    def _make_agent(self, name: AgentName) -> Agent:
        if name == "offline":
            from secondlook.agent.offline import offline_agent

            return offline_agent(self.settings.deadline_seconds)
        if self.settings.openai_api_key is None:
            raise ApiKeyMissing
        from secondlook.agent.client import Agent

        return Agent(
            name,
            api_key=self.settings.openai_api_key.get_secret_value(),
            base_url=self.settings.openai_base_url,
            deadline_seconds=self.settings.deadline_seconds,
        )

    def default_user(self) -> str:
        """Who asks where nobody is named: SECONDLOOK_USER, or the first sample user."""
        return self.settings.user or next(iter(SAMPLE_USERS))

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            for part in (self._store, self._ledger, *self._agents.values()):
                if part is not None:
                    part.close()
            self._store = self._ledger = None
            self._agents = {}


def connect() -> Wiring:
    """The wiring of the current settings; the same one as long as they stay the same.

    Raises:
        SettingInvalid: A setting is not allowed.
    """
    return _connect(load_settings())


@lru_cache(maxsize=8)
def _connect(settings: Settings) -> Wiring:
    return Wiring(settings)


def _make_folder(folder: Path) -> None:
    # What lies here is for its owner alone: buckets, answers, and later sessions.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _unwritable(folder: Path, error: OSError) -> str:
    return f"SECONDLOOK_DATA_DIR {folder} cannot be used: {error.strerror}"
