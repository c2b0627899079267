"""Settings, and who is asking → which store, which agent, which ledger."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from secondlook.domain.access import Access
from secondlook.errors import (
    LedgerUnavailable,
    SecondlookError,
    SettingInvalid,
    StoreUnavailable,
)
from secondlook.pipeline.retries import Retries
from secondlook.settings import Settings, load_settings
from secondlook.stores.base import Store
from secondlook.stores.samples import SAMPLE_USERS

if TYPE_CHECKING:
    from pydantic import SecretStr

    from secondlook.auth.attempts import Attempts
    from secondlook.auth.sessions import Sessions
    from secondlook.connections.database import Database
    from secondlook.connections.supabase import Project
    from secondlook.ledger.batches import Batches
    from secondlook.ledger.budgets import Budgets
    from secondlook.ledger.history import History
    from secondlook.ledger.jobs import Jobs
    from secondlook.ledger.pruning import Pruning
    from secondlook.ledger.reviews import Reviews
    from secondlook.ledger.runs import Ledger
    from secondlook.ledger.usage import UsageLog
    from secondlook.providers.base import Answerers, Provider
    from secondlook.stores.row_security import RowSecurity
    from secondlook.webhook import Webhook

T = TypeVar("T")

REHEARSAL = "rehearsal"

Dispatcher = Callable[[str, bool], None]
"""Tells whoever carries runs elsewhere of one that may go on: its id, and whether it is of a batch."""


class Services:
    """The parts that a process works with, each opened when it is first used.

    Args:
        settings: The settings they follow.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._folder = settings.data_dir.absolute()  # of the start: a later change of folder moves nothing
        self._lock = threading.RLock()
        self._parts: dict[str, object] = {}
        self._providers: dict[str, Provider] = {}

    # -- who is asking ------------------------------------------------------------------------------

    @property
    def requires_sign_in(self) -> bool:
        """Whether people sign in: on Supabase. On the embedded store they choose a user."""
        return self.settings.supabase_url is not None

    @property
    def store_name(self) -> str:
        """What the ledger calls the store: `embedded`, or the Supabase project's address."""
        return "embedded" if self.settings.supabase_url is None else self.settings.supabase_url.rstrip("/")

    @property
    def has_service_key(self) -> bool:
        """Whether this process may act for a user who is not there."""
        return not self.requires_sign_in or self.settings.supabase_secret_key is not None

    def own_access(self, user_id: str) -> Access:
        """This process's own right to act for a user.

        Raises:
            SettingInvalid: On Supabase without the secret key, only the person themself may.
        """
        if not self.has_service_key:
            raise SettingInvalid(
                "SUPABASE_SECRET_KEY is not set: without it, only people who are signed in can act",
                hint="Set it as the project's dashboard shows it. On a page, sign in instead.",
            )
        return Access(user_id)

    def default_user(self) -> str:
        """Who asks where nobody is named: SECONDLOOK_USER, or on the embedded store the first sample user.

        Raises:
            SettingInvalid: On Supabase, somebody must be named.
        """
        if self.settings.user is None and self.requires_sign_in:
            raise SettingInvalid(
                "No user is named", hint="Name one by --user or SECONDLOOK_USER: their id in Supabase Auth."
            )
        return self.settings.user or next(iter(SAMPLE_USERS))

    def reviews_runs(self, access: Access) -> bool:
        """Whether somebody may see everybody's runs and say what they think of them.

        On the embedded store everyone may: there is no sign-in to tell people apart.
        """
        return access.reviewer or not self.requires_sign_in

    def visible_user_id(self, access: Access) -> str | None:
        """The user whose runs somebody may see alone; None where they see everybody's."""
        return None if self.reviews_runs(access) else access.user_id

    # -- the parts ----------------------------------------------------------------------------------

    def store(self, access: Access) -> Store:
        """The store, as one who asks may see it.

        Raises:
            StoreUnavailable: It cannot be opened, or its row security does not hold.
            SettingInvalid: The key for who asks is not set.
        """
        if not self.requires_sign_in:
            return self._part("store", self._open_embedded)
        from secondlook.stores.supabase import SupabaseStore

        if access.token is None:
            return SupabaseStore(self._part("secret project", self._secret_project))
        self.row_security.refuse_if_broken()
        return SupabaseStore(self.project, access.token)

    def ping_store(self) -> None:
        """See that the store is there, with what this process may use of it.

        Raises:
            StoreUnavailable: It is not, or its row security does not hold.
            SettingInvalid: A key is not set.
        """
        if self.has_service_key:
            self.store(Access("")).ping()
            return
        from secondlook.stores.supabase import SupabaseStore

        SupabaseStore(self.project).ping()
        self.row_security.verify()
        self.row_security.refuse_if_broken()

    def tables_with_rows(self) -> tuple[str, ...]:
        """The product's tables that hold any row, as the secret key sees them.

        Raises:
            SettingInvalid: SUPABASE_SECRET_KEY is not set.
        """
        from secondlook.stores.row_security import find_exposed

        return find_exposed(self._part("secret project", self._secret_project), None, None)

    @property
    def project(self) -> Project:
        """The Supabase project as people reach it.

        Raises:
            SettingInvalid: SUPABASE_URL or SUPABASE_KEY is not set.
        """
        return self._part("project", self._people_project)

    @property
    def row_security(self) -> RowSecurity:
        """What is known of the project's row security."""

        def make() -> RowSecurity:
            from secondlook.stores.row_security import RowSecurity

            return RowSecurity(self.project)

        return self._part("row security", make)

    @property
    def ledger(self) -> Ledger:
        """The ledger.

        Raises:
            LedgerUnavailable: It cannot be opened.
        """

        def make() -> Ledger:
            from secondlook.ledger.budget_status import Limits
            from secondlook.ledger.runs import Ledger

            embedded = self.settings.ledger_url is None
            return Ledger(
                self._database,
                lease_seconds=self.settings.lease_seconds,
                folder=self._folder if embedded else None,
                store=self.store_name,
                limits=Limits.of(self.settings),
                announces=self.settings.webhook_url is not None,
            )

        return self._part("ledger", make)

    @property
    def batches(self) -> Batches:
        """The batches on the ledger.

        Raises:
            LedgerUnavailable: It cannot be opened.
        """

        def make() -> Batches:
            from secondlook.ledger.batches import Batches

            _ = self.ledger  # makes the tables
            return Batches(self._database, store=self.store_name)

        return self._part("batches", make)

    @property
    def history(self) -> History:
        """Runs as people look back at them.

        Raises:
            LedgerUnavailable: The ledger cannot be opened.
        """

        def make() -> History:
            from secondlook.ledger.history import History

            _ = self.ledger  # makes the tables
            return History(self._database)

        return self._part("history", make)

    @property
    def reviews(self) -> Reviews:
        """What people say of runs.

        Raises:
            LedgerUnavailable: The ledger cannot be opened.
        """

        def make() -> Reviews:
            from secondlook.ledger.reviews import Reviews

            _ = self.ledger  # makes the tables
            return Reviews(self._database)

        return self._part("reviews", make)

    @property
    def usage(self) -> UsageLog:
        """Runs and calls, added up.

        Raises:
            LedgerUnavailable: The ledger cannot be opened.
        """

        def make() -> UsageLog:
            from secondlook.ledger.usage import UsageLog

            _ = self.ledger  # makes the tables
            return UsageLog(self._database)

        return self._part("usage", make)

    @property
    def pruning(self) -> Pruning:
        """What erases inputs and answers.

        Raises:
            LedgerUnavailable: The ledger cannot be opened.
        """

        def make() -> Pruning:
            from secondlook.ledger.pruning import Pruning

            _ = self.ledger  # makes the tables
            return Pruning(self._database)

        return self._part("pruning", make)

    @property
    def budgets(self) -> Budgets:
        """What may be spent, and what is.

        Raises:
            LedgerUnavailable: The ledger, where it is counted, cannot be opened.
        """

        def make() -> Budgets:
            from secondlook.ledger.budget_status import Limits
            from secondlook.ledger.budgets import Budgets

            return Budgets(self._database, Limits.of(self.settings))

        return self._part("budgets", make)

    @property
    def webhook(self) -> Webhook | None:
        """Who is told when a run ends; None where nobody is.

        Raises:
            SettingInvalid: Its address is set without its secret, or the other way round.
        """

        def make() -> Webhook | None:
            from secondlook.webhook import webhook_of

            _ = self.ledger  # makes the tables
            return webhook_of(self.settings, self._database)

        return self._part("webhook", make)

    @property
    def dispatcher(self) -> Dispatcher | None:
        """Who is told of runs that may go on; None where this process carries them itself.

        Telling raises `LedgerUnavailable` where it cannot be done now.
        """
        if self.settings.dispatch == "here":
            return None
        return self._tell

    def _tell(self, run_id: str, in_batch: bool) -> None:
        self.jobs.defer(run_id, in_batch)  # opened when there is something to tell, not before

    @property
    def jobs(self) -> Jobs:
        """What the workers are told through.

        Raises:
            LedgerUnavailable: The ledger, where it lies, cannot be opened.
        """

        def make() -> Jobs:
            from secondlook.ledger.jobs import Jobs

            _ = self.ledger  # said first what is wrong with the database
            return Jobs(self._database)

        return self._part("jobs", make)

    @property
    def retries(self) -> Retries:
        """When a request that was not processed is sent again."""
        return Retries(self.settings.agent_retries, self.settings.retry_seconds)

    @property
    def sessions(self) -> Sessions:
        """Who is signed in.

        Raises:
            LedgerUnavailable: The ledger, where sessions are kept, cannot be opened.
            SettingInvalid: SUPABASE_URL or SUPABASE_KEY is not set.
        """

        def make() -> Sessions:
            from secondlook.auth.accounts import Accounts
            from secondlook.auth.sessions import Sessions

            return Sessions(self._database, Accounts(self.project))

        return self._part("sessions", make)

    @property
    def attempts(self) -> Attempts:
        """How often somebody has tried to sign in.

        Raises:
            LedgerUnavailable: The ledger, where they are counted, cannot be opened.
        """

        def make() -> Attempts:
            from secondlook.auth.attempts import Attempts

            return Attempts(self._database)

        return self._part("attempts", make)

    @property
    def _database(self) -> Database:
        def make() -> Database:
            from secondlook.ledger.runs import ledger_database

            if self.settings.ledger_url is not None:
                return ledger_database(self.settings.ledger_url.get_secret_value())
            return ledger_database(self._file("ledger.db", LedgerUnavailable))

        return self._part("database", make)

    def _part(self, name: str, make: Callable[[], T]) -> T:
        with self._lock:
            if name not in self._parts:
                self._parts[name] = make()
            return cast("T", self._parts[name])  # made by the same function

    def _open_embedded(self) -> Store:
        from secondlook.stores.sqlite import SqliteStore

        return SqliteStore(self._file("store.db", StoreUnavailable))

    def _people_project(self) -> Project:
        return self._project_with("SUPABASE_KEY", self.settings.supabase_key)

    def _secret_project(self) -> Project:
        return self._project_with("SUPABASE_SECRET_KEY", self.settings.supabase_secret_key)

    def _project_with(self, name: str, key: SecretStr | None) -> Project:
        from secondlook.connections.supabase import Project

        if self.settings.supabase_url is None or key is None:
            raise SettingInvalid(
                f"{name} is not set, and SUPABASE_URL is",
                hint=f"Set {name} as the project's dashboard shows it, or unset SUPABASE_URL.",
            )
        return Project(self.settings.supabase_url, key.get_secret_value())

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

    # -- agents -------------------------------------------------------------------------------------

    def agent_name(self) -> str:
        """The name of the provider that a new run asks.

        Raises:
            ApiKeyMissing: It needs a key, and there is none.
            SettingInvalid: Another setting that it needs is not set.
        """
        return self.asked_agent().name

    def asked_agent(self) -> Provider:
        """The provider that a new run asks, not opened yet.

        Raises:
            ApiKeyMissing: It needs a key, and there is none.
            SettingInvalid: Another setting that it needs is not set.
        """
        provider = self.selected_agent()
        missing = provider.missing()
        if missing is not None:
            raise missing
        return provider

    def selected_agent(self) -> Provider:
        """The provider that the settings select, whether or not they have all that it needs."""
        from secondlook.providers.table import DEFAULT

        if self.settings.agent != "auto":
            return self.provider(self.settings.agent)
        provider = self.provider(DEFAULT)
        stands_in = not self.requires_sign_in and not self.settings.production
        return self.provider("offline") if provider.missing() is not None and stands_in else provider

    def provider(self, name: str) -> Provider:
        """The provider of that name, as the settings mean it; not opened yet.

        Raises:
            SettingInvalid: There is none of that name.
        """
        from secondlook.providers.table import find_provider

        with self._lock:
            if name not in self._providers:
                self._providers[name] = find_provider(name)(self.settings, self._answerers())
            return self._providers[name]

    def agent(self, name: str) -> Provider:
        """The provider of that name, ready to be asked.

        Raises:
            ApiKeyMissing: It needs a key, and there is none.
            SettingInvalid: The settings select another provider by now, or no client can be made of them.
        """
        provider = self.provider(name)
        missing = provider.missing()
        if missing is not None:
            raise missing
        if name == REHEARSAL:
            self.refuse_rehearsal()
        elif self.agent_name() != name:
            raise SettingInvalid(
                f"This run was queued for {provider.label}, but the current settings select "
                f"{self.asked_agent().label}",
                hint="Set SECONDLOOK_AGENT as it was, or cancel the run.",
            )
        provider.open()
        return provider

    def rehearsing_agent(self, model: str) -> Provider:
        """The provider of a rehearsal.

        Args:
            model: Which kind, by its model's name.

        Raises:
            SettingInvalid: There are no rehearsals here.
        """
        from secondlook.providers.rehearsal import Rehearsal

        self.refuse_rehearsal()
        return Rehearsal(self.settings, self._answerers(), kind=model)

    def refuse_rehearsal(self) -> None:
        """See that rehearsals stand between nobody and their snapshots.

        Raises:
            SettingInvalid: They do.
            ApiKeyMissing: No agent is meant at all.
        """
        if self.requires_sign_in:
            raise SettingInvalid(
                "There are no rehearsals on Supabase: their runs would stand among people's own",
                hint="Start another dashboard without SUPABASE_URL, with a data folder of its own.",
            )
        if not self.asked_agent().local:
            raise SettingInvalid(
                f"There are no rehearsals where {self.asked_agent().label} answers: their runs would stand "
                "among those that are paid for",
                hint="Start another dashboard with SECONDLOOK_AGENT=offline, with a data folder of its own.",
            )

    def _answerers(self) -> Answerers:
        from secondlook.tasks.snapshot import offline

        return offline.ANSWERERS

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            for part in (*self._parts.values(), *self._providers.values()):
                close = getattr(part, "close", None)
                if close is not None:
                    close()
            self._parts = {}
            self._providers = {}


def connect(*, for_pages: bool = False) -> Services:
    """The services of the current settings; the same one as long as they stay the same.

    Args:
        for_pages: Leave the secret key out: what serves people never holds it.

    Raises:
        SettingInvalid: A setting is not allowed.
    """
    settings = load_settings()
    return _connect(settings.for_pages() if for_pages else settings)


@lru_cache(maxsize=8)
def _connect(settings: Settings) -> Services:
    return Services(settings)
