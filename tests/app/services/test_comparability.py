"""What a study says of runs that were not made alike."""

from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import MeasurementRow, Run
from app.schemas import Cell, MethodEntry, StudyDocument
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


def finish(engine: Engine, environments: list[dict[str, Any]], **more: list[Any]) -> None:
    """End all runs well, in order, each with its environment; more: other columns of theirs."""
    with system_session(engine) as session:
        for place, run in enumerate(session.scalars(select(Run).order_by(Run.id))):
            run.status, run.environment = "succeeded", environments[place]
            for name, values in more.items():
                setattr(run, name, values[place])
            if run.purpose == "report":
                value = 0.9 + place / 100
                session.add(MeasurementRow(team_id=1, run_id=run.id, metric="task_performance", value=value, detail={}))


def flags(engine: Engine, settings: Settings, second: dict[str, Any], probe: dict[str, Any]) -> list[str]:
    """Of a study whose second report and whose probe saw something else than its first report."""
    made = studies.create_study(engine, settings, LOCAL, DOCUMENT)
    seen = [ENVIRONMENT, ENVIRONMENT | second, ENVIRONMENT | probe]
    finish(engine, seen)
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


# -- splitting --------------------------------------------------------------------------------------------------------

SEEDS = 5
FIVE = DOCUMENT.model_copy(update={"seeds": SEEDS})


def spec(**changes: Any) -> dict[str, Any]:
    """What a worker is told, as far as runs are compared by it."""
    budget = {"steps": 100, "batch_size": 8, "max_length": 64} | changes.pop("budget", {})
    task = {"dataset_sha256": "d" * 64, "splits": {"train": 400, "validation": 300, "test": 600}}
    return {"budget": budget, "task": task | changes.pop("task", {}), "base_model_sha256": "b" * 64} | changes


def quality(engine: Engine, settings: Settings, **columns: list[Any]) -> Cell:
    """The quality cell of a row of five seeds; columns: of its five reports and its probe."""
    made = studies.create_study(engine, settings, LOCAL, FIVE)
    environments = columns.pop("environments", [ENVIRONMENT] * (SEEDS + 1))
    finish(engine, environments, **columns)
    found = results.comparison(engine, LOCAL, made)
    return next(cell for cell in found.cells if cell.metric == "task_performance")


def test_alike_seeds_are_averaged_all(engine: Engine, settings: Settings) -> None:
    cell = quality(engine, settings)
    assert (cell.n, cell.split_off, cell.flags, cell.interval_covers) == (5, [], [], "seeds")


@pytest.mark.parametrize(
    ("unlike", "said"),
    [
        ({"device_name": "H100"}, "device H100 instead of EPYC"),
        ({"driver": "575, CUDA 12.8"}, ""),
        ({"precision": "bf16"}, "precision bf16 instead of fp32"),
        ({"torch": "2.14.0"}, "torch 2.14.0 instead of 2.13.0"),
        ({"transformers": "5.24.0", "peft": "0.22.0"}, "transformers 5.24.0 instead of 5.23.0, peft 0.22.0 instead of"),
        ({"torch_threads": 1}, ""),
    ],
)
def test_seeds_made_unlike_are_split_off_and_never_averaged(
    engine: Engine, settings: Settings, unlike: dict[str, Any], said: str
) -> None:
    """What only one of the two wrote down differs from nothing, and threads change no quality."""
    cell = quality(engine, settings, environments=[ENVIRONMENT] * 3 + [ENVIRONMENT | unlike] * 2 + [ENVIRONMENT])
    if not said:
        assert (cell.n, cell.split_off) == (5, [])
        return
    assert (cell.values, len(cell.split_off)) == ([0.9, 0.91, 0.92], 2)
    assert cell.mean == pytest.approx(0.91)
    assert cell.flags[0].startswith(f"2 runs are left out, made unlike the others: {said}")


def test_the_largest_group_is_shown(engine: Engine, settings: Settings) -> None:
    other = ENVIRONMENT | {"torch": "2.14.0"}
    cell = quality(engine, settings, environments=[ENVIRONMENT] * 2 + [other] * 3 + [ENVIRONMENT])
    assert cell.values == pytest.approx([0.92, 0.93, 0.94])


@pytest.mark.parametrize(
    ("unlike", "said"),
    [
        (spec(budget={"steps": 200}), "training steps 200 instead of 100"),
        (spec(budget={"batch_size": 16}), "tokens a step 16 x 64 instead of 8 x 64"),
        (spec(budget={"max_length": 128}), "tokens a step 8 x 128 instead of 8 x 64"),
        (spec(task={"dataset_sha256": "e" * 64}), "dataset revision eeeeeeeeeeee instead of dddddddddddd"),
        (spec(base_model_sha256="c" * 64), "base model revision cccccccccccc instead of bbbbbbbbbbbb"),
    ],
)
def test_another_budget_or_other_data_split_too(
    engine: Engine, settings: Settings, unlike: dict[str, Any], said: str
) -> None:
    cell = quality(engine, settings, spec=[spec()] * 4 + [unlike] + [spec()])
    assert (cell.n, len(cell.split_off)) == (4, 1)
    assert cell.flags[0] == f"1 run is left out, made unlike the others: {said}."
