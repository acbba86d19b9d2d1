"""The learning-rate grid: its centre follows base size and budget, its points are the protocol's."""

import pytest

from peft_core.method import LearningRate

RATE = LearningRate(small=3e-3, encoder=4e-4, llm=2e-4, source="measurement protocol")


def test_small_bases_with_short_budgets_start_from_the_small_centre() -> None:
    assert RATE.centre(non_embedding_parameters=10_800_000, steps=150, causal=False) == pytest.approx(3e-3)


@pytest.mark.parametrize(("causal", "centre"), [(False, 4e-4), (True, 2e-4)])
def test_large_bases_with_long_budgets_start_from_their_own(causal: bool, centre: float) -> None:
    found = RATE.centre(non_embedding_parameters=3_000_000_000, steps=5_000, causal=causal)
    assert found == pytest.approx(centre)


def test_between_the_regimes_the_logarithm_is_interpolated() -> None:
    halfway = RATE.centre(non_embedding_parameters=3_000_000_000, steps=150, causal=False)
    assert halfway == pytest.approx((3e-3 * 4e-4) ** 0.5)


def test_the_grids() -> None:
    assert LearningRate.grid(3e-3, 1) == (3e-3,)
    assert LearningRate.grid(3e-3, 3) == (1e-3, 3e-3, 9e-3)
    assert LearningRate.grid(1e-2, 5) == (2e-3, 5e-3, 1e-2, 2e-2, 5e-2)


@pytest.mark.parametrize(
    ("rates", "best", "points"),
    [
        ((1e-3, 3e-3, 9e-3), 9e-3, (2.7e-2, 8.1e-2)),
        ((1e-3, 3e-3, 9e-3), 1e-3, (3.33e-4, 1.11e-4)),
        ((2e-3, 5e-3, 1e-2, 2e-2, 5e-2), 5e-2, (0.125, 0.312)),
        ((5e-2, 1e-2), 5e-2, (0.25, 1.25)),
        ((1e-3, 3e-3, 9e-3), 3e-3, None),
        ((1e-3,), 1e-3, None),
        ((), 1e-3, None),
        ((1e-3, 3e-3), 2e-3, None),
    ],
)
def test_two_points_beyond_the_edge_that_the_best_lies_at(
    rates: tuple[float, ...], best: float, points: tuple[float, float] | None
) -> None:
    assert LearningRate.beyond(rates, best) == points
