"""The formulas of fronts and sweeps: by hand where they are short, else asked of the service
again, for what is drawn has one home."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db.tables import Study
from app.schemas import Axis, Number
from app.services import results
from app.services.callers import LOCAL
from app.services.evidence import read_evidence
from app.services.pareto import pareto
from peft_core.task import sign

Given = Mapping[str, str]


def _front(engine: Engine, given: Given) -> BaseModel:
    axes: tuple[Axis, ...] = ("x", "y", "z")
    names = {axis: given[axis] for axis in axes if axis in given}
    return pareto(engine, LOCAL, int(given["study"]), names, float(given["floor"]) if "floor" in given else None)


def _composite(engine: Engine, given: Given) -> float:
    """0.7 of the quality's score and 0.3 of the parameters', as the study's own comparison has them."""
    cells = results.comparison(engine, LOCAL, int(given["study"])).cells
    of_row = {cell.metric: cell.normalised for cell in cells if cell.configuration == int(given["configuration"])}
    return 0.7 * (of_row["task_performance"] or 0.0) + 0.3 * (of_row["trainable_parameters"] or 0.0)


def _least_kept(session: Session, given: Given) -> float:
    """The floor and 95 % of the way to full fine-tuning, in the score's own direction."""
    evidence = read_evidence(session, session.get_one(Study, int(given["study"])))
    scale = evidence.quality_scale
    assert scale is not None
    return sign(evidence.task) * (0.05 * scale.floor + 0.95 * scale.full)


def _told(document: Any, statistic: str) -> Iterator[float]:
    """Every number of a document with this statistic."""
    if isinstance(document, Number):
        if document.statistic == statistic:
            yield document.value
    elif isinstance(document, BaseModel):
        for name in type(document).model_fields:
            yield from _told(getattr(document, name), statistic)
    elif isinstance(document, dict):
        for value in document.values():
            yield from _told(value, statistic)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from _told(value, statistic)


EVIDENCE_FORMULAS: dict[str, Callable[[Session, str, Given, Engine], set[float]]] = {
    "pareto": lambda _, statistic, given, engine: set(_told(_front(engine, given), statistic)),
    "sweep_composite": lambda _, __, given, engine: {_composite(engine, given)},
    "least_kept": lambda session, _, given, __: {_least_kept(session, given)},
    "share_of_gain": lambda *_: {0.95},
}
"""The named formulas, each computed again."""
