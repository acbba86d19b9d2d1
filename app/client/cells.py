"""A comparison as rows of a table."""

from typing import Any

from app.schemas import Cell, Comparison


def cell_rows(found: Comparison) -> list[dict[str, Any]]:
    """One row for each cell, missing ones included, under the names of the exported CSV; values in SI units."""
    labels = {row.id: row.label for row in found.configurations}
    return [_row(cell, labels[cell.configuration]) for cell in found.cells]


def _row(cell: Cell, label: str) -> dict[str, Any]:
    lo, hi = cell.interval or (None, None)
    named = {"method": cell.method, "configuration": label, "metric": cell.metric, "unit": cell.unit}
    measured = {"better": cell.better, "mean": cell.mean, "lo": lo, "hi": hi, "n": cell.n, "failures": cell.failures}
    judged = {"normalised": cell.normalised, "source": cell.source, "missing": cell.missing, "at_least": cell.at_least}
    told = {"values": cell.values, "run_ids": cell.run_ids, "flags": cell.flags, "notes": cell.notes}
    return named | measured | judged | told
