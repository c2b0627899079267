"""What an attacker, a careless neighbour or bad luck does to a process, its files and its provider."""

from __future__ import annotations

import gzip
import html
import json
import os
import shutil
import stat

import pytest

from secondlook.dashboard.parts.problems import escape
from secondlook.domain.access import Access
from secondlook.execution.runner import Runner
from tests.processes import USER, Home, rows
from tests.provider import completion, refusing, replying

BOMB = gzip.compress(b" " * 50_000_000)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b"{}", {"content-type": "application/json; charset=undefined"}, id="no such charset"),
        pytest.param(b"{}", {"content-type": "application/json; charset=hex"}, id="charset that is a codec"),
        pytest.param(BOMB, {"content-encoding": "gzip"}, id="compressed bomb"),
        pytest.param(b"x" * 1_000_000, {}, id="long"),
        pytest.param(b"\xff\xfe", {}, id="not UTF-8"),
    ],
)
def test_an_errors_body_does_not_hide_its_status(home: Home, body: bytes, headers: dict[str, str]) -> None:
    """A refusal is a refusal, whatever its body holds."""
    home.provider.behaviour = replying(body, status=401, headers=headers)
    outcome = home.snapshot()
    assert (outcome.error["code"], outcome.error["message"]) == (
        "provider_error",
        "OpenAI API error (401): Unauthorized",
    )
    assert home.runs()[0]["status"] == "failed"


def test_a_refusal_that_breaks_off_is_a_refusal(home: Home) -> None:
    """A 500 whose body is cut off has failed: its outcome is known."""
    home.provider.behaviour = lambda exchange: exchange.reply("{", status=500, length=100)
    assert home.snapshot().error["code"] == "provider_error"


def test_the_prompt_is_not_quoted_in_parts(home: Home) -> None:
    """A server's error that repeats a part of the prompt, reformatted, is not passed on."""
    week = home.sample.answer["demand"]["weekly_volume"]
    told = " ".join(f"{entry['week'][-2:]} = {entry['count']}" for entry in week)
    home.provider.behaviour = refusing(400, f"Invalid content: &quot;{told}&quot;")
    assert home.snapshot().error["message"] == "OpenAI API error (400): Bad Request"


def test_what_cannot_be_stored_can_be_canceled(home: Home) -> None:
    """A run whose answer the store refuses for good can be canceled; its answer is kept."""
    home.store(
        "create trigger no before insert on snapshots begin select raise(abort, 'no'); end",
    )
    outcome = home.snapshot()
    assert outcome.error["code"] == "store_unavailable"
    assert home.call("cancel", outcome.error["run_id"]).code == 0
    assert home.calls()[0]["body"]
    assert home.call("cancel", outcome.error["run_id"]).code == 0
    home.store("drop trigger no")
    done = home.snapshot()
    assert home.call("cancel", done.fields["run_id"]).code == 1


def test_a_replaced_store_is_noticed(home: Home) -> None:
    """A process that lives on reads the store that replaced its own."""
    services = home.services()
    assert services.store(Access(USER)).load(home.sample.source_id, USER) is not None
    other = home.folder / "other.db"
    shutil.copy(home.data / "store.db", other)
    rows(other, "delete from estimate_buckets")
    rows(other, "pragma journal_mode = delete")
    other.replace(home.data / "store.db")
    record = services.store(Access(USER)).load(home.sample.source_id, USER)
    assert record is not None
    assert record.buckets is None


def test_new_files_are_their_owners_alone(home: Home) -> None:
    """Store and ledger hold buckets and answers: nobody else may read them."""
    shutil.rmtree(home.data)
    home.data.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        assert home.snapshot().code == 0
    finally:
        os.umask(before)
    for name in ("store.db", "ledger.db"):
        assert stat.S_IMODE((home.data / name).stat().st_mode) == 0o600


def test_undecodable_columns_are_not_quoted(home: Home) -> None:
    """A column that is no UTF-8 gives a rule's message, without its content."""
    home.store("update estimate_buckets set weekly_volume = cast(x'5b7b22736563726574ff' as text)")
    outcome = home.snapshot()
    assert outcome.error["code"] == "buckets_invalid"
    assert "secret" not in outcome.out + outcome.err


def test_an_unexpected_error_is_no_traceback(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong, the command line tells its kind alone."""

    def fail(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(Runner, "submit", fail)
    outcome = home.snapshot()
    assert outcome.error["message"] == "Unexpected error (ZeroDivisionError)"
    assert "secret" not in outcome.out + outcome.err


@pytest.mark.parametrize(
    "text",
    [
        *("www.evil.example", "https://evil.example", "a@evil.example", ":material/x:", ":smile:", ":+1:"),
        *(":100:", "a -> b", "a <- b", "a <-> b", "a -- b", "5 >= 4", "4 <= 5", "3 ~= 3", "@-> b"),
    ],
)
def test_untrusted_text_is_shown_and_copied_as_it_is(text: str) -> None:
    """Text that Streamlit would change is parted by an element, never by a character."""
    parts = escape(text).split(":small{}")
    assert len(parts) > 1
    assert html.unescape("".join(parts)) == text


def test_a_wrong_body_of_right_length_is_kept(home: Home) -> None:
    """An answer with another success status than 200 is kept with the status that it came with."""
    body = json.dumps(completion(json.dumps(home.sample.answer)))
    home.provider.behaviour = replying(body, status=201)
    assert home.snapshot().code == 0
    assert home.calls()[0]["http_status"] == 201
