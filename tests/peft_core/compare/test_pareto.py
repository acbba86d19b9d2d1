"""The front by hand, and against its definition."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peft_core.compare import pareto
from peft_core.compare.pareto import front_shares, on_front

Rows = list[tuple[int, int, int]]
POINTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12)


def front(rows: Rows) -> list[bool]:
    return [bool(one) for one in on_front(np.array(rows, dtype=float))]


def test_a_front_by_hand() -> None:
    values = np.array([[1.0, 5.0], [2.0, 4.0], [1.0, 4.0], [3.0, 1.0], [3.0, 1.0]])
    assert on_front(values).tolist() == [True, True, False, True, True]


@given(POINTS)
def test_on_the_front_means_that_nothing_is_better(rows: Rows) -> None:
    def beats(other: tuple[int, ...], row: tuple[int, ...]) -> bool:
        return all(mine >= its for mine, its in zip(other, row, strict=True)) and other != row

    assert front(rows) == [not any(beats(other, row) for other in rows) for row in rows]


@given(POINTS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(rows: Rows, random: Random) -> None:
    order = random.sample(range(len(rows)), len(rows))
    found = front([rows[place] for place in order])
    assert [found[order.index(place)] for place in range(len(rows))] == front(rows)


@given(POINTS, st.integers(0, 11), st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)))
def test_a_dominated_point_more_changes_nothing(rows: Rows, place: int, step: tuple[int, int, int]) -> None:
    base = rows[place % len(rows)]
    worse = (base[0] - step[0] - 1, base[1] - step[1], base[2] - step[2])
    assert front([*rows, worse]) == [*front(rows), False]


def test_shares_count_the_draws() -> None:
    # The second beats the first in one of four draws, equals it in one, and is worse in one criterion in two.
    drawn = np.array(
        [
            [[1.0, 1.0], [2.0, 1.0]],
            [[1.0, 1.0], [1.0, 1.0]],
            [[1.0, 1.0], [2.0, 0.0]],
            [[1.0, 1.0], [0.0, 2.0]],
        ]
    )
    assert front_shares(drawn).tolist() == [0.75, 1.0]


def test_many_draws_are_counted_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(0).normal(size=(101, 7, 3))
    whole = front_shares(drawn)
    monkeypatch.setattr(pareto, "LARGEST_BLOCK", 7 * 7 * 10)
    assert front_shares(drawn).tolist() == whole.tolist()
    assert whole.tolist() == pytest.approx(np.mean([on_front(draw) for draw in drawn], axis=0).tolist())
