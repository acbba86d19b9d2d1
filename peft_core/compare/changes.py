"""What would change an answer: the smallest edit of a weight or of the quality floor that gives another pick, each
limit that is dropped, and one more seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import floor
from typing import Literal

import numpy as np

from peft_core.compare.evidence import Evidence
from peft_core.compare.recommend import TIE, Answer, Outlook, leader, outlook
from peft_core.compare.vetoes import Question, standing
from peft_core.scenario import ConstraintName, Criterion

WEIGHT_STEPS = 20
"""A weight is tried at this many equal steps from 0 to 1, as a person can set it."""
FLOOR_STEPS = 100
MOST_WEIGHTS = 3
"""So many weights are named, those that need to move least."""


@dataclass(frozen=True)
class Change:
    """One thing changed in a question, and what would then be picked. value: the new weight or floor."""

    kind: Literal["weight", "floor", "limit", "seeds"]
    outlook: Outlook
    criterion: Criterion | None = None
    constraint: ConstraintName | None = None
    value: float | None = None


def changes(evidence: Evidence, question: Question, answer: Answer) -> list[Change]:
    """What would change the answer. Weights and floors are named only where they give another pick; limits and the
    seed always, because that they change nothing is worth knowing too."""
    if not answer.ranked:
        return []
    pick = answer.ranked[0].key
    weights = sorted(_weights(evidence, question, pick), key=lambda found: found[0])[:MOST_WEIGHTS]
    return [
        *(change for _, change in weights),
        *_floors(evidence, question, answer),
        *_limits(evidence, question),
        *_one_more_seed(evidence, question, answer),
    ]


def _weights(evidence: Evidence, question: Question, pick: int) -> Iterator[tuple[float, Change]]:
    """For each criterion how far its weight has to move until another method has the best score, and that answer."""
    for criterion, value in _tipping_weights(evidence, question, pick).items():
        weights = dict(question.weights) | {criterion: value}
        found = outlook(evidence, replace(question, weights=weights))
        if found is not None and found.pick != pick:
            yield abs(value - question.weights[criterion]), Change("weight", found, criterion=criterion, value=value)


def _tipping_weights(evidence: Evidence, question: Question, pick: int) -> Mapping[Criterion, float]:
    """The nearest step of each weight at which some other score exceeds the pick's, by expected scores alone."""
    found = standing(evidence, question)
    places = [evidence.place(row.key) for row in found.kept]
    mine = [row.key for row in found.kept].index(pick)
    scores = {
        criterion: np.mean(
            [evidence.scored(key, question.draws, question.seed, question.more_seeds).expected[places] for key in keys],
            axis=0,
        )
        for criterion, keys in found.metrics.items()
    }
    tipping: dict[Criterion, float] = {}
    for criterion, own in scores.items():
        present = question.weights[criterion]
        steps = np.array(sorted(np.arange(WEIGHT_STEPS + 1) / WEIGHT_STEPS, key=lambda step: abs(step - present)))
        total = sum(question.weights[name] * u for name, u in scores.items()) + np.outer(steps - present, own)
        tips = steps[total.max(axis=1) > total[:, mine] + TIE]
        if tips.size:
            tipping[criterion] = float(tips[0])
    return tipping


def _floors(evidence: Evidence, question: Question, answer: Answer) -> Iterator[Change]:
    """The next lower floor that lets a better score in, and the next higher one that rules the pick out."""
    for value in (_lower_floor(evidence, question, answer), _higher_floor(evidence, question, answer)):
        if value is None:
            continue
        found = outlook(evidence, replace(question, quality_floor=value))
        if found is not None and found.pick != answer.ranked[0].key:
            yield Change("floor", found, value=value)


def _lower_floor(evidence: Evidence, question: Question, answer: Answer) -> float | None:
    kept = [_gain(evidence, veto.value) for veto in answer.vetoed if veto.constraint is None and veto.value is not None]
    for gain in sorted(kept, reverse=True):
        value = max(0.0, floor(FLOOR_STEPS * gain) / FLOOR_STEPS)
        if leader(evidence, replace(question, quality_floor=value)) not in (None, answer.ranked[0].key):
            return value
    return None


def _higher_floor(evidence: Evidence, question: Question, answer: Answer) -> float | None:
    pick = evidence.compared[evidence.place(answer.ranked[0].key)]
    value = (floor(FLOOR_STEPS * _gain(evidence, pick.quality)) + 1) / FLOOR_STEPS
    return value if question.quality_floor < value <= 1 else None


def _gain(evidence: Evidence, quality: float) -> float:
    """The share of the reference's gain that a quality keeps."""
    scale = evidence.quality_scale()
    assert scale is not None, "an answer has a scale"
    return (quality - scale.floor) / (scale.full - scale.floor)


def _limits(evidence: Evidence, question: Question) -> Iterator[Change]:
    for constraint in question.constraints:
        others = {name: limit for name, limit in question.constraints.items() if name != constraint}
        found = outlook(evidence, replace(question, constraints=others))
        if found is not None:
            yield Change("limit", found, constraint=constraint)


def _one_more_seed(evidence: Evidence, question: Question, answer: Answer) -> Iterator[Change]:
    """Whether one more seed would make the answer surer, if it showed the same means and spreads. With a single seed
    the spread is not known, and nothing is foretold."""
    if answer.single_seed:
        return
    found = outlook(evidence, replace(question, more_seeds=question.more_seeds + 1))
    if found is not None:
        yield Change("seeds", found)
