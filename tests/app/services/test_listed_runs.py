"""Lists of runs: by their value of a metric, by several statuses, page by page."""

from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import MeasurementRow, Run, Team
from app.errors import Invalid
from app.schemas import RunView
from app.services.callers import LOCAL
from app.services.runs import RunFilter, RunOrder, list_runs
from tests.databases import on_both_databases
from tests.flow.finished_study import insert

pytestmark = on_both_databases

QUALITY = "task_performance"


@pytest.fixture
def studies(engine: Engine) -> tuple[int, int]:
    """Two of the caller's team; another team has one whose scores are higher than any."""
    with system_session(engine) as session:
        session.add(Team(id=2, slug="other"))
        session.flush()
        ours = insert(session, team_id=1).id, insert(session, team_id=1, name="Again").id
        insert(session, team_id=2)
        for row in session.scalars(select(MeasurementRow).where(MeasurementRow.team_id == 2)):
            row.value = 1e9
    return ours


def values(engine: Engine, team: int = 1, **filters: Any) -> list[tuple[float, int]]:
    """What a list by value should have, sorted from the lowest, worked out without it."""
    with system_session(engine) as session:
        found = session.execute(
            select(MeasurementRow.value, Run.id, Run)
            .join(Run, Run.id == MeasurementRow.run_id)
            .where(Run.team_id == team, MeasurementRow.metric == QUALITY)
        ).all()
        return sorted(
            (value, run_id)
            for value, run_id, run in found
            if value is not None and all(getattr(run, name) == wanted for name, wanted in filters.items())
        )


def whole_list(engine: Engine, wanted: RunFilter, order: RunOrder, *, limit: int) -> list[RunView]:
    """Every page of a list, one after the other."""
    found: list[RunView] = []
    cursor = None
    while True:
        page = list_runs(engine, LOCAL, wanted, order, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [3, 500])
@pytest.mark.parametrize("descending", [False, True])
def test_runs_come_in_the_order_of_a_metric_page_by_page(
    engine: Engine, studies: tuple[int, int], descending: bool, limit: int
) -> None:
    found = whole_list(engine, RunFilter(), RunOrder(QUALITY, descending), limit=limit)
    assert [(run.value, run.id) for run in found] == sorted(values(engine), reverse=descending)
    # Both studies measured the same: equal values are told apart.
    assert len({run.value for run in found}) < len(found)


def test_filters_hold_in_the_order_of_a_metric(engine: Engine, studies: tuple[int, int]) -> None:
    first, _ = studies
    order = RunOrder(QUALITY, descending=True)
    of_study = whole_list(engine, RunFilter(study_id=first), order, limit=500)
    assert [run.id for run in of_study] == [run_id for _, run_id in reversed(values(engine, study_id=first))]
    of_method = whole_list(engine, RunFilter(method="lora", status="succeeded,failed"), order, limit=500)
    assert {run.method for run in of_method} == {"lora"}
    assert len(of_method) == 6
    assert whole_list(engine, RunFilter(status="failed"), order, limit=500) == []


def test_another_teams_values_are_not_listed(engine: Engine, studies: tuple[int, int]) -> None:
    found = whole_list(engine, RunFilter(), RunOrder(QUALITY, descending=True), limit=500)
    assert {run.study_id for run in found} == set(studies)
    assert max(run.value or 0 for run in found) < 1


def test_a_value_of_no_metric_is_refused(engine: Engine, studies: tuple[int, int]) -> None:
    with pytest.raises(Invalid, match="no metric named 'speed'"):
        list_runs(engine, LOCAL, RunFilter(), RunOrder("speed"), cursor=None, limit=5)


@pytest.mark.parametrize("cursor", ["7", "x_7", "0.5_", "0.5_x", "nan_7", "_7", "0.5_-7", "1" * 60])
def test_a_cursor_of_another_list_is_refused(engine: Engine, studies: tuple[int, int], cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        list_runs(engine, LOCAL, RunFilter(), RunOrder(QUALITY), cursor=cursor, limit=5)


@pytest.mark.parametrize("descending", [False, True])
def test_runs_of_several_statuses_are_one_list(engine: Engine, studies: tuple[int, int], descending: bool) -> None:
    with system_session(engine) as session:
        for run in session.scalars(select(Run).where(Run.id % 3 == 0)):
            run.status = "queued"
        wanted = select(Run.id).where(Run.team_id == 1, Run.status.in_(("queued", "failed"))).order_by(Run.id)
        expected = list(session.scalars(wanted))
    found = whole_list(engine, RunFilter(status="queued,failed,queued"), RunOrder(descending=descending), limit=4)
    assert [run.id for run in found] == (expected[::-1] if descending else expected)
