"""Searching on Supabase: Postgres' own cases, and a text that stands for itself whatever it holds."""

from __future__ import annotations

from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dev.local_supabase import Server
from secondlook.domain.sources import SourceQuery
from tests.supabase.kinds import AsThePerson
from tests.supabase_server import SupabaseTables

# Letters that have one other case at most; what LIKE, patterns, URLs and PostgREST's filters know.
ALPHABET = "abAB012äÖéЖжλΛ中\U0001f600%_*.,()[]{}?+^$|\\/'\":;&=#!~<>@ -\t"
TEXTS = st.text(st.sampled_from(ALPHABET), max_size=8)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXTS, search=TEXTS, cut=st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_any_search(supabase_server: Server, name: str, search: str, cut: tuple[int, int]) -> None:
    """Found exactly where it is a part of the name, in either case, and another's name never."""
    tables, store = SupabaseTables(supabase_server), AsThePerson(supabase_server)
    user, other = str(uuid4()), str(uuid4())
    tables.add_source(user, user_id=user, name=name)
    tables.add_source(other, user_id=other, name=name + search)
    # The local server cuts spaces off a filter's end; PostgREST does not.
    for text in {part.strip() for part in (search, name[cut[0] : cut[1]], name.upper(), name.lower())}:
        page = store.list_sources(user, SourceQuery(search=text))
        found = text.lower() in name.lower()
        assert ([row.source.source_id for row in page.rows], page.total) == ([user] * found, int(found)), text
    store.close()
