"""LoRA-FA: LoRA with A frozen at its random start; the gradient of B is corrected for what A lets through."""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.method import Capabilities, Family, LearningRate, Paper
from peft_core.methods._lora import LoraMethod, lora_layers
from peft_core.methods._peft import ADAPTER
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn

RIDGE = 1e-8
"""Added to the diagonal of A A^T before solving, as peft's own optimizer for LoRA-FA does."""


class LoraFa(LoraMethod):
    title: ClassVar[str] = "LoRA-FA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "LoRA with A frozen at its random start"
    trains: ClassVar[str] = "The matrix B (d_out x r) for each targeted linear layer; A keeps its random start."
    paper: ClassVar[Paper | None] = Paper(
        title="LoRA-FA: Memory-efficient Low-rank Adaptation for Large Language Models Fine-tuning",
        authors="Zhang et al.",
        year=2023,
        url="https://arxiv.org/abs/2308.03303",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=4e-3,
        encoder=4e-4,
        llm=1e-4,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " encoder: between the two, not measured;"
            " llm: Hugging Face's method comparison on Llama-3.2-3B"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 52

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """A is frozen: its product has LoRA's cost, but its input is not kept. This is what the method is for."""
        layers = self.layers(shape)
        flops = sum(2 * self.rank * (d_in + d_out) for d_in, d_out in layers.values())
        kept = self.rank * len(layers)
        return replace(super().added_cost(shape), flops_per_token=flops, kept_per_token=kept, inputs_kept=frozenset())

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r d_out."""
        return self.rank * d_out

    def stored_parameters(self, shape: ModelShape) -> int:
        """Sum over the targeted layers of r (d_in + d_out): the random A has to be kept too."""
        return sum(self.rank * (d_in + d_out) for d_in, d_out in self.layers(shape).values())

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        attached = super().attach(model, task_kind=task_kind, total_steps=total_steps)
        for layer in lora_layers(attached).values():
            layer.lora_A[ADAPTER].requires_grad_(False)
        return attached

    def after_backward(self, model: "nn.Module") -> None:
        """g_B <- (r / alpha)^2 g_B (A A^T)^-1, with which the change of the weight matrix, (alpha / r) g_B A, comes as
        near as B alone allows to the gradient of the whole matrix (least squares)."""
        import torch

        for layer in lora_layers(model).values():
            down, gradient = layer.lora_A[ADAPTER].weight.detach().float(), layer.lora_B[ADAPTER].weight.grad
            gram = down @ down.T + RIDGE * torch.eye(len(down), device=down.device)
            gradient.copy_(torch.linalg.solve(gram, gradient.float().T).T / layer.scaling[ADAPTER] ** 2)
