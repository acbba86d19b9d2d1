"""Cells and differences of a comparison as numbers that know where they come from.

A `Cell` is a document; a page shows `Number`s. This is the one place that turns the first into the second, for the
heatmap, the radar, the tables, the hovers and the report alike.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from app.language import mark, tr
from app.schemas import Cell, Comparison, ConfigurationView, Difference, MetricCard, Number

QUALITY = "task_performance"


@dataclass(frozen=True)
class Matrix:
    """A comparison by configuration and metric. `headline` is the task's own name of its score ("accuracy")."""

    comparison: Comparison
    headline: str

    @cached_property
    def cells(self) -> dict[tuple[int, str], Cell]:
        return {(cell.configuration, cell.metric): cell for cell in self.comparison.cells}

    @cached_property
    def cards(self) -> dict[str, MetricCard]:
        return {card.key: card for card in self.comparison.metrics}

    @cached_property
    def configurations(self) -> dict[int, ConfigurationView]:
        return {row.id: row for row in self.comparison.configurations}

    @cached_property
    def differences(self) -> dict[int, Difference]:
        return {difference.configuration: difference for difference in self.comparison.differences}

    @cached_property
    def columns(self) -> list[MetricCard]:
        """The heatmap's columns: a metric that nothing has measured keeps its place."""
        return [card for card in self.comparison.metrics if card.in_heatmap]

    def cell(self, configuration: int, metric: str) -> Cell | None:
        return self.cells.get((configuration, metric))

    def measured(self, metric: str) -> list[Cell]:
        """The cells of a metric that hold a value."""
        return [cell for cell in self.comparison.cells if cell.metric == metric and cell.mean is not None]

    def known(self, metric: str) -> bool:
        """Whether some cell of a metric says something: a value, or what it is larger than."""
        return any(cell.source is not None for cell in self.comparison.cells if cell.metric == metric)

    def title(self, card: MetricCard) -> str:
        """What heads a column: the task's own score for quality, a short name where we have one."""
        if card.key == QUALITY:
            return self.headline[:1].upper() + self.headline[1:]
        return tr(SHORT_TITLES[card.key]) if card.key in SHORT_TITLES else card.title

    def unit(self, card: MetricCard) -> str:
        """The unit and direction that stand in the column's head, e.g. "↑ tokens/s"."""
        arrow = "↑" if card.better == "higher" else "↓"
        return f"{arrow} {head_unit(card)}"

    def without_columns(self, hidden: frozenset[str]) -> "Matrix":
        """The same with fewer columns in its heatmap; the other views show all that is known."""
        metrics = [
            card.model_copy(update={"in_heatmap": card.in_heatmap and card.key not in hidden})
            for card in self.comparison.metrics
        ]
        return replace(self, comparison=self.comparison.model_copy(update={"metrics": metrics}))

    def ordered(self, sort: str, *, worst_first: bool = False) -> list[ConfigurationView]:
        """The reference first, then the methods by `sort` (best first, missing last), the other references last."""
        reference = self.comparison.reference
        by_value = sorted(self.comparison.configurations, key=self._place(sort, worst_first))
        return sorted(by_value, key=lambda row: 0 if row.id == reference else 2 if row.reference else 1)

    def _place(self, sort: str, worst_first: bool) -> Callable[[ConfigurationView], tuple[bool, float]]:
        higher = sort in self.cards and self.cards[sort].better == "higher"
        sign = -1.0 if higher != worst_first else 1.0

        def place(row: ConfigurationView) -> tuple[bool, float]:
            cell = self.cell(row.id, sort)
            return (True, 0.0) if cell is None or cell.mean is None else (False, sign * cell.mean)

        return place

    # -- numbers -----------------------------------------------------------------------------------------------------

    def mean(self, cell: Cell) -> Number:
        """The value of a cell: the mean over its seeds, or the one run's own value."""
        assert cell.mean is not None
        return self._number(cell, cell.mean, "value" if cell.n == 1 else "mean")

    def half_width(self, cell: Cell) -> Number | None:
        """Half of the interval, where it is symmetric about the mean."""
        if cell.interval is None or cell.mean is None:
            return None
        lo, hi = cell.interval
        symmetric = abs((lo + hi) / 2 - cell.mean) <= 1e-9 * max(abs(lo), abs(hi), 1e-12)
        return self._number(cell, (hi - lo) / 2, "half_width") if symmetric else None

    def interval(self, cell: Cell) -> tuple[Number, Number] | None:
        if cell.interval is None:
            return None
        lo, hi = cell.interval
        return self._number(cell, lo, "lo"), self._number(cell, hi, "hi")

    def at_least(self, cell: Cell | None) -> Number | None:
        """What a missing value is known to be larger than."""
        return self._number(cell, cell.at_least, "at_least") if cell and cell.at_least is not None else None

    def values(self, cell: Cell) -> list[Number]:
        """The value of every run of a cell, each with its own run as source."""
        if len(cell.values) != len(cell.run_ids):
            return []
        return [
            self._number(cell, value, "value").model_copy(update={"run_ids": [run]})
            for value, run in zip(cell.values, cell.run_ids, strict=True)
        ]

    def count(self, cell: Cell) -> Number:
        """How many runs a cell's value stands on."""
        return self._number(cell, float(cell.n), "count").model_copy(update={"quantity": "count"})

    def failures(self, cell: Cell) -> Number:
        """How many runs of a cell failed."""
        formula = f"failures(configuration {cell.configuration}, metric {cell.metric})"
        return Number(value=float(cell.failures), quantity="count", statistic="failures", formula=formula)

    def normalised(self, cell: Cell) -> Number | None:
        """The fixed-anchor score 0..1; it refers to the reference row's runs."""
        if cell.normalised is None:
            return None
        reference = self.cell(self.comparison.reference, cell.metric) if self.comparison.reference else None
        return self._number(cell, cell.normalised, "normalised").model_copy(
            update={"quantity": "score", "reference_run_ids": reference.run_ids if reference else []}
        )

    def advantage(self, configuration: int, metric: str) -> Number | None:
        """How many times better a cost of a row is than the reference's; None where one of the two is not known."""
        own = self.cell(configuration, metric)
        other = self.cell(self.comparison.reference, metric) if self.comparison.reference else None
        if own is None or other is None or not own.mean or not other.mean:
            return None
        top, bottom = (own, other) if self.cards[metric].better == "higher" else (other, own)
        assert top.mean is not None
        assert bottom.mean is not None
        return Number(
            value=top.mean / bottom.mean,
            quantity="ratio",
            statistic="ratio",
            metric=metric,
            source="imported" if "imported" in (own.source, other.source) else "measured",
            run_ids=top.run_ids,
            reference_run_ids=bottom.run_ids,
        )

    def _number(self, cell: Cell, value: float, statistic: str) -> Number:
        return Number(
            value=value,
            quantity=self.cards[cell.metric].quantity,
            statistic=statistic,
            metric=cell.metric,
            source=cell.source or "measured",
            run_ids=cell.run_ids,
            formula=cell.formula,
        )


def gap(difference: Difference, value: float, statistic: str) -> Number:
    """One figure of a difference in quality, in points of a share or in the score's own unit."""
    return Number(
        value=value,
        quantity="p_value" if statistic == "p_value" else difference.quantity,
        statistic=statistic,
        metric=QUALITY,
        run_ids=difference.run_ids,
        reference_run_ids=difference.reference_run_ids,
    )


def head_unit(card: MetricCard) -> str:
    """A metric's unit in the words of a column's head."""
    short = HEAD_UNITS.get(card.key) or HEAD_UNITS.get(card.quantity)
    return tr(short) if short else card.unit


SHORT_TITLES = {
    "trainable_parameters": mark("Trainable"),
    "storage_bytes": mark("Storage"),
    "training_speed": mark("Speed"),
    "inference_latency": mark("Latency"),
    "peak_memory": mark("Memory"),
}
"""Titles that fit a column, to be said with `tr`; a metric without one is headed by its own title."""

HEAD_UNITS = {
    "fraction": "%",
    "trainable_parameters": mark("params"),
    "storage_bytes": mark("per task"),
    "inference_latency": mark("per item"),
    "peak_memory": mark("peak"),
}
"""The same of units."""
