"""Language modelling: a decoder learns to predict the next token of plain texts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from peft_core.data import Item, Row, plain_row
from peft_core.dataset_records import Cell
from peft_core.errors import InvalidDataset
from peft_core.spec import Columns, TaskSpec
from peft_core.task import Column, Task
from peft_core.tasks._language import Continuation, LanguageTask

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class CausalLM(LanguageTask):
    title: ClassVar[str] = "Language modelling"
    score_meaning: ClassVar[str] = (
        "Mean loss per token of the test texts, all nats over all tokens; e to its power is the perplexity."
    )
    columns: ClassVar[tuple[Column, ...]] = (
        Column(role="text", title="Text", meaning="What the model learns to go on with."),
    )

    @classmethod
    def read_row(cls, index: int, record: Mapping[str, Cell], columns: Columns) -> Row:
        return plain_row(index, record, columns)

    @classmethod
    def tokenise(
        cls, rows: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> list[Item]:
        """A text between the base's tokens for beginning and end, cut at `max_length`; all but the first token are
        predicted. A base without a token for the beginning gets the one for the end, which separated its training
        texts."""
        end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        begin = end if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        encoded = tokenizer([row.text for row in rows], add_special_tokens=False)["input_ids"]
        items = [
            Item(row.index, tuple([*begin, *tokens, *end][:max_length]), Continuation(start=1))
            for row, tokens in zip(rows, encoded, strict=True)
        ]
        for row, item in zip(rows, items, strict=True):
            if len(item.tokens) < 2:
                raise InvalidDataset(f"The text {row.text[:40]!r} has no token to predict. Remove it or lengthen it.")
        return items

    @classmethod
    def ask(
        cls, rows: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> tuple[type[Task], list[Item]]:
        """A person wants to read how the text goes on, not its loss."""
        from peft_core.tasks.generation import Generation, to_go_on

        return Generation, to_go_on([row.text for row in rows], tokenizer, max_length)
