"""What is compared: the measurements of one configuration."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from peft_core.compare.normalise import QUALITY
from peft_core.compare.statistics import Scores, binomial_error, standard_error


@dataclass(frozen=True)
class Candidate:
    """A configuration's evidence: values per seed by metric, and item scores (seeds, items) of the test split.

    Quality and item scores are better when higher. `unsuccessful`: metrics that it should have and does not, for a run
    failed or has not ended. `seeds`: whose rows `item_scores` are; empty: rows pair by place. `counted_items`: over how
    many test items a quality that is a counted share was taken, where no item scores are at hand.
    """

    key: int
    values: Mapping[str, tuple[float, ...]]
    item_scores: Scores | None = None
    unsuccessful: frozenset[str] = frozenset()
    counted_items: int | None = None
    seeds: tuple[int, ...] = ()

    def mean(self, metric: str) -> float | None:
        values = self.values.get(metric)
        return sum(values) / len(values) if values else None

    @property
    def quality(self) -> float:
        """Mean quality; only of a candidate that has one."""
        return sum(self.values[QUALITY]) / len(self.values[QUALITY])

    @property
    def quality_error(self) -> float:
        """Standard error of its quality over seeds; with one seed over test items, 0 where nothing is known of them."""
        values = self.values[QUALITY]
        if len(values) > 1:
            return standard_error(values)
        if self.item_scores is not None:
            return float(np.std(self.item_scores) / np.sqrt(self.item_scores.shape[1]))
        return binomial_error(values[0], self.counted_items) if self.counted_items else 0.0
