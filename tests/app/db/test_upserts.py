"""Rows that may be there already: written whole, replaced by key, a value that is missing stays missing."""

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import MeasurementRow, Run, SeriesPointRow
from app.db.upserts import upsert
from tests.databases import on_both_databases
from tests.flow.finished_study import insert

pytestmark = on_both_databases


@pytest.fixture
def owner(engine: Engine) -> dict[str, int]:
    """A run, and whose it is."""
    with system_session(engine) as session:
        insert(session, team_id=1)
        return {"run_id": session.scalars(select(Run.id).limit(1)).one(), "team_id": 1}


def test_points_are_written_and_replaced(engine: Engine, owner: dict[str, int]) -> None:
    first = {step: None if step % 7 == 0 else step / 3 for step in range(2_000)}
    again = dict.fromkeys(range(1000, 3000), -1.5)
    for given in (first, again):
        with system_session(engine) as session:
            rows = [owner | {"key": "a", "step": step, "value": value} for step, value in given.items()]
            upsert(session, SeriesPointRow, rows)
    with system_session(engine) as session:
        of_run = select(SeriesPointRow.step, SeriesPointRow.value).where(SeriesPointRow.key == "a")
        assert dict(session.execute(of_run).all()) == first | again


def test_measurements_keep_what_is_known_of_them(engine: Engine, owner: dict[str, int]) -> None:
    for value in (0.5, None):
        with system_session(engine) as session:
            row = owner | {"metric": "energy", "value": value, "detail": {"missing": None, "items": 3}}
            upsert(session, MeasurementRow, [row])
    with system_session(engine) as session:
        found = session.scalars(select(MeasurementRow).where(MeasurementRow.metric == "energy")).one()
        assert (found.value, found.detail) == (None, {"missing": None, "items": 3})


def test_nothing_is_written_of_nothing(engine: Engine) -> None:
    with system_session(engine) as session:
        upsert(session, SeriesPointRow, [])
        assert session.scalars(select(SeriesPointRow)).all() == []
