"""What charts must not leave to the data."""

from __future__ import annotations

import pytest

from secondlook.dashboard.parts.charts import FIRST, PAIRED_BANDS, PAIRED_WEEKS, SECOND


@pytest.mark.parametrize(("spec", "offset"), [(PAIRED_WEEKS, "xOffset"), (PAIRED_BANDS, "yOffset")])
def test_two_snapshots_keep_their_colors_and_places(
    spec: dict[str, dict[str, dict[str, object]]], offset: str
) -> None:
    """Also where the second alone covers the first week."""
    for channel in ("color", offset):
        assert spec["encoding"][channel]["scale"] == {"domain": [FIRST, SECOND]}
