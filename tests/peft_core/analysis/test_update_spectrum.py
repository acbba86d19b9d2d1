"""The maths of a spectrum, with values worked out by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from peft_core.analysis.update_spectrum import (
    above_floor,
    approximation_error,
    cumulative_energy,
    rank_for_energy,
    rounding_floor,
)


def test_two_directions_by_hand() -> None:
    # Energies 16 and 9 of 25.
    assert_allclose(cumulative_energy([4.0, 3.0]), [0.64, 1.0])
    assert_allclose(approximation_error([4.0, 3.0]), [0.6, 0.0])
    assert [rank_for_energy([4.0, 3.0], share) for share in (0.5, 0.64, 0.65, 0.99, 1.0)] == [1, 1, 2, 2, 2]


def test_equal_directions_each_hold_their_share() -> None:
    assert_allclose(cumulative_energy([2.0] * 4), [0.25, 0.5, 0.75, 1.0])
    assert_allclose(approximation_error([2.0] * 4), [np.sqrt(0.75), np.sqrt(0.5), 0.5, 0.0])
    assert rank_for_energy([2.0] * 10, 0.9) == 9


def test_what_is_left_of_little_keeps_its_digits() -> None:
    # 1 minus the cumulative energy would be 0 here.
    assert approximation_error([1.0, 1e-9])[0] == pytest.approx(1e-9)
    assert cumulative_energy([1.0, 1e-9])[0] == 1.0


def test_the_error_is_that_of_the_best_approximation() -> None:
    # Eckart and Young: the truncated decomposition has this error, and no other matrix of that rank has less.
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(12, 8)) @ np.diag(0.5 ** np.arange(8))
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    errors = approximation_error(values)
    for rank in range(1, 9):
        best = left[:, :rank] * values[:rank] @ right[:rank]
        assert np.linalg.norm(matrix - best) / np.linalg.norm(matrix) == pytest.approx(errors[rank - 1], abs=1e-12)
        basis, _ = np.linalg.qr(rng.normal(size=(12, rank)))
        other = basis @ (basis.T @ matrix)
        assert np.linalg.norm(matrix - other) / np.linalg.norm(matrix) >= errors[rank - 1] - 1e-12


def test_no_rounding_moves_a_singular_value_by_more_than_the_floor() -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(64, 48))
    update = 1e-3 * rng.normal(size=(64, 4)) @ rng.normal(size=(4, 48))
    before = weight.astype(np.float32)
    after = (before + update).astype(np.float32)
    found = np.linalg.svd(after.astype(np.float64) - before, compute_uv=False)
    true = np.linalg.svd(update, compute_uv=False)
    floor = rounding_floor(float(np.linalg.norm(update)), float(np.linalg.norm(after)), float(np.finfo(np.float32).eps))
    assert np.abs(found - true).max() < floor
    assert len(above_floor(found, floor)) == 4


def test_the_floor_is_the_larger_of_update_and_weights() -> None:
    # Spacing of float32 at 1: 2^-23.
    assert rounding_floor(2.0, 100.0, 2.0**-52) == 2.0 * 2.0**-23
    assert rounding_floor(1e-12, 100.0, 2.0**-52) == 100.0 * 2.0**-52
    assert rounding_floor(2.0, 100.0, 2.0**-23) == 100.0 * 2.0**-23


def test_values_are_kept_to_seven_digits_and_above_the_floor() -> None:
    assert above_floor(np.array([0.123456789, 2e-8, 1e-8]), 1e-8) == (0.1234568, 2e-8)
    assert above_floor(np.zeros(3), 1e-8) == ()
