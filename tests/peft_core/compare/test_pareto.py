"""The front by hand, and against its definition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from peft_core.compare.pareto import on_front

Rows = list[tuple[int, int]]


def test_a_front_by_hand() -> None:
    values = np.array([[1.0, 5.0], [2.0, 4.0], [1.0, 4.0], [3.0, 1.0], [3.0, 1.0]])
    assert on_front(values).tolist() == [True, True, False, True, True]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_on_the_front_means_that_nothing_is_better(rows: Rows) -> None:
    def beats(other: tuple[int, int], row: tuple[int, int]) -> bool:
        return other[0] >= row[0] and other[1] >= row[1] and other != row

    expected = [not any(beats(other, row) for other in rows) for row in rows]
    assert on_front(np.array(rows, dtype=float)).tolist() == expected
