"""Trying a run's model out: its answers beside its base's, and the model merged so that others can load it."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine

from app.db.session import team_session
from app.db.tables import Run
from app.errors import Conflict, Invalid
from app.schemas import AnsweredView, ArtifactView, Asked, MergedView, PredictionView, PredictRequest
from app.services import jobs, runs
from app.services.callers import Caller
from app.services.disk import check_room_for_model
from app.services.jobs import Answered
from app.settings import Settings
from peft_core.deploy import RUN
from peft_core.method import method_class
from peft_core.model_shape import read_model_shape
from peft_core.run_state import ADAPTER
from peft_core.spec import Columns

MERGED = "merged/"


def ask_for_answers(engine: Engine, caller: Caller, run_id: int, request: PredictRequest) -> int:
    """Queue the question; the job's id. Raises Conflict for a run that has no model, Invalid for an input that is not
    what its task reads, Unavailable where no worker could answer."""
    with team_session(engine, caller.team_id) as session:
        run = runs.read_run(session, run_id)
        _refuse_without_model(run, runs.list_artifacts(session, run_id))
        columns = Columns.model_validate({name: run.study.task.get(name) for name in Columns.model_fields})
    for place, asked in enumerate(request.inputs):
        _check(asked, columns, f"inputs.{place}")
    return jobs.ask(engine, caller, run_id, "predict", request.model_dump(mode="json"))


def as_answers(run_id: int, request: PredictRequest, answered: Answered) -> PredictionView:
    """What the worker told, beside what was asked."""
    told = zip(request.inputs, answered.result["answers"], strict=True)
    return PredictionView(
        run_id=run_id,
        answers=[AnsweredView(input=asked, **answer) for asked, answer in told],
        base_is=answered.result["base_is"],
        worker=answered.worker,
        waited_seconds=answered.waited_seconds,
    )


def ask_for_merging(engine: Engine, settings: Settings, caller: Caller, run_id: int) -> int | None:
    """Queue the merge; the job's id, None where the run has been merged before. Raises Conflict where there is nothing
    to merge, DiskFull, Unavailable where no worker could do it."""
    with team_session(engine, caller.team_id) as session:
        run = runs.read_run(session, run_id)
        artifacts = runs.list_artifacts(session, run_id)
        _refuse_without_model(run, artifacts)
        method, base = method_class(run.configuration.method), Path(run.study.base_model_path)
    if not method.capabilities.merges:
        raise Conflict(f"{method.title} cannot be merged: no weight of the base model can hold what it learned.")
    if any(file.path.startswith(MERGED) for file in artifacts):
        return None
    check_room_for_model(settings.store_folder, read_model_shape(base))
    return jobs.ask(engine, caller, run_id, "merge", {})


def merged(engine: Engine, caller: Caller, run_id: int) -> MergedView:
    """The files of the merged model."""
    with team_session(engine, caller.team_id) as session:
        runs.read_run(session, run_id)
        files = runs.list_artifacts(session, run_id)
    return MergedView(run_id=run_id, artifacts=[file for file in files if file.path.startswith(MERGED)])


def _refuse_without_model(run: Run, artifacts: Sequence[ArtifactView]) -> None:
    if run.source == "imported":
        raise Conflict(f"Run {run.id} was imported, and its model is not here. Ask a run that was trained here.")
    if run.status != "succeeded":
        raise Conflict(f"Run {run.id} is {run.status}: only a run that ended well has a model to ask.")
    if run.purpose != "report":
        raise Conflict(
            f"Run {run.id} was made to {PURPOSES[run.purpose]} and kept no model. Ask a reporting run of its study."
        )
    paths = {file.path for file in artifacts}
    whole = any(path.startswith(f"{ADAPTER}/") for path in paths) or not run.configuration.learning_rates
    if RUN not in paths or not whole:
        raise Conflict(
            f"Run {run.id} kept no model: of models as large as the base only the first seed's stays. Ask that run."
        )


PURPOSES = {"tune": "choose a learning rate", "probe": "measure costs"}


def _check(asked: Asked, columns: Columns, field: str) -> None:
    """An input must have what the study's task reads, and nothing else."""
    if (columns.pair is not None) != (asked.pair is not None):
        lacking = columns.pair is not None
        raise Invalid(
            "This study's task reads two texts: give the second as `pair`."
            if lacking
            else "This study's task reads one text: leave `pair` out.",
            field=f"{field}.pair",
        )
    if len(asked.choices) != len(columns.choices):
        raise Invalid(
            f"This study's task reads {len(columns.choices)} choices, and {len(asked.choices)} are given.",
            field=f"{field}.choices",
        )
