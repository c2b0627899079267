"""What to change after a failed call or a rejected answer: hints that name the setting."""

from __future__ import annotations

from collections.abc import Mapping

from secondlook.domain.answers import Completion

SLOW = (
    "The server took longer than SECONDLOOK_DEADLINE_SECONDS ({seconds:g}). "
    "Raise it for a slow server, or choose a faster model with SECONDLOOK_MODEL."
)

NO_SCHEMA = (
    "The server seems not to hold answers to a JSON schema (response_format json_schema). Use a server and "
    "model that do; `secondlook check` tells what is known of yours. SECONDLOOK_MODEL chooses the model."
)

_REASONED = (
    "The server put the model's reasoning before the answer. Turn reasoning off for this model "
    "(SECONDLOOK_REASONING_EFFORT=none, where the server takes it), have the server keep it apart, or choose "
    "another model with SECONDLOOK_MODEL."
)

_LIMITED = "Set SECONDLOOK_TOKEN_PARAMETER or SECONDLOOK_MAX_TOKENS as this model wants it."

_REFUSED_PARAMETERS = {
    "response_format": NO_SCHEMA,
    "json_schema": NO_SCHEMA,
    "reasoning_effort": "Set SECONDLOOK_REASONING_EFFORT to an effort that this model takes.",
    "temperature": "Set SECONDLOOK_TEMPERATURE=none, or to a value that this model takes.",
    "max_completion_tokens": _LIMITED,
    "max_tokens": _LIMITED,
}
"""By the name of the parameter that a server refuses."""


def after_refusal(status: int, told: str) -> str | None:
    """What to change after an HTTP error.

    Args:
        status: Its status.
        told: Parameter, code and message of the error, as the server wrote them.
    """
    if status not in {400, 404, 422, 501}:
        return None
    if "model_not_found" in told:
        return "Choose a model that the server has with SECONDLOOK_MODEL; `secondlook check` looks for it."
    return next((hint for name, hint in _REFUSED_PARAMETERS.items() if name in told), None)


def after_rejection(reason: str | None, completion: Completion, request: Mapping[str, object]) -> str | None:
    """What to change after an answer that a rule rejected; None where nothing is known that would help."""
    if reason in {"truncated", "empty"} and (spent := completion.usage.reasoning_tokens):
        return (
            f"The model spent {spent:,} of its {_limit(request)} tokens on reasoning. Lower "
            "SECONDLOOK_REASONING_EFFORT, or raise SECONDLOOK_MAX_TOKENS."
        )
    if reason == "truncated":
        return (
            f"The answer reached its limit of {_limit(request)} tokens. Raise SECONDLOOK_MAX_TOKENS; where "
            "the model runs on without an end, choose another one with SECONDLOOK_MODEL."
        )
    if reason in {"not_json", "empty"} and completion.reasoned:
        return _REASONED
    return NO_SCHEMA if reason in {"not_json", "duplicate_key", "schema"} else None


def _limit(request: Mapping[str, object]) -> str:
    limit = request.get("max_completion_tokens", request.get("max_tokens"))
    return f"{limit:,}" if isinstance(limit, int) else "limited"
