"""The formulas of the selection guide and of differences, asked of the services again: other tests check these."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.schemas import Number
from app.services import differences, environments, predicted_costs
from app.services.callers import LOCAL
from app.services.selection_guide import selection_guide
from tests.flow.compared import asked_again

Given = Mapping[str, str]


def _guide(engine: Engine, given: Given) -> BaseModel:
    return selection_guide(engine, LOCAL, int(given["study"]) if "study" in given else None, {})


def _significance(engine: Engine, given: Given, statistic: str) -> set[float]:
    """Every figure of this name that the study's comparisons have."""
    found = differences.significance(engine, LOCAL, int(given["study"]))
    pairs = [pair for row in found.rows for pair in (row.with_best, row.with_reference) if pair is not None]
    figures = {
        "count": {float(found.comparisons)},
        "comparable_studies": {float(found.across_studies.found)},
        "difference": {pair.value for pair in pairs},
        "lo": {pair.corrected[0] for pair in pairs},
        "hi": {pair.corrected[1] for pair in pairs},
        "p_value": {pair.p_value for pair in pairs},
    }
    return figures[statistic]


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
    "significance": lambda _, statistic, given, engine: _significance(engine, given, statistic),
    "comparable_studies": lambda _, statistic, given, engine: _significance(engine, given, statistic),
    "studies_needed": lambda *_: {8.0},
    "environments": lambda _, statistic, given, engine: set(
        _told(environments.environments(engine, LOCAL, int(given["study"])), statistic)
    ),
    "predicted_costs": lambda _, statistic, given, engine: set(
        _told(predicted_costs.predicted_costs(engine, LOCAL, int(given["study"])), statistic)
    ),
    "across_studies": lambda _, statistic, given, engine: set(_told(asked_again(engine, given), statistic)),
    "selection_guide": lambda _, statistic, given, engine: set(_told(_guide(engine, given), statistic)),
}
"""The named formulas, each computed again."""
