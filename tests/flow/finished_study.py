"""A study as a worker would have left it, written through the ORM: for looking at pages without training anything.

The rows are of the kind and size that MiniLM on tweets gives; nothing here is a published result.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app.db.tables import Configuration, MeasurementRow, PredictionSet, Run, SeriesPointRow, Study
from app.schemas import MethodEntry, StudyDocument
from peft_core.method import Family
from peft_core.metric import metrics
from peft_core.spec import Budget, Splits, TaskSpec

TEST_ITEMS = 600
SEEDS = 3
STARTED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENVIRONMENT = {
    "device": "cpu",
    "device_name": "CPU, two threads",
    "precision": "bf16",
    "torch": "2.13.0",
    "peft": "0.21.2",
}
REPORT_METRICS = ("task_performance", "trainable_parameters", "storage_bytes")


@dataclass(frozen=True)
class Row:
    """What one configuration measured. accuracy: one value for each seed that succeeded."""

    method: str
    label: str
    family: Family
    accuracy: tuple[float, ...]
    parameters: int
    storage_bytes: int
    learning_rates: tuple[float, ...] = ()
    validation: tuple[float, ...] = ()
    probe: dict[str, float | None] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    failed_seeds: int = 0

    @property
    def learning_rate(self) -> float | None:
        """The one with the best validation score."""
        return self.learning_rates[int(np.argmax(self.validation))] if self.validation else None


def probe(
    speed: float | None, latency: float, memory: float | None, simplicity: float | None
) -> dict[str, float | None]:
    """Costs of one configuration: tokens/s, s, bytes, checklist share."""
    return {
        "training_speed": speed,
        "inference_latency": latency,
        "inference_latency_p95": latency * 1.31,
        "peak_memory": memory,
        "simplicity": simplicity,
    }


METRICS = tuple(key for key in metrics() if key in {*REPORT_METRICS, *probe(None, 0.0, None, None)})
"""What the study measured, in the catalogue's order."""

QUICKSTART = (
    Row("untuned", "Untuned", "reference", (0.6783, 0.6783, 0.6783), 0, 0, probe=probe(None, 0.00391, None, None)),
    Row(
        "head_only",
        "Head only",
        "reference",
        (0.7183, 0.7233, 0.7150),
        0,
        594_400,
        (3.3e-3, 1e-2, 3e-2),
        (0.713, 0.727, 0.717),
        probe(9_312, 0.00390, 41_200_000, 0.6000),
    ),
    Row(
        "full",
        "Full fine-tuning",
        "reference",
        (0.9417, 0.9367, 0.9450),
        22_565_376,
        90_868_200,
        (6.7e-5, 2e-4, 6e-4),
        (0.930, 0.953, 0.937),
        probe(2_611, 0.00389, 462_300_000, 0.6000),
    ),
    Row(
        "lora",
        "LoRA r8",
        "lora",
        (0.9400, 0.9367, 0.9333),
        73_728,
        893_200,
        (1e-3, 3e-3, 9e-3),
        (0.927, 0.943, 0.940),
        probe(4_480, 0.00392, 188_700_000, 0.5893),
        {"rank": 8},
    ),
    Row(
        "adapter",
        "Adapter d48",
        "adapter",
        (0.9367, 0.9283, 0.9350),
        447_552,
        2_390_000,
        (1e-3, 3e-3, 9e-3),
        (0.917, 0.930, 0.933),
        probe(4_102, 0.00455, 201_500_000, 0.4893),
        {"bottleneck_size": 48},
    ),
    Row(
        "prefix_tuning",
        "Prefix tuning n20",
        "soft_prompt",
        (0.8967, 0.8817, 0.9033),
        1_284_096,
        746_900,
        (6.7e-3, 2e-2, 6e-2),
        (0.857, 0.890, 0.877),
        probe(4_030, 0.00441, 176_800_000, 0.3500),
        {"num_virtual_tokens": 20},
        failed_seeds=0,
    ),
    Row(
        "p_tuning_v2",
        "P-Tuning v2 n20",
        "soft_prompt",
        (0.8750, 0.8883),
        92_160,
        964_100,
        (6.7e-3, 2e-2, 6e-2),
        (0.823, 0.870, 0.883),
        probe(4_221, 0.00437, 175_900_000, 0.3500),
        {"num_virtual_tokens": 20},
        failed_seeds=1,
    ),
)


def insert(session: Session, *, team_id: int, rows: tuple[Row, ...] = QUICKSTART, name: str = "Quickstart") -> Study:
    """Insert a finished study of `rows` and its tuning, reporting and probe runs; flushed, not committed."""
    study = _study(team_id, rows, name)
    session.add(study)
    session.flush()
    difficulty = np.random.default_rng(7).uniform(size=TEST_ITEMS)
    position = 0
    for place, row in enumerate(rows):
        configuration = _configuration(study, row, place)
        session.add(configuration)
        session.flush()
        for run, measurements, scores in _runs(study, configuration, row, difficulty):
            run.position = (position := position + 1)
            session.add(run)
            session.flush()
            session.add_all(
                MeasurementRow(
                    team_id=team_id, run_id=run.id, metric=metric, value=value, detail=_detail(metric, value)
                )
                for metric, value in measurements.items()
            )
            if scores is not None:
                session.add(_predictions(run, scores))
            if scores is not None and row.learning_rates:
                session.add_all(_validations(run, row))
    session.flush()
    return study


def _study(team_id: int, rows: tuple[Row, ...], name: str) -> Study:
    splits = Splits(train=400, validation=300, test=TEST_ITEMS)
    document = StudyDocument(
        name=name,
        budget=Budget(epochs=3),
        seeds=list(range(SEEDS)),
        grid_points=3,
        metrics=[*METRICS, "time_to_target"],
        methods=[
            MethodEntry(method=row.method, hyperparameters=row.hyperparameters)
            for row in rows
            if row.family != "reference"
        ],
    )
    task = TaskSpec(
        name="tweets",
        kind="classification",
        dataset=Path("tweets.csv"),
        dataset_sha256="0" * 64,
        text="text",
        label="label",
        labels=("negative", "positive"),
        splits=splits,
    )
    return Study(
        team_id=team_id,
        name=name,
        document=document.model_dump(mode="json"),
        base_model_path="minilm",
        base_model_sha256="0" * 64,
        task=task.model_dump(mode="json"),
        precision="bf16",
        precision_probe={"fp32_step_seconds": 0.071, "bf16_step_seconds": 0.034},
        created_at=STARTED,
        created_by="local",
    )


def _configuration(study: Study, row: Row, place: int) -> Configuration:
    return Configuration(
        team_id=study.team_id,
        study_id=study.id,
        position=place,
        method=row.method,
        label=row.label,
        family=row.family,
        reference=row.family == "reference",
        hyperparameters=row.hyperparameters,
        learning_rates=list(row.learning_rates),
        learning_rate=row.learning_rate,
    )


RunParts = tuple[Run, dict[str, float | None], NDArray[np.float64] | None]


def _runs(study: Study, configuration: Configuration, row: Row, difficulty: NDArray[np.float64]) -> list[RunParts]:
    """Every run of a configuration with its measurements and per-item scores."""
    parts: list[RunParts] = []
    for rate, score in zip(row.learning_rates, row.validation, strict=True):
        parts.append((_run(study, configuration, "tune", 1_000_003, rate, validation_score=score), {}, None))
    for seed, accuracy in enumerate(row.accuracy):
        scores = _scores(accuracy, difficulty, seed=1_000 * configuration.position + seed)
        values = dict(zip(REPORT_METRICS, (scores.mean(), row.parameters, row.storage_bytes), strict=True))
        run = _run(study, configuration, "report", seed, row.learning_rate, validation_score=accuracy)
        parts.append((run, values, scores))
    for seed in range(len(row.accuracy), len(row.accuracy) + row.failed_seeds):
        run = _run(study, configuration, "report", seed, row.learning_rate)
        run.status = "failed"
        run.reason = "The loss became NaN at step 61. Lower the learning rate of this method."
        parts.append((run, {}, None))
    parts.append((_run(study, configuration, "probe", 0, row.learning_rate), row.probe, None))
    return parts


def _scores(accuracy: float, difficulty: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """One 0/1 per test item with this mean: the hard items are wrong for most methods, a few differ by seed."""
    order = np.argsort(difficulty + np.random.default_rng(seed).normal(scale=0.08, size=difficulty.size))
    scores = np.zeros(difficulty.size)
    scores[order[: round(accuracy * difficulty.size)]] = 1.0
    return scores


def _run(
    study: Study,
    configuration: Configuration,
    purpose: str,
    seed: int,
    learning_rate: float | None,
    validation_score: float | None = None,
) -> Run:
    return Run(
        team_id=study.team_id,
        study_id=study.id,
        configuration_id=configuration.id,
        purpose=purpose,
        seed=seed,
        learning_rate=learning_rate,
        status="succeeded",
        attempt=1,
        step=150,
        total_steps=150,
        validation_score=validation_score,
        train_seconds=11.5,
        environment=ENVIRONMENT,
        created_at=STARTED,
        started_at=STARTED,
        ended_at=STARTED + timedelta(seconds=20),
        updated_at=STARTED + timedelta(seconds=20),
    )


def _detail(metric: str, value: float | None) -> dict[str, Any]:
    if value is None:
        return {"missing": "this method trains nothing"}
    return {"items": TEST_ITEMS, "score": "accuracy"} if metric == "task_performance" else {}


FLOOR = 0.6783
"""What always answering the majority class scores."""

ON_THE_WAY = {38: 0.5, 75: 0.8, 112: 0.97, 150: 1.0}
"""Step of a validation -> share of the run's own gain that it has by then."""


def _validations(run: Run, row: Row) -> list[SeriesPointRow]:
    """The score of a reporting run on its way, and the training seconds until then."""
    assert run.train_seconds is not None
    final = row.accuracy[run.seed]
    series = {
        "validation_score": {step: FLOOR + share * (final - FLOOR) for step, share in ON_THE_WAY.items()},
        "train_seconds": {step: run.train_seconds * step / 150 for step in ON_THE_WAY},
    }
    return [
        SeriesPointRow(team_id=run.team_id, run_id=run.id, key=key, step=step, value=value)
        for key, points in series.items()
        for step, value in points.items()
    ]


def _predictions(run: Run, scores: NDArray[np.float64]) -> PredictionSet:
    items = list(range(scores.size))
    return PredictionSet(
        team_id=run.team_id,
        run_id=run.id,
        items=items,
        predicted=["positive" if score else "negative" for score in scores],
        scores=[float(score) for score in scores],
    )
