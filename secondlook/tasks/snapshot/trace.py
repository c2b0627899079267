"""A run under the lens: every value of its input next to the answer's, and every rule with what became of it.

Pure, and never a second opinion: each rule is checked by the code that accepts answers, and each value by the
comparison that the rules use. What is shown here of an answer is shown for people and stored nowhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, cast

from secondlook.domain.answers import Completion
from secondlook.domain.buckets import AgentInput
from secondlook.errors import AnswerRejected
from secondlook.tasks.snapshot.rules import (
    RULES,
    Json,
    Reading,
    Rule,
    difference,
    expected_answer,
)

MOST_VALUES = 20_000
"""Values of an answer that are looked at for what the input does not have; a right answer has far fewer."""

MOST_EXTRA = 1_000
"""Values of an answer that the input does not have and that are listed all the same."""

_DEEPEST = 8  # the locked schema has four levels
_LONGEST = 200  # characters of a value
_MOST_NAMED = 5  # entries of a list that a finding names

Mark = Literal["equal", "any", "differs", "type", "missing", "extra", "unread"]
"""What a value is: equal to the input's; any text, which the code replaces; another value; of another type;
not in the answer; not in the input; in an answer that cannot be read."""

State = Literal["passed", "failed", "not_reached"]
_Path = tuple[str | int, ...]
_UNREAD, _MISSING = object(), object()
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")


@dataclass(frozen=True)
class Cell:
    """One value of the input or of the answer, or of both.

    Attributes:
        path: Where it is.
        entry: The week or the band that it belongs to in the input; empty for what is in no list.
        sent: The input's value as JSON; None where the input has none there.
        came: The answer's value as JSON, in part where it is long; None where the answer has none there.
    """

    path: str
    entry: str
    sent: str | None
    came: str | None
    mark: Mark

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(".")[2]

    @property
    def matches(self) -> bool:
        """Whether the rules accept it."""
        return self.mark in {"equal", "any"}


@dataclass(frozen=True)
class Check:
    """A rule and what became of it.

    Attributes:
        reason: Where it failed, the reason that the answer is rejected with.
        path: Where it failed, the path of the first difference; None for a rule on the whole.
        message: Where it failed, the sentence about it.
    """

    rule: Rule
    state: State
    reason: str | None = None
    path: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Trace:
    """An answer held against its input.

    Attributes:
        checks: Every rule in its order.
        cells: Every value; those that do not match first, then in the order of the schema.
        matched: Values of the input that the answer repeats.
        values: Values of the input.
        cut: Whether the answer holds more values than were looked at.
        findings: What changed, in sentences, as far as the answer's lists can be read.
        text: The text of the message, where there is one.
    """

    checks: tuple[Check, ...]
    cells: tuple[Cell, ...]
    matched: int
    values: int
    cut: bool
    findings: tuple[str, ...]
    text: str | None

    @property
    def accepted(self) -> bool:
        """Whether every rule holds."""
        return all(check.state == "passed" for check in self.checks)

    @property
    def failed(self) -> Check | None:
        """The rule that rejects the answer."""
        return next((check for check in self.checks if check.state == "failed"), None)

    @property
    def readable(self) -> bool:
        """Whether there is an answer whose text is JSON."""
        return self.cells[0].mark != "unread"

    @property
    def differing(self) -> int:
        """Values that are not as they must be, where the answer could be read."""
        return sum(not cell.matches and cell.mark != "unread" for cell in self.cells)


def trace(agent_input: AgentInput, completion: Completion | None) -> Trace:
    """Hold an answer against its input, as far as it can be read.

    Args:
        agent_input: What was sent.
        completion: What came; None where no answer came.
    """
    expected = expected_answer(agent_input)
    if completion is None:
        cells, _ = _cells(expected, _UNREAD)
        checks = tuple(Check(rule, "not_reached") for rule in RULES)
        return Trace(checks, tuple(cells), 0, _count(cells), cut=False, findings=(), text=None)
    reading = Reading(completion, expected)
    checks = tuple(_checks(reading))
    text = reading.completion.text
    answer = _read(text) if text else _UNREAD
    cells, cut = _cells(expected, answer)
    return Trace(
        checks=checks,
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


def _checks(reading: Reading) -> Iterator[Check]:
    rules = iter(RULES)
    for rule in rules:
        try:
            rule.check(reading)
        except AnswerRejected as error:
            yield Check(rule, "failed", error.reason, error.path, error.message)
            break
        yield Check(rule, "passed")
    for rule in rules:
        yield Check(rule, "not_reached")


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
    """What became of each list as a whole: by place alone, one dropped week shifts all that follow."""
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
