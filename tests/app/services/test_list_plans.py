"""How SQLite finds the runs of a list: by an index in the list's order, and never by reading all that a team has."""

from sqlalchemy import Engine

from app.services.callers import LOCAL
from app.services.runs import RunFilter, RunOrder, list_runs
from tests.app.statements import statements

QUALITY = "task_performance"


def plan(engine: Engine, wanted: RunFilter, order: RunOrder) -> str:
    """SQLite's own words for how it finds a page of the list."""
    with statements(engine) as asked:
        list_runs(engine, LOCAL, wanted, order, cursor=None, limit=100)
    lists = [one for one in asked if one[0].startswith("SELECT runs.id")]
    assert lists
    connection = engine.raw_connection()
    rows = [row for one, given in lists for row in connection.cursor().execute(f"EXPLAIN QUERY PLAN {one}", given)]
    connection.close()
    return "\n".join(str(row[3]) for row in rows)


def test_the_best_runs_come_from_an_index_in_order(engine: Engine) -> None:
    for wanted in (RunFilter(), RunFilter(status="succeeded", method="lora"), RunFilter(purpose="report")):
        found = plan(engine, wanted, RunOrder(QUALITY, descending=True))
        assert "ix_measurements_value (team_id=? AND metric=?" in found
        assert "ORDER BY" not in found


def test_a_studys_runs_are_found_without_the_teams_others(engine: Engine) -> None:
    for order in (RunOrder(), RunOrder(QUALITY)):
        assert "ix_runs_study" in plan(engine, RunFilter(study_id=1), order)


def test_what_waits_is_found_without_what_has_ended(engine: Engine) -> None:
    found = plan(engine, RunFilter(status="queued,running"), RunOrder())
    assert found.count("ix_runs_team_status (team_id=? AND status=?)") == 2
    assert "ORDER BY" not in found


def test_the_newest_runs_come_without_sorting(engine: Engine) -> None:
    assert "ORDER BY" not in plan(engine, RunFilter(), RunOrder(descending=True))
