"""The only reader of the environment: environment > .env.local > .env, in the working directory.

Long because it is the list of all settings, each with its default, its check and its description.
"""

from __future__ import annotations

import base64
import difflib
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from dotenv import dotenv_values
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from secondlook.errors import SettingInvalid

_MODEL = r"^[!-~]{1,200}$"


def _canonical_uuid(value: str) -> str:
    return str(UUID(value))


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _unset_if_blank(value: object) -> object:
    return _stripped(value) or None


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not re.fullmatch(r"[!-~]+", value):
        raise ValueError
    _ = parts.port  # raises where it is no port
    return value


def _postgres_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
        raise ValueError
    _ = parts.port  # raises where it is no port
    return value


def _webhook_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(_url(value.get_secret_value()))
    if parts.scheme != "https" or "@" in parts.netloc or parts.fragment:
        raise ValueError
    return value


def _webhook_secret(value: SecretStr) -> SecretStr:
    prefix, _, key = value.get_secret_value().partition("_")
    if prefix != "whsec" or not 24 <= len(base64.b64decode(key, validate=True)) <= 64:
        raise ValueError
    return value


def _header_safe(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isascii() or not value.get_secret_value().isprintable():
        raise ValueError
    return value


def _is_secret(key: str) -> bool:
    """True for a key of Supabase's that passes row security: new style, or a token of the service role."""
    if key.startswith("sb_secret_"):
        return True
    payload = key.split(".")[1] if key.count(".") == 2 else ""
    try:
        return b"service_role" in base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    except ValueError:
        return False


def _for_people(value: SecretStr) -> SecretStr:
    if _is_secret(value.get_secret_value()):
        raise ValueError
    return value


def _for_processes(value: SecretStr) -> SecretStr:
    if not _is_secret(value.get_secret_value()):
        raise ValueError
    return value


_Key = Annotated[SecretStr, AfterValidator(_header_safe)]
_Calls = Annotated[int, Field(ge=0, le=1_000_000_000)]
_Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000_000)]


class Settings(BaseSettings):
    """Every setting, checked. Field descriptions are what an error says is allowed."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=False,
    )

    env: Literal["development", "production"] = Field(
        "development",
        validation_alias="SECONDLOOK_ENV",
        description="development, production: production never falls back to the offline agent, "
        "and logs no usage",
    )
    data_dir: Path = Field(
        Path(".secondlook"),
        validation_alias="SECONDLOOK_DATA_DIR",
        description="a folder for store.db and ledger.db",
    )
    user: Annotated[str, AfterValidator(_canonical_uuid)] | None = Field(
        None,
        validation_alias="SECONDLOOK_USER",
        description="a user's UUID, the default user of the command line; unset: the first sample user",
    )
    agent: Literal["auto", "openai", "azure", "compatible", "offline"] = Field(
        "auto",
        validation_alias="SECONDLOOK_AGENT",
        description="auto, openai, azure, compatible, offline: auto takes openai where OPENAI_API_KEY is "
        "set, otherwise the offline agent",
    )
    model: Annotated[str, Field(pattern=_MODEL)] = Field(
        "gpt-4o-2024-08-06",
        validation_alias="SECONDLOOK_MODEL",
        description="a model's or deployment's name, without spaces; unset: the default, and its replacement "
        "from the day on which it is shut down",
    )
    reasoning_effort: Literal["auto", "none", "minimal", "low", "medium", "high", "xhigh", "max"] = Field(
        "auto",
        validation_alias="SECONDLOOK_REASONING_EFFORT",
        description="auto, none, minimal, low, medium, high, xhigh, max: auto sends the least that the "
        "model's family takes",
    )
    service_tier: Literal["auto", "default", "flex", "priority"] | None = Field(
        None,
        validation_alias="SECONDLOOK_SERVICE_TIER",
        description="auto, default, flex, priority: the tier of OpenAI's that requests ask for; "
        "unset: none is named, so that the project's own is used",
    )
    temperature: Annotated[float, Field(ge=0, le=2)] | Literal["auto", "none"] = Field(
        "auto",
        validation_alias="SECONDLOOK_TEMPERATURE",
        description="a number from 0 to 2, auto, none: auto sends 0.1 where the model's family takes one",
    )
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2000,
        validation_alias="SECONDLOOK_MAX_TOKENS",
        description="a whole number from 1 to 1000000, the limit of an answer's tokens",
    )
    token_parameter: Literal["auto", "max_tokens", "max_completion_tokens"] = Field(
        "auto",
        validation_alias="SECONDLOOK_TOKEN_PARAMETER",
        description="auto, max_tokens, max_completion_tokens: how the limit is named in the request; "
        "auto follows the model's family",
    )
    deadline_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        60,
        validation_alias="SECONDLOOK_DEADLINE_SECONDS",
        description="a number above 0 up to 3600, the longest wait for the whole call",
    )
    agent_retries: Annotated[int, Field(ge=0, le=10)] = Field(
        2,
        validation_alias="SECONDLOOK_AGENT_RETRIES",
        description="a whole number from 0 to 10: how often a request is sent again that the provider "
        "certainly did not process",
    )
    retry_seconds: Annotated[float, Field(ge=0, le=86400)] = Field(
        300,
        validation_alias="SECONDLOOK_RETRY_SECONDS",
        description="a number from 0 to 86400: how long after its begin a run may still send again",
    )
    concurrency: Annotated[int, Field(ge=1, le=256)] = Field(
        8,
        validation_alias="SECONDLOOK_CONCURRENCY",
        description="a whole number from 1 to 256: the most batch runs at the same time, on all machines",
    )
    dispatch: Literal["here", "workers"] = Field(
        "here",
        validation_alias="SECONDLOOK_CARRY",
        description="here, workers: who executes runs that pages, the API and batches start; workers needs "
        "SECONDLOOK_LEDGER_URL and `secondlook worker` on one or more machines",
    )
    lease_seconds: Annotated[float, Field(ge=0.5, le=3600)] = Field(
        15,
        validation_alias="SECONDLOOK_LEASE_SECONDS",
        description="a number from 0.5 to 3600: how long a run waits after its process died",
    )
    budget_user_day_calls: _Calls | None = Field(
        None,
        validation_alias="SECONDLOOK_BUDGET_USER_DAY_CALLS",
        description="a whole number from 0 to 1000000000: a user's calls in a day; unset: no limit",
    )
    budget_user_day_usd: _Dollars | None = Field(
        None,
        validation_alias="SECONDLOOK_BUDGET_USER_DAY_USD",
        description="a number from 0 to 1000000000: a user's dollars in a day; unset: no limit",
    )
    budget_user_month_calls: _Calls | None = Field(
        None,
        validation_alias="SECONDLOOK_BUDGET_USER_MONTH_CALLS",
        description="a whole number from 0 to 1000000000: a user's calls in a month; unset: no limit",
    )
    budget_user_month_usd: _Dollars | None = Field(
        None,
        validation_alias="SECONDLOOK_BUDGET_USER_MONTH_USD",
        description="a number from 0 to 1000000000: a user's dollars in a month; unset: no limit",
    )
    budget_day_calls: _Calls | None = Field(
        None,
        validation_alias="SECONDLOOK_BUDGET_DAY_CALLS",
        description="a whole number from 0 to 1000000000: all users' calls in a day; unset: no limit",
    )
    budget_day_usd: _Dollars | None = Field(
        None,
        validation_alias="SECONDLOOK_BUDGET_DAY_USD",
        description="a number from 0 to 1000000000: all users' dollars in a day; unset: no limit",
    )
    budget_month_calls: _Calls | None = Field(
        None,
        validation_alias="SECONDLOOK_BUDGET_MONTH_CALLS",
        description="a whole number from 0 to 1000000000: all users' calls in a month; unset: no limit",
    )
    budget_month_usd: _Dollars | None = Field(
        None,
        validation_alias="SECONDLOOK_BUDGET_MONTH_USD",
        description="a number from 0 to 1000000000: all users' dollars in a month; unset: no limit",
    )
    ledger_url: Annotated[
        Annotated[SecretStr, AfterValidator(_postgres_url)] | None, BeforeValidator(_unset_if_blank)
    ] = Field(
        None,
        validation_alias="SECONDLOOK_LEDGER_URL",
        description="postgresql://user:password@host:port/database, a database of its own; "
        "unset: ledger.db in SECONDLOOK_DATA_DIR",
    )
    log_format: Literal["text", "json"] = Field(
        "text",
        validation_alias="SECONDLOOK_LOG_FORMAT",
        description="text or json; json: one object a line, with the ids of the run, its batch and its trace",
    )
    trace_url: Annotated[str, AfterValidator(_url)] | None = Field(
        None,
        validation_alias="SECONDLOOK_TRACE_URL",
        description="the http:// or https:// address of a trace, with {trace_id}; run details link to it",
    )
    public_url: Annotated[str, AfterValidator(_url)] | None = Field(
        None,
        validation_alias="SECONDLOOK_PUBLIC_URL",
        description="the http:// or https:// address by which browsers know the dashboard, behind a proxy; "
        "unset: as the browser asked",
    )
    webhook_url: Annotated[
        Annotated[SecretStr, AfterValidator(_webhook_url)] | None, BeforeValidator(_unset_if_blank)
    ] = Field(
        None,
        validation_alias="SECONDLOOK_WEBHOOK_URL",
        description="a public https:// address, without user or password, that is told what became of runs; "
        "with SECONDLOOK_WEBHOOK_SECRET",
    )
    webhook_secret: Annotated[
        Annotated[SecretStr, AfterValidator(_webhook_secret)] | None, BeforeValidator(_unset_if_blank)
    ] = Field(
        None,
        validation_alias="SECONDLOOK_WEBHOOK_SECRET",
        description="whsec_ and 24 to 64 random bytes in Base64, the key of the webhook's signatures; "
        "never shown",
    )
    openai_api_key: Annotated[_Key | None, BeforeValidator(_unset_if_blank)] = Field(
        None, validation_alias="OPENAI_API_KEY", description="the key; printable ASCII, never shown"
    )
    openai_base_url: Annotated[str, AfterValidator(_url)] = Field(
        "https://api.openai.com/v1",
        validation_alias="OPENAI_BASE_URL",
        description="an http:// or https:// address of a server that speaks the protocol of chat completions",
    )
    azure_endpoint: Annotated[str, AfterValidator(_url)] | None = Field(
        None,
        validation_alias="AZURE_OPENAI_ENDPOINT",
        description="the http:// or https:// address of an Azure resource, for SECONDLOOK_AGENT=azure",
    )
    azure_api_key: Annotated[_Key | None, BeforeValidator(_unset_if_blank)] = Field(
        None,
        validation_alias="AZURE_OPENAI_API_KEY",
        description="the Azure resource's key; printable ASCII, never shown",
    )
    azure_api_version: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d(-preview)?$")] = Field(
        "2024-10-21",
        validation_alias=AliasChoices("SECONDLOOK_AZURE_API_VERSION", "OPENAI_API_VERSION"),
        description="Azure's api-version: YYYY-MM-DD or YYYY-MM-DD-preview",
    )
    supabase_url: Annotated[str, AfterValidator(_url)] | None = Field(
        None,
        validation_alias=AliasChoices("SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL"),
        description="the http:// or https:// address of a Supabase project; unset: the embedded store",
    )
    supabase_key: Annotated[
        Annotated[_Key, AfterValidator(_for_people)] | None, BeforeValidator(_unset_if_blank)
    ] = Field(
        None,
        validation_alias=AliasChoices("SUPABASE_KEY", "NEXT_PUBLIC_SUPABASE_ANON_KEY"),
        description="the project's publishable or anon key, for people who sign in; never a secret key",
    )
    supabase_secret_key: Annotated[
        Annotated[_Key, AfterValidator(_for_processes)] | None, BeforeValidator(_unset_if_blank)
    ] = Field(
        None,
        validation_alias="SUPABASE_SECRET_KEY",
        description="the project's secret or service_role key, for the command line; no page reaches it",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- the library names them
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The files as separate sources: merged, a setting's second name in the first file would lose."""
        files = (
            DotEnvSettingsSource(settings_cls, env_file=name, env_file_encoding="utf-8")
            for name in (".env.local", ".env")
        )
        return (init_settings, env_settings, *files)

    def __hash__(self) -> int:
        """By value, like its equality."""
        return hash(repr(self))

    def for_pages(self) -> Settings:
        """These settings without the secret key: what serves people never holds it."""
        return self.model_copy(update={"supabase_secret_key": None})

    def for_model(self, model: str) -> Settings:
        """These settings with another model.

        Args:
            model: Its name.

        Raises:
            SettingInvalid: No model can have that name.
        """
        if re.fullmatch(_MODEL, model) is None:
            raise SettingInvalid(
                f"The model is {model[:80]!r}; allowed: a model's or deployment's name, without spaces"
            )
        return self.model_copy(update={"model": model})

    def for_workers(self) -> Settings:
        """These settings for a worker, whatever the value of SECONDLOOK_CARRY.

        Raises:
            SettingInvalid: Runs cannot be dispatched to workers.
        """
        settings = self.model_copy(update={"dispatch": "workers"})
        settings.refuse_if_apart("A worker was started")
        return settings

    def refuse_if_apart(self, said: str = "SECONDLOOK_CARRY is 'workers'") -> None:
        """Check that workers and the processes that dispatch runs share a ledger.

        Raises:
            SettingInvalid: They have no common ledger.
        """
        if self.dispatch == "workers" and self.ledger_url is None:
            raise SettingInvalid(
                f"{said}, and SECONDLOOK_LEDGER_URL is not set: "
                "workers get their runs through a ledger on Postgres",
                hint="Set SECONDLOOK_LEDGER_URL, the same for all, or leave SECONDLOOK_CARRY unset.",
            )

    @property
    def model_is_set(self) -> bool:
        """Whether the model is set explicitly; such a model is never replaced."""
        return "model" in self.model_fields_set

    @property
    def production(self) -> bool:
        """True where SECONDLOOK_ENV=production."""
        return self.env == "production"


def forget_secret_key() -> None:
    """Take the secret key out of this process's environment: what serves people has no use for it."""
    for name in environment_names("supabase_secret_key"):
        os.environ.pop(name, None)


def environment_names(field: str) -> tuple[str, ...]:
    """The environment variables of a field of Settings, the one to use first."""
    alias = Settings.model_fields[field].validation_alias
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),)


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        SettingInvalid: A setting is not allowed; names it, its value (never a key's) and what is allowed.
    """
    try:
        _refuse_unknown()
        settings = Settings()  # pyright: ignore[reportCallIssue] -- every field has a default
        settings.refuse_if_apart()
        return settings  # noqa: TRY300 -- what is refused here is no ValidationError
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
    except (OSError, UnicodeDecodeError):
        raise SettingInvalid(".env or .env.local cannot be read: it must be a UTF-8 text file") from None
    name = str(wrong["loc"][0])
    given = repr(wrong["input"])[:80]
    # An address may hold a password, that of a webhook is one.
    hidden = any(word in name for word in ("KEY", "LEDGER", "WEBHOOK")) or "@" in given
    value = "(hidden)" if hidden else given
    names, allowed = _described(name)
    raise SettingInvalid(f"{names} is {value}; allowed: {allowed}")


def _refuse_unknown() -> None:
    """Name a setting of ours that does not exist: a budget with a typing error would be none.

    Raises:
        SettingInvalid: There is one.
    """
    known = [name for field in Settings.model_fields for name in environment_names(field)]
    given = {name.upper(): "the environment" for name in os.environ}
    for file in (".env", ".env.local"):
        given |= {name.upper(): file for name in dotenv_values(file, encoding="utf-8")}
    for name, where in sorted(given.items()):
        if name.startswith("SECONDLOOK_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise SettingInvalid(
                f"{name} in {where} is no setting{meant}", hint="docs/settings.md lists them all."
            )


def _described(name: str) -> tuple[str, str]:
    for field, info in Settings.model_fields.items():
        if name in environment_names(field):
            return " or ".join(environment_names(field)), info.description or ""
    return name, "see docs/settings.md"


def exported_signals() -> frozenset[str]:
    """What the `OTEL_` variables, which OpenTelemetry itself defines, ask to export: `traces`, `metrics`."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return frozenset()

    def asked(signal: str) -> bool:
        exporter = os.environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower()
        addresses = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
        return exporter != "none" and any(os.environ.get(name, "").strip() for name in addresses)

    return frozenset(signal.lower() for signal in ("TRACES", "METRICS") if asked(signal))
