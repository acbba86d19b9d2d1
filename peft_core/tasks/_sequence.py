"""What the kinds of task with one answer for a whole text share: tokenising, padding, the head's loading."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from peft_core.data import Item, Row
from peft_core.task import Batch, Task
from peft_core.tasks._loading import load_with_head

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase


LENGTHS_APART = 8
"""Batches are as long as a multiple of this. For every other length oneDNN makes kernels and keeps them: 32 lengths of
short tweets take 575 MiB beside LoRA on MiniLM, 7 take 261, and what more padding costs, fewer kernels save."""


class SequenceTask(Task):
    """A kind of task whose head gives one answer for a whole text, or for two texts read together."""

    @classmethod
    def logits(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        """Shape (items, outputs)."""
        # A decoder's head reads the last token that is not its configuration's padding token, whatever the tokenizer
        # pads with.
        padding = int(model.config.pad_token_id)  # type: ignore[union-attr,arg-type]
        tokens = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, padding)
        return super().logits(model, batch | {"input_ids": tokens})


def load_sequence_model(folder: str, **options: Any) -> "nn.Module":
    """A base model with transformers' sequence classification head."""
    model = load_with_head("AutoModelForSequenceClassification", folder, **options)
    config: Any = model.config
    if config.pad_token_id is None:
        # The end token: a decoder's head skips padding wherever it stands, and any other token may end a text.
        ends = config.eos_token_id
        config.pad_token_id = (ends[0] if isinstance(ends, list) else ends) or 0
    return model


def tokenise_texts(
    rows: Sequence[Row],
    target: Callable[[Row], Any],
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
) -> list[Item]:
    """Each row's text, and its second text where it has one, cut at `max_length` tokens (the longer text first).

    A tokenizer without a token that separates two texts (most decoders') gets them on two lines.
    """
    pairs = None
    if rows and rows[0].pair:
        pairs = [row.pair if tokenizer.sep_token else f"\n{row.pair}" for row in rows]
    encoded = tokenizer([row.text for row in rows], pairs, truncation=True, max_length=max_length)
    segments = encoded.get("token_type_ids") if pairs else None
    return [
        Item(
            row.index,
            tuple(tokens),
            target(row),
            tuple(segments[i]) if segments else (),
            padded=min(-(-len(tokens) // LENGTHS_APART) * LENGTHS_APART, max_length),
        )
        for i, (row, tokens) in enumerate(zip(rows, encoded["input_ids"], strict=True))
    ]


def pad(items: Sequence[Item], pad_token_id: int) -> Batch:
    """Token ids, attention mask and (for two texts) segments, each (items, longest), padded to the right."""
    import torch

    longest = max(max(len(item.tokens), item.padded) for item in items)

    def filled(rows: Iterable[Sequence[int]], padding: int) -> "Tensor":
        return torch.tensor([[*row, *[padding] * (longest - len(row))] for row in rows])

    batch = {
        "input_ids": filled((item.tokens for item in items), pad_token_id),
        "attention_mask": filled(([1] * len(item.tokens) for item in items), 0),
    }
    if items[0].segments:
        batch["token_type_ids"] = filled((item.segments for item in items), 0)
    return batch
