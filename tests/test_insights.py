"""`secondlook insights` on a real server: what is sent, which sentences are shown, and how often it asks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import unescape
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from secondlook.dashboard import resources
from secondlook.domain.runs import INSIGHTS
from tests.ledger.test_runs import race
from tests.processes import ROOT, Home, killed, samples
from tests.provider import Behaviour, Json, answering, replying

HONEST = (
    ("Confidence is {sample.confidence}, based on {sample.estimates} estimates.", ["sample"]),
    ("The median estimate falls in the {price_median.band} price band.", ["price_median"]),
    ("The median decision takes {decision_median.band}.", ["decision_median"]),
    ("Over {volume.weeks} weeks, volume averaged {volume.average} estimates per week.", ["volume"]),
)
LIES = (
    ("Revenue came to $12,000 over {volume.weeks} weeks.", ["volume"]),
    ("About 99 of {sample.estimates} estimates came in.", ["sample"]),
    ("Half of {sample.estimates} estimates are decided.", ["sample"]),
    ("Customers love the {price_median.band} price band.", ["price_median"]),
    ("Volume is rising over {volume.weeks} weeks.", ["volume"]),
    ("Volume is falling over {volume.weeks} weeks.", ["volume"]),
    ("Volume is steady over {volume.weeks} weeks.", ["volume"]),
    ("Most estimates are priced at {price_median.band}.", ["price_median"]),
    ("The {price_median.band} price band leads here.", ["price_median"]),
    ("The median price is {decision_median.band}.", ["decision_median"]),
    ("The median decision takes {price_median.band}.", ["price_median"]),
    ("Confidence is high because of {sample.estimates} estimates.", ["sample"]),
    ("Confidence is {sample.confidence} due to the sample.", ["sample"]),
    ("Confidence will rise above {sample.confidence} soon.", ["sample"]),
    ("Next month brings {sample.estimates} estimates.", ["sample"]),
    ("This month brought {sample.estimates} estimates.", ["sample"]),
    ("No estimates came in over {volume.weeks} weeks.", ["volume"]),
    ("{volume.weeks} estimates came in over {volume.estimates} weeks.", ["volume"]),
    ("{volume.estimates} estimates came in per week.", ["volume"]),
    ("{volume.average} estimates came in over {volume.weeks} weeks.", ["volume"]),
    ("The sample holds {sample.confidence} estimates.", ["sample"]),
    ("Confidence is {sample.estimates} in this sample.", ["sample"]),
    ("The sample holds three estimates, {sample.confidence}.", ["sample"]),
    ("Jobs worth {sample.estimates} were won by the sample.", ["sample"]),
    ("<b>Confidence</b> is {sample.confidence} in this sample.", ["sample"]),
    ("[Confidence](https://evil.example) is {sample.confidence}.", ["sample"]),
    ("**Confidence** is {sample.confidence} in this sample.", ["sample"]),
    ("C\u043enfidence is {sample.confidence} in this sample.", ["sample"]),
    ("Confi\u200bdence is {sample.confidence} in this sample.", ["sample"]),
    ("Confidence is {sample.confidence.upper} in this sample.", ["sample"]),
    ("Confidence is {{sample.confidence}} in this sample.", ["sample"]),
    ("Confidence is {sample.confidence!r} in this sample.", ["sample"]),
    ("Confidence is {sample.__class__} in this sample.", ["sample"]),
    ("Confidence is {revenue.total} in this sample.", ["revenue"]),
    ("Confidence is {sample.confidence} in this sample.", ["volume"]),
    ("Confidence is {sample.confidence} in this sample.", ["sample", "sample"]),
    ("CONFIDENCE is {sample.confidence} in this sample.", ["sample"]),
    ("Confidence  is {sample.confidence} in this sample.", ["sample"]),
    ("Konfidenz ist {sample.confidence} in der Stichprobe.", ["sample"]),
    ("Confidence isn't {sample.confidence} in this sample.", ["sample"]),
    ("\U0001f680 Confidence is {sample.confidence} here.", ["sample"]),
    ("Short {sample.confidence}", ["sample"]),
)
LYING = (
    "Revenue",
    "$12,000",
    "love",
    "because",
    "due to",
    "Next month",
    "This month",
    "Jobs",
    "evil",
    "<b>",
    "**",
    "Konfidenz",
)
"""Words that stand in lies alone."""

Claim = tuple[str, Sequence[str]]


def told(headline: Claim, *insights: Claim) -> Json:
    """An answer of these sentences."""

    def claim(each: Claim) -> Json:
        return {"text": each[0], "facts": list(each[1])}

    return {"headline": claim(headline), "insights": [claim(each) for each in insights]}


def saying(headline: Claim, *insights: Claim) -> Behaviour:
    """Answers with these sentences."""
    return answering(told(headline, *insights))


@pytest.fixture
def stored(home: Home) -> Home:
    """A home whose sample has a snapshot; its requests are forgotten."""
    assert home.snapshot().code == 0
    home.provider.requests.clear()
    home.provider.behaviour = saying(*HONEST)
    return home


def snapshot_id(home: Home) -> str:
    """The id of the newest snapshot."""
    return home.snapshots()[-1]["id"]


def insights(home: Home, *options: str) -> dict[str, Any]:
    """The command for the sample's snapshot, to its end."""
    outcome = home.call("insights", snapshot_id(home), *options)
    assert outcome.code == 0, (outcome.out, outcome.err)
    assert "Traceback" not in outcome.err
    return outcome.fields


def asked(home: Home) -> int:
    """How many requests were sent for insights."""
    return len(home.provider.requests)


def test_honest_sentences_come_with_the_values_of_the_buckets(stored: Home) -> None:
    """The JSON of the contract: each sentence with its facts, who wrote it, and what it took."""
    found = insights(stored)
    facts = {fact["id"]: fact["values"] for fact in found["facts"]}
    count = facts["sample"]["estimates"]
    assert count == stored.sample.answer["meta"]["estimate_count"]
    assert found["headline"] == {
        "text": f"Confidence is {facts['sample']['confidence']}, based on {count} estimates.",
        "facts": ["sample"],
        "by": "agent",
    }
    assert [each["facts"][0] for each in found["insights"]] == ["price_median", "decision_median", "volume"]
    assert all(each["by"] == "agent" and "{" not in each["text"] for each in found["insights"])
    assert (found["refused"], found["agent"]) == ([], "openai")
    assert found["usage"]["total_tokens"] == 842
    assert found["cost_usd"] > 0
    (run,) = [run for run in stored.runs() if run["task"] == INSIGHTS]
    assert (found["run_id"], run["subject"]) == (run["run_id"], found["snapshot_id"])


def test_a_snapshot_is_asked_about_once(stored: Home) -> None:
    """Asked again it shows what is there; regenerating asks again."""
    first = insights(stored)
    assert insights(stored) == first
    assert asked(stored) == 1
    second = insights(stored, "--regenerate")
    assert asked(stored) == 2
    assert second["run_id"] != first["run_id"]
    assert insights(stored)["run_id"] == second["run_id"]


def test_facts_are_shown_without_a_call(stored: Home) -> None:
    """Nothing is sent, and our own sentences stand where the agent's would."""
    found = insights(stored, "--facts")
    assert (asked(stored), found["run_id"], found["usage"], found["cost_usd"]) == (0, None, None, None)
    assert found["headline"]["by"] == "rules"
    assert {each["by"] for each in found["insights"]} == {"rules"}


def _report(home: Home) -> str:
    """What people read of the report."""
    html = str(home.call("report", snapshot_id(home)).fields["html"])
    shown = re.sub(r"<(style|svg).*?</\1>", "", html, flags=re.DOTALL)
    text = unescape(re.sub(r"<[^>]*>", " ", shown))
    assert "estimates" in text
    return text


def _page(home: Home) -> str:
    """What people read of the snapshot's page."""
    resources.clear()
    app = AppTest.from_file(str(ROOT / "secondlook" / "dashboard" / "main.py"), default_timeout=60).run()
    app.query_params["snapshot"] = snapshot_id(home)
    app.switch_page(str(ROOT / "pages" / "snapshots.py")).run()
    assert not app.exception
    resources.clear()
    texts = [str(each.value) for each in (*app.markdown, *app.caption, *app.text)]
    texts = [text.replace("**", "") for text in texts]  # the page's own
    return "\n".join([*texts, *(str(option) for each in app.radio for option in each.options)])


def test_forty_lies_are_shown_nowhere(stored: Home) -> None:
    """Beside honest sentences: those are shown, each lie is refused by a rule, and only QA reads it."""
    assert len(LIES) >= 40
    for start in range(0, len(LIES), 4):
        lies = LIES[start : start + 4]
        stored.provider.behaviour = saying(HONEST[0], *lies, HONEST[1])
        if len(lies) + 1 < 3:
            stored.provider.behaviour = saying(HONEST[0], *lies, HONEST[1], HONEST[2])
        found = insights(stored, "--regenerate")
        assert {each["position"] for each in found["refused"]} == set(range(1, len(lies) + 1)), found[
            "refused"
        ]
        shown = [found["headline"], *found["insights"]]
        assert all(each["by"] == "agent" for each in shown)
        assert {each["facts"][0] for each in shown} <= {"sample", "price_median", "decision_median"}
        honest = {text.split("{")[0] for text, _ in HONEST}
        assert all(any(each["text"].startswith(start) for start in honest) for each in shown)
        for outcome in (
            json.dumps(found),
            stored.call("insights", snapshot_id(stored), "--facts").out,
            stored.call("runs").out,
            stored.call("usage").out,
            stored.call("usage", "--each", "call", "--csv", "-").out,
            _report(stored),
            *([_page(stored)] if start % 12 == 0 else []),
        ):
            assert not [word for word in LYING if word in outcome]
        details = stored.call("runs", "show", found["run_id"]).fields
        assert [each["text"] for each in details["sentences"]][1 : 1 + len(lies)] == [
            text for text, _ in lies
        ]
        assert all(each["rule"] for each in details["sentences"][1 : 1 + len(lies)])


def test_nothing_but_facts_is_sent(stored: Home) -> None:
    """No id, name or row; and the vocabulary comes first, the same for every call."""
    insights(stored)
    (request,) = stored.provider.requests
    sent = json.dumps(request.body)
    source = stored.store("select * from sources where id = ?", stored.sample.source_id)[0]
    assert not [
        value
        for value in (*source.values(), snapshot_id(stored))
        if str(value) in sent and len(str(value)) > 8
    ]
    system, user = request.body["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert stored.sample.name not in sent
    assert {fact["id"] for fact in json.loads(user["content"])["facts"]} >= {
        "volume",
        "sample",
        "price_leader",
    }


def test_equal_facts_are_asked_about_in_equal_bytes(stored: Home) -> None:
    """Another source with the same buckets, regenerated: the request is the same to the byte."""
    insights(stored)
    assert stored.call("snapshot", stored.sample.source_id).error["code"] == "source_not_bucketed"
    stored.provider.behaviour = answering(stored.sample.answer)
    assert stored.snapshot("--regenerate").code == 0
    stored.provider.behaviour = saying(*HONEST)
    first = stored.provider.requests[0].body
    stored.provider.requests.clear()
    insights(stored)
    # The newer snapshot has a previous one, of which nothing has changed: it has no further fact.
    assert stored.provider.requests[0].body == first


def test_where_the_headline_is_refused_ours_stands_in_its_place(stored: Home) -> None:
    """And says so; the accepted sentences stay."""
    stored.provider.behaviour = saying(LIES[0], *HONEST[1:])
    found = insights(stored)
    assert found["headline"]["by"] == "rules"
    assert found["refused"] == [{"rule": "characters", "position": 0}]
    assert {each["by"] for each in found["insights"]} == {"agent"}


def test_where_no_sentence_is_left_ours_stand_in_their_place(stored: Home) -> None:
    """Every sentence is refused: the run is done, and our own sentences say so."""
    stored.provider.behaviour = saying(*LIES[:4])
    found = insights(stored)
    assert {each["by"] for each in (found["headline"], *found["insights"])} == {"rules"}
    assert [each["position"] for each in found["refused"]] == [0, 1, 2, 3]
    assert [run["status"] for run in stored.runs() if run["task"] == INSIGHTS] == ["done"]


MALFORMED: dict[str, Behaviour] = {
    "no insights": saying(HONEST[0]),
    "one insight": saying(HONEST[0], HONEST[1]),
    "fifty insights": saying(HONEST[0], *(HONEST * 13)[:50]),
    "not an object": answering([]),  # pyright: ignore[reportArgumentType] -- that is what is wrong
    "no headline": answering({"insights": []}),
    "an extra key": answering({**told(*HONEST), "note": "x"}),
    "a number as text": answering({**told(*HONEST), "headline": {"text": 5, "facts": ["sample"]}}),
    "facts that are none": answering({**told(*HONEST), "headline": {"text": "x", "facts": [None]}}),
    "prose": replying(json.dumps({"choices": [{"message": {"content": "All is well"}}]})),
    "html": replying("<html>Sign in</html>"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_answer_is_rejected_as_a_whole(stored: Home, kind: str) -> None:
    """It is kept for QA, paid once, and our own sentences are shown."""
    stored.provider.behaviour = MALFORMED[kind]
    found = insights(stored)
    assert {each["by"] for each in (found["headline"], *found["insights"])} == {"rules"}
    (run,) = [run for run in stored.runs() if run["task"] == INSIGHTS]
    assert (run["status"], run["error_code"]) == ("failed", "answer_rejected")
    assert [call["body"] is not None for call in stored.calls() if call["task"] == INSIGHTS] == [True]
    insights(stored)
    assert asked(stored) == 1


@pytest.mark.parametrize(
    "headline",
    [("", ["sample"]), ("x" * 200_000, ["sample"]), (HONEST[0][0], ["sample", "sample"]), (HONEST[0][0], [])],
    ids=["empty", "200 kB", "cited twice", "cites nothing"],
)
def test_an_odd_sentence_is_refused_alone(stored: Home, headline: Claim) -> None:
    """The others are shown."""
    stored.provider.behaviour = saying(headline, *HONEST[1:])
    found = insights(stored)
    assert [each["position"] for each in found["refused"]] == [0]
    assert found["headline"]["by"] == "rules"


def test_two_who_ask_at_once_get_one_answer(stored: Home) -> None:
    """One request, one run."""
    identifier = snapshot_id(stored)
    both = [stored.start("insights", identifier) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=60)
        assert process.wait() == 0, (out, err)
    assert asked(stored) == 1
    assert len([run for run in stored.runs() if run["task"] == INSIGHTS]) == 1


def test_two_snapshots_of_one_source_are_asked_about_side_by_side(stored: Home) -> None:
    """An open run about one does not join one about the other."""
    stored.provider.behaviour = answering(stored.sample.answer)
    assert stored.snapshot("--regenerate").code == 0
    stored.provider.behaviour = saying(*HONEST)
    first, second = (each["id"] for each in stored.snapshots())
    assert killed(stored.start("insights", first, driver="Ledger.submit:after"))
    found = stored.call("insights", second)
    assert (found.code, found.fields["snapshot_id"]) == (0, second)
    statuses = {run["subject"]: run["status"] for run in stored.runs() if run["task"] == INSIGHTS}
    assert statuses == {first: "queued", second: "done"}


def test_another_users_snapshot_is_not_found(stored: Home) -> None:
    """Unknown, malformed and another's are the same; nothing is sent."""
    for identifier in ("nothing", "c0000000-0000-4000-8000-00000000000c"):
        assert stored.call("insights", identifier).error["code"] == "source_not_found"
    other = stored.call("insights", snapshot_id(stored), "--user", "b0000000-0000-4000-8000-00000000000b")
    assert other.error["code"] == "source_not_found"
    assert asked(stored) == 0


def test_erased_answers_leave_our_own_sentences(stored: Home) -> None:
    """Pruning erases inputs and answers of insights as of any run."""
    insights(stored)
    assert stored.call("prune", "--user", stored.services().default_user()).code == 0
    found = insights(stored, "--facts")
    assert found["headline"]["by"] == "rules"
    assert (found["refused"], found["usage"] is not None) == ([], True)


def test_a_batch_asks_about_the_newest_snapshots(stored: Home) -> None:
    """Priced before it starts; a snapshot that has its insights is left out."""
    forecast = stored.call("batch", "--insights", "--dry-run").fields
    assert (forecast["runnable"], forecast["cost_usd"] > 0) == (forecast["sources"], True)
    found = stored.call("batch", "--insights").fields
    assert found["counts"] == {"done": forecast["runnable"]}
    assert asked(stored) == forecast["runnable"]
    again = stored.call("batch", "--insights", "--dry-run").fields
    assert (again["runnable"], again["refused"]) == (0, {"request_invalid": forecast["sources"]})
    assert {run["task"] for run in stored.runs()} == {"snapshot", INSIGHTS}


def test_many_threads_get_one_answer(stored: Home) -> None:
    """Twelve who ask in one process: one request."""
    from secondlook.execution.runner import Runner

    services = stored.services()
    runner, identifier = Runner(services), snapshot_id(stored)
    access = services.own_access(services.default_user())
    ids = set(race(lambda _: runner.execute(runner.explain(identifier, access).run_id).run_id))
    assert (len(ids), asked(stored)) == (1, 1)


def test_every_sample_is_explained_by_the_offline_agent(home: Home) -> None:
    """Its sentences are true of every source: none is refused."""
    home.set(SECONDLOOK_AGENT="offline")
    for sample in samples()[:12]:
        assert home.call("snapshot", sample.source_id).code == 0
        found = home.call("insights", home.snapshots()[-1]["id"]).fields
        assert found["refused"] == []
        assert {each["by"] for each in (found["headline"], *found["insights"])} == {"agent"}
