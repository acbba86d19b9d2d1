"""What a study's runs ran on, and what was predicted of their costs beside what they measured."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.client import AtlasClient
from app.db.session import system_session
from app.db.tables import MeasurementRow, Run
from peft_core import assets
from peft_core.spec import Budget, RunSpec, Splits, TaskSpec
from tests.flow.finished_study import STARTED, insert

pytestmark = pytest.mark.anyio


def study(web: FastAPI, **changes: Any) -> int:
    with system_session(web.state.engine) as session:
        made = insert(session, team_id=1)
        made.base_model_path = str(assets.base_models()["minilm"].folder)
        for name, value in changes.items():
            setattr(made, name, value)
        return made.id


async def test_mixed_environments_are_told_with_their_runs(web: FastAPI) -> None:
    made = study(web)
    with system_session(web.state.engine) as session:
        run = session.scalars(select(Run).where(Run.purpose == "report", Run.status == "succeeded")).first()
        assert run is not None
        assert run.environment is not None
        run.environment = run.environment | {"torch": "2.12.1"}
        other = run.id
    client = AtlasClient.in_process(web)
    fields = {field.key: field for field in (await client.environments(made)).fields}
    assert [field.mixed for field in (fields["torch"], fields["peft"])] == [True, False]
    usual, unusual = fields["torch"].values
    assert (usual.value, unusual.value, unusual.run_ids) == ("2.13.0", "2.12.1", [other])
    assert usual.runs.value == len(usual.run_ids)
    await client.close()


async def test_what_was_predicted_stands_beside_what_was_measured(web: FastAPI) -> None:
    client = AtlasClient.in_process(web)
    found = await client.predicted_costs(study(web))
    assert found.speed_source is None
    lora = {figure.figure: figure for figure in next(row for row in found.rows if row.label == "LoRA r8").figures}
    parameters = lora["trainable_parameters"]
    assert parameters.predicted is not None
    assert (parameters.predicted.value, parameters.predicted.source) == (73_728, "estimated")
    assert parameters.ratio is not None
    assert parameters.ratio.value == 1
    assert lora["peak_memory"].ratio is not None
    assert lora["train_seconds"].missing == "not predicted"
    assert "Untuned" not in {row.label for row in found.rows}
    await client.close()


async def test_time_is_told_from_probes_that_had_ended_before_the_launch(web: FastAPI) -> None:
    """Probes of the study itself would predict themselves."""
    earlier = study(web)
    with system_session(web.state.engine) as session:
        probe = session.scalars(select(Run).where(Run.study_id == earlier, Run.purpose == "probe")).all()[3]
        probe.spec = _spec()
        speed = session.get_one(MeasurementRow, (probe.id, "training_speed"))
        speed.detail = {"median_step_seconds": 0.05}
    client = AtlasClient.in_process(web)
    assert (await client.predicted_costs(earlier)).speed_source is None
    later = await client.predicted_costs(study(web, created_at=STARTED + timedelta(hours=1)))
    assert later.speed_source == "1 probe on cpu"
    lora = next(row for row in later.rows if row.label == "LoRA r8")
    seconds = next(figure for figure in lora.figures if figure.figure == "train_seconds")
    assert seconds.predicted is not None
    assert seconds.measured is not None
    assert seconds.ratio is not None
    assert seconds.ratio.value == pytest.approx(seconds.predicted.value / seconds.measured.value)
    await client.close()


def _spec() -> dict[str, Any]:
    task = TaskSpec(
        name="tweets",
        kind="classification",
        dataset=assets.tasks()["tweets"].dataset,
        dataset_sha256="0" * 64,
        text="text",
        label="label",
        labels=("negative", "positive"),
        splits=Splits(train=400, validation=300, test=600),
    )
    return RunSpec(
        base_model=assets.base_models()["minilm"].folder,
        base_model_sha256="0" * 64,
        task=task,
        method="lora",
        hyperparameters={},
        budget=Budget(epochs=3),
        seed=0,
        learning_rate=1e-3,
        purpose="probe",
        metrics=(),
        run_id=1,
        folder=Path("run"),
    ).model_dump(mode="json")


@pytest.mark.parametrize("what", ["environments", "predicted-costs"])
async def test_a_study_that_is_not_there_is_told(api: httpx.AsyncClient, what: str) -> None:
    assert (await api.get(f"/api/v1/studies/99/{what}")).status_code == 404
