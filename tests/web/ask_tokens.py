"""Asks for a session's token from several threads of a process of its own: URL KEY LEDGER SECONDS.

It reads the session's id from standard input, and prints the number of tokens it got, how many of them
were different, and the errors.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from secondlook.auth.accounts import Accounts
from secondlook.auth.sessions import Sessions
from secondlook.connections.supabase import Project
from secondlook.errors import SecondlookError
from secondlook.ledger.database import ledger_database
from tests.web.tokens import expiry

THREADS = 4


def main(url: str, key: str, ledger: str, seconds: float) -> None:
    """Ask until the time is up."""
    session_id = sys.stdin.readline().strip()
    project = Project(url, key)
    database = ledger_database(ledger if "://" in ledger else Path(ledger))
    sessions = Sessions(database, Accounts(project))
    asked: list[str] = []
    wrong: list[str] = []
    end = time.monotonic() + seconds

    def ask() -> None:
        while time.monotonic() < end:
            try:
                found = sessions.find(session_id)
                if found is None or found.access.token is None:
                    wrong.append("thrown out")
                    return
                token = found.access.token()
                asked.append(token)
                if expiry(token) + 1 < time.time():  # it names whole seconds, rounded down
                    wrong.append("expired")
            except SecondlookError as error:
                wrong.append(f"{error.code}: {error.message}")
            time.sleep(0.01)

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    project.close()
    sys.stdout.write(json.dumps({"asked": len(asked), "tokens": sorted(set(asked)), "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
