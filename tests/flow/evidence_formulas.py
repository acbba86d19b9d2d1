"""The formula of the selection guide: asked of the service again, for what is drawn has one home."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.schemas import Number
from app.services.callers import LOCAL
from app.services.selection_guide import selection_guide

Given = Mapping[str, str]


def _guide(engine: Engine, given: Given) -> BaseModel:
    return selection_guide(engine, LOCAL, int(given["study"]) if "study" in given else None, {})


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
    "selection_guide": lambda _, statistic, given, engine: set(_told(_guide(engine, given), statistic)),
}
"""The named formulas, each computed again."""
