"""Which of a base model's own tensors the selective methods train: its bias vectors, its norms, its special tokens."""

import math
import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


def bias_shapes(shape: ModelShape) -> dict[str, tuple[int, ...]]:
    """Every bias vector of a base model: path -> (width,)."""
    return {path: dims for path, dims in shape.tensors.items() if is_bias(path, len(dims))}


def is_bias(path: str, dimensions: int) -> bool:
    """Whether the tensor at `path` is a bias vector, of a linear layer or a norm. T5's table of position biases has two
    dimensions and is none."""
    return dimensions == 1 and path.rpartition(".")[2].endswith("bias")


def norm_parameters(shape: ModelShape) -> int:
    """The numbers in all norms: weights and, where a norm has one, biases."""
    weights = [path for path, dims in shape.tensors.items() if path.endswith(".weight") and len(dims) == 1]
    biases = [path.removesuffix("weight") + "bias" for path in weights]
    return sum(math.prod(shape.tensors[path]) for path in [*weights, *biases] if path in shape.tensors)


def norm_paths(model: "nn.Module") -> list[str]:
    """The norms of a loaded model: the modules whose weight is a vector. Linear layers and look-up tables hold
    matrices, so this needs no list of the names and classes that architectures give to their norms."""
    from torch import nn

    return [
        path
        for path, module in model.named_modules()
        if isinstance(weight := getattr(module, "weight", None), nn.Parameter) and weight.ndim == 1
    ]


def path_pattern(paths: Collection[str], among: Iterable[str]) -> str:
    """A regular expression that of the paths `among` matches exactly `paths`, the same text in every process.

    It speaks of any layer where it can. ModernBERT's first layer has no norm where its other layers have one.
    """
    pattern = "|".join(sorted({re.sub(r"\\\.\d+\\\.", r"\\.\\d+\\.", re.escape(path)) for path in paths}))
    if any(re.fullmatch(pattern, path) for path in among if path not in paths):
        return "|".join(sorted(re.escape(path) for path in paths))
    return pattern
