"""F6: numbers that are not finite. The run stops at the step that has one, keeps its last good checkpoint, and ranks
last; every answer about it is strictly valid JSON."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import Engine, select, update

from app.db.session import system_session
from app.db.tables import Configuration, Run
from app.schemas import MethodEntry
from app.services import run_queue
from app.settings import Settings
from peft_core import training
from peft_core.checkpoint import STATE, TENSORS
from peft_core.errors import RunFailed
from peft_core.run import run
from peft_core.spec import Budget, Event, Measurement, Point, Predictions, RunResult, RunSpec
from tests.databases import on_both_databases
from tests.faults.documents import all_ended, make_study, make_training, read_runs, steps_told
from tests.faults.processes import running, wait_until
from tests.faults.traffic import asked_in_process

pytestmark = pytest.mark.faults

QUALITY = "task_performance"
RESULT: dict[str, Any] = {
    "validation_score": 0.5,
    "train_seconds": 1.0,
    "artifacts": (),
    "environment": {"device_name": "cpu", "precision": "fp32", "torch": "2", "peft": "0"},
}
SOUND, ABSURD = 1e-3, 1e30
BREAKS_AT_STEP = 4
NOT_FINITE = (math.nan, math.inf, -math.inf)
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


def refuse_constant(name: str) -> float:
    raise AssertionError(f"{name} is not JSON")


def answers(settings: Settings, *paths: str) -> list[Any]:
    """What the API answers, read as strictly as a browser does."""
    found = asked_in_process(settings, paths)
    assert [answer.status_code for answer in found] == [200] * len(paths), [answer.text for answer in found]
    return [json.loads(answer.text, parse_constant=refuse_constant) for answer in found]


def pages_of(study: int, run_id: int, *keys: str) -> list[str]:
    """Every route that shows what a run has told."""
    series = [f"/runs/{run_id}/series?key={key}" for key in keys]
    of_run = [f"/runs/{run_id}", f"/runs/{run_id}/log", f"/runs/{run_id}/diagnosis", *series]
    of_study = [f"/studies/{study}", f"/studies/{study}/comparison", "/studies", f"/runs?study_id={study}"]
    return of_run + of_study


def through_the_pipe(event: Event) -> Event:
    """As the worker gets it from a run's process."""
    return EVENTS.validate_python(json.loads(json.dumps(event.model_dump(mode="json"))))


@on_both_databases
def test_whatever_a_run_tells_is_answered_in_strict_json(engine: Engine, settings: Settings) -> None:
    study = make_study(engine, settings)
    told: list[Event] = [Point(key="gradient_norm", step=step, value=value) for step, value in enumerate(NOT_FINITE, 1)]
    told += [
        Measurement(metric=QUALITY, value=math.nan, detail={"of": [math.inf, 1.0], "how": "broken"}),
        Predictions(items=(0, 1), predicted=("a", "b"), scores=(0.0, 1.0)),
    ]
    broken = {"validation_score": math.nan, "train_seconds": math.inf}
    result = RunResult(**RESULT | broken | {"environment": RESULT["environment"] | {"seconds": [math.inf]}})
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:1", "cpu", {})
        claim = run_queue.claim_next_run(session, worker, store=Path("s"), lease_seconds=30, alone=True)
        assert claim is not None
        run_queue.record_events(session, claim.lease, [through_the_pipe(event) for event in told])
    with system_session(engine) as session:
        run_queue.finish_run(session, claim, RunResult.model_validate(json.loads(json.dumps(result.model_dump()))), ())
    run_id = claim.lease.run_id
    found = answers(settings, *pages_of(study, run_id, "gradient_norm"), f"/runs/{run_id}/predictions")
    assert [point["value"] for point in found[3]["points"]] == [None] * len(NOT_FINITE)


@on_both_databases
def test_a_measurement_that_is_not_finite_is_missing(engine: Engine, settings: Settings) -> None:
    study = make_study(engine, settings)
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:1", "cpu", {})
        claim = run_queue.claim_next_run(session, worker, store=Path("s"), lease_seconds=30, alone=True)
        assert claim is not None
        run_queue.record_events(session, claim.lease, [through_the_pipe(Measurement(metric=QUALITY, value=math.inf))])
    with system_session(engine) as session:
        run_queue.finish_run(session, claim, RunResult(**RESULT), ())
    (comparison,) = answers(settings, f"/studies/{study}/comparison")
    (cell,) = (cell for cell in comparison["cells"] if cell["metric"] == QUALITY)
    assert (cell["mean"], cell["n"], cell["missing"]) == (None, 0, "the run gave no value")


@pytest.mark.slow
@pytest.mark.timeout(240)
@on_both_databases
def test_an_absurd_learning_rate_ends_its_run_at_once_and_ranks_last(engine: Engine, settings: Settings) -> None:
    tuned = MethodEntry(method="lora", learning_rates=[SOUND, 10.0])
    lost = MethodEntry(method="rslora", learning_rates=[10.0])
    make_training(engine, settings, 5, methods=[tuned, lost])
    make_absurd(engine)
    with running(settings, "app.worker"):
        wait_until(lambda: all_ended(read_runs(engine)), 150)
    broken = next(found for found in read_runs(engine) if found.learning_rate == ABSURD)
    assert broken.status == "failed"
    assert "Lower the learning rate (it was 1e+30)" in (broken.reason or "")
    # No step after the one whose loss was not finite, and that one not as if it were a number.
    assert f"at step {steps_told(engine, broken.id) + 1}." in (broken.reason or "")
    with system_session(engine) as session:
        rates = {row.method: row.learning_rate for row in session.scalars(select(Configuration))}
    assert rates["lora"] == SOUND
    assert_lost_one_ranks_last(settings, broken.study_id)
    for failed in read_runs(engine):
        answers(settings, *pages_of(failed.study_id, failed.id, "train_loss", "gradient_norm"))


def make_absurd(engine: Engine) -> None:
    """More than the API takes: the rate of a person who calls the core."""
    with system_session(engine) as session:
        for table in (Configuration, Run):
            session.execute(update(table).where(table.learning_rate == 10.0).values(learning_rate=ABSURD))


def assert_lost_one_ranks_last(settings: Settings, study: int) -> None:
    (comparison,) = answers(settings, f"/studies/{study}/comparison")
    quality = {cell["method"]: cell for cell in comparison["cells"] if cell["metric"] == QUALITY}
    assert quality["lora"]["mean"] > 0
    assert (quality["rslora"]["mean"], quality["rslora"]["normalised"]) == (None, None)
    assert quality["rslora"]["failures"] == 1


@pytest.fixture
def spec(engine: Engine, settings: Settings) -> RunSpec:
    """A real run that checkpoints after every step."""
    make_training(engine, settings, 6)
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:1", "cpu", {})
        claim = run_queue.claim_next_run(
            session, worker, store=settings.store_folder, lease_seconds=30, alone=True, checkpoint_seconds=0
        )
    assert claim is not None
    return claim.spec.model_copy(update={"budget": Budget(steps=6, batch_size=4, max_length=32)})


Backward = Callable[[training.Training, Any], float]


def lose_the_loss(backward: Backward) -> Backward:
    def broken(self: training.Training, items: Any) -> float:
        loss = backward(self, items)
        return math.nan if self.done + 1 == BREAKS_AT_STEP else loss

    return broken


def lose_a_gradient(backward: Backward) -> Backward:
    """A loss that is still finite, and a gradient that is not: what overflows first."""

    def broken(self: training.Training, items: Any) -> float:
        loss = backward(self, items)
        if self.done + 1 == BREAKS_AT_STEP:
            self.optimizer.param_groups[0]["params"][0].grad.fill_(math.inf)
        return loss

    return broken


@pytest.mark.slow
@pytest.mark.parametrize(
    "lose",
    [lose_the_loss, lose_a_gradient],
)
def test_the_last_good_checkpoint_is_kept(
    spec: RunSpec, lose: Callable[[Backward], Backward], monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    monkeypatch.setattr(training.Training, "_backward", lose(training.Training._backward))
    spec.folder.mkdir(parents=True)
    with pytest.raises(RunFailed, match=f"at step {BREAKS_AT_STEP}"):
        run(spec, lambda event: None)
    (kept,) = (spec.folder / "checkpoint").glob("step-*")
    assert json.loads((kept / STATE).read_text(encoding="utf-8"))["done"] == BREAKS_AT_STEP - 1
    assert all(tensor.isfinite().all() for tensor in load_file(kept / TENSORS).values())
