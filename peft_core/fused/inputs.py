"""What the base reads in a pass that runs share: their texts, and the virtual tokens that some have in front."""

from typing import Any

import torch
from torch import nn

from peft_core.fused.layout import Layout
from peft_core.task import Batch


def stacked(layout: Layout, pad_token_id: int) -> Batch:
    """The inputs of all turns, one under the other: short texts padded, and short batches filled up with their first
    row again, which no loss reads."""
    fill = {"input_ids": pad_token_id, "attention_mask": 0, "token_type_ids": 0}
    found: dict[str, list[torch.Tensor]] = {}
    for turn in layout.turns:
        for name, tensor in turn.inputs.items():
            wide = nn.functional.pad(tensor, (0, layout.length - turn.length), value=fill[name])
            short = layout.rows - turn.rows
            found.setdefault(name, []).append(torch.cat([wide, wide[:1].expand(short, -1)]) if short else wide)
    return {name: torch.cat(tensors) for name, tensors in found.items()}


def with_virtual_tokens(layout: Layout, given: Batch, transformer: Any) -> dict[str, Any]:
    """What the transformer is given where some of the rows have prompts or prefixes."""
    if not layout.prompt + layout.prefix:
        return dict(given)
    front = _front_mask(layout, given["attention_mask"])
    found: dict[str, Any] = given | {"attention_mask": torch.cat([front, given["attention_mask"]], dim=1)}
    if layout.uneven:
        # Each row counts from its own first virtual token.
        counted = torch.arange(-layout.prompt, layout.length, device=front.device)
        own = front.sum(dim=1, keepdim=True)
        found["position_ids"] = (counted + own).clamp(min=0) + _first_position(transformer)
    if layout.prompt:
        embedded = transformer.get_input_embeddings()(found.pop("input_ids"))
        found["inputs_embeds"] = torch.cat([_prompts(layout, embedded), embedded], dim=1)
        if "token_type_ids" in given:
            segments = given["token_type_ids"]
            found["token_type_ids"] = torch.cat([segments.new_zeros(len(segments), layout.prompt), segments], dim=1)
    if layout.prefix:
        found["past_key_values"] = _prefixes(layout)
    return found


def _front_mask(layout: Layout, mask: torch.Tensor) -> torch.Tensor:
    """1 where a row has a virtual token of its own, (rows, prefix + prompt)."""
    rows = []
    for block in layout.blocks:
        graft = block.graft
        prefix = [0] * (layout.prefix - graft.prefix_length) + [1] * graft.prefix_length
        prompt = [0] * (layout.prompt - graft.prompt_length) + [1] * graft.prompt_length
        rows.append(mask.new_tensor(prefix + prompt).expand(block.runs * layout.rows, -1))
    return torch.cat(rows)


def _prompts(layout: Layout, embedded: torch.Tensor) -> torch.Tensor:
    """The virtual tokens of every row, (rows, prompt, width), zeros where it has fewer."""
    pieces = []
    for block in layout.blocks:
        prompts = block.graft.prompts
        own = embedded.new_zeros(block.runs, 0, embedded.shape[-1]) if prompts is None else prompts()
        own = nn.functional.pad(own.to(embedded.dtype), (0, 0, layout.prompt - own.shape[1], 0))
        pieces.append(own.repeat_interleave(layout.rows, dim=0))
    return torch.cat(pieces)


def _prefixes(layout: Layout) -> Any:
    """The keys and values in front of every row's own, as the base's attention reads them."""
    from transformers import DynamicCache

    of_blocks = [block.graft.prefixes() if block.graft.prefixes else None for block in layout.blocks]
    sample = next(found[0] for found in of_blocks if found is not None)
    cache = DynamicCache()
    for layer in range(len(sample)):
        keys, values = (_prefix_of_layer(layout, of_blocks, sample, layer, kind) for kind in (0, 1))
        cache.update(keys, values, layer)
    return cache


def _prefix_of_layer(layout: Layout, of_blocks: list[Any], sample: Any, layer: int, kind: int) -> torch.Tensor:
    pieces = []
    for block, found in zip(layout.blocks, of_blocks, strict=True):
        if found is None:
            _, heads, _, width = sample[layer][kind].shape
            pieces.append(sample[layer][kind].new_zeros(block.runs * layout.rows, heads, layout.prefix, width))
            continue
        own = torch.cat([of_run[layer][kind] for of_run in found])
        own = nn.functional.pad(own, (0, 0, layout.prefix - own.shape[2], 0))
        pieces.append(own.repeat_interleave(layout.rows, dim=0))
    return torch.cat(pieces)


def _first_position(transformer: Any) -> int:
    """What a base counts its positions from: RoBERTa and its like leave the first ones to padding."""
    tables = (module for path, module in transformer.named_modules() if path.endswith("position_embeddings"))
    padding = getattr(next(tables, None), "padding_idx", None)
    return 0 if padding is None else padding + 1
