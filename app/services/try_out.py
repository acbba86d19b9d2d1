"""Trying a run's model out: its answers beside its base's, and the model merged so that others can load it."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine

from app.db.session import team_session
from app.db.tables import Run
from app.errors import AtlasError, Conflict, Invalid
from app.language import mark, tr
from app.schemas import (
    AnsweredView,
    ArtifactView,
    Asked,
    ExamplesView,
    ExampleView,
    MergedView,
    PredictionView,
    PredictRequest,
)
from app.services import jobs, quotas, runs
from app.services.callers import Caller
from app.services.disk import bytes_of_model, check_room_for_model
from app.services.jobs import Answered
from app.settings import Settings
from peft_core.data import Row, read_splits
from peft_core.deploy import RUN
from peft_core.errors import InvalidDataset
from peft_core.method import method_class
from peft_core.model_shape import read_model_shape
from peft_core.run_state import ADAPTER
from peft_core.spec import Columns, TaskSpec
from peft_core.task import task_kind

MERGED = "merged/"
BASES = (
    mark("the base model itself, before any training"),
    mark(
        "the answer that needs no learning (the training split's most frequent one, or its mean), for this base model"
        " has no head for the task"
    ),
)
"""What a worker says that stands beside a run's model (peft_core.side_by_side), for the reader's language."""
MOST_EXAMPLES = 6
LONGEST_EXAMPLE = 1_000
"""Characters of an item that is offered to ask: longer ones are no examples."""


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


def as_answers(run_id: int, job: int, request: PredictRequest, answered: Answered) -> PredictionView:
    """What the worker told, beside what was asked."""
    told = zip(request.inputs, answered.result["answers"], strict=True)
    return PredictionView(
        run_id=run_id,
        job=job,
        answers=[AnsweredView(input=asked, **answer) for asked, answer in told],
        base_is=tr(answered.result["base_is"]),
        worker=answered.worker,
        waited_seconds=answered.waited_seconds,
    )


def read_examples(engine: Engine, caller: Caller, run_id: int) -> ExamplesView:
    """Items of the test split as questions. Raises NotFound; `missing` says why a run cannot be asked."""
    with team_session(engine, caller.team_id) as session:
        run = runs.read_run(session, run_id)
        columns = Columns.model_validate({name: run.study.task.get(name) for name in Columns.model_fields})
        try:
            _refuse_without_model(run, runs.list_artifacts(session, run_id))
        except AtlasError as refusal:
            return _examples(run_id, columns, refusal.detail, ())
        task = TaskSpec.model_validate(run.study.task)
    return _examples(run_id, columns, None, _test_items(task.model_dump_json()))


def _examples(run_id: int, columns: Columns, missing: str | None, examples: Sequence[ExampleView]) -> ExamplesView:
    pair, choices = columns.pair is not None, list(columns.choices)
    return ExamplesView(run_id=run_id, pair=pair, choices=choices, missing=missing, examples=list(examples))


@lru_cache(maxsize=16)
def _test_items(task: str) -> tuple[ExampleView, ...]:
    """Of the task that this JSON describes: one item of each class first. None where its files are gone or changed."""
    spec = TaskSpec.model_validate_json(task)
    try:
        rows = read_splits(spec, task_kind(spec.kind)).test
    except (InvalidDataset, OSError):
        return ()
    return tuple(_as_example(row, spec) for row in _telling(rows))


def _telling(rows: Sequence[Row]) -> list[Row]:
    """A few short rows, the first of each class before the others."""
    short = [row for row in rows if sum(map(len, (row.text, *row.words, row.pair, *row.choices))) <= LONGEST_EXAMPLE]
    seen: set[str] = set()
    firsts = [row for row in short if not (row.label in seen or seen.add(row.label))]  # type: ignore[func-returns-value]
    others = [row for row in short if row not in firsts]
    return [*firsts, *others][:MOST_EXAMPLES]


def _as_example(row: Row, spec: TaskSpec) -> ExampleView:
    asked = Asked(text=row.text or " ".join(row.words), pair=row.pair or None, choices=list(row.choices))
    return ExampleView(input=asked, right=spec.choices[int(row.label)] if spec.choices else row.label)


def ask_for_merging(engine: Engine, settings: Settings, caller: Caller, run_id: int) -> int | None:
    """Queue the merge; the job's id, None where the run has been merged before. Raises Conflict where there is nothing
    to merge, DiskFull, Unavailable where no worker could do it."""
    with team_session(engine, caller.team_id) as session:
        run = runs.read_run(session, run_id)
        artifacts = runs.list_artifacts(session, run_id)
        _refuse_without_model(run, artifacts)
        method, base = method_class(run.configuration.method), Path(run.study.base_model_path)
    if not method.capabilities.merges:
        raise Conflict(
            tr(
                "{method} cannot be merged: no weight of the base model can hold what it learned.",
                method=tr(method.title),
            )
        )
    if any(file.path.startswith(MERGED) for file in artifacts):
        return None
    shape = read_model_shape(base)
    check_room_for_model(settings.store_folder, shape)
    quotas.check_room(engine, caller, bytes_of_model(shape))
    return jobs.ask(engine, caller, run_id, "merge", {})


def merged(engine: Engine, caller: Caller, run_id: int) -> MergedView:
    """The files of the merged model."""
    with team_session(engine, caller.team_id) as session:
        runs.read_run(session, run_id)
        files = runs.list_artifacts(session, run_id)
    return MergedView(run_id=run_id, artifacts=[file for file in files if file.path.startswith(MERGED)])


def _refuse_without_model(run: Run, artifacts: Sequence[ArtifactView]) -> None:
    if run.source == "imported":
        raise Conflict(
            tr("Run {run} was imported, and its model is not here. Ask a run that was trained here.", run=run.id)
        )
    if run.status != "succeeded":
        raise Conflict(
            tr(
                "Run {run} is {status}: only a run that ended well has a model to ask.",
                run=run.id,
                status=runs.said(run.status),
            )
        )
    if run.purpose != "report":
        raise Conflict(tr(WITHOUT_MODEL[run.purpose], run=run.id))
    paths = {file.path for file in artifacts}
    whole = any(path.startswith(f"{ADAPTER}/") for path in paths) or not run.configuration.learning_rates
    if RUN not in paths or not whole:
        raise Conflict(
            tr(
                "Run {run} kept no model: of models as large as the base only the first seed's stays. Ask that run.",
                run=run.id,
            )
        )


WITHOUT_MODEL = {
    "tune": mark("Run {run} was made to choose a learning rate and kept no model. Ask a reporting run of its study."),
    "probe": mark("Run {run} was made to measure costs and kept no model. Ask a reporting run of its study."),
}


def _check(asked: Asked, columns: Columns, field: str) -> None:
    """An input must have what the study's task reads, and nothing else."""
    if (columns.pair is not None) != (asked.pair is not None):
        lacking = columns.pair is not None
        raise Invalid(
            tr("This study's task reads two texts: give the second as `pair`.")
            if lacking
            else tr("This study's task reads one text: leave `pair` out."),
            field=f"{field}.pair",
        )
    if len(asked.choices) != len(columns.choices):
        raise Invalid(
            tr(
                "This study's task reads {expected} choices, and {given} are given.",
                expected=len(columns.choices),
                given=len(asked.choices),
            ),
            field=f"{field}.choices",
        )
