"""Kinds of servers, as real sockets and real processes: one run from the command line to the ledger."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.processes import Home
from tests.provider import Json, completion, listing, refusing, replying

DEPLOYMENT = {
    "SECONDLOOK_AGENT": "azure",
    "AZURE_OPENAI_API_KEY": "azure-key",
    "SECONDLOOK_MODEL": "prod-gpt-4o",
}
LOCAL = {"SECONDLOOK_AGENT": "compatible", "SECONDLOOK_MODEL": "gemma3:270m"}


def answer(home: Home, **changes: object) -> Json:
    """The right completion for the sample, with changes of its envelope."""
    body = completion(json.dumps(home.sample.answer))
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def test_azure(home: Home) -> None:
    """Its address, version and header; the run says who answered, and costs what Azure's list says."""
    home.set(AZURE_OPENAI_ENDPOINT=home.provider.base_url.removesuffix("/v1"), **DEPLOYMENT)
    made = home.snapshot().fields
    (request,) = home.provider.requests
    assert request.path == "/openai/deployments/prod-gpt-4o/chat/completions?api-version=2024-10-21"
    assert request.headers["api-key"] == "azure-key"
    assert "authorization" not in request.headers
    assert (made["agent"], made["cost_usd"] > 0) == ("azure", True)
    assert home.call("check").code == 0


def test_a_compatible_server_without_usage(home: Home) -> None:
    """Tokens and cost are unknown, never 0; no key is sent where none is set."""
    home.set(**LOCAL, OPENAI_API_KEY="")
    home.provider.behaviour = replying(json.dumps(answer(home, usage=None, model="gemma3:270m")))
    made = home.snapshot().fields
    assert "authorization" not in home.provider.requests[0].headers
    assert (made["agent"], made["model"], made["cost_usd"]) == ("compatible", "gemma3:270m", None)
    assert made["usage"]["total_tokens"] is None


def test_a_server_without_json_schema(home: Home) -> None:
    """`check` says so before; a run that is refused for it says it too, under the server's label."""
    home.set(**LOCAL)
    home.provider.models = listing("gemma3:270m", supported_parameters=["response_format"])
    checked = home.call("check")
    assert (checked.code, home.provider.requests) == (1, [])
    assert [part["name"] for part in checked.items if not part["ok"]] == ["schema"]
    home.provider.behaviour = refusing(400, "response_format of type json_schema is not supported")
    error = home.snapshot().error
    assert error["message"].startswith("OpenAI-compatible API error (400): ")
    assert "JSON schema" in error["hint"]


def test_reasoning_tokens_to_the_ledger(home: Home) -> None:
    """They are kept with the call and told with the run."""
    usage = {
        "prompt_tokens": 400,
        "completion_tokens": 900,
        "total_tokens": 1300,
        "completion_tokens_details": {"reasoning_tokens": 600},
    }
    home.set(SECONDLOOK_MODEL="gpt-6-luna", SECONDLOOK_REASONING_EFFORT="low")
    home.provider.behaviour = replying(json.dumps(answer(home, usage=usage, model="gpt-6-luna")))
    assert home.snapshot().fields["usage"]["reasoning_tokens"] == 600
    (request,) = home.provider.requests
    assert (request.body["reasoning_effort"], request.body["max_completion_tokens"]) == ("low", 6000)
    assert home.ledger("select reasoning_tokens from calls") == [{"reasoning_tokens": 600}]


def test_a_newcomer_after_the_default_has_ended(home: Home) -> None:
    """On 2027-01-14 and later a key is enough: the replacement answers, and log and `check` say so."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        message = "a clock cannot be set without libfaketime (Debian: apt-get install faketime)"
        if "CI" in os.environ:
            pytest.fail(message)
        pytest.skip(message)
    home.env.update(
        LD_PRELOAD=str(found[0]),
        FAKETIME="@2027-02-01 12:00:00",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        NO_FAKE_STAT="1",
    )
    home.provider.models = listing("gpt-6-luna", owned_by="openai")
    home.provider.behaviour = replying(json.dumps(answer(home, model="gpt-6-luna")))
    said = home.run("snapshot", home.sample.source_id, driver="faketime")
    notice = "gpt-4o-2024-08-06 was shut down on 2027-01-14: its replacement gpt-6-luna is asked instead."
    assert said.fields["model"] == home.provider.requests[0].body["model"] == "gpt-6-luna"
    assert f"[OpenAI] {notice}" in said.err
    checked = home.run("check", driver="faketime")
    assert checked.code == 0
    assert notice in next(part["detail"] for part in checked.items if part["name"] == "model")
