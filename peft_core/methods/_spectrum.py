"""What the methods share that train a few numbers at random places: of a spectrum, or of the weight matrix itself."""

import math
from typing import TYPE_CHECKING

from peft_core.methods._update import Layers, MatrixUpdate, check_at_most


class SpectrumUpdate(MatrixUpdate):
    """Hyper-parameter `n_frequency` is declared by the methods, with their own recommendations."""

    if TYPE_CHECKING:
        n_frequency: int

    def check_layers(self, layers: Layers) -> None:
        check_at_most(
            self.title.lower(),
            "n_frequency",
            self.n_frequency,
            (math.prod(dims) for dims in layers.values()),
            "all coefficients of the smallest targeted layer",
        )

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """n, whatever the widths are."""
        return self.n_frequency

    def setting(self) -> str:
        return f"n{self.n_frequency}"


def draw_seed() -> int:
    """The seed of the places, written into the saved configuration. Drawn from the run's own random state, so that runs
    with other seeds get other places and the spread over seeds holds the luck of the draw."""
    import torch

    return int(torch.randint(2**31, ()).item())
