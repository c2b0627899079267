"""Rows with a fate each: a chunk of texts is judged at once, by values where there are few of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from secondlook.importing import amounts, dates
from secondlook.importing.estimates import Options, Role
from secondlook.importing.headers import BLANKS, synonyms
from secondlook.importing.table import Chunk
from secondlook.importing.texts import Texts

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Ints = npt.NDArray[np.int64]

_NO_TIME = -(2**63)
_WITH_TIME = r":|^[0-9]{5}\.[0-9]"
_PLAIN = r"^[0-9]{1,10}(\.[0-9]{1,2})?$"
_TOTALS = re.compile(r"(?:sub|grand )?\s*totals?\b.*|sum\b.*", re.IGNORECASE | re.DOTALL)
_FOOTERS = re.compile(
    r"confidential information\b.*|copyright\b.*|\(c\)\s.*|©.*|report generated\b.*|generated (?:by|on)\b.*",
    re.IGNORECASE | re.DOTALL,
)
BLANK_LINE = "blank lines"
TOTALS_LINE = "totals lines"
FOOTER_LINE = "footer lines"
SECTION_LINE = "lines with one text between the rows"
HEADER_LINE = "repeated header lines"

LEFT_OUT, REFUSED = "left out", "refused"


@dataclass(frozen=True)
class Reason:
    """Why a row is not taken.

    Attributes:
        fate: LEFT_OUT or REFUSED.
        role: The column's role; empty for the whole row.
        text: The reason.
    """

    fate: str
    role: str
    text: str


@dataclass(frozen=True)
class Layout:
    """What a file's rows are read by.

    Attributes:
        columns: The position of each role.
        header: The header's cells, to know where it comes again.
        group: The position of the column to group by.
        orders: The order of day and month by role; None where it is not known.
        decimal: The decimal mark.
        zone: The zone of times without one; None: UTC.
        ask: Statuses that say too little with this tool.
        now: Microseconds since 1970.
        options: What a person said.
    """

    columns: Mapping[Role, int]
    header: tuple[str, ...]
    group: int | None
    orders: Mapping[str, str | None]
    decimal: str
    zone: ZoneInfo | None
    ask: frozenset[str]
    now: int
    options: Options


@dataclass
class Seen:
    """What the values of all rows say together."""

    says: dict[str, int] = field(default_factory=dict[str, int])
    currencies: set[str] = field(default_factory=set[str])
    unknown_statuses: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class Judged:
    """A chunk's rows.

    Attributes:
        lines: The line of each.
        ids: The id of each estimate.
        estimates: Columns created_at, closed_at and amount_cents; rows that are not taken hold anything.
        reasons: Why each is not taken, an index into `JudgedRows.reasons`; 0: it is taken.
        texts: The texts of each role, and of `group`, without blanks around them.
        no_rows: Lines that are no rows, by kind.
    """

    lines: Ints
    ids: Texts
    estimates: pd.DataFrame
    reasons: Ints
    texts: Mapping[str, Texts]
    no_rows: Mapping[str, Ints]


class _Verdicts:
    """Why each row is not taken: the first reason stays."""

    def __init__(self, number: Callable[[Reason], int], size: int) -> None:
        import numpy as np

        self._number = number
        self.reasons: Ints = np.zeros(size, dtype=np.int64)

    def give(self, fate: str, role: str, text: str, where: npt.NDArray[np.bool_]) -> None:
        """Give one reason to some rows."""
        if where.any():
            self.reasons[(self.reasons == 0) & where] = self._number(Reason(fate, role, text))

    def give_each(self, found: Ints) -> None:
        """Give each row its own reason; 0 is none."""
        import numpy as np

        np.copyto(self.reasons, found, where=self.reasons == 0)


class RowJudge:
    """Judges chunks by a layout.

    Args:
        layout: What the rows are read by.

    Attributes:
        reasons: The reasons that were given so far; the first stands for none.
        seen: What the values say together.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.reasons: list[Reason | None] = [None]
        self._numbers: dict[Reason, int] = {}
        self.seen = Seen()
        named = synonyms()["statuses"]
        self._statuses = dict.fromkeys(named["undecided"], False) | dict.fromkeys(named["decided"], True)
        for status in layout.ask:
            self._statuses.pop(status, None)
        self._statuses |= dict.fromkeys(map(_folded, layout.options.undecided), False)
        self._statuses |= dict.fromkeys(map(_folded, layout.options.decided), True)

    def judge(self, chunk: Chunk) -> Judged:
        """Give each row its fate.

        Args:
            chunk: The rows.
        """
        import pandas as pd

        texts: dict[str, Texts] = {
            role: Texts.trimmed(chunk.cells[at]) for role, at in self._layout.columns.items()
        }
        if self._layout.group is not None:
            texts["group"] = Texts.trimmed(chunk.cells[self._layout.group])
        is_row, no_rows = self._rows(chunk, texts)
        if not is_row.all():
            texts = {role: text.where(is_row) for role, text in texts.items()}
        verdicts = _Verdicts(self._number, int(is_row.sum()))
        verdicts.give(REFUSED, "", "more cells than the header has", chunk.overlong[is_row])
        if "status" in texts:
            verdicts.give_each(self._by_value(texts["status"], self._status))
        if "group" in texts:
            verdicts.give(REFUSED, "group", "blank", texts["group"].is_in(BLANKS))
        created, closed = self._dates(texts, verdicts)
        cents, why = self._amounts(texts)
        verdicts.give_each(why)
        if self._layout.options.window is not None:
            self._window(self._layout.options.window, created, closed, verdicts)
        if "currency" in texts:
            self.seen.currencies |= set(texts["currency"].coded()[1]) - set(BLANKS)
        ids = self._ids(texts.get("estimate_id"), chunk.cells, is_row)
        estimates = pd.DataFrame(
            {
                "created_at": _times_column(created),
                "closed_at": _times_column(closed),
                "amount_cents": cents,
            }
        )
        return Judged(chunk.lines[is_row], ids, estimates, verdicts.reasons, texts, no_rows)

    def _dates(self, texts: Mapping[str, Texts], verdicts: _Verdicts) -> tuple[Ints, Ints]:
        """Created and closed of each row, with what is wrong with them."""
        import numpy as np

        created, why = self._times("created_at", texts)
        verdicts.give_each(why)
        closed: Ints = np.full(len(created), _NO_TIME, dtype=np.int64)
        if not self._layout.options.one_date:
            closed, why = self._times("closed_at", texts)
            if "closed_at_2" in texts:
                second, why_2 = self._times("closed_at_2", texts)
                blank = texts["closed_at"].is_in(BLANKS) & ~texts["closed_at_2"].is_in(BLANKS)
                closed, why = np.where(blank, second, closed), np.where(blank, why_2, why)
            closed = self._same_day(created, closed, texts)
            verdicts.give_each(why)
        for role, times in (("created_at", created), ("closed_at", closed)):
            known = times != _NO_TIME
            verdicts.give(REFUSED, role, "before 1970", known & (times < 0))
            verdicts.give(REFUSED, role, "in the future", known & (times > self._layout.now))
        early = (closed != _NO_TIME) & (closed < created)
        verdicts.give(REFUSED, "closed_at", "closed before it was created", early)
        return created, closed

    def _same_day(self, created: Ints, closed: Ints, texts: Mapping[str, Texts]) -> Ints:
        """Closing times; a closing date without a time on the day of creation is not before the creation."""
        import numpy as np
        import pandas as pd

        early = np.flatnonzero((closed != _NO_TIME) & (closed < created))
        if not len(early):
            return closed
        with_time = texts["closed_at"].match(_WITH_TIME)
        if "closed_at_2" in texts:
            blank = texts["closed_at"].is_in(BLANKS)
            with_time = np.where(blank, texts["closed_at_2"].match(_WITH_TIME), with_time)
        early = early[~with_time[early]]
        days = [
            pd.DatetimeIndex(each[early].view("datetime64[us]"), tz="UTC")
            .tz_convert(self._layout.zone or "UTC")
            .date
            for each in (created, closed)
        ]
        same = early[days[0] == days[1]]
        closed = closed.copy()
        closed[same] = created[same]
        return closed

    def _window(self, days: int, created: Ints, closed: Ints, verdicts: _Verdicts) -> None:
        import numpy as np

        start = self._layout.now - timedelta(days=days) // timedelta(microseconds=1)
        old = np.where(closed == _NO_TIME, created, closed) < start
        verdicts.give(LEFT_OUT, "closed_at", f"closed more than {days} days ago", old)

    def _number(self, reason: Reason) -> int:
        if reason not in self._numbers:
            self._numbers[reason] = len(self.reasons)
            self.reasons.append(reason)
        return self._numbers[reason]

    def _by_value(self, texts: Texts, reason: Callable[[str, int], Reason | None]) -> Ints:
        """Reasons that depend on a text alone: each text is looked at once."""
        import numpy as np

        codes, distinct = texts.coded()
        counts = np.bincount(codes, minlength=len(distinct))
        found = [reason(text, int(count)) for text, count in zip(distinct, counts, strict=True)]
        numbers = np.array([0 if each is None else self._number(each) for each in found], dtype=np.int64)
        return numbers[codes] if len(numbers) else np.zeros(len(texts), dtype=np.int64)

    def _status(self, text: str, count: int) -> Reason | None:
        folded = _folded(text)
        counts = self._statuses.get(folded)
        if counts is None:
            self.seen.unknown_statuses[text] = self.seen.unknown_statuses.get(text, 0) + count
            return Reason(REFUSED, "status", "blank" if text in BLANKS else "a status that is not known")
        return None if counts else Reason(LEFT_OUT, "status", f"status {folded}")

    def _rows(
        self, chunk: Chunk, texts: Mapping[str, Texts]
    ) -> tuple[npt.NDArray[np.bool_], dict[str, Ints]]:
        """Which lines are rows, and the kinds of those that are none."""
        import numpy as np

        is_row = np.ones(len(chunk.lines), dtype=bool)
        bare = texts["created_at"].is_in(BLANKS)
        if "status" in texts:
            bare &= texts["status"].is_in(BLANKS)
        own = self._layout.header[self._layout.columns["created_at"]]
        again = texts["created_at"].is_in([own])
        lines: dict[str, list[int]] = {}
        for index in np.flatnonzero(bare | again):
            cells = [str(cell).strip() for cell in chunk.cells.iloc[int(index)]]
            kind = self._kind([cell if cell not in BLANKS else "" for cell in cells])
            if kind is not None:
                is_row[index] = False
                lines.setdefault(kind, []).append(int(chunk.lines[index]))
        return is_row, {kind: np.array(numbers, dtype=np.int64) for kind, numbers in lines.items()}

    def _kind(self, cells: list[str]) -> str | None:
        """What a line without date and status is; None for a row."""
        filled = [position for position, cell in enumerate(cells) if cell]
        if not filled:
            return BLANK_LINE
        if [cell for cell in cells if cell] == [cell for cell in self._layout.header if cell]:
            return HEADER_LINE
        if cells[self._layout.columns["created_at"]]:
            return None
        if any(_TOTALS.fullmatch(cells[position]) for position in filled[:2]):
            return TOTALS_LINE
        if _FOOTERS.fullmatch(cells[filled[0]]):
            return FOOTER_LINE
        amounts_at = {at for role, at in self._layout.columns.items() if role.startswith("amount")}
        read = [amounts.read_amount(cells[at], self._layout.decimal) for at in filled]
        if amounts_at & set(filled) and all(amount.cents is not None for amount in read):
            return TOTALS_LINE
        return SECTION_LINE if len(filled) == 1 else None

    def _times(self, role: str, texts: Mapping[str, Texts]) -> tuple[Ints, Ints]:
        """Microseconds of each row and why it has none."""
        import numpy as np

        column = texts[role]
        for zoned in (False, True) if self._layout.zone is None else (True,):
            micros = column.iso_micros(zoned=zoned)
            if micros is not None:
                return micros, np.zeros(len(micros), dtype=np.int64)
        order = self._layout.orders.get(role)

        def read(text: str) -> tuple[int | None, str, int]:
            if text in BLANKS:
                return None, "blank", 0
            found = dates.read_date(text, order, self._layout.zone)
            return found.micros, found.reason, found.says

        return self._read(column, role, read, _NO_TIME)

    def _read(
        self,
        column: Texts,
        role: str,
        read: Callable[[str], tuple[int | None, str, int]],
        missing: int,
    ) -> tuple[Ints, Ints]:
        """Values and reasons, each text read once."""
        import numpy as np

        codes, distinct = column.coded()
        found = [read(text) for text in distinct]
        said = self.seen.says.get(role, 0)
        for _, _, says in found:
            said |= says
        self.seen.says[role] = said
        values = np.array([missing if value is None else value for value, _, _ in found], dtype=np.int64)
        reasons = [
            0 if value is not None else self._number(Reason(REFUSED, role, why)) for value, why, _ in found
        ]
        if not found:
            empty: Ints = np.zeros(len(column), dtype=np.int64)
            return empty, empty.copy()
        return values[codes], np.array(reasons, dtype=np.int64)[codes]

    def _amounts(self, texts: Mapping[str, Texts]) -> tuple[Ints, Ints]:
        """Cents of each row and why it has none; of several columns the first that is neither blank nor 0."""
        import numpy as np

        cents, why = self._cents("amount", texts["amount"])
        for role in ("amount_2", "amount_3"):
            if role not in texts:
                continue
            other, why_other = self._cents(role, texts[role])
            empty = texts["amount"].is_in(BLANKS) | ((cents == 0) & (why == 0))
            better = empty & ~texts[role].is_in(BLANKS)
            cents, why = np.where(better, other, cents), np.where(better, why_other, why)
        return cents, why

    def _cents(self, role: str, column: Texts) -> tuple[Ints, Ints]:
        import numpy as np

        decimal = self._layout.decimal
        if decimal == "." and column.all_match(_PLAIN):
            said = self.seen.says.get("decimal", 0)
            if not said & amounts.POINT and column.any_contains("."):
                self.seen.says["decimal"] = said | amounts.POINT
            plain = column.floats()
            return np.rint(plain * 100).astype(np.int64), np.zeros(len(plain), dtype=np.int64)

        def read(text: str) -> tuple[int | None, str, int]:
            if text in BLANKS:
                return None, "blank", 0
            found = amounts.read_amount(text, decimal)
            if found.currency:
                self.seen.currencies.add(found.currency)
            self.seen.says["decimal"] = self.seen.says.get("decimal", 0) | found.says
            return found.cents, found.reason, 0

        return self._read(column, role, read, 0)

    def _ids(self, column: Texts | None, cells: pd.DataFrame, is_row: npt.NDArray[np.bool_]) -> Texts:
        """Each row's id; a row without one is known by its content."""
        import numpy as np

        rows = np.flatnonzero(is_row)
        blank = np.ones(len(rows), dtype=bool) if column is None else column.is_in(BLANKS)
        if column is not None and not blank.any():
            return column
        ids = [""] * len(rows) if column is None else column.to_list()
        for index in np.flatnonzero(blank):
            ids[int(index)] = _content_id([str(cell) for cell in cells.iloc[int(rows[index])]])
        return Texts.of(ids)


def _content_id(cells: list[str]) -> str:
    content = "\x1f".join(map(str.strip, cells)).encode(errors="surrogatepass")
    return f"content-{hashlib.blake2b(content, digest_size=12).hexdigest()}"


def _folded(status: str) -> str:
    return " ".join(status.replace("’", "'").casefold().split())  # noqa: RUF001 -- as typed by word processors


def _times_column(micros: Ints) -> pd.Series[pd.Timestamp]:
    import pandas as pd

    return pd.Series(pd.DatetimeIndex(micros.view("datetime64[us]"), tz="UTC"))
