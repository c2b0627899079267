"""Providers that speak OpenAI's chat completions: OpenAI, Azure OpenAI, and compatible servers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from secondlook.domain.addresses import public_address
from secondlook.domain.answers import Completion
from secondlook.domain.questions import Question
from secondlook.domain.usage import Terms, Usage
from secondlook.errors import AnswerRejected, ApiKeyMissing, SecondlookError, SettingInvalid
from secondlook.providers import prices
from secondlook.providers.base import Answerers, Finding, Journal, Json, Provider
from secondlook.providers.openai import models, regions, survey
from secondlook.providers.openai.advice import after_rejection
from secondlook.providers.openai.client import Client
from secondlook.providers.openai.envelope import read_completion
from secondlook.providers.openai.safe_messages import repeats
from secondlook.settings import Settings
from secondlook.telemetry.log import log_notice

if TYPE_CHECKING:
    import httpx2
    import openai
    from pydantic import SecretStr

_STANDARD = Terms()


class ChatCompletions(Provider):
    """The protocol. What differs between its providers is in those below."""

    schema: Literal["answer", "fixed"] = "answer"
    transport: httpx2.BaseTransport | None = None
    """In place of the network."""

    def __init__(self, settings: Settings, answerers: Answerers | None = None) -> None:
        super().__init__(settings, answerers)
        self._lock = threading.Lock()
        self._client: Client | None = None

    # -- the model ----------------------------------------------------------------------------------

    @property
    def model(self) -> str:
        """The model that the settings name."""
        return self.settings.model

    def family(self, model: str) -> models.Family | None:
        """The family of a model; None where it is unknown."""
        return models.find_family(model)

    # -- one call -----------------------------------------------------------------------------------

    def build_request(self, question: Question) -> Json:
        """The body of the request, by the model's family and the settings that override it."""
        settings, model = self.settings, self.model
        family = self.family(model) or models.Family(name="")
        effort = self._effort(family)
        parameter = settings.token_parameter
        limit = settings.max_tokens + (models.ROOM[effort] if effort is not None else 0)
        temperature = settings.temperature
        if temperature == "auto":
            temperature = family.temperature if family.temperature is not None else "none"
        answer = question.fixed_schema if self.schema == "fixed" else question.answer_schema
        request: Json = {
            "model": model,
            "messages": [message.model_dump() for message in question.messages],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": question.schema_name, "strict": True, "schema": dict(answer)},
            },
            family.token_parameter if parameter == "auto" else parameter: (
                max(settings.max_tokens, min(limit, family.max_output or limit))
            ),
        }
        if temperature != "none":
            request["temperature"] = temperature
        if effort is not None:
            request["reasoning_effort"] = effort
        if self.service_tier is not None:
            request["service_tier"] = self.service_tier
        return request

    @property
    def service_tier(self) -> str | None:
        """The tier that requests ask for; None where they name none."""
        return None

    def _effort(self, family: models.Family) -> str | None:
        """The effort that is sent: the one that is set, or else the least that the family takes."""
        if self.settings.reasoning_effort != "auto":
            return self.settings.reasoning_effort
        return next(iter(family.reasoning), None)

    def open(self) -> None:
        """Make the client."""
        self._opened()

    def ask(self, request: Mapping[str, object], journal: Journal) -> None:
        """Send one request and journal its answer."""
        self._opened().ask(request, journal)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _opened(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Client:
        secret = self.key.get_secret_value() if self.key is not None else ""
        try:
            return Client(
                self._sdk,
                label=self.label,
                secret=secret,
                deadline_seconds=self.settings.deadline_seconds,
                transport=self.transport,
            )
        except Exception as error:  # noqa: BLE001 -- the SDK and the proxy's and TLS variables it reads
            raise SettingInvalid(
                f"No client can be made for {self.address_setting} ({type(error).__name__})",
                hint="Look at it, at OPENAI_ORG_ID, OPENAI_PROJECT_ID and the proxy's and TLS variables.",
            ) from None

    # -- where it is --------------------------------------------------------------------------------

    address_setting = "OPENAI_BASE_URL"

    @property
    def address(self) -> str:
        """The server's address."""
        return self.settings.openai_base_url

    @property
    def key(self) -> SecretStr | None:
        """The key that is sent."""
        return self.settings.openai_api_key

    def _sdk(self, http: httpx2.Client, timeout: httpx2.Timeout) -> openai.OpenAI:
        import openai

        return openai.OpenAI(
            # Never the one that the SDK would find in the environment.
            api_key=self.key.get_secret_value() if self.key is not None else "none",
            base_url=self.address,
            max_retries=0,  # the SDK would send again after a time-out
            timeout=timeout,
            http_client=http,
        )

    # -- what came ----------------------------------------------------------------------------------

    @classmethod
    def read(cls, body: str) -> Completion:
        """What the body of an answer holds."""
        return read_completion(body)

    @classmethod
    def advise(cls, error: AnswerRejected, completion: Completion, request: Mapping[str, object]) -> None:
        """Name in a rejected answer's hint what to change, where that is known; never quote the prompt."""
        if completion.problem is not None and repeats(completion.problem, request):
            error.message = "Answer rejected (not_completion): the server answered with an error"
        advice = after_rejection(error.reason, completion, request)
        if advice is not None:
            error.hint = f"{advice} {error.hint}"

    # -- what can be found out for free -------------------------------------------------------------

    def check(self) -> list[Finding]:
        """Ask the server for its models: whether it is there, has the model, and when that ends."""
        return survey.look(self)

    def list_models(self) -> tuple[Mapping[str, str], object]:
        """What the server says of its models: the headers, and the body as JSON.

        Raises:
            ProviderError: It cannot be reached, or refuses.
        """
        return self._opened().models()

    def ended(self) -> bool:
        """Whether the model is known to be shut down."""
        return False

    def unlisted(self) -> Finding:
        """The finding when the server does not list the model."""
        return Finding(
            "model", ok=False, detail=f"the server does not list {self.model}: set SECONDLOOK_MODEL"
        )

    # -- money --------------------------------------------------------------------------------------

    def ceiling(self, request: Mapping[str, object], prompt_tokens: int) -> Decimal | None:
        """The cost of its prompt and the longest allowed answer, reasoning included, on the dearest terms.

        Where a request does not name a tier, the project's own is used, which nobody knows here; a tier that
        is named may be answered by the standard one. The whole prompt may be written to a cache.
        """
        limit = request.get("max_tokens", request.get("max_completion_tokens"))
        if not isinstance(limit, int):
            return None
        usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=limit)
        asked, model = request.get("service_tier"), str(request.get("model"))

        def cost(tier: str | None, written: int = 0) -> Decimal | None:
            terms = Terms(service_tier=tier, cache_write_tokens=written)
            return self.cost_usd(usage, model, terms)

        named = asked if isinstance(asked, str) and asked != "auto" else None
        if cost(None) is None or cost(named) is None:
            return None
        tiers = (None, *prices.TIERS) if named is None else (None, named)
        known = (cost(tier, written) for tier in tiers for written in (0, prompt_tokens))
        return max(found for found in known if found is not None)

    def forecast_usd(self, usage: Usage, model: str) -> Decimal | None:
        """By the price of the tier that requests ask for."""
        tier = None if self.service_tier == "auto" else self.service_tier
        return self.cost_usd(usage, model, Terms(service_tier=tier))


class OpenAI(ChatCompletions):
    """OpenAI itself, or the server at OPENAI_BASE_URL in its place."""

    name = "openai"
    label = "OpenAI"

    def open(self) -> None:
        """Make the client; the log says where the model is shut down."""
        opens = self._client is None
        super().open()
        notice = self.notice()
        end = self._end(self.settings.model)
        if opens and notice is not None and end is not None and end <= today():
            log_notice(self.label, notice)

    def missing(self) -> SecondlookError | None:
        """A key."""
        return ApiKeyMissing() if self.key is None else None

    @property
    def model(self) -> str:
        """The model that is set; the default's replacement once the default is shut down."""
        end = self._end(self.settings.model)
        if self.settings.model_is_set or end is None or end > today():
            return self.settings.model
        family = self.family(self.settings.model)
        return (family and family.replacement) or self.settings.model

    def notice(self) -> str | None:
        """A sentence about the model's end, from 90 days before it on."""
        model, end = self.settings.model, self._end(self.settings.model)
        if end is None or today() < end - models.NOTICE:
            return None
        if self.model != model:
            return (
                f"{model} was shut down on {end.isoformat()}: its replacement {self.model} is asked instead. "
                "Choose another model with SECONDLOOK_MODEL."
            )
        verb = "was shut down" if end <= today() else "shuts down"
        advice = "choose another model with SECONDLOOK_MODEL."
        replacement = (found := self.family(model)) and found.replacement
        if not self.settings.model_is_set and replacement is not None:
            advice = f"from then on {replacement} is asked, unless SECONDLOOK_MODEL names another model."
        return f"{model} {verb} on {end.isoformat()}: {advice}"

    def ended(self) -> bool:
        """Whether the model is known to be shut down."""
        end = self._end(self.model)
        return end is not None and end <= today()

    def _end(self, model: str) -> date | None:
        family = self.family(model)
        return None if family is None else family.shutdown

    @property
    def price_list(self) -> str | None:
        """OpenAI's."""
        return "openai"

    @property
    def service_tier(self) -> str | None:
        """The one that is set."""
        return self.settings.service_tier

    def cost_usd(self, usage: Usage, model: str, terms: Terms = _STANDARD) -> Decimal | None:
        """As listed, and as the address' region adds; a gateway's prefix is no part of the model's name."""
        model = model.removeprefix("openai/")
        cost, factor = super().cost_usd(usage, model, terms), regions.factor(self.address, model)
        return None if cost is None or factor is None else cost * factor


class Azure(ChatCompletions):
    """Azure OpenAI: a resource's address, an API version, and deployments that people name as they like."""

    name = "azure"
    label = "Azure OpenAI"
    address_setting = "AZURE_OPENAI_ENDPOINT"

    def missing(self) -> SecondlookError | None:
        """The key, the address or the deployment's name."""
        if self.key is None:
            return ApiKeyMissing(
                "AZURE_OPENAI_API_KEY is required. Add it to your .env.local file.",
                hint="Put AZURE_OPENAI_API_KEY=... into .env.local, as the resource's page shows it.",
            )
        if not self.address:
            return SettingInvalid(
                "AZURE_OPENAI_ENDPOINT is not set, and SECONDLOOK_AGENT is 'azure'",
                hint="Set it to the resource's address, such as https://NAME.openai.azure.com.",
            )
        return _unnamed_model(self.settings, "azure", "the name of a deployment")

    def family(self, model: str) -> models.Family | None:
        """The family that the deployment's name holds; None where it holds none."""
        return models.find_named_family(model)

    @property
    def address(self) -> str:
        """The resource's address."""
        return self.settings.azure_endpoint or ""

    @property
    def key(self) -> SecretStr | None:
        """The resource's key."""
        return self.settings.azure_api_key

    def unlisted(self) -> Finding:
        """Nothing: Azure lists models, and the name is that of a deployment."""
        return Finding("model", ok=True, detail=f"deployment {self.model}; Azure does not list deployments")

    @property
    def price_list(self) -> str | None:
        """Azure's."""
        return "azure"

    def cost_usd(self, usage: Usage, model: str, terms: Terms = _STANDARD) -> Decimal | None:
        """By the model that answered; by the family's name where only the deployment's is known."""
        cost = super().cost_usd(usage, model, terms)
        family = self.family(model) if cost is None else None
        return super().cost_usd(usage, family.name, terms) if family is not None else cost

    def _sdk(self, http: httpx2.Client, timeout: httpx2.Timeout) -> openai.OpenAI:
        import openai

        return openai.AzureOpenAI(
            azure_endpoint=self.address,
            api_version=self.settings.azure_api_version,
            api_key=self.key.get_secret_value() if self.key is not None else "",
            max_retries=0,  # the SDK would send again after a time-out
            timeout=timeout,
            http_client=http,
        )


class Compatible(ChatCompletions):
    """A server that speaks the protocol: Ollama, vLLM, LM Studio, llama.cpp, OpenRouter, LiteLLM."""

    name = "compatible"
    label = "OpenAI-compatible"
    schema = "fixed"  # such servers compile a new schema for nothing

    def missing(self) -> SecondlookError | None:
        """The address or the model's name; a key where the server wants one shows only when it is asked."""
        if "openai_base_url" not in self.settings.model_fields_set:
            return SettingInvalid(
                "OPENAI_BASE_URL is not set, and SECONDLOOK_AGENT is 'compatible'",
                hint="Set it to the server's address, such as http://localhost:11434/v1 for Ollama.",
            )
        return _unnamed_model(self.settings, "compatible", "the name of one of the server's models")

    @property
    def price_list(self) -> str | None:
        """That of the provider at this address, where there is one."""
        return prices.find_price_list(public_address(self.address))


def today() -> date:
    """Today in UTC."""
    return datetime.now(UTC).date()


def _unnamed_model(settings: Settings, agent: str, what: str) -> SecondlookError | None:
    if settings.model_is_set:
        return None
    return SettingInvalid(
        f"SECONDLOOK_MODEL is not set, and SECONDLOOK_AGENT is '{agent}'", hint=f"Set it to {what}."
    )
