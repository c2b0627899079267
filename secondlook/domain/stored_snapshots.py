"""Stored snapshots, validated against the locked schema: another program may have written them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from secondlook.domain.identifiers import read_id
from secondlook.domain.snapshots import Snapshot, SnapshotResult
from secondlook.errors import StoreUnavailable


def read_snapshot(row: Mapping[str, Any]) -> Snapshot:
    """A row of `snapshots` as a Snapshot.

    Args:
        row: Its columns by name; `result` is JSON, as text or read.

    Raises:
        StoreUnavailable: It does not have the locked schema, or its result contradicts its columns.
    """
    stored, shown = row["result"], str(row["id"])
    columns = ("source_id", "user_id", "estimate_count", "confidence_level", "generated_at")
    try:
        result = SnapshotResult.model_validate_json(
            stored if isinstance(stored, str | bytes) else json.dumps(stored)
        )
        snapshot = Snapshot.model_validate(
            {"snapshot_id": row["id"], "result": result, **{name: row[name] for name in columns}}
        )
    except (ValidationError, RecursionError):
        raise StoreUnavailable(f"Snapshot {shown} does not match the locked schema") from None
    meta = result.meta
    told = (*map(_same, (meta.snapshot_id, meta.source_id)), meta.estimate_count, meta.confidence_level)
    ids = map(_same, (snapshot.snapshot_id, snapshot.source_id))
    held = (*ids, snapshot.estimate_count, snapshot.confidence_level)
    if told != held:
        raise StoreUnavailable(f"Snapshot {shown} tells other things in its result than in its row")
    return snapshot


def _same(identifier: str) -> str:
    return read_id(identifier) or identifier


def canonical_json(result: SnapshotResult) -> str:
    """A result as canonical JSON, which its fingerprint hashes: keys sorted, no white space, plain UTF-8."""
    return json.dumps(
        result.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def fingerprint(result: SnapshotResult) -> str:
    """The SHA-256 of a result's canonical JSON: the same for whatever program wrote the same content."""
    return hashlib.sha256(canonical_json(result).encode()).hexdigest()
