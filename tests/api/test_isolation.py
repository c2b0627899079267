"""Nobody but their owner reaches a source, a snapshot or a run, on any path; a reviewer sees only runs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.api.conftest import PROBLEM, Json, Someone, problem_of
from tests.examples import NOBODY
from tests.provider import Provider, resetting
from tests.supabase_server import minted_token, sign_in

# -- the API -----------------------------------------------------------------------------------------------


def test_nothing_of_another_is_listed(ann: Someone, bob: Someone, rita: Someone) -> None:
    """The list is one's own, whatever is asked for; a reviewer's, too."""
    his = bob.add_source(name="Bob's own")
    bob.made(his)
    mine = ann.add_source(name="Ann's own")
    for query in (
        "",
        "?search=own",
        "?search=Bob",
        "?status=snapshot_generated",
        "?limit=500",
        "?sort=created&order=desc&limit=500",
    ):
        for person, own in ((ann, {mine}), (rita, set[str]())):
            answer = person.get(f"/api/sources{query}")
            assert answer.status_code == 200
            assert {source["source_id"] for source in answer.json()["sources"]} <= own
            assert answer.json()["total"] <= len(own)
            assert "Bob" not in answer.text
    for attempt in (f"user_id={bob.user_id}", f"user_id=eq.{bob.user_id}", "select=*", "or=(user_id.neq.x)"):
        problem_of(ann.get(f"/api/sources?{attempt}"), 422, "request_invalid")


@pytest.mark.parametrize("what", ["runs", "snapshots"])
def test_nothing_of_another_is_read(ann: Someone, bob: Someone, what: str) -> None:
    """Another's id and one that does not exist: the same bytes, but for nothing."""
    made = bob.made(bob.add_source())
    ids = [
        made["run_id"],
        made["source_id"],
        bob.user_id,
        ann.user_id,
        str(uuid4()),
        "x",
        made["run_id"].upper(),
    ]
    answers = [ann.get(f"/api/{what}/{one}") for one in ids]
    body = problem_of(answers[0], 404, "source_not_found")
    assert body["detail"] == f"Invalid {what[:-1]}_id: not found"
    assert {answer.content for answer in answers} == {answers[0].content}
    heads = {tuple(sorted((k, v) for k, v in answer.headers.items() if k != "date")) for answer in answers}
    assert len(heads) == 1
    assert bob.get(f"/api/{what}/{made['run_id']}").status_code == 200


@pytest.mark.parametrize("how", [{}, {"regenerate": True}, {"prefer": "wait"}, {"key": "k"}])
def test_nothing_of_another_is_run(
    ann: Someone, bob: Someone, rita: Someone, provider: Provider, how: dict[str, Json]
) -> None:
    """Another's source is not found: new, with a snapshot, with an unknown outcome; for a reviewer, too."""
    fresh, generated, doubtful = bob.add_source(), bob.add_source(), bob.add_source()
    bob.made(generated)
    provider.behaviour = resetting
    bob.press(doubtful, prefer="wait")
    before = len(provider.requests)
    ids = [fresh, generated, doubtful, bob.add_source(with_buckets=False), str(uuid4()), "x"]
    answers = [person.press(source, **how) for person in (ann, rita) for source in ids]
    assert problem_of(answers[0], 404, "source_not_found")["detail"] == "Invalid source_id: not found"
    assert {answer.content for answer in answers} == {answers[0].content}
    assert len(provider.requests) == before
    assert bob.tables.status(fresh) == "bucketed"


def test_a_reviewer_reads_runs_alone(ann: Someone, bob: Someone, rita: Someone, provider: Provider) -> None:
    """A reviewer reads anybody's run, to the letter, and neither snapshot nor source; others read nothing."""
    made = bob.made(bob.add_source())
    run = bob.get(f"/api/runs/{made['run_id']}")
    assert rita.get(f"/api/runs/{made['run_id']}").content == run.content
    assert "result" not in run.json()
    problem_of(rita.get(f"/api/snapshots/{made['snapshot_id']}"), 404, "source_not_found")
    assert rita.get("/api/sources").json() == {"sources": [], "total": 0}
    problem_of(rita.press(made["source_id"], regenerate=True), 404, "source_not_found")
    unknown = rita.get(f"/api/runs/{uuid4()}")
    assert unknown.content == rita.get("/api/runs/x").content
    problem_of(unknown, 404, "source_not_found")
    problem_of(ann.get(f"/api/runs/{made['run_id']}"), 404, "source_not_found")
    provider.behaviour = resetting
    failed = problem_of(bob.press(bob.add_source(), prefer="wait"), 409, "in_doubt")
    assert rita.get(f"/api/runs/{failed['run_id']}").json()["error"]["code"] == "in_doubt"


def test_a_reviewers_own(rita: Someone, provider: Provider) -> None:
    """A reviewer is a person with sources as well."""
    made = rita.made(rita.add_source())
    assert rita.get(f"/api/snapshots/{made['snapshot_id']}").status_code == 200
    assert len(provider.requests) >= 1


def test_a_role_that_users_give_themselves(ann: Someone, bob: Someone) -> None:
    """user_metadata, which people write themselves, makes nobody a reviewer."""
    made = bob.made(bob.add_source())
    metadata = {"data": {"role": "reviewer", "app_metadata": {"role": "reviewer"}}}
    ann.server.ask("PUT", "/auth/v1/user", metadata, token=ann.token).expect(200)
    fresh = replace(ann, token=sign_in(ann.server, ann.user).access_token)
    for person in (ann, fresh):
        problem_of(person.get(f"/api/runs/{made['run_id']}"), 404, "source_not_found")


def test_a_role_that_was_taken(rita: Someone, bob: Someone) -> None:
    """The role is Supabase's current value, not the token's."""
    made = bob.made(bob.add_source())
    assert rita.get(f"/api/runs/{made['run_id']}").status_code == 200
    rita.server.sql(
        "update auth.users set raw_app_meta_data = (raw_app_meta_data #>> '{}')::jsonb - 'role' "
        "where id = $1::text::uuid",
        rita.user_id,
    )
    problem_of(rita.get(f"/api/runs/{made['run_id']}"), 404, "source_not_found")


# -- tokens ------------------------------------------------------------------------------------------------


def _claiming(**claims: Json) -> str:
    return _token(json.dumps(claims).encode())


def _token(payload: bytes) -> str:
    parts = (b'{"alg":"none","typ":"JWT"}', payload, b"signature")
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


_FAR = 4_000_000_000

Make = Callable[[Someone], str]

_TOKENS: dict[str, Make] = {
    "a word": lambda _: "token",
    "dots": lambda _: "..",
    "a list": lambda _: _token(b"[1]"),
    "no JSON": lambda _: _token(b"{"),
    "deep JSON": lambda _: _token(b"[" * 5_000),
    "no end": lambda who: _claiming(sub=who.user_id, role="authenticated"),
    "an end that is text": lambda _: _claiming(exp=str(_FAR)),
    "an end that is no number": lambda _: _token(b'{"exp": NaN}'),
    "an endless end": lambda _: _token(b'{"exp": Infinity}'),
    "unsigned": lambda who: _claiming(sub=who.user_id, role="authenticated", aud="authenticated", exp=_FAR),
    "unsigned, of the service role": lambda _: _claiming(role="service_role", exp=_FAR),
    "expired": lambda who: minted_token(who.server, who.user_id, seconds=-1),
    "forged": lambda who: minted_token(who.server, who.user_id, secret="x" * 40),
    "of nobody": lambda who: minted_token(who.server, NOBODY),
    "of no UUID": lambda who: minted_token(who.server, "somebody"),
    "cut": lambda who: who.token[:-4],
    "changed": lambda who: who.token[:-4] + "AAAA",
    "twice": lambda who: f"{who.token} {who.token}",
    "the publishable key": lambda who: who.server.publishable_key,
    "the secret key": lambda who: who.server.secret_key,
    "a refresh token": lambda who: who.user.refresh_token,
    "signed out": lambda who: _signed_out(who, "local"),
    "signed out everywhere": lambda who: _signed_out(who, "global"),
    "long": lambda _: _claiming(exp=_FAR, pad="x" * 6_000),
}

_WRONG: dict[str, Make] = {
    "an end beyond all numbers": lambda _: _token(b'{"exp": %s}' % (b"9" * 400)),  # 500
    "longer than Supabase reads": lambda _: _claiming(exp=_FAR, pad="x" * 20_000),  # 503
}


def _signed_out(who: Someone, scope: str) -> str:
    session = sign_in(who.server, who.user)
    assert who.door.ask("GET", "/api/sources", token=session.access_token).status_code == 200
    who.server.ask("POST", f"/auth/v1/logout?scope={scope}", token=session.access_token).expect(204)
    return session.access_token


_REQUESTS: list[tuple[str, str, Json]] = [
    ("GET", "/api/sources", None),
    ("GET", f"/api/runs/{NOBODY}", None),
    ("GET", "/api/runs/x", None),
    ("GET", f"/api/snapshots/{NOBODY}", None),
    ("POST", "/api/snapshots", {"source_id": NOBODY}),
]


@pytest.mark.parametrize(
    "make",
    [
        *(pytest.param(make, id=name) for name, make in _TOKENS.items()),
        *(pytest.param(make, id=name) for name, make in _WRONG.items()),
    ],
)
def test_a_token_that_is_none(ann: Someone, make: Make) -> None:
    """401, and the same for all: nothing tells forged from expired or signed out."""
    expired = minted_token(ann.server, ann.user_id, seconds=-1)
    whole = ann.door.ask("GET", "/api/sources", token=expired)
    assert problem_of(whole, 401, "not_signed_in")["detail"] == "The session has ended"
    token = make(ann)
    for method, path, body in _REQUESTS:
        # After an error that nobody expected the server closes the connection; others would be in its way.
        answer = ann.door.ask(method, path, token=token, json=body, headers={"Connection": "close"})
        problem_of(answer, 401, "not_signed_in")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.content == whole.content


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("Bearer", id="the scheme alone"),
        pytest.param("Basic {token}", id="Basic"),
        pytest.param("Token {token}", id="Token"),
        pytest.param("BearerX {token}", id="a longer scheme"),
        pytest.param("{token}", id="no scheme"),
    ],
)
def test_no_token(ann: Someone, authorization: str | None) -> None:
    """Without a bearer token 401 as well, with what to send; the token counts nowhere else."""
    headers = {} if authorization is None else {"Authorization": authorization.format(token=ann.token)}
    headers |= {"apikey": ann.server.publishable_key, "X-Authorization": f"Bearer {ann.token}"}
    answers = [
        ann.door.ask(method, f"{path}?access_token={ann.token}", headers=headers, json=body)
        for method, path, body in _REQUESTS
    ]
    body = problem_of(answers[0], 401, "not_signed_in")
    assert body["hint"] == "Send a Supabase access token as Authorization: Bearer."
    assert {answer.content for answer in answers} == {answers[0].content}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("é".encode() + b".e30.x", id="no payload"),
        pytest.param(
            b"\xe9." + _claiming(exp=_FAR).split(".")[1].encode() + b".x",
            id="a payload",
        ),
    ],
)
def test_a_token_that_is_not_ascii(ann: Someone, token: bytes) -> None:
    """A token with bytes that no token has is refused like any other."""
    status, answer = ann.door.send(
        b"GET /api/sources HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer "
        + token
        + b"\r\n\r\n"
    )
    assert status == 401
    assert PROBLEM.encode() in answer


def test_a_cookie_opens_no_api(ann: Someone) -> None:
    """The pages' session is not the API's: another site's page could send it."""
    for name in ("session", "__Host-session", "secondlook", "sb-access-token"):
        answer = ann.door.ask("GET", "/api/sources", headers={"Cookie": f"{name}={ann.token}"})
        problem_of(answer, 401, "not_signed_in")


def test_no_token_is_logged(ann: Someone) -> None:
    """Neither a token nor its claims, nor a traceback, are in the front door's log."""
    ann.get("/api/sources")
    ann.door.ask("GET", "/api/sources", token=minted_token(ann.server, ann.user_id, secret="x" * 40))
    for part in ann.token.split("."):
        assert part not in ann.door.log
    assert ann.user.email not in ann.door.log
