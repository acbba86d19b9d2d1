"""Bottleneck adapter: h + U f(D h) after the attention or feed-forward projection of every layer, ours."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from peft_core.added_cost import AddedCost
from peft_core.errors import InvalidHyperparameter, NotOffered
from peft_core.graft import Graft
from peft_core.head import head_parameters
from peft_core.method import Capabilities, Family, LearningRate, Method, Paper, hyperparameter
from peft_core.methods._sites import Position, bottleneck_cost, sites
from peft_core.methods._tensors import freeze_all_but, load_trained, save_trained
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class Adapter(Method):
    title: ClassVar[str] = "Adapter"
    family: ClassVar[Family] = "adapter"
    summary: ClassVar[str] = "Small bottleneck layers inside every block"
    trains: ClassVar[str] = "A down-projection, a non-linearity and an up-projection with a residual in every layer."
    paper: ClassVar[Paper | None] = Paper(
        title="Parameter-Efficient Transfer Learning for NLP",
        authors="Houlsby et al.",
        year=2019,
        url="https://arxiv.org/abs/1902.00751",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=3e-3,
        encoder=3e-4,
        llm=3e-4,
        source="protocol's starting points; the small one kept after trying it on MiniLM and tweets",
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=False, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 20
    fuses: ClassVar[bool] = True

    bottleneck_size: int = hyperparameter(
        48,
        title="Bottleneck b",
        ge=1,
        recommended=(24, 96),
        effect="Width of the bottleneck; a sixteenth to a quarter of the base's width is usual, an eighth the default.",
    )
    activation: Literal["relu", "gelu", "swish"] = hyperparameter(
        "gelu", title="Activation", effect="The non-linearity between the projections; rarely decisive."
    )
    dropout: float = hyperparameter(
        0.1,
        title="Dropout",
        ge=0.0,
        le=0.99,
        recommended=(0.0, 0.2),
        effect="Drops bottleneck units while training, against over-fitting on little data.",
    )
    position: Position = hyperparameter(
        "after_ffn",
        title="Position",
        effect="After the feed-forward layer (Pfeiffer), after attention, or both (Houlsby: twice the parameters).",
    )

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        if not sites(shape.linears, self.position):
            raise NotOffered(f"Adapter finds no layers to follow in a {shape.model_type} model. Choose another method.")
        if self.bottleneck_size > shape.hidden_size:
            raise InvalidHyperparameter(
                "bottleneck_size",
                f"adapter: bottleneck_size is {self.bottleneck_size}: at most {shape.hidden_size}, the base's width.",
            )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """2 d b + b + d for each adapter: weights and biases of both projections."""
        adapters = len(sites(shape.linears, self.position))
        return adapters * (2 * shape.hidden_size * self.bottleneck_size + self.bottleneck_size + shape.hidden_size)

    def added_cost(self, shape: ModelShape) -> AddedCost:
        adapters = len(sites(shape.linears, self.position))
        cost = bottleneck_cost(adapters, shape.hidden_size, self.bottleneck_size, self.dropout)
        # What stands in front of the first adapter gets no gradient.
        return replace(cost, untouched_layers=1.0 if self.position == "after_ffn" else 0.5)

    def label(self) -> str:
        suffix = {"after_ffn": "", "after_attn": ", attention", "both": ", both"}[self.position]
        return f"Adapter b{self.bottleneck_size}{suffix}"

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        from peft_core.methods._bottleneck import insert_bottleneck

        modules = dict(model.named_modules())
        inserted = [
            insert_bottleneck(modules[path], self.bottleneck_size, self.activation, self.dropout)
            for path in sites(modules, self.position)
        ]
        trained = [parameter for adapter in inserted for parameter in adapter.parameters()]
        freeze_all_but(model, trained + head_parameters(model))
        return model

    def fuse(self, models: "Sequence[nn.Module]") -> Graft:
        from peft_core.methods._bottleneck import Bottleneck, follow_together

        inserted: dict[str, list[Bottleneck]] = {}
        for model in models:
            for path, module in model.named_modules():
                if isinstance(module, Bottleneck):
                    inserted.setdefault(path.removesuffix(".adapter"), []).append(module)
        return Graft(outputs={path: partial(follow_together, of_runs) for path, of_runs in inserted.items()})

    def save(self, model: "nn.Module", folder: Path) -> None:
        save_trained(self, "adapter", model, folder)

    def unload(self, model: "nn.Module") -> "nn.Module | None":
        from peft_core.methods._bottleneck import remove_bottleneck

        for module in model.modules():
            remove_bottleneck(module)
        return model

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        return load_trained(self.attach(model, task_kind=task_kind, total_steps=0), folder)
