"""What may be spent: exact at any concurrency, charged or refunded where it was reserved, switched off."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from itertools import repeat
from typing import Literal, NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondlook.connections.database import Database
from secondlook.domain.budgets import (
    BudgetName,
    BudgetStatus,
    Limit,
    Limits,
    SwitchedOff,
    Use,
    day_of,
    period_end,
    refusal,
    room,
)
from secondlook.errors import OverBudget, SettingInvalid
from secondlook.ledger.budgets import (
    MOST_NANOUSD,
    Budgets,
    Reservation,
    limits_of,
    release,
    reserve,
    settle,
)
from secondlook.ledger.database import ledger_database
from secondlook.settings import load_settings
from tests.examples import NOBODY, OTHER_USER, USER
from tests.ledger.executing import Where, query
from tests.processes import at_once

USD = 10**9
CENT = USD // 100
THREADS = 8
NAMES = ("USER_DAY", "USER_MONTH", "DAY", "MONTH")
USERS = (USER, OTHER_USER, NOBODY)


def seconds(text: str) -> float:
    """A point in time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOON = seconds("2026-11-22T12:00:00")
LAST_MOMENT = seconds("2026-11-30T23:59:59.999")
FIRST_MOMENT = seconds("2026-12-01T00:00:00")


@pytest.fixture
def database(where: Where) -> Generator[Database]:
    """An empty database with the tables of the budgets."""
    opened = ledger_database(where)
    Budgets(opened, Limits())
    yield opened
    opened.close()


def take(
    database: Database,
    limits: Limits | None = None,
    *,
    user: str = USER,
    estimate: int | None = 0,
    at: float | None = NOON,
) -> Reservation:
    """Reserve a call, in a transaction of its own."""
    return database.write(lambda connection: reserve(connection, limits or Limits(), user, estimate, at=at))


def refused(
    database: Database,
    limits: Limits,
    *,
    user: str = USER,
    estimate: int | None = 0,
    at: float | None = NOON,
) -> OverBudget:
    """Why a call is not reserved."""
    with pytest.raises(OverBudget) as caught:
        take(database, limits, user=user, estimate=estimate, at=at)
    return caught.value


def end(database: Database, reservation: Reservation, cost: int | None) -> Reservation:
    """Charge a call, in a transaction of its own."""
    return database.write(lambda connection: settle(connection, reservation, cost))


def give_back(database: Database, reservation: Reservation) -> Reservation:
    """Release a call, in a transaction of its own."""
    return database.write(lambda connection: release(connection, reservation))


def counted(where: Where) -> dict[tuple[str, str], Use]:
    """The rows that hold anything, past the budgets."""
    rows = query(where, "select scope, period, calls, nanousd, reserved_nanousd from spending")
    uses = {(str(scope), str(period)): Use(*map(int, map(str, rest))) for scope, period, *rest in rows}
    return {key: use for key, use in uses.items() if use != Use()}


def everywhere(use: Use, *, user: str = USER, day: str = "2026-11-22") -> dict[tuple[str, str], Use]:
    """The same in all four rows."""
    return {(scope, period): use for scope in ("all", user) for period in (day, day[:7])}


# -- what is allowed ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "day", "day_ends", "month_ends"),
    [
        ("2026-11-22T12:00:00", "2026-11-22", "2026-11-23", "2026-12-01"),
        ("2026-11-22T00:00:00", "2026-11-22", "2026-11-23", "2026-12-01"),
        ("2026-11-30T23:59:59.999", "2026-11-30", "2026-12-01", "2026-12-01"),
        ("2026-12-31T23:59:59.999", "2026-12-31", "2027-01-01", "2027-01-01"),
        ("2027-01-01T00:00:00", "2027-01-01", "2027-01-02", "2027-02-01"),
        ("2027-01-31T08:00:00", "2027-01-31", "2027-02-01", "2027-02-01"),
        ("2027-02-28T08:00:00", "2027-02-28", "2027-03-01", "2027-03-01"),
        ("2028-02-28T08:00:00", "2028-02-28", "2028-02-29", "2028-03-01"),
    ],
)
def test_days_and_months(at: str, day: str, day_ends: str, month_ends: str) -> None:
    """Both begin at midnight in UTC."""
    assert day_of(seconds(at)) == day
    assert (period_end(day), period_end(day[:7])) == (f"{day_ends}T00:00:00Z", f"{month_ends}T00:00:00Z")


def test_no_setting_is_no_limit() -> None:
    """As everything begins."""
    assert limits_of(load_settings()) == Limits() == Limits(Limit(), Limit(), Limit(), Limit())


def test_limits_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its own; dollars become billionths, of which less than one is left out."""
    names = [
        f"{name}_{unit}" for name in ("USER_DAY", "USER_MONTH", "DAY", "MONTH") for unit in ("CALLS", "USD")
    ]
    values = ("10", "0.5", "0", "0", "1000000000", "1000000000", "7", "0.0000000019")
    for name, value in zip(names, values, strict=True):
        monkeypatch.setenv(f"SECONDLOOK_BUDGET_{name}", value)
    assert limits_of(load_settings()) == Limits(
        user_day=Limit(10, USD // 2),
        user_month=Limit(0, 0),
        day=Limit(10**9, 10**18),
        month=Limit(7, 1),
    )


@pytest.mark.parametrize(
    ("unit", "value", "allowed"),
    [
        *(("CALLS", value, "a whole number from 0") for value in ("-1", "1.5", "many", "1000000001")),
        *(("USD", value, "a number from 0") for value in ("-0.01", "$5", "nan", "inf", "1000000001")),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_wrong_settings(
    name: str, unit: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that is none is told at the start."""
    monkeypatch.setenv(f"SECONDLOOK_BUDGET_{name}_{unit}", value)
    with pytest.raises(SettingInvalid) as caught:
        load_settings()
    assert caught.value.message.startswith(
        f"SECONDLOOK_BUDGET_{name}_{unit} is {value!r}; allowed: {allowed}"
    )


class Case(NamedTuple):
    """A budget, what is asked of it, and what is said."""

    name: BudgetName
    limit: Limit
    used: Use
    estimate: int
    calls: int
    message: str


CASES = [
    Case("user_day", Limit(10), Use(10), 0, 1, "10 calls a day for this user is spent: 10 of 10 used"),
    Case("user_day", Limit(10), Use(12), 0, 1, "10 calls a day for this user is spent: 12 of 10 used"),
    Case("user_month", Limit(1), Use(1), 0, 1, "1 call a month for this user is spent: 1 of 1 used"),
    Case("day", Limit(0), Use(0), 0, 1, "0 calls a day for all users is spent: 0 of 0 used"),
    Case("month", Limit(10), Use(10), 0, 50, "10 calls a month for all users is spent: 10 of 10 used"),
    Case(
        "user_day",
        Limit(10),
        Use(3),
        0,
        50,
        "10 calls a day for this user holds 7 of these 50 calls: 3 of 10 used",
    ),
    Case(
        "user_day",
        Limit(None, USD),
        Use(5, 95 * CENT),
        7 * CENT,
        1,
        "$1.00 a day for this user does not hold this call: $0.95 of $1.00 used, this call takes about $0.07",
    ),
    Case(
        "month",
        Limit(None, 1234 * USD),
        Use(5, 1234 * USD),
        7 * CENT,
        1,
        "$1,234.00 a month for all users is spent: $1,234.00 of $1,234.00 used, this call takes about $0.07",
    ),
    Case(
        "day",
        Limit(None, USD),
        Use(5, 60 * CENT, 35 * CENT),
        7 * CENT,
        1,
        "$1.00 a day for all users does not hold this call: "
        "$0.95 of $1.00 used, $0.35 of it by calls under way, this call takes about $0.07",
    ),
    Case(
        "user_month",
        Limit(None, 5 * CENT),
        Use(),
        21_847_501,
        3,
        "$0.05 a month for this user holds 2 of these 3 calls: "
        "$0.00 of $0.05 used, each call takes about $0.022",
    ),
    Case(
        "user_month",
        Limit(None, 5 * CENT),
        Use(1, 40_000_001),
        1_234_000_000,
        3,
        "$0.05 a month for this user holds none of these 3 calls: "
        "$0.040000001 of $0.05 used, each call takes about $1.24",
    ),
    Case(
        "day",
        Limit(None, 1),
        Use(1, 1),
        1,
        1,
        "$0.000000001 a day for all users is spent: "
        "$0.000000001 of $0.000000001 used, this call takes about $0.000000001",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.message for case in CASES])
def test_messages(case: Case) -> None:
    """With the figures, to the letter; the hint says when the period ends and which setting it is."""
    unit, length = ("calls" if case.limit.nanousd is None else "usd"), case.name.removeprefix("user_")
    period, ends = ("2026-11-22", "2026-11-23") if length == "day" else ("2026-11", "2026-12-01")
    status = BudgetStatus(case.name, period, case.limit, case.used)
    error = refusal([status], case.estimate, calls=case.calls)
    assert error is not None
    assert error.message == f"The budget of {case.message}"
    setting = f"SECONDLOOK_BUDGET_{case.name}_{unit}".upper()
    assert error.hint == f"The {length} ends at {ends}T00:00:00Z; {setting} sets this budget."
    assert (error.code, error.reason) == ("over_budget", f"{case.name}_{unit}")


@pytest.mark.parametrize(
    ("limit", "used", "estimate", "calls"),
    [
        pytest.param(Limit(), Use(10**9, 10**18), 10**12, 10**6, id="no limit"),
        pytest.param(Limit(10), Use(9), 0, 1, id="the last call"),
        pytest.param(Limit(10), Use(0), 0, 10, id="all calls"),
        pytest.param(Limit(None, USD), Use(9, 93 * CENT), 7 * CENT, 1, id="the last dollar"),
        pytest.param(Limit(None, USD), Use(9, 60 * CENT, 33 * CENT), 7 * CENT, 1, id="with reservations"),
        pytest.param(Limit(None, 0), Use(9), 0, 100, id="what costs nothing"),
        pytest.param(Limit(None, USD), Use(9, 2 * USD), 0, 100, id="what costs nothing of what is spent"),
        pytest.param(Limit(10), Use(0), None, 1, id="an unknown price without dollar limits"),
    ],
)
def test_what_is_allowed(limit: Limit, used: Use, estimate: int | None, calls: int) -> None:
    """Up to the limit, itself included."""
    assert refusal([BudgetStatus("day", "2026-11-22", limit, used)], estimate, calls=calls) is None


def test_an_unknown_price(database: Database, where: Where) -> None:
    """Dollar budgets refuse what they cannot hold, and say which they are; others count the call."""
    limits = Limits(user_day=Limit(5), user_month=Limit(None, 10**18), month=Limit(None, 0))
    error = refused(database, limits, estimate=None)
    assert error.message == "The price of the model is unknown, so the dollar budgets cannot hold it"
    assert error.hint == (
        "Take a model with a known price, or unset SECONDLOOK_BUDGET_USER_MONTH_USD, "
        "SECONDLOOK_BUDGET_MONTH_USD and set a budget of calls."
    )
    assert error.reason == "price_unknown"
    assert counted(where) == {}
    assert take(database, Limits(user_day=Limit(1)), estimate=None).estimate_nanousd == 0
    assert counted(where) == everywhere(Use(1))
    assert refused(database, Limits(user_day=Limit(1)), estimate=None).reason == "user_day_calls"


FULL = {name: Limit(1) for name in ("user_day", "user_month", "day", "month")}


@pytest.mark.parametrize(
    ("spent", "at", "told"),
    [
        pytest.param(["user_day", "user_month", "day", "month"], NOON, "user_month_calls", id="all"),
        pytest.param(["user_day", "day"], NOON, "user_day_calls", id="days"),
        pytest.param(["user_day", "month"], NOON, "month_calls", id="the longer one"),
        pytest.param(["day", "user_day", "month"], LAST_MOMENT, "user_day_calls", id="both end at once"),
    ],
)
def test_of_several_the_one_that_lasts_is_told(
    database: Database, spent: list[str], at: float, told: str
) -> None:
    """Nobody waits for midnight to hear that the month is spent too."""
    limits = Limits(**{name: FULL[name] for name in spent})
    take(database, at=at)
    assert refused(database, limits, at=at).reason == told


# -- what is counted ------------------------------------------------------------------------------------


def test_a_call_counts_in_four_rows(database: Database, where: Where) -> None:
    """Its user's and everybody's, of the day and of the month."""
    made = take(database, estimate=7 * CENT)
    assert made == Reservation(USER, "2026-11-22", 7 * CENT)
    assert counted(where) == everywhere(Use(1, 0, 7 * CENT))
    take(database, user=OTHER_USER, estimate=CENT)
    assert counted(where) == {
        **everywhere(Use(1, 0, 7 * CENT)),
        **everywhere(Use(1, 0, CENT), user=OTHER_USER),
        ("all", "2026-11-22"): Use(2, 0, 8 * CENT),
        ("all", "2026-11"): Use(2, 0, 8 * CENT),
    }


@pytest.mark.parametrize("name", ["user_day", "user_month", "day", "month"])
@pytest.mark.parametrize(
    ("limit", "estimate"), [(Limit(2), 0), (Limit(None, 2 * CENT), CENT), (Limit(2, 2 * CENT), CENT)]
)
def test_what_is_refused_counts_nowhere(
    database: Database, where: Where, name: str, limit: Limit, estimate: int
) -> None:
    """Two calls, not three; the others' budgets are as before."""
    limits = Limits(**{name: limit})
    for _ in range(2):
        take(database, limits, estimate=estimate)
    before = counted(where)
    assert name in str(refused(database, limits, estimate=estimate).reason)
    assert counted(where) == before == everywhere(Use(2, 0, 2 * estimate))
    if name.startswith("user_"):
        take(database, limits, user=OTHER_USER, estimate=estimate)
    else:
        refused(database, limits, user=OTHER_USER, estimate=estimate)


def test_who_catches_the_refusal_has_counted_nothing(database: Database, where: Where) -> None:
    """Also where the transaction goes on."""

    def work(connection: sa.Connection) -> None:
        with pytest.raises(OverBudget):
            reserve(connection, Limits(day=Limit(0)), USER, 5, at=NOON)

    database.write(work)
    assert counted(where) == {}


def test_a_call_that_is_not_noted_is_not_counted(database: Database, where: Where) -> None:
    """Reservation and call are one transaction."""

    def work(connection: sa.Connection) -> None:
        reserve(connection, Limits(), USER, 5, at=NOON)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write(work)
    assert counted(where) == {}


def test_by_the_databases_clock(database: Database, where: Where) -> None:
    """Where nobody names a time."""
    before = datetime.now(UTC)
    made = take(database, at=None)
    assert before.date().isoformat() <= made.day <= datetime.now(UTC).date().isoformat()
    assert counted(where) == everywhere(Use(1), day=made.day)
    (status, *_) = Budgets(database, Limits()).standing(USER)
    assert (status.period, status.used) == (made.day, Use(1))


def test_a_new_month(database: Database) -> None:
    """A moment later everything is there again."""
    limits = Limits(user_day=Limit(1, CENT), month=Limit(1, CENT))
    take(database, limits, estimate=CENT, at=LAST_MOMENT)
    assert refused(database, limits, estimate=CENT, at=LAST_MOMENT).hint.startswith(
        "The day ends at 2026-12-01T00:00:00Z; "
    )
    take(database, limits, estimate=CENT, at=FIRST_MOMENT)


def test_a_new_day_of_the_same_month(database: Database) -> None:
    """The day's budget is there again, the month's is not."""
    limits = Limits(user_day=Limit(1), user_month=Limit(2))
    take(database, limits, at=NOON)
    assert refused(database, limits, at=NOON).reason == "user_day_calls"
    take(database, limits, at=NOON + 86400)
    assert refused(database, limits, at=NOON + 2 * 86400).reason == "user_month_calls"


@pytest.mark.parametrize("cost", [0, 3 * CENT, None])
def test_what_began_before_midnight_ends_there(database: Database, where: Where, cost: int | None) -> None:
    """Whenever that is: the next month's rows stay empty."""
    made = take(database, estimate=7 * CENT, at=LAST_MOMENT)
    take(database, user=OTHER_USER, at=FIRST_MOMENT)
    end(database, made, cost)
    spent = Use(1, 7 * CENT if cost is None else cost, 0)
    assert counted(where) == {
        **everywhere(spent, day="2026-11-30"),
        **everywhere(Use(1), user=OTHER_USER, day="2026-12-01"),
    }


@pytest.mark.parametrize(
    ("costs", "spent"),
    [
        pytest.param([3 * CENT], 3 * CENT, id="less"),
        pytest.param([9 * CENT], 9 * CENT, id="more"),
        pytest.param([0], 0, id="nothing"),
        pytest.param([None], 7 * CENT, id="unknown: what was reserved"),
        pytest.param([3 * CENT, 3 * CENT], 3 * CENT, id="twice"),
        pytest.param([None, None], 7 * CENT, id="unknown twice"),
        pytest.param([None, 3 * CENT], 3 * CENT, id="known later"),
        pytest.param([3 * CENT, None], 3 * CENT, id="known stays known"),
        pytest.param([3 * CENT, 4 * CENT], 4 * CENT, id="corrected"),
        pytest.param([MOST_NANOUSD], MOST_NANOUSD, id="the most"),
        pytest.param([MOST_NANOUSD + 1], 7 * CENT, id="nonsense"),
        pytest.param([10**40], 7 * CENT, id="no column holds it"),
        pytest.param([-1], 7 * CENT, id="negative"),
    ],
)
def test_charging(database: Database, where: Where, costs: list[int | None], spent: int) -> None:
    """What a call has cost counts once, in the place of what was reserved; it stays a call."""
    record = take(database, estimate=7 * CENT).dump()
    for cost in costs:
        record = end(database, Reservation.load(record), cost).dump()
        assert give_back(database, Reservation.load(record)).dump() == record  # too late for that
    assert Reservation.load(record).spent_nanousd == spent
    assert counted(where) == everywhere(Use(1, spent))


def test_releasing(database: Database, where: Where) -> None:
    """It is as if the call had never been, however often that is said."""
    limits = Limits(user_day=Limit(1, 7 * CENT))
    record = take(database, limits, estimate=7 * CENT).dump()
    for _ in range(2):
        record = give_back(database, Reservation.load(record)).dump()
        assert counted(where) == {}
    take(database, limits, estimate=7 * CENT)


@pytest.mark.parametrize(("cost", "spent"), [(3 * CENT, 3 * CENT), (None, 7 * CENT)])
def test_an_answer_to_what_was_released(
    database: Database, where: Where, cost: int | None, spent: int
) -> None:
    """What was paid for counts, whatever was believed before."""
    released = give_back(database, take(database, estimate=7 * CENT))
    assert end(database, released, cost).released is False
    assert counted(where) == everywhere(Use(1, spent))


@pytest.mark.parametrize(
    "reservation",
    [
        Reservation(USER, "2026-11-22", 0),
        Reservation(USER, "2026-11-22", 7 * CENT, 10**13),
        Reservation(USER, "2026-11-22", 7 * CENT, None, released=True),
    ],
)
def test_a_record_is_text(reservation: Reservation) -> None:
    """It is kept with the call, whole."""
    assert Reservation.load(reservation.dump()) == reservation


Operation = tuple[Literal["reserve", "settle", "release"], int, int | None, int]
operations = st.tuples(
    st.sampled_from(["reserve", "reserve", "settle", "release"]),
    st.integers(0, 30),
    st.none() | st.integers(0, 5),
    st.integers(0, 2),
)
limit = st.builds(Limit, st.none() | st.integers(0, 6), st.none() | st.integers(0, 12))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    limits=st.builds(Limits, limit, limit, limit, limit),
    history=st.lists(operations, max_size=30),
)
def test_any_history(new_database: Callable[[], Where], limits: Limits, history: list[Operation]) -> None:
    """Calls counted are those reserved less those released, the dollars theirs, and never above a limit."""
    where = new_database()
    with closing(ledger_database(where)) as database:
        budgets = Budgets(database, limits)
        made: list[Reservation] = []
        overdrawn = False
        for what, index, figure, when in history:
            if what == "reserve":
                user, at = USERS[index % 2], (NOON, LAST_MOMENT, FIRST_MOMENT)[when]
                fits = budgets.allows(user, 1, figure, at=at)
                try:
                    made.append(take(database, limits, user=user, estimate=figure, at=at))
                except OverBudget as error:
                    assert fits.refusal is not None
                    assert (fits.calls, fits.refusal.message) == (0, error.message)  # noqa: PT017 -- or it fits
                else:
                    assert fits == (fits.__class__)(1, None)
            elif made:
                at_hand = index % len(made)
                before = made[at_hand]
                if what == "release":
                    made[at_hand] = give_back(database, before)
                else:
                    made[at_hand] = end(database, before, figure)
                    # An answer costs what it costs, and comes also where it was not expected any more.
                    overdrawn |= before.released or (figure or 0) > before.estimate_nanousd
            assert counted(where) == expected(made)
            if not overdrawn:
                assert within(limits, counted(where))


def expected(made: list[Reservation]) -> dict[tuple[str, str], Use]:
    """What the rows should hold."""
    rows: dict[tuple[str, str], Use] = {}
    for each in made:
        for key, use in everywhere(each.counts, user=each.user_id, day=each.day).items():
            before = rows.get(key, Use())
            rows[key] = Use(
                before.calls + use.calls,
                before.nanousd + use.nanousd,
                before.reserved_nanousd + use.reserved_nanousd,
            )
    return {key: use for key, use in rows.items() if use != Use()}


def within(limits: Limits, uses: dict[tuple[str, str], Use]) -> bool:
    """No row is above its limit."""
    for (scope, period), use in uses.items():
        name = f"{'' if scope == 'all' else 'user_'}{'day' if period.count('-') == 2 else 'month'}"
        most: Limit = getattr(limits, name)
        if most.calls is not None and use.calls > most.calls:
            return False
        if most.nanousd is not None and use.nanousd + use.reserved_nanousd > most.nanousd:
            return False
    return True


# -- at once --------------------------------------------------------------------------------------------


def race(work: Callable[[int], str | None]) -> list[str | None]:
    """What eight threads get that begin at the same moment, each for itself."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> str | None:
        start.wait(20)
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@pytest.mark.parametrize("name", ["user_day", "user_month", "day", "month"])
@pytest.mark.parametrize("limit", [Limit(5), Limit(None, 5 * CENT)], ids=["calls", "dollars"])
def test_threads(database: Database, where: Where, name: str, limit: Limit) -> None:
    """Eight calls at once for the first rows of a day: five are let through."""
    limits = Limits(**{name: limit})

    def work(_: int) -> str | None:
        try:
            take(database, limits, estimate=CENT)
        except OverBudget as error:
            return error.reason
        return None

    told = race(work)
    assert told.count(None) == 5
    assert len(set(told) - {None}) == 1
    assert counted(where) == everywhere(Use(5, 0, 5 * CENT))


def test_nobody_waits_for_each_other(database: Database, where: Where) -> None:
    """Users, days, endings and beginnings crosswise: all get through, and the sums are right."""
    times = (NOON, LAST_MOMENT, FIRST_MOMENT, FIRST_MOMENT + 86400)
    made: list[list[Reservation]] = [[] for _ in range(THREADS)]

    def work(number: int) -> None:
        mine = made[number]
        for turn in range(12):
            which = number + turn
            mine.append(
                take(database, user=USERS[which % 3], estimate=which, at=times[which * 5 % len(times)])
            )
            if turn % 3 == 0:
                mine[-1] = give_back(database, mine[-1])
            if turn % 3 == 2:
                mine[-2] = end(database, mine[-2], 2 * which)

    race(work)
    assert counted(where) == expected([each for mine in made for each in mine])


DRIVER = """
import json, sys
from pathlib import Path
from secondlook.errors import OverBudget
from secondlook.ledger.budgets import Budgets, reserve
from secondlook.ledger.database import ledger_database
from secondlook.domain.budgets import Limit, Limits
from tests.examples import USER

where = sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1])
database = ledger_database(where)
limits = Limits(user_day=Limit(10))
Budgets(database, limits)
print("ready", flush=True)
sys.stdin.readline()
told = []
for source in range(25):
    try:
        database.write(lambda connection: reserve(connection, limits, USER, 7, at=float(sys.argv[2])))
    except OverBudget as error:
        told.append(error.message)
    else:
        told.append("")
print(json.dumps(told), flush=True)
database.close()
"""


def test_two_processes(where: Where) -> None:
    """Fifty sources on two workers with a budget for ten calls: ten calls, forty refused with the figures."""
    said = at_once(DRIVER, *[[str(where), str(NOON)]] * 2)
    told: list[str] = [message for each in said for message in json.loads(each)]
    assert sorted(told) == [""] * 10 + list(
        repeat("The budget of 10 calls a day for this user is spent: 10 of 10 used", 40)
    )
    assert counted(where) == everywhere(Use(10, 0, 70))


# -- the switch -----------------------------------------------------------------------------------------


def test_the_switch(database: Database, where: Where) -> None:
    """Off, nothing is reserved, in no process; what is under way ends as ever; on, all is as before."""
    budgets = Budgets(database, Limits())
    assert budgets.switched_off() is None
    under_way = take(database, estimate=7)
    budgets.switch(sending=False, by="operator@example.com")
    with closing(ledger_database(where)) as elsewhere:
        off = Budgets(elsewhere, Limits()).switched_off()
        assert off is not None
        assert off.by == "operator@example.com"
        error = refused(elsewhere, Limits())
    assert error.message == f"Sending is switched off since {off.since} by operator@example.com"
    assert error.hint == "Nothing is sent until somebody switches it on again."
    assert (error.code, error.reason) == ("over_budget", "kill_switch")
    assert budgets.allows(USER, 5, 0).calls == 0
    end(database, under_way, 5)
    assert counted(where) == everywhere(Use(1, 5))
    budgets.switch(sending=True, by="somebody else")
    assert budgets.switched_off() is None
    take(database)


def test_the_switch_says_who_was_first(database: Database, where: Where) -> None:
    """Who switches off what is off changes nothing; by the database's clock, and whatever they are called."""
    budgets = Budgets(database, Limits())
    budgets.switch(sending=False, by="first\x00\ud800")
    query(where, "update switches set changed_at = ?", NOON)
    budgets.switch(sending=False, by="second")
    assert budgets.switched_off() == SwitchedOff("2026-11-22T12:00:00Z", "first\ufffd\ufffd")
    budgets.switch(sending=True, by="second")
    budgets.switch(sending=False, by="third")
    off = budgets.switched_off()
    assert off is not None
    assert (off.by, off.since != "2026-11-22T12:00:00Z") == ("third", True)


def test_once_it_is_off_nothing_more_is_reserved(database: Database, where: Where) -> None:
    """The switch waits for a reservation in progress: when it returns, all that will be sent is known."""
    budgets = Budgets(database, Limits())
    reserved, go_on = threading.Event(), threading.Event()

    def slowly(connection: sa.Connection) -> None:
        reserve(connection, Limits(), USER, 7, at=NOON)
        reserved.set()
        assert go_on.wait(20)

    def switch() -> dict[tuple[str, str], Use]:
        budgets.switch(sending=False, by="me")
        return counted(where)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(database.write, slowly)
        assert reserved.wait(20)
        then = pool.submit(switch)
        with pytest.raises(TimeoutError):
            then.result(0.2)
        assert budgets.switched_off() is None
        go_on.set()
        first.result(20)
        assert then.result(20) == everywhere(Use(1, 0, 7))
    refused(database, Limits())


# -- for people -----------------------------------------------------------------------------------------


def test_status(database: Database) -> None:
    """The user's first, the day first; without a user everybody's alone."""
    limits = Limits(user_day=Limit(10, USD), month=Limit(100, None))
    end(database, take(database, limits, estimate=7 * CENT), 2 * CENT)
    take(database, limits, estimate=5 * CENT, at=NOON - 86400)
    take(database, limits, user=OTHER_USER, estimate=CENT)
    budgets = Budgets(database, limits)
    assert budgets.standing(USER, at=NOON) == [
        BudgetStatus("user_day", "2026-11-22", Limit(10, USD), Use(1, 2 * CENT, 0)),
        BudgetStatus("user_month", "2026-11", Limit(), Use(2, 2 * CENT, 5 * CENT)),
        *budgets.standing(at=NOON),
    ]
    assert budgets.standing(at=NOON) == [
        BudgetStatus("day", "2026-11-22", Limit(), Use(2, 2 * CENT, CENT)),
        BudgetStatus("month", "2026-11", Limit(100), Use(3, 2 * CENT, 6 * CENT)),
    ]
    first, *_, last = budgets.standing(USER, at=NOON)
    assert (first.spent_usd, first.reserved_usd, first.limit_usd) == (Decimal("0.02"), 0, 1)
    assert (last.spent_usd, last.reserved_usd, last.limit_usd) == (Decimal("0.02"), Decimal("0.06"), None)
    assert (first.ends_at, last.ends_at) == ("2026-11-23T00:00:00Z", "2026-12-01T00:00:00Z")
    assert [each.used for each in budgets.standing(NOBODY, at=FIRST_MOMENT)] == [Use()] * 4


@pytest.mark.parametrize(
    ("limits", "wanted", "estimate", "fits", "said"),
    [
        pytest.param(Limits(), 50, None, 50, None, id="no limits"),
        pytest.param(
            Limits(day=Limit(10)),
            50,
            CENT,
            8,
            "10 calls a day for all users holds 8 of these 50 calls: 2 of 10 used",
            id="calls",
        ),
        pytest.param(Limits(day=Limit(10)), 8, CENT, 8, None, id="as many as there are"),
        pytest.param(
            Limits(day=Limit(10), user_month=Limit(40, USD // 10)),
            50,
            CENT,
            7,
            "$0.10 a month for this user holds 7 of these 50 calls: "
            "$0.03 of $0.10 used, $0.01 of it by calls under way, each call takes about $0.01",
            id="the least room",
        ),
        pytest.param(
            Limits(user_day=Limit(2)),
            50,
            0,
            0,
            "2 calls a day for this user is spent: 2 of 2 used",
            id="spent",
        ),
    ],
)
def test_how_many_are_allowed(
    database: Database, limits: Limits, wanted: int, estimate: int | None, fits: int, said: str | None
) -> None:
    """Of so many, as reserving them one by one would allow."""
    end(database, take(database, estimate=7 * CENT), 2 * CENT)
    take(database, estimate=CENT)
    allowance = Budgets(database, limits).allows(USER, wanted, estimate, at=NOON)
    assert allowance.calls == fits
    assert (allowance.refusal and allowance.refusal.message) == (said and f"The budget of {said}")
    for _ in range(fits):
        take(database, limits, estimate=estimate)
    if fits < wanted:
        refused(database, limits, estimate=estimate)


def test_how_many_of_an_unknown_price(database: Database) -> None:
    """None, where dollars are limited."""
    allowance = Budgets(database, Limits(day=Limit(10, 10**18))).allows(USER, 5, None)
    assert allowance.calls == 0
    assert allowance.refusal is not None
    assert allowance.refusal.reason == "price_unknown"


def test_room_without_any_limit() -> None:
    """Is not a number."""
    assert room([BudgetStatus("day", "2026-11-22", Limit(), Use(5))], CENT) is None
    assert room([], CENT) is None
