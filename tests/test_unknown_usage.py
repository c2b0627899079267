"""Usage that cannot be true: shown as unknown, with why, and counted at its highest in the budgets."""

from __future__ import annotations

import json

import pytest

from secondlook.cli import main
from tests.processes import Home
from tests.provider import Json, completion, replying

ODD: list[tuple[Json | None, str]] = [
    (
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        "the usage says that the prompt had 0 tokens",
    ),
    (
        {
            "prompt_tokens": 400,
            "completion_tokens": 150,
            "total_tokens": 550,
            "prompt_tokens_details": {"cached_tokens": 9999},
        },
        "the usage says more cached than prompt tokens",
    ),
    (None, "the answer tells no usage"),
]


@pytest.mark.parametrize(("usage", "why"), ODD, ids=["zeros", "cached", "none"])
def test_an_accepted_answer_whose_usage_cannot_be(home: Home, usage: Json | None, why: str) -> None:
    """The snapshot stands; a dollar budget that holds one call holds no second."""
    home.set(SECONDLOOK_BUDGET_DAY_USD="0.05")
    home.provider.behaviour = replying(
        json.dumps({**completion(json.dumps(home.sample.answer)), "usage": usage})
    )

    made = home.snapshot()

    assert made.code == 0
    fields = made.fields
    assert (fields["cost_usd"], fields["usage"]["prompt_tokens"]) == (None, None)
    shown = home.call("runs", "show", fields["run_id"]).fields
    assert (shown["usage_problem"], shown["cost_usd"]) == (why, None)
    home.capsys.readouterr()
    assert main(["runs", "show", fields["run_id"]]) == 0
    said = home.capsys.readouterr().out
    assert "Cost: unknown, tokens: unknown" in said
    assert f"Usage unknown: {why}" in said
    (spent,) = {row["nanousd"] for row in home.ledger("select nanousd from spending")}
    assert spent > 25_000_000  # not $0, but what the call could have cost
    assert home.snapshot("--regenerate").error["code"] == "over_budget"
    assert len(home.provider.requests) == 1


def test_an_error_with_status_200_is_sent_once(home: Home) -> None:
    """The run says what the server said, and the budget counts the most that it could have cost."""
    home.provider.behaviour = replying('{"error": {"message": "Upstream is out", "code": 502}}')

    error = home.snapshot().error

    message = "Answer rejected (not_completion): the server answered with an error: Upstream is out"
    assert (error["code"], error["message"]) == ("answer_rejected", message)
    assert len(home.provider.requests) == 1
    assert home.call("runs", "show", error["run_id"]).fields["error"]["message"] == message
    assert home.calls()[0]["body"] == '{"error": {"message": "Upstream is out", "code": 502}}'
    assert min(row["nanousd"] for row in home.ledger("select nanousd from spending")) > 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_right_answer_in_another_encoding_makes_a_snapshot(home: Home, encoding: str) -> None:
    """Its usage is known, and what is kept can be read again."""
    body = json.dumps(completion(json.dumps(home.sample.answer))).encode(encoding)
    home.provider.behaviour = replying(body, headers={"content-encoding": "gzip"})

    made = home.snapshot()

    assert made.code == 0
    assert made.fields["usage"]["total_tokens"] == 842
    assert home.call("runs", "show", made.fields["run_id"]).fields["verdict"] == "accepted"
