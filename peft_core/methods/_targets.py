"""Which linear layers a method adapts, told by what they do in a layer and not by an architecture's names."""

import re
from typing import TYPE_CHECKING, Any, Literal

from peft_core.errors import NotOffered
from peft_core.method import hyperparameter
from peft_core.model_shape import ModelShape, Role, linear_role

if TYPE_CHECKING:
    from torch import nn

Targets = Literal["query_value", "attention", "feed_forward", "all_linear"]

ROLES: dict[str, frozenset[Role]] = {
    "query_value": frozenset({"query", "value", "qkv"}),
    "attention": frozenset({"query", "key", "value", "qkv", "attention_output"}),
    "feed_forward": frozenset({"ffn_gate", "ffn_up", "ffn_down"}),
    "all_linear": frozenset(
        {"query", "key", "value", "qkv", "attention_output", "ffn_gate", "ffn_up", "ffn_down"},
    ),
}
"""A layer that makes query, key and value at once counts as the query and the value that it holds."""

TARGETS_EFFECT = (
    "Query and value projections, all of attention, the feed-forward layers, or every linear layer:"
    " more layers give more quality for more memory and storage."
)


def targets_field(default: Targets) -> Any:
    """The hyper-parameter that says which linear layers a method adapts."""
    return hyperparameter(default, title="Target modules", effect=TARGETS_EFFECT)


def targeted(shape: ModelShape, targets: Targets, title: str) -> dict[str, tuple[int, int]]:
    """The targeted layers of a base model: path -> (d_in, d_out). Raises NotOffered where it has none."""
    found = shape.linears_with(ROLES[targets])
    if not found:
        raise NotOffered(
            f"{title} finds no {targets} layers in a {shape.model_type} model."
            " Choose other target modules or another method."
        )
    return found


def module_pattern(model: "nn.Module", roles: frozenset[Role]) -> str:
    """A regular expression that matches exactly the targeted layers of a loaded model.

    A pattern rather than a list of names, which peft would write in an order that changes from process to process.
    Only whole paths inside layers match: a pooler and the task head have a `dense` too.
    """
    return "|".join(sorted({re.sub(r"\\\.\d+\\\.", r"\\.\\d+\\.", re.escape(path)) for path in _paths(model, roles)}))


def _paths(model: "nn.Module", roles: frozenset[Role]) -> list[str]:
    from torch import nn

    hidden_size = int(model.config.hidden_size)  # type: ignore[union-attr, arg-type]
    return [
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and linear_role(path, module.in_features, module.out_features, hidden_size) in roles
    ]
