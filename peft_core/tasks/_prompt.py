"""Prompts and responses as tokens: the base's own chat template where its tokenizer has one, else a plain format.

Plain: the prompt, a line break, the response, and the base's token for the end; the base's token for the beginning
stands in front where it has one. Chat: the prompt is the user's turn and the response the assistant's, in the words of
the template, up to the token that ends the turn.

A prompt keeps its last three quarters of the length at most and a response is cut at what is then left, whatever the
other one's length: where a test item's prompt is cut must not depend on its response.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from peft_core.data import Item, Row
from peft_core.errors import NotOffered
from peft_core.tasks._language import Continuation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


A_RESPONSE = "\ue000"
"""Stands for a response where a template is asked what it writes after one: a character that no template holds."""


@dataclass(frozen=True)
class Response(Continuation):
    """A response from `start` on. `room` is how many tokens fit after the prompt, `stop` the tokens that end an answer,
    and `text` turns tokens into what a person reads."""

    reference: str = ""
    room: int = 0
    stop: tuple[int, ...] = ()
    text: Callable[[Sequence[int]], str] = field(default=str, compare=False, repr=False)


def tokenise_prompts(rows: Sequence[Row], tokenizer: "PreTrainedTokenizerBase", max_length: int) -> list[Item]:
    """Each row's prompt (text) and response (label) as one item; only the response is predicted."""
    chat = bool(tokenizer.chat_template)
    end = _turn_end(tokenizer) if chat else known(tokenizer.eos_token_id)
    stop = tuple({*end[-1:], *known(tokenizer.eos_token_id)})
    items = []
    for row in rows:
        prompt = _chat_prompt(row, tokenizer) if chat else _plain_prompt(row, tokenizer)
        kept = prompt[-(max_length - max_length // 4) :]
        tokens = (*kept, *_encode(tokenizer, row.label), *end)[:max_length]
        target = Response(
            start=len(kept), reference=row.label, room=max_length - len(kept), stop=stop, text=Reader(tokenizer)
        )
        items.append(Item(row.index, tokens, target))
    return items


@dataclass(frozen=True)
class Reader:
    """Tokens as text without special tokens. (An object: a copied run must not copy its tokenizer.)"""

    tokenizer: Any

    def __call__(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def __deepcopy__(self, memo: Mapping[int, Any]) -> "Reader":
        return self


def known(token: int | None) -> list[int]:
    """A special token as a list of none or one."""
    return [] if token is None else [token]


def _plain_prompt(row: Row, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    return known(tokenizer.bos_token_id) + _encode(tokenizer, f"{row.text}\n")


def _chat_prompt(row: Row, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    return _encode(tokenizer, _template(tokenizer, [{"role": "user", "content": row.text}], answering=True))


def _turn_end(tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """What the template writes after a response, up to its first special token, which ends the turn."""
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": A_RESPONSE}]
    _, found, after = _template(tokenizer, turns, answering=False).rpartition(A_RESPONSE)
    tokens = _encode(tokenizer, after) if found else []
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    ends = next((position for position, token in enumerate(tokens) if token in special), None)
    return known(tokenizer.eos_token_id) if ends is None else tokens[: ends + 1]


def _template(tokenizer: "PreTrainedTokenizerBase", turns: list[dict[str, str]], *, answering: bool) -> str:
    from jinja2 import TemplateError

    try:
        written = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=answering)
    except TemplateError as error:
        raise NotOffered(
            f"The chat template of this base model refuses a user's turn and an assistant's turn ({str(error)[:80]})."
            " Choose another base model."
        ) from None
    return str(written)


def _encode(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens
