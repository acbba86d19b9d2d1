"""Whether answers are as sure as they say: in simulated studies of known truth, P(best) is the share that is right.

Over-confidence fails. Under-confidence is printed (`pytest -s`): few seeds and heavy tails make answers modest.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from peft_core.compare.recommend import Answer, Question, recommend
from peft_core.scenario import scenarios
from tests.peft_core.compare.simulated_studies import Design, SimulatedStudy, simulate

SEED_SPREADS = (0.005, 0.015, 0.03)
BINS = ((0.7, 0.8), (0.8, 0.9), (0.9, 1.0))
MOST_OVERCONFIDENT = 0.05
MOST_FALSE = 0.065
BY_QUALITY = Question({"quality": 1.0})

Found = tuple[float, bool]
"""P(best) of the pick, and whether it is the best in truth."""


def answers(design: Design, studies: int, seed: int) -> Iterator[Found]:
    for study in simulate(design, studies, seed):
        found = recommend(study.evidence, BY_QUALITY)
        if found.ranked:
            yield found.ranked[0].p_best, found.ranked[0].key == study.truly_best


def check_calibrated(found: list[Found], what: str) -> None:
    """In every bin of P(best) the share that is right is at least the bin's mean less five points."""
    p_best, right = np.array([p for p, _ in found]), np.array([hit for _, hit in found])
    gaps = {}
    for low, high in BINS:
        inside = (p_best >= low) & ((p_best < high) | (high == 1.0))
        assert inside.sum() > 20, f"{what}: hardly an answer between {low} and {high}"
        gaps[low, high] = right[inside].mean() - p_best[inside].mean()
        print(f"{what}, P(best) {low}-{high}: {p_best[inside].mean():.3f} said, {right[inside].mean():.3f} right")
    assert min(gaps.values()) >= -MOST_OVERCONFIDENT, f"{what}: over-confident by {gaps}"


@pytest.mark.slow
@pytest.mark.parametrize("seed_spread", SEED_SPREADS)
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("many_items", [False, True])
def test_answers_are_no_surer_than_right(seed_spread: float, seeds: int, many_items: bool) -> None:
    """With many items of which each is right for a method in every seed or in none, the noise is known best: there flat
    priors would claim most."""
    design = Design(seed_spread, seeds, items=1319, own=0.45) if many_items else Design(seed_spread, seeds)
    check_calibrated(list(answers(design, 2_000, 11)), f"{design}")


def test_answers_are_no_surer_than_right_over_all_spreads() -> None:
    """The same over 1,200 studies of all designs together, which is quick."""
    designs = [Design(spread, seeds) for spread in SEED_SPREADS for seeds in (3, 5)]
    found = [one for place, design in enumerate(designs) for one in answers(design, 200, place)]
    check_calibrated(found, "all designs")


def false_clear(study: SimulatedStudy, question: Question) -> bool:
    found: Answer = recommend(study.evidence, question)
    return found.verdict == "clear"


@pytest.mark.slow
@pytest.mark.parametrize("seed_spread", SEED_SPREADS)
@pytest.mark.parametrize("seeds", [3, 5])
def test_two_equal_methods_are_rarely_a_clear_answer(seed_spread: float, seeds: int) -> None:
    studies = list(simulate(Design(seed_spread, seeds), 2_000, 13, spread_of_effects=0.0))
    for question in questions():
        assert np.mean([false_clear(study, question) for study in studies]) <= MOST_FALSE
    broken = [study.evidence.significance.between(1, 2) for study in studies]
    assert np.mean([pair is not None and pair.outcome != "tie" for pair in broken]) <= MOST_FALSE


def test_two_equal_methods_are_rarely_a_clear_answer_in_a_few_studies() -> None:
    """400 studies: the floor of quality, and the limit of one standard error below the best, make nothing clear."""
    studies = list(simulate(Design(0.03, 3), 400, 17, spread_of_effects=0.0))
    for question in questions():
        assert np.mean([false_clear(study, question) for study in studies]) <= MOST_FALSE


def questions() -> list[Question]:
    """By quality alone, and as the scenario of high performance asks."""
    weights = scenarios()["high_performance"].weights
    return [BY_QUALITY, Question({"quality": weights["quality"]}, {"quality_standard_errors": 1.0})]


def test_where_nothing_learned_nothing_is_recommended() -> None:
    """The reference gains less than three standard errors over the floor: no pick, whatever the draws."""
    studies = simulate(Design(0.015, 3), 50, 19)
    for study in studies:
        evidence = study.evidence
        assert evidence.full is not None
        floor = evidence.full.quality - 2.9 * evidence.full.quality_error
        unlearned = type(evidence)(evidence.candidates, evidence.full, None, assumed_floor=floor)
        found = recommend(unlearned, BY_QUALITY)
        assert (found.verdict, found.cause, found.ranked) == ("not enough evidence", "gain", ())
