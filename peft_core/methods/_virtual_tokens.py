"""Virtual tokens in front of the embedded text, and the hooks that put them in and take their positions off again."""

import inspect
from typing import Any

import torch
from torch import nn


class VirtualTokens(nn.Module):
    """n vectors that stand before an embedded text, trained directly or made by an encoder from what is trained.

    `rows`: (n, width), in float32 whatever the base's precision. `encoder`: (n, width) -> (n, width), or None.
    """

    def __init__(self, rows: torch.Tensor, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows.float())
        self.encoder = encoder
        self.text_length = 0
        self.handles: list[torch.utils.hooks.RemovableHandle] = []

    @property
    def prompt(self) -> torch.Tensor:
        """The vectors as the base reads them, (n, width)."""
        # In float32 under autocast too, so that what is stored is what was trained.
        with torch.autocast(self.rows.device.type, enabled=False):
            made: torch.Tensor = self.rows if self.encoder is None else self.encoder(self.rows)
        return made

    def stand_before(self, base: Any) -> None:
        """Hang these tokens onto a base transformer, whose heads go on seeing the text's own positions alone."""
        base.virtual_tokens = self
        self.handles = [
            base.register_forward_pre_hook(self.put_in_front, with_kwargs=True),
            _last_before_pooling(base).register_forward_hook(self.take_off),
        ]

    def put_in_front(self, base: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Forward pre-hook of the base: embeddings of prompt and text instead of tokens, and masks as long."""
        given = dict(zip(inspect.signature(base.forward).parameters, args, strict=False)) | kwargs
        tokens = given.pop("input_ids", None)
        if tokens is None:  # Embeddings were given (CPT's context alone): they stand as they are.
            self.text_length = given["inputs_embeds"].shape[1]
            return (), given
        self.text_length = tokens.shape[1]
        embedded = base.get_input_embeddings()(tokens)
        # Decoding token by token, the prompt lies in the cache from the first pass on.
        cache = given.get("past_key_values")
        if cache is None or cache.get_seq_length() == 0:
            embedded = torch.cat([self.prompt.to(embedded.dtype).expand(len(tokens), -1, -1), embedded], dim=1)
            _lengthen(given, "token_type_ids", 0, len(self.rows))
        _lengthen(given, "attention_mask", 1, len(self.rows))
        # The base counts positions itself, from what lies in the cache and in front of the text.
        given.pop("position_ids", None)
        return (), given | {"inputs_embeds": embedded}

    def take_off(self, _module: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        """Forward hook: the positions of the text, as many as came in."""
        output.last_hidden_state = output.last_hidden_state[:, -self.text_length :]
        return output


def _last_before_pooling(base: Any) -> nn.Module:
    """What gives the hidden states of a base: itself, or its encoder where the base reads [CLS] from them."""
    found: nn.Module = base if getattr(base, "pooler", None) is None else base.encoder
    return found


def _lengthen(given: dict[str, Any], name: str, value: int, length: int) -> None:
    """Put `length` times `value` in front of every row of a tensor, where it is given."""
    tensor = given.get(name)
    if tensor is not None:
        given[name] = torch.cat([tensor.new_full((len(tensor), length), value), tensor], dim=1)


def take_away(base: Any) -> None:
    """The base without its virtual tokens, as it was before `stand_before`."""
    for handle in base.virtual_tokens.handles:
        handle.remove()
    del base.virtual_tokens
