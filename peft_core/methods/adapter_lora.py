"""Adapter + LoRA: bottleneck adapters after feed-forward layers and LoRA on queries and values, trained together."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from peft_core.added_cost import AddedCost
from peft_core.errors import NotOffered
from peft_core.head import head_parameters
from peft_core.method import Capabilities, Family, LearningRate, Method, Paper, hyperparameter
from peft_core.methods._lora import alpha_field, lora_cost, lora_layers, rank_field
from peft_core.methods._sites import bottleneck_cost, sites
from peft_core.methods._targets import ROLES, module_pattern, targeted
from peft_core.methods._tensors import freeze_all_but, load_trained, save_trained
from peft_core.methods._update import NARROWEST, check_at_most, narrowest_sides
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class AdapterLora(Method):
    title: ClassVar[str] = "Adapter + LoRA"
    family: ClassVar[Family] = "adapter"
    summary: ClassVar[str] = "Bottleneck adapters and LoRA, trained together"
    trains: ClassVar[str] = (
        "An adapter behind the feed-forward layer and LoRA's two matrices beside query and value, in every layer."
    )
    paper: ClassVar[Paper | None] = Paper(
        title="UniPELT: A Unified Framework for Parameter-Efficient Language Model Tuning (here without its gates)",
        authors="Mao et al.",
        year=2021,
        url="https://arxiv.org/abs/2110.07577",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-3,
        encoder=3e-4,
        llm=2e-4,
        source=(
            "small: between 6e-4 and 2e-3, equally good on validation (6e-3 is not), MiniLM on tweets, 150 steps;"
            " others: the protocol's starting points of LoRA and the adapter"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=False, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 21
    only_calls_base_layers: ClassVar[bool] = True

    rank: int = rank_field(16)
    alpha: float = alpha_field(32.0)
    bottleneck_size: int = hyperparameter(
        48,
        title="Bottleneck b",
        ge=1,
        recommended=(24, 96),
        effect="Width of the adapters; a sixteenth to a quarter of the base's width is usual, an eighth the default.",
    )
    activation: Literal["relu", "gelu", "swish"] = hyperparameter(
        "gelu", title="Activation", effect="The adapters' non-linearity; rarely decisive."
    )
    dropout: float = hyperparameter(
        0.1,
        title="Dropout",
        ge=0.0,
        le=0.99,
        recommended=(0.0, 0.2),
        effect="Drops bottleneck units and LoRA's inputs while training, against over-fitting on little data.",
    )

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        if not sites(shape.linears, "after_ffn"):
            raise NotOffered(
                f"{self.title} finds no feed-forward layers to follow in a {shape.model_type} model. Choose LoRA."
            )
        layers = targeted(shape, "query_value", self.title)
        check_at_most(self.title, "rank", self.rank, narrowest_sides(layers), NARROWEST)
        check_at_most(self.title, "bottleneck_size", self.bottleneck_size, [shape.hidden_size], "the base's width")

    def trainable_parameters(self, shape: ModelShape) -> int:
        """L (2 d b + b + d) of the adapters, and r (d_in + d_out) for each query and value layer."""
        adapters = len(sites(shape.linears, "after_ffn"))
        width, bottleneck = shape.hidden_size, self.bottleneck_size
        layers = targeted(shape, "query_value", self.title).values()
        lora = sum(self.rank * (d_in + d_out) for d_in, d_out in layers)
        return adapters * (2 * width * bottleneck + bottleneck + width) + lora

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """The adapters' and LoRA's, each as its own file has it."""
        layers = targeted(shape, "query_value", self.title)
        adapters = len(sites(shape.linears, "after_ffn"))
        lora = lora_cost(layers, self.rank, self.dropout)
        bottleneck = bottleneck_cost(adapters, shape.hidden_size, self.bottleneck_size, self.dropout)
        return replace(
            lora,
            flops_per_token=lora.flops_per_token + bottleneck.flops_per_token,
            kept_per_token=lora.kept_per_token + bottleneck.kept_per_token,
            passing_per_token=lora.passing_per_token + bottleneck.passing_per_token,
            dropped_per_token=lora.dropped_per_token + bottleneck.dropped_per_token,
        )

    def label(self) -> str:
        return f"Adapter b{self.bottleneck_size} + LoRA r{self.rank}"

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        from peft import LoraConfig, inject_adapter_in_model

        from peft_core.methods._bottleneck import insert_bottleneck

        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # peft annotates int and only divides by it
            lora_dropout=self.dropout,
            target_modules=module_pattern(model, ROLES["query_value"]),
        )
        modules = dict(model.named_modules())
        inserted = [
            insert_bottleneck(modules[path], self.bottleneck_size, self.activation, self.dropout)
            for path in sites(modules, "after_ffn")
        ]
        inject_adapter_in_model(config, model)
        lora = [parameter for name, parameter in model.named_parameters() if ".lora_" in name]
        adapters = [parameter for bottleneck in inserted for parameter in bottleneck.parameters()]
        freeze_all_but(model, [*lora, *adapters, *head_parameters(model)])
        return model.eval()

    def save(self, model: "nn.Module", folder: Path) -> None:
        save_trained(self, "adapter_lora", model, folder)

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        return load_trained(self.attach(model, task_kind=task_kind, total_steps=0), folder)

    def unload(self, model: Any) -> "nn.Module | None":
        from peft_core.methods._bottleneck import remove_bottleneck

        for path, layer in lora_layers(model).items():
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, layer.get_base_layer())
        for module in model.modules():
            remove_bottleneck(module)
        del model.peft_config
        found: nn.Module = model
        return found

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        """The adapters' non-linearity fits no weight of the base."""
        return None
