"""Carrying ratios over to a case that was not measured: distances, weights, errors and refusals by hand."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from peft_core.compare.lookup import Carried, Case, Known, Outside, distance, figures_of, look_up
from peft_core.compare.normalise import QualityScale
from peft_core.compare.recommend import QUALITY, Candidate

SIZE = "trainable_parameters"
BASE = Case("encoder", "classification", "cpu", parameters=1e8, train_items=1_000, length=64)


def known(study: int, case: Case = BASE, **ratios: float) -> Known:
    """A study with these ratios of trainable parameters."""
    return Known(study, case, {(name, SIZE): Carried(math.log(ratio)) for name, ratio in ratios.items()})


def sized(parameters: float) -> Case:
    return replace(BASE, parameters=parameters)


def test_a_factor_of_three_is_one() -> None:
    assert distance(BASE, BASE) == 0
    assert distance(BASE, sized(3e8)) == pytest.approx(1)
    assert distance(BASE, replace(BASE, train_items=9_000)) == pytest.approx(2)
    assert distance(BASE, replace(BASE, length=192)) == pytest.approx(math.sqrt(0.5))
    assert distance(BASE, replace(BASE, device="cuda")) == 1
    assert distance(BASE, replace(BASE, parameters=3e8, length=192, device="cuda")) == pytest.approx(math.sqrt(2.5))


@given(*(st.floats(1, 1e12) for _ in range(6)))
def test_distances_are_symmetric(p: float, n: float, s: float, q: float, m: float, t: float) -> None:
    one, other = Case("encoder", "x", "cpu", p, n, s), Case("encoder", "x", "cpu", q, m, t)
    assert distance(one, other) == pytest.approx(distance(other, one))


def test_the_very_case_is_measured_and_the_newest_study_of_it_answers() -> None:
    found = look_up(BASE, [known(1, lora=0.01), known(5, lora=0.02), known(3, sized(2e8), lora=0.03)])
    assert (found.exact, found.estimates) == (5, {})
    assert [(near.study, near.distance) for near in found.nearest[:2]] == [(5, 0.0), (1, 0.0)]


def test_a_ratio_that_is_the_same_everywhere_is_carried_as_it_is() -> None:
    studies = [known(k, sized(size), lora=0.01) for k, size in enumerate((5e7, 2e8, 4e8), start=1)]
    estimate = look_up(BASE, studies).estimates["lora", SIZE]
    assert math.exp(estimate.value) == pytest.approx(0.01)
    assert estimate.error == pytest.approx(0)
    assert estimate.interval() == pytest.approx((estimate.value, estimate.value))
    assert estimate.studies == (1, 2, 3)


def test_half_way_between_two_studies_a_power_law_gives_the_middle() -> None:
    """Ratios fall with P^-0.5: 0.02 at 5e7 and 0.01 at 2e8 have their geometric mean at 1e8, as the law says."""
    studies = [known(1, sized(5e7), lora=0.02), known(2, sized(2e8), lora=0.01)]
    estimate = look_up(BASE, studies).estimates["lora", SIZE]
    assert math.exp(estimate.value) == pytest.approx(0.02 * 0.5**0.5)
    # Each left out is told from the other alone: both errors are ln 2, and two studies were left out.
    assert estimate.error == pytest.approx(math.log(2))
    assert estimate.degrees == 2
    half = stats.t.ppf(0.975, 2) * math.log(2)
    assert estimate.interval() == pytest.approx((estimate.value - half, estimate.value + half))


def test_nearer_studies_weigh_by_the_inverse_square_of_the_distance() -> None:
    # Factors of 3 and 9 in the number of items: distances 1 and 2, weights 4/5 and 1/5.
    studies = [
        known(1, replace(BASE, train_items=3_000), lora=0.01),
        known(2, replace(BASE, train_items=9_000), lora=0.04),
    ]
    estimate = look_up(BASE, studies).estimates["lora", SIZE]
    assert estimate.value == pytest.approx(0.8 * math.log(0.01) + 0.2 * math.log(0.04))


def test_only_the_three_nearest_speak_and_each_row_is_told_by_those_that_have_it() -> None:
    studies = [known(k, sized(1e8 * 1.2**k), lora=0.01, ia3=0.001) for k in (1, 2)]
    studies += [known(3, sized(1e8 * 1.2**3), lora=0.01), known(4, sized(1e8 * 1.2**4), lora=0.5, oft=0.1)]
    found = look_up(BASE, studies)
    assert [near.study for near in found.nearest] == [1, 2, 3]
    assert found.matching == 4
    assert found.estimates["lora", SIZE].studies == (1, 2, 3)
    assert found.estimates["ia3", SIZE].studies == (1, 2)
    assert ("oft", SIZE) not in found.estimates
    # But what the fourth measured widens the intervals of the others.
    assert found.estimates["lora", SIZE].degrees == 4
    assert (found.estimates["lora", SIZE].error or 0) > 1


def test_with_one_study_nothing_is_known_of_carrying_over() -> None:
    estimate = look_up(BASE, [known(1, sized(2e8), lora=0.01)]).estimates["lora", SIZE]
    assert (estimate.error, estimate.interval(), estimate.degrees) == (None, None, 0)


def test_the_reference_itself_is_no_test_of_carrying_over() -> None:
    studies = [known(k, sized(size), full=1.0, lora=ratio) for k, size, ratio in ((1, 5e7, 0.02), (2, 2e8, 0.01))]
    assert look_up(BASE, studies).estimates["lora", SIZE].error == pytest.approx(math.log(2))


def test_the_noise_of_seeds_is_part_of_the_error() -> None:
    studies = [
        Known(k, sized(size), {("lora", SIZE): Carried(0.0, error)})
        for k, size, error in ((1, 5e7, 0.3), (2, 2e8, 0.4))
    ]
    assert look_up(BASE, studies).estimates["lora", SIZE].error == pytest.approx(0.5 * 0.5)


def test_another_architecture_or_kind_of_task_says_nothing() -> None:
    decoder = known(1, replace(BASE, architecture="decoder"), lora=0.01)
    other_kind = known(2, replace(BASE, task_kind="regression"), lora=0.01)
    found = look_up(BASE, [decoder, other_kind])
    assert (found.matching, found.nearest, found.estimates, found.exact) == (0, (), {}, None)
    assert look_up(BASE, []).matching == 0


@pytest.mark.parametrize(
    ("parameters", "answered"), [(3.34e7, True), (3.3e7, False), (6e8, True), (6.1e8, False), (1.5e8, True)]
)
def test_three_times_outside_the_measured_range_is_the_end(parameters: float, answered: bool) -> None:
    found = look_up(sized(parameters), [known(1, lora=0.01), known(2, sized(2e8), lora=0.01)])
    assert bool(found.estimates) is answered
    assert found.outside == (() if answered else (Outside("parameters", parameters, 1e8, 2e8),))


def test_every_size_is_held_against_its_own_range() -> None:
    found = look_up(replace(BASE, train_items=10, length=10_000), [known(1, lora=0.01)])
    assert [out.dimension for out in found.outside] == ["train_items", "length"]


@given(st.permutations(range(5)))
def test_the_order_of_the_studies_changes_nothing(order: list[int]) -> None:
    studies = [known(k, sized(1e8 * 1.3**k), lora=0.01 * 1.1**k) for k in range(1, 6)]
    expected = look_up(BASE, studies)
    found = look_up(BASE, [studies[place] for place in order])
    assert found.nearest == expected.nearest
    assert found.estimates["lora", SIZE].value == pytest.approx(expected.estimates["lora", SIZE].value)
    assert found.estimates["lora", SIZE].error == pytest.approx(expected.estimates["lora", SIZE].error)


# -- what is carried ---------------------------------------------------------------------------------------------------

SCALE = QualityScale(floor=0.6, full=0.9, full_standard_error=0.005)


def candidate(key: int, **values: tuple[float, ...]) -> Candidate:
    return Candidate(key, values)


FULL = candidate(
    1, task_performance=(0.9, 0.9), trainable_parameters=(1e7,), training_speed=(100.0,), simplicity=(0.6,)
)


def figures(scale: QualityScale | None = SCALE, **values: tuple[float, ...]) -> Mapping[tuple[str, str], Carried]:
    return figures_of({"lora": candidate(2, **values), "full": FULL}, FULL, scale)


def test_costs_and_speeds_are_carried_as_ratios_and_quality_as_a_share_of_the_gain() -> None:
    found = figures(
        task_performance=(0.87, 0.87), trainable_parameters=(1e5,), training_speed=(200.0,), simplicity=(0.5,)
    )
    assert found["lora", SIZE].value == pytest.approx(math.log(0.01))
    assert found["lora", "training_speed"].value == pytest.approx(math.log(2))
    assert found["lora", QUALITY].value == pytest.approx(0.9)
    assert found["lora", "simplicity"].value == 0.5
    assert (found["full", SIZE].value, found["full", QUALITY].value) == pytest.approx((0, 1))


def test_the_spread_over_seeds_is_carried_with_them() -> None:
    spread = (0.86, 0.88)
    found = figures(task_performance=spread, peak_memory=(1.0,))
    assert found["lora", QUALITY].error == pytest.approx(np.std(spread, ddof=1) / math.sqrt(2) / 0.3)
    assert found["full", QUALITY].error == 0


def test_what_has_no_reference_or_no_scale_is_not_carried() -> None:
    within_noise = QualityScale(floor=0.89, full=0.9, full_standard_error=0.02)
    assert ("lora", QUALITY) not in figures(None, task_performance=(0.9,))
    assert ("lora", QUALITY) not in figures(within_noise, task_performance=(0.9,))
    assert ("lora", "peak_memory") not in figures(peak_memory=(1e8,))
    assert ("lora", "perplexity") not in figures(perplexity=(5.0,))
    assert ("lora", "train_seconds") not in figures(train_seconds=(5.0,))


def test_a_cost_of_nothing_is_a_ratio_of_nearly_nothing() -> None:
    assert figures(trainable_parameters=(0.0,))["lora", SIZE].value == math.log(1e-12)
