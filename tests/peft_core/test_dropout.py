"""Dropout drawn four to a random number: torch's distribution, gradient and stream, and afterwards torch's own."""

import copy

import pytest
import torch
from torch import nn

from peft_core.dropout import dropout, quick_dropout

CPU = torch.device("cpu")
N = 400_000


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_as_many_are_dropped_as_asked_and_the_mean_stays(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    found = dropout(torch.ones(N, dtype=dtype), p)
    kept = found != 0
    assert kept.double().mean().item() == pytest.approx(1 - p, abs=4 * (p * (1 - p) / N) ** 0.5)
    assert sorted(set(found[kept].float().tolist())) == pytest.approx(
        [1 / (1 - p)], rel=1e-3 if dtype == torch.float32 else 4e-3
    )


def test_neighbours_are_dropped_independently() -> None:
    """The four elements that share a random number, and elements of different numbers."""
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(N), 0.3) == 0).double()
    for distance in (1, 2, 3, 4, 5):
        both = (dropped[:-distance] * dropped[distance:]).mean().item()
        assert both == pytest.approx(0.09, abs=0.003), distance


def test_the_gradient_passes_where_the_value_did() -> None:
    torch.manual_seed(0)
    values = torch.randn(7, 13, requires_grad=True)
    found = dropout(values, 0.4)
    (gradient,) = torch.autograd.grad(found.sum(), values)
    assert torch.allclose(found, values * gradient)
    assert 0 < int(gradient.eq(0).sum()) < values.numel()


def test_off_it_is_the_input_itself_and_certain_it_is_nothing() -> None:
    values = torch.randn(5, 3)
    assert dropout(values, 0.5, training=False) is values
    assert dropout(values, 0.0) is values
    assert torch.equal(dropout(values, 1.0), torch.zeros(5, 3))
    dropout(values, 1.0, inplace=True)
    assert torch.equal(values, torch.zeros(5, 3))


def test_a_seed_gives_the_same_masks_and_the_stream_goes_on_from_its_state() -> None:
    torch.manual_seed(3)
    first = dropout(torch.ones(100), 0.5)
    state = torch.get_rng_state()
    second = dropout(torch.ones(100), 0.5)
    torch.set_rng_state(state)
    assert torch.equal(dropout(torch.ones(100), 0.5), second)
    torch.manual_seed(3)
    assert torch.equal(dropout(torch.ones(100), 0.5), first)
    assert not torch.equal(first, second)


def test_modules_and_functions_use_it_only_while_it_lasts() -> None:
    module, values, of_torch = nn.Dropout(0.5), torch.ones(1000), nn.functional.dropout

    def answers() -> list[torch.Tensor]:
        torch.manual_seed(0)
        return [module(values), nn.functional.dropout(values, 0.5), copy.deepcopy(module)(values)]

    before = answers()
    with quick_dropout(CPU):
        meanwhile = answers()
    with pytest.raises(RuntimeError), quick_dropout(CPU):
        raise RuntimeError
    assert nn.functional.dropout is of_torch
    assert all(torch.equal(one, other) for one, other in zip(before, answers(), strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(before, meanwhile, strict=True))
    assert not module.eval()(values).eq(0).any()
