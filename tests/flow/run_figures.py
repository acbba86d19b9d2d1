"""The numbers of the run page that no row holds by itself: derived again from the run's file, budget and method."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db.tables import ArtifactRow, Job, Run, SeriesPointRow, Study
from app.services.callers import LOCAL
from app.services.predicted import read_estimate
from peft_core.method import methods

Given = Mapping[str, str]


def median_of_steps(session: Session, sourced: Mapping[str, str], run: int) -> float:
    """The median of a run's series from the first to the last of two steps, both included."""
    first, last = (int(step) for step in sourced["step"].split(","))
    wanted = select(SeriesPointRow.value).where(
        SeriesPointRow.run_id == run,
        SeriesPointRow.key == sourced["metric"],
        SeriesPointRow.step.between(first, last),
        SeriesPointRow.value.is_not(None),
    )
    return float(np.median(list(session.scalars(wanted))))


def _spectrum(session: Session, given: Given, store: Path | None) -> dict[str, Any]:
    """What the run's spectrum.json holds, its layers by path."""
    assert store is not None, "a spectrum is read from the store"
    wanted = select(ArtifactRow).where(ArtifactRow.run_id == int(given["run"]), ArtifactRow.path == "spectrum.json")
    sha256 = session.scalars(wanted).one().sha256
    found: dict[str, Any] = json.loads((store / "objects" / sha256[:2] / sha256).read_text())
    return found | {"layers": {layer["layer"]: layer for layer in found["layers"]}}


def _energies(layer: Mapping[str, Any]) -> list[float]:
    return [value**2 for value in layer["singular_values"]]


def _rank(layer: Mapping[str, Any], level: float) -> float:
    energies = _energies(layer)
    return float(next(r for r in range(1, len(energies) + 1) if sum(energies[:r]) >= level * sum(energies)))


def _held(layer: Mapping[str, Any], rank: int) -> float:
    return sum(_energies(layer)[:rank]) / sum(_energies(layer))


def _error(layer: Mapping[str, Any], rank: int) -> float:
    return math.sqrt(sum(_energies(layer)[rank:]) / sum(_energies(layer)))


OF_A_LAYER: dict[str, Callable[[Mapping[str, Any], Given], float]] = {
    "singular_value": lambda layer, given: float(layer["singular_values"][int(given["rank"]) - 1]),
    "cumulative_energy": lambda layer, given: _held(layer, int(given["rank"])),
    "approximation_error": lambda layer, given: _error(layer, int(given["rank"])),
    "rank_for_energy": lambda layer, given: _rank(layer, float(given["level"])),
    "relative_change": lambda layer, given: float(layer["relative_change"]),
    "rounding_floor": lambda layer, given: float(layer["rounding_floor"]),
    "directions": lambda layer, given: float(len(layer["singular_values"])),
    "most_directions": lambda layer, given: float(min(layer["d_in"], layer["d_out"])),
}

OF_ALL_LAYERS: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "layers_changed": lambda found: float(len(found["layers"])),
    "layers_looked_at": lambda found: float(len(found["layers"]) + found["unchanged"]),
    "least_rank_90": lambda found: min(_rank(layer, 0.9) for layer in found["layers"].values()),
    "most_rank_90": lambda found: max(_rank(layer, 0.9) for layer in found["layers"].values()),
}


def _budget(session: Session, given: Given, name: str) -> float:
    return float(session.get_one(Run, int(given["run"])).study.document["budget"][name])


def _steps_taken(session: Session, given: Given) -> float:
    wanted = select(func.max(SeriesPointRow.step)).where(
        SeriesPointRow.run_id == int(given["run"]), SeriesPointRow.key == "train_loss"
    )
    return float(session.scalar(wanted) or 0)


def _usual_rates(given: Given) -> list[float]:
    card = methods()[given["method"]].learning_rate
    assert card is not None
    return [card.small, card.encoder, card.llm]


def _bytes(session: Session, given: Given, folder: str = "") -> float:
    wanted = select(func.sum(ArtifactRow.size_bytes)).where(ArtifactRow.run_id == int(given["run"]))
    return float(session.scalar(wanted.where(ArtifactRow.path.startswith(folder))) or 0)


def _runs_before(session: Session, given: Given) -> float:
    """How many a worker takes first, taken one after the other: the study that waited longest, its next run."""
    waiting: dict[int, list[int]] = {}
    for run in session.scalars(select(Run).where(Run.status == "queued").order_by(Run.position, Run.id)):
        waiting.setdefault(run.study_id, []).append(run.id)
    studies = {study: session.get_one(Study, study) for study in waiting}
    turn = {key: (study.claimed_at.timestamp() if study.claimed_at else 0.0, key) for key, study in studies.items()}
    for before in range(sum(map(len, waiting.values()))):
        following = min((key for key in waiting if waiting[key]), key=lambda key: (-studies[key].priority, turn[key]))
        if waiting[following].pop(0) == int(given["run"]):
            return float(before)
        turn[following] = (1e12 + before, following)
    raise KeyError(f"run {given['run']} does not wait")


PREDICTED = {
    "predicted_trainable_parameters": "trainable_parameters",
    "predicted_storage_bytes": "storage_bytes",
    "predicted_peak_memory": "peak_memory_bytes",
    "predicted_load_peak_memory": "load_peak_memory_bytes",
    "predicted_train_seconds": "train_seconds",
}


def _predicted(session: Session, name: str, given: Given) -> float:
    engine = session.get_bind()
    return float(getattr(read_estimate(engine, LOCAL, int(given["run"])), PREDICTED[name]))  # type: ignore[arg-type]


def _answer(session: Session, given: Given) -> dict[str, Any]:
    """The one answer that a job gave, of the run's model or of its base."""
    job = session.get_one(Job, int(given["job"]))
    assert job.result is not None
    found: dict[str, Any] = job.result["answers"][0][given["of"]]
    return found


def _waited(session: Session, given: Given) -> float:
    job = session.get_one(Job, int(given["job"]))
    assert job.started_at is not None
    return (job.started_at - job.created_at).total_seconds()


OF_A_JOB: dict[str, Callable[[Session, Given], float]] = {
    "answer_seconds": lambda session, given: float(_answer(session, given)["seconds"]),
    "answer_probability": lambda session, given: list(_answer(session, given)["probabilities"].values())[
        int(given["place"])
    ],
    "waited_seconds": _waited,
}

OF_A_RUN: dict[str, Callable[[Session, Given], set[float]]] = {
    "energy_level": lambda session, given: {0.90, 0.99},
    "batch_size": lambda session, given: {_budget(session, given, "batch_size")},
    "max_length": lambda session, given: {_budget(session, given, "max_length")},
    "steps_taken": lambda session, given: {_steps_taken(session, given)},
    "lowest_usual_rate": lambda session, given: {min(_usual_rates(given))},
    "bytes_of_files": lambda session, given: {_bytes(session, given)},
    "merged_bytes": lambda session, given: {_bytes(session, given, "merged/")},
    "runs_before": lambda session, given: {_runs_before(session, given)},
    "highest_usual_rate": lambda session, given: {max(_usual_rates(given))},
}


def run_figure(session: Session, name: str, given: Given, store: Path | None) -> set[float]:
    """The values that a formula of the run page gives. Raises KeyError for one that nobody taught it."""
    if name in OF_A_LAYER:
        return {OF_A_LAYER[name](_spectrum(session, given, store)["layers"][given["layer"]], given)}
    if name in OF_ALL_LAYERS:
        return {OF_ALL_LAYERS[name](_spectrum(session, given, store))}
    if name in PREDICTED:
        return {_predicted(session, name, given)}
    if name in OF_A_JOB:
        return {OF_A_JOB[name](session, given)}
    return OF_A_RUN[name](session, given)
