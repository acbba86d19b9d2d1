"""Fine-tuning from a notebook or a script: one call, the same run that a study makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from peft_core import assets
from peft_core.data import inspect_dataset
from peft_core.hub import Kind, find, is_hub_name
from peft_core.hub_access import Hub
from peft_core.hub_download import download
from peft_core.method import build_method
from peft_core.metric import metrics
from peft_core.model_shape import read_model_shape
from peft_core.run import run
from peft_core.spec import (
    Budget,
    Columns,
    Event,
    HubSource,
    Measurement,
    OnEvent,
    Point,
    RunResult,
    RunSpec,
    Splits,
    TaskSpec,
)
from peft_core.task import task_kind


@dataclass(frozen=True)
class FineTuned:
    """What one run gave. `curves`: name -> (step, value) in order. `folder` can be served, switched to and merged."""

    result: RunResult
    measurements: Mapping[str, Measurement]
    curves: Mapping[str, list[tuple[int, float | None]]]
    folder: Path


def fine_tune(
    *,
    folder: Path | str,
    dataset: Path | str,
    text: str = "text",
    label: str | None = "label",
    pair: str | None = None,
    kind: str = "classification",
    splits: Splits | None = None,
    base_model: Path | str = "minilm",
    method: str = "lora",
    hyperparameters: Mapping[str, JsonValue] | None = None,
    learning_rate: float | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    on_event: Callable[[Event], None] | None = None,
    hub: Hub | None = None,
) -> FineTuned:
    """Fine-tune `base_model` (an installed one by name, or a folder) on a dataset and test it.

    Both may be ids of a hub, org/name or org/name@revision; `hub` None: as the library huggingface_hub is set up.
    `learning_rate` None takes the centre of the method's grid, which no validation has chosen: a study tries several.
    Raises PeftCoreError with what to change where the request cannot be done.
    """
    hub, tell = hub or Hub(), on_event or _nobody_listens
    data = _on_this_machine("dataset", dataset, hub, tell)
    task = _task(*data, kind, Columns(text=text, label=label, pair=pair), splits)
    base, base_source = _on_this_machine("model", _installed(base_model), hub, tell)
    budget = budget or Budget(epochs=3)
    shape, built = read_model_shape(base), build_method(method, dict(hyperparameters or {}))
    if learning_rate is None and built.learning_rate is not None:
        learning_rate = built.learning_rate.centre(
            non_embedding_parameters=shape.non_embedding_parameters,
            steps=budget.total_steps(task.splits.train),
            causal=shape.causal,
        )
    spec = RunSpec(
        run_id=0,
        purpose="report",
        base_model=base,
        base_model_sha256="",
        base_model_source=base_source,
        task=task,
        method=method,
        hyperparameters=dict(hyperparameters or {}),
        learning_rate=learning_rate,
        seed=seed,
        budget=budget,
        metrics=tuple(metrics(kind)),
        folder=Path(folder),
    )
    return _collected(spec, hub, tell)


def _nobody_listens(_event: Event) -> None:
    pass


def _task(dataset: Path, source: HubSource | None, kind: str, columns: Columns, splits: Splits | None) -> TaskSpec:
    summary = inspect_dataset(dataset, kind=task_kind(kind), columns=columns, splits=splits)
    return TaskSpec(
        name=source.repository if source else dataset.stem,
        kind=kind,
        dataset=dataset,
        dataset_sha256=summary.sha256,
        source=source,
        **columns.model_dump(),
        labels=summary.labels,
        splits=summary.splits,
    )


def _installed(base_model: Path | str) -> Path | str:
    """The folder of an installed base model; any other name as it is."""
    installed = assets.base_models() if isinstance(base_model, str) else {}
    if base_model in installed:
        return installed[str(base_model)].folder
    if not Path(base_model).exists():
        assets.refuse_missing(str(base_model))
    return base_model


def _on_this_machine(kind: Kind, named: Path | str, hub: Hub, tell: OnEvent) -> tuple[Path, HubSource | None]:
    """Where a base model or dataset lies: a path as it is given, what a hub's id names once it is downloaded."""
    if isinstance(named, Path) or Path(named).exists() or not is_hub_name(named):
        return Path(named), None
    snapshot = find(hub, kind, named)
    return download(hub, snapshot, tell), snapshot.source


def _collected(spec: RunSpec, hub: Hub, tell: OnEvent) -> FineTuned:
    measurements: dict[str, Measurement] = {}
    curves: dict[str, list[tuple[int, float | None]]] = {}

    def listen(event: Event) -> None:
        if isinstance(event, Measurement):
            measurements[event.metric] = event
        elif isinstance(event, Point):
            curves.setdefault(event.key, []).append((event.step, event.value))
        tell(event)

    return FineTuned(run(spec, listen, hub), measurements, curves, spec.folder)
