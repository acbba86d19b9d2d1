"""What a page asks of the database does not grow with the runs that there are."""

from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app.db.session import system_session
from app.db.tables import Configuration, MeasurementRow, Run, SeriesPointRow
from app.schemas import RunElsewhere, RunsElsewhere
from app.services.callers import LOCAL
from app.services.imports import elsewhere
from tests.app.statements import statements
from tests.flow.finished_study import STARTED, insert

pytestmark = pytest.mark.anyio

PAGES = {
    "Overview": ["/studies?limit=50"],
    "Queue": ["/runs?status=queued,running", "/runs?order=newest"],
    "Study": ["/studies/{study}", "/studies/{study}/comparison"],
    "Run": ["/runs/{run}", "/runs/{run}/curves", "/runs/{run}/diagnosis"],
    "search": ["/runs?metric=task_performance&order=highest&method=lora", "/runs?study_id={study}"],
}
MORE_SEEDS = range(100, 125)


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_asks_as_often_when_there_are_many_more_runs(
    web: FastAPI, api: httpx.AsyncClient, page: str
) -> None:
    engine = web.state.engine
    with system_session(engine) as session:
        study = insert(session, team_id=1).id
        run = session.scalars(select(Run.id).where(Run.purpose == "report").limit(1)).one()
    paths = [f"/api/v1{path.format(study=study, run=run)}" for path in PAGES[page]]
    # Once, for what is asked the first time alone.
    await _asked(engine, api, paths)
    few, before = _count_runs(engine), await _asked(engine, api, paths)
    with system_session(engine) as session:
        _more_runs(session, study)
    assert _count_runs(engine) > 4 * few
    assert await _asked(engine, api, paths) == before


def test_a_run_more_in_a_batch_is_one_statement_more(web: FastAPI) -> None:
    """SQLAlchemy gives SQLite each run by itself, to be told its id; their values go together."""
    engine = web.state.engine
    with system_session(engine) as session:
        study = insert(session, team_id=1)
        row = next(row.id for row in study.configurations if row.method == "lora")
        study_id = study.id
    asked = []
    for seeds in (range(100, 101), range(200, 300)):
        items = [RunElsewhere(configuration=row, seed=seed, metrics={"task_performance": 0.9}) for seed in seeds]
        with statements(engine) as found:
            made = elsewhere.add_runs(engine, LOCAL, study_id, RunsElsewhere(items=items))
        assert [run.seed for run in made.items] == list(seeds)
        asked.append(len(found))
    assert asked[1] - asked[0] <= 99


async def _asked(engine: Engine, api: httpx.AsyncClient, paths: list[str]) -> int:
    """How many statements it takes, with nothing of the study kept from before."""
    with system_session(engine) as session:
        for run in session.scalars(select(Run)):
            run.updated_at += timedelta(seconds=1)
    with statements(engine) as found:
        for path in paths:
            answer = await api.get(path)
            assert answer.status_code == 200, answer.text
    # Who asks is looked up now and then, whatever is asked for.
    return len([one for one, _ in found if one.startswith("SELECT") and "FROM users" not in one])


def _count_runs(engine: Engine) -> int:
    with system_session(engine) as session:
        return session.scalar(select(func.count()).select_from(Run)) or 0


def _more_runs(session: Session, study: int) -> None:
    """Many more seeds of every row."""
    for row in session.scalars(select(Configuration).where(Configuration.study_id == study)).all():
        runs = [_run(row, seed) for seed in MORE_SEEDS]
        session.add_all(runs)
        session.flush()
        for run in runs:
            owner = {"team_id": run.team_id, "run_id": run.id}
            session.add(MeasurementRow(**owner, metric="task_performance", value=0.9, detail={"items": 600}))
            session.add(SeriesPointRow(**owner, key="train_loss", step=1, value=0.5))


def _run(row: Configuration, seed: int) -> Run:
    return Run(
        team_id=row.team_id,
        study_id=row.study_id,
        configuration_id=row.id,
        purpose="report",
        seed=seed,
        learning_rate=row.learning_rate,
        position=1_000 + seed,
        status="succeeded",
        train_seconds=11.5,
        created_at=STARTED,
        updated_at=STARTED,
    )
