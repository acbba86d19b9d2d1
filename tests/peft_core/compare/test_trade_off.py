"""Candidates on a front: directions, ties, floors, what is missing, and the share of draws."""

import time
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peft_core.compare.recommend import QUALITY, Candidate
from peft_core.compare.trade_off import Traded, trade_off

SIZE, SPEED = "trainable_parameters", "training_speed"


def candidate(key: int, **values: float | tuple[float, ...]) -> Candidate:
    """One value, or one for each seed."""
    listed = {name: value if isinstance(value, tuple) else (value,) for name, value in values.items()}
    return Candidate(key, listed)


def by_key(rows: Sequence[Traded]) -> dict[int, Traded]:
    return {row.key: row for row in rows}


def test_each_metric_has_its_own_direction() -> None:
    rows = [
        candidate(1, task_performance=0.95, trainable_parameters=1e7, training_speed=100.0),
        candidate(2, task_performance=0.94, trainable_parameters=1e5, training_speed=200.0),
        candidate(3, task_performance=0.93, trainable_parameters=1e6, training_speed=300.0),
    ]
    two = by_key(trade_off(rows, (SIZE, QUALITY)).traded)
    assert [two[key].on_front for key in (1, 2, 3)] == [True, True, False]
    assert two[3].dominated_by == (2,)
    three = by_key(trade_off(rows, (SIZE, QUALITY, SPEED)).traded)
    assert [three[key].on_front for key in (1, 2, 3)] == [True, True, True]
    assert three[3].values == (1e6, 0.93, 300.0)


def test_equal_points_stand_on_the_front_together_and_name_each_other() -> None:
    rows = [candidate(key, task_performance=0.9, trainable_parameters=1e5) for key in (1, 2)]
    rows += [candidate(3, task_performance=0.9, trainable_parameters=2e5)]
    found = by_key(trade_off(rows, (SIZE, QUALITY)).traded)
    assert (found[1].equal_to, found[2].equal_to, found[3].equal_to) == ((2,), (1,), ())
    assert [found[key].on_front for key in (1, 2, 3)] == [True, True, False]
    assert found[3].dominated_by == (1, 2)


def test_a_missing_value_is_listed_and_is_no_zero() -> None:
    rows = [candidate(1, task_performance=0.9, trainable_parameters=1e5), candidate(2, task_performance=0.8)]
    found = trade_off(rows, (SIZE, QUALITY))
    assert [row.key for row in found.traded] == [1]
    assert found.lacking == ((2, SIZE),)


def test_a_floor_rules_out_by_quality_whatever_the_axes_are() -> None:
    rows = [
        candidate(1, task_performance=0.9, trainable_parameters=1e5, training_speed=1.0),
        candidate(2, task_performance=0.6, trainable_parameters=1.0, training_speed=9.0),
        candidate(3, trainable_parameters=1e5, training_speed=1.0),
    ]
    found = trade_off(rows, (SIZE, SPEED), least_quality=0.85)
    assert [row.key for row in found.traded] == [1]
    assert found.below_floor == ((2, 0.6),)
    assert found.lacking == ((3, QUALITY),)
    assert len(trade_off(rows, (SIZE, SPEED)).traded) == 3


def test_without_noise_the_share_is_the_front() -> None:
    rows = [candidate(key, task_performance=key / 10, trainable_parameters=(key % 3) * 1e5) for key in range(1, 8)]
    for row in trade_off(rows, (SIZE, QUALITY)).traded:
        assert row.front_share == float(row.on_front)


def test_one_candidate_alone_is_on_the_front_in_every_draw() -> None:
    alone = candidate(1, task_performance=(0.90, 0.91, 0.92), trainable_parameters=1e5)
    scored = Candidate(1, alone.values, np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]))
    for row in (alone, scored):
        [found] = trade_off([row], (SIZE, QUALITY)).traded
        assert (found.on_front, found.front_share) == (True, 1.0)


def test_two_that_only_seeds_tell_apart_share_the_draws() -> None:
    rows = [
        candidate(1, task_performance=(0.90, 0.91, 0.92), trainable_parameters=1e5),
        candidate(2, task_performance=(0.90, 0.91, 0.92), trainable_parameters=1e5),
    ]
    found = trade_off(rows, (SIZE, QUALITY))
    first, second = (row.front_share for row in found.traded)
    assert first == pytest.approx(0.5, abs=0.05)
    assert first + second == pytest.approx(1.0)


def test_the_share_of_a_gap_is_what_the_t_posterior_gives() -> None:
    """Smaller and 0.01 worse with a standard error of 0.01 and 2 degrees of freedom: dominated never, so always on the
    front; the larger one only while it is better: P(t_2 < 1) = 0.7887."""
    values = tuple(0.9 + 0.01 * np.sqrt(3) * x for x in (-1.0, 0.0, 1.0))
    rows = [
        candidate(1, task_performance=values, trainable_parameters=1e5),
        candidate(2, task_performance=0.91, trainable_parameters=1e6),
    ]
    found = by_key(trade_off(rows, (SIZE, QUALITY), draws=20_000).traded)
    assert found[1].front_share == 1.0
    assert found[2].front_share == pytest.approx(0.7887, abs=0.01)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8), st.randoms(use_true_random=False)
)
def test_neither_order_nor_a_dominated_candidate_changes_the_front(
    values: list[tuple[int, int]], random: Random
) -> None:
    rows = [
        candidate(key, task_performance=float(quality), trainable_parameters=float(size))
        for key, (quality, size) in enumerate(values)
    ]
    expected = {row.key: row.on_front for row in trade_off(rows, (SIZE, QUALITY), draws=5).traded}
    shuffled = [*random.sample(rows, len(rows)), candidate(99, task_performance=-1.0, trainable_parameters=9.0)]
    found = {row.key: row.on_front for row in trade_off(shuffled, (SIZE, QUALITY), draws=5).traded}
    assert found == expected | {99: False}


def test_the_same_question_has_the_same_shares_and_forty_candidates_are_quick() -> None:
    random = np.random.default_rng(0)
    rows = [
        candidate(key, task_performance=tuple(random.normal(0.9, 0.01, 5)), trainable_parameters=random.uniform(1, 9))
        for key in range(40)
    ]
    started = time.perf_counter()
    first = trade_off(rows, (SIZE, QUALITY))
    assert time.perf_counter() - started < 2
    assert trade_off(rows, (SIZE, QUALITY)) == first
