"""What a worker would have left of one run of a finished study: its curves, and the spectrum of what it changed."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.db.tables import ArtifactRow, Run, SeriesPointRow
from app.services.store import object_path
from peft_core.analysis.update_spectrum import SPECTRUM, LayerSpectrum, Spectrum, above_floor, rounding_floor

STEPS = 150

Values = NDArray[np.floating]


def leave_curves(session: Session, run: Run, *, loss: Values, norm: Values, rate: float, score: float | None) -> None:
    """A training of so many steps as the sequences are long, its highest rate `rate`, its final weights at `score`."""
    series = {
        "train_loss": loss,
        "gradient_norm": norm,
        "learning_rate": np.linspace(rate, 0.0, len(loss)),
        "tokens_per_second": np.full(len(loss), 1_000.0),
    }
    session.execute(delete(SeriesPointRow).where(SeriesPointRow.run_id == run.id))
    session.add_all(
        SeriesPointRow(team_id=run.team_id, run_id=run.id, key=key, step=step, value=float(value))
        for key, values in series.items()
        for step, value in enumerate(values, start=1)
    )
    run.learning_rate, run.validation_score = rate, score


def leave_diverged(session: Session, run: Run, untuned: float) -> None:
    """A run whose gradients grew a thousandfold and that learned nothing."""
    noise = np.random.default_rng(3).normal(scale=0.05, size=STEPS)
    leave_curves(session, run, loss=0.69 + noise, norm=np.geomspace(1.0, 1e4, STEPS), rate=1.5, score=untuned)


def leave_healthy(session: Session, run: Run, score: float) -> None:
    """A run whose loss fell to a tenth."""
    loss = np.geomspace(0.69, 0.05, STEPS)
    leave_curves(session, run, loss=loss, norm=np.full(STEPS, 0.6), rate=3e-3, score=score)


def leave_spectrum(session: Session, store: Path, run: Run) -> Spectrum:
    """A low-rank change of one layer and a full-rank one of another, as spectrum.json in the store."""
    layers = tuple(
        _layer(f"bert.encoder.layer.{place}.attention.self.query", rank) for place, rank in enumerate((8, 384))
    )
    found = Spectrum(layers=layers, unchanged=34, looked_at="all transformer layers", seconds=0.4)
    content = found.model_dump_json().encode()
    sha256 = hashlib.sha256(content).hexdigest()
    path = object_path(store, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    session.add(ArtifactRow(team_id=run.team_id, run_id=run.id, path=SPECTRUM, size_bytes=len(content), sha256=sha256))
    return found


def _layer(path: str, rank: int) -> LayerSpectrum:
    """A change in `rank` directions, each weaker than the one before."""
    values = np.geomspace(0.5, 1e-3, rank)
    change = float(np.linalg.norm(values))
    floor = rounding_floor(change, 24.0, float(np.finfo(np.float64).eps))
    return LayerSpectrum(
        layer=path,
        role="query",
        d_in=384,
        d_out=384,
        relative_change=change / 24.0,
        rounding_floor=floor,
        singular_values=above_floor(values, floor),
    )
