"""The trace of a run: every value of its input next to the answer's, and every rule with its result.

Pure, and never a second opinion: each rule is checked by the code that accepts answers, and each value by the
comparison that the rules use. What is shown here of an answer is shown for people and stored nowhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import cast

from secondlook.domain.answers import Completion
from secondlook.domain.buckets import AgentInput
from secondlook.tasks.base import Cell, Mark, Trace
from secondlook.tasks.checklist import check_each
from secondlook.tasks.snapshot.rules import RULES, Json, SnapshotReading, difference, expected_answer

MOST_VALUES = 20_000
"""Values of an answer that are looked at for what the input does not have; a right answer has far fewer."""

MOST_EXTRA = 1_000
"""Values of an answer that the input does not have and that are listed all the same."""

_DEEPEST = 8  # the locked schema has four levels
_LONGEST = 200  # characters of a value
_MOST_NAMED = 5  # entries of a list that a finding names

_Path = tuple[str | int, ...]
_UNREAD, _MISSING = object(), object()
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")


def trace(completion: Completion | None, agent_input: AgentInput | None) -> Trace:
    """Compare an answer with its input, as far as it can be read.

    Args:
        completion: What came; None where no answer came.
        agent_input: What was sent; None where it was erased.
    """
    if agent_input is None:
        return Trace(tuple(check_each(RULES, None)))
    expected = expected_answer(agent_input)
    reading = None if completion is None else SnapshotReading(completion, expected=expected)
    text = None if completion is None else completion.text
    answer = _read(text) if text else _UNREAD
    cells, cut = _cells(expected, answer)
    return Trace(
        checks=tuple(check_each(RULES, reading)),
        cells=tuple(sorted(cells, key=lambda cell: cell.matches)),
        matched=sum(cell.mark == "equal" for cell in cells),
        values=_count(cells),
        cut=cut,
        findings=tuple(_findings(agent_input, answer)),
        text=text,
    )


def _count(cells: list[Cell]) -> int:
    """The input's values: what it has, but for the identity that it does not know."""
    return sum(cell.sent is not None for cell in cells)


def _read(text: str) -> object:
    """The text as JSON, also where a rule rejects it as such: people see what is there."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _UNREAD


# -- values ---------------------------------------------------------------------------------------------


def _cells(expected: Json, answer: object) -> tuple[list[Cell], bool]:
    """A cell for each value of either, in the order of the schema; and whether some were left out."""
    wanted = dict(_nodes(expected))
    cells = [
        cell
        for path, value in wanted.items()
        if (cell := _cell(path, value, _at(answer, path), _entry(path, wanted))) is not None
    ]
    if answer is _UNREAD:
        return cells, False
    extra, cut = _extra(answer, wanted)
    return [*cells, *extra], cut


def _cell(path: _Path, expected: object, actual: object, entry: str) -> Cell | None:
    """One of the input's values; None for a list or an object that is one in both, or is missing."""
    around = _has_inside(expected)
    sent = None if isinstance(expected, type) else _shown(expected)
    if actual is _MISSING or actual is _UNREAD:
        mark: Mark = "missing" if actual is _MISSING else "unread"
        return None if around else Cell(_written(path), entry, sent, None, mark)
    wrong = difference(expected, actual)
    if wrong is None:
        mark = "any" if isinstance(expected, type) else "equal"
        return None if around else Cell(_written(path), entry, sent, _shown(actual), mark)
    mark = "type" if wrong[0] == "schema" else "differs"
    # A list that is none is one value of the answer; those of the input that lie in it are missing besides.
    return Cell(_written(path), entry, None if around else sent, _shown(actual), mark)


def _extra(answer: object, wanted: dict[_Path, object]) -> tuple[list[Cell], bool]:
    extra: list[Cell] = []
    for looked, (path, value) in enumerate(_nodes(answer)):
        if looked >= MOST_VALUES or len(extra) >= MOST_EXTRA:
            return extra, True
        if path not in wanted and (not _has_inside(value) or len(path) >= _DEEPEST):
            extra.append(Cell(_written(path), _entry(path, wanted), None, _shown(value), "extra"))
    return extra, False


def _at(answer: object, path: _Path) -> object:
    """What is at a place of the answer."""
    if answer is _UNREAD:
        return _UNREAD
    for part in path:
        if isinstance(part, str) and isinstance(answer, dict) and part in answer:
            answer = cast("Json", answer)[part]
        elif isinstance(part, int) and isinstance(answer, list) and part < len(cast("list[object]", answer)):
            answer = cast("list[object]", answer)[part]
        else:
            return _MISSING
    return answer


def _nodes(value: object) -> Iterator[tuple[_Path, object]]:
    """Everything in a value with its path, in its order; without recursion, and not below _DEEPEST."""
    rest: list[tuple[_Path, object]] = [((), value)]
    while rest:
        path, found = rest.pop()
        yield path, found
        if len(path) >= _DEEPEST:
            continue
        if isinstance(found, dict):
            inside = islice(cast("Json", found).items(), MOST_VALUES + 1)
            rest.extend(reversed([((*path, key), inner) for key, inner in inside]))
        elif isinstance(found, list):
            items = cast("list[object]", found)[: MOST_VALUES + 1]
            rest.extend(((*path, index), items[index]) for index in reversed(range(len(items))))


def _has_inside(value: object) -> bool:
    return isinstance(value, (dict, list)) and bool(cast("object", value))


def _entry(path: _Path, wanted: dict[_Path, object]) -> str:
    """The week or the band at that place of the input."""
    place = next((number for number, part in enumerate(path) if isinstance(part, int)), None)
    if place is None:
        return ""
    found = wanted.get(path[: place + 1])
    if not isinstance(found, dict):
        return ""
    return str(next(iter(cast("Json", found).values())))


def _written(path: _Path) -> str:
    """A path as the rules write it; a key that is none of theirs is quoted, in part where it is long."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        elif _NAME.fullmatch(part):
            written += f".{part}" if written else part
        else:
            written += f"[{json.dumps(part[:60])}]"
    return written or "$"


def _shown(value: object) -> str:
    """A value as JSON in ASCII: letter by letter, so that "12" is not 12 and nothing is hidden."""
    if isinstance(value, dict):
        return "{…}" if value else "{}"
    if isinstance(value, list):
        return "[…]" if value else "[]"
    if isinstance(value, str) and len(value) > _LONGEST:
        return json.dumps(value[:_LONGEST]) + "…"
    shown = json.dumps(value)
    return shown if len(shown) <= 8 * _LONGEST else shown[:_LONGEST] + "…"


# -- findings -------------------------------------------------------------------------------------------

_LISTS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("demand", "weekly_volume"), "week", "weeks"),
    (("demand", "price_distribution"), "band", "price bands"),
    (("decision_latency", "distribution"), "band", "latency bands"),
)


def _findings(agent_input: AgentInput, answer: object) -> Iterator[str]:
    """Findings about each list as a whole: by position, one dropped week would shift all that follow."""
    sent_whole = agent_input.model_dump(mode="json")
    for path, key, noun in _LISTS:
        sent = _by_name(_inside(sent_whole, path), key)
        found = _inside(answer, path)
        if not isinstance(found, list):
            continue
        came = _by_name(cast("object", found), key)
        names = [name for name, _ in came]
        missing = [name for name, _ in sent if name not in set(names)]
        known = dict(sent)
        added = [name for name in names if name not in known]
        if missing:
            yield f"Missing {noun}: {_named(missing)}"
        if added:
            yield f"{noun.capitalize()} that the input does not have: {_named(added)}"
        twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < 2000 else []
        if twice:
            yield f"{noun.capitalize()} that come more than once: {_named(twice)}"
        kept = [name for name in dict.fromkeys(names) if name in known]
        if kept != [name for name in known if name in set(kept)]:
            yield f"The {noun} are in another order"
        changed = [
            f"{name} from {_shown(known[name])} to {_shown(count)}"
            for name, count in came
            if name in known and difference(known[name], count) is not None
        ]
        if changed:
            yield f"Changed {noun}: {_named(changed, quoted=False)}"


def _inside(value: object, path: tuple[str, ...]) -> object:
    for key in path:
        value = cast("Json", value).get(key) if isinstance(value, dict) else None
    return value


def _by_name(items: object, key: str) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for item in cast("list[object]", items)[:MOST_VALUES]:
        entry = cast("Json", item) if isinstance(item, dict) else {}
        name = entry.get(key)
        if isinstance(name, str):
            found.append((name, entry.get("count")))
    return found


def _named(names: list[str], *, quoted: bool = True) -> str:
    shown = [json.dumps(name[:60])[1:-1] if quoted else name for name in names[:_MOST_NAMED]]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(shown) + more
