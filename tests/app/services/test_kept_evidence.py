"""A study's evidence is read once for all who ask, and anew as soon as something of it has changed."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import system_session, team_session
from app.db.tables import MeasurementRow, Run, Study
from app.errors import NotFound
from app.language import speaking
from app.schemas import RecommendationRequest
from app.services import kept_evidence, pareto, recommendations, results, sweeps
from app.services.callers import LOCAL, Caller
from app.services.evidence import StudyEvidence, read_evidence
from tests.flow.finished_study import insert


@pytest.fixture
def study(engine: Engine) -> int:
    with system_session(engine) as session:
        return insert(session, team_id=1).id


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The studies that were read."""
    found: list[int] = []

    def counted(session: Session, study: Study) -> StudyEvidence:
        found.append(study.id)
        return read_evidence(session, study)

    monkeypatch.setattr(kept_evidence, "read_evidence", counted)
    return found


def test_all_of_a_page_reads_once(engine: Engine, study: int, readings: list[int]) -> None:
    results.comparison(engine, LOCAL, study)
    sweeps.sweeps(engine, LOCAL, study)
    pareto.pareto(engine, LOCAL, study, {"x": "storage_bytes", "y": "task_performance"}, None)
    for quality in (0.2, 0.8):
        request = RecommendationRequest(study=study, weights={"quality": quality, "memory": 0.5})
        recommendations.recommend(engine, LOCAL, request)
    assert readings == [study]


def test_other_weights_have_another_answer(engine: Engine, study: int) -> None:
    asked = [RecommendationRequest(study=study, weights={"quality": q, "memory": 1.0}) for q in (0.1, 0.9, 0.1)]
    first, second, third = (recommendations.recommend(engine, LOCAL, request) for request in asked)
    assert first.weights == third.weights != second.weights


def test_a_result_that_changes_is_seen_at_once(engine: Engine, study: int, readings: list[int]) -> None:
    before = results.comparison(engine, LOCAL, study)
    with system_session(engine) as session:
        finished = select(Run).where(Run.purpose == "report", Run.status == "succeeded")
        run = session.scalars(finished.order_by(Run.id.desc()).limit(1)).one()
        session.get_one(MeasurementRow, (run.id, "task_performance")).value = 0.5
        run.updated_at += timedelta(milliseconds=1)
    after = results.comparison(engine, LOCAL, study)
    assert readings == [study, study]
    assert after.cells != before.cells


def test_another_team_is_told_of_no_study(engine: Engine, study: int) -> None:
    results.comparison(engine, LOCAL, study)
    with pytest.raises(NotFound):
        results.comparison(engine, Caller(2, "somebody", "admin", False, team="others"), study)


def test_each_language_has_its_own(engine: Engine, study: int, readings: list[int]) -> None:
    english = results.comparison(engine, LOCAL, study)
    with speaking("zh"):
        chinese = results.comparison(engine, LOCAL, study)
    assert english.verdict != chinese.verdict
    assert readings == [study, study]


def test_few_studies_are_kept_and_none_that_is_too_large(
    engine: Engine, study: int, readings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_evidence, "MOST_SCORES", 100)
    with team_session(engine, 1) as session:
        for _ in range(2):
            kept_evidence.kept_evidence(session, session.get_one(Study, study))
    assert readings == [study, study]
