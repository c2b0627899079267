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
from secondlook.errors import StoreUnavailable
from secondlook.execution.runner import Runner
from tests.processes import USER, Home, eventually, rows
from tests.provider import answering, answering_after, completion, refusing, replying
from tests.tables import newest

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


def test_a_run_asks_the_agent_it_was_queued_for(home: Home) -> None:
    """A run that waits for OpenAI is not paid for while the settings say offline; it says so."""
    services = home.services()
    run = Runner(services).submit(home.sample.source_id, Access(USER))
    home.set(SECONDLOOK_AGENT="offline")
    (resumed,) = home.call("resume").items
    assert (resumed["status"], resumed["error_code"]) == ("queued", "setting_invalid")
    assert home.provider.requests == []
    assert home.call("cancel", run.run_id).code == 0


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


def test_both_answers_of_a_run_are_priced(home: Home) -> None:
    """Where a run was sent twice and answered twice, its cost is that of both."""
    home.set(SECONDLOOK_DEADLINE_SECONDS="0.4")
    home.provider.behaviour = answering_after(1, home.sample.answer)
    doubt = home.snapshot().error
    home.provider.behaviour = answering(home.sample.answer)
    assert home.call("resend", doubt["run_id"]).code == 0
    eventually(lambda: all(call["cost_nanousd"] for call in home.calls()))
    (run,) = home.call("runs").items
    assert run["attempts"] == 2
    assert run["cost_usd"] == pytest.approx(sum(call["cost_nanousd"] for call in home.calls()) / 1e9)


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


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"count": "12"}, id="count as text"),
        pytest.param({"count": True}, id="count as true"),
        pytest.param({"more": 1}, id="another key"),
    ],
)
def test_an_external_snapshot_is_not_coerced(home: Home, change: dict[str, object]) -> None:
    """A stored result that breaks the locked schema is refused, not made to fit."""
    made = home.snapshot().fields
    result = made["result"]
    result["demand"]["weekly_volume"][0] |= change
    home.store("update snapshots set result = ?", json.dumps(result))
    with pytest.raises(StoreUnavailable, match="does not match the locked schema"):
        newest(home.services().store(Access(USER)), home.sample.source_id)


def test_a_snapshot_that_contradicts_its_row(home: Home) -> None:
    """A result that tells another count than its row is not shown."""
    assert home.snapshot().code == 0
    home.store("update snapshots set estimate_count = 99")
    with pytest.raises(StoreUnavailable, match="tells other things"):
        newest(home.services().store(Access(USER)), home.sample.source_id)


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


def test_of_one_second_the_last_run_is_newest(home: Home) -> None:
    """Of snapshots that were made here the ledger's number decides, in whatever order they are stored."""
    for _ in range(5):
        assert home.snapshot("--regenerate").code == 0
    home.store("update snapshots set generated_at = '2026-11-22T10:00:00Z'")
    made = home.ledger("select run_id from runs order by number")
    listed = {row["source_id"]: row for row in json.loads(home.call("sources").out)}
    assert listed[home.sample.source_id]["snapshot_id"] == made[-1]["run_id"]
    assert [run["run_id"] for run in made] == sorted(run["run_id"] for run in made)
