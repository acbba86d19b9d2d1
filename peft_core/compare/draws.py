"""What the true means of a metric may be, given what a few seeds and some test items showed: seeded draws."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from peft_core.compare.candidates import Candidate
from peft_core.compare.normalise import QUALITY
from peft_core.compare.statistics import standard_error

Array = npt.NDArray[np.float64]


def draw_values(rows: Sequence[Candidate], metric: str, draws: int, seed: int, more_seeds: int = 0) -> Array:
    """The rows' means of `metric` with what is drawn around them, (draws, rows); (1, rows) where nothing varies.

    NaN for a row without a value. A row's draws depend on its key, not on its place.

    Over seeds the posterior of a mean: t with n - 1 degrees of freedom, never a bootstrap of three
    values. Quality varies over test items besides, which all rows share. With one seed nothing is known of seeds and
    only the items are drawn. `more_seeds`: as if so many more had been run, with the same mean and spread.
    """
    means = np.array([[np.nan if (mean := row.mean(metric)) is None else mean for row in rows]])
    varying = [column for column, row in enumerate(rows) if _varies(row.values.get(metric, ()))]
    if metric != QUALITY and not varying:
        return means
    noise = _over_items(rows, draws, seed) if metric == QUALITY else np.zeros((draws, len(rows)))
    for column in varying:
        values, random = rows[column].values[metric], _random(rows[column], metric, seed)
        count = len(values)
        error = standard_error(values) * np.sqrt(count / (count + more_seeds))
        noise[:, column] += random.standard_t(count - 1 + more_seeds, draws) * error
    return means + noise


def _varies(values: Sequence[float]) -> bool:
    return len(values) > 1 and min(values) < max(values)


def _random(row: Candidate, what: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, abs(row.key), *what.encode()])


def _over_items(rows: Sequence[Candidate], draws: int, seed: int) -> Array:
    """Deviations because other items could have been in the test split, (draws, rows).

    Rows scored on the same items move together: the bootstrap of items in its normal limit, whose covariance is that of
    the items' scores. A symmetric root of it makes a row's draws the same wherever it stands. A row that only says how
    many of its items were right has Jeffreys' posterior of that share, by itself.
    """
    noise = np.zeros((draws, len(rows)))
    for columns in _same_items(rows):
        items = np.stack([np.mean(rows[column].item_scores, axis=0) for column in columns])  # type: ignore[arg-type]
        standard = np.stack([_random(rows[c], "items", seed).standard_normal(draws) for c in columns], axis=1)
        noise[:, columns] = standard @ _symmetric_root(np.atleast_2d(np.cov(items)) / items.shape[1])
    for column, row in enumerate(rows):
        if row.item_scores is None and row.counted_items:
            noise[:, column] = _over_counted(row, draws, _random(row, "items", seed))
    return noise


def _same_items(rows: Sequence[Candidate]) -> list[list[int]]:
    """Columns of the rows with item scores, those with equally many items together."""
    groups: dict[int, list[int]] = {}
    for column, row in enumerate(rows):
        if row.item_scores is not None and row.item_scores.shape[1] > 1:
            groups.setdefault(row.item_scores.shape[1], []).append(column)
    return list(groups.values())


def _symmetric_root(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh(covariance)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


def _over_counted(row: Candidate, draws: int, random: np.random.Generator) -> Array:
    share, items = row.mean(QUALITY), row.counted_items
    assert items is not None
    if share is None or not 0 <= share <= 1:
        return np.zeros(draws)
    right, wrong = share * items + 0.5, (1 - share) * items + 0.5
    noise: Array = random.beta(right, wrong, draws) - right / (right + wrong)
    return noise
