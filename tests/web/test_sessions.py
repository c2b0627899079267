"""Sessions on both kinds of database, with tokens of a real Supabase."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.local_supabase import Server, local_supabase
from secondlook.auth.accounts import Accounts, Grant
from secondlook.auth.sessions import KEPT_SECONDS, Sessions
from secondlook.connections.database import Database
from secondlook.connections.supabase import Project
from secondlook.errors import NotSignedIn, StoreUnavailable
from secondlook.ledger.database import ledger_database
from tests.ledger.executing import Where, query
from tests.processes import ROOT
from tests.supabase.proxy import Behaviour, Exchange, Proxy, first, of_renewals, passing_on, resetting, saying
from tests.supabase_server import NewUser, SupabaseUser, sign_up
from tests.supabase_server import sign_in as sign_in_elsewhere

SHORT_SECONDS = 4
"""Of the short tokens: an access token names whole seconds, so that it may be valid for one less."""


@dataclass
class Replica:
    """What one process holds, on a ledger that others may share."""

    sessions: Sessions
    where: Where

    def begin(self, user: SupabaseUser) -> str:
        """Sign somebody in."""
        return self.sessions.begin(self.sessions.accounts.sign_in(user.email, user.password))

    def token(self, session_id: str) -> str:
        """The token that a page asks the store with."""
        found = self.sessions.find(session_id)
        assert found is not None, "nobody is signed in"
        assert found.access.token is not None
        return found.access.token()

    def rows(self, columns: str = "*") -> list[tuple[object, ...]]:
        """The table, past the product."""
        return query(self.where, f"select {columns} from sessions")  # noqa: S608 -- the suite's own names

    def age(self, *, left: float | None = None) -> None:
        """As if every token were due for renewal, and expired in so many seconds."""
        query(self.where, "update sessions set renew_at = 0")
        if left is not None:
            query(self.where, "update sessions set expires_at = renewed_at + ?", left)


NewReplica = Callable[..., Replica]


@pytest.fixture
def new_replica(where: Where, supabase_server: Server, proxy: Proxy) -> Generator[NewReplica]:
    """Makes replicas on one ledger, each with connections of its own."""
    with ExitStack() as stack:

        def make(url: str = proxy.url) -> Replica:
            project = Project(url, supabase_server.publishable_key)
            stack.callback(project.close)
            database: Database = ledger_database(where)
            stack.callback(database.close)
            return Replica(Sessions(database, Accounts(project)), where)

        yield make


@pytest.fixture
def replica(new_replica: NewReplica) -> Replica:
    """One process."""
    return new_replica()


@pytest.fixture
def person(supabase_user: SupabaseUser) -> SupabaseUser:
    """Who signs in."""
    return supabase_user


@pytest.fixture(scope="module")
def short_server() -> Generator[Server]:
    """A Supabase whose access tokens are short."""
    with local_supabase(fsync=False, jwt_expiry=SHORT_SECONDS) as server:
        yield server


@pytest.fixture
def short_proxy(supabase_server: Server, short_server: Server) -> Generator[Proxy]:  # noqa: ARG001 -- skips where none can run
    """A proxy in front of it."""
    with closing(Proxy(short_server.url)) as made:
        yield made


# -- begin, find, end -----------------------------------------------------------------------------------


def test_begin_and_find(replica: Replica, person: SupabaseUser) -> None:
    """The id of a session finds the person, and a token that Supabase knows them by."""
    session_id = replica.begin(person)
    found = replica.sessions.find(session_id)
    assert found is not None
    assert (found.email, found.access.user_id, found.access.reviewer) == (person.email, person.user_id, False)
    assert replica.sessions.accounts.person(replica.token(session_id)).user_id == person.user_id


def test_ids_are_long_and_new(replica: Replica, person: SupabaseUser) -> None:
    """No id comes twice, and each has 256 random bits."""
    ids = {replica.begin(person) for _ in range(3)}
    assert len(ids) == 3
    assert all(len(each) >= 43 for each in ids)


STRANGE_IDS = {
    "empty": "",
    "forged": "A" * 43,
    "nul": "\0",
    "surrogate": "\ud800",
    "quote": "' or 1=1 --",
    "long": "x" * 100_000,
}


@pytest.mark.parametrize("session_id", STRANGE_IDS.values(), ids=STRANGE_IDS)
def test_strange_ids_find_nobody(replica: Replica, person: SupabaseUser, session_id: str) -> None:
    """An unknown id finds nobody and ends nothing, whatever it holds."""
    replica.begin(person)
    assert replica.sessions.find(session_id) is None
    replica.sessions.end(session_id)
    assert len(replica.rows()) == 1


def test_an_id_near_a_real_one(replica: Replica, person: SupabaseUser) -> None:
    """Neither another case nor a space more finds a session, nor does the hash that the database holds."""
    session_id = replica.begin(person)
    digest = str(replica.rows("id")[0][0])
    for near in (session_id.swapcase(), f"{session_id} ", session_id[:-1], digest):
        assert replica.sessions.find(near) is None


def test_end(replica: Replica, person: SupabaseUser) -> None:
    """After sign-out the id finds nobody, no token is left, and Supabase knows the old ones no more."""
    session_id = replica.begin(person)
    found = replica.sessions.find(session_id)
    assert found is not None
    assert found.access.token is not None
    token = found.access.token()
    replica.sessions.end(session_id)
    assert replica.sessions.find(session_id) is None
    assert replica.rows() == []
    with pytest.raises(NotSignedIn):
        found.access.token()
    with pytest.raises(NotSignedIn):
        replica.sessions.accounts.person(token)


def test_end_everywhere(new_replica: NewReplica, person: SupabaseUser, new_supabase_user: NewUser) -> None:
    """Sign-out in one browser ends the session in another, on any replica; other people stay signed in."""
    first, second = new_replica(), new_replica()
    somebody_else = second.begin(new_supabase_user())
    here, there = first.begin(person), second.begin(person)
    first.sessions.end(here)
    assert second.sessions.find(there) is None
    assert second.sessions.find(somebody_else) is not None
    assert second.token(somebody_else)


def test_end_reaches_other_programs(replica: Replica, supabase_server: Server, person: SupabaseUser) -> None:
    """Sign-out ends the person's sessions in other programs of the same project as well."""
    elsewhere = sign_in_elsewhere(supabase_server, person)
    replica.sessions.end(replica.begin(person))
    assert supabase_server.ask("GET", "/auth/v1/user", token=elsewhere.access_token).status == 403


def test_end_with_supabase_down(replica: Replica, proxy: Proxy, person: SupabaseUser) -> None:
    """Sign-out signs out here, even where Supabase cannot be told."""
    session_id = replica.begin(person)
    proxy.spoil(resetting)
    replica.sessions.end(session_id)
    assert replica.sessions.find(session_id) is None


def test_end_after_the_token_expired(
    short_server: Server, short_proxy: Proxy, new_replica: NewReplica
) -> None:
    """Somebody who comes back after an hour and signs out is signed out everywhere as well."""
    replica = new_replica(short_proxy.url)
    person = sign_up(short_server)
    session_id = replica.begin(person)
    elsewhere = sign_in_elsewhere(short_server, person)
    threading.Event().wait(SHORT_SECONDS + 0.1)
    replica.sessions.end(session_id)
    renewed = short_server.ask(
        "POST", "/auth/v1/token?grant_type=refresh_token", {"refresh_token": elsewhere.refresh_token}
    )
    assert renewed.status == 400


def test_unused_sessions_are_forgotten(replica: Replica, person: SupabaseUser) -> None:
    """A session that nobody has used for a month goes when the next one begins."""
    old = replica.begin(person)
    query(replica.where, "update sessions set renewed_at = renewed_at - ?", KEPT_SECONDS + 1)
    new = replica.begin(person)
    assert replica.sessions.find(old) is None
    assert replica.sessions.find(new) is not None


# -- what lies in the database --------------------------------------------------------------------------


def test_tokens_lie_encrypted(replica: Replica, person: SupabaseUser) -> None:
    """The database holds neither a token nor the id, in no column."""
    grant = replica.sessions.accounts.sign_in(person.email, person.password)
    session_id = replica.sessions.begin(grant)
    held = repr(replica.rows())
    for secret in (session_id, grant.access_token, grant.refresh_token, person.password):
        assert secret not in held
    if isinstance(replica.where, Path):
        files = b"".join(file.read_bytes() for file in replica.where.parent.glob(f"{replica.where.name}*"))
        for secret in (session_id, grant.access_token, grant.refresh_token):
            assert secret.encode() not in files


def test_a_copy_of_the_database_opens_nothing(replica: Replica, person: SupabaseUser) -> None:
    """With everything that a row holds, no token is reached: the key is in the cookie alone."""
    session_id = replica.begin(person)
    digest = str(replica.rows("id")[0][0])
    forged = "B" * 43
    # As one who may write to the database would try: another's tokens under an id of their own.
    query(replica.where, "update sessions set id = ?", _digest(forged))
    with pytest.raises(NotSignedIn):
        replica.token(forged)
    query(replica.where, "update sessions set id = ?", digest)
    assert replica.token(session_id)


def _digest(session_id: str) -> str:
    import hashlib

    return hashlib.sha256(session_id.encode()).hexdigest()


def test_nothing_secret_is_shown(replica: Replica, person: SupabaseUser) -> None:
    """Neither a grant nor a session shows its tokens where it is printed."""
    grant: Grant = replica.sessions.accounts.sign_in(person.email, person.password)
    session_id = replica.sessions.begin(grant)
    shown = f"{grant!r} {replica.sessions.find(session_id)!r}"
    for secret in (session_id, grant.access_token, grant.refresh_token):
        assert secret not in shown


# -- restarts and replicas ------------------------------------------------------------------------------


def test_survives_a_restart(new_replica: NewReplica, person: SupabaseUser) -> None:
    """Another process on the same ledger finds the session, and its tokens."""
    first = new_replica()
    session_id = first.begin(person)
    assert new_replica().token(session_id) == first.token(session_id)


def test_a_replica_reads_the_renewal_of_another(new_replica: NewReplica, person: SupabaseUser) -> None:
    """What one replica has renewed, the other takes."""
    first, second = new_replica(), new_replica()
    session_id = first.begin(person)
    old = first.token(session_id)
    first.age()
    new = second.token(session_id)
    assert new != old or len(first.rows()) == 1
    assert first.token(session_id) == new
    assert query(first.where, "select version from sessions") == [(1,)]


# -- renewal --------------------------------------------------------------------------------------------


def test_many_ask_at_once(new_replica: NewReplica, proxy: Proxy, person: SupabaseUser) -> None:
    """Whoever asks at the moment of a renewal gets a token; each refresh token is traded once."""
    replicas = [new_replica() for _ in range(2)]
    session_id = replicas[0].begin(person)
    rounds = 10
    with ThreadPoolExecutor(8) as pool:
        for _ in range(rounds):
            replicas[0].age()
            asked = [pool.submit(replicas[number % 2].token, session_id) for number in range(16)]
            assert all(one.result(timeout=30) for one in asked)
    traded = [asked.body["refresh_token"] for asked in proxy.renewals]
    assert len(traded) == len(set(traded)) == rounds
    assert query(replicas[0].where, "select version from sessions") == [(rounds,)]


def test_expired_tokens_are_waited_for(new_replica: NewReplica, proxy: Proxy, person: SupabaseUser) -> None:
    """Where the old token is no good any more, all wait for the one who renews it, and get the new one."""
    replicas = [new_replica() for _ in range(2)]
    session_id = replicas[0].begin(person)
    old = replicas[0].token(session_id)
    release = threading.Event()

    proxy.spoil(first(lambda: release.wait(10)), when=of_renewals)
    replicas[0].age(left=0)
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(replicas[number % 2].token, session_id) for number in range(6)]
        assert not any(one.done() for one in asked)
        threading.Event().wait(0.5)
        release.set()
        tokens = {one.result(timeout=30) for one in asked}
    assert len(tokens) == 1
    assert len(proxy.renewals) == 1
    assert old not in tokens or len(replicas[0].rows()) == 1


def test_nobody_waits_while_the_old_one_is_valid(
    new_replica: NewReplica, proxy: Proxy, person: SupabaseUser
) -> None:
    """While one renews a token that still holds, the others go on with it at once."""
    first, second = new_replica(), new_replica()
    session_id = first.begin(person)
    old = first.token(session_id)
    started, release = threading.Event(), threading.Event()

    def slow(exchange: Exchange) -> None:
        started.set()
        release.wait(10)
        passing_on(exchange)

    proxy.spoil(slow, when=of_renewals)
    first.age()
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(first.token, session_id)
        assert started.wait(10)
        assert second.token(session_id) == old
        release.set()
        assert renewing.result(timeout=30) == second.token(session_id)
    assert len(proxy.renewals) == 1


def test_two_processes_with_short_tokens(
    short_server: Server, short_proxy: Proxy, new_replica: NewReplica, where: Where
) -> None:
    """Two real processes outlive several tokens: each renewal happens once, nobody is thrown out."""
    replica = new_replica(short_proxy.url)
    session_id = replica.begin(sign_up(short_server))
    command = [sys.executable, "-m", "tests.web.ask_tokens", short_proxy.url, short_server.publishable_key]
    asking = [
        subprocess.Popen(
            [*command, str(where), str(3 * SHORT_SECONDS)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in asking:
        assert process.stdin is not None
        process.stdin.write(session_id + "\n")
        process.stdin.flush()
    said = [json.loads(process.communicate(timeout=60)[0]) for process in asking]
    assert [answer["wrong"] for answer in said] == [[], []]
    assert all(answer["asked"] > 100 for answer in said)
    traded = [asked.body["refresh_token"] for asked in short_proxy.renewals]
    assert len(traded) == len(set(traded))
    assert 2 <= len(traded) <= 5
    used = set(said[0]["tokens"]) | set(said[1]["tokens"])
    assert len(used) <= len(traded) + 1


def test_supabase_down_at_renewal(replica: Replica, proxy: Proxy, person: SupabaseUser) -> None:
    """The old token holds as long as it is valid; then the error is clear, and it passes."""
    session_id = replica.begin(person)
    old = replica.token(session_id)
    proxy.spoil(resetting)
    replica.age()
    assert replica.token(session_id) == old
    assert replica.token(session_id) == old
    replica.age(left=0)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"Supabase.* cannot be reached"):
            replica.token(session_id)
    assert replica.sessions.find(session_id) is not None
    proxy.mend()
    assert replica.token(session_id)
    assert query(replica.where, "select version from sessions") == [(1,)]


PASSING = {
    "500": saying("/auth/v1/token", 500, code=500, msg="Database error"),
    "502": saying("/auth/v1/token", 502, message="Bad gateway"),
    "503": saying("/auth/v1/token", 503, message="Unavailable"),
    "429": saying(
        "/auth/v1/token",
        429,
        code=429,
        error_code="over_request_rate_limit",
        msg="Request rate limit reached",
    ),
    "bad-key": saying("/auth/v1/token", 401, message="Invalid API key"),
    "no-session": saying("/auth/v1/token", 200),
    "another-shape": saying("/auth/v1/token", 200, access_token=1, user=[]),
}


@pytest.mark.parametrize("weather", PASSING.values(), ids=PASSING)
def test_what_passes_throws_nobody_out(
    replica: Replica, proxy: Proxy, person: SupabaseUser, weather: Behaviour
) -> None:
    """An answer that says nothing of the session leaves it: it goes on once Supabase is well again."""
    session_id = replica.begin(person)
    old = replica.token(session_id)
    proxy.spoil(weather)
    replica.age()
    assert replica.token(session_id) == old
    replica.age(left=0)
    with pytest.raises(StoreUnavailable):
        replica.token(session_id)
    proxy.mend()
    assert replica.token(session_id)


def test_revoked(replica: Replica, person: SupabaseUser) -> None:
    """A session that Supabase has revoked ends at its renewal, and its row goes."""
    session_id = replica.begin(person)
    replica.sessions.accounts.sign_out(replica.token(session_id))
    replica.age()
    with pytest.raises(NotSignedIn):
        replica.token(session_id)
    assert replica.rows() == []
    assert replica.sessions.find(session_id) is None


def test_a_dead_renewer_is_outlived(
    new_replica: NewReplica, proxy: Proxy, person: SupabaseUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies while it renews keeps nobody out for longer than its claim lasts."""
    monkeypatch.setattr("secondlook.auth.sessions._RENEWAL_SECONDS", 0.5)
    replica = new_replica()
    session_id = replica.begin(person)
    replica.age(left=0)
    query(replica.where, "update sessions set renewing_until = renewed_at + 1")
    assert replica.token(session_id)
    assert len(proxy.renewals) == 1


def test_sign_out_during_a_renewal(new_replica: NewReplica, proxy: Proxy, person: SupabaseUser) -> None:
    """A renewal that ends after sign-out brings no session back."""
    first, second = new_replica(), new_replica()
    session_id = first.begin(person)
    started, release = threading.Event(), threading.Event()

    def slow(exchange: Exchange) -> None:
        started.set()
        release.wait(10)
        passing_on(exchange)

    proxy.spoil(slow, when=of_renewals)
    first.age()
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(first.token, session_id)
        assert started.wait(10)
        second.sessions.end(session_id)
        release.set()
        assert isinstance(renewing.exception(timeout=30), (NotSignedIn, type(None)))
    assert first.rows() == []
    assert second.sessions.find(session_id) is None
