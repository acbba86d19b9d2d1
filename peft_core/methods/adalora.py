"""AdaLoRA: updates as P diag(lambda) Q whose ranks are cut, layer by layer, to where training finds them important."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.errors import InvalidHyperparameter
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._lora import LoraMethod, adapter_config, alpha_field, lora_layers, rank_field
from peft_core.methods._peft import ADAPTER, without_warning
from peft_core.methods._targets import Targets, targets_field
from peft_core.methods._update import NARROWEST, Layers, narrowest_sides

if TYPE_CHECKING:
    from torch import Tensor, nn

BEFORE_SHARE, AFTER_SHARE, REALLOCATIONS = 0.1, 0.3, 100
"""Of all steps: before ranks are cut, and after the last cut. Between them ranks are allocated anew this often."""


class AdaLora(LoraMethod):
    """peft's AdaLoRA; its schedule is made from the steps of the run, and its penalty is ours to add to the loss."""

    title: ClassVar[str] = "AdaLoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "LoRA that moves ranks to where they matter"
    trains: ClassVar[str] = (
        "Matrices A and B and the singular values between them for each targeted layer, from more ranks down to fewer."
    )
    paper: ClassVar[Paper | None] = Paper(
        title="AdaLoRA: Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning",
        authors="Zhang et al.",
        year=2023,
        url="https://arxiv.org/abs/2303.10512",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=5e-3,
        encoder=1e-3,
        llm=5e-4,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " others: the protocol's starting points"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 11
    stored_at_most: ClassVar[bool] = True

    rank: int = rank_field(
        8, title="Target rank", effect="Mean rank that is left for each layer. Storage grows in proportion."
    )
    alpha: float = alpha_field(32.0, effect="The update is scaled by alpha / the starting rank.")
    target_modules: Targets = targets_field("all_linear")
    start_ratio: float = hyperparameter(
        1.5,
        title="Starting rank / target rank",
        ge=1.0,
        le=8.0,
        recommended=(1.2, 2.0),
        effect="How many more ranks training starts with. More give more to choose from and cost memory and time.",
    )
    orth_reg_weight: float = hyperparameter(
        0.1,
        title="Orthogonality penalty",
        ge=0.0,
        le=10.0,
        recommended=(0.1, 0.5),
        effect="Keeps the ranks of a layer apart from each other, so that one can be cut without hurting the others.",
    )

    @property
    def starting_rank(self) -> int:
        """`start_ratio` times the target, rounded up, and at least one more: there has to be something to cut."""
        # 1.1 times 10 is a little above 11 in binary fractions.
        return max(self.rank + 1, math.ceil(round(self.start_ratio * self.rank, 6)))

    def check_layers(self, layers: Layers) -> None:
        most = min(narrowest_sides(layers))
        if self.starting_rank > most:
            raise InvalidHyperparameter(
                "rank",
                f"{self.title}: rank is {self.rank}, so that training starts with {self.starting_rank}: at most {most},"
                f" {NARROWEST}. Lower rank or start_ratio.",
            )

    def layer_parameters(self, d_in: int, d_out: int) -> int:
        """r (d_in + d_out + 1) with the starting rank r."""
        return self.starting_rank * (d_in + d_out + 1)

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        attached = super().attach(model, task_kind=task_kind, total_steps=total_steps)
        # The rank allocator reads its schedule here when a step asks for it.
        vars(adapter_config(attached)).update(schedule(total_steps))
        return attached

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import AdaLoraConfig

        return AdaLoraConfig(
            task_type=task_type,
            init_r=self.starting_rank,
            target_r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # peft annotates int and only divides by it
            lora_dropout=self.dropout,
            orth_reg_weight=self.orth_reg_weight,
            target_modules=self.pattern(model),
            **schedule(0),  # type: ignore[arg-type]  # mypy takes it for any of the fields
        )

    def penalty(self, model: "nn.Module") -> "Tensor | None":
        """gamma times the mean over all A and B of |A A^T - I| and |B^T B - I| (Frobenius norms), as peft has it. peft
        adds it only to a loss that the model itself computes."""
        import torch

        if self.orth_reg_weight == 0:
            return None
        norms = []
        for layer in lora_layers(model).values():
            for rows in (layer.lora_A[ADAPTER], layer.lora_B[ADAPTER].T):
                norms.append(torch.linalg.matrix_norm(rows @ rows.T - torch.eye(len(rows), device=rows.device)))
        return self.orth_reg_weight * torch.stack(norms).mean()

    def after_step(self, model: "nn.Module", step: int) -> None:
        model.base_model.update_and_allocate(step)  # type: ignore[operator, union-attr]

    def training_state(self, model: "nn.Module") -> "dict[str, Tensor]":
        """The moving averages that ranks are judged by, and (after the last cut) which ranks are left."""
        import torch

        allocator: Any = model.base_model.rankallocator  # type: ignore[union-attr]
        left = adapter_config(model).rank_pattern or {}
        return (
            {f"importance/{name}": average for name, average in allocator.exp_avg_ipt.items()}
            | {f"uncertainty/{name}": average for name, average in allocator.exp_avg_unc.items()}
            | {f"left/{name}": torch.tensor(ranks) for name, ranks in left.items()}
        )

    def restore_training_state(self, model: "nn.Module", state: "dict[str, Tensor]") -> None:
        allocator: Any = model.base_model.rankallocator  # type: ignore[union-attr]
        parts: dict[str, dict[str, Tensor]] = {"importance": {}, "uncertainty": {}, "left": {}}
        for path, tensor in state.items():
            part, name = path.split("/", 1)
            parts[part][name] = tensor
        device = next(model.parameters()).device
        allocator.exp_avg_ipt = {name: average.to(device) for name, average in parts["importance"].items()}
        allocator.exp_avg_unc = {name: average.to(device) for name, average in parts["uncertainty"].items()}
        # A name that is missing here starts its averages at zero; the value itself is replaced before it is read.
        allocator.ipt = dict(allocator.exp_avg_ipt)
        left = {name: ranks.tolist() for name, ranks in parts["left"].items()}
        adapter_config(model).rank_pattern = left or None

    def save(self, model: "nn.Module", folder: Path) -> None:
        """Only the ranks that are left. The weights are asked which: the best ones so far may be from before the last
        cut, and then have more."""
        config = adapter_config(model)
        if config.rank_pattern is not None:
            config.rank_pattern = {
                f"{path}.lora_E.{ADAPTER}": (layer.lora_E[ADAPTER] != 0).flatten().tolist()
                for path, layer in lora_layers(model).items()
            }
        # peft takes a layer that has no rank left for a mistake.
        with without_warning("have invalid shape"):
            super().save(model, folder)

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        # Its pattern names ranks; LoRA's, which peft has in mind, names layers.
        with without_warning("rank_pattern keys did not match"):
            loaded = super().load(model, folder, task_kind=task_kind)
        left = adapter_config(loaded).rank_pattern or {}
        for path, layer in lora_layers(loaded).items():
            if left:
                _put_at_their_places(layer, left[f"{path}.lora_E"])
        return loaded


def schedule(total_steps: int) -> dict[str, int]:
    """peft's names for when ranks are cut, in a run of this many steps: after `tinit` steps, every `deltaT` of them,
    for the last time `tfinal` steps before the end. A run of a single step is too short for a last cut."""
    total = max(2, total_steps)
    before, after = int(BEFORE_SHARE * total), int(AFTER_SHARE * total)
    interval = max(1, (total - before - after) // REALLOCATIONS)
    return {"total_step": total, "tinit": before, "tfinal": after, "deltaT": interval}


def _put_at_their_places(layer: Any, left: list[bool]) -> None:
    """Fill a layer that has only the ranks that are `left` up with zeros, so that sums run in the order in which they
    ran in training and outputs are the same to the last bit."""
    import torch

    places = torch.tensor(left)
    for matrices, dim in ((layer.lora_A, 0), (layer.lora_E, 0), (layer.lora_B, 1)):
        few = matrices[ADAPTER].detach()
        size = [len(left) if dim == other else width for other, width in enumerate(few.shape)]
        filled = few.new_zeros(size).index_copy(dim, places.nonzero().flatten().to(few.device), few)
        matrices[ADAPTER] = torch.nn.Parameter(filled, requires_grad=False)
    layer.r[ADAPTER] = len(left)
    layer.ranknum[ADAPTER].fill_(float(len(left)))
