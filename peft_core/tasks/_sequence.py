"""What the kinds of task with one answer for a whole text share: reading, tokenising, padding, the head's loading."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from peft_core.data import Item, Row

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase


def load_with_head(folder: str, **options: Any) -> "nn.Module":
    """A base model with transformers' sequence classification head, freshly initialised."""
    import torch
    from transformers import AutoModelForSequenceClassification

    # Eager attention beats sdpa at the short lengths of classification on a CPU (273 against 223 samples/s).
    defaults: dict[str, Any] = {
        "attn_implementation": "eager",
        "dtype": torch.float32,
        "local_files_only": True,
        "use_safetensors": True,
        "trust_remote_code": False,
    }
    model: nn.Module = AutoModelForSequenceClassification.from_pretrained(folder, **(defaults | options))
    if model.config.pad_token_id is None:  # type: ignore[union-attr]
        # A decoder's head reads the last real token, which it finds by looking for the padding.
        model.config.pad_token_id = 0  # type: ignore[union-attr]
    return model


def tokenise_texts(
    rows: Sequence[Row],
    target: Callable[[Row], Any],
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
) -> list[Item]:
    """Each row's text, and its second text where it has one, cut at `max_length` tokens."""
    pairs = [row.pair for row in rows] if rows and rows[0].pair else None
    encoded = tokenizer([row.text for row in rows], pairs, truncation=True, max_length=max_length)
    segments = encoded.get("token_type_ids") if pairs else None
    return [
        Item(row.index, tuple(tokens), target(row), tuple(segments[i]) if segments else ())
        for i, (row, tokens) in enumerate(zip(rows, encoded["input_ids"], strict=True))
    ]


def pad(items: Sequence[Item], pad_token_id: int) -> "dict[str, Tensor]":
    """Token ids, attention mask and (for two texts) segments, each (items, longest)."""
    import torch

    longest = max(len(item.tokens) for item in items)
    tokens = torch.full((len(items), longest), pad_token_id)
    mask = torch.zeros((len(items), longest), dtype=torch.long)
    for row, item in enumerate(items):
        tokens[row, : len(item.tokens)] = torch.tensor(item.tokens)
        mask[row, : len(item.tokens)] = 1
    batch = {"input_ids": tokens, "attention_mask": mask}
    if items[0].segments:
        segments = torch.zeros((len(items), longest), dtype=torch.long)
        for row, item in enumerate(items):
            segments[row, : len(item.segments)] = torch.tensor(item.segments)
        batch["token_type_ids"] = segments
    return batch
