"""`secondlook runs show` and the exported list: the same run as the page shows, in every state."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest

from secondlook.cli import main
from secondlook.domain.run_filter import RunFilter
from secondlook.domain.runs import RunError, RunStatus
from secondlook.domain.usage import Usage
from secondlook.views import export
from secondlook.views import run as run_view
from tests.examples import OTHER_USER, USER, example_input
from tests.processes import Home
from tests.provider import Behaviour, answering, completion, refusing, replying
from tests.views.test_comparison import made

REFUSED = json.dumps(completion("{}"))


@pytest.mark.parametrize(
    ("behaviour", "verdict", "failed", "differing"),
    [
        pytest.param(None, "accepted", None, 0, id="accepted"),
        pytest.param(replying(REFUSED), "refused", "keys", None, id="empty object"),
        pytest.param(replying("<html>"), "refused", "completion", None, id="html"),
        pytest.param(refusing(401, "No"), "none", None, None, id="no answer"),
        pytest.param(refusing(504, "Silence"), "none", None, None, id="outcome unknown"),
    ],
)
def test_show(
    home: Home, behaviour: Behaviour | None, verdict: str, failed: str | None, differing: int | None
) -> None:
    """The verdict, the rule that failed, what was sent and what came, as the ledger has them."""
    home.provider.behaviour = behaviour or answering(home.sample.answer)
    home.snapshot()
    (row,), (call,) = home.runs(), home.calls()
    shown = home.call("runs", "show", row["run_id"]).fields
    assert (shown["run_id"], shown["status"], shown["verdict"]) == (row["run_id"], row["status"], verdict)
    assert [check["rule"] for check in shown["checks"] if check["state"] == "failed"] == (
        [failed] if failed else []
    )
    assert (shown["input"], shown["request"]) == (json.loads(row["input"]), json.loads(row["request"]))
    assert shown["answer"] == call["body"]
    if differing is not None:
        assert (shown["differing"], shown["matched"]) == (differing, shown["values"])
    (attempt,) = shown["attempts_made"]
    assert (attempt["outcome"], attempt["http_status"]) == (call["outcome"], call["http_status"])
    capsys = home.capsys
    capsys.readouterr()
    assert main(["runs", "show", row["run_id"]]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Run {row['run_id']}: {run_view.STATUS[RunStatus(row['status'])]}")
    assert ("FAIL" in out) == (failed is not None)


def test_ids_that_lead_nowhere(home: Home) -> None:
    """An unknown, a malformed and another user's run give the same bytes."""
    home.snapshot()
    run_id = home.runs()[0]["run_id"]
    printed = {
        home.call("runs", "show", named, "--user", user).out
        for named, user in ((run_id, OTHER_USER), ("nonsense", USER), (OTHER_USER, USER))
    }
    assert len(printed) == 1
    assert json.loads(printed.pop())["error"]["message"] == "Invalid run_id: not found"
    assert home.call("runs", "--user", USER, "show", run_id).code == 0


def test_an_erased_run(home: Home) -> None:
    """What was erased is null, not empty; what it took stays."""
    home.snapshot()
    services = home.services()
    (row,) = home.runs()
    before = home.call("runs", "show", row["run_id"]).fields
    services.pruning.erase(user_id=USER)
    after = home.call("runs", "show", row["run_id"]).fields
    for name in ("input", "request", "answer", "matched", "values", "differing"):
        assert after[name] is None, name
    for name in ("verdict", "status", "cost_usd", "latency_ms", "created_at", "prompt_version"):
        assert after[name] == before[name], name
    assert after["erased_at"] is not None
    assert after["differences"] == []


def test_exported_lists(home: Home) -> None:
    """All that matches, with reviewers' notes; no cell is a formula, what is unknown is empty."""
    home.provider.behaviour = refusing(401, "No")
    home.snapshot()
    home.provider.behaviour = answering(home.sample.answer)
    home.snapshot()
    services = home.services()
    (first,) = services.history.all(RunFilter(failures=True))
    services.reviews.say(first.run_id, USER, reviewer="=Ada", passed=False, note="-1")
    rows = run_view.exported(services.history, services.reviews, RunFilter(), only=None)
    lines = list(csv.DictReader(io.StringIO(export.to_csv(run_view.COLUMNS, rows))))
    assert [line["verdict"] for line in lines] == ["accepted", "none"]
    assert lines[0]["total_tokens"] == str(home.calls()[-1]["total_tokens"])
    assert (lines[1]["total_tokens"], lines[1]["cost_usd"], lines[1]["usage_estimated"]) == ("", "", "")
    assert lines[1]["review_notes"] == "fail by =Ada: -1"
    assert not any(cell[:1] in set("=+-@\t\r") for line in lines for cell in line.values())
    assert run_view.exported(services.history, services.reviews, RunFilter(), only=OTHER_USER) == []


def test_status_labels() -> None:
    """Every status has its own label, and no label is an internal value."""
    assert list(run_view.STATUS) == list(RunStatus)
    assert run_view.STATUS[RunStatus.IN_DOUBT] == "Outcome unknown"
    assert len(set(run_view.STATUS.values())) == len(RunStatus)
    assert not any("_" in words for words in run_view.STATUS.values())


USAGE = Usage(prompt_tokens=1398, completion_tokens=444, total_tokens=1842, estimated=True)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        pytest.param(
            {"usage": USAGE, "cost_usd": Decimal("0.01"), "latency_ms": 2000, "provider_ms": 1900},
            {
                "status": "Done",
                "total_tokens": "≈ 1,842",
                "cost": "≈ $0.0100",
                "call": "2.0 s",
                "provider": "1.9 s",
                "overhead": "100 ms",
                "error": None,
            },
            id="done, estimated",
        ),
        pytest.param({}, {"total_tokens": "unknown", "cost": "unknown", "call": "unknown"}, id="no usage"),
        pytest.param(
            {
                "status": RunStatus.FAILED,
                "answer": None,
                "error": RunError(code="provider_error", message="No"),
            },
            {"status": "Failed", "total_tokens": "none", "cost": "none"},
            id="failed without an answer",
        ),
        pytest.param(
            {
                "status": RunStatus.IN_DOUBT,
                "answer": None,
                "error": RunError(code="in_doubt", message=""),
            },
            {"status": "Outcome unknown", "outcome": "Outcome unknown", "total_tokens": "unknown"},
            id="outcome unknown",
        ),
        pytest.param(
            {"status": RunStatus.CANCELLED, "answer": None},
            {"status": "Canceled", "outcome": "Canceled", "total_tokens": "none"},
            id="canceled",
        ),
    ],
)
def test_what_is_shown(changes: dict[str, Any], shown: dict[str, object]) -> None:
    """What is unknown says so, and nothing is made up; a run that did not succeed has an error."""
    view = run_view.view_run(
        made("openai", **{"input": example_input().model_dump_json(), "answer": "{}", **changes})
    )
    assert {name: getattr(view, name) for name in shown} == shown
    assert (view.error is None) == (view.status == "Done")
