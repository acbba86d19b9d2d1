"""(IA)^3: learnt vectors that rescale keys, values and the feed-forward layer's activations, all ones at the start."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from peft_core.added_cost import AddedCost
from peft_core.errors import NotOffered
from peft_core.graft import Graft, of_each_run
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._peft import ADAPTER, PeftMethod, layers_of_each, merge_into_base
from peft_core.methods._targets import module_pattern
from peft_core.model_shape import ModelShape, Role

if TYPE_CHECKING:
    from torch import Tensor, nn

Rescaled = Literal["key_value_ffn", "all_linear"]

OUTPUTS: dict[Rescaled, frozenset[Role]] = {
    "key_value_ffn": frozenset({"key", "value", "qkv"}),
    "all_linear": frozenset({"query", "key", "value", "qkv", "attention_output"}),
}
INPUTS: dict[Rescaled, frozenset[Role]] = {
    "key_value_ffn": frozenset({"ffn_down"}),
    "all_linear": frozenset({"ffn_gate", "ffn_up", "ffn_down"}),
}
"""Layers whose output, and layers whose input, is multiplied by a vector. One layer that makes query, key and value is
rescaled whole: a factor on a query acts on the scores as the same factor on its key would."""


class IA3(PeftMethod):
    title: ClassVar[str] = "IA3"
    family: ClassVar[Family] = "rescaling"
    summary: ClassVar[str] = "Vectors that rescale keys, values and feed-forward activations"
    trains: ClassVar[str] = "One factor for each key, value and inner feed-forward channel of every layer."
    paper: ClassVar[Paper | None] = Paper(
        title="Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning",
        authors="Liu et al.",
        year=2022,
        url="https://arxiv.org/abs/2205.05638",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=3e-2,
        encoder=5e-3,
        llm=5e-3,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " others: the protocol's starting points"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 40
    fuses: ClassVar[bool] = True
    only_calls_base_layers: ClassVar[bool] = True

    target_modules: Rescaled = hyperparameter(
        "key_value_ffn",
        title="Target modules",
        effect="Keys, values and the inner feed-forward activations, as in the paper; or every linear layer:"
        " attention's outputs and the feed-forward layers' inputs, for about twice the parameters.",
    )

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
        for roles in (OUTPUTS[self.target_modules], INPUTS[self.target_modules]):
            if not shape.linears_with(roles):
                raise NotOffered(
                    f"{self.title} finds no keys, values and feed-forward layers of its own in a {shape.model_type}"
                    " model. Choose another method."
                )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """L (2 d_kv + d_ff) as in the paper; d_out where a layer is rescaled behind, d_in where before."""
        behind = shape.linears_with(OUTPUTS[self.target_modules]).values()
        before = shape.linears_with(INPUTS[self.target_modules]).values()
        return sum(d_out for _, d_out in behind) + sum(d_in for d_in, _ in before)

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """What a factor multiplies is kept: as many numbers for each token as there are factors."""
        factors = self.trainable_parameters(shape)
        return replace(super().added_cost(shape), flops_per_token=factors, kept_per_token=factors)

    def label(self) -> str:
        return "IA3" if self.target_modules == "key_value_ffn" else "IA3, all linear"

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import IA3Config

        outputs, inputs = OUTPUTS[self.target_modules], INPUTS[self.target_modules]
        return IA3Config(
            task_type=task_type,
            target_modules=module_pattern(model, outputs | inputs),
            feedforward_modules=module_pattern(model, inputs),
        )

    def fuse(self, models: "Sequence[nn.Module]") -> Graft:
        layers = layers_of_each(models)
        before = {path: of_runs for path, of_runs in layers.items() if of_runs[0].is_feedforward}
        return Graft(
            inputs={path: partial(_rescale, of_runs) for path, of_runs in before.items()},
            outputs={path: partial(_rescale_behind, of_runs) for path, of_runs in layers.items() if path not in before},
        )

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        return merge_into_base(model)


def _rescale(layers: list[Any], hidden: "Tensor") -> "Tensor":
    """Each run's rows times its own factors."""
    factors = of_each_run([layer.ia3_l[ADAPTER] for layer in layers], hidden)
    return (hidden.to(factors.dtype) * factors).to(hidden.dtype)


def _rescale_behind(layers: list[Any], _read: "Tensor", answered: "Tensor") -> "Tensor":
    return _rescale(layers, answered)
