"""Which store, which agent, which ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from secondlook.domain.access import Access
from secondlook.errors import ApiKeyMissing, LedgerUnavailable, SettingInvalid, StoreUnavailable
from secondlook.services import Services, connect
from secondlook.stores.samples import MADE_UP_USER, SAMPLE_USERS
from tests.examples import OTHER_USER, USER

KEY = {"OPENAI_API_KEY": "sk-a1b2c3"}
PRODUCTION = {"SECONDLOOK_ENV": "production"}
SUPABASE = {"SUPABASE_URL": "https://x.supabase.example"}
PEOPLE = SUPABASE | {"SUPABASE_KEY": "sb_publishable_x"}
SECRET = {"SUPABASE_SECRET_KEY": "sb_secret_x"}


def agent(name: str) -> dict[str, str]:
    """SECONDLOOK_AGENT."""
    return {"SECONDLOOK_AGENT": name}


def set_all(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Set these variables."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, "offline", id="nothing set"),
        pytest.param(KEY, "openai", id="key"),
        pytest.param(KEY | PRODUCTION, "openai", id="key, production"),
        pytest.param(agent("offline"), "offline", id="offline"),
        pytest.param(agent("offline") | KEY, "offline", id="offline, key"),
        pytest.param(agent("openai") | KEY, "openai", id="openai, key"),
        pytest.param(PRODUCTION, None, id="production"),
        pytest.param(agent("openai"), None, id="openai"),
        pytest.param(SUPABASE, None, id="not the embedded store"),
        pytest.param(SUPABASE | KEY, "openai", id="Supabase, key"),
        pytest.param(SUPABASE | agent("offline"), "offline", id="Supabase, offline by name"),
    ],
)
def test_which_agent(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str | None
) -> None:
    """Auto takes OpenAI with a key; offline stands in on the embedded store in development alone."""
    set_all(monkeypatch, environment)
    if expected is None:
        with pytest.raises(
            ApiKeyMissing, match=r"^OPENAI_API_KEY is required\. Add it to your \.env\.local file\.$"
        ):
            connect().agent_name()
    else:
        assert connect().agent_name() == expected
        name = connect().agent_name()
        assert connect().agent(name).name == name


def test_default_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """SECONDLOOK_USER, or the first sample user."""
    monkeypatch.delenv("SECONDLOOK_USER")
    assert connect().default_user() == MADE_UP_USER == next(iter(SAMPLE_USERS))
    monkeypatch.setenv("SECONDLOOK_USER", OTHER_USER)
    assert connect().default_user() == OTHER_USER


def test_supabase_needs_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no first sample user of a real project."""
    set_all(monkeypatch, SUPABASE)
    monkeypatch.delenv("SECONDLOOK_USER")
    with pytest.raises(SettingInvalid, match=r"^No user is named$") as caught:
        connect().default_user()
    assert "--user" in caught.value.hint
    monkeypatch.setenv("SECONDLOOK_USER", OTHER_USER)
    assert connect().default_user() == OTHER_USER


def token() -> str:
    """An access token that nobody looks at."""
    return "token"


LOOKS: dict[str, tuple[dict[str, str], Callable[[Services], object], str]] = {
    "the project": ({}, lambda services: services.project, "SUPABASE_KEY"),
    "sessions": ({}, lambda services: services.sessions, "SUPABASE_KEY"),
    "the ping": ({}, lambda services: services.ping_store(), "SUPABASE_KEY"),
    "a person": ({}, lambda services: services.store(Access(USER, token=token)), "SUPABASE_KEY"),
    "a process": (PEOPLE, lambda services: services.store(Access(USER)), "SUPABASE_SECRET_KEY"),
    "its own right": (PEOPLE, lambda services: services.own_access(USER), "SUPABASE_SECRET_KEY"),
    "tables with rows": (PEOPLE, lambda services: services.tables_with_rows(), "SUPABASE_SECRET_KEY"),
}
"""What needs which key."""


@pytest.mark.parametrize("what", LOOKS)
def test_a_supabase_key_that_is_missing(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Whoever needs it is told which, rather than shown samples."""
    environment, look, missing = LOOKS[what]
    set_all(monkeypatch, SUPABASE | environment)
    services = connect()
    (services.settings.data_dir / "store.db").unlink()
    with pytest.raises(SettingInvalid, match=f"^{missing} is not set") as caught:
        look(services)
    assert caught.value.hint
    assert not (services.settings.data_dir / "store.db").exists()


@pytest.mark.parametrize(
    ("environment", "for_pages", "requires_sign_in", "has_service_key"),
    [
        pytest.param({}, False, False, True, id="embedded"),
        pytest.param({}, True, False, True, id="embedded, pages"),
        pytest.param({"SUPABASE_SECRET_KEY": "sb_secret_x"}, False, False, True, id="no address"),
        pytest.param(PEOPLE, False, True, False, id="people"),
        pytest.param(PEOPLE | SECRET, False, True, True, id="secret key"),
        pytest.param(PEOPLE | SECRET, True, True, False, id="secret key, pages"),
    ],
)
def test_by_what_right(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    *,
    for_pages: bool,
    requires_sign_in: bool,
    has_service_key: bool,
) -> None:
    """On Supabase a process acts for others by the secret key alone, and what serves people never does."""
    set_all(monkeypatch, environment)
    services = connect(for_pages=for_pages)
    assert (services.requires_sign_in, services.has_service_key) == (requires_sign_in, has_service_key)
    if has_service_key:
        assert services.own_access(USER) == Access(USER)
    else:
        assert services.settings.supabase_secret_key is None
        with pytest.raises(SettingInvalid):
            services.own_access(USER)


def test_without_a_secret_key_all_share_one_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page and a caller in its process share the connections; with one, they do not."""
    assert connect(for_pages=True) is connect()
    set_all(monkeypatch, PEOPLE | SECRET)
    assert connect(for_pages=True) is not connect()


@pytest.mark.parametrize("part", ["store", "ledger"])
def test_a_data_folder_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, part: str
) -> None:
    """The setting and the folder are named."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("SECONDLOOK_DATA_DIR", str(folder))
        with pytest.raises((StoreUnavailable, LedgerUnavailable)) as caught:
            connect().ping_store() if part == "store" else connect().ledger.ping()
        assert caught.value.message.startswith(f"SECONDLOOK_DATA_DIR {folder} cannot be used: ")


def test_the_data_folder_is_its_owners_alone() -> None:
    """Buckets and answers lie there."""
    services = connect()
    services.ping_store()
    services.ledger.ping()
    assert services.settings.data_dir.stat().st_mode & 0o077 == 0
    assert {"store.db", "ledger.db"} <= {each.name for each in services.settings.data_dir.iterdir()}


def test_closing_and_using_again() -> None:
    """What was closed is opened again when it is next used."""
    services = connect()
    services.ledger.ping()
    services.close()
    services.ledger.ping()
