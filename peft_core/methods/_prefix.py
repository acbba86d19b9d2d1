"""What prefix tuning and P-Tuning v2 share: learnt keys and values in front of every layer's own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.errors import NotOffered
from peft_core.graft import Graft
from peft_core.methods._input_prompt import check_positions
from peft_core.methods._peft import ADAPTER, TASK_TYPES, PeftMethod
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import Tensor, nn

ENCODERS_WITH_CACHE = frozenset(
    {
        *("bert", "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "electra", "ernie", "data2vec-text"),
        *("roberta-prelayernorm", "megatron-bert", "rembert", "roc_bert", "xmod"),
    }
)
"""Encoders whose attention takes keys and values from outside; in transformers 5 the others (DistilBERT, DeBERTa,
ModernBERT, MPNet, ALBERT) have no place for a prefix. Every decoder has one."""


class PrefixMethod(PeftMethod):
    """Hyper-parameter `num_virtual_tokens` is declared by the methods, with their own recommendations."""

    fuses: ClassVar[bool] = True
    first_rung: ClassVar[float] = 0.5

    num_virtual_tokens: int

    def fuse(self, models: "Sequence[nn.Module]") -> Graft:
        return Graft(
            prefix_length=self.num_virtual_tokens,
            prefixes=lambda: [_keys_and_values(model.get_prompt(batch_size=1)) for model in models],  # type: ignore[operator]
        )

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
        if TASK_TYPES[task_kind] is None:
            raise NotOffered(
                f"{self.title} is not offered for {task_kind} tasks: peft gives such models no prefix. Choose Prompt"
                " Tuning or P-Tuning."
            )
        if not (shape.causal or shape.model_type in ENCODERS_WITH_CACHE):
            raise NotOffered(
                f"{self.title} is not offered for {shape.model_type} models: their attention takes no keys and values"
                " from outside. Choose another method or base model."
            )
        # The cache that carries the prefix counts as text already read: the first real token stands at position n.
        check_positions(self.num_virtual_tokens, shape, max_length)

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        """peft makes the prefix anew for every item of a batch, though all have the same: here it is made once."""
        attached = super().attach(model, task_kind=task_kind, total_steps=total_steps)
        encoder: Any = attached.prompt_encoder[ADAPTER]  # type: ignore[index]
        encoder.register_forward_pre_hook(_one_row)
        encoder.register_forward_hook(_for_every_item)
        return attached

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """Attention reads n more keys and values for each item; no layer works on them."""
        kept = self.stored_parameters(shape)
        return AddedCost(key_value_tokens=self.num_virtual_tokens, kept_per_item=kept)

    def stored_parameters(self, shape: ModelShape) -> int:
        """2 L n d_kv: keys and values of n virtual tokens in every layer."""
        return 2 * shape.layers * self.num_virtual_tokens * shape.key_value_width

    def unload(self, model: "nn.Module") -> "nn.Module | None":
        base: nn.Module = model.get_base_model()  # type: ignore[operator]
        return base

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        """A prefix lengthens attention; no weight of the base can hold it."""
        return None


def _keys_and_values(cache: Any) -> "list[tuple[Tensor, Tensor]]":
    return [(layer.keys, layer.values) for layer in cache.layers]


def _one_row(encoder: Any, args: "tuple[Tensor, ...]") -> "tuple[Tensor, ...]":
    """Forward pre-hook: one of the rows of virtual tokens (items, n), which are all the same."""
    (rows,) = args
    encoder.items = len(rows)
    return (rows[:1],)


def _for_every_item(encoder: Any, _args: Any, prefix: "Tensor") -> "Tensor":
    """Forward hook: the prefix, seen as many times as there are items."""
    return prefix.expand(encoder.items, -1, -1)
