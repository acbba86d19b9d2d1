"""FourierFT, WaveFT and C3A: each update against the same sums written out in numpy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from peft_core.errors import InvalidHyperparameter
from peft_core.method import build_method
from peft_core.model_shape import read_model_shape
from peft_core.training import split_head
from tests.peft_core.methods.one_layer import (
    KIND,
    LENGTH,
    Hyperparameters,
    LoadClassifier,
    attach,
    base_weight,
    effective_weight,
    layer_of,
    logits,
    value,
)

Matrix = NDArray[np.floating[Any]]


@pytest.fixture
def base(small_base: Callable[[str], Path], load_classifier: LoadClassifier) -> nn.Module:
    """A small BERT, 64 wide with 128 inside its feed-forward layers."""
    return load_classifier(small_base("bert"))


def update_of(layer: nn.Module) -> Matrix:
    return (effective_weight(layer) - base_weight(layer)).numpy()


def spectrum(layer: nn.Module, kind: str, shape: tuple[int, int]) -> Matrix:
    """The trained coefficients at their places, zeros elsewhere."""
    indices = layer.indices if kind == "fourierft" else layer.waveft_indices
    rows, columns = indices["default"].numpy()  # type: ignore[index]
    dense = np.zeros(shape)
    dense[rows, columns] = value(layer, f"{kind}_spectrum.default").numpy()
    return dense


# -- FourierFT -----------------------------------------------------------------------------------------------------


def test_fourierft_is_the_real_part_of_the_inverse_transform_of_a_sparse_spectrum(base: nn.Module) -> None:
    """alpha Re(F^-1(S)), on a layer that is wider than long."""
    hyperparameters = {"n_frequency": 50, "scaling": 150.0, "target_modules": "all_linear"}
    layer = layer_of(attach("fourierft", hyperparameters, base), "0.output.dense")
    coefficients = spectrum(layer, "fourierft", (64, 128))
    assert np.count_nonzero(coefficients) == 50
    assert np.allclose(update_of(layer), 150 * np.fft.ifft2(coefficients).real, atol=1e-5)


def test_one_fourier_coefficient_is_a_wave_over_the_matrix(base: nn.Module) -> None:
    """c at (u, v): alpha c / (d_out d_in) cos(2 pi (u p / d_out + v q / d_in)) at row p and column q."""
    layer = layer_of(attach("fourierft", {"n_frequency": 1, "scaling": 1e4}, base))
    ((u,), (v,)) = layer.indices["default"].tolist()  # type: ignore[index]
    p, q = np.mgrid[:64, :64]
    c = value(layer, "fourierft_spectrum.default").item()
    expected = 1e4 * c / 64**2 * np.cos(2 * np.pi * (u * p + v * q) / 64)
    assert np.allclose(update_of(layer), expected, atol=1e-5)


# -- WaveFT --------------------------------------------------------------------------------------------------------

HAAR = {
    (0, 0): [[1, 1], [1, 1]],
    (0, 1): [[1, 1], [-1, -1]],
    (1, 0): [[1, -1], [1, -1]],
    (1, 1): [[1, -1], [-1, 1]],
}
"""Quarter of the spectrum -> twice the block of 2 x 2 weights that a coefficient in it stands for: the mean, the
difference between rows, between columns, and between diagonals."""


def test_waveft_s_coefficients_are_haar_wavelets_of_two_by_two_weights(base: nn.Module) -> None:
    hyperparameters = {"n_frequency": 300, "scaling": 25.0, "target_modules": "all_linear"}
    layer = layer_of(attach("waveft", hyperparameters, base), "0.intermediate.dense")
    coefficients = spectrum(layer, "waveft", (128, 64))
    expected = np.zeros((128, 64))
    for (below, beside), block in HAAR.items():
        quarter = coefficients[64 * below :, 32 * beside :][:64, :32]
        expected += 25 * np.kron(quarter, np.array(block) / 2)
    found = update_of(layer)
    assert np.allclose(found, expected, atol=1e-5)
    # The wavelets are orthonormal: energy is the coefficients' own.
    assert np.linalg.norm(found) == pytest.approx(25 * np.linalg.norm(coefficients), rel=1e-4)


# -- both ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fourierft", "waveft"])
def test_places_are_drawn_by_the_run_s_seed(
    name: str, small_base: Callable[[str], Path], load_classifier: LoadClassifier
) -> None:
    def places(seed: int) -> Matrix:
        base = load_classifier(small_base("bert"))
        torch.manual_seed(seed)
        model = build_method(name, {"n_frequency": 9}).attach(base, task_kind=KIND, total_steps=1)
        with torch.no_grad():
            for parameter in split_head(model)[0]:
                parameter.fill_(1.0)
        return spectrum(layer_of(model), name, (64, 64))

    assert np.array_equal(places(1), places(1))
    assert not np.array_equal(places(1), places(2))


@pytest.mark.parametrize("name", ["fourierft", "waveft"])
def test_all_coefficients_of_the_smallest_layer_may_be_trained_and_no_more(
    name: str, small_base: Callable[[str], Path], load_classifier: LoadClassifier
) -> None:
    shape = read_model_shape(small_base("bert"))
    most: Hyperparameters = {"n_frequency": 64 * 64, "target_modules": "all_linear"}
    build_method(name, most).check(shape, task_kind=KIND, max_length=LENGTH)
    assert logits(attach(name, most, load_classifier(small_base("bert")))).isfinite().all()
    with pytest.raises(InvalidHyperparameter, match="at most 4096"):
        build_method(name, most | {"n_frequency": 64 * 64 + 1}).check(shape, task_kind=KIND, max_length=LENGTH)


# -- C3A -----------------------------------------------------------------------------------------------------------


def test_c3a_s_update_is_made_of_circulant_blocks(base: nn.Module) -> None:
    """Block (i, j) at row k and column l: w_ij[(l - k) mod b] / d_in, the division as peft has it."""
    layer = layer_of(attach("c3a", {"block_size": 16, "target_modules": "all_linear"}, base), "0.output.dense")
    kernel = value(layer, "c3a_kernel.default").numpy()
    assert kernel.shape == (4, 8, 16)
    k, l = np.mgrid[:16, :16]
    expected = np.block([[kernel[i, j][(l - k) % 16] / 128 for j in range(8)] for i in range(4)])
    assert np.allclose(update_of(layer), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("hyperparameters", "block"),
    [({}, 64), ({"target_modules": "all_linear"}, 64), ({"block_size": 8}, 8)],
)
def test_c3a_takes_the_largest_block_that_fits_up_to_64(
    base: nn.Module, hyperparameters: Hyperparameters, block: int
) -> None:
    layer = layer_of(attach("c3a", hyperparameters, base))
    assert value(layer, "c3a_kernel.default").shape == (64 // block, 64 // block, block)


def test_c3a_s_block_has_to_divide_every_width(minilm: Path) -> None:
    shape = read_model_shape(minilm)
    build_method("c3a", {"block_size": 384}).check(shape, task_kind=KIND, max_length=LENGTH)
    with pytest.raises(InvalidHyperparameter, match=r"c3a: block_size is 100: .* \(384\)\. 96 does"):
        build_method("c3a", {"block_size": 100}).check(shape, task_kind=KIND, max_length=LENGTH)
