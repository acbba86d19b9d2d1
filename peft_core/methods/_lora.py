"""What the LoRA family shares: the fields, bounds, counts and peft configuration of W x + (alpha / r) B A x."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.graft import Graft
from peft_core.method import hyperparameter
from peft_core.methods._peft import ADAPTER, layers_of_each
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import (
    NARROWEST,
    Layers,
    MatrixUpdate,
    check_at_most,
    dropout_field,
    input_widths,
    narrowest_sides,
    output_widths,
)
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import Tensor, nn


def rank_field(
    default: int,
    *,
    title: str = "Rank r",
    recommended: tuple[float, float] = (4, 64),
    effect: str = "Width of the update. Parameters and storage grow in proportion; quality flattens early.",
) -> Any:
    return hyperparameter(default, title=title, ge=1, recommended=recommended, effect=effect)


def alpha_field(
    default: float,
    *,
    recommended: tuple[float, float] = (4, 128),
    effect: str = "The update is scaled by alpha / r. One to two times the rank is usual.",
) -> Any:
    return hyperparameter(default, title="Alpha", ge=1e-6, le=1e6, recommended=recommended, effect=effect)


class LoraMethod(MatrixUpdate):
    """LoRA with the fields' usual defaults; a variant declares again what it recommends otherwise."""

    only_calls_base_layers: ClassVar[bool] = True

    rank: int = rank_field(16)
    alpha: float = alpha_field(32.0)
    dropout: float = dropout_field(0.05)
    target_modules: Targets = targets_field("query_value")

    def check_layers(self, layers: Layers) -> None:
        check_at_most(self.title, "rank", self.rank, narrowest_sides(layers), NARROWEST)

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r (d_in + d_out)."""
        return self.rank * (d_in + d_out)

    def added_cost(self, shape: ModelShape) -> AddedCost:
        layers = self.layers(shape)
        ranks = sum(self.layer_parameters(d_in, d_out) / (d_in + d_out) for d_in, d_out in layers.values())
        cost = lora_cost(layers, ranks / len(layers), self.dropout)
        return replace(cost, frozen_parameters=super().added_cost(shape).frozen_parameters)

    def setting(self) -> str:
        return f"r{self.rank}"

    def fuse(self, models: "Sequence[nn.Module]") -> Graft:
        """The small products of all runs at once, where nothing but B A x is added to W x."""
        layers = layers_of_each(models)
        if not all(_is_plain(layer) for of_runs in layers.values() for layer in of_runs):
            return super().fuse(models)
        return Graft(outputs={path: partial(_add_updates, of_runs) for path, of_runs in layers.items()})

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import LoraConfig

        return LoraConfig(
            task_type=task_type,
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # peft annotates int and only divides by it
            lora_dropout=self.dropout,
            target_modules=self.pattern(model),
            **self.peft_options(),
        )

    def peft_options(self) -> dict[str, Any]:
        """What tells this variant apart in peft's own configuration."""
        return {}


def _is_plain(layer: Any) -> bool:
    """Whether a layer of peft's has neither a variant's forward pass nor hooks on its matrices."""
    from peft.tuners.lora import Linear

    return type(layer) is Linear and not layer.lora_variant and not layer.lora_A[ADAPTER]._forward_hooks


def _add_updates(layers: list[Any], read: "Tensor", answered: "Tensor") -> "Tensor":
    """W x + (alpha / r) B A x with each run's own A and B."""
    import torch

    down = torch.stack([layer.lora_A[ADAPTER].weight for layer in layers])
    up = torch.stack([layer.lora_B[ADAPTER].weight for layer in layers])
    dropped = layers[0].lora_dropout[ADAPTER](read.to(down.dtype))
    of_runs = dropped.view(len(layers), -1, dropped.shape[-1])
    updates = torch.bmm(torch.bmm(of_runs, down.mT), up.mT) * layers[0].scaling[ADAPTER]
    added: Tensor = answered + updates.view(answered.shape)
    return added.to(answered.dtype)


def adapter_config(model: Any) -> Any:
    """peft's configuration of an attached model's one adapter; what is written to it is saved with the adapter."""
    return model.peft_config[ADAPTER]


def lora_cost(layers: Layers, rank: float, dropout: float) -> AddedCost:
    """What LoRA beside these layers costs: A x is kept, and x, behind a dropout another one for each layer; B A x, its
    multiple and the sum with W x are let go."""
    dropped = sum(input_widths(layers)) if dropout else 0
    return AddedCost(
        flops_per_token=sum(2 * rank * (d_in + d_out) for d_in, d_out in layers.values()),
        kept_per_token=rank * len(layers) + dropped,
        passing_per_token=3 * sum(output_widths(layers)),
        dropped_per_token=dropped,
        inputs_kept=frozenset() if dropout else frozenset(layers),
    )


def lora_layers(model: "nn.Module") -> dict[str, Any]:
    """peft's layers of an attached model, by the path of the linear layer that each has replaced."""
    from peft.tuners.lora import LoraLayer

    return {
        path.removeprefix("base_model.model."): module
        for path, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }
