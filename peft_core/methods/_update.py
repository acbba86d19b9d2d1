"""What methods share that change the weight matrix of each targeted linear layer, as the peft library does it."""

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.errors import InvalidHyperparameter
from peft_core.method import hyperparameter
from peft_core.methods._peft import PeftMethod, merge_into_base
from peft_core.methods._targets import ROLES, Targets, module_pattern, targeted
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn

Layers = dict[str, tuple[int, int]]
"""Path of every targeted layer -> (d_in, d_out)."""


class MatrixUpdate(PeftMethod):
    """Hyper-parameter `target_modules` is declared by the methods, after their own: a form shows fields in order."""

    fuses: ClassVar[bool] = True
    makes_update: ClassVar[bool] = False
    """True: each pass makes the whole update of a targeted layer, as large as its weight, and multiplies with it."""

    if TYPE_CHECKING:
        target_modules: Targets

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
        self.check_layers(self.layers(shape))

    def check_layers(self, layers: Layers) -> None:
        """Raises InvalidHyperparameter for a value that the widths of these layers do not allow."""

    def layers(self, shape: ModelShape) -> Layers:
        """The targeted layers of a base model. Raises NotOffered where it has none."""
        return targeted(shape, self.target_modules, self.title)

    def trainable_parameters(self, shape: ModelShape) -> int:
        """Sum over the targeted layers, whose matrices have nothing in common."""
        return sum(self.layer_parameters(d_in, d_out) for d_in, d_out in self.layers(shape).values())

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """What one targeted layer trains."""
        raise NotImplementedError

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """As for any method; the inputs of the targeted layers are kept for what trains beside their weights."""
        layers = self.layers(shape)
        cost = replace(super().added_cost(shape), inputs_kept=frozenset(layers))
        update = sum(math.prod(dims) for dims in layers.values())
        return replace(cost, flops_per_token=2 * update, kept=update) if self.makes_update else cost

    def setting(self) -> str:
        """The values that tell this method's configurations apart in a label ("r8")."""
        raise NotImplementedError

    def label(self) -> str:
        suffix = "" if self.target_modules == "query_value" else f", {self.target_modules.replace('_', ' ')}"
        return f"{self.title} {self.setting()}{suffix}"

    def pattern(self, model: "nn.Module") -> str:
        """The targeted layers of a loaded model, as peft reads them."""
        return module_pattern(model, ROLES[self.target_modules])

    def loaded_layers(self, model: "nn.Module") -> Layers:
        """The targeted layers of a loaded model."""
        pattern = re.compile(self.pattern(model))
        return {
            path: (int(module.in_features), int(module.out_features))
            for path, module in model.named_modules()
            if pattern.fullmatch(path)
        }

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        return merge_into_base(model)


def dropout_field(default: float) -> Any:
    """The hyper-parameter of dropout on the inputs of the update."""
    return hyperparameter(
        default,
        title="Dropout",
        ge=0.0,
        le=0.99,
        recommended=(0.0, 0.1),
        effect="Drops inputs of the update while training, against over-fitting on little data.",
    )


def check_at_most(method: str, field: str, value: int, widths: Iterable[int], what: str) -> None:
    """Raises InvalidHyperparameter for a value above the smallest of `widths`."""
    most = min(widths)
    if value > most:
        raise InvalidHyperparameter(field, f"{method}: {field} is {value}: at most {most}, {what}.")


def check_divides(method: str, field: str, value: int, widths: Iterable[int], what: str) -> None:
    """Raises InvalidHyperparameter for a value that does not divide all of `widths`, with the largest that does."""
    common = math.gcd(*widths)
    if common % value:
        nearest = largest_divisor(common, value)
        raise InvalidHyperparameter(
            field, f"{method}: {field} is {value}: it has to divide {what} ({common}). {nearest} does."
        )


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of `number` that is at most `most`."""
    return next(divisor for divisor in range(min(most, number), 0, -1) if number % divisor == 0)


def narrowest_sides(layers: Layers) -> list[int]:
    """The smaller of each layer's two widths: no update of the layer has a higher rank."""
    return [min(dims) for dims in layers.values()]


def input_widths(layers: Layers) -> list[int]:
    return [d_in for d_in, _ in layers.values()]


def output_widths(layers: Layers) -> list[int]:
    return [d_out for _, d_out in layers.values()]


NARROWEST = "the narrowest side of the targeted layers"
EVERY_INPUT = "the width of every targeted layer's input"
EVERY_OUTPUT = "the width of every targeted layer's output"
EVERY_WIDTH = "the width of every targeted layer's input and output"
