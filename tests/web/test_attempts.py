"""The rate limit of attempts, on both kinds of database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from secondlook.auth.attempts import (
    BY_ACCOUNT,
    BY_ADDRESS,
    BY_BOTH,
    WINDOW_SECONDS,
    Attempts,
    TooManyAttempts,
)
from secondlook.connections.database import Database
from secondlook.ledger.database import ledger_database
from tests.ledger.executing import Where, query

ANA, HERE = "ana@example.com", "192.0.2.1"


@pytest.fixture
def attempts(database: Database) -> Attempts:
    """What counts."""
    return Attempts(database)


def tries(
    attempts: Attempts, number: int, *, account: str = ANA, address: str = HERE, what: str = "x"
) -> int:
    """Try so often; how many of the tries were let through."""
    let_through = 0
    for _ in range(number):
        try:
            attempts.count(what, account, address)
        except TooManyAttempts:
            continue
        let_through += 1
    return let_through


def test_by_account_and_address(attempts: Attempts) -> None:
    """One account from one address has a few tries; from another address there are more."""
    assert tries(attempts, BY_BOTH + 3) == BY_BOTH
    assert tries(attempts, 1, address="192.0.2.2") == 1
    assert tries(attempts, 1, account="ben@example.com") == 1


def test_by_account(attempts: Attempts) -> None:
    """One account has so many tries from all addresses together."""
    let_through = sum(
        tries(attempts, BY_BOTH - 1, address=f"192.0.2.{number}") for number in range(2 + BY_ACCOUNT // 4)
    )
    assert let_through == BY_ACCOUNT
    assert tries(attempts, 1, account="ben@example.com", address="198.51.100.1") == 1


def test_by_address(attempts: Attempts) -> None:
    """One address has so many tries for all accounts together."""
    let_through = sum(tries(attempts, 1, account=f"{number}@example.com") for number in range(BY_ADDRESS + 5))
    assert let_through == BY_ADDRESS
    assert tries(attempts, 1, account="fresh@example.com") == 0
    assert tries(attempts, 1, account="fresh@example.com", address="198.51.100.1") == 1


def test_each_thing_has_a_count_of_its_own(attempts: Attempts) -> None:
    """Who may not sign in any more can still have a mail sent."""
    assert tries(attempts, BY_BOTH + 1, what="sign-in") == BY_BOTH
    assert tries(attempts, 1, what="mail") == 1


def test_the_window_moves(attempts: Attempts, where: Where) -> None:
    """The error says how long to wait; when the first try is old enough there is room for one more."""
    tries(attempts, BY_BOTH)
    query(where, "update sign_in_attempts set at = at - 100")
    with pytest.raises(TooManyAttempts, match="Too many attempts") as refused:
        attempts.count("x", ANA, HERE)
    assert WINDOW_SECONDS - 110 < refused.value.retry_after <= WINDOW_SECONDS - 100
    assert refused.value.hint == "Try again in 14 minutes."
    query(where, "update sign_in_attempts set at = at - ?", WINDOW_SECONDS - 100)
    assert tries(attempts, BY_BOTH + 1) == BY_BOTH
    assert query(where, "select count(*) from sign_in_attempts") == [(3 * BY_BOTH,)]  # the old ones are gone


def test_a_refused_try_is_not_counted(attempts: Attempts, where: Where) -> None:
    """Trying on while it is closed keeps it closed no longer."""
    tries(attempts, BY_BOTH)
    before = query(where, "select count(*) from sign_in_attempts")
    tries(attempts, 20)
    assert query(where, "select count(*) from sign_in_attempts") == before


def test_forgotten_after_success(attempts: Attempts) -> None:
    """Who signs in begins anew; another account's tries from there stay counted."""
    tries(attempts, BY_BOTH)
    tries(attempts, BY_BOTH, account="ben@example.com")
    attempts.forget("x", ANA, HERE)
    assert tries(attempts, BY_BOTH + 1) == BY_BOTH
    assert tries(attempts, 1, account="ben@example.com") == 0


def test_success_does_not_reset_the_address(attempts: Attempts) -> None:
    """Signing in with an account of one's own in between does not make room to try others'."""
    let_through = 0
    for number in range(BY_ADDRESS + 10):
        let_through += tries(attempts, 1, account=f"{number}@example.com")
        if tries(attempts, 1):
            attempts.forget("x", ANA, HERE)
    assert let_through in {BY_ADDRESS - 1, BY_ADDRESS}


def test_success_is_not_held_against_the_address(attempts: Attempts) -> None:
    """Many people sign in from one address."""
    for number in range(BY_ADDRESS + 10):
        assert tries(attempts, 1, account=f"{number}@example.com") == 1
        attempts.forget("x", f"{number}@example.com", HERE)


def test_success_elsewhere_does_not_open_it_here(attempts: Attempts) -> None:
    """An owner who signs in from home does not give a stranger new tries."""
    tries(attempts, BY_BOTH, address="203.0.113.9")
    attempts.forget("x", ANA, HERE)
    assert tries(attempts, 1, address="203.0.113.9") == 0


def test_the_same_account_in_other_letters(attempts: Attempts) -> None:
    """Case and spaces around an address make no new account."""
    tries(attempts, BY_BOTH - 1)
    assert tries(attempts, 2, account=f"  {ANA.upper()} ") == 1


@pytest.mark.parametrize(
    "account",
    ["", "\0", "\ud800", "x" * 100_000, "a\0b", "' or 1=1 --"],
    ids=["empty", "nul", "surrogate", "long", "parts", "quote"],
)
def test_strange_accounts(attempts: Attempts, account: str) -> None:
    """Whatever is typed is counted like anything else."""
    assert tries(attempts, BY_BOTH + 1, account=account) == BY_BOTH


def test_keys_are_hashes(attempts: Attempts, where: Where) -> None:
    """Neither the account nor the network address lies in the database."""
    attempts.count("sign-in", ANA, HERE)
    held = repr(query(where, "select * from sign_in_attempts"))
    assert ANA not in held
    assert HERE not in held
    keys = [str(row[0]) for row in query(where, "select key from sign_in_attempts")]
    assert all(len(key) == 64 and int(key, 16) for key in keys)


def test_many_at_once(where: Where) -> None:
    """However many try at the same moment, in several processes, no more are let through."""
    databases = [ledger_database(where) for _ in range(4)]
    counting = [Attempts(database) for database in databases]
    try:
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(tries, counting[number % 4], 3) for number in range(16)]
            let_through = sum(one.result(timeout=60) for one in asked)
    finally:
        for database in databases:
            database.close()
    assert let_through == BY_BOTH
