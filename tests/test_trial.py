"""`secondlook try-model` on a real server: its figures, what it leaves alone, and what refuses it."""

from __future__ import annotations

import json
import math
import os
import pty
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from secondlook.domain.runs import TRIAL
from tests.batching import FIRST_COUNT, fill, row
from tests.examples import NOBODY, some
from tests.processes import Home
from tests.provider import Exchange, Json, completion, refusing, right_answer
from tests.tables import EmbeddedTables


def _miscounted(index: int) -> Json:
    answer = right_answer(row(index))
    answer["demand"]["weekly_volume"][0]["count"] += 1
    return completion(json.dumps(answer))


def _truncated(index: int) -> Json:
    made = completion(json.dumps(right_answer(row(index)))[:40])
    made["choices"][0]["finish_reason"] = "length"
    return made


ANSWERS: Mapping[int, Callable[[int], Json]] = {
    1: _miscounted,
    3: lambda _: completion("```json\n{}\n```"),
    4: _truncated,
    6: _miscounted,
}
"""The wrong answers by their source; that of source 5 is refused, and the others are right."""


def answer(exchange: Exchange) -> None:
    """Answer each source in its own way, each with other figures, and take longer for each."""
    found = some(re.search(r'"estimate_count":(\d+)', exchange.request.body["messages"][-1]["content"]))
    index = int(found[1]) - FIRST_COUNT
    if index == 5:
        refusing(400, "No")(exchange)
        return
    right = completion(json.dumps(right_answer(row(index))))
    made = ANSWERS[index](index) if index in ANSWERS else right
    usage = {"prompt_tokens": 700 + index, "completion_tokens": 300 + index, "total_tokens": 1000 + 2 * index}
    details = {"prompt_tokens_details": {"cached_tokens": index}}
    details["completion_tokens_details"] = {"reasoning_tokens": 2 * index}
    exchange.pause(0.02 * index)
    exchange.reply(json.dumps({**made, "usage": {**usage, **details}}))


@pytest.fixture
def trying(home: Home) -> Home:
    """Nine sources of NOBODY's, one of them with a status of its own, and the provider above."""
    home.provider.behaviour = answer
    ids = fill(home, 9)
    EmbeddedTables(home.data / "store.db").set_status(ids[8], "ingested")
    return home


def try_model(home: Home, *options: str) -> dict[str, Any]:
    """The command for NOBODY, to its end."""
    outcome = home.call("try-model", "--user", NOBODY, *options)
    assert outcome.code == 0, (outcome.out, outcome.err)
    return outcome.fields


def product(home: Home) -> list[Json]:
    """All that the product's tables hold."""
    tables = [each["name"] for each in home.store("select name from sqlite_master where type = 'table'")]
    assert {"sources", "snapshots"} <= set(tables)
    return [{"table": name, **each} for name in tables for each in home.store(f"select * from {name}")]  # noqa: S608 -- names of the file itself


def rank(values: list[int], percent: int) -> int:
    """The nearest rank, by its definition."""
    return next(
        v for v in sorted(values) if sum(x <= v for x in values) >= math.ceil(len(values) * percent / 100)
    )


def test_the_figures_are_those_of_an_independent_count(trying: Home) -> None:
    """Exact answers, mistakes, tokens, cost and durations, counted from what was sent and from the calls."""
    before = product(trying)
    told = try_model(trying, "--sources", "8")
    assert (told["sources"], told["exact"]) == (8, 3)
    found = {(each["rule"], each["reason"]): each["runs"] for each in told["mistakes"]}
    assert found == {("weekly_volume", "mismatch"): 2, ("json", "not_json"): 1, ("truncated", "truncated"): 1}
    assert (told["failures"], told["in_doubt"]) == ({"provider_error": 1}, 0)
    answered = [0, 1, 2, 3, 4, 6, 7]
    assert told["prompt_tokens"] == sum(700 + index for index in answered)
    assert told["completion_tokens"] == sum(300 + index for index in answered)
    assert told["total_tokens"] == sum(1000 + 2 * index for index in answered)
    assert (told["cached_tokens"], told["reasoning_tokens"]) == (sum(answered), 2 * sum(answered))
    calls = trying.calls()
    assert told["cost_usd"] == pytest.approx(sum(call["cost_nanousd"] or 0 for call in calls) / 1e9)
    assert told["cost_usd"] > 0
    took = [call["latency_ms"] for call in calls if call["outcome"] == "answered"]
    assert (told["latency_ms_p50"], told["latency_ms_p95"]) == (rank(took, 50), rank(took, 95))
    assert (told["model"], told["models_answered"]) == ("gpt-4o-2024-08-06", ["gpt-4o-2024-08-06"])
    assert {each["run_id"] for each in told["runs"]} == {run["run_id"] for run in trying.runs()}
    assert max(Counter(call["run_id"] for call in calls).values()) == 1
    assert product(trying) == before


def test_a_trial_is_counted_and_announced_nowhere_as_a_snapshot(trying: Home) -> None:
    """Budgets and usage count it under its own task; the outbox stays empty."""
    trying.set(
        SECONDLOOK_WEBHOOK_URL="https://hooks.example.com/x", SECONDLOOK_WEBHOOK_SECRET="whsec_" + "A" * 32
    )
    told = try_model(trying, "--sources", "2")
    usage = trying.call("usage", "--by", "task").fields["rows"]
    assert [(each["task"], each["runs"], each["calls"], each["cost_usd"]) for each in usage] == [
        (TRIAL, 2, 2, told["cost_usd"])
    ]
    spent = trying.call("budget", "--user", NOBODY).out
    assert '"calls": 2' in spent
    assert trying.ledger("select * from deliveries") == []
    run = trying.call("runs", "show", told["runs"][1]["run_id"], "--user", NOBODY).fields
    assert (run["task"], run["error"]["reason"]) == (TRIAL, "mismatch")
    assert [each["rule"] for each in run["checks"] if each["state"] == "failed"] == [told["runs"][1]["rule"]]


def test_a_snapshot_beside_it(trying: Home) -> None:
    """The tried source's snapshot is its run number 1 and is stored; it can be tried again after that."""
    (tried,) = try_model(trying, "--sources", "1")["runs"]
    made = trying.call("snapshot", tried["source_id"], "--user", NOBODY)
    assert made.code == 0, (made.out, made.err)
    assert made.fields["snapshot_id"] != tried["run_id"]
    numbers = {(run["task"], run["number"]) for run in trying.runs()}
    assert numbers == {(TRIAL, 1), ("snapshot", 1)}
    assert [each["id"] for each in trying.snapshots()] == [made.fields["snapshot_id"]]
    again = try_model(trying, "--sources", "8")
    assert tried["source_id"] in {each["source_id"] for each in again["runs"]}
    assert len(trying.snapshots()) == 1


def test_an_unknown_outcome_blocks_trials_alone(trying: Home) -> None:
    """Its figures stay unknown; its source's snapshot is made, and `resend` resolves the trial."""
    trying.provider.behaviour = lambda exchange: exchange.reset()
    told = try_model(trying, "--sources", "1")
    assert (told["exact"], told["in_doubt"], told["cost_usd"], told["total_tokens"]) == (0, 1, None, None)
    (tried,) = told["runs"]
    trying.provider.behaviour = answer
    refused = trying.call("try-model", "--sources", "1", "--user", NOBODY).error
    assert refused["code"] == "request_invalid"
    assert "outcome is unknown" in refused["message"]
    assert trying.call("snapshot", tried["source_id"], "--user", NOBODY).code == 0
    sent = trying.call("resend", tried["run_id"], "--user", NOBODY)
    assert (sent.code, sent.fields["status"], sent.fields["task"]) == (0, "done", TRIAL)
    assert len(trying.snapshots()) == 1


def test_budgets_refuse(trying: Home) -> None:
    """A budget that does not hold all of its calls, and the switch: nothing is queued and nothing sent."""
    trying.set(SECONDLOOK_BUDGET_USER_DAY_CALLS="2")
    refused = trying.call("try-model", "--sources", "3", "--user", NOBODY).error
    assert refused["code"] == "over_budget"
    assert "holds 2 of these 3 calls" in refused["message"]
    trying.call("switch", "off")
    assert trying.call("try-model", "--sources", "2", "--user", NOBODY).error["code"] == "over_budget"
    assert (trying.runs(), trying.provider.requests) == ([], [])
    trying.call("switch", "on")
    assert try_model(trying, "--sources", "2")["sources"] == 2
    assert trying.call("try-model", "--sources", "1", "--user", NOBODY).error["code"] == "over_budget"


def test_another_model(trying: Home) -> None:
    """--model asks it alone; later snapshots ask the model of the settings."""
    told = try_model(trying, "--sources", "1", "--model", "gpt-4.1-mini")
    assert told["model"] == trying.provider.requests[0].body["model"] == "gpt-4.1-mini"
    assert trying.call("snapshot", told["runs"][0]["source_id"], "--user", NOBODY).code == 0
    assert trying.provider.requests[1].body["model"] == "gpt-4o-2024-08-06"
    wrong = trying.call("try-model", "--model", "a model", "--user", NOBODY).error
    assert (wrong["code"], len(trying.provider.requests)) == ("setting_invalid", 2)


def test_fewer_sources_and_none(trying: Home) -> None:
    """Fewer are tried where there are fewer; without any it is an error with a hint."""
    assert try_model(trying, "--sources", "200")["sources"] == 8
    stranger = NOBODY.replace("0", "9")
    none = trying.call("try-model", "--user", stranger).error
    assert none["code"] == "request_invalid"
    assert "secondlook sources" in none["hint"]


def test_the_offline_agent_is_not_paid(home: Home) -> None:
    """Its usage is an estimate, and the forecast and the result say that nothing is paid."""
    home.set(SECONDLOOK_AGENT="offline")
    outcome = home.call("try-model", "--sources", "2")
    told = outcome.fields
    assert (told["exact"], told["usage_estimated"], told["cost_usd"]) == (2, True, 0)
    assert told["estimated_cost_usd"] > 0
    assert "nothing is paid" in outcome.err


def test_a_terminal_is_asked(trying: Home) -> None:
    """Without --yes a paid trial waits for consent, and `n` sends nothing."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "secondlook", "try-model", "--sources", "1", "--user", NOBODY]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *options],
            stdin=slave,
            capture_output=True,
            text=True,
            env=trying.env,
            cwd=trying.folder,
            check=False,
            timeout=60,
        )

    with os.fdopen(master, "wb", buffering=0) as terminal:
        terminal.write(b"n\n")
        refused = run()
        assert (refused.returncode, trying.provider.requests) == (1, [])
        assert "Start? [y/N]" in refused.stderr
        agreed = run("--yes")
        assert (agreed.returncode, len(trying.provider.requests)) == (0, 1)
        assert "Start?" not in agreed.stderr
        assert "Exact answers: 1 of 1" in agreed.stdout
