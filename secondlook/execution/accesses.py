"""The users for whom this process may act: by their session, their program's token, or its own key."""

from __future__ import annotations

import threading

from secondlook.domain.access import Access
from secondlook.domain.runs import RunStatus
from secondlook.errors import NotSignedIn
from secondlook.ledger.run_queries import OpenRun
from secondlook.services import Services
from secondlook.stores.base import Store


class Admission:
    """The latest access of each user.

    Args:
        services: The parts to work with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._accesses: dict[str, Access] = {}
        self._lock = threading.Lock()

    def admit(self, access: Access) -> None:
        """Let runs of this user continue with their access."""
        if access.token is None:
            return
        with self._lock:
            known = self._accesses.get(access.user_id)
            if access.renews or known is None or not known.renews:  # a short token does not replace a session
                self._accesses[access.user_id] = access

    def may_execute(self, run: OpenRun) -> bool:
        """False for a run that waits for its user to sign in."""
        with self._lock:
            present = run.user_id in self._accesses
        return present or self._services.has_service_key or run.status is RunStatus.CALLING

    def store(self, user_id: str) -> Store:
        """The store with this user's rights.

        Raises:
            NotSignedIn: Nobody may act for them now.
        """
        with self._lock:
            access = self._accesses.get(user_id)
        if access is None or access.token is None:
            if not self._services.has_service_key:
                raise NotSignedIn(
                    "The person who began this run is not signed in", hint="It goes on at their next sign-in."
                )
            return self._services.store(self._services.own_access(user_id))
        try:
            access.token()
        except NotSignedIn:
            with self._lock:
                if self._accesses.get(user_id) is access:
                    del self._accesses[user_id]
            raise
        return self._services.store(access)
