"""What a study says of runs that were not made alike."""

from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import Run
from app.schemas import MethodEntry, StudyDocument
from app.services import results, studies
from app.services.callers import LOCAL
from app.settings import Settings
from tests.databases import on_both_databases

pytestmark = on_both_databases

DOCUMENT = StudyDocument(
    name="Two machines", seeds=2, grid_points=1, methods=[MethodEntry(method="head_only")], references=[]
)
ENVIRONMENT = {
    "device_name": "EPYC",
    "driver": None,
    "precision": "fp32",
    "torch": "2.13.0",
    "transformers": "5.23.0",
    "peft": "0.21.2",
    "torch_threads": 2,
}


def flags(engine: Engine, settings: Settings, second: dict[str, Any], probe: dict[str, Any]) -> list[str]:
    """Of a study whose second report and whose probe saw something else than its first report."""
    made = studies.create_study(engine, settings, LOCAL, DOCUMENT)
    seen = [ENVIRONMENT, ENVIRONMENT | second, ENVIRONMENT | probe]
    with system_session(engine) as session:
        for run, environment in zip(session.scalars(select(Run).order_by(Run.id)), seen, strict=True):
            run.status, run.environment = "succeeded", environment
    return results.comparison(engine, LOCAL, made).flags


def test_runs_made_alike_have_no_flag(engine: Engine, settings: Settings) -> None:
    assert flags(engine, settings, {}, {}) == []


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"device_name": "H100"}, "The runs used different devices: EPYC, H100."),
        ({"precision": "bf16"}, "The runs used different precisions: bf16, fp32."),
        ({"transformers": "5.24.0"}, "The runs used different versions of transformers: 5.23.0, 5.24.0."),
    ],
)
def test_what_differs_is_named(engine: Engine, settings: Settings, second: dict[str, Any], said: str) -> None:
    assert flags(engine, settings, second, {}) == [said]


def test_threads_count_among_probes_alone(engine: Engine, settings: Settings) -> None:
    """Runs that train side by side have one thread each, a probe has them all: no reason for a flag."""
    assert flags(engine, settings, {"torch_threads": 1}, {}) == []


def test_an_older_run_that_wrote_less_down_differs_from_nothing(engine: Engine, settings: Settings) -> None:
    assert flags(engine, settings, {"driver": None, "transformers": None}, {}) == []
