"""The description at /api/openapi.json: it is true, and a fuzzer that follows it finds no 5xx."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jsonschema
import pytest

from tests.api.conftest import PROBLEM, FrontDoor, Json, Someone
from tests.provider import Provider, refusing, resetting

_OPERATIONS = {
    ("post", "/snapshots"),
    ("get", "/runs/{run_id}"),
    ("get", "/sources"),
    ("get", "/snapshots/{snapshot_id}"),
    ("get", "/snapshots/{snapshot_id}/insights"),
    ("post", "/snapshots/{snapshot_id}/insights"),
}

_CONFIG = """
[[operations]]
include-name = "POST /snapshots"
# A key that was used for another body is refused, which a schema cannot say.
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422"]
"""

_Sure = Callable[..., httpx.Response]


@pytest.fixture
def described(door: FrontDoor) -> Json:
    """The description, as anybody reads it."""
    answer = door.ask("GET", "/api/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return answer.json()


def test_a_fuzzer_finds_nothing(ann: Someone, provider: Provider, tmp_path: Path) -> None:
    """Schemathesis, with every check, in all its phases: bad and good requests, and sequences of them."""
    for _ in range(5):
        ann.add_source()
    (tmp_path / "schemathesis.toml").write_text(_CONFIG)
    logged = len(ann.door.log)
    fuzzed = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{ann.door.url}/api/openapi.json"),
            *("--header", f"Authorization: Bearer {ann.token}"),
            *("--max-examples", "100", "--generation-deterministic"),
            *("--workers", "1", "--request-timeout", "10"),
            *("--suppress-health-check", "all", "--no-color"),
        ],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert fuzzed.returncode == 0, fuzzed.stdout[-8000:] + fuzzed.stderr[-2000:]
    assert "6 selected / 6 total" in fuzzed.stdout
    assert "✅  Stateful" in fuzzed.stdout
    assert len(provider.requests) > 0  # it has found sources, and run them
    assert ann.door.log[logged:].count("Traceback") == 0


def test_what_is_described(described: Json) -> None:
    """Every operation, where it is, and that it wants a token."""
    assert described["openapi"].startswith("3.1")
    assert described["servers"] == [{"url": "/api"}]
    found = {(method, path) for path, methods in described["paths"].items() for method in methods}
    assert found == _OPERATIONS
    scheme = described["components"]["securitySchemes"]["HTTPBearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for method, path in _OPERATIONS:
        operation = described["paths"][path][method]
        assert operation["security"] == [{"HTTPBearer": []}]
        assert operation["description"]
    headers = {
        parameter["name"].lower()
        for parameter in described["paths"]["/snapshots"]["post"]["parameters"]
        if parameter["in"] == "header"
    }
    assert headers == {"idempotency-key", "prefer"}


def test_every_answer_has_a_shape(described: Json) -> None:
    """A client can be made of it: each success names its members, each refusal is a problem."""
    for method, path in _OPERATIONS:
        for status, answer in described["paths"][path][method]["responses"].items():
            ((media, content),) = answer["content"].items()
            assert media == (PROBLEM if int(status) >= 400 else "application/json")
            schema = _resolved(described, content["schema"])
            assert schema["properties"], (method, path, status)
            assert schema["required"], (method, path, status)


def _resolved(described: Json, schema: Json) -> Json:
    name = schema.get("$ref", "").rpartition("/")[2]
    return described["components"]["schemas"][name] if name else schema


def _closed(schema: Any) -> Any:  # noqa: ANN401 -- whatever JSON holds
    """The same schema, in which an object with named members has no other."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]  # pyright: ignore[reportUnknownVariableType] -- JSON
    if not isinstance(schema, dict):
        return schema
    closed: dict[str, Any] = {name: _closed(part) for name, part in schema.items()}  # pyright: ignore[reportUnknownVariableType] -- JSON
    if isinstance(closed.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


@pytest.fixture
def as_described(described: Json) -> _Sure:
    """Holds an answer against the description: its status, its media type, and exactly its members."""

    def check(answer: httpx.Response, method: str, path: str, status: int) -> httpx.Response:
        assert answer.status_code == status, answer.text
        answers = described["paths"][path][method]["responses"]
        content = answers[str(status)]["content"][answer.headers["content-type"]]
        schema = _closed({**content["schema"], "components": described["components"]})
        jsonschema.Draft202012Validator(schema).validate(answer.json())  # pyright: ignore[reportUnknownMemberType] -- its types are partial
        return answer

    return check


def test_successes_are_as_described(ann: Someone, as_described: _Sure) -> None:
    """Every success, with every member it can have."""
    source = ann.add_source()
    made = as_described(ann.press(source, prefer="wait"), "post", "/snapshots", 200).json()
    started = as_described(ann.press(source, regenerate=True), "post", "/snapshots", 202).json()
    ann.add_source()
    as_described(ann.get("/api/sources"), "get", "/sources", 200)
    as_described(ann.get(f"/api/runs/{started['run_id']}"), "get", "/runs/{run_id}", 200)
    ann.ended(started["run_id"])
    as_described(ann.get(f"/api/runs/{made['run_id']}"), "get", "/runs/{run_id}", 200)
    read = ann.get(f"/api/snapshots/{made['snapshot_id']}")
    as_described(read, "get", "/snapshots/{snapshot_id}", 200)
    insights = "/snapshots/{snapshot_id}/insights"
    address = f"/api/snapshots/{made['snapshot_id']}/insights"
    as_described(ann.get(address), "get", insights, 200)
    asked = as_described(ann.ask("POST", address), "post", insights, 202).json()
    ann.ended(asked["run_id"])
    as_described(ann.ask("POST", address, headers={"prefer": "wait"}), "post", insights, 200)


def test_refusals_are_as_described(
    ann: Someone, provider: Provider, new_door: Callable[..., FrontDoor], as_described: _Sure
) -> None:
    """Every refusal that can be had here, and the run of each that has one."""

    def refused(answer: httpx.Response, status: int) -> None:
        as_described(answer, "post", "/snapshots", status)

    refused(
        ann.ask("POST", "/api/snapshots", content=b"[" * 9000, headers={"content-type": "application/json"}),
        400,
    )
    refused(ann.door.ask("POST", "/api/snapshots", json={"source_id": "x"}), 401)
    refused(ann.press(str(uuid4())), 404)
    refused(ann.press(ann.add_source(with_buckets=False)), 409)
    refused(ann.ask("POST", "/api/snapshots", json={"source_id": 1}), 422)
    refused(ann.at(new_door(OPENAI_API_KEY=None)).press(ann.add_source()), 503)
    for behaviour, status in ((refusing(500, "No"), 502), (resetting, 409)):
        provider.behaviour = behaviour
        answer = ann.press(ann.add_source(), prefer="wait")
        refused(answer, status)
        run = ann.get(f"/api/runs/{answer.json()['run_id']}")
        as_described(run, "get", "/runs/{run_id}", 200)
    as_described(ann.get("/api/runs/x"), "get", "/runs/{run_id}", 404)
    as_described(ann.get("/api/snapshots/x"), "get", "/snapshots/{snapshot_id}", 404)
    as_described(ann.get("/api/sources?limit=0"), "get", "/sources", 422)
    for method, path in _OPERATIONS - {("post", "/snapshots")}:
        as_described(ann.door.ask(method.upper(), f"/api{path}"), method, path, 401)


def test_no_refusal_is_described_that_cannot_come(described: Json) -> None:
    """A list of sources is never not found, and reading calls no provider."""
    for path in (
        "/sources",
        "/runs/{run_id}",
        "/snapshots/{snapshot_id}",
        "/snapshots/{snapshot_id}/insights",
    ):
        assert not {"409", "413", "429", "502"} & set(described["paths"][path]["get"]["responses"])
    assert "404" not in described["paths"]["/sources"]["get"]["responses"]


def test_headers_are_described(described: Json) -> None:
    """Where the run is, and that the wish was granted."""
    answers = described["paths"]["/snapshots"]["post"]["responses"]
    assert "Location" in answers["202"]["headers"]
    assert "Preference-Applied" in answers["200"]["headers"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("a%0Ab", id="line break"),
        pytest.param("%0A", id="line break at the end"),
        pytest.param("%0D%0A", id="two of them"),
        pytest.param("a%2Fb", id="slash"),
        pytest.param("%5C", id="backslash"),
        pytest.param("%FF", id="no UTF-8"),
        pytest.param("%00", id="NUL"),
    ],
)
@pytest.mark.parametrize("what", ["runs", "snapshots"])
def test_odd_paths(ann: Someone, what: str, path: str) -> None:
    """Whatever stands where an id belongs is a problem, below 500."""
    status, answer = ann.door.send(
        f"GET /api/{what}/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {ann.token}\r\n\r\n".encode()
    )
    assert status in {400, 404}
    assert f"content-type: {PROBLEM}".encode() in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] in {"source_not_found", "request_invalid"}


def test_a_path_that_leads_elsewhere(ann: Someone) -> None:
    """Dots are refused in front of everything."""
    status, _ = ann.door.send(
        b"GET /api/runs/%2e%2e HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert status == 400
