"""The contract of a PEFT method: one file in `peft_core/methods`, found by its file name, which is its key.

A method is a small frozen pydantic model. Its fields are its hyper-parameters: their bounds validate requests, their
titles and effects become the form. Its card (class attributes) becomes the API, the method cards and the docs. Its
hooks are called by the one training loop, which never asks which method it runs.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from peft_core.added_cost import AddedCost
from peft_core.catalogue import discover, pick
from peft_core.errors import InvalidHyperparameter, NotOffered
from peft_core.graft import Graft
from peft_core.model_shape import ModelShape
from peft_core.spec import Budget, Frozen

if TYPE_CHECKING:
    from torch import Tensor, nn

    from peft_core.data import Item

Family = Literal[
    "reference",
    "lora",
    "factorised",
    "orthogonal",
    "adapter",
    "soft_prompt",
    "selective",
    "rescaling",
    "spectral",
    "external",
]
"""external: no method of the catalogue's, but one that imported results name."""


class Paper(Frozen):
    """Where the method comes from."""

    title: str
    authors: str
    year: int
    url: str


class LearningRate(Frozen):
    """Centre of the learning-rate grid in the two regimes between which we interpolate.

    `small`: bases of <= 20M non-embedding parameters and <= 150 steps. `encoder`, `llm`: bases of >= 100M and
    >= 1,000 steps.
    """

    small: float
    encoder: float
    llm: float
    source: str

    def centre(self, *, non_embedding_parameters: int, steps: int, causal: bool) -> float:
        """log(centre), bilinear in log(parameters) from 20M to 100M and log(steps) from 150 to 1,000, clamped.

        The two coordinates are averaged, so both a small base and a short budget move the centre towards `small`.
        """
        large = self.llm if causal else self.encoder
        by_size = _place(non_embedding_parameters, 20e6, 100e6)
        by_steps = _place(steps, 150, 1_000)
        share = (by_size + by_steps) / 2
        return math.exp((1 - share) * math.log(self.small) + share * math.log(large))

    @staticmethod
    def grid(centre: float, points: Literal[1, 3, 5]) -> tuple[float, ...]:
        """1, 3 (x 1/3, 1, 3) or 5 (x 1/5, 1/2, 1, 2, 5) learning rates around `centre`, to 3 significant digits."""
        factors = {1: (1.0,), 3: (1 / 3, 1.0, 3.0), 5: (1 / 5, 1 / 2, 1.0, 2.0, 5.0)}[points]
        return tuple(float(f"{centre * factor:.3g}") for factor in factors)

    @staticmethod
    def beyond(rates: Sequence[float], best: float) -> tuple[float, float] | None:
        """Two more learning rates past the end of a grid that `best` lies at, in the grid's own step there, to 3
        significant digits, the nearer one first; None where `best` lies within or is alone."""
        ordered = sorted(rates)
        if len(ordered) < 2 or best not in (ordered[0], ordered[-1]):
            return None
        step = ordered[-1] / ordered[-2] if best == ordered[-1] else ordered[0] / ordered[1]
        return float(f"{best * step:.3g}"), float(f"{best * step**2:.3g}")


def _place(value: float, low: float, high: float) -> float:
    """Where `value` lies between `low` (0) and `high` (1) on a log scale, clamped."""
    return min(1.0, max(0.0, math.log(value / low) / math.log(high / low)))


class Capabilities(Frozen):
    """What the method promises; the probe checks each promise, `None` means it does not apply."""

    merges: bool
    quantised_base: bool
    gradient_checkpointing: bool
    hot_switch: bool


def hyperparameter(
    default: Any,
    *,
    title: str,
    effect: str,
    ge: float | None = None,
    le: float | None = None,
    recommended: tuple[float, float] | None = None,
) -> Any:
    """A hyper-parameter field. `ge`/`le` are the valid bounds and refuse; `recommended` is a hint and never does."""
    extra: dict[str, JsonValue] = {"effect": effect}
    if recommended is not None:
        extra["recommended"] = list(recommended)
    return Field(default=default, ge=ge, le=le, title=title, json_schema_extra=extra)


class Method(BaseModel):
    """One way to adapt a base model, with its hyper-parameters as fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())

    title: ClassVar[str]
    family: ClassVar[Family]
    summary: ClassVar[str]
    """At most ten words: what it does."""
    trains: ClassVar[str]
    """Which numbers it trains, in a sentence."""
    paper: ClassVar[Paper | None]
    learning_rate: ClassVar[LearningRate | None]
    """None: nothing is trained and there is nothing to tune."""
    capabilities: ClassVar[Capabilities]
    place: ClassVar[int] = 100
    """Order on the New study page; references first, and from 50 on behind "more methods"."""
    trains_base: ClassVar[bool] = False
    """True: base tensors are themselves trained (full fine-tuning, BitFit)."""
    stores_whole_model: ClassVar[bool] = False
    """True: what it saves is as large as the base model itself."""
    rewrites_base: ClassVar[bool] = False
    """True: attaching changes frozen base tensors (PiSSA) and `unload` restores them."""
    linear_bytes: ClassVar[float] = 4.0
    """What a weight of the base's linear layers takes while training: float32, or less where they are quantised."""
    stored_at_most: ClassVar[bool] = False
    """True: training decides how much is stored (AdaLoRA prunes ranks), `stored_parameters` is the most it can be."""
    equals_base_at_start: ClassVar[bool] = True
    """True: before training the adapted model gives the base model's output exactly."""
    first_rung: ClassVar[float] = 0.25
    """The share of the training steps after which successive halving leaves learning rates out. Half for soft prompts:
    they learn late, and after a quarter of the steps those rates lead that move first, not those that end best."""
    trains_head: ClassVar[bool] = True
    """False only for the untuned reference."""
    fuses: ClassVar[bool] = False
    """True: its runs may share passes of the frozen base with others; `fuse` says how."""
    only_calls_base_layers: ClassVar[bool] = False
    """True: training calls the linear layers that the method adapts and reads no weight of theirs, so that they may
    hold their weights in bf16 meanwhile (peft_core.held_base)."""

    # -- before a run: no torch --------------------------------------------------------------------------------------

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        """Refuse what this base model or task cannot do.

        Raises InvalidHyperparameter (a bound that depends on the model, e.g. rank <= min(d_in, d_out)) or NotOffered
        (a method that cannot serve the model or task at all).
        """

    def trainable_parameters(self, shape: ModelShape) -> int:
        """Formula: everything with requires_grad during training, the task head left out."""
        raise NotImplementedError

    def stored_parameters(self, shape: ModelShape) -> int:
        """Formula: the numbers saved beyond the base model, the task head left out."""
        return self.trainable_parameters(shape)

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """What a training step costs beyond the base model's own work, for estimates.

        As it stands: every trained number is multiplied once with each token, and what is stored without being trained
        is held beside the base. Override it where that is far off.
        """
        trained = self.trainable_parameters(shape)
        return AddedCost(
            flops_per_token=2 * trained,
            frozen_parameters=max(0, self.stored_parameters(shape) - trained),
            through_base=trained > 0,
        )

    def label(self) -> str:
        """A short name for rows and legends: the title and the value that tells variants apart ("LoRA r8")."""
        return self.title

    # -- during a run: torch is loaded -------------------------------------------------------------------------------

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        """The model with this method's parameters in place; exactly what trains has requires_grad, the task head
        included. `model` is a transformers model with its head, in eval mode, and may be changed in place."""
        raise NotImplementedError

    def load_options(self) -> dict[str, Any]:
        """What the base model is loaded with beyond the task's own (QLoRA's 4-bit weights)."""
        return {}

    def parameter_groups(
        self, model: "nn.Module", learning_rate: float, head_learning_rate: float
    ) -> list[dict[str, Any]]:
        """AdamW groups: the method's own parameters at `learning_rate`, the head's at `head_learning_rate`."""
        from peft_core.training import split_head

        adapter, head = split_head(model)
        groups = [
            {"params": adapter, "lr": learning_rate},
            {"params": head, "lr": head_learning_rate},
        ]
        return [group for group in groups if group["params"]]

    def fuse(self, models: "Sequence[nn.Module]") -> Graft:
        """What these hyper-parameters add to a pass that runs share: of one attached model for each run, which may
        differ in learning rate and seed. Called only where `fuses` is True."""
        raise NotImplementedError

    def before_training(self, model: "nn.Module", items: "Sequence[Item]") -> None:
        """Called once after `attach` with the training split, in its own order (CPT's prompt is made of examples)."""

    def before_step(self, model: "nn.Module", step: int) -> None:
        """Called before the forward pass of every step, which counts from 1 (DyLoRA draws its rank here)."""

    def penalty(self, model: "nn.Module") -> "Tensor | None":
        """What is added to the task's loss (AdaLoRA's orthogonality), None for nothing."""
        return None

    def after_backward(self, model: "nn.Module") -> None:
        """Called when a step's gradients are there, before they are clipped (LoRA-FA corrects them here)."""

    def after_step(self, model: "nn.Module", step: int) -> None:
        """Called after every optimizer step, while the gradients are still there (AdaLoRA moves its ranks here)."""

    def training_state(self, model: "nn.Module") -> "dict[str, Tensor]":
        """What a checkpoint needs beyond trained tensors, optimizer and random state (AdaLoRA's importances)."""
        return {}

    def restore_training_state(self, model: "nn.Module", state: "dict[str, Tensor]") -> None:
        """Put back what `training_state` gave, into a freshly attached model."""

    def save(self, model: "nn.Module", folder: Path) -> None:
        """Write what restores the adapted model beyond the base, head included, as safetensors and JSON."""
        raise NotImplementedError

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        """A fresh base model with the adapter and head of `folder` in place."""
        raise NotImplementedError

    def unload(self, model: "nn.Module") -> "nn.Module | None":
        """The base model, ready for another adapter, with every tensor as it was before `attach` (its head aside).

        None where the method changed the base for good (full fine-tuning). Consumes `model`.
        """
        return None

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        """A model of the base's own architecture with the same outputs, or None where this method cannot merge.
        May consume `model`."""
        return None


def methods() -> dict[str, type[Method]]:
    """Every method by name, references first."""
    import peft_core.methods

    found = discover(peft_core.methods, Method)
    return dict(sorted(found.items(), key=lambda entry: (entry[1].place, entry[0])))


def method_class(name: str) -> type[Method]:
    """The method called `name`, or UnknownName."""
    return pick(methods(), name, "method")


def build_method(name: str, hyperparameters: dict[str, JsonValue]) -> Method:
    """The method with these hyper-parameters; raises UnknownName or InvalidHyperparameter."""
    try:
        return method_class(name).model_validate(hyperparameters)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "hyperparameters"
        raise InvalidHyperparameter(field, f"{name}: {field} is {_shown(first)}: {_reason(first)}.") from None


def distinct_labels(chosen: Sequence[Method]) -> list[str]:
    """The label of each, and where several would read the same also the values that tell them apart ("LoRA r8, alpha
    16"). Only equal ones still share a name."""
    labels = [method.label() for method in chosen]
    return [
        label + _difference(method, [other for other, same in zip(chosen, labels, strict=True) if same == label])
        for method, label in zip(chosen, labels, strict=True)
    ]


def _difference(method: Method, namesakes: Sequence[Method]) -> str:
    own = method.model_dump()
    others = [other.model_dump() for other in namesakes if type(other) is type(method)]
    differing = [name for name in own if any(other[name] != own[name] for other in others)]
    return "".join(f", {name.replace('_', ' ')} {own[name]}" for name in differing)


def check_budget(method: Method, budget: Budget) -> None:
    """Raises NotOffered where the budget asks for what the method cannot do."""
    if budget.gradient_checkpointing and not method.capabilities.gradient_checkpointing:
        raise NotOffered(
            f"{method.title} cannot train with gradient checkpointing. Turn it off in the budget, or leave this method"
            " out."
        )


def _shown(error: Any) -> str:
    return (
        repr(error.get("input"))[:60] if error["type"] != "extra_forbidden" else "not a hyper-parameter of this method"
    )


def _reason(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "remove it"
    return str(error["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
