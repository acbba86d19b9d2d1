"""A study as text: the document that makes it again, or its cells as a table."""

import csv
import io
import json
from typing import Literal

from sqlalchemy import Engine

from app.schemas import Cell, Comparison
from app.services.callers import Caller
from app.services.results import comparison, study_view

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = ("method", "configuration", "metric", "unit", "mean", "lo", "hi", "n", "failures", "source", "run_ids")


def export_study(engine: Engine, caller: Caller, study_id: int, kind: Literal["json", "csv", "md"]) -> str:
    """json: the study document. csv, md: one line for each cell, in SI units, with the runs behind it."""
    if kind == "json":
        document = study_view(engine, caller, study_id).document
        return json.dumps(document.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False)
    rows = _rows(comparison(engine, caller, study_id))
    return _csv(rows) if kind == "csv" else _markdown(rows)


def _rows(found: Comparison) -> list[list[str]]:
    labels = {row.id: row.label for row in found.configurations}
    return [_row(cell, labels[cell.configuration]) for cell in found.cells]


def _row(cell: Cell, label: str) -> list[str]:
    lo, hi = cell.interval or (None, None)
    numbers = ["" if value is None else repr(value) for value in (cell.mean, lo, hi)]
    ids = " ".join(str(run_id) for run_id in cell.run_ids)
    source = f"missing: {cell.missing}" if cell.mean is None else str(cell.source)
    if cell.at_least is not None:
        source += f", more than {cell.at_least!r}"
    return [cell.method, label, cell.metric, cell.unit, *numbers, str(cell.n), str(cell.failures), source, ids]


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([neutralised(value) for value in row] for row in rows)
    return text.getvalue()


def neutralised(value: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe; numbers stay numbers."""
    if not value.startswith(FORMULA_STARTS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def _markdown(rows: list[list[str]]) -> str:
    lines = [" | ".join(COLUMNS), " | ".join("---" for _ in COLUMNS)]
    lines += [" | ".join(value.replace("|", "\\|") for value in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines) + "\n"
