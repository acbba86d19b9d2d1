"""A study as large as pages must stay fast with: 40 methods x 5 seeds, tuned and probed, and a run of long curves.

Its values are made up, like those of the other studies of these tests: they are for looking at pages.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import insert as insert_into
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Configuration, Run, SeriesPointRow
from peft_core.method import build_method
from tests.flow import finished_study
from tests.flow.finished_study import QUICKSTART, Row, probe

METHODS, SEEDS = 40, 5
LONG_STEPS = 5_000
SPIKE_STEP, GAP_STEPS = 3_217, range(1_804, 1_964)
"""Of the long run's loss: a single high point, and where it was no number."""
TUNED = (
    ("lora", "rank", (1, 2, 4, 8, 16, 32, 64)),
    ("dora", "rank", (2, 4, 8, 16, 32)),
    ("rslora", "rank", (4, 8, 16, 32)),
    ("adapter", "bottleneck_size", (8, 16, 32, 48, 64)),
    ("prefix_tuning", "num_virtual_tokens", (5, 10, 20, 40)),
    ("p_tuning_v2", "num_virtual_tokens", (5, 10, 20, 40)),
    ("prompt_tuning", "num_virtual_tokens", (10, 20, 50)),
    ("vera", "rank", (64, 128, 256)),
    ("ia3", "", (0,)),
    ("bitfit", "", (0,)),
)
"""Method, the hyper-parameter that it is tried at several values of, and those."""


@dataclass(frozen=True)
class LargeStudy:
    """Where things are: the study, a reporting run of it, and the one with LONG_STEPS points to a curve."""

    study: int
    run: int
    long_run: int


def leave_large_study(session: Session, *, team_id: int = 1) -> LargeStudy:
    """Insert it; flushed, not committed."""
    study = finished_study.insert(session, team_id=team_id, rows=large_rows(), name="Forty methods, five seeds")
    study.document = study.document | {"seeds": list(range(SEEDS))}
    reporting = select(Run).join(Configuration).where(Run.study_id == study.id, Run.purpose == "report")
    runs = list(session.scalars(reporting.where(Configuration.method == "lora").order_by(Run.id)))
    full = session.scalars(reporting.where(Configuration.method == "full").order_by(Run.id)).first()
    assert full is not None
    for run, seed in ((runs[0], 3), (full, 4)):
        leave_long_curves(session, run, seed=seed)
    session.flush()
    return LargeStudy(study.id, runs[1].id, runs[0].id)


def large_rows() -> tuple[Row, ...]:
    """METHODS rows: the references, and others whose scores, costs and spreads differ as theirs do."""
    references = [replace(row, accuracy=_seeds(row.accuracy[0], place)) for place, row in enumerate(QUICKSTART[:3])]
    tried = [(name, key, value) for name, key, values in TUNED for value in values]
    tuned = [_tuned(name, key, value, place) for place, (name, key, value) in enumerate(tried)]
    rows = (*references, *tuned)
    assert len(rows) == METHODS
    return rows


def _tuned(name: str, key: str, value: int, place: int) -> Row:
    random = np.random.default_rng(place)
    mean = 0.86 + 0.075 * random.random()
    size = int(10 ** (4 + 2.2 * random.random()))
    chosen: dict[str, Any] = {key: value} if key else {}
    built = build_method(name, chosen)
    return Row(
        name,
        built.label(),
        built.family,
        _seeds(mean, 100 + place),
        size,
        4 * size + 594_400,
        (1e-3, 3e-3, 9e-3),
        tuple(round(float(mean + 0.02 * random.normal()), 3) for _ in range(3)),
        probe(3_800 + 900 * random.random(), 0.0039 + 0.0008 * random.random(), 1.7e8 + 6e7 * random.random(), 0.5),
        chosen,
    )


def _seeds(mean: float, seed: int) -> tuple[float, ...]:
    spread = np.random.default_rng(seed).normal(scale=0.006, size=SEEDS)
    return tuple(round(float(mean + off), 4) for off in spread)


def leave_long_curves(session: Session, run: Run, *, seed: int) -> None:
    """LONG_STEPS points of four series; of the loss one point is far off, and some are no numbers."""
    steps = np.arange(1, LONG_STEPS + 1)
    random = np.random.default_rng(seed)
    loss = 0.05 + 0.65 * np.exp(-steps / 900) + random.normal(scale=0.02, size=LONG_STEPS).clip(-0.04)
    loss[SPIKE_STEP - 1] = 2.4
    loss[[step - 1 for step in GAP_STEPS]] = np.nan
    series = {
        "train_loss": loss,
        "gradient_norm": np.abs(random.normal(loc=0.8, scale=0.25, size=LONG_STEPS)),
        "learning_rate": 3e-3 * np.minimum(steps / 300, (LONG_STEPS - steps) / (LONG_STEPS - 300)),
        "tokens_per_second": random.normal(loc=4_200, scale=180, size=LONG_STEPS),
    }
    rows = [
        {"team_id": run.team_id, "run_id": run.id, "key": key, "step": int(step), "value": _or_none(float(value))}
        for key, values in series.items()
        for step, value in zip(steps, values, strict=True)
    ]
    session.execute(insert_into(SeriesPointRow), rows)
    run.step = run.total_steps = LONG_STEPS


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None
