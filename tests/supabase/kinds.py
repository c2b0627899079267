"""The store on Supabase as the store suite takes it: by each person's own token, and with the secret key."""

from __future__ import annotations

from collections.abc import Sequence

from dev.local_supabase import Server
from secondlook.connections.supabase import Project
from secondlook.domain.snapshots import Snapshot, SnapshotPage
from secondlook.domain.sources import Source, SourcePage, SourceQuery, SourceRecord
from secondlook.importing.estimates import ImportedSource
from secondlook.stores.estimates import Progress, StoredSource
from secondlook.stores.supabase import SupabaseStore
from secondlook.stores.supabase_estimates import SupabaseEstimates
from tests.examples import NOBODY
from tests.supabase_server import minted_token


def with_the_secret_key(server: Server) -> WithTheSecretKey:
    """One store for everybody, past row security."""
    return WithTheSecretKey(Project(server.url, server.secret_key))


class WithTheSecretKey(SupabaseStore):
    """A store that closes its project's connections, which only the test uses."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.project = project

    def close(self) -> None:
        """See `Store.close`."""
        self.project.close()


class AsThePerson:
    """A store that asks by the token of whoever is named, as they could themselves.

    Args:
        server: The server, which takes tokens of people who never signed up.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.project = Project(server.url, server.publishable_key)

    def _of(self, user_id: str) -> SupabaseStore:
        return SupabaseStore(self.project, lambda: minted_token(self.server, user_id))

    def load(self, source_id: str, user_id: str, *, with_snapshot: bool = False) -> SourceRecord | None:
        """See `Store.load`."""
        return self._of(user_id).load(source_id, user_id, with_snapshot=with_snapshot)

    def records(self, user_id: str, *, status: str, after: str, limit: int) -> list[SourceRecord]:
        """See `Store.records`."""
        return self._of(user_id).records(user_id, status=status, after=after, limit=limit)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `Store.save_snapshot`."""
        self._of(snapshot.user_id).save_snapshot(snapshot)

    def mark_generated(self, source_id: str, user_id: str) -> bool:
        """See `Store.mark_generated`."""
        return self._of(user_id).mark_generated(source_id, user_id)

    def list_sources(self, user_id: str, query: SourceQuery) -> SourcePage:
        """See `Store.list_sources`."""
        return self._of(user_id).list_sources(user_id, query)

    def get_snapshot(self, snapshot_id: str, user_id: str) -> Snapshot | None:
        """See `Store.get_snapshot`."""
        return self._of(user_id).get_snapshot(snapshot_id, user_id)

    def list_snapshots(
        self, user_id: str, *, source_id: str | None = None, offset: int = 0, limit: int = 25
    ) -> SnapshotPage:
        """See `Store.list_snapshots`."""
        return self._of(user_id).list_snapshots(user_id, source_id=source_id, offset=offset, limit=limit)

    def users(self) -> list[str]:
        """See `Store.users`."""
        return self._of(NOBODY).users()

    def ping(self) -> None:
        """See `Store.ping`."""
        self._of(NOBODY).ping()

    def close(self) -> None:
        """Close the connections."""
        self.project.close()


def estimates_with_the_secret_key(store: WithTheSecretKey, *, lease_seconds: float = 60) -> SupabaseEstimates:
    """What writes estimates for everybody, past row security, on the connections of a store."""
    return SupabaseEstimates(store.project, lease_seconds=lease_seconds)


class EstimatesAsThePerson:
    """What writes estimates by the token of whoever is named.

    Args:
        store: The store whose connections it uses.
        lease_seconds: After so long, an import is taken for dead.
    """

    def __init__(self, store: AsThePerson, *, lease_seconds: float = 60) -> None:
        self._store = store
        self._lease = lease_seconds

    def _of(self, user_id: str) -> SupabaseEstimates:
        token = minted_token(self._store.server, user_id)
        return SupabaseEstimates(self._store.project, lambda: token, lease_seconds=self._lease)

    def find(self, name: str, user_id: str) -> Source | None:
        """See `EstimateStore.find`."""
        return self._of(user_id).find(name, user_id)

    def put(
        self,
        sources: Sequence[ImportedSource],
        user_id: str,
        *,
        source_id: str | None = None,
        progress: Progress = lambda _rows: None,
    ) -> list[StoredSource]:
        """See `EstimateStore.put`."""
        return self._of(user_id).put(sources, user_id, source_id=source_id, progress=progress)

    def bucket(self, source_id: str, user_id: str) -> StoredSource:
        """See `EstimateStore.bucket`."""
        return self._of(user_id).bucket(source_id, user_id)

    def delete(self, source_id: str, user_id: str) -> None:
        """See `EstimateStore.delete`."""
        self._of(user_id).delete(source_id, user_id)
