"""What is shown of a snapshot or a run is computed once for one drawing, however often it is shown."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from secondlook.dashboard import resources
from secondlook.domain.access import Access
from secondlook.domain.runs import Run, RunStatus
from secondlook.views import run_details
from secondlook.views import snapshot as snapshot_view
from tests.dashboard.conftest import OpenPage
from tests.examples import USER
from tests.processes import samples


@pytest.fixture
def run(open_page: OpenPage) -> Run:  # noqa: ARG001 -- it forgets the parts of other tests
    """A finished run of a sample source."""
    runner = resources.runner()
    made = runner.execute(runner.submit(samples()[0].source_id, Access(USER)).run_id)
    assert made.status is RunStatus.DONE
    return made


def count(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[Any]:
    """What a function returns from now on, call by call."""
    returned: list[Any] = []
    real: Callable[..., object] = getattr(module, name)

    def counted(*arguments: object) -> object:
        returned.append(real(*arguments))
        return returned[-1]

    monkeypatch.setattr(module, name, counted)
    return returned


@pytest.mark.parametrize(
    ("page", "parameter", "attribute"),
    [("sources", "source", "source_id"), ("snapshots", "snapshot", "run_id")],
)
def test_matches_are_counted_once(
    run: Run,
    open_page: OpenPage,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    parameter: str,
    attribute: str,
) -> None:
    """Badge, caption and facts of a snapshot print one comparison of its values."""
    counted = count(monkeypatch, snapshot_view, "count_matches")
    app = open_page(page)
    app.query_params[parameter] = getattr(run, attribute)
    app.run()
    assert not app.exception
    ((matched, values),) = counted
    assert matched == values
    shown = f"{matched} of {values} values match the buckets"
    assert any(shown in str(table.value.to_dict()) for table in app.table)


def test_an_answer_is_traced_once(run: Run, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules, values, figures and head of run details print one comparison with the input."""
    traced = count(monkeypatch, run_details, "trace_of")
    app = open_page("runs")
    app.query_params["run"] = run.run_id
    app.run()
    assert not app.exception
    assert len(traced) == 1
