"""Runs on a store that people sign in to: each goes on by its own user's access, and waits without it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import pytest

from secondlook.domain.access import Access
from secondlook.domain.runs import Run, RunStatus
from secondlook.errors import NotSignedIn, SettingInvalid
from secondlook.execution import sweep
from secondlook.execution.runner import Runner, run_snapshot
from secondlook.services import Services
from secondlook.settings import load_settings
from secondlook.stores.base import Store
from tests.examples import NOBODY, OTHER_USER, SOURCE, USER, example_answer
from tests.ledger.executing import claimable, claimed, expire
from tests.processes import eventually
from tests.recording import RecordingStore
from tests.tables import EmbeddedTables


class SignedServices(Services):
    """The services of a project without its secret key, on tables of this machine."""

    def __init__(self, behind: RecordingStore) -> None:
        super().__init__(load_settings())
        self.behind = behind

    def store(self, access: Access) -> Store:
        """See `Services.store`: it opens by a valid token alone."""
        assert access.token is not None
        access.token()
        return self.behind


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[SignedServices]:
    """A project with a source of one user, and an agent that answers here."""
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SUPABASE_KEY", "sb_publishable_x")
    monkeypatch.setenv("SECONDLOOK_AGENT", "offline")
    with closing(RecordingStore(tmp_path / "behind.db")) as behind:
        EmbeddedTables(tmp_path / "behind.db").add_source(SOURCE)
        yield SignedServices(behind)


@pytest.fixture
def tables(services: SignedServices, tmp_path: Path) -> EmbeddedTables:  # noqa: ARG001 -- it makes the file
    """The tables."""
    return EmbeddedTables(tmp_path / "behind.db")


@pytest.fixture
def runner(services: SignedServices) -> Runner:
    """A runner that nobody was admitted to yet."""
    return Runner(services)


class Session:
    """Somebody's session, which may end."""

    def __init__(self, user_id: str = USER) -> None:
        self.access = Access(user_id, token=self.token)
        self.over = False
        self.when_asked: Callable[[], None] = lambda: None

    def token(self) -> str:
        """See `Access.token`."""
        self.when_asked()
        if self.over:
            raise NotSignedIn("The session has ended")
        return "token"


def answered(services: Services, run: Run) -> Run:
    """The run, answered and executed by nobody."""
    assert services.ledger.begin_call(claimed(services.ledger, run)) == 1
    services.ledger.journal(run.run_id, 1, example_answer())
    expire(services.settings.data_dir / "ledger.db", run.run_id)
    return services.ledger.get(run.run_id)


def in_state(state: str, services: Services, runner: Runner) -> Run:
    """A run of the user's, as whoever began it left it before the server started anew."""
    run = runner.submit(SOURCE, Session().access)
    return run if state == "queued" else answered(services, run)


WAITING = pytest.mark.parametrize("state", ["queued", "answered"])


@WAITING
def test_a_run_waits_for_its_user(
    services: SignedServices, runner: Runner, tables: EmbeddedTables, state: str
) -> None:
    """The worker is told, with its id; it stays as it was, nothing is sent or written."""
    run = in_state(state, services, runner)
    with pytest.raises(NotSignedIn) as caught:
        runner.execute(run.run_id)
    assert caught.value.run_id == run.run_id
    assert "next sign-in" in caught.value.hint
    waiting = services.ledger.get(run.run_id)
    assert (waiting.status, waiting.attempts) == (run.status, run.attempts)
    assert waiting.error is not None
    assert waiting.error.code == "not_signed_in"
    assert services.behind.asked == ["load"]
    assert tables.count("snapshots") == 0


@WAITING
def test_the_sweep_leaves_it_alone(
    services: SignedServices,
    runner: Runner,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    state: str,
) -> None:
    """It is not picked up again and again only to be found waiting; a program's resume does not either."""
    monkeypatch.setattr(sweep, "SWEEP_SECONDS", 0.02)
    run = in_state(state, services, runner)
    before = services.ledger.get(run.run_id).model_dump(exclude={"elapsed_ms"})
    with caplog.at_level(logging.DEBUG, logger="secondlook"), runner.sweeping():
        time.sleep(0.3)
        assert runner.resume() == []
    assert services.ledger.get(run.run_id).model_dump(exclude={"elapsed_ms"}) == before
    assert claimable(services.ledger) == [run.run_id]
    assert caplog.messages == []


@WAITING
def test_it_goes_on_when_its_user_is_back(
    services: SignedServices,
    runner: Runner,
    tables: EmbeddedTables,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
) -> None:
    """The sweep finds it; what was paid for is not asked for again."""
    monkeypatch.setattr(sweep, "SWEEP_SECONDS", 0.02)
    run = in_state(state, services, runner)
    with runner.sweeping():
        runner.admit(Session(OTHER_USER).access)
        time.sleep(0.2)
        assert claimable(services.ledger) == [run.run_id]  # another's access is not theirs
        runner.admit(Session().access)
        eventually(lambda: services.ledger.get(run.run_id).status is RunStatus.DONE)
    ended = services.ledger.get(run.run_id)
    assert (ended.attempts, ended.error) == (1, None)
    assert tables.status(SOURCE) == "snapshot_generated"


def test_resume_takes_up_whoever_is_there(
    services: SignedServices, runner: Runner, tables: EmbeddedTables
) -> None:
    """One user's runs go on, another's wait."""
    tables.add_source(NOBODY, user_id=OTHER_USER)
    mine = runner.submit(SOURCE, Session().access)
    theirs = runner.submit(NOBODY, Session(OTHER_USER).access)
    runner.admit(Session(OTHER_USER).access)
    assert [(run.run_id, run.status) for run in runner.resume()] == [(theirs.run_id, RunStatus.DONE)]
    assert claimable(services.ledger) == [mine.run_id]


def test_an_access_by_the_process_admits_nobody(services: SignedServices, runner: Runner) -> None:
    """Without the secret key there is no such right, whoever makes one up."""
    run = runner.submit(SOURCE, Session().access)
    runner.admit(Access(USER))
    assert runner.resume() == []
    with pytest.raises(NotSignedIn):
        runner.execute(run.run_id)
    assert services.ledger.get(run.run_id).attempts == 0


@WAITING
def test_a_session_that_has_ended(services: SignedServices, runner: Runner, state: str) -> None:
    """It is forgotten as soon as it is found out, and the run waits for the next one."""
    run = in_state(state, services, runner)
    session = Session()
    runner.admit(session.access)
    session.over = True
    assert [(each.run_id, each.status) for each in runner.resume()] == [(run.run_id, run.status)]
    waiting = services.ledger.get(run.run_id)
    assert waiting.error is not None
    assert (waiting.error.code, waiting.attempts) == ("not_signed_in", run.attempts)
    assert runner.resume() == []
    runner.admit(Session().access)
    (ended,) = runner.resume()
    assert (ended.status, ended.attempts) == (RunStatus.DONE, 1)


def test_a_session_that_ends_as_another_begins(services: SignedServices, runner: Runner) -> None:
    """The newer one is kept: it is not forgotten for the older one's end."""
    run = runner.submit(SOURCE, Session().access)
    older, newer = Session(), Session()
    older.over = True
    older.when_asked = lambda: runner.admit(newer.access)
    runner.admit(older.access)
    assert [each.status for each in runner.resume()] == [RunStatus.QUEUED]
    assert [each.status for each in runner.resume()] == [RunStatus.DONE]
    assert services.ledger.get(run.run_id).attempts == 1


def test_a_session_that_ends_during_the_call(
    services: SignedServices, runner: Runner, monkeypatch: pytest.MonkeyPatch, tables: EmbeddedTables
) -> None:
    """The answer that the store does not take any more is kept, and stored by the next session."""
    session = Session()
    runner.admit(session.access)
    run = runner.submit(SOURCE, session.access)
    save = RecordingStore.save_snapshot

    def refuse(*_: object) -> None:
        session.over = True
        raise NotSignedIn("The session has ended")

    monkeypatch.setattr(RecordingStore, "save_snapshot", refuse)
    with pytest.raises(NotSignedIn):
        runner.execute(run.run_id)
    assert services.ledger.get(run.run_id).status is RunStatus.ANSWERED
    monkeypatch.setattr(RecordingStore, "save_snapshot", save)
    runner.admit(Session().access)
    assert runner.execute(run.run_id).attempts == 1
    assert tables.count("snapshots") == 1


def test_a_doubt_waits_for_nobody(services: SignedServices, runner: Runner) -> None:
    """A run whose request was out has an unknown outcome, so that its user can decide when they are back."""
    run = runner.submit(SOURCE, Session().access)
    assert services.ledger.begin_call(claimed(services.ledger, run)) == 1
    expire(services.settings.data_dir / "ledger.db", run.run_id)
    assert [(each.run_id, each.status) for each in runner.resume()] == [(run.run_id, RunStatus.IN_DOUBT)]


def test_run_snapshot_needs_the_secret_key(services: SignedServices) -> None:
    """A program has no session: it is told which setting lets it act, before anything is read."""
    with pytest.raises(SettingInvalid, match=r"^SUPABASE_SECRET_KEY is not set"):
        run_snapshot(source_id=SOURCE, user_id=USER)
    assert services.behind.asked == []
    assert services.ledger.list(USER) == []


def test_a_short_token_does_not_replace_a_session(services: SignedServices, runner: Runner) -> None:
    """A program of the same person asks by a token that ends; the run goes on by the browser's session."""
    run = in_state("queued", services, runner)
    program = Session()
    runner.admit(Access(USER, token=Session().token, renews=True))
    runner.admit(program.access)
    program.over = True
    assert runner.execute(run.run_id).status is RunStatus.DONE


def test_why_it_waited_is_forgotten_when_it_goes_on(services: SignedServices, runner: Runner) -> None:
    """Whoever looks while it is executed is not told that nobody is there."""
    run = in_state("queued", services, runner)
    with pytest.raises(NotSignedIn):
        runner.execute(run.run_id)
    assert services.ledger.get(run.run_id).error is not None
    assert claimed(services.ledger, run).error is None
    assert services.ledger.get(run.run_id).error is None
