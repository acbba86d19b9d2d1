"""What a sweep is, and which of its values is best, by hand."""

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peft_core.compare.normalise import QualityScale
from peft_core.compare.sweep import Listed, best_place, find_sweeps, least_kept, neighbours, score
from peft_core.method import build_method
from peft_core.preset import presets

SCALE = QualityScale(floor=0.60, full=0.90, full_standard_error=0.005)


def rows(*hyperparameters: dict[str, Any], method: str = "lora") -> list[Listed]:
    return [Listed(key, method, values) for key, values in enumerate(hyperparameters, start=1)]


def found(*hyperparameters: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    return [(sweep.parameter, sweep.keys) for sweep in find_sweeps(rows(*hyperparameters))]


def test_rows_that_differ_in_one_hyper_parameter_are_a_sweep_in_the_order_of_its_values() -> None:
    [sweep] = find_sweeps(rows({"rank": 32, "alpha": 16.0}, {"rank": 2, "alpha": 16.0}, {"rank": 8, "alpha": 16.0}))
    assert (sweep.method, sweep.parameter) == ("lora", "rank")
    assert (sweep.keys, sweep.values) == ((2, 3, 1), (2, 8, 32))
    assert (sweep.in_proportion, sweep.fixed) == ((), {"alpha": 16.0})


def test_an_alpha_that_grows_with_the_rank_does_not_end_the_sweep() -> None:
    [sweep] = find_sweeps(rows({"rank": 4, "alpha": 8.0}, {"rank": 8, "alpha": 16.0}, {"rank": 16, "alpha": 32.0}))
    assert (sweep.parameter, sweep.in_proportion, sweep.keys) == ("rank", ("alpha",), (1, 2, 3))


def test_two_that_differ_at_will_are_none() -> None:
    assert found({"rank": 4, "alpha": 8.0}, {"rank": 8, "alpha": 8.0, "dropout": 0.1}) == []
    assert found({"rank": 4, "target_modules": "all"}, {"rank": 8, "target_modules": "query_value"}) == []
    assert found({"bias": True}, {"bias": False}) == []
    assert found({"rank": 4}) == []
    assert find_sweeps([]) == []


def test_a_grid_of_two_holds_a_sweep_for_each_value_of_the_other() -> None:
    grid = [{"rank": rank, "dropout": dropout} for dropout in (0.0, 0.1) for rank in (4, 8, 16)]
    assert found(*grid) == [
        ("rank", (1, 2, 3)),
        ("rank", (4, 5, 6)),
        ("dropout", (1, 4)),
        ("dropout", (2, 5)),
        ("dropout", (3, 6)),
    ]


def test_each_method_has_its_own() -> None:
    both = rows({"rank": 4}, {"rank": 8}) + [Listed(key, "adapter", {"bottleneck_size": key}) for key in (16, 32, 64)]
    assert [(sweep.method, sweep.parameter, len(sweep.keys)) for sweep in find_sweeps(both)] == [
        ("lora", "rank", 2),
        ("adapter", "bottleneck_size", 3),
    ]


@pytest.mark.parametrize(
    ("preset", "parameter"),
    [
        ("rank_sweep", "rank"),
        ("bottleneck_sweep", "bottleneck_size"),
        ("prefix_length_sweep", "num_virtual_tokens"),
    ],
)
def test_every_sweep_preset_is_one_sweep(preset: str, parameter: str) -> None:
    chosen = presets()[preset].rows()
    built = [build_method(row.method, row.hyperparameters).model_dump(mode="json") for row in chosen]
    [sweep] = find_sweeps(rows(*built, method=chosen[0].method))
    assert (sweep.parameter, len(sweep.keys)) == (parameter, len(chosen))


@given(st.lists(st.integers(1, 64), min_size=2, max_size=6, unique=True), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(ranks: list[int], random: Random) -> None:
    listed = [Listed(rank, "lora", {"rank": rank, "alpha": 2.0 * rank}) for rank in ranks]
    [sweep] = find_sweeps(random.sample(listed, len(listed)))
    assert sweep.keys == tuple(sorted(ranks))


def test_the_composite_by_hand() -> None:
    # Quality: (0.87 - 0.6) / 0.3 = 0.9 of the gain, on a scale that ends at 1.1. Parameters: a hundredth is half.
    swept = score(0.87, 1e5, SCALE, 1e7)
    assert (swept.quality, swept.parameters) == pytest.approx((0.9 / 1.1, 0.5))
    assert swept.composite == pytest.approx(0.7 * 0.9 / 1.1 + 0.3 * 0.5)
    assert score(0.9, 1e7 / 8, SCALE, 1e7).parameters == pytest.approx(math.log(8) / math.log(1e4))


def test_without_a_scale_or_a_count_there_is_no_composite() -> None:
    within_noise = QualityScale(floor=0.60, full=0.61, full_standard_error=0.02)
    for swept in (
        score(None, 1e5, SCALE, 1e7),
        score(0.9, None, SCALE, 1e7),
        score(0.9, 1e5, None, 1e7),
        score(0.9, 1e5, within_noise, 1e7),
        score(0.9, 1e5, SCALE, None),
        score(0.9, 1e5, SCALE, 0.0),
    ):
        assert swept.composite is None


def test_the_line_keeps_95_per_cent_of_the_gain() -> None:
    assert least_kept(SCALE) == pytest.approx(0.885)


def test_the_best_is_the_largest_composite_and_the_smaller_value_at_a_tie() -> None:
    assert best_place([0.5, 0.8, None, 0.8]) == 1
    assert best_place([None, None]) is None
    assert best_place([]) is None


def test_neighbours_are_the_next_values_on_both_sides() -> None:
    assert neighbours(1, [1, 2, 4, 8]) == [0, 2]
    assert neighbours(0, [1, 2, 4]) == [1]
    assert neighbours(2, [1, 2, 4]) == [1]
    assert neighbours(1, [2, 2, 4]) == [2]
    assert neighbours(0, [1, 4, 4, 8]) == [1, 2]
    assert neighbours(0, [2]) == []
