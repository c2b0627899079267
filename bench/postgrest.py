"""What writing by hand would take: three requests to Supabase's Data API over one kept-alive client.

One select with the buckets and the count of estimates embedded, one insert of a snapshot, one update of its
source: what the store sends, without a client library, and nothing made of the answers but JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import openai

from bench.turns import serve

_BANDS = (
    "price_band_lt_500,price_band_500_1500,price_band_1500_5000,price_band_5000_plus,"
    "latency_band_0_2,latency_band_3_7,latency_band_8_21,latency_band_22_plus,weekly_volume"
)
_SELECT = (
    "id,user_id,source_type,source_name,created_at,status,"
    f"estimate_buckets({_BANDS}),estimates_normalized(count)"
)


def make(told: dict[str, Any]) -> Callable[[], object]:
    """Three requests; where a request to the model is told of, it is made between them."""
    key = told["settings"]["SUPABASE_SECRET_KEY"]
    http = httpx.Client(
        base_url=f"{told['settings']['SUPABASE_URL']}/rest/v1",
        headers={"apikey": key, "authorization": f"Bearer {key}"},
        timeout=10,
    )
    mine = {"id": f"eq.{told['source']}", "user_id": f"eq.{told['user']}"}
    create: Any = None
    if told["request"]:
        client = openai.OpenAI(api_key="sk-local", base_url=told["settings"]["OPENAI_BASE_URL"])
        create = client.chat.completions.create

    def once() -> None:
        http.get("/sources", params={"select": _SELECT, **mine}).raise_for_status().json()
        if create is not None:
            create(**told["request"])
        row = {**told["row"], "id": str(uuid4())}
        http.post("/snapshots", json=row, headers={"prefer": "return=minimal"}).raise_for_status()
        changed = http.patch(
            "/sources",
            params={**mine, "status": "in.(bucketed,snapshot_generated)", "select": "id"},
            json={"status": "snapshot_generated"},
            headers={"prefer": "return=representation"},
        ).raise_for_status()
        if len(changed.json()) != 1:
            raise SystemExit("no source was changed")

    return once


if __name__ == "__main__":
    serve(make)
