"""Generation: a decoder writes the answer to a prompt, and the answer is compared with the right one.

It trains as instruction tuning does. Prompts of equal length are answered together, so that no padding stands between
a method's virtual tokens and the text: answers do not depend on the batch.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from peft_core.data import Item, Row
from peft_core.metric import Quantity
from peft_core.spec import Frozen, TaskSpec
from peft_core.task import Batch, Column
from peft_core.tasks._language import NOT_PREDICTED, predicted_tokens
from peft_core.tasks._prompt import Reader, Response, known, tokenise_prompts
from peft_core.tasks.instruction import Instruction

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

MARGIN_TOKENS = 8
"""An answer may be this much longer than the longest response of the training split."""
NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?", re.ASCII)


class Decoding(Frozen):
    """How answers are made and compared: what an exact match depends on beyond the model."""

    strategy: str = "greedy: the most probable token at each place, no sampling, no beams, no penalties"
    stop: str = "the base's end token or the chat template's end of turn"
    longest_answer: str = (
        f"the longest training response + {MARGIN_TOKENS} tokens, within the budget's length with the prompt"
    )
    comparison: str = (
        "without case and with white space collapsed; two numbers are equal where their values are (1,000 = 1000.0)"
    )


DECODING = Decoding()


@dataclass(frozen=True)
class Reference(Response):
    """A right answer. `most_tokens`: how long the model's own answer may become."""

    most_tokens: int = 0


class Generation(Instruction):
    title: ClassVar[str] = "Generation"
    headline: ClassVar[str] = "exact match"
    better: ClassVar[Literal["higher", "lower"]] = "higher"
    quantity: ClassVar[Quantity] = "fraction"
    score_meaning: ClassVar[str] = (
        "Share of test prompts whose greedily decoded answer is the right one, case and white space aside; numbers are"
        " compared by value."
    )
    chance_level: ClassVar[float | None] = 0.0
    columns: ClassVar[tuple[Column, ...]] = (
        Column(role="text", title="Prompt", meaning="What the model is asked."),
        Column(role="label", title="Answer", meaning="The one right answer; short ones suit this kind of task."),
    )

    @classmethod
    def facts(
        cls, train: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> dict[str, float]:
        """The length of the longest training response, its end included, in tokens."""
        return {"longest_response": max(map(predicted_tokens, tokenise_prompts(train, tokenizer, max_length)))}

    @classmethod
    def tokenise(
        cls, rows: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> list[Item]:
        """Without the training split's facts an answer may take all the room there is."""
        most = int(spec.facts.get("longest_response", max_length)) + MARGIN_TOKENS
        items = tokenise_prompts(rows, tokenizer, max_length)
        return [replace(item, target=_reference(item.target, min(most, item.target.room))) for item in items]

    @classmethod
    def collate(cls, items: Sequence[Item], pad_token_id: int) -> Batch:
        """With what decoding needs: the most tokens of each answer (items), and the tokens that end one."""
        import torch

        decoding = {
            "most_tokens": torch.tensor([item.target.most_tokens for item in items]),
            "stop": torch.tensor(items[0].target.stop, dtype=torch.long),
            "pad": torch.tensor(pad_token_id),
        }
        return super().collate(items, pad_token_id) | decoding

    @classmethod
    def answers(cls, model: "nn.Module", batch: Batch) -> list[Any]:
        """The tokens of each answer, greedily decoded, without the one that ends it."""
        starts = (batch["labels"] != NOT_PREDICTED).int().argmax(dim=1).tolist()
        alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row, (start, most) in enumerate(zip(starts, batch["most_tokens"].tolist(), strict=True)):
            alike[start, most].append(row)
        answers: dict[int, list[int]] = {}
        stop, pad = batch["stop"].tolist(), int(batch["pad"])
        with answering(model):
            for (start, most), rows in alike.items():
                found = _decode(model, batch["input_ids"][rows, :start], most, stop, pad)
                answers |= dict(zip(rows, found, strict=True))
        return [answers[row] for row in range(len(starts))]

    @classmethod
    def read_answers(cls, items: Sequence[Item], answers: Sequence[Any]) -> list[Any]:
        """As text."""
        return [item.target.text(tokens).strip() for item, tokens in zip(items, answers, strict=True)]

    @classmethod
    def scores(cls, items: Sequence[Item], answers: Sequence[Any]) -> tuple[float, ...]:
        """1 for the right answer, else 0."""
        return tuple(
            float(comparable(answer) == comparable(item.target.reference))
            for item, answer in zip(items, answers, strict=True)
        )

    @classmethod
    def decisions(cls, items: Sequence[Item], answers: Sequence[Any]) -> list[tuple[Any, Any]]:
        return [(item.target.reference, answer) for item, answer in zip(items, answers, strict=True)]

    @classmethod
    def show(cls, answer: Any, spec: TaskSpec) -> str:
        return str(answer)


def to_go_on(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase", max_length: int) -> list[Item]:
    """Plain texts that a model is to go on with; of a long one its last three quarters of the length."""
    begin = known(tokenizer.bos_token_id) or known(tokenizer.eos_token_id)
    stop = tuple(known(tokenizer.eos_token_id))
    items = []
    for index, tokens in enumerate(tokenizer(list(texts), add_special_tokens=False)["input_ids"]):
        given = [*begin, *tokens][-(max_length - max_length // 4) :]
        room = max_length - len(given)
        target = Reference(len(given), room=room, stop=stop, text=Reader(tokenizer), most_tokens=room)
        # Decoding begins at the first token that is to be predicted; which one stands there it does not read.
        items.append(Item(index, (*given, *given[-1:]), target))
    return items


def comparable(text: str) -> str | Decimal:
    """What of an answer is compared: its value where it is a number, else its text without case, white space collapsed.

    A number has digits, with commas between its thousands or without, and a point before decimals.
    """
    plain = " ".join(text.casefold().split())
    return Decimal(plain.replace(",", "")) if NUMBER.fullmatch(plain) else plain


def _reference(target: Response, most_tokens: int) -> Reference:
    return Reference(target.start, target.reference, target.room, target.stop, target.text, most_tokens)


def _decode(model: "nn.Module", prompts: "Tensor", most_tokens: int, stop: list[int], pad: int) -> list[list[int]]:
    """Answers to prompts (items, length) of equal length."""
    import torch
    from transformers import GenerationConfig

    config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        num_beams=1,
        max_new_tokens=most_tokens,
        eos_token_id=stop or None,
        pad_token_id=pad,
    )
    mask = torch.ones_like(prompts)
    written = model.generate(input_ids=prompts, attention_mask=mask, generation_config=config)  # type: ignore[operator]
    return [_until(tokens, stop) for tokens in written[:, prompts.shape[1] :].tolist()]


def _until(tokens: list[int], stop: list[int]) -> list[int]:
    ends = next((place for place, token in enumerate(tokens) if token in stop), len(tokens))
    return tokens[:ends]


@contextmanager
def answering(model: "nn.Module") -> Iterator[None]:
    """Without dropout and gradients; every layer's mode is put back. (The library warns that it works out positions
    by itself for virtual tokens, which is what we want.)"""
    import warnings

    import torch

    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Position ids are not supported")
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
