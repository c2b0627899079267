"""The Idempotency-Key: one run for a key and a body, whatever happens in between."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.api.conftest import Someone, problem_of
from tests.provider import Provider


@pytest.mark.parametrize("regenerate", [None, False, True])
def test_the_same_again(ann: Someone, provider: Provider, regenerate: bool | None) -> None:
    """The same key and body give the same run, also after it is done: no second call."""
    source, key = ann.add_source(), str(uuid4())
    first = ann.begin(source, key=key, regenerate=regenerate)
    ann.ended(first)
    assert ann.begin(source, key=key, regenerate=regenerate) == first
    made = ann.made(source, key=key, regenerate=regenerate)
    assert made["run_id"] == first
    assert made["result"] == ann.get(f"/api/snapshots/{first}").json()["result"]
    assert len(provider.requests) == 1


def test_another_key_is_another_wish(ann: Someone, provider: Provider) -> None:
    """With regenerate, each key makes one snapshot."""
    source = ann.add_source()
    made = [ann.made(source, key=key, regenerate=True)["run_id"] for key in ("a", "b", "a", "b", "A")]
    assert made[:2] == made[2:4]
    assert len(set(made)) == len(provider.requests) == 3


def test_what_is_left_out_is_the_same(ann: Someone, provider: Provider) -> None:
    """Left out, regenerate is false: the same body; so are other spaces and another order."""
    source = ann.add_source()
    first = ann.made(source, key="k")["run_id"]
    assert ann.made(source, key="k", regenerate=False)["run_id"] == first
    sent = f'{{\n "regenerate" : false,\n "source_id" : "{source}" }}'
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    assert ann.ask("POST", "/api/snapshots", content=sent, headers=headers).json()["run_id"] == first
    assert len(provider.requests) == 1


@pytest.mark.parametrize("change", ["regenerate", "source", "unknown source"])
def test_another_body_under_the_key(ann: Someone, provider: Provider, change: str) -> None:
    """Another body under a key that is taken is refused, and says why; the key keeps its run."""
    source = ann.add_source()
    first = ann.made(source, key="k")["run_id"]
    other = {"regenerate": source, "source": ann.add_source(), "unknown source": str(uuid4())}[change]
    for prefer in (None, "wait"):
        answer = ann.press(other, key="k", regenerate=True if change == "regenerate" else None, prefer=prefer)
        body = problem_of(answer, 422, "request_invalid")
        assert body["reason"] == "idempotency_key"
        assert body["detail"] == "The Idempotency-Key was used for another request"
    assert ann.begin(source, key="k") == first
    assert len(provider.requests) == 1


def test_one_key_for_several_sources_at_once(ann: Someone, provider: Provider) -> None:
    """Of several bodies under one key at the same time one is taken, the others are refused and not run."""
    sources = [ann.add_source() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        pressed = [pool.submit(ann.press, source, key="k") for source in sources]
        answers = [one.result() for one in pressed]
    assert Counter(answer.status_code for answer in answers) == {202: 1, 422: 5}
    run = next(answer.json()["run_id"] for answer in answers if answer.status_code == 202)
    assert ann.ended(run)["status"] == "done"
    assert len(provider.requests) == 1
    assert sorted(ann.tables.status(source) for source in sources) == ["bucketed"] * 5 + [
        "snapshot_generated"
    ]


def test_a_key_outlives_the_server(ann: Someone, provider: Provider) -> None:
    """After a restart the key still names its run."""
    source = ann.add_source()
    made = ann.made(source, key="k", regenerate=True)
    ann.door.stop()
    ann.door.start()
    again = ann.made(source, key="k", regenerate=True)
    assert again == made
    problem_of(ann.press(source, key="k"), 422, "request_invalid")
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("key", "good"),
    [
        pytest.param(b"k", True, id="one character"),
        pytest.param(b"k" * 255, True, id="255 characters"),
        pytest.param(b'"8e03978e-40d5-43dd-bc93-6894a57f9324"', True, id="quoted"),
        pytest.param(b"a b", True, id="a space"),
        pytest.param(b"'; drop table submissions; --", True, id="SQL"),
        pytest.param(b"", False, id="empty"),
        pytest.param(b"   ", False, id="spaces alone"),
        pytest.param(b"k" * 256, False, id="256 characters"),
        pytest.param(b"k" * 30_000, False, id="30000 characters"),
        pytest.param(b"a\tb", False, id="tabulator"),
        pytest.param(b"a\x01b", False, id="control character"),
        pytest.param(b"a\x00b", False, id="NUL"),
        pytest.param(b"a\x7fb", False, id="DEL"),
        pytest.param("clé".encode(), False, id="UTF-8"),
        pytest.param(b"\xff\xfe", False, id="no UTF-8"),
    ],
)
def test_odd_keys(ann: Someone, provider: Provider, key: bytes, good: bool) -> None:
    """A key is 1 to 255 printable ASCII characters; any other is refused, and never with a 5xx."""
    body = json.dumps({"source_id": ann.add_source()}).encode()
    status, answer = ann.door.send(
        b"POST /api/snapshots HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nPrefer: wait\r\n"
        b"Authorization: Bearer " + ann.token.encode() + b"\r\nIdempotency-Key: " + key + b"\r\n"
        b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    )
    assert (status == 200) if good else (400 <= status < 500), answer
    assert len(provider.requests) == good


def test_no_key_is_no_key(ann: Someone, provider: Provider) -> None:
    """Without a key, each request for another snapshot gets one."""
    source = ann.add_source()
    made = {ann.made(source, regenerate=True)["run_id"] for _ in range(2)}
    assert len(made) == len(provider.requests) == 2
