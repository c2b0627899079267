"""Opens the store, agent and ledger that the settings select.

Long because it is the list of all parts, each with what it is made of, and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, TypeVar, cast, overload

from secondlook.domain.access import Access, Policy
from secondlook.errors import SettingInvalid
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
    from secondlook.ledger.pruning import Pruning
    from secondlook.ledger.reviews import Reviews
    from secondlook.ledger.runs import Ledger
    from secondlook.ledger.usage import UsageLog
    from secondlook.ledger.worker_queue import Jobs
    from secondlook.pipeline.submit import Door
    from secondlook.providers.base import Answerers, Provider
    from secondlook.stores.estimates import EstimateStore
    from secondlook.stores.row_security import RowSecurity
    from secondlook.stores.sqlite import SqliteStore
    from secondlook.telemetry.tracing import Backlog
    from secondlook.webhook import Webhook

T = TypeVar("T")

REHEARSAL = "rehearsal"

Dispatcher = Callable[[str, bool], None]
"""Announces a run to the workers: its id, and whether it is of a batch."""


class part(Generic[T]):  # noqa: N801 -- read as a decorator, like property
    """A part of the services, made when it is first asked for, once for all threads."""

    def __init__(self, make: Callable[[Services], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, services: None, owner: type[Services]) -> part[T]: ...

    @overload
    def __get__(self, services: Services, owner: type[Services]) -> T: ...

    def __get__(self, services: Services | None, owner: type[Services]) -> T | part[T]:
        """The part of these services."""
        return self if services is None else services.get_part(self._make)


class Services:
    """The services that a process works with, each opened when it is first used.

    Args:
        settings: The settings they follow.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._folder = settings.data_dir.absolute()  # a later chdir has no effect
        self._lock = threading.RLock()
        self._parts: dict[Callable[..., object], object] = {}
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
        """Whether this process may act for a user without their session."""
        return not self.requires_sign_in or self.settings.supabase_secret_key is not None

    @property
    def policy(self) -> Policy:
        """Who may see and do what."""
        return Policy(tells_people_apart=self.requires_sign_in)

    def own_access(self, user_id: str) -> Access:
        """An access to a user's data by this process's own credentials.

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
        """The default user: SECONDLOOK_USER, or on the embedded store the first sample user.

        Raises:
            SettingInvalid: On Supabase, somebody must be named.
        """
        if self.settings.user is None and self.requires_sign_in:
            raise SettingInvalid(
                "No user is named", hint="Name one by --user or SECONDLOOK_USER: their id in Supabase Auth."
            )
        return self.settings.user or next(iter(SAMPLE_USERS))

    # -- the product's store ------------------------------------------------------------------------

    def store(self, access: Access) -> Store:
        """The store with the rights of an access.

        Raises:
            StoreUnavailable: It cannot be opened, or its row security does not hold.
            SettingInvalid: The key for who asks is not set.
        """
        if not self.requires_sign_in:
            return self._embedded_store
        from secondlook.stores.supabase import SupabaseStore

        if access.token is None:
            return SupabaseStore(self._secret_project)
        self.row_security.refuse_if_broken()
        return SupabaseStore(self.project, access.token)

    def estimates(self, access: Access) -> EstimateStore:
        """What writes estimates to the store, with the rights of an access.

        Raises:
            StoreUnavailable: It cannot be opened, or its row security does not hold.
            SettingInvalid: The key for who asks is not set.
        """
        if not self.requires_sign_in:
            from secondlook.stores.sqlite_estimates import SqliteEstimates

            return SqliteEstimates(self._embedded_store.database)
        from secondlook.stores.supabase_estimates import SupabaseEstimates

        if access.token is None:
            return SupabaseEstimates(self._secret_project)
        self.row_security.refuse_if_broken()
        return SupabaseEstimates(self.project, access.token)

    def ping_store(self) -> None:
        """Check that the store can be reached with this process's credentials.

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

        return find_exposed(self._secret_project, None, None)

    @part
    def project(self) -> Project:
        """The Supabase project as people reach it; raises `SettingInvalid` where no key is set."""
        return self._project_with("SUPABASE_KEY", self.settings.supabase_key)

    @part
    def row_security(self) -> RowSecurity:
        """The checks of the project's row security."""
        from secondlook.stores.row_security import RowSecurity

        return RowSecurity(self.project)

    @part
    def _embedded_store(self) -> SqliteStore:
        from secondlook.stores.sqlite import SqliteStore

        return SqliteStore(self._folder / "store.db")

    @part
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

    # -- on the ledger: each raises LedgerUnavailable where it cannot be opened ---------------------

    @part
    def _database(self) -> Database:
        from secondlook.ledger.database import ledger_database

        url = self.settings.ledger_url
        return ledger_database(self._folder / "ledger.db" if url is None else url.get_secret_value())

    @part
    def ledger(self) -> Ledger:
        """The runs and their transitions."""
        from secondlook.ledger.runs import Ledger

        return Ledger(
            self._database,
            lease_seconds=self.settings.lease_seconds,
            folder=self._folder if self.settings.ledger_url is None else None,
            store=self.store_name,
            limits=self.budgets.limits,
            announces=self.settings.webhook_url is not None,
        )

    @part
    def batches(self) -> Batches:
        """Batches of runs."""
        from secondlook.ledger.batches import Batches

        return Batches(self._database, store=self.store_name)

    @part
    def budgets(self) -> Budgets:
        """The budgets and their use."""
        from secondlook.ledger.budgets import Budgets, limits_of

        return Budgets(self._database, limits_of(self.settings))

    @part
    def door(self) -> Door:
        """Where runs are queued."""
        from secondlook.pipeline.submit import Door

        return Door(
            self.settings,
            self.asked_agent,
            self.rehearsing_agent,
            self.provider,
            self.ledger,
            self.batches,
            self.budgets,
        )

    @part
    def history(self) -> History:
        """Past runs."""
        from secondlook.ledger.history import History

        return History(self._database)

    @part
    def reviews(self) -> Reviews:
        """Reviews of runs."""
        from secondlook.ledger.reviews import Reviews

        return Reviews(self._database)

    @part
    def usage(self) -> UsageLog:
        """Sums of runs and calls."""
        from secondlook.ledger.usage import UsageLog

        return UsageLog(self._database)

    @part
    def pruning(self) -> Pruning:
        """Erases inputs and answers."""
        from secondlook.ledger.pruning import Pruning

        return Pruning(self._database)

    @part
    def webhook(self) -> Webhook | None:
        """The webhook that is told when a run ends; None where none is set.

        Raises:
            SettingInvalid: Its address is set without its secret, or the other way round.
        """
        from secondlook.webhook import webhook_of

        return webhook_of(self.settings, self._database)

    @part
    def jobs(self) -> Jobs:
        """The workers' queue."""
        from secondlook.ledger.worker_queue import Jobs

        return Jobs(self._database)

    def backlog(self) -> Backlog:
        """What waits to be executed now."""
        from secondlook.ledger.backlog import look_at_backlog

        return look_at_backlog(self._database)

    @part
    def sessions(self) -> Sessions:
        """Who is signed in; raises `SettingInvalid` where SUPABASE_URL or SUPABASE_KEY is not set."""
        from secondlook.auth.accounts import Accounts
        from secondlook.auth.sessions import Sessions

        return Sessions(self._database, Accounts(self.project))

    @part
    def attempts(self) -> Attempts:
        """Attempts to sign in."""
        from secondlook.auth.attempts import Attempts

        return Attempts(self._database)

    # -- executing ----------------------------------------------------------------------------------

    @property
    def dispatcher(self) -> Dispatcher | None:
        """Announces runs to workers; None where this process executes them itself.

        A call raises `LedgerUnavailable` where the run cannot be announced now.
        """
        if self.settings.dispatch == "here":
            return None

        def tell(run_id: str, in_batch: bool) -> None:
            self.jobs.defer(run_id, in_batch)  # opened only when it is needed

        return tell

    @property
    def retries(self) -> Retries:
        """When a request that was not processed is sent again."""
        return Retries(self.settings.agent_retries, self.settings.retry_seconds)

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
        """The provider of that name with the current settings; not opened yet.

        Raises:
            SettingInvalid: There is none of that name.
        """
        from secondlook.providers.table import find_provider

        with self._lock:
            if name not in self._providers:
                self._providers[name] = find_provider(name)(self.settings, self._answerers())
            return self._providers[name]

    def agent(self, name: str) -> Provider:
        """The provider of that name, opened.

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
        """Check that rehearsals are allowed here: they must not mix with real runs.

        Raises:
            SettingInvalid: They are not.
            ApiKeyMissing: The settings select no agent.
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
        from secondlook.tasks.insights import offline as insights
        from secondlook.tasks.snapshot import offline as snapshot

        return {**snapshot.ANSWERERS, **insights.ANSWERERS}

    def get_part(self, make: Callable[[Services], T]) -> T:
        """The result of a function of these services; cached, and computed again if it failed."""
        with self._lock:
            if make not in self._parts:
                self._parts[make] = make(self)
            return cast("T", self._parts[make])  # made by the same function

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            for part in (*self._parts.values(), *self._providers.values()):
                close = getattr(part, "close", None)
                if close is not None:
                    close()
            self._parts = {}
            self._providers = {}


def connect(*, for_pages: bool = False, model: str | None = None) -> Services:
    """The services of the current settings; the same one as long as they stay the same.

    Args:
        for_pages: Leave the secret key out: what serves people never holds it.
        model: The model that new runs ask; None for the one of the settings.

    Raises:
        SettingInvalid: A setting is not allowed.
    """
    settings = load_settings()
    settings = settings if model is None else settings.for_model(model)
    return _connect(settings.for_pages() if for_pages else settings)


@lru_cache(maxsize=8)
def _connect(settings: Settings) -> Services:
    return Services(settings)
