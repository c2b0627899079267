"""Each kind of server: what it is sent, what its answers and errors become, and what `check` finds."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from secondlook.domain.answers import AgentAnswer
from secondlook.domain.usage import Usage
from secondlook.errors import AnswerRejected, ApiKeyMissing, ProviderError, SettingInvalid
from secondlook.providers.openai import models, protocol
from secondlook.providers.openai.protocol import Azure, ChatCompletions, Compatible, OpenAI
from secondlook.providers.table import PROVIDERS, find_provider
from secondlook.settings import load_settings
from secondlook.tasks.snapshot.prompt import question
from secondlook.tasks.snapshot.rules import check_answer
from tests.examples import MODEL, completion, echo, example_input, example_request, some
from tests.provider import listing

Json = dict[str, Any]
OPENAI = {"OPENAI_API_KEY": "sk-proj-a1b2c3d4e5f6"}
AZURE = {
    "SECONDLOOK_AGENT": "azure",
    "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.example",
    "AZURE_OPENAI_API_KEY": "0123456789abcdef",
    "SECONDLOOK_MODEL": "prod-gpt-4o",
}
LOCAL = {
    "SECONDLOOK_AGENT": "compatible",
    "OPENAI_BASE_URL": "http://user:secret@llm.example:11434/v1",
    "SECONDLOOK_MODEL": "gemma3:270m",
}


class Server:
    """Answers every request in the same way, and keeps what it was sent."""

    def __init__(self, answer: Callable[[httpx2.Request], httpx2.Response]) -> None:
        self.requests: list[httpx2.Request] = []
        self._answer = answer

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        self.requests.append(request)
        return self._answer(request)


def saying(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Server:
    """A server that says this."""
    return Server(lambda _: httpx2.Response(status, json=body, headers=headers))


def at(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], server: Server | None = None
) -> ChatCompletions:
    """The provider that these settings mean, with a server in place of the network."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    provider = find_provider("openai" if settings.agent == "auto" else settings.agent)(settings)
    assert isinstance(provider, ChatCompletions)
    provider.transport = httpx2.MockTransport(server or saying({}))
    return provider


def ask(provider: ChatCompletions) -> AgentAnswer:
    """The answer to the example."""
    kept: list[AgentAnswer] = []
    provider.ask(provider.build_request(question(example_input())), kept.append)
    (answer,) = kept
    return answer


def failure(provider: ChatCompletions) -> ProviderError:
    """The error of a call."""
    with pytest.raises(ProviderError) as caught:
        ask(provider)
    return caught.value


def hint(body: Json, request: Json | None = None) -> str:
    """The hint of a rejected answer."""
    read = OpenAI.read(json.dumps(body))
    with pytest.raises(AnswerRejected) as caught:
        check_answer(read, example_input())
    OpenAI.advise(caught.value, read, example_request() if request is None else request)
    return caught.value.hint


# -- what is sent ---------------------------------------------------------------------------------------


def test_azure_is_asked_by_its_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment's address, the API version, and the key in Azure's own header."""
    server = saying(completion(echo()))
    assert ask(at(monkeypatch, AZURE | OPENAI, server)).model == MODEL
    (request,) = server.requests
    assert str(request.url) == (
        "https://mine.openai.azure.example/openai/deployments/prod-gpt-4o/chat/completions"
        "?api-version=2024-10-21"
    )
    assert request.headers["api-key"] == AZURE["AZURE_OPENAI_API_KEY"]
    assert OPENAI["OPENAI_API_KEY"] not in str(request.headers.raw)


def test_a_compatible_server_without_a_key_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """No header is made up where the server needs no key; with one it is sent."""
    server = saying(completion(echo()))
    plain = LOCAL | {"OPENAI_BASE_URL": "http://llm.example:11434/v1"}
    ask(at(monkeypatch, plain, server))
    ask(at(monkeypatch, plain | OPENAI, server))
    first, second = server.requests
    assert "authorization" not in first.headers
    assert second.headers["authorization"] == f"Bearer {OPENAI['OPENAI_API_KEY']}"


@pytest.mark.parametrize(
    ("environment", "model", "limits"),
    [
        pytest.param(OPENAI, MODEL, {"max_tokens": 2000, "temperature": 0.1}, id="openai"),
        pytest.param(AZURE, "prod-gpt-4o", {"max_tokens": 2000, "temperature": 0.1}, id="azure"),
        pytest.param(
            AZURE | {"SECONDLOOK_MODEL": "eu-gpt-5.1"},
            "eu-gpt-5.1",
            {"max_completion_tokens": 2000, "reasoning_effort": "none"},
            id="azure, a reasoning family",
        ),
        pytest.param(LOCAL, "gemma3:270m", {"max_tokens": 2000, "temperature": 0.1}, id="compatible"),
        pytest.param(
            OPENAI | {"SECONDLOOK_MODEL": "gpt-6-luna", "SECONDLOOK_REASONING_EFFORT": "medium"},
            "gpt-6-luna",
            {"max_completion_tokens": 18_000, "reasoning_effort": "medium"},
            id="an effort that is set, with its room",
        ),
    ],
)
def test_the_request_of_each(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], model: str, limits: Json
) -> None:
    """Model, limit, temperature and effort follow provider and family."""
    request = at(monkeypatch, environment).build_request(question(example_input()))
    fixed = {"messages", "response_format"}
    assert {name: value for name, value in request.items() if name not in fixed} == {"model": model, **limits}


@pytest.mark.parametrize(
    ("environment", "error", "words"),
    [
        pytest.param({}, ApiKeyMissing, "OPENAI_API_KEY is required", id="openai"),
        pytest.param(
            {**AZURE, "AZURE_OPENAI_API_KEY": ""}, ApiKeyMissing, "AZURE_OPENAI_API_KEY", id="azure, key"
        ),
        pytest.param(
            {**AZURE, "AZURE_OPENAI_ENDPOINT": ""},
            SettingInvalid,
            "AZURE_OPENAI_ENDPOINT",
            id="azure, address",
        ),
        pytest.param(
            {**AZURE, "SECONDLOOK_MODEL": ""}, SettingInvalid, "SECONDLOOK_MODEL", id="azure, model"
        ),
        pytest.param({**LOCAL, "OPENAI_BASE_URL": ""}, SettingInvalid, "OPENAI_BASE_URL", id="address"),
        pytest.param({**LOCAL, "SECONDLOOK_MODEL": ""}, SettingInvalid, "SECONDLOOK_MODEL", id="model"),
    ],
)
def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], error: type[Exception], words: str
) -> None:
    """Before anything is sent, the setting that a provider needs is named."""
    missing = at(monkeypatch, environment).missing()
    assert isinstance(missing, error)
    assert words in str(missing)


# -- errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "label"),
    [
        pytest.param(OPENAI, "OpenAI", id="openai"),
        pytest.param(AZURE, "Azure OpenAI", id="azure"),
        pytest.param(LOCAL, "OpenAI-compatible", id="compatible"),
    ],
)
def test_each_has_its_label(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], label: str) -> None:
    """The same shape of message, under the provider's own name."""
    busy = saying({"error": {"message": "Rate limit exceeded"}}, 429)
    error = failure(at(monkeypatch, environment, busy))
    assert (error.message, error.outcome) == (
        f"{label} API error (429): Rate limit exceeded",
        "not_processed",
    )


def test_an_unreachable_server_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped address is shown; a user, password or query in it is not."""

    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    error = failure(at(monkeypatch, LOCAL, Server(refuse)))
    assert error.message == (
        "OpenAI-compatible API error (no connection): the server could not be reached at "
        "http://llm.example:11434/v1"
    )


@pytest.mark.parametrize(
    ("said", "setting"),
    [
        pytest.param("response_format json_schema is not supported", "JSON schema", id="json_schema"),
        pytest.param("Unsupported parameter: 'temperature'", "SECONDLOOK_TEMPERATURE", id="temperature"),
        pytest.param("Unsupported parameter: 'max_tokens'", "SECONDLOOK_TOKEN_PARAMETER", id="limit"),
        pytest.param("reasoning_effort 'none'", "SECONDLOOK_REASONING_EFFORT", id="effort"),
    ],
)
def test_a_refused_parameter_names_its_setting(
    monkeypatch: pytest.MonkeyPatch, said: str, setting: str
) -> None:
    """A server that does not take a parameter: the hint says what to change."""
    error = failure(at(monkeypatch, LOCAL, saying({"error": {"message": said}}, 400)))
    assert error.outcome == "refused"
    assert setting in error.hint


# -- answers --------------------------------------------------------------------------------------------


def answered(text: object, finish: str = "stop", **message: object) -> Json:
    """A completion with this content."""
    body = completion(echo())
    body["choices"][0]["finish_reason"] = finish
    body["choices"][0]["message"] = {"role": "assistant", "content": text, **message}
    return body


def test_content_as_a_list_of_parts() -> None:
    """The protocol's other form is read: its text parts, in order."""
    text = json.dumps(echo())
    parts = [{"type": "text", "text": text[:20]}, {"type": "text", "text": text[20:]}]
    assert check_answer(OpenAI.read(json.dumps(answered(parts))), example_input()) == echo()
    refused = OpenAI.read(json.dumps(answered([{"type": "refusal", "refusal": "No."}])))
    assert (refused.text, refused.refusal) == (None, "No.")


def test_an_answer_without_usage_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never 0."""
    body = completion(echo())
    del body["usage"]
    provider = at(monkeypatch, LOCAL, saying(body))
    answer = ask(provider)
    assert (answer.usage, provider.cost_usd(answer.usage, MODEL)) == (Usage(), None)


def test_reasoning_tokens_are_read_and_priced(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are part of the completion's tokens, and paid for once."""
    body = completion(echo())
    body["usage"] = {
        "prompt_tokens": 1000,
        "completion_tokens": 1000,
        "total_tokens": 2000,
        "completion_tokens_details": {"reasoning_tokens": 700},
    }
    provider = at(monkeypatch, OPENAI | {"SECONDLOOK_MODEL": "gpt-6-luna"}, saying(body))
    usage = ask(provider).usage
    assert usage.reasoning_tokens == 700
    assert provider.cost_usd(usage, "gpt-6-luna") == Decimal("0.0006")


SPENT = answered("", "length")
SPENT["usage"] |= {"completion_tokens": 2000, "total_tokens": 2400}
SPENT["usage"]["completion_tokens_details"] = {"reasoning_tokens": 1900}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(
            answered('{"meta"', "length"), "limit of 2,000 tokens. Raise SECONDLOOK_MAX_TOKENS", id="length"
        ),
        pytest.param(
            SPENT, "spent 1,900 of its 2,000 tokens on reasoning. Lower SECONDLOOK_REASONING", id="reasoning"
        ),
        pytest.param(
            answered(f"<think>Hm</think>{json.dumps(echo())}"), "reasoning before the answer", id="<think>"
        ),
        pytest.param(
            answered("Hm", reasoning_content="I think"), "reasoning before the answer", id="a field"
        ),
        pytest.param(
            answered(f"```json\n{json.dumps(echo())}\n```"), "response_format json_schema", id="fence"
        ),
        pytest.param(answered('{"demand": {}}'), "response_format json_schema", id="another shape"),
    ],
)
def test_a_rejected_answer_says_what_to_change(body: Json, words: str) -> None:
    """The hint names the setting, and keeps what happened to the answer."""
    found = hint(body)
    assert words in found
    assert found.endswith(AnswerRejected.default_hint)


def test_a_wrong_value_has_no_setting() -> None:
    """No setting cures a miscounted week."""
    wrong = echo()
    wrong["meta"]["estimate_count"] += 1
    assert hint(answered(json.dumps(wrong))) == AnswerRejected.default_hint


# -- models ---------------------------------------------------------------------------------------------


def on(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    """Let today be this day."""
    monkeypatch.setattr(protocol, "today", lambda: day)


@pytest.mark.parametrize(
    ("day", "model", "asked", "notice"),
    [
        pytest.param(date(2026, 10, 15), None, MODEL, None, id="91 days before"),
        pytest.param(
            date(2026, 10, 16),
            None,
            MODEL,
            f"{MODEL} shuts down on 2027-01-14: from then on gpt-6-luna is asked, "
            "unless SECONDLOOK_MODEL names another model.",
            id="90 days before",
        ),
        pytest.param(
            date(2027, 1, 13),
            MODEL,
            MODEL,
            f"{MODEL} shuts down on 2027-01-14: choose another model with SECONDLOOK_MODEL.",
            id="set, the day before",
        ),
        pytest.param(
            date(2027, 1, 14),
            None,
            "gpt-6-luna",
            f"{MODEL} was shut down on 2027-01-14: its replacement gpt-6-luna is asked instead. "
            "Choose another model with SECONDLOOK_MODEL.",
            id="the day",
        ),
        pytest.param(
            date(2027, 1, 14),
            MODEL,
            MODEL,
            f"{MODEL} was shut down on 2027-01-14: choose another model with SECONDLOOK_MODEL.",
            id="set, the day: never replaced",
        ),
        pytest.param(date(2027, 1, 14), "gpt-6-luna", "gpt-6-luna", None, id="another family"),
    ],
)
def test_the_default_ends(
    monkeypatch: pytest.MonkeyPatch, day: date, model: str | None, asked: str, notice: str | None
) -> None:
    """Until its day the default stays; then its replacement stands in where nobody chose a model."""
    on(monkeypatch, day)
    provider = at(monkeypatch, OPENAI | ({} if model is None else {"SECONDLOOK_MODEL": model}))
    assert (provider.model, provider.notice()) == (asked, notice)


def test_azure_keeps_its_own_calendar(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's shutdown dates are not Azure's."""
    on(monkeypatch, date(2027, 2, 1))
    provider = at(monkeypatch, AZURE)
    assert (provider.model, provider.notice()) == ("prod-gpt-4o", None)


def test_the_table_is_whole() -> None:
    """It says when and where it was read; each replacement is known, and the default is in it."""
    table = models.table()
    assert table.read_on >= date(2026, 11, 28)
    assert table.read_at
    assert some(models.find_family(MODEL)).replacement == "gpt-6-luna"
    assert all(set(family.reasoning) <= set(models.ROOM) for family in table.families)


@pytest.mark.parametrize(
    ("provider", "model", "known"),
    [
        pytest.param(OpenAI, MODEL, True, id="dated"),
        pytest.param(OpenAI, "openai/gpt-4o", True, id="prefixed"),
        pytest.param(OpenAI, "ft:gpt-4o-2024-08-06:org::id", True, id="fine-tuned"),
        pytest.param(OpenAI, "mine", False, id="unknown"),
        pytest.param(Azure, "prod-gpt-4o-eu", True, id="deployment"),
        pytest.param(Azure, "mine", False, id="deployment, unknown"),
        pytest.param(Compatible, "gemma3:270m", False, id="a local model"),
    ],
)
def test_prices_are_known_or_unknown(
    monkeypatch: pytest.MonkeyPatch, provider: type[ChatCompletions], model: str, known: bool
) -> None:
    """A price is a list's, or unknown; a fine-tune never has its base model's."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:11434/v1")
    cost = provider(load_settings()).cost_usd(Usage(prompt_tokens=1000, completion_tokens=1000), model)
    assert (cost is not None) is known
    if model.startswith("ft:"):
        assert cost == Decimal("0.01875")


# -- check ----------------------------------------------------------------------------------------------


def found(provider: ChatCompletions) -> dict[str, tuple[bool, str]]:
    """What check finds."""
    return {finding.name: (finding.ok, finding.detail) for finding in provider.check()}


def test_check_asks_for_models_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One GET, which costs nothing; the model's end is told by the server too."""
    server = saying(listing(MODEL, shutdown_date="2027-01-14"))
    on(monkeypatch, date(2026, 10, 1))
    looked = found(at(monkeypatch, OPENAI, server))
    assert [(request.method, request.url.path) for request in server.requests] == [("GET", "/v1/models")]
    assert looked["agent"] == (True, "OpenAI at https://api.openai.com/v1, key sk-pr…, 1 models")
    assert looked["model"] == (True, f"{MODEL} (shutdown_date: 2027-01-14)")
    assert looked["schema"][0]


def test_check_of_a_model_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that somebody set and that is gone fails the check."""
    on(monkeypatch, date(2027, 2, 1))
    looked = found(at(monkeypatch, OPENAI | {"SECONDLOOK_MODEL": MODEL}, saying(listing("gpt-6-luna"))))
    assert looked["model"][0] is False
    assert "was shut down on 2027-01-14" in looked["model"][1]


@pytest.mark.parametrize(
    ("body", "headers", "model", "schema"),
    [
        pytest.param(listing("gemma3:270m", owned_by="library"), {}, True, "as Ollama does", id="Ollama"),
        pytest.param(
            listing("gemma3:270m", owned_by="llamacpp"), {}, True, "as llama.cpp does", id="llama.cpp"
        ),
        pytest.param(listing("other", owned_by="vllm"), {}, False, "as vLLM does", id="vLLM, no such model"),
        pytest.param(
            listing("gemma3:270m", supported_parameters=["response_format"]),
            {},
            True,
            "at most json_object",
            id="OpenRouter, a model without",
        ),
        pytest.param(
            listing("gemma3:270m"), {"x-litellm-version": "1.80"}, True, "unknown whether", id="LiteLLM"
        ),
        pytest.param({"odd": 1}, {}, True, "unknown whether", id="no list"),
    ],
)
def test_check_of_compatible_servers(
    monkeypatch: pytest.MonkeyPatch, body: Json, headers: dict[str, str], model: bool, schema: str
) -> None:
    """Whether the model is there, and what is known of the schema, before a run pays for it."""
    looked = found(at(monkeypatch, LOCAL, saying(body, headers=headers)))
    assert looked["agent"][0]
    assert "secret" not in looked["agent"][1]
    assert looked["model"][0] is model
    assert schema in looked["schema"][1]
    assert looked["schema"][0] is ("at most" not in schema)


@pytest.mark.parametrize("status", [401, 500])
def test_check_of_a_server_that_refuses(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """A wrong key or a broken server is a failed check."""
    looked = found(at(monkeypatch, AZURE, saying({"error": {"message": "No"}}, status)))
    assert looked["agent"][0] is False
    assert f"Azure OpenAI API error ({status}): No" in looked["agent"][1]


def test_a_run_of_an_unknown_provider_is_named() -> None:
    """A later version's run is told, rather than a key error."""
    with pytest.raises(SettingInvalid, match="does not know: claude"):
        find_provider("claude")
    assert list(PROVIDERS) == ["openai", "azure", "compatible", "offline", "rehearsal"]
