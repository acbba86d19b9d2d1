"""The figures of an estimate as sourced numbers: each by a formula that names all it is computed from."""

from collections.abc import Iterable, Mapping
from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import Number, RowEstimate, StudyEstimate
from app.ui.launch.methods import REFERENCE_TITLES
from app.ui.numbers import by_formula, show


class Line:
    """The device that an estimate is held against: cpu or cuda, and its memory; None: not chosen."""

    def __init__(self, text: str | None) -> None:
        device, _, memory = (text or "cpu:").partition(":")
        self.device = device if device in ("cpu", "cuda") else "cpu"
        self.memory_bytes = int(memory) if memory.isdigit() else None

    @property
    def precision(self) -> str:
        """A CUDA device trains in bf16 where that is faster, which it all but always is; a CPU in fp32."""
        return "bf16" if self.device == "cuda" else "fp32"


BYTES_CHECKPOINTED = 12
"""A trained number with its two moments."""

QUANTITIES = {
    "trainable_parameters": "count",
    "peak_memory_bytes": "bytes",
    "storage_bytes": "bytes",
    "train_seconds": "seconds",
}


def row_title(row: RowEstimate) -> html.Span:
    """What a row is called: the references in the reader's language, a method by its label."""
    title = REFERENCE_TITLES.get(row.method)
    return html.Span(tr(title) if title else row.label, **{"data-label": "row"})


def row_figure(row: RowEstimate, figure: str, document: Mapping[str, Any], line: Line, told: StudyEstimate) -> Any:
    """One figure of a row, "–" where it is not known; a hatch and ≈ say that it is an estimate."""
    value = None if row.estimate is None else getattr(row.estimate, figure)
    if value is None:
        return "–"
    formula = f"run_estimate({_arguments(row, figure, document, line, told)})"
    # What trains nothing takes exactly nothing.
    number = by_formula(value, QUANTITIES[figure], formula, exact=value == 0)
    return _memory(number) if figure == "peak_memory_bytes" else show(number)


def _memory(number: Number) -> html.Span:
    """Memory prints in GiB, files in GB."""
    return show(number.model_copy(update={"metric": "peak_memory"}))


def _arguments(row: RowEstimate, figure: str, document: Mapping[str, Any], line: Line, told: StudyEstimate) -> str:
    assert row.estimate is not None
    budget = document["budget"]
    kind, _, place = row.field.partition(".")
    own = document["methods"][int(place)]["hyperparameters"] if kind == "methods" else {}
    given: dict[str, Any] = {
        "figure": figure,
        "base_model": document["base_model"],
        "method": row.method,
        **{f"own.{name}": value for name, value in own.items()},
        "task_kind": told.task_kind,
        "labels": told.labels,
        "steps": row.estimate.total_steps,
        **{name: budget[name] for name in ("batch_size", "max_length", "accumulation", "gradient_checkpointing")},
        "device": line.device,
        "precision": line.precision,
    }
    return ", ".join(f"{name} {value}" for name, value in given.items())


def total_seconds(told: StudyEstimate) -> Any:
    """Training of all runs but the probes, one after the other."""
    if told.train_seconds is None:
        return "–"
    terms = _sum((row.estimate.train_seconds, row.trainings) for row in told.rows if row.estimate)
    return show(by_formula(told.train_seconds, "seconds", f"study_seconds(seconds {terms})"))


def total_tuning(told: StudyEstimate) -> Any:
    """What halving makes of the tuning, beside what the whole grid would take."""
    halved = "+".join(f"{row.tuning_trainings!r}" for row in told.rows)
    grid = "+".join(f"{row.grid_trainings}" for row in told.rows)
    return filled(
        "{trainings} whole trainings, {grid} without halving",
        trainings=show(by_formula(told.tuning_trainings, "score", f"tuning_trainings(rows {halved})")),
        grid=exact(told.grid_trainings, f"tuning_trainings(rows {grid})"),
    )


def total_bytes(told: StudyEstimate) -> Any:
    """Files that the study keeps, and the largest checkpoint."""
    if told.kept_bytes is None or not any(row.estimate for row in told.rows):
        return "–"
    checkpoint = BYTES_CHECKPOINTED * max(row.estimate.trainable_parameters for row in told.rows if row.estimate)
    formula = f"study_bytes(adapters {told.kept_bytes - checkpoint}, checkpoint {checkpoint})"
    return show(by_formula(told.kept_bytes, "bytes", formula))


def total_cost(told: StudyEstimate, price: float) -> Any:
    """What the device-hours of the training come to at a price that a person gave."""
    if told.train_seconds is None:
        return "–"
    cost = told.train_seconds / 3600 * price
    return show(by_formula(cost, "score", f"study_cost(seconds {told.train_seconds!r}, price_per_hour {price!r})"))


def fitting(told: StudyEstimate, line: Line) -> html.Span:
    """How many rows the device has memory for."""
    peaks = "+".join(str(row.estimate.peak_memory_bytes) for row in told.rows if row.estimate)
    formula = f"fitting_rows(memory {line.memory_bytes}, peaks {peaks})"
    return exact(told.fitting or 0, formula)


def ratio(row: RowEstimate, full: RowEstimate, figure: str) -> html.Span | None:
    """How many times as much full fine-tuning takes; None where either is not known or takes nothing."""
    ours, theirs = (None if one.estimate is None else getattr(one.estimate, figure) for one in (row, full))
    if not ours or theirs is None or row is full:
        return None
    return show(by_formula(theirs / ours, "ratio", f"ratio(numerator {theirs!r}, denominator {ours!r})"))


def exact(value: int, formula: str) -> html.Span:
    """A count that is so, not an estimate."""
    return show(by_formula(value, "count", formula, exact=True))


def _sum(terms: Iterable[tuple[float | None, float]]) -> str:
    return "+".join(f"{seconds!r}x{times:g}" for seconds, times in terms if seconds is not None)
