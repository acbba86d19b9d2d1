"""What the true means of a metric may be, given what a few seeds and some test items showed: seeded draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from peft_core.compare.candidates import Candidate
from peft_core.compare.normalise import QUALITY
from peft_core.compare.statistics import standard_error

Array = npt.NDArray[np.float64]

PRIOR_SPREAD = 1.5
"""How large true differences are taken to be, in standard errors of the test items."""
ITEM_FACTOR = float(np.sqrt(1 + 1 / PRIOR_SPREAD**2))
"""What the noise of test items is multiplied by. Flat priors call a difference of z standard errors right with
probability Phi(z), as if any difference were as likely as none; where true differences come from N(0, (1.5 standard
errors)^2) it is Phi(z / 1.2). With many items their noise is known well, and without this factor an answer given with
.85 was right in .81 of simulated studies. Seeds need none: few degrees of freedom make their draws wide enough."""


@dataclass(frozen=True)
class Drawn:
    """means: (rows,), NaN where a row has no value. values: (draws, rows), the means with what was drawn around them."""

    means: Array
    values: Array


def draw_values(rows: Sequence[Candidate], metric: str, draws: int, seed: int, more_seeds: int = 0) -> Drawn:
    """The rows' means of `metric` over draws. A row's draws depend on its key, not on its place or its neighbours.

    Over seeds the posterior of a mean with flat priors: t with n - 1 degrees of freedom, never a bootstrap of three
    values. Quality varies over test items besides, which all rows share. With one seed nothing is known of seeds and
    only the items are drawn. `more_seeds`: as if so many more had been run, with the same mean and spread.
    """
    means = np.array([np.nan if (mean := row.mean(metric)) is None else mean for row in rows])
    noise = np.zeros((draws, len(rows)))
    for column, row in enumerate(rows):
        noise[:, column] = _over_seeds(row, metric, draws, _random(row, metric, seed), more_seeds)
    if metric == QUALITY:
        noise += _over_items(rows, draws, seed)
    return Drawn(means, means + noise)


def _random(row: Candidate, what: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, abs(row.key), *what.encode()])


def _over_seeds(row: Candidate, metric: str, draws: int, random: np.random.Generator, more_seeds: int) -> Array:
    values = row.values.get(metric, ())
    count = len(values)
    if count < 2 or np.std(values) == 0:
        return np.zeros(draws)
    error = standard_error(values) * np.sqrt(count / (count + more_seeds))
    noise: Array = random.standard_t(count - 1 + more_seeds, draws) * error
    return noise


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
    return ITEM_FACTOR * noise


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
