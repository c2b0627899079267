"""Ids: one way to write each, and one answer to what is none."""

from __future__ import annotations

from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.domain.identifiers import canonical, new_run_id, read_id
from secondlook.errors import SourceNotFound
from tests.examples import SOURCE, Json


@given(st.uuids())
def test_any_writing_is_the_same_id(identifier: UUID) -> None:
    """Capitals, braces, a missing dash: the tables' own writing comes out, and stays as it is."""
    text = str(identifier)
    for written in (text, text.upper(), identifier.hex, f"{{{text}}}", identifier.urn):
        assert canonical(written) == text


@given(st.text())
def test_what_is_no_id_is_not_found(text: str) -> None:
    """Any text at all is an id or is answered as an unknown one is."""
    try:
        found = canonical(text)
    except SourceNotFound as error:
        assert error.message == "Invalid source_id: not found"  # noqa: PT017 -- or it is an id
    else:
        assert canonical(found) == found


@pytest.mark.parametrize(
    "identifier", [None, 12, 1.5, b"x", [], {}, SOURCE.encode(), True, "\ud800", SOURCE + "0"], ids=repr
)
def test_it_goes_by_its_name(identifier: Json) -> None:
    """Whatever a body of JSON holds in an id's place; the error says which id it is, with that id's hint."""
    hints = {
        "source_id": SourceNotFound.default_hint,
        "run_id": "Check the run's id; `secondlook runs` lists a user's runs.",
        "snapshot_id": "Check the id; a run that is done has its snapshot's id.",
    }
    for what, hint in hints.items():
        with pytest.raises(SourceNotFound) as caught:
            canonical(identifier, *(() if what == "source_id" else (what,)))
        assert (caught.value.message, caught.value.hint) == (f"Invalid {what}: not found", hint)


@pytest.mark.parametrize(
    "text",
    [
        "0x" + "1" * 30,
        "+" + "1" * 31,
        "1_" * 16,
        f" {SOURCE}",
        f"{SOURCE}\n",
        "\u0661" * 32,
        "1" * 31,
        "1" * 33,
    ],
    ids=ascii,
)
def test_a_number_is_no_id(text: str) -> None:
    """What Python's own reading of UUIDs takes for digits, and no database does."""
    assert read_id(text) is None


def test_run_ids_are_in_the_order_of_their_making(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the clock stands still or is set back, and however many are made at once."""
    made = [new_run_id() for _ in range(100)]
    monkeypatch.setattr("time.time_ns", lambda: 1_000_000_000)
    made += [new_run_id() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {(UUID(each).version, UUID(each).variant) for each in made} == {(7, RFC_4122)}
    assert all(canonical(each) == each for each in made)
