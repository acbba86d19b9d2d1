"""A study as the recommendation sees it: its candidates, its reference rows, and what may be true of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from peft_core.compare.candidates import Candidate
from peft_core.compare.draws import Array, draw_values
from peft_core.compare.normalise import QUALITY, QualityScale, score_values
from peft_core.compare.significance import Significance, significance
from peft_core.metric import Metric, RatioAnchors, metrics

PRIOR_SPREAD = 1.5
"""How large true differences of quality are taken to be, in standard errors."""
QUALITY_FACTOR = float(np.sqrt(1 + 1 / PRIOR_SPREAD**2))
"""What the noise of quality is multiplied by. Flat priors call a difference of z standard errors right with probability
Phi(z), as if a difference of any size were as likely as none; where true differences come from N(0, (1.5 standard
errors)^2) it is Phi(z / 1.2). Without this, answers given with .85 were right in .81 of simulated studies where the
noise of many items prevailed, and those given with .75 in .74 where that of five seeds did. With three seeds, or more
than two methods, the answers are then less sure than they could be."""


@dataclass(frozen=True)
class Scored:
    """One metric of some rows: expected scores (rows,), drawn scores and drawn raw values (draws, rows), or (1, rows)
    where nothing varies."""

    expected: Array
    drawn: Array
    values: Array


@dataclass(frozen=True)
class Evidence:
    """A study's candidates with its two reference rows.

    `full` is what scores refer to: full fine-tuning, or what stands in for it. `untuned` is the floor and never a
    candidate; without one `assumed_floor` is. `unranked`: rows that are compared and can never be recommended, because
    they did not learn.
    """

    candidates: Sequence[Candidate]
    full: Candidate | None
    untuned: Candidate | None
    assumed_floor: float | None = None
    unranked: Sequence[Candidate] = ()
    _scored: dict[tuple[str, int, int, int], Scored] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @cached_property
    def compared(self) -> tuple[Candidate, ...]:
        """Every row that is a method, each once: candidates, what did not learn, and the reference."""
        rows = [*self.candidates, *self.unranked, *([self.full] if self.full else [])]
        return tuple({row.key: row for row in reversed(rows)}[key] for key in sorted({row.key for row in rows}))

    @cached_property
    def _cards(self) -> dict[str, type[Metric]]:
        return metrics()

    @property
    def floor(self) -> float | None:
        """Where gains are measured from: what untuned scores, or what is assumed."""
        measured = self.untuned.mean(QUALITY) if self.untuned is not None else None
        return self.assumed_floor if measured is None else measured

    def quality_scale(self) -> QualityScale | None:
        """Floor and the reference's gain, None where one of them has no value."""
        floor, full = self.floor, self.full.mean(QUALITY) if self.full is not None else None
        if self.full is None or floor is None or full is None:
            return None
        return QualityScale(floor, full, self.full.quality_error)

    def has_scale(self, metric: str) -> bool:
        """Whether a metric can be scored: anchors of its own, or a reference with a value above 0 to take ratios to."""
        anchors = self._cards[metric].anchors
        if metric == QUALITY or not isinstance(anchors, RatioAnchors):
            return metric == QUALITY or anchors is not None
        reference = self.full.mean(metric) if self.full else None
        return reference is not None and reference > 0

    def scored(self, metric: str, draws: int, seed: int, more_seeds: int = 0) -> Scored:
        """Scores of one metric for each of `compared`, expected and over seeded draws, on anchors that stand still: the
        reference's own noise moves no scale. Kept: every edit of a question is answered from the same draws."""
        asked = (metric, draws, seed, more_seeds)
        if asked not in self._scored:
            values = draw_values(self.compared, metric, draws, seed, more_seeds)
            means = np.array([np.nan if (mean := row.mean(metric)) is None else mean for row in self.compared])
            if metric == QUALITY:
                values = means + QUALITY_FACTOR * (values - means)
            self._scored[asked] = Scored(self._u(metric, means), self._u(metric, values), values)
        return self._scored[asked]

    def _u(self, metric: str, values: Array) -> Array:
        scale = self.quality_scale()
        if metric == QUALITY:
            assert scale is not None, "quality is scored where both ends of its scale are measured"
            return scale.scores(values)
        return score_values(self._cards[metric], values, self.full.mean(metric) if self.full else None)

    def chance(self, draws: int, seed: int) -> Array:
        """A number from 0 to 1 for each row in each draw, (draws, rows): who goes first among equals."""
        asked = ("chance", draws, seed, 0)
        if asked not in self._scored:
            columns = [np.random.default_rng([seed, abs(row.key)]).random(draws) for row in self.compared]
            self._scored[asked] = Scored(np.empty(0), np.stack(columns, axis=1), np.empty(0))
        return self._scored[asked].drawn

    def place(self, key: int) -> int:
        """The column of a row in what `scored` gives."""
        return next(i for i, row in enumerate(self.compared) if row.key == key)

    @cached_property
    def significance(self) -> Significance:
        """Which rows differ: every comparison with the best and with the reference, corrected together."""
        return significance(self.compared, self.full.key if self.full else None)

    def differs(self, key: int, other: int) -> bool:
        """Whether the quality of `key` is shown to be better than that of `other`; a pair that `significance` does not
        hold is corrected together with all that it does."""
        found = self.significance.between(key, other)
        if found is None:
            wider = significance(self.compared, self.full.key if self.full else None, [(key, other)])
            found = wider.between(key, other)
        return found is not None and found.outcome == "better"
