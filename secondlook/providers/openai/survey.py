"""Checks a server and its models without a paid request, by its list of models alone.

No server reports whether it enforces a JSON schema. The table beside this module lists what is known of some
kinds of server; for the others the result is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from secondlook.domain.addresses import public_address
from secondlook.domain.base import Frozen
from secondlook.errors import ProviderError
from secondlook.providers.base import Finding

if TYPE_CHECKING:
    from secondlook.providers.openai.protocol import ChatCompletions

_Entry = Mapping[str, object]


class Server(Frozen):
    """A kind of server, how it is recognized, and whether it holds answers to a JSON schema.

    Attributes:
        owner: What its models are owned by.
        header: A header of its answers.
        json_schema: None where that depends on the server behind it.
    """

    name: str
    owner: str | None = None
    header: str | None = None
    json_schema: bool | None = None


class _Servers(Frozen):
    read_on: date
    servers: tuple[Server, ...]


@lru_cache(maxsize=1)
def _table() -> tuple[Server, ...]:
    text = resources.files("secondlook.providers.openai").joinpath("servers.json").read_text(encoding="utf-8")
    return _Servers.model_validate_json(text).servers


def look(provider: ChatCompletions) -> list[Finding]:
    """Findings: whether the server is reachable and has the model, when that ends, and what it can do."""
    headers: Mapping[str, str] = {}
    where = f"{provider.label} at {public_address(provider.address)}{_key_start(provider)}"
    try:
        headers, body = provider.list_models()
    except ProviderError as error:
        if error.status not in {404, 405, 501}:
            return [Finding("agent", ok=False, detail=f"{where}: {error.message}"), _by_table(provider)]
        body = None
    entries = _entries(body)
    if entries is None:
        unlisted = f"{where}; it does not list its models"
        return [
            Finding("agent", ok=True, detail=unlisted),
            _by_table(provider),
            _schema(provider, None, None),
        ]
    entry = next((each for each in entries if _names(each.get("id"), provider.model)), None)
    kind = _recognize(headers, entry, entries)
    named = f"{where}, {kind.name}" if kind is not None else where
    return [
        Finding("agent", ok=True, detail=f"{named}, {len(entries):,} models"),
        _model(provider, entry),
        _schema(provider, kind, entry),
    ]


def _key_start(provider: ChatCompletions) -> str:
    key = provider.key.get_secret_value() if provider.key is not None else ""
    return f", key {key[: min(7, len(key) // 4)]}…" if key else ", no key"


def _entries(body: object) -> list[_Entry] | None:
    data: Any = cast("Mapping[str, object]", body).get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        return None
    return [cast("_Entry", each) for each in cast("list[object]", data) if isinstance(each, dict)]


def _names(listed: object, model: str) -> bool:
    """Ollama lists a model by its tag, and takes it without `:latest`."""
    return isinstance(listed, str) and listed.removesuffix(":latest") == model.removesuffix(":latest")


def _recognize(headers: Mapping[str, str], entry: _Entry | None, entries: list[_Entry]) -> Server | None:
    owner = next((each.get("owned_by") for each in (entry, *entries) if each is not None), None)
    return next(
        (
            server
            for server in _table()
            if (server.owner is not None and server.owner == owner)
            or (server.header is not None and server.header in headers)
        ),
        None,
    )


def _model(provider: ChatCompletions, entry: _Entry | None) -> Finding:
    by_table = _by_table(provider)
    if entry is None:
        return provider.unlisted() if by_table.ok else by_table
    told = entry.get("shutdown_date")
    if not by_table.ok or not isinstance(told, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", told):
        return by_table
    return Finding("model", ok=True, detail=f"{provider.notice() or provider.model} (shutdown_date: {told})")


def _by_table(provider: ChatCompletions) -> Finding:
    return Finding("model", ok=not provider.ended(), detail=provider.notice() or provider.model)


def _schema(provider: ChatCompletions, kind: Server | None, entry: _Entry | None) -> Finding:
    """The finding whether answers are held to the schema, as far as it is known before a paid run."""
    told = (entry or {}).get("supported_parameters")  # OpenRouter's
    family = provider.family(provider.model)
    if isinstance(told, list):
        known = "structured_outputs" in told
        by = "as the server's list of models says"
    elif kind is not None:
        known, by = kind.json_schema, f"as {kind.name} does"
    elif provider.name != "compatible" and family is not None:
        known, by = family.json_schema, "as the model's family does"
    else:
        known, by = None, ""
    if known is None:
        detail = "unknown whether answers are held to a JSON schema: run `secondlook try-model`"
        return Finding("schema", ok=True, detail=detail)
    if known:
        return Finding("schema", ok=True, detail=f"answers are held to a JSON schema, {by}")
    return Finding(
        "schema",
        ok=False,
        detail=f"answers are not held to a JSON schema (at most json_object), {by}: most would be rejected. "
        "Choose another model with SECONDLOOK_MODEL, or another server",
    )
