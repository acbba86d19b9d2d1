"""A study's cells as numbers that know their runs."""

from functools import cached_property

from app.db.tables import Configuration
from app.language import tr
from app.schemas import Cell, Number, NumberQuantity
from app.services.cells import build_cells
from app.services.evidence import StudyEvidence


class CellNumbers:
    """Every cell of a study by configuration and metric, and the numbers that stand in it."""

    def __init__(self, evidence: StudyEvidence) -> None:
        self._evidence = evidence

    @cached_property
    def _cells(self) -> dict[tuple[int, str], Cell]:
        return {(cell.configuration, cell.metric): cell for cell in build_cells(self._evidence)}

    def cell(self, row: Configuration, metric: str) -> Cell:
        """The cell of a metric that the study has."""
        return self._cells[row.id, metric]

    def mean(self, row: Configuration, metric: str) -> Number | None:
        """The mean over the cell's runs, None where there is none."""
        cell = self.cell(row, metric)
        return None if cell.mean is None else self._number(cell, cell.mean, "mean")

    def interval(self, row: Configuration, metric: str) -> tuple[Number, Number] | None:
        """The ends of the cell's interval, None where it carries none."""
        cell = self.cell(row, metric)
        if cell.interval is None:
            return None
        lo, hi = cell.interval
        return self._number(cell, lo, "lo"), self._number(cell, hi, "hi")

    def missing(self, row: Configuration, metric: str) -> str:
        """Why the cell is empty."""
        return self.cell(row, metric).missing or tr("the run gave no value")

    def _number(self, cell: Cell, value: float, statistic: str) -> Number:
        return Number(
            value=value,
            quantity=self._quantity(cell.metric),
            statistic=statistic,
            metric=cell.metric,
            source=cell.source or "measured",
            run_ids=cell.run_ids,
            formula=cell.formula,
        )

    def _quantity(self, metric: str) -> NumberQuantity:
        return self._evidence.card(metric).quantity
