"""The cells of a study as rows of a table, in SI units, with the runs behind them."""

from app.language import tr
from app.schemas import Cell, Comparison

Value = str | float | int | None
LEVEL = "95 %"
COLUMNS = (
    *("method", "configuration", "metric", "unit", "better", "mean", "lo", "hi", "interval", "n", "failures"),
    *("values", "normalised", "anchors_version", "source", "run_ids", "flags", "notes"),
)


def cell_rows(found: Comparison) -> list[list[Value]]:
    """One row of `COLUMNS` for each cell, missing ones included: their source says why."""
    labels = {row.id: row.label for row in found.configurations}
    return [_row(cell, labels[cell.configuration], found.anchors_version) for cell in found.cells]


def _row(cell: Cell, label: str, anchors_version: str) -> list[Value]:
    lo, hi = cell.interval or (None, None)
    named = [cell.method, label, cell.metric, cell.unit, cell.better]
    interval = [cell.mean, lo, hi, interval_meaning(cell)]
    values = " ".join(repr(value) for value in cell.values)
    runs = " ".join(str(run_id) for run_id in cell.run_ids)
    known: list[Value] = [cell.n, cell.failures, values, cell.normalised, anchors_version, source_of(cell)]
    return [*named, *interval, *known, runs, " ".join(cell.flags), " ".join(cell.notes)]


def interval_meaning(cell: Cell) -> str | None:
    """What the cell's interval is and covers; None where it has none."""
    if cell.interval is None:
        return None
    return tr("{level} over {covers}", level=LEVEL, covers=tr(str(cell.interval_covers)))


def source_of(cell: Cell) -> str:
    """measured, imported or estimated; else why there is no value, and what it is known to be larger than."""
    source = tr("missing: {why}", why=cell.missing) if cell.mean is None else tr(str(cell.source))
    return source if cell.at_least is None else tr("{source}, more than {value!r}", source=source, value=cell.at_least)


def number_text(value: Value) -> str:
    """A number so that reading it gives the same one; nothing for a missing one; text as it is."""
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)
