"""Other sources are pooled: one user's own, without the source itself and without what cannot be read."""

from __future__ import annotations

from pathlib import Path

from secondlook.pipeline.peers import read_peers
from secondlook.services import connect
from tests.examples import NOBODY, OTHER_USER, SOURCE, TODAY, bucket_row
from tests.tables import EmbeddedTables


def high(number: int) -> dict[str, object]:
    """Buckets of 40 estimates, so many of them of $1,500 and more."""
    return bucket_row(price_band_lt_500=40 - number, price_band_500_1500=0, price_band_1500_5000=number)


def test_the_median_of_ones_own_other_sources() -> None:
    """Of either status; neither the source itself, nor broken ones, nor another user's count."""
    services = connect()
    services.ping_store()
    store = services.store(services.own_access(NOBODY))
    tables = EmbeddedTables(Path(services.settings.data_dir) / "store.db")

    def add(number: int, **changes: object) -> None:
        identifier = f"{number:08d}-2222-4333-8444-555555555555"
        tables.add_source(identifier, **{"user_id": NOBODY, **changes})  # pyright: ignore[reportArgumentType]

    tables.add_source(SOURCE, user_id=NOBODY, buckets=high(40))
    for number in range(1, 5):
        add(number, buckets=high(4 * number))
    add(20, buckets=high(40), user_id=OTHER_USER)
    add(21, buckets=bucket_row(price_band_lt_500=-1))
    add(22, buckets=bucket_row(price_band_lt_500=24, price_band_500_1500=0))
    assert read_peers(store, NOBODY, SOURCE, TODAY) is None
    add(5, buckets=high(20), status="snapshot_generated")
    peers = read_peers(store, NOBODY, SOURCE, TODAY)
    assert peers is not None
    assert peers.shares == {"price_high": 0.3, "decision_fast": 1.0, "decision_slow": 0.0}
