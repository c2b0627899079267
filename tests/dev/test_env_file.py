"""While a local Supabase runs its settings are in `.env.local`; nothing else there is touched."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dev.local_supabase.env_file import settings_in
from secondlook.settings import load_settings

SETTINGS = {"SUPABASE_URL": "http://127.0.0.1:54321", "SUPABASE_KEY": "sb_publishable_local"}
FILE = Path(".env.local")


def has_them() -> bool:
    """Whether a start would use the local Supabase."""
    settings = load_settings()
    key = settings.supabase_key
    return (settings.supabase_url, key and key.get_secret_value()) == tuple(SETTINGS.values())


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("", id="empty"),
        pytest.param("# mine\n\nSECONDLOOK_MODEL=gpt-5\n", id="settings"),
        pytest.param(
            "SUPABASE_URL=http://mine.example\nSUPABASE_KEY=sb_publishable_mine\n", id="the same ones"
        ),
        pytest.param("NEXT_PUBLIC_SUPABASE_URL=http://mine.example\n", id="by another name"),
        pytest.param("SOMETHING_ELSE='Größe'\n", id="not ASCII"),
    ],
)
def test_they_count_while_it_runs(before: str) -> None:
    """Whatever the file says; afterwards it says what it said."""
    FILE.write_text(before, encoding="utf-8")
    with settings_in(FILE, SETTINGS):
        assert FILE.read_text(encoding="utf-8").startswith(before)
        assert has_them()
    assert FILE.read_text(encoding="utf-8") == before


def test_a_last_line_without_an_end() -> None:
    """It is not run together with the first setting."""
    FILE.write_text("SECONDLOOK_MAX_TOKENS=1000", encoding="utf-8")
    with settings_in(FILE, SETTINGS):
        assert load_settings().max_tokens == 1000
        assert has_them()
    assert FILE.read_text(encoding="utf-8").splitlines() == ["SECONDLOOK_MAX_TOKENS=1000"]


def fail_while_it_runs() -> None:
    """What runs comes to a bad end."""
    with settings_in(FILE, SETTINGS):
        assert has_them()
        assert stat.S_IMODE(FILE.stat().st_mode) == 0o600
        raise ZeroDivisionError


def test_a_file_that_was_not_there() -> None:
    """It is gone afterwards, also where what runs fails; keys are for their owner alone."""
    with pytest.raises(ZeroDivisionError):
        fail_while_it_runs()
    assert list(Path().glob(".env*")) == []


def test_what_is_written_meanwhile_stays() -> None:
    """Before, between and after the settings of the one who runs it."""
    with settings_in(FILE, SETTINGS):
        FILE.write_text(f"A=1\n{FILE.read_text(encoding='utf-8')}B=2\n", encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == "A=1\nB=2\n"


def killed(before: str) -> None:
    """What a process leaves that is killed while it runs."""
    FILE.write_text(before, encoding="utf-8")
    with settings_in(FILE, {"SUPABASE_URL": "http://127.0.0.1:1"}):
        left = FILE.read_text(encoding="utf-8")
    FILE.write_text(left, encoding="utf-8")


def test_what_a_killed_one_left_is_replaced() -> None:
    """Its settings do not affect the next one's, and go with them."""
    killed("A=1\n")
    with settings_in(FILE, SETTINGS):
        assert FILE.read_text(encoding="utf-8").count("SUPABASE_URL") == 1
        assert has_them()
    assert FILE.read_text(encoding="utf-8") == "A=1\n"


def test_lines_after_a_broken_mark_stay() -> None:
    """Somebody has cut the end off what a killed one left: what they wrote below is theirs."""
    killed("")
    started = FILE.read_text(encoding="utf-8").splitlines()[:-1]
    mine = "\n".join((*started, "OPENAI_API_KEY=sk-mine\n"))
    FILE.write_text(mine, encoding="utf-8")
    with settings_in(FILE, SETTINGS):
        assert has_them()
    assert FILE.read_text(encoding="utf-8") == mine


def test_link_and_rights_stay(tmp_path: Path) -> None:
    """A file that is kept elsewhere is still kept there, for whom it was for."""
    kept = tmp_path / "elsewhere"
    kept.write_text("A=1\n", encoding="utf-8")
    kept.chmod(0o640)
    FILE.symlink_to(kept)
    with settings_in(FILE, SETTINGS):
        assert FILE.is_symlink()
        assert has_them()
    assert FILE.is_symlink()
    assert (kept.read_text(encoding="utf-8"), stat.S_IMODE(kept.stat().st_mode)) == ("A=1\n", 0o640)
