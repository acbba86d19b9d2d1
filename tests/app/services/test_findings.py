"""A study's finding is worked out once for what it has measured, and anew when that changes."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select

from app.db.session import system_session
from app.db.tables import Run
from app.formats import sentence_text
from app.language import speaking
from app.services import findings, results
from app.services.callers import LOCAL
from tests.flow.finished_study import insert


@pytest.fixture
def study(engine: Engine) -> int:
    with system_session(engine) as session:
        return insert(session, team_id=1).id


def found(engine: Engine, study: int) -> str:
    return sentence_text(results.study_view(engine, LOCAL, study).finding)


def test_a_list_that_is_read_again_works_nothing_out(
    engine: Engine, study: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = found(engine, study)
    monkeypatch.delattr(findings, "read_evidence")
    assert found(engine, study) == before
    assert results.list_studies(engine, LOCAL, query=None, cursor=None, limit=5).items[0].finding


def test_a_run_that_changes_makes_it_another(engine: Engine, study: int) -> None:
    before = found(engine, study)
    with system_session(engine) as session:
        run = session.scalars(select(Run).where(Run.status == "succeeded").limit(1)).one()
        newest = session.scalar(select(func.max(Run.updated_at)))
        assert newest is not None
        run.status, run.updated_at = "queued", newest + timedelta(milliseconds=1)
    assert found(engine, study) != before


def test_each_language_has_its_own(engine: Engine, study: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found(engine, study)
    monkeypatch.delattr(findings, "read_evidence")
    with speaking("zh"), pytest.raises(NameError):
        found(engine, study)
