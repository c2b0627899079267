"""Errors over HTTP: problem+json (RFC 9457) with the stable codes."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from secondlook.errors import SecondlookError

STATUS = {
    "request_invalid": 422,
    "not_signed_in": 401,
    "source_not_found": 404,
    "source_not_bucketed": 409,
    "buckets_missing": 409,
    "buckets_invalid": 422,
    "not_enough_estimates": 422,
    "source_in_use": 409,
    "import_refused": 422,
    "in_doubt": 409,
    "over_budget": 429,
    "provider_error": 502,
    "answer_rejected": 502,
    "api_key_missing": 503,
    "setting_invalid": 503,
    "store_unavailable": 503,
    "ledger_unavailable": 503,
}
"""The HTTP status of each code."""


def fields(error: SecondlookError, status: int | None = None) -> dict[str, object]:
    """An error as a problem's members; those without a value are left out."""
    members = {
        "type": f"urn:secondlook:{error.code}",
        "title": error.code.replace("_", " "),
        "status": status or STATUS.get(error.code, 500),
        "detail": error.message,
        "code": error.code,
        "hint": error.hint or None,
        "run_id": error.run_id,
        "reason": error.reason,
        "path": error.path,
        "usage": None if error.usage is None else error.usage.model_dump(),
    }
    return {name: value for name, value in members.items() if value is not None}


def problem(
    error: SecondlookError, status: int | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The response to an error, with its code's status where no other is named."""
    status = status or STATUS.get(error.code, 500)
    sent = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse(
        fields(error, status), status, {**sent, **(headers or {})}, media_type="application/problem+json"
    )
