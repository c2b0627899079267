"""Changing one setting moves to another model."""

from __future__ import annotations

import pytest

from secondlook.tasks.snapshot.prompt import messages
from secondlook.tasks.snapshot.schema import RESPONSE_FORMAT
from tests.examples import MODEL, example_input, example_request

OLDER = {"max_tokens": 2000, "temperature": 0.1}
NEWER = {"max_completion_tokens": 2000}
LEAST = {**NEWER, "reasoning_effort": "none"}
MINIMAL = {"max_completion_tokens": 4000, "reasoning_effort": "minimal"}
LOW = {"max_completion_tokens": 6000, "reasoning_effort": "low"}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(MODEL, OLDER, id="the default"),
        pytest.param("gpt-4o", OLDER, id="gpt-4o"),
        pytest.param("gpt-4.1-mini", OLDER, id="gpt-4.1"),
        pytest.param("ft:gpt-4o-2024-08-06:org::id", OLDER, id="fine-tuned gpt-4o"),
        pytest.param("llama-3.3-70b", OLDER, id="another maker's"),
        pytest.param("openai/gpt-4o", OLDER, id="gpt-4o behind a gateway"),
        pytest.param("gpt-5", MINIMAL, id="gpt-5"),
        pytest.param("gpt-5-mini-2025-08-07", MINIMAL, id="gpt-5 mini"),
        pytest.param("gpt-5.1", LEAST, id="gpt-5.1"),
        pytest.param("gpt-6", NEWER, id="gpt-6"),
        pytest.param("gpt-6-luna", LEAST, id="gpt-6-luna"),
        pytest.param("openai/gpt-6-luna", LEAST, id="gpt-6-luna behind a gateway"),
        pytest.param("gpt-10", NEWER, id="gpt-10"),
        pytest.param("o1", LOW, id="o1"),
        pytest.param("o3-mini", LOW, id="o3"),
        pytest.param("o4-mini", LOW, id="o4"),
        pytest.param("openai/GPT-5", MINIMAL, id="gpt-5 behind a gateway"),
        pytest.param("ft:o4-mini:org::id", LOW, id="fine-tuned o4"),
    ],
)
def test_the_request_follows_the_family(
    model: str, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit has the family's name, and a temperature goes only where it is taken."""
    monkeypatch.setenv("SECONDLOOK_MODEL", model)
    assert example_request() == {
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
    request = example_request()
    assert {
        name: request[name] for name in request if name not in {"model", "messages", "response_format"}
    } == (expected)


def test_a_newer_model_takes_a_temperature_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that somebody set is sent to any model."""
    monkeypatch.setenv("SECONDLOOK_MODEL", "gpt-5")
    monkeypatch.setenv("SECONDLOOK_TEMPERATURE", "1")
    assert example_request()["temperature"] == 1
