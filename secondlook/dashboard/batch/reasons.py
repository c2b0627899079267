"""Why runs of a batch failed or were skipped, in words."""

from __future__ import annotations

from collections.abc import Mapping

from secondlook.dashboard.parts.problems import escape

_REASONS: Mapping[str, str] = {
    "answer_rejected": "the answer was rejected and not stored",
    "api_key_missing": "the API key is missing",
    "buckets_invalid": "the buckets are invalid",
    "buckets_missing": "the buckets are missing",
    "not_enough_estimates": "too few estimates",
    "over_budget": "a budget is spent, or sending is off",
    "provider_error": "the provider refused the request or could not be reached",
    "request_invalid": "there is no snapshot, or its insights are there already",
    "source_not_bucketed": "the status of the source allows no snapshot",
    "source_not_found": "the source was deleted",
    "unsettled": "a run of the source was active or its outcome unknown",
}


def reason(code: str) -> str:
    """Return why, by the code of an error, for a place that takes Markdown."""
    return _REASONS.get(code, escape(code))
