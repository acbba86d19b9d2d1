"""BitFit: the bias vectors of the base model are trained in place, and nothing else."""

import math
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from peft_core.errors import NotOffered
from peft_core.graft import Graft, of_each_run
from peft_core.head import head_parameters, is_head
from peft_core.method import Capabilities, Family, LearningRate, Method, Paper, hyperparameter
from peft_core.methods._targets import module_pattern
from peft_core.methods._tensors import freeze_all_but, load_trained, save_trained
from peft_core.methods._vector import bias_shapes, is_bias
from peft_core.model_shape import ModelShape, Role

if TYPE_CHECKING:
    from torch import Tensor, nn

Biases = Literal["all", "query_and_ffn"]

QUERY_AND_FFN: frozenset[Role] = frozenset({"query", "qkv", "ffn_up"})
"""Where the paper's smaller choice has its biases, b_q and b_m2: the query, and the widening feed-forward layer."""

KEPT = "_before_bitfit"
"""Ending of the buffer beside a trained bias that holds the base's own, so that it can come back."""


class BitFit(Method):
    title: ClassVar[str] = "BitFit"
    family: ClassVar[Family] = "selective"
    summary: ClassVar[str] = "The base model's bias vectors only"
    trains: ClassVar[str] = "Every bias vector of the base model, in place."
    paper: ClassVar[Paper | None] = Paper(
        title="BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked Language-models",
        authors="Ben Zaken et al.",
        year=2021,
        url="https://arxiv.org/abs/2106.10199",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=2e-3,
        encoder=1e-3,
        llm=1e-3,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " others: the protocol's starting points"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 41
    fuses: ClassVar[bool] = True
    trains_base: ClassVar[bool] = True

    biases: Biases = hyperparameter(
        "all",
        title="Biases",
        effect="Every bias, norms included; or those of queries and of the widening feed-forward layer alone, for about"
        " half the parameters.",
    )

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        if not self._biases(shape):
            raise NotOffered(
                f"BitFit needs bias vectors and this {shape.model_type} model has none to train. Choose LN tuning or"
                " IA3, which train as little."
            )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """The numbers in the chosen bias vectors."""
        return sum(math.prod(dims) for dims in self._biases(shape).values())

    def label(self) -> str:
        return "BitFit" if self.biases == "all" else "BitFit, query and FFN"

    def _biases(self, shape: ModelShape) -> dict[str, tuple[int, ...]]:
        found = bias_shapes(shape)
        if self.biases == "all":
            return found
        chosen = {f"{path}.bias" for path in shape.linears_with(QUERY_AND_FFN)}
        return {path: dims for path, dims in found.items() if path in chosen}

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        chosen = self._chosen(model)
        for path in chosen:
            _keep_original(model, path)
        freeze_all_but(model, [*chosen.values(), *head_parameters(model)])
        return model

    def _chosen(self, model: "nn.Module") -> "dict[str, nn.Parameter]":
        pattern = module_pattern(model, QUERY_AND_FFN)
        return {
            path: tensor
            for path, tensor in model.named_parameters()
            if is_bias(path, tensor.ndim) and not is_head(path)
            if self.biases == "all" or re.fullmatch(pattern, path.rpartition(".")[0])
        }

    def fuse(self, models: "Sequence[nn.Module]") -> Graft:
        """A linear layer's answer is moved by what its bias has moved by; a norm, which is cheap, answers itself."""
        from torch import nn

        trained = [path for path in self._chosen(models[0]) if not is_head(path)]
        modules = {path.rpartition(".")[0]: path for path in trained}
        linears = [path for path in modules if isinstance(models[0].get_submodule(path), nn.Linear)]
        each = {path: [model.get_submodule(path) for model in models] for path in modules}
        return Graft(
            outputs={path: partial(_move, each[path]) for path in linears},
            instead={path: each[path] for path in modules if path not in linears},
        )

    def save(self, model: "nn.Module", folder: Path) -> None:
        save_trained(self, "bitfit", model, folder)

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        return load_trained(self.attach(model, task_kind=task_kind, total_steps=0), folder)

    def unload(self, model: "nn.Module") -> "nn.Module | None":
        """The base's own biases come back from the copies that `attach` kept beside them."""
        import torch

        with torch.no_grad():
            for module, name in _kept(model):
                module.get_parameter(name.removesuffix(KEPT)).copy_(module.get_buffer(name))
        return _without_originals(model)

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        return _without_originals(model)


def _keep_original(model: "nn.Module", path: str) -> None:
    """A copy beside the bias: in no state dict and in no saved file, and moved with the model to another device."""
    owner, _, name = path.rpartition(".")
    module = model.get_submodule(owner)
    module.register_buffer(name + KEPT, module.get_parameter(name).detach().clone(), persistent=False)


def _kept(model: "nn.Module") -> "list[tuple[nn.Module, str]]":
    """Every module that holds a copy, with the copy's name."""
    return [
        (module, name)
        for module in model.modules()
        for name, _ in module.named_buffers(recurse=False)
        if name.endswith(KEPT)
    ]


def _without_originals(model: "nn.Module") -> "nn.Module":
    for module, name in _kept(model):
        delattr(module, name)
    return model


def _move(linears: "list[nn.Module]", _read: "Tensor", answered: "Tensor") -> "Tensor":
    """b0 was added already: b - b0 is what is left."""
    moved = [linear.get_parameter("bias") - linear.get_buffer("bias" + KEPT) for linear in linears]
    return (answered + of_each_run(moved, answered)).to(answered.dtype)
