"""The errors are the user's own words, kept exactly: docs/troubleshooting.md: Messages."""

from __future__ import annotations

import re

import pytest

import secondlook
from secondlook import errors
from secondlook.errors import ERRORS, SecondlookError, rebuild

CODES = {
    *("source_not_found", "source_not_bucketed", "buckets_missing", "buckets_invalid"),
    *("not_enough_estimates", "api_key_missing", "provider_error", "answer_rejected", "in_doubt"),
    *("store_unavailable", "ledger_unavailable", "over_budget", "setting_invalid", "not_signed_in"),
    *("source_in_use", "import_refused"),
    "request_invalid",
}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(errors.SourceNotFound(), "Invalid source_id: not found", id="source_not_found"),
        pytest.param(errors.BucketsMissing(), "No buckets found for source: missing", id="buckets_missing"),
        pytest.param(
            errors.ApiKeyMissing(),
            "OPENAI_API_KEY is required. Add it to your .env.local file.",
            id="api_key_missing",
        ),
    ],
)
def test_fixed_messages(error: SecondlookError, message: str) -> None:
    """Messages that never vary are stated once, in the class."""
    assert (error.message, str(error)) == (message, message)


def test_the_codes_are_the_contracts() -> None:
    """One class a code, and no code that the contract does not know."""
    assert set(ERRORS) == CODES
    assert all(ERRORS[code].code == code for code in CODES)


def test_the_tree_in_the_docstring_is_complete() -> None:
    """The picture that the module opens with names every class with its code."""
    drawn = dict(re.findall(r"[├└]── ([A-Z]\w+) +(\w+)", errors.__doc__ or ""))
    assert drawn == {error.__name__: code for code, error in ERRORS.items()}


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_has_a_hint_and_is_public(code: str) -> None:
    """Every error says what to do, and can be caught by its public name."""
    assert ERRORS[code].default_hint
    assert getattr(secondlook, ERRORS[code].__name__) is ERRORS[code]


@pytest.mark.parametrize("code", sorted(CODES))
def test_an_error_survives_the_ledger(code: str) -> None:
    """What a run ended with is raised again as what it was."""
    error = rebuild(code, "What happened", hint="Do this", run_id="r", reason="schema", path="meta")
    assert type(error) is ERRORS[code]
    assert (error.message, error.hint, error.run_id) == ("What happened", "Do this", "r")
    assert (error.reason, error.path, error.usage) == ("schema", "meta", None)


def test_an_unknown_code_is_still_an_error() -> None:
    """A ledger that a newer version wrote does not break an older one."""
    assert type(rebuild("from_the_future", "What happened")) is SecondlookError
