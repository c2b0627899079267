"""Facts of three sources that the tests write sentences about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondlook.tasks.insights.fact import Direction, Fact


def fact(
    identifier: str,
    *,
    clear: bool = False,
    direction: Direction | None = None,
    **values: Any,  # noqa: ANN401 -- JSON
) -> Fact:
    """A fact with these values."""
    return Fact(
        id=identifier,
        values=values,
        direction=direction,
        clear=clear,
        p=None,
        cells=(),
        sentence=f"Of {identifier}.",
    )


def _share(count: int, n: int, low: float, high: float) -> dict[str, Any]:
    return {"count": count, "share": count / n, "low": low, "high": high}


def _by_id(*facts: Fact) -> Mapping[str, Fact]:
    return {each.id: each for each in facts}


GROWING = _by_id(
    fact("volume", estimates=100, weeks=14, average=100 / 14),
    fact("busiest_week", week="2026-W14", count=17, share=0.17, ties=1),
    fact("quiet_weeks", count=2, weeks=14),
    fact("recent_volume", recent=44, before=21, change=23, direction="up", clear=True),
    fact("price_leader", band="500-1500", ties=1, clear=True, **_share(55, 100, 0.452, 0.644)),
    fact("price_median", band="500-1500"),
    fact("price_high", **_share(25, 100, 0.175, 0.343)),
    fact("decision_leader", band="3-7d", ties=1, clear=True, **_share(48, 100, 0.385, 0.577)),
    fact("decision_median", band="3-7d"),
    fact("decision_fast", clear=True, **_share(71, 100, 0.615, 0.79)),
    fact("decision_slow", clear=True, **_share(6, 100, 0.028, 0.125)),
    fact(
        "since_previous",
        estimates=24,
        price_band="1500-5000",
        price_from=0.2,
        price_to=0.32,
        price_points=12,
        latency_band="3-7d",
        latency_from=0.4,
        latency_to=0.48,
        latency_points=8,
        direction="up",
    ),
    fact("coverage", weekly_volume=4, price_distribution=0, decision_latency=0),
    fact("sample", estimates=100, confidence="high"),
)
"""More estimates in recent weeks, one price band with most of them, quick decisions."""

FALLING = _by_id(
    fact("volume", estimates=34, weeks=12, average=34 / 12),
    fact("busiest_week", week="2026-W12", count=7, share=7 / 34, ties=1),
    fact("recent_volume", recent=5, before=21, change=-16, direction="down", clear=True),
    fact("price_leader", band="1500-5000", ties=1, **_share(14, 34, 0.264, 0.578)),
    fact("price_median", band="1500-5000"),
    fact("price_high", **_share(21, 34, 0.45, 0.76)),
    fact("decision_leader", band="22+d", ties=1, clear=True, **_share(20, 34, 0.42, 0.736)),
    fact("decision_median", band="22+d"),
    fact("decision_fast", **_share(6, 34, 0.083, 0.335)),
    fact("decision_slow", **_share(20, 34, 0.42, 0.736)),
    fact("sample", estimates=34, confidence="low"),
)
"""Fewer estimates in recent weeks, slow decisions, a small sample."""

STEADY = _by_id(
    fact("volume", estimates=240, weeks=16, average=15.0),
    fact("busiest_week", week=None, count=19, share=19 / 240, ties=3),
    fact("recent_volume", recent=60, before=58, change=2),
    fact("price_leader", band=None, ties=2, **_share(80, 240, 0.28, 0.395)),
    fact("price_median", band="500-1500"),
    fact("price_high", **_share(100, 240, 0.356, 0.48)),
    fact("decision_leader", band="3-7d", ties=1, clear=True, **_share(130, 240, 0.478, 0.604)),
    fact("decision_median", band="3-7d"),
    fact("decision_fast", **_share(120, 240, 0.437, 0.563)),
    fact("decision_slow", clear=True, **_share(30, 240, 0.089, 0.173)),
    fact("sample", estimates=240, confidence="high"),
)
"""As many estimates in recent weeks as before, and ties."""

SITUATIONS: Mapping[str, Mapping[str, Fact]] = {"growing": GROWING, "falling": FALLING, "steady": STEADY}
