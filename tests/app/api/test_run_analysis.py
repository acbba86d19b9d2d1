"""A run's diagnosis and update spectrum over HTTP: every number with its source, and every refusal with its reason."""

from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import system_session, team_session
from app.db.tables import ArtifactRow, Configuration, Run, Team
from app.schemas import DiagnosisView, SpectrumView
from app.services.store import object_path
from app.settings import Settings
from app.ui.numbers import attributes
from peft_core.analysis.update_spectrum import SPECTRUM, Spectrum
from tests.flow.finished_run import STEPS, leave_curves, leave_diverged, leave_healthy, leave_spectrum
from tests.flow.finished_study import FLOOR, insert
from tests.flow.recompute import PageQuestion, numbers_in, recompute

pytestmark = pytest.mark.anyio


def reports(session: Session, method: str) -> list[Run]:
    """The reporting runs of a method that ended well."""
    wanted = select(Run).join(Configuration, Configuration.id == Run.configuration_id)
    of_method = wanted.where(Configuration.method == method, Run.purpose == "report", Run.status == "succeeded")
    return list(session.scalars(of_method.order_by(Run.id)))


@pytest.fixture
def lora(engine: Engine) -> int:
    """A reporting run of LoRA in a finished study."""
    with system_session(engine) as session:
        insert(session, team_id=1)
        return reports(session, "lora")[0].id


async def diagnosis(api: httpx.AsyncClient, run_id: int) -> DiagnosisView:
    answer = await api.get(f"/api/v1/runs/{run_id}/diagnosis")
    assert answer.status_code == 200, answer.text
    return DiagnosisView.model_validate(answer.json())


async def spectrum(api: httpx.AsyncClient, run_id: int, **parameters: str) -> SpectrumView:
    answer = await api.get(f"/api/v1/runs/{run_id}/spectrum", params=parameters)
    assert answer.status_code == 200, answer.text
    return SpectrumView.model_validate(answer.json())


def change(engine: Engine, run_id: int, **values: Any) -> None:
    with system_session(engine) as session:
        run = session.get_one(Run, run_id)
        for name, value in values.items():
            setattr(run, name, value)


# -- diagnosis --------------------------------------------------------------------------------------------------------


async def test_a_healthy_run_has_no_symptom(api: httpx.AsyncClient, engine: Engine, lora: int) -> None:
    with system_session(engine) as session:
        leave_healthy(session, session.get_one(Run, lora), 0.94)
    found = await diagnosis(api, lora)
    assert (found.symptom, found.learned, found.evidence, found.fixes) == (None, True, [], [])


async def test_a_diverged_run_is_unstable_and_every_number_is_recomputed(
    api: httpx.AsyncClient, engine: Engine, lora: int
) -> None:
    with system_session(engine) as session:
        leave_diverged(session, session.get_one(Run, lora), FLOOR)
    found = await diagnosis(api, lora)
    assert (found.symptom, found.learned) == ("unstable_training", False)
    assert found.causes
    assert found.fixes
    assert found.prevention
    numbers = list(numbers_in(found))
    assert {number.statistic for number in numbers} == {"at_step", "median_of_steps", "value", "formula"}
    assert {"gradient_norm", "learning_rate", "validation_score"} <= {number.metric for number in numbers}
    with team_session(engine, 1) as session:
        for number in numbers:
            sourced = {name.removeprefix("data-"): value for name, value in attributes(number).items()}
            [again] = recompute(session, sourced, PageQuestion(engine, {}))
            assert again == pytest.approx(number.value)


async def test_a_run_that_ran_out_of_memory_says_what_it_asked_for(
    api: httpx.AsyncClient, engine: Engine, lora: int
) -> None:
    reason = "Out of memory: another 3.00 GiB did not fit, with batches of 8 items of up to 64 tokens."
    change(engine, lora, status="failed", reason=reason, validation_score=None)
    found = await diagnosis(api, lora)
    assert (found.status, found.symptom) == ("failed", "out_of_memory")
    assert [(number.value, number.formula) for number in numbers_in(found)] == [
        (8, f"batch_size(run {lora})"),
        (64, f"max_length(run {lora})"),
    ]


async def test_a_flat_loss_at_a_tiny_rate_is_slow_convergence(
    api: httpx.AsyncClient, engine: Engine, lora: int
) -> None:
    with system_session(engine) as session:
        flat = np.full(STEPS, 0.68)
        leave_curves(session, session.get_one(Run, lora), loss=flat, norm=flat, rate=3e-6, score=FLOOR)
    found = await diagnosis(api, lora)
    assert found.symptom == "slow_convergence"
    assert "rate is too low" in found.causes[0]


async def test_what_has_no_curves_yet_has_no_symptom(api: httpx.AsyncClient, engine: Engine, lora: int) -> None:
    change(engine, lora, status="queued", validation_score=None)
    found = await diagnosis(api, lora)
    assert (found.status, found.symptom) == ("queued", None)


async def test_without_an_untuned_run_learning_is_not_judged(api: httpx.AsyncClient, engine: Engine, lora: int) -> None:
    with system_session(engine) as session:
        for run in reports(session, "untuned"):
            run.status = "failed"
        flat = np.full(STEPS, 0.68)
        leave_curves(session, session.get_one(Run, lora), loss=flat, norm=flat, rate=3e-6, score=FLOOR)
    found = await diagnosis(api, lora)
    assert (found.symptom, found.learned) == (None, None)


# -- spectrum ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def left(engine: Engine, settings: Settings, lora: int) -> Spectrum:
    """The spectrum that the LoRA run has left."""
    with system_session(engine) as session:
        return leave_spectrum(session, settings.store_folder, session.get_one(Run, lora))


async def test_the_most_changed_layer_is_shown_with_all_others_in_short(
    api: httpx.AsyncClient, lora: int, left: Spectrum
) -> None:
    found = await spectrum(api, lora)
    assert [layer.layer for layer in found.layers] == [layer.layer for layer in left.layers]
    assert found.shown is not None
    assert found.shown.layer == max(left.layers, key=lambda layer: layer.relative_change).layer
    assert found.unchanged == 34
    for layer, short in zip(left.layers, found.layers, strict=True):
        energies = np.square(layer.singular_values)
        held = np.cumsum(energies) / energies.sum()
        for rank, share in ((short.rank_90, 0.9), (short.rank_99, 0.99)):
            assert held[rank - 1] >= share
            assert rank == 1 or held[rank - 2] < share


async def test_the_layer_asked_for_is_given_in_full(api: httpx.AsyncClient, lora: int, left: Spectrum) -> None:
    wanted = left.layers[0]
    shown = (await spectrum(api, lora, layer=wanted.layer)).shown
    assert shown is not None
    assert shown.layer == wanted.layer
    assert shown.singular_values == list(wanted.singular_values)
    assert len(shown.cumulative_energy) == len(shown.approximation_error) == 8
    assert shown.cumulative_energy[-1] == 1.0
    assert shown.approximation_error[-1] == 0.0
    for held, missed in zip(shown.cumulative_energy, shown.approximation_error, strict=True):
        assert held + missed**2 == pytest.approx(1.0)


async def test_a_method_that_changes_no_weight_says_so(
    api: httpx.AsyncClient, engine: Engine, settings: Settings, lora: int
) -> None:
    reason = "Adapter changes no weight of the base model: what it trains is put beside or in front of it."
    none = Spectrum(looked_at="all transformer layers", seconds=0.1, missing=reason)
    with system_session(engine) as session:
        run = session.get_one(Run, lora)
        leave_spectrum(session, settings.store_folder, run)
        row = session.scalars(select(ArtifactRow).where(ArtifactRow.path == SPECTRUM)).one()
        object_path(settings.store_folder, row.sha256).write_text(none.model_dump_json())
    found = await spectrum(api, lora)
    assert (found.missing, found.layers, found.shown) == (reason, [], None)


async def test_a_layer_that_the_run_has_not_changed_is_refused(
    api: httpx.AsyncClient, lora: int, left: Spectrum
) -> None:
    answer = await api.get(f"/api/v1/runs/{lora}/spectrum", params={"layer": "encoder.layer.9.nothing"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["field"] == "layer"
    assert "changed no layer 'encoder.layer.9.nothing'" in answer.json()["detail"]


async def test_a_run_that_left_no_spectrum_is_a_404_with_the_reason(api: httpx.AsyncClient, lora: int) -> None:
    answer = await api.get(f"/api/v1/runs/{lora}/spectrum")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "reporting runs leave one when they end well" in answer.json()["detail"]


async def test_a_file_that_the_store_lost_is_a_404(
    api: httpx.AsyncClient, settings: Settings, lora: int, left: Spectrum
) -> None:
    for path in settings.store_folder.rglob("*"):
        if path.is_file():
            path.unlink()
    answer = await api.get(f"/api/v1/runs/{lora}/spectrum")
    assert answer.status_code == 404
    assert "not in the store" in answer.json()["detail"]


# -- both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["diagnosis", "spectrum"])
async def test_the_runs_of_another_team_are_not_there(
    api: httpx.AsyncClient, engine: Engine, settings: Settings, what: str
) -> None:
    with system_session(engine) as session:
        session.add(Team(id=2, slug="other"))
        session.flush()
        insert(session, team_id=2)
        run = reports(session, "lora")[0]
        leave_spectrum(session, settings.store_folder, run)
        run_id = run.id
    answer = await api.get(f"/api/v1/runs/{run_id}/{what}")
    assert (answer.status_code, answer.json()["detail"]) == (404, f"There is no run {run_id}.")


@pytest.mark.parametrize("path", ["abc/diagnosis", "0/spectrum", "1/spectrum?layer=", f"1/spectrum?layer={'x' * 500}"])
async def test_bad_parameters_are_told(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(f"/api/v1/runs/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
