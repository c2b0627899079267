"""Which store, which agent, which ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondlook.errors import ApiKeyMissing, LedgerUnavailable, SettingInvalid, StoreUnavailable
from secondlook.wiring import connect
from tests.examples import OTHER_USER, USER

KEY = {"OPENAI_API_KEY": "sk-a1b2c3"}
PRODUCTION = {"SECONDLOOK_ENV": "production"}


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
        pytest.param({"SUPABASE_URL": "https://x.supabase.example"}, None, id="not the embedded store"),
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
    assert connect().default_user() == USER
    monkeypatch.setenv("SECONDLOOK_USER", OTHER_USER)
    assert connect().default_user() == OTHER_USER


def test_supabase_is_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for it is told, rather than shown samples."""
    monkeypatch.setenv("SUPABASE_URL", "https://x.supabase.example")
    with pytest.raises(SettingInvalid, match="SUPABASE_URL"):
        _ = connect().store


@pytest.mark.parametrize("part", ["store", "ledger"])
def test_a_data_folder_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, part: str
) -> None:
    """The setting and the folder are named."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("SECONDLOOK_DATA_DIR", str(folder))
        with pytest.raises((StoreUnavailable, LedgerUnavailable)) as caught:
            getattr(connect(), part)
        assert caught.value.message.startswith(f"SECONDLOOK_DATA_DIR {folder} cannot be used: ")


def test_the_data_folder_is_its_owners_alone() -> None:
    """Buckets and answers lie there."""
    wiring = connect()
    wiring.store.ping()
    wiring.ledger.ping()
    assert wiring.settings.data_dir.stat().st_mode & 0o077 == 0
    assert {"store.db", "ledger.db"} <= {each.name for each in wiring.settings.data_dir.iterdir()}


def test_closing_and_using_again() -> None:
    """What was closed is opened again when it is next used."""
    wiring = connect()
    wiring.ledger.ping()
    wiring.close()
    wiring.ledger.ping()
