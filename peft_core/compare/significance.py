"""Which rows of a study differ in quality: the one rule behind tie marks, verdicts, the forest and every p-value.

Methods are compared with the best row and with full fine-tuning, and Holm's procedure corrects all of these comparisons
together. Several seeds: the paired difference with the noise of seeds and of test items (Welch and Satterthwaite). One
seed: tests over items alone, which speak of these two trained models and not of the methods.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np

from peft_core.compare.candidates import Candidate
from peft_core.compare.normalise import QUALITY
from peft_core.compare.proportions import mcnemar, two_proportions
from peft_core.compare.statistics import Corrected, Scores, holm, paired_difference, unpaired_difference

RuleName = Literal[
    "paired t over seeds and test items",
    "t over seeds and test items",
    "t over seeds",
    "McNemar",
    "paired t over test items",
    "two proportions",
]
Covers = Literal["seeds and test items", "seeds", "test items of these two trained models"]
Outcome = Literal["better", "tie", "worse"]

COVERS: dict[RuleName, Covers] = {
    "paired t over seeds and test items": "seeds and test items",
    "t over seeds and test items": "seeds and test items",
    "t over seeds": "seeds",
    "McNemar": "test items of these two trained models",
    "paired t over test items": "test items of these two trained models",
    "two proportions": "test items of these two trained models",
}
"""What an interval of each test covers."""

RULE = (
    "Two rows differ where the interval of the mean difference over seeds and test items excludes zero. Its variance"
    " is that of the per-seed means over the seeds plus that of the per-item means over the items, with"
    " Welch-Satterthwaite degrees of freedom, and Holm's correction over the comparisons with the best row and with the"
    " reference. With one seed only test items vary: McNemar's test, a paired t test where items have more than two"
    " scores, or two proportions where only a count is known. Those speak of these two trained models, not of the"
    " methods."
)
"""The one definition of "different", in words."""

LEAST_STUDIES = 8
"""Comparable studies from which a Bayesian signed-rank test and a critical-difference diagram mean something."""


class MeanDifference(Protocol):
    """A difference with its test; the interval excludes 0 exactly when p_value < alpha."""

    @property
    def value(self) -> float: ...

    @property
    def p_value(self) -> float: ...

    def interval(self, alpha: float = ...) -> tuple[float, float]: ...


@dataclass(frozen=True)
class Pair:
    """The quality of `key` minus that of `reference`. `seeds`: those both were scored on, where item scores pair."""

    key: int
    reference: int
    rule: RuleName
    difference: MeanDifference
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Compared:
    """A test with what Holm's procedure says of it among all others."""

    pair: Pair
    corrected: Corrected

    @property
    def outcome(self) -> Outcome:
        """A tie exactly when the corrected interval covers 0: no difference is shown, which is not equality."""
        if not self.corrected.rejected:
            return "tie"
        return "better" if self.pair.difference.value > 0 else "worse"

    @property
    def corrected_interval(self) -> tuple[float, float]:
        return self.pair.difference.interval(self.corrected.level)

    def turned(self) -> "Compared":
        """The same comparison seen from the other row."""
        pair = self.pair
        return Compared(Pair(pair.reference, pair.key, pair.rule, _Turned(pair.difference), pair.seeds), self.corrected)


@dataclass(frozen=True)
class _Turned:
    other: MeanDifference

    @property
    def value(self) -> float:
        return -self.other.value

    @property
    def p_value(self) -> float:
        return self.other.p_value

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        lo, hi = self.other.interval(alpha)
        return -hi, -lo


@dataclass(frozen=True)
class Significance:
    """Every comparison with the best row and with the reference, corrected together.

    `best`: the row with the highest mean, None where nothing is measured. `untested`: (row, other) pairs that share
    neither item scores nor a count of items.
    """

    best: int | None
    reference: int | None
    comparisons: tuple[Compared, ...]
    untested: tuple[tuple[int, int], ...] = ()

    def between(self, key: int, other: int) -> Compared | None:
        """The comparison of two rows as the first sees it, None where it was not made."""
        if (found := self._by_rows.get((key, other))) is not None:
            return found
        seen_from_other = self._by_rows.get((other, key))
        return None if seen_from_other is None else seen_from_other.turned()

    @cached_property
    def _by_rows(self) -> dict[tuple[int, int], Compared]:
        return {(found.pair.key, found.pair.reference): found for found in self.comparisons}

    def tied_with(self, key: int | None) -> tuple[int, ...]:
        """The rows that are not shown to differ from a row that all others were compared with, itself among them."""
        if key is None:
            return ()
        others = {found.pair.key for found in self.comparisons} | {found.pair.reference for found in self.comparisons}
        tied = [other for other in others if (pair := self.between(other, key)) is not None and pair.outcome == "tie"]
        return tuple(sorted({key, *tied}))


def significance(
    rows: Sequence[Candidate], reference: int | None, also: Sequence[tuple[int, int]] = ()
) -> Significance:
    """Compare every row with the best and with the reference; `also`: further pairs to correct together with these.

    The untuned row is no method and is not among the rows.
    """
    measured = {row.key: row for row in sorted(rows, key=lambda row: row.key) if row.mean(QUALITY) is not None}
    best = max(measured, key=lambda key: measured[key].mean(QUALITY) or 0.0, default=None)
    others = [key for key in (reference, best) if key is not None and key in measured]
    wanted = [(key, other) for other in others for key in measured if key != other]
    once: dict[frozenset[int], tuple[int, int]] = {}
    for pair in [*wanted, *also]:
        once.setdefault(frozenset(pair), pair)
    found = {keys: compare_pair(measured[keys[0]], measured[keys[1]]) for keys in once.values()}
    tested = [pair for pair in found.values() if pair is not None]
    corrected = holm([pair.difference.p_value for pair in tested])
    comparisons = [Compared(pair, one) for pair, one in zip(tested, corrected, strict=True)]
    untested = [keys for keys, pair in found.items() if pair is None]
    return Significance(best, reference if reference in measured else None, tuple(comparisons), tuple(untested))


def compare_pair(first: Candidate, second: Candidate) -> Pair | None:
    """The difference of two rows by the test that their evidence allows; None where there is none."""
    if first.item_scores is not None and second.item_scores is not None:
        return _paired(first, second, first.item_scores, second.item_scores)
    ours, theirs = first.values[QUALITY], second.values[QUALITY]
    items = (first.counted_items, second.counted_items)
    counted = (items[0], items[1]) if items[0] and items[1] else None
    if len(ours) > 1 and len(theirs) > 1:
        name: RuleName = "t over seeds and test items" if counted else "t over seeds"
        return Pair(first.key, second.key, name, unpaired_difference(ours, theirs, counted))
    if counted is None or not all(0 <= share <= 1 for share in (ours[0], theirs[0])):
        return None
    shares = two_proportions(float(np.mean(ours)), counted[0], float(np.mean(theirs)), counted[1])
    return Pair(first.key, second.key, "two proportions", shares)


def _paired(first: Candidate, second: Candidate, ours: Scores, theirs: Scores) -> Pair | None:
    """The test over the seeds that both rows have; None without one, or where the items are not the same."""
    seeds, ours, theirs = _same_seeds(first, second, ours, theirs)
    if len(ours) == 0 or ours.shape != theirs.shape or ours.shape[1] < 2:
        return None
    if len(ours) > 1:
        name: RuleName = "paired t over seeds and test items"
        return Pair(first.key, second.key, name, paired_difference(ours, theirs), seeds)
    if np.isin(ours, (0, 1)).all() and np.isin(theirs, (0, 1)).all():
        return Pair(first.key, second.key, "McNemar", mcnemar(ours, theirs), seeds)
    return Pair(first.key, second.key, "paired t over test items", paired_difference(ours, theirs), seeds)


def _same_seeds(
    first: Candidate, second: Candidate, ours: Scores, theirs: Scores
) -> tuple[tuple[int, ...], Scores, Scores]:
    """Rows of the seeds that both have, in one order; by place where the seeds are not named."""
    if not first.seeds or not second.seeds:
        shared = min(len(ours), len(theirs))
        return (), ours[:shared], theirs[:shared]
    seeds = tuple(sorted(set(first.seeds) & set(second.seeds)))
    places = ([first.seeds.index(seed) for seed in seeds], [second.seeds.index(seed) for seed in seeds])
    return seeds, ours[places[0]], theirs[places[1]]
