"""Estimates behind Supabase's Data API, where no transaction spans two requests.

Each import of a source first claims it by a row of its own in `sources`: pending and without buckets, so it
is never listed or run. The name of that row is the journal of the import, and the rows that it replaces are
kept under it. An import that fails takes everything back. One that was killed leaves its claim behind: the
next import of the source finds it expired, and takes back or finishes what was begun.

No request names an estimate in its address.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import cast
from uuid import UUID, uuid5

from postgrest import ReturnMethod

from secondlook.connections.supabase import Project
from secondlook.domain.bucket_rules import (
    BUCKET_COLUMNS,
    RUNNABLE,
)
from secondlook.domain.identifiers import read_id
from secondlook.domain.sources import Source
from secondlook.errors import SecondlookError, SourceInUse, SourceNotFound
from secondlook.importing.bucketing import BucketCounts, bucket
from secondlook.importing.estimates import ImportedSource
from secondlook.stores.estimate_rows import COLUMNS, EstimateRow, estimates_of, rows_of
from secondlook.stores.estimates import (
    INGESTED,
    PENDING,
    Progress,
    StoredSource,
    check_can_be_bucketed,
    check_can_be_updated,
    check_has_estimates,
    imported_id,
    is_settled,
    same_buckets,
)
from secondlook.stores.supabase import Refused, Row, Tables

BATCH = 1000
"""Rows in one request; PostgREST gives no more in an answer either."""

LEASE_SECONDS = 60
"""An import that has written nothing for so long is taken for dead."""

_RENEW_SECONDS = 10
_CLAIMS = UUID("2d10c0de-0000-4000-8000-0000000c1a13")
_JOURNAL = re.compile(r"Import in progress \((?P<token>[0-9a-f]{15})(?: of (?P<before>.*))?\)", re.DOTALL)
_SOURCE = "id,user_id,source_type,source_name,created_at,status"
_DUPLICATE, _NO_PARENT = "23505", "23503"


class SupabaseEstimates(Tables):
    """What writes estimates to Supabase, as one who asks may.

    Args:
        project: Where they are.
        token: Gives the asking person's access token; None asks with the project's key alone.
        lease_seconds: After so long without a sign of life, an import is taken for dead.
    """

    def __init__(
        self,
        project: Project,
        token: Callable[[], str] | None = None,
        *,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        super().__init__(project, token)
        self._lease = lease_seconds

    def find(self, name: str, user_id: str) -> Source | None:
        """See `EstimateStore.find`: one request."""
        user = _known(user_id)
        found = self._source(imported_id(name, user), user)
        if found is None:
            return None
        return found.model_copy(
            update={"created_at": _moment(found.created_at).strftime("%Y-%m-%dT%H:%M:%SZ")}
        )

    def put(
        self,
        sources: Sequence[ImportedSource],
        user_id: str,
        *,
        source_id: str | None = None,
        progress: Progress = lambda _rows: None,
    ) -> list[StoredSource]:
        """See `EstimateStore.put`.

        Every source is loaded before the first is finished. A kill in between leaves each source whole or as
        it was, and the same file finishes the rest.
        """
        user = _known(user_id)
        given = None if source_id is None else _known(source_id)
        loads: list[_Load] = []
        stored = 0

        def tell(rows: int) -> None:
            nonlocal stored
            stored += rows
            progress(stored)
            for load in loads:
                self._renew(load.claim)

        try:
            for source in sources:
                load = self._claim(
                    given or imported_id(source.name, user), user, must_exist=given is not None
                )
                loads.append(load)
                self._load(load, source, tell)
        except BaseException:
            for load in reversed(loads):
                with suppress(SecondlookError):  # what cannot be taken back now, the next import takes back
                    self._undo(load.claim)
            raise
        for load in loads:
            if load.writes:
                self._commit(load.claim)
        return [self._finish_load(load) for load in loads]

    def bucket(self, source_id: str, user_id: str) -> StoredSource:
        """See `EstimateStore.bucket`."""
        user = _known(user_id)
        load = self._claim(_known(source_id), user, must_exist=True, check=check_can_be_bucketed)
        try:
            made, load.count = self._bucketed(load.source_id)
            check_has_estimates(load.count)
            load.made = made.row()
            load.writes = not self._is_settled(load)
            if load.writes:
                self._commit(load.claim)
        except BaseException:
            with suppress(SecondlookError):
                self._release(load.claim)
            raise
        return self._finish_load(load)

    def delete(self, source_id: str, user_id: str) -> None:
        """See `EstimateStore.delete`: one request, where the tables cascade as in supabase/migrations."""
        user, source = _known(user_id), _known(source_id)
        claim = self._claim(source, user, must_exist=True, check=lambda _status: None).claim
        try:
            self._delete_source(source, user)
        finally:
            with suppress(SecondlookError):
                self._release(claim)

    # -- claims -----------------------------------------------------------------------------------------

    def _claim(
        self,
        source_id: str,
        user: str,
        *,
        must_exist: bool,
        check: Callable[[str], None] = check_can_be_updated,
    ) -> _Load:
        """Claim a source, after what a dead import began with it has been taken back or finished."""
        claim_id = str(uuid5(_CLAIMS, source_id))
        while True:
            before = self._source(source_id, user)
            if before is None and must_exist:
                raise SourceNotFound
            claim = _Claim(
                claim_id, source_id, user, token_hex(8)[:15], None if before is None else before.status
            )
            if not self._insert_claim(claim):
                self._recover(claim_id, source_id, user)
                continue
            try:
                before = self._source(source_id, user)  # as nobody else changes it from now on
                if before is not None:
                    check(before.status)
                elif must_exist:
                    raise SourceNotFound
                if (None if before is None else before.status) != claim.before:
                    self._release(claim)
                    continue
            except SecondlookError:
                with suppress(SecondlookError):
                    self._release(claim)
                raise
            return _Load(claim, before)

    def _insert_claim(self, claim: _Claim) -> bool:
        """Insert a claim; False where another import has one."""
        row = _source_row(claim.claim_id, claim.user_id, "import", claim.journal)
        try:
            self._send(self._table("sources").insert(row, returning=ReturnMethod.minimal))
        except Refused as refused:
            if refused.sqlstate != _DUPLICATE:
                raise
            found = self._source(claim.claim_id, claim.user_id)
            return found is not None and found.source_name == claim.journal  # inserted, and its answer lost
        return True

    def _recover(self, claim_id: str, source_id: str, user: str) -> None:
        """Take over the claim of an import that is dead, and take back or finish what it began.

        Raises:
            SourceInUse: It is not dead.
        """
        row = self._source(claim_id, user)
        if row is None:
            return  # it has just ended
        began, journal = _moment(row.created_at), _JOURNAL.fullmatch(row.source_name)
        if datetime.now(UTC) - began < timedelta(seconds=self._lease) or journal is None:
            raise SourceInUse(
                "Another import of this source is in progress",
                hint="Wait until it has ended. If its program was stopped, try again "
                f"in {max(1, round(self._lease))} seconds: what it began is then taken back.",
            )
        taken = (
            self._table("sources")
            .update({"created_at": _now()})
            .eq("id", claim_id)
            .eq("user_id", user)
            .eq("created_at", row.created_at)
            .select("id")
        )
        if not self._rows(taken):
            return  # somebody else was faster
        claim = _Claim(claim_id, source_id, user, journal["token"], journal["before"])
        if row.status == INGESTED:
            self._finish(claim, None)
        else:
            self._undo(claim)

    def _undo(self, claim: _Claim) -> None:
        """Take back everything that an import wrote, its claim last."""
        if claim.before is None:
            self._delete_source(claim.source_id, claim.user_id)
        else:
            first, last = claim.own_ids
            self._send(
                self._table("estimates_normalized")
                .delete(returning=ReturnMethod.minimal)
                .eq("source_id", claim.source_id)
                .gte("id", first)
                .lte("id", last)
            )
            for rows in self._pages(claim.claim_id):
                self._replace(claim.source_id, rows)
            with suppress(SourceNotFound):  # it was deleted meanwhile
                self._set_status(claim.source_id, claim.user_id, claim.before)
        self._release(claim)

    def _commit(self, claim: _Claim) -> None:
        """From here on an import is finished, whoever does it."""
        self._set_status(claim.claim_id, claim.user_id, INGESTED)

    def _finish(self, claim: _Claim, made: Mapping[str, object] | None) -> None:
        """Write a source's buckets, mark it, and end the claim.

        Args:
            claim: The import.
            made: The buckets; None makes them of the estimates that are there.
        """
        if made is None:
            made = self._bucketed(claim.source_id)[0].row()
        row = {"source_id": claim.source_id, **made, "created_at": _now()}
        try:
            self._upsert("estimate_buckets", [row], "source_id")
            self._set_status(claim.source_id, claim.user_id, RUNNABLE)
        except SourceNotFound:
            self._release(claim)
            raise
        self._release(claim)

    def _bucketed(self, source_id: str) -> tuple[BucketCounts, int]:
        made, count = BucketCounts(), 0
        for rows in self._pages(source_id):
            count += len(rows)
            made += bucket(estimates_of(rows))
        return made, count

    def _is_settled(self, load: _Load) -> bool:
        settled = load.before is not None and is_settled(load.before.status)
        return settled and same_buckets(self._buckets(load.source_id), load.made)

    def _release(self, claim: _Claim) -> None:
        self._delete_source(claim.claim_id, claim.user_id)

    def _renew(self, claim: _Claim) -> None:
        if time.monotonic() - claim.renewed < _RENEW_SECONDS:
            return
        renewed = self._table("sources").update({"created_at": _now()}).eq("id", claim.claim_id)
        if not self._rows(renewed.eq("source_name", claim.journal).select("id")):
            raise SourceInUse("Another import of this source has taken over")
        claim.renewed = time.monotonic()

    # -- loading ----------------------------------------------------------------------------------------

    def _load(self, load: _Load, source: ImportedSource, tell: Progress) -> None:
        """Write a source's rows; its buckets and its mark come when all sources have theirs."""
        load.name = source.name
        if load.before is None:
            row = _source_row(load.source_id, load.claim.user_id, source.source_type, source.name)
            self._upsert("sources", [row], "id")
            for chunk in source.chunks():
                self._add(load, rows_of(chunk), tell)
            load.made, load.count, load.writes = source.buckets.row(), source.count, True
            self._set_status(load.source_id, load.claim.user_id, INGESTED)
            return
        load.name = load.before.source_name
        given = {row[0]: _digest(row) for chunk in source.chunks() for row in rows_of(chunk)}
        same: set[str] = set()
        kept, count = BucketCounts(), 0
        for page in self._pages(load.source_id):
            self._renew(load.claim)
            held = estimates_of(page)
            others = held[~held["estimate_id"].isin(given.keys())]
            count += len(others)
            kept += bucket(others)
            rows = [row for row in rows_of(held) if row[0] in given]
            same.update(row[0] for row in rows if _digest(row) == given[row[0]])
            replaced = [row for row in rows if row[0] not in same]
            load.replaced.update(row[0] for row in replaced)
            self._replace(load.claim.claim_id, replaced)
        load.made = (source.buckets + kept).row()
        load.count = (count + len(given)) or source.count
        load.changed = len(load.replaced)
        load.writes = len(same) < len(given) or not self._is_settled(load)
        if not load.writes:
            return
        self._set_status(load.source_id, load.claim.user_id, INGESTED)
        for chunk in source.chunks():
            rows = rows_of(chunk)
            for start in range(0, len(rows), BATCH):
                self._renew(load.claim)
                self._replace(
                    load.source_id, [row for row in rows[start : start + BATCH] if row[0] in load.replaced]
                )
            self._add(load, [row for row in rows if row[0] not in same and row[0] not in load.replaced], tell)
            tell(sum(row[0] in same or row[0] in load.replaced for row in rows))

    def _finish_load(self, load: _Load) -> StoredSource:
        if load.writes:
            self._finish(load.claim, load.made)
        else:
            self._release(load.claim)
        unchanged = load.before is not None and not load.writes
        return StoredSource(
            source_id=load.source_id,
            source_name=load.name or ("" if load.before is None else load.before.source_name),
            status=load.before.status if load.before is not None and unchanged else RUNNABLE,
            change="new" if load.before is None else "unchanged" if unchanged else "updated",
            estimate_count=load.count,
            added=load.added,
            changed=load.changed,
        )

    def _add(self, load: _Load, rows: Sequence[EstimateRow], tell: Progress) -> None:
        for start in range(0, len(rows), BATCH):
            self._renew(load.claim)
            part = rows[start : start + BATCH]
            ids = load.claim.new_ids(load.added, len(part))
            written = [
                {"id": made, **_written(row, load.source_id)} for made, row in zip(ids, part, strict=True)
            ]
            self._upsert("estimates_normalized", written, "id")
            load.added += len(part)
            tell(len(part))

    def _replace(self, source_id: str, rows: Sequence[EstimateRow]) -> None:
        if rows:
            written = [_written(row, source_id) for row in rows]
            self._upsert("estimates_normalized", written, "source_id,estimate_id")

    # -- requests ---------------------------------------------------------------------------------------

    def _source(self, source_id: str, user: str) -> Source | None:
        rows = self._rows(self._table("sources").select(_SOURCE).eq("id", source_id).eq("user_id", user))
        if not rows:
            return None
        texts = {name: str(value or "") for name, value in rows[0].items()}
        return Source(source_id=texts.pop("id"), **texts)

    def _buckets(self, source_id: str) -> Mapping[str, object] | None:
        rows = self._rows(
            self._table("estimate_buckets").select(",".join(BUCKET_COLUMNS)).eq("source_id", source_id)
        )
        return rows[0] if rows else None

    def _pages(self, source_id: str) -> Generator[list[EstimateRow]]:
        """All estimates of a source, a page at a time."""
        last = None
        while True:
            query = self._table("estimates_normalized").select("id", *COLUMNS).eq("source_id", source_id)
            if last is not None:
                query = query.gt("id", last)
            rows = self._rows(query.order("id").limit(BATCH))
            if not rows:
                return
            yield [cast("EstimateRow", tuple(row[name] for name in COLUMNS)) for row in rows]
            last = rows[-1]["id"]

    def _set_status(self, source_id: str, user: str, status: str) -> None:
        query = self._table("sources").update({"status": status}).eq("id", source_id).eq("user_id", user)
        if not self._rows(query.select("id")):
            raise SourceNotFound(hint="The source was deleted while its file was imported.")

    def _delete_source(self, source_id: str, user: str) -> None:
        query = (
            self._table("sources")
            .delete(returning=ReturnMethod.minimal)
            .eq("id", source_id)
            .eq("user_id", user)
        )
        try:
            self._send(query)
        except Refused as refused:
            if refused.sqlstate != _NO_PARENT:
                raise
            # These tables do not cascade. Its buckets go first: without them it is neither listed nor run.
            for table in ("estimate_buckets", "estimates_normalized", "snapshots"):
                children = self._table(table).delete(returning=ReturnMethod.minimal)
                self._send(children.eq("source_id", source_id))
            self._send(query)

    def _upsert(self, table: str, rows: Sequence[Row], key: str) -> None:
        query = self._table(table).upsert(
            list(rows), on_conflict=key, default_to_null=False, returning=ReturnMethod.minimal
        )
        try:
            self._send(query)
        except Refused as refused:
            if refused.sqlstate == _NO_PARENT:
                raise SourceNotFound(hint="The source was deleted while its file was imported.") from None
            raise


@dataclass
class _Claim:
    """An import's hold on a source.

    Attributes:
        claim_id: The id of its own row in `sources`.
        token: What the ids of the rows that it adds begin with.
        before: The source's status before; None where the import makes the source.
        renewed: When it last gave a sign of life, by this process's clock.
    """

    claim_id: str
    source_id: str
    user_id: str
    token: str
    before: str | None
    renewed: float = field(default_factory=time.monotonic)

    @property
    def journal(self) -> str:
        """All that whoever takes over needs, as the name of its row."""
        of = "" if self.before is None else f" of {self.before}"
        return f"Import in progress ({self.token}{of})"

    @property
    def own_ids(self) -> tuple[str, str]:
        """The first and the last id of a row that it adds."""
        return self._id(0), self._id(2**62 - 1)

    def new_ids(self, start: int, number: int) -> list[str]:
        """Ids for the rows that it adds: UUIDs of version 8."""
        return [self._id(index) for index in range(start, start + number)]

    def _id(self, index: int) -> str:
        token = int(self.token, 16)
        return str(UUID(int=(token >> 12) << 80 | 8 << 76 | (token & 0xFFF) << 64 | 2 << 62 | index))


@dataclass
class _Load:
    """How far an import of one source has come.

    Attributes:
        before: The source as it was; None where it is new.
        replaced: The estimates whose rows change.
        writes: Whether anything has to be written.
    """

    claim: _Claim
    before: Source | None
    name: str = ""
    made: Mapping[str, object] = field(default_factory=dict[str, object])
    count: int = 0
    added: int = 0
    changed: int = 0
    replaced: set[str] = field(default_factory=set[str])
    writes: bool = False

    @property
    def source_id(self) -> str:
        """The source."""
        return self.claim.source_id


def _source_row(source_id: str, user: str, source_type: str, name: str) -> Row:
    return {
        "id": source_id,
        "user_id": user,
        "source_type": source_type,
        "source_name": name,
        "status": PENDING,
        "created_at": _now(),
    }


def _written(row: EstimateRow, source_id: str) -> Row:
    return {"source_id": source_id, **dict(zip(COLUMNS, row, strict=True))}


def _digest(row: EstimateRow) -> bytes:
    return hashlib.blake2b(repr(row).encode("utf-8", "backslashreplace"), digest_size=16).digest()


def _known(identifier: str) -> str:
    found = read_id(identifier)
    if found is None:
        raise SourceNotFound
    return found


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _now() -> str:
    return datetime.now(UTC).isoformat()
