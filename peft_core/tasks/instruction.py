"""Instruction tuning: a decoder learns to write the response to a prompt; the prompt itself is not learned."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from peft_core.data import Item, Row, plain_row
from peft_core.dataset_records import Cell
from peft_core.spec import Columns, TaskSpec
from peft_core.task import Column, Task
from peft_core.tasks._language import LanguageTask
from peft_core.tasks._prompt import tokenise_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Instruction(LanguageTask):
    title: ClassVar[str] = "Instruction tuning"
    score_meaning: ClassVar[str] = (
        "Mean loss per token of the test responses, all nats over all tokens of responses; e to its power is the"
        " perplexity. Prompts count neither here nor in training."
    )
    columns: ClassVar[tuple[Column, ...]] = (
        Column(role="text", title="Prompt", meaning="What the model is asked."),
        Column(role="label", title="Response", meaning="What it should write."),
    )

    @classmethod
    def read_row(cls, index: int, record: Mapping[str, Cell], columns: Columns) -> Row:
        return plain_row(index, record, columns)

    @classmethod
    def tokenise(
        cls, rows: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> list[Item]:
        return tokenise_prompts(rows, tokenizer, max_length)

    @classmethod
    def ask(
        cls, rows: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> tuple[type[Task], list[Item]]:
        """A person wants the response itself, not its loss."""
        from peft_core.tasks.generation import Generation

        return Generation, Generation.tokenise(rows, spec, tokenizer, max_length)
