"""The sample sources that a new embedded store starts with: a made-up contractor's, and practice data.

The 85 sources of sample_sources.json are the won deals of a public practice dataset ("CRM Sales
Opportunities", Maven Analytics' Data Playground), bucketed; two users share them. A few more show what a
page says of a source that cannot be run.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from importlib import resources
from uuid import UUID, uuid5

from secondlook.stores.made_up import MADE_UP_USER, SampleSource, made_up_sources

SAMPLE_USERS: dict[str, str] = {
    MADE_UP_USER: "Made-up contractor",
    "a0000000-0000-4000-8000-000000000001": "Sample user 1",
    "b0000000-0000-4000-8000-000000000002": "Sample user 2",
}
"""Fixed ids and what to call them; the first is the default user."""

_, *PRACTICE_USERS = SAMPLE_USERS
"""Those who share the practice data."""

_NAMESPACE = UUID("2d10c0de-0000-4000-8000-000000000000")
_CREATED = "2026-01-05T08:00:00Z"


def sample_sources(today: date | None = None) -> list[SampleSource]:
    """All samples: the made-up contractor's, then the practice data.

    Args:
        today: The day up to which the made-up contractor has estimates; None for today, in UTC.
    """
    return [*made_up_sources(today or datetime.now(UTC).date()), *practice_sources()]


def practice_sources() -> list[SampleSource]:
    """The practice data, in the order of their names, two users in turn; then odd ones, all the first's."""
    text = resources.files("secondlook.stores").joinpath("sample_sources.json").read_text(encoding="utf-8")
    samples = [
        _sample(
            entry["source_id"], PRACTICE_USERS[index % 2], entry["source_name"], "bucketed", entry["buckets"]
        )
        for index, entry in enumerate(json.loads(text))
    ]
    odd = (
        ("Sample: weekly volume covers 33 of 35", "bucketed", _EXAMPLE),
        ("Sample: imported again, not bucketed yet", "ingested", _EXAMPLE),
        ("Sample: too few after cleaning", "insufficient_data", _FEW),
        ("Sample: upload pending", "pending", None),
        ("Sample: bucketed, but its buckets are missing", "bucketed", None),
    )
    for name, status, buckets in odd:
        samples.append(_sample(str(uuid5(_NAMESPACE, name)), PRACTICE_USERS[0], name, status, buckets))
    return samples


_EXAMPLE: dict[str, object] = {
    "price_band_lt_500": 10,
    "price_band_500_1500": 25,
    "price_band_1500_5000": 0,
    "price_band_5000_plus": 0,
    "latency_band_0_2": 20,
    "latency_band_3_7": 15,
    "latency_band_8_21": 0,
    "latency_band_22_plus": 0,
    "weekly_volume": [{"week": "2026-W01", "count": 15}, {"week": "2026-W02", "count": 18}],
}
"""The worked example of the product's own documents, where weeks and estimates differ by two."""


_FEW: dict[str, object] = {
    **_EXAMPLE,
    "price_band_500_1500": 5,
    "latency_band_0_2": 9,
    "latency_band_3_7": 6,
    "weekly_volume": [{"week": "2026-W01", "count": 7}, {"week": "2026-W02", "count": 8}],
}


def _sample(
    source_id: str, user_id: str, name: str, status: str, buckets: dict[str, object] | None
) -> SampleSource:
    source: dict[str, object] = {
        "id": source_id,
        "user_id": user_id,
        "source_type": "csv",
        "source_name": name,
        "created_at": _CREATED,
        "status": status,
    }
    if buckets is None:
        return SampleSource(source, None)
    row: dict[str, object] = {
        "id": str(uuid5(_NAMESPACE, source_id)),
        "source_id": source_id,
        **buckets,
        "weekly_volume": json.dumps(buckets["weekly_volume"], separators=(",", ":")),
        "created_at": _CREATED,
    }
    return SampleSource(source, row)
