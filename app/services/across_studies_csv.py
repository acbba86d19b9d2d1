"""CSV of the matrix of methods over studies: one line for each cell, in SI units, with the runs behind it."""

import csv
import io

from app.schemas import ComparedMethod, ComparedStudy, GainCell, Number, StudiesCompared
from app.services.exports.cells_csv import neutralised
from app.services.exports.table import Value, number_text

COLUMNS = (
    *("study", "study_name", "task", "base_model", "source", "method", "title", "configuration"),
    *("share_of_full_gain", "lo", "hi", "interval_covers", "score", "raw", "raw_metric", "better"),
    *("floor", "full", "n", "missing", "run_ids"),
)


def as_csv(found: StudiesCompared) -> str:
    """The cells of the chosen studies and methods."""
    studies, methods = {study.id: study for study in found.studies}, {one.method: one for one in found.methods}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in found.cells:
        writer.writerow(_field(value) for value in _row(cell, studies[cell.study], methods[cell.method]))
    return text.getvalue()


def _row(cell: GainCell, study: ComparedStudy, method: ComparedMethod) -> list[Value]:
    lo, hi = cell.interval or (None, None)
    named: list[Value] = [study.id, study.name, study.task, study.base_model, study.label or study.source]
    shares: list[Value] = [_value(cell.share), _value(lo), _value(hi), cell.covers, cell.score]
    raw: list[Value] = [_value(cell.raw), study.headline, study.better, study.floor.value, study.full.value]
    runs = " ".join(str(run) for run in cell.raw.run_ids) if cell.raw else ""
    return [*named, method.method, method.title, cell.label, *shares, *raw, cell.n, cell.missing, runs]


def _value(number: Number | None) -> float | None:
    return None if number is None else number.value


def _field(value: Value) -> str:
    return neutralised(value) if isinstance(value, str) else number_text(value)
