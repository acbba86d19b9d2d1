"""DyLoRA: LoRA trained at a rank drawn anew for every step, so that any number of its first ranks works by itself."""

from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._lora import LoraMethod, adapter_config, alpha_field, lora_layers, rank_field
from peft_core.methods._peft import ADAPTER

if TYPE_CHECKING:
    from torch import Tensor, nn


class DyLora(LoraMethod):
    """At a step of rank b, drawn uniformly from 1..r: W x + (alpha / b) B[:, :b] A[:b] x, as in the authors' code.

    Outside training all r ranks answer, and what is saved is a plain LoRA of rank r; `truncate` leaves the first b.
    """

    title: ClassVar[str] = "DyLoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "One LoRA that works at every lower rank"
    trains: ClassVar[str] = "LoRA's matrices A and B, of which every step trains the first ranks, as many as it draws."
    paper: ClassVar[Paper | None] = Paper(
        title=(
            "DyLoRA: Parameter Efficient Tuning of Pre-trained Models using Dynamic Search-Free Low-Rank Adaptation"
        ),
        authors="Valipour et al.",
        year=2022,
        url="https://arxiv.org/abs/2210.07558",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1.5e-3,
        encoder=4e-4,
        llm=2e-4,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py); others: LoRA's"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 13

    rank: int = rank_field(
        16,
        title="Highest rank r",
        effect="Every rank up to this can be used after training. A wider range leaves each rank fewer steps.",
    )
    alpha: float = alpha_field(32.0, effect="At rank b the update is scaled by alpha / b.")
    frozen: bool = hyperparameter(
        False,
        title="Train the newest rank alone",
        effect=(
            "A step of rank b gives gradients to its b-th rank alone and none to those below. Lower ranks are then"
            " disturbed less, and every rank learns in fewer steps."
        ),
    )

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        attached = super().attach(model, task_kind=task_kind, total_steps=total_steps)
        for layer in lora_layers(attached).values():
            layer.lora_A[ADAPTER].rank_in_use = self.rank
            layer.lora_A[ADAPTER].register_forward_hook(_first_ranks)
        return attached

    def before_step(self, model: "nn.Module", step: int) -> None:
        """Draw the step's rank, from torch's own random state: a checkpoint holds it."""
        import torch

        rank = int(torch.randint(1, self.rank + 1, ()).item())
        for layer in lora_layers(model).values():
            layer.lora_A[ADAPTER].rank_in_use = rank

    def after_backward(self, model: "nn.Module") -> None:
        if not self.frozen:
            return
        for layer in lora_layers(model).values():
            below = layer.lora_A[ADAPTER].rank_in_use - 1
            layer.lora_A[ADAPTER].weight.grad[:below] = 0
            layer.lora_B[ADAPTER].weight.grad[:, :below] = 0


def _first_ranks(down: Any, _inputs: "tuple[Tensor, ...]", output: "Tensor") -> "Tensor":
    """Forward hook of A: in training the ranks above the step's are zero, and those in use take their share of the
    scale, alpha / b in place of alpha / r."""
    ranks, in_use = output.shape[-1], down.rank_in_use
    if not down.training or in_use == ranks:
        return output
    weights = output.new_zeros(ranks)
    weights[:in_use] = ranks / in_use
    return output * weights


def truncate(model: "nn.Module", rank: int) -> "nn.Module":
    """Leave the first `rank` ranks of a trained DyLoRA, at the scale alpha / `rank` they were trained with. Changes
    `model`, which is saved and merged as a LoRA of that rank. Raises ValueError where there are fewer."""
    import torch

    config = adapter_config(model)
    if not 1 <= rank <= config.r:
        raise ValueError(f"rank is {rank}: choose one from 1 to {config.r}, the rank that was trained.")
    for layer in lora_layers(model).values():
        down, up = layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]
        down.weight = torch.nn.Parameter(down.weight.detach()[:rank].clone(), down.weight.requires_grad)
        up.weight = torch.nn.Parameter(up.weight.detach()[:, :rank].clone(), up.weight.requires_grad)
        down.out_features = up.in_features = layer.r[ADAPTER] = down.rank_in_use = rank
        layer.scaling[ADAPTER] = config.lora_alpha / rank
    config.r = rank
    return model
