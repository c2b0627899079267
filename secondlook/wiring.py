"""Settings → which store, which agent, which ledger."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from secondlook.errors import (
    ApiKeyMissing,
    LedgerUnavailable,
    SecondlookError,
    SettingInvalid,
    StoreUnavailable,
)
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
        self._folder = settings.data_dir.absolute()  # of the start: a later change of folder moves nothing
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
                path = self._file("store.db", StoreUnavailable)
                self._store = SqliteStore(path)
            return self._store

    @property
    def ledger(self) -> Ledger:
        """The ledger.

        Raises:
            LedgerUnavailable: It cannot be opened.
        """
        with self._lock:
            if self._ledger is None:
                path = self._file("ledger.db", LedgerUnavailable)
                self._ledger = open_ledger(path, lease_seconds=self.settings.lease_seconds)
            return self._ledger

    def _file(self, name: str, unavailable: type[SecondlookError]) -> Path:
        """A file of the data folder, both made where they are missing, for their owner alone."""
        path = self._folder / name
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise unavailable(
                f"SECONDLOOK_DATA_DIR {self.settings.data_dir} cannot be used: {error.strerror}"
            ) from None
        with suppress(OSError):  # whoever opens it as a database says what is wrong with it
            os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))
        return path

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
            SettingInvalid: The settings mean another agent by now, or no client can be made of them.
        """
        if name == "openai" and self.settings.openai_api_key is None:
            raise ApiKeyMissing
        if self.agent_name() != name:
            raise SettingInvalid(
                f"The run waits for the {name} agent, and the settings mean the {self.agent_name()} agent",
                hint="Set SECONDLOOK_AGENT as it was, or give the run up.",
            )
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

        try:
            return Agent(
                name,
                api_key=self.settings.openai_api_key.get_secret_value(),
                base_url=self.settings.openai_base_url,
                deadline_seconds=self.settings.deadline_seconds,
            )
        except Exception as error:  # noqa: BLE001 -- the SDK and the proxy's and TLS variables it reads
            raise SettingInvalid(
                f"No client can be made for OPENAI_BASE_URL ({type(error).__name__})",
                hint="Look at it, at OPENAI_ORG_ID, OPENAI_PROJECT_ID and the proxy's and TLS variables.",
            ) from None

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
