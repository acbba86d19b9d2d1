"""What the runs of one configuration add to a forward pass of the base model that they share with other runs.

A batch of a shared pass holds the rows of one run after the other, as many for each. A method's `fuse` says at which of
the base's modules its runs' rows take another way than the base's own, and which way that is; all rows go through the
base's own large products together (peft_core.fused.shared_pass).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    Input = Callable[[Tensor], Tensor]
    Output = Callable[[Tensor, Tensor], Tensor]
    KeysAndValues = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Graft:
    """Of the attached models that `Method.fuse` was given, in their order.

    Tensors hold the rows of all these runs, one run's after the other's: (runs x rows of a run, ...). Modules are named
    by their path in the model that nothing wraps. Parameters are read anew at each call, for training moves them.
    """

    inputs: "Mapping[str, Input]" = field(default_factory=dict)
    """Module -> what it reads, of what it would read."""
    outputs: "Mapping[str, Output]" = field(default_factory=dict)
    """Module -> what it answers, of what it has read and what it would answer."""
    instead: "Mapping[str, Sequence[nn.Module]]" = field(default_factory=dict)
    """Module -> for each run the module that answers in its place."""
    prefix_length: int = 0
    prefixes: "Callable[[], list[KeysAndValues]] | None" = None
    """For each run the keys and values in front of each layer's own, (1, heads, prefix_length, width)."""
    prompt_length: int = 0
    prompts: "Callable[[], Tensor] | None" = None
    """For each run the vectors in front of the embedded text, (runs, prompt_length, width)."""

    @property
    def reaches_base(self) -> bool:
        """Whether anything of it lies in the base, so that gradients come back through it."""
        return bool(self.inputs or self.outputs or self.instead or self.prefixes or self.prompts)


def of_each_run(tensors: "Sequence[Tensor]", rows: "Tensor") -> "Tensor":
    """One vector a run, spread so that it meets every row of its run: (rows, 1, ..., width)."""
    import torch

    vectors = torch.stack([tensor.flatten() for tensor in tensors])
    spread = vectors.repeat_interleave(len(rows) // len(vectors), dim=0)
    return spread.view(len(rows), *[1] * (rows.ndim - 2), -1)


def unwrapped(model: "nn.Module") -> "nn.Module":
    """The transformers model inside of what a method has made of it."""
    get_base = getattr(model, "get_base_model", None)
    found: nn.Module = model if get_base is None else get_base()
    return found
