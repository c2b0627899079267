"""`read_file`: a file of estimates as sources, each row with a fate.

The file is read in chunks. What only all rows can say (the order of day and month, the decimal mark, which
estimates come again) is guessed from the first rows; where the whole file says otherwise it is read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from secondlook.domain.untrusted_text import one_line
from secondlook.errors import ImportRefused
from secondlook.importing.amounts import decimal_mark, one_currency
from secondlook.importing.bucketing import GroupedCounts
from secondlook.importing.content import Content
from secondlook.importing.dates import date_order
from secondlook.importing.estimates import (
    FirstRow,
    ImportedSource,
    Note,
    Options,
    Question,
    Reading,
    Refusal,
    Role,
)
from secondlook.importing.groups import Partitions, Sources
from secondlook.importing.headers import ROLES, find_columns, find_header, tool_of
from secondlook.importing.repeats import Repeats
from secondlook.importing.rows import LEFT_OUT, REFUSED, Judged, Layout, RowJudge
from secondlook.importing.table import Table, as_chunk
from secondlook.importing.text_table import NotUtf8, TextTable
from secondlook.importing.workbook import WorkbookTable

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Ints = npt.NDArray[np.int64]

Progress = Callable[[float], None]
"""Told the share of the file that was read, 0 to 1; it begins again where the file is read again."""

MAX_REFUSED = 1000
_FIRST_ROWS = 20
_LISTED_LINES = 20
_PASSES = 5
_NO_CLOSE_DATES = (
    "No column was found for closed_at, the day of the decision: name it with --column closed_at=NAME. "
    "Without one no latency can be counted: --one-date counts the weeks of created_at instead."
)
_DATE_ROLES = ("created_at", "closed_at", "closed_at_2")


def read_file(source: Path | bytes, options: Options, progress: Progress | None = None) -> Reading:
    """Read a file of estimates; nothing is stored.

    Args:
        source: The file's path, or its bytes.
        options: What a person says about it.
        progress: Called after each chunk.

    Returns:
        Its sources and the fate of each row. Where a person must say something first, `questions` has it.

    Raises:
        ImportRefused: It cannot be read at all; the message says why.
    """
    content = Content(source)
    name = options.name or (source.stem if isinstance(source, Path) else "Estimates")
    table = WorkbookTable(content, options.sheet) if content.is_workbook else TextTable(content)
    try:
        return _File(table, options, name, progress).read()
    except NotUtf8:
        cast("TextTable", table).read_as_windows()
        return _File(table, options, name, progress).read()


@dataclass
class _Pass:
    """What one reading of all rows found."""

    judge: RowJudge
    counts: GroupedCounts = field(default_factory=GroupedCounts)
    groups: dict[str, int] = field(default_factory=dict[str, int])
    fates: Counter[int] = field(default_factory=Counter[int])
    refused: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])
    no_rows: dict[str, Note] = field(default_factory=dict[str, Note])
    first_rows: list[FirstRow] = field(default_factory=list[FirstRow])
    rows: int = 0
    come_again: Sequence[int] | Ints = ()


class _File:
    def __init__(self, table: Table, options: Options, name: str, progress: Progress | None) -> None:
        self._table = table
        self._options = options
        self._name = name
        self._progress = progress
        if not table.head:
            raise ImportRefused("The file has no rows")
        self._header = find_header(table.head, [*options.columns.values(), options.group_by or ""])
        self._columns = find_columns(self._header, table.head, options.columns)
        if options.one_date:
            self._columns.pop("closed_at", None)
            self._columns.pop("closed_at_2", None)
        elif "closed_at" not in self._columns and "closed_at_2" in self._columns:
            self._columns["closed_at"] = self._columns.pop("closed_at_2")
        self._group = None if options.group_by is None else self._header.find(options.group_by)
        self._tool = tool_of(self._header)
        self._drop: Ints | None = None

    def read(self) -> Reading:
        """The reading; the file is read until what was assumed of all rows is what all rows say."""
        import numpy as np

        missing = self._missing()
        if missing:
            return self._unread(missing)
        layout = self._first_layout()
        for _ in range(_PASSES):
            found = self._pass(layout)
            said = self._layout_of(layout, found.judge)
            again = self._drop is None and len(found.come_again) > 0
            if said == layout and not again:
                break
            layout, self._drop = said, np.asarray(found.come_again, dtype=np.int64)
        else:
            raise ImportRefused("The file changed while it was read", hint="Import it again.")
        return self._reading(layout, found)

    def _missing(self) -> list[Question]:
        def ask(role: str, more: str = "") -> Question:
            return Question(role, f"No column was found for {role}: name it with --column {role}=NAME{more}.")

        questions = [ask(role) for role in ("created_at", "amount") if role not in self._columns]
        if "closed_at" not in self._columns and not self._options.one_date:
            questions.append(Question("close_dates", _NO_CLOSE_DATES))
        if "status" not in self._columns and not self._options.all_decided:
            questions.append(ask("status", ", or say with --all-decided that every row counts"))
        return questions

    def _unread(self, questions: list[Question]) -> Reading:
        rows = [line for line in self._table.head if line.number > self._header.line]
        first = tuple(
            FirstRow(line.number, self._written(line.cells), {}, "not read yet")
            for line in rows[:_FIRST_ROWS]
        )
        return Reading(
            sources=(), rows=0, taken=0, left_out={}, refused_count=0, refused=(), repeated=0,
            columns=self._named(), headers=self._header.names, questions=tuple(questions),
            notes=tuple(self._facts()), first_rows=first,
        )  # fmt: skip

    def _written(self, cells: list[str]) -> dict[str, str]:
        return {role: one_line(cells[at]) if at < len(cells) else "" for role, at in self._columns.items()}

    def _named(self) -> dict[str, str]:
        return {role: self._header.label(self._columns[role]) for role in ROLES if role in self._columns}

    def _first_layout(self) -> Layout:
        """The layout that the first rows speak for."""
        options = self._options
        now = options.now or datetime.now(UTC)
        layout = Layout(
            columns=self._columns,
            header=self._header.names,
            group=self._group,
            orders=dict.fromkeys(_DATE_ROLES, options.dates),
            decimal=options.decimal or ".",
            zone=_zone(options.zone),
            ask=frozenset(self._tool.get("ask", []) if self._tool else []),
            now=int(now.timestamp() * 1_000_000),
            options=options,
        )
        judge = RowJudge(layout)
        rows = [(line.number, line.cells) for line in self._table.head if line.number > self._header.line]
        if rows:
            judge.judge(as_chunk(rows, len(self._header.names), 0.0))
        return self._layout_of(layout, judge)

    def _layout_of(self, layout: Layout, judge: RowJudge) -> Layout:
        options, says = self._options, judge.seen.says
        orders = {role: options.dates or date_order(says.get(role, 0)) for role in _DATE_ROLES}
        decimal = options.decimal or decimal_mark(says.get("decimal", 0)) or "."
        return replace(layout, orders=orders, decimal=decimal)

    # -- one pass over all rows ----------------------------------------------------------------------------

    def _pass(self, layout: Layout) -> _Pass:
        import numpy as np

        found = _Pass(RowJudge(layout))
        with Repeats() as repeats:
            for judged, reasons, groups in self._judged(found):
                numbers = np.arange(found.rows - len(reasons), found.rows, dtype=np.int64)
                stands = self._stands(judged.reasons, found.judge)
                keys = judged.ids.hashes() ^ (groups.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
                repeats.add(keys[stands], numbers[stands])
                taken = reasons == 0
                found.counts.add(groups[taken], judged.estimates.take(np.flatnonzero(taken)))
                self._note(found, judged, reasons)
            found.come_again = repeats.find()
        return found

    def _judged(self, found: _Pass) -> Iterator[tuple[Judged, Ints, Ints]]:
        """Each chunk with its rows' final reasons (-1: repeated, -2: beyond the limit) and groups."""
        import numpy as np

        limits: Ints = np.zeros(0, dtype=np.int64)
        for chunk in self._table.chunks(self._header.line, len(self._header.names)):
            judged = found.judge.judge(chunk)
            groups = self._groups(judged, found)
            reasons = judged.reasons
            if self._drop is not None:
                first, last = np.searchsorted(self._drop, [found.rows, found.rows + len(reasons)])
                reasons = reasons.copy()
                reasons[self._drop[first:last] - found.rows] = -1
            if self._options.limit is not None:
                reasons, limits = _limited(reasons, groups, limits, self._options.limit)
            found.rows += len(reasons)
            yield judged, reasons, groups
            if self._progress is not None:
                self._progress(chunk.done)

    def _stands(self, reasons: Ints, judge: RowJudge) -> npt.NDArray[np.bool_]:
        """Rows that say something of their estimate: those that are not refused."""
        import numpy as np

        refused = np.array(
            [reason is not None and reason.fate == REFUSED for reason in judge.reasons], dtype=bool
        )
        return ~refused[reasons]

    def _groups(self, judged: Judged, found: _Pass) -> Ints:
        import numpy as np

        if "group" not in judged.texts:
            found.groups.setdefault(self._name, 0)
            return np.zeros(len(judged.reasons), dtype=np.int64)
        codes, texts = judged.texts["group"].coded()
        own = np.array([found.groups.setdefault(text, len(found.groups)) for text in texts], dtype=np.int64)
        return own[codes] if len(own) else codes

    def _note(self, found: _Pass, judged: Judged, reasons: Ints) -> None:
        import numpy as np

        values, counts = np.unique(reasons, return_counts=True)
        found.fates.update({int(value): int(count) for value, count in zip(values, counts, strict=True)})
        if len(found.refused) < MAX_REFUSED:
            refused = ~self._stands(np.maximum(reasons, 0), found.judge)
            for index in np.flatnonzero(refused)[: MAX_REFUSED - len(found.refused)]:
                reason = found.judge.reasons[int(reasons[index])]
                role = reason.role if reason is not None else ""
                text = judged.texts.get(role)
                value = "" if text is None else one_line(text[int(index)])
                found.refused.append((int(judged.lines[index]), int(reasons[index]), value))
        for kind, lines in judged.no_rows.items():
            note = found.no_rows.get(kind, Note(kind))
            listed = (*note.lines, *map(int, lines[:_LISTED_LINES]))[:_LISTED_LINES]
            found.no_rows[kind] = Note(kind, listed, note.count + len(lines))
        for index in range(min(len(reasons), _FIRST_ROWS - len(found.first_rows))):
            found.first_rows.append(_first_row(judged, int(reasons[index]), index, found.judge))

    # -- what it comes to ----------------------------------------------------------------------------------

    def _reading(self, layout: Layout, found: _Pass) -> Reading:
        reasons = found.judge.reasons
        left_out: Counter[str] = Counter()
        alike: Counter[tuple[str, str]] = Counter()
        for number, count in found.fates.items():
            reason = reasons[number] if number > 0 else None
            if reason is not None and reason.fate == LEFT_OUT:
                left_out[reason.text] += count
            elif reason is not None:
                alike[reason.role, reason.text] += count
        if found.fates[-2]:
            left_out[f"beyond the first {self._options.limit}"] = found.fates[-2]
        refused = tuple(
            Refusal(line, self._column(reason.role), reason.text, alike[reason.role, reason.text], value)
            for line, number, value in found.refused
            if (reason := reasons[number]) is not None
        )
        currencies = {each.upper() for each in found.judge.seen.currencies}
        if not one_currency(currencies):
            raise ImportRefused("The amounts are in more than one currency, and price bands are in one",
                              hint="Export one currency at a time.")  # fmt: skip
        taken = found.fates[0]
        return Reading(
            sources=self._sources(layout, found),
            rows=found.rows,
            taken=taken,
            left_out=dict(left_out),
            refused_count=sum(alike.values()),
            refused=refused,
            repeated=found.fates[-1],
            columns=self._named(),
            headers=self._header.names,
            unknown_statuses={one_line(text): n for text, n in found.judge.seen.unknown_statuses.items()},
            questions=tuple(self._questions(layout, found.judge)),
            notes=(*self._facts(), *found.no_rows.values(), *_currency_notes(currencies)),
            first_rows=tuple(found.first_rows),
        )

    def _column(self, role: str) -> str:
        if role == "group":
            return self._header.label(cast("int", self._group))
        at = self._columns.get(cast("Role", role))
        return "" if at is None else self._header.label(at)

    def _questions(self, layout: Layout, judge: RowJudge) -> Iterator[Question]:
        for role in _DATE_ROLES:
            if role in self._columns and layout.orders[role] is None:
                text = f"Dates of the column {self._column(role)} can be read with the day or the month first"
                yield Question("dates", f"{text}: say which with --dates dmy or --dates mdy.")
        if self._options.decimal is None and decimal_mark(judge.seen.says.get("decimal", 0)) is None:
            text = f"Amounts of the column {self._column('amount')} can be read with a decimal point or comma"
            yield Question("decimal", f"{text}: say which with --decimal . or --decimal ,")

    def _facts(self) -> Iterator[Note]:
        yield from (Note(fact) for fact in self._table.facts)
        if self._tool is not None:
            yield Note(f"The columns are those of {self._tool['name']}")
        if self._header.above:
            yield Note(
                "title lines above the header", self._header.above[:_LISTED_LINES], len(self._header.above)
            )
        if "estimate_id" not in self._columns:
            yield Note("No column has numbers of estimates: rows are told apart by their content")
        if self._options.one_date:
            yield Note("Without closing dates no latency is counted; weeks are those of created_at")

    def _sources(self, layout: Layout, found: _Pass) -> Sequence[ImportedSource]:
        totals = found.counts.totals()
        names = list(found.groups)
        taken = [number for number in range(min(len(totals), len(names))) if totals[number]]
        ordered = sorted(taken, key=lambda number: names[number])
        source_type = str(self._options.source_type or (self._tool or {}).get("source_type") or "csv")

        def estimates() -> Iterator[tuple[Ints, pd.DataFrame]]:
            return iter(()) if self._options.one_date else self._estimates(layout, found)

        places = {number: place for place, number in enumerate(ordered)}
        partitions = None if self._group is None else Partitions(estimates, places, int(totals.sum()))

        def source(place: int) -> ImportedSource:
            number = ordered[place]
            return ImportedSource(
                name=one_line(names[number], 200),
                source_type=source_type,
                count=int(totals[number]),
                buckets=found.counts.of(number),
                chunks=(lambda: (frame for _, frame in estimates()))
                if partitions is None
                else partitions.reader(place),
            )

        return Sources(len(ordered), source)

    def _estimates(self, layout: Layout, first: _Pass) -> Iterator[tuple[Ints, pd.DataFrame]]:
        """Taken rows anew, with the group of each; their number is what it was at first.

        Raises:
            ImportRefused: The file has changed.
        """
        import numpy as np

        found = _Pass(RowJudge(layout))
        total = 0
        for judged, reasons, groups in self._judged(found):
            taken = reasons == 0
            frame = judged.estimates.take(np.flatnonzero(taken)).reset_index(drop=True)
            frame.insert(0, "estimate_id", judged.ids.where(taken).series())
            frame["status"] = "accepted"
            kinds = judged.texts.get("job_type")
            frame["job_type"] = None if kinds is None else kinds.where(taken).series().replace("", None)
            total += len(frame)
            if len(frame):
                yield groups[taken], frame
        if total != first.fates[0]:
            raise ImportRefused("The file changed while it was read", hint="Import it again.")


def _zone(name: str) -> ZoneInfo | None:
    from zoneinfo import ZoneInfo

    if name.upper() == "UTC":
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):
        raise ImportRefused(
            f"There is no zone {one_line(name)}", hint="Zones are named as America/New_York."
        ) from None


def _limited(reasons: Ints, groups: Ints, used: Ints, limit: int) -> tuple[Ints, Ints]:
    """Reasons with -2 for taken rows beyond each group's limit, and how many each group has had."""
    import numpy as np
    import pandas as pd

    if not len(groups):
        return reasons, used
    size = max(len(used), int(groups.max()) + 1)
    used = np.concatenate([used, np.zeros(size - len(used), dtype=np.int64)])
    taken = np.flatnonzero(reasons == 0)
    rank = pd.Series(groups[taken]).groupby(groups[taken]).cumcount().to_numpy() + used[groups[taken]]
    reasons = reasons.copy()
    reasons[taken[rank >= limit]] = -2
    return reasons, used + np.bincount(groups[taken], minlength=size)


def _first_row(judged: Judged, number: int, index: int, judge: RowJudge) -> FirstRow:
    reason = judge.reasons[number] if number > 0 else None
    written = {role: one_line(text[index]) for role, text in judged.texts.items()}
    fate = "taken" if number == 0 else {-1: "repeated", -2: "beyond the limit"}.get(number, "")
    if reason is not None:
        fate = f"{reason.fate}: {reason.text}"
    row = judged.estimates.iloc[index]
    read: Mapping[str, str] = {}
    if number == 0:
        read = {
            "estimate_id": one_line(judged.ids[index]),
            "created_at": f"{row['created_at']:%Y-%m-%d %H:%M}",
            "closed_at": "" if row["closed_at"] != row["closed_at"] else f"{row['closed_at']:%Y-%m-%d %H:%M}",
            "amount": f"{int(row['amount_cents']) / 100:,.2f}",
            "status": "accepted",
            "job_type": written.get("job_type", ""),
        }
    return FirstRow(int(judged.lines[index]), written, read, fate)


def _currency_notes(currencies: set[str]) -> Iterator[Note]:
    others = currencies - {"", "$", "USD"}
    if others:
        yield Note(f"Amounts are in {', '.join(sorted(others))}; the bands count them as they are")
