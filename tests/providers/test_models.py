"""Changing one setting moves to another model."""

from __future__ import annotations

from datetime import date

import pytest

from secondlook.providers.openai import models
from secondlook.providers.openai.client import build_request
from secondlook.settings import load_settings
from secondlook.tasks.snapshot.prompt import messages
from secondlook.tasks.snapshot.schema import RESPONSE_FORMAT
from tests.examples import MODEL, example_input

OLDER = {"max_tokens": 2000, "temperature": 0.1}
NEWER = {"max_completion_tokens": 2000}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(MODEL, OLDER, id="the default"),
        pytest.param("gpt-4o", OLDER, id="gpt-4o"),
        pytest.param("gpt-4.1-mini", OLDER, id="gpt-4.1"),
        pytest.param("ft:gpt-4o-2024-08-06:org::id", OLDER, id="fine-tuned gpt-4o"),
        pytest.param("llama-3.3-70b", OLDER, id="another maker's"),
        pytest.param("openai/gpt-4o", OLDER, id="gpt-4o behind a gateway"),
        pytest.param("gpt-5", NEWER, id="gpt-5"),
        pytest.param("gpt-5-mini-2025-08-07", NEWER, id="gpt-5 mini"),
        pytest.param("gpt-5.1", NEWER, id="gpt-5.1"),
        pytest.param("gpt-6", NEWER, id="gpt-6"),
        pytest.param("gpt-10", NEWER, id="gpt-10"),
        pytest.param("o1", NEWER, id="o1"),
        pytest.param("o3-mini", NEWER, id="o3"),
        pytest.param("o4-mini", NEWER, id="o4"),
        pytest.param("openai/GPT-5", NEWER, id="gpt-5 behind a gateway"),
        pytest.param("ft:o4-mini:org::id", NEWER, id="fine-tuned o4"),
    ],
)
def test_the_request_follows_the_family(
    model: str, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit has the family's name, and a temperature goes only where it is taken."""
    monkeypatch.setenv("SECONDLOOK_MODEL", model)
    assert build_request(example_input(), load_settings()) == {
        "model": model,
        "messages": messages(example_input()),
        "response_format": RESPONSE_FORMAT,
        **expected,
    }


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        pytest.param(
            "TOKEN_PARAMETER", "max_completion_tokens", {**NEWER, "temperature": 0.1}, id="limit's name"
        ),
        pytest.param("TEMPERATURE", "none", {"max_tokens": 2000}, id="no temperature"),
        pytest.param("TEMPERATURE", "0", {**OLDER, "temperature": 0.0}, id="temperature 0"),
        pytest.param("MAX_TOKENS", "500", {**OLDER, "max_tokens": 500}, id="limit"),
    ],
)
def test_settings_override_the_family(
    setting: str, value: str, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that differs from its family is a matter of one setting."""
    monkeypatch.setenv(f"SECONDLOOK_{setting}", value)
    request = build_request(example_input(), load_settings())
    assert {
        name: request[name] for name in request if name not in {"model", "messages", "response_format"}
    } == (expected)


def test_a_newer_model_takes_a_temperature_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that somebody set is sent to any model."""
    monkeypatch.setenv("SECONDLOOK_MODEL", "gpt-5")
    monkeypatch.setenv("SECONDLOOK_TEMPERATURE", "1")
    assert build_request(example_input(), load_settings())["temperature"] == 1


@pytest.mark.parametrize(
    ("model", "today", "said"),
    [
        pytest.param(MODEL, date(2026, 10, 15), None, id="91 days before"),
        pytest.param(MODEL, date(2026, 10, 16), "shuts down on 2027-01-14", id="90 days before"),
        pytest.param(MODEL, date(2027, 1, 13), "shuts down on 2027-01-14", id="the day before"),
        pytest.param(MODEL, date(2027, 1, 14), "was shut down on 2027-01-14", id="the day"),
        pytest.param("gpt-4o-mini", date(2027, 1, 1), "shuts down on 2027-01-14", id="its family"),
        pytest.param("gpt-5", date(2027, 1, 14), None, id="another family"),
    ],
)
def test_a_shutdown_is_announced(model: str, today: date, said: str | None) -> None:
    """From 90 days before a known shutdown on, a sentence says so and what to do."""
    notice = models.shutdown_notice(model, today)
    assert notice == (said and f"{model} {said}: choose another model with SECONDLOOK_MODEL.")
