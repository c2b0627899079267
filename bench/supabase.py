"""One snapshot on a local Supabase next to three bare requests to the same server, over the same rows.

Ours has all that is in a snapshot: besides the same three requests the call to the model, what the ledger
notes, and the validation. Theirs has neither call nor ledger; with the bare call added it is a line for
information.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from bench.line import Goal, Line, compared, not_measured
from bench.provider import answering
from bench.snapshot import SOURCE, agent_settings, request_of
from bench.turns import Child, in_turn
from dev.local_supabase import Server, Unavailable, local_supabase
from dev.local_supabase.people import PEOPLE, welcome

TURNS = 100
WHAT = "one snapshot, local Supabase"
GOAL = Goal("≤", 1.3)


def lines() -> Iterator[Line]:
    """Against the three requests, and against them with the bare call."""
    bare = "three bare PostgREST requests with httpx"
    try:
        with ExitStack() as stack:
            server = stack.enter_context(local_supabase())
            yield from _compared(server, stack, bare)
    except Unavailable as error:
        yield not_measured(WHAT, bare, GOAL, f"no local Supabase: {error}")


def _compared(server: Server, stack: ExitStack, bare: str) -> Iterator[Line]:
    user = welcome(server, PEOPLE[0])
    base_url = stack.enter_context(answering())
    agent = agent_settings(base_url)
    request = request_of(agent | {"SECONDLOOK_DATA_DIR": stack.enter_context(tempfile.TemporaryDirectory())})
    told: dict[str, Any] = {
        "source": SOURCE,
        "user": user,
        "settings": agent
        | {
            "SECONDLOOK_DATA_DIR": stack.enter_context(tempfile.TemporaryDirectory()),
            "SUPABASE_URL": server.url,
            "SUPABASE_KEY": server.publishable_key,
            "SUPABASE_SECRET_KEY": server.secret_key,
        },
        "request": None,
    }
    ours = stack.enter_context(Child("bench.snapshot", told))
    ours.once()
    told["row"] = _row(server)
    theirs = stack.enter_context(Child("bench.postgrest", told))
    with_call = stack.enter_context(Child("bench.postgrest", told | {"request": request}))
    samples = in_turn({"ours": ours.once, "bare": theirs.once, "with call": with_call.once}, TURNS)
    medians = {name: statistics.median(each) for name, each in samples.items()}
    what = f"{WHAT} ({server.driver}): load, ledger, call, validate, store"
    yield compared(what, bare, medians["ours"], medians["bare"], "ms", GOAL)
    yield compared(what, f"{bare}, and the bare openai create", medians["ours"], medians["with call"], "ms")


def _row(server: Server) -> dict[str, Any]:
    """A snapshot as ours has stored it."""
    path = f"/rest/v1/snapshots?source_id=eq.{SOURCE}&limit=1"
    (row,) = server.ask("GET", path, secret=True).expect(200)
    return row
