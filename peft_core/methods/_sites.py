"""Which linear layers a bottleneck adapter follows."""

from collections.abc import Iterable
from typing import Literal

from peft_core.added_cost import AddedCost

Position = Literal["after_ffn", "after_attn", "both"]

ATTENTION_OUTPUTS = (
    ".attention.output.dense",
    ".attention.out_lin",
    ".attention.attn.o",
    ".attn.Wo",
    ".self_attn.o_proj",
)
FFN_OUTPUTS = (".output.dense", ".ffn.lin2", ".mlp.Wo", ".mlp.down_proj")
"""What models call the last projection of the two halves of a layer; BERT's attention output ends like its FFN's."""


def sites(paths: Iterable[str], position: Position) -> list[str]:
    """The linear layers that an adapter follows: the last projection of each chosen half of every layer."""
    paths = list(paths)
    attention = [path for path in paths if path.endswith(ATTENTION_OUTPUTS)]
    feed_forward = [path for path in paths if path.endswith(FFN_OUTPUTS) and path not in attention]
    return {"after_attn": attention, "after_ffn": feed_forward, "both": attention + feed_forward}[position]


def bottleneck_cost(adapters: int, width: int, bottleneck_size: int, dropout: float) -> AddedCost:
    """What so many adapters cost: h is kept, and D h in front of and behind the activation; and where there is a
    dropout, once more behind it."""
    inner = adapters * bottleneck_size
    return AddedCost(
        flops_per_token=4 * inner * width,
        kept_per_token=adapters * width + 2 * inner,
        passing_per_token=adapters * width + (inner if dropout else 0),
        dropped_per_token=inner if dropout else 0,
    )
