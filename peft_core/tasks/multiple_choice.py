"""Multiple choice: which of two to twenty-six answers belongs to a text.

Every answer has a column of its own. The label names the right one in any of three ways: by its letter (A is the first
column, case does not matter), by its place counted from 0, or by its column's name. A label that would mean two
different answers is refused.
"""

import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.data import Item, Row, plain_row
from peft_core.dataset_records import Cell
from peft_core.errors import InvalidDataset, NotOffered
from peft_core.model_shape import ModelShape
from peft_core.spec import Columns, TaskSpec
from peft_core.task import Batch, Column, Head, Task
from peft_core.tasks._architectures import MULTIPLE_CHOICE
from peft_core.tasks._loading import load_with_head
from peft_core.tasks._sequence import pad, tokenise_texts

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

LETTERS = string.ascii_uppercase


@dataclass(frozen=True)
class Choice:
    """Which choice is right, counted from 0, and how many of the item's tokens each choice takes."""

    right: int
    lengths: tuple[int, ...]


class MultipleChoice(Task):
    title: ClassVar[str] = "Multiple choice"
    headline: ClassVar[str] = "accuracy"
    score_meaning: ClassVar[str] = "Share of test items whose right answer gets the highest score."
    columns: ClassVar[tuple[Column, ...]] = (
        Column(role="text", title="Question", meaning="What the model reads before each answer."),
        Column(role="choices", title="Answers", meaning="A column for each answer: 2 to 26 of them."),
        Column(role="label", title="Right answer", meaning="Its letter (A first), its place from 0, or its column."),
    )
    head: ClassVar[Head] = "choice"

    @classmethod
    def outputs(cls, labels: int) -> int:
        return 1

    @classmethod
    def texts(cls, labels: int) -> int:
        return labels

    @classmethod
    def check(cls, shape: ModelShape) -> None:
        if shape.model_type not in MULTIPLE_CHOICE:
            raise NotOffered(
                f"Multiple choice is not offered for {shape.model_type} models: transformers has no such head for them."
                " Choose another base model, for example a BERT, RoBERTa or ModernBERT, or ask a decoder as generation."
            )

    @classmethod
    def check_columns(cls, columns: Columns) -> None:
        super().check_columns(columns)
        if not 2 <= len(columns.choices) <= len(LETTERS):
            raise InvalidDataset(f"Multiple choice reads 2 to 26 columns of answers, not {len(columns.choices)}.")

    @classmethod
    def read_row(cls, index: int, record: Mapping[str, Cell], columns: Columns) -> Row:
        row = plain_row(index, record, columns)
        return replace(row, label=str(_right_choice(row.label, columns)))

    @classmethod
    def load_model(cls, spec: TaskSpec, folder: str, **options: Any) -> "nn.Module":
        return load_with_head("AutoModelForMultipleChoice", folder, **options)

    @classmethod
    def tokenise(
        cls, rows: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> list[Item]:
        """The text with each answer, one after the other; each is cut at `max_length`."""
        items = []
        for row in rows:
            asked = [Row(row.index, row.text, pair=choice) for choice in row.choices]
            read = tokenise_texts(asked, lambda _: None, tokenizer, max_length)
            target = Choice(int(row.label), tuple(len(one.tokens) for one in read))
            tokens = tuple(token for one in read for token in one.tokens)
            items.append(Item(row.index, tokens, target, tuple(segment for one in read for segment in one.segments)))
        return items

    @classmethod
    def collate(cls, items: Sequence[Item], pad_token_id: int) -> Batch:
        """Inputs (items, choices, longest), labels (items)."""
        import torch

        choices = len(items[0].target.lengths)
        flat = pad([one for item in items for one in _apart(item)], pad_token_id)
        inputs = {name: tensor.view(len(items), choices, -1) for name, tensor in flat.items()}
        return inputs | {"labels": torch.tensor([item.target.right for item in items])}

    @classmethod
    def loss(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        import torch

        return torch.nn.functional.cross_entropy(cls.logits(model, batch), batch["labels"])

    @classmethod
    def answers(cls, model: "nn.Module", batch: Batch) -> list[Any]:
        """The place of the chosen answer, counted from 0."""
        predicted: list[int] = cls.logits(model, batch).argmax(dim=-1).tolist()
        return predicted

    @classmethod
    def probabilities(cls, model: "nn.Module", batch: Batch) -> list[list[float]] | None:
        shares: list[list[float]] = cls.logits(model, batch).softmax(dim=-1).tolist()
        return shares

    @classmethod
    def options(cls, spec: TaskSpec) -> tuple[str, ...]:
        return spec.choices

    @classmethod
    def untuned_answers(cls, train: Sequence[Item], items: Sequence[Item]) -> list[Any] | None:
        """The place that is most often right in the training split; the first of equal ones."""
        counts = Counter(item.target.right for item in train)
        return [min(counts, key=lambda place: (-counts[place], place))] * len(items)

    @classmethod
    def scores(cls, items: Sequence[Item], answers: Sequence[Any]) -> tuple[float, ...]:
        return tuple(float(answer == item.target.right) for item, answer in zip(items, answers, strict=True))

    @classmethod
    def decisions(cls, items: Sequence[Item], answers: Sequence[Any]) -> list[tuple[Any, Any]]:
        return [(item.target.right, answer) for item, answer in zip(items, answers, strict=True)]

    @classmethod
    def show(cls, answer: Any, spec: TaskSpec) -> str:
        return spec.choices[int(answer)]


def _apart(item: Item) -> list[Item]:
    """One item for each choice."""
    found, start = [], 0
    for length in item.target.lengths:
        found.append(Item(item.index, item.tokens[start : start + length], None, item.segments[start : start + length]))
        start += length
    return found


def _right_choice(label: str, columns: Columns) -> int:
    """The place of the answer that a label names. Raises ValueError for none, and for two."""
    readings = {columns.choices.index(label)} if label in columns.choices else set()
    letters = LETTERS[: len(columns.choices)]
    if len(label) == 1 and label.upper() in letters:
        readings.add(letters.index(label.upper()))
    if len(label) <= 2 and label.isascii() and label.isdigit() and int(label) < len(columns.choices):
        readings.add(int(label))
    if len(readings) == 1:
        return readings.pop()
    if readings:
        meant = " or ".join(repr(columns.choices[place]) for place in sorted(readings))
        raise ValueError(f"column {columns.label!r} says {label!r}, which may mean {meant}. Rename the choice columns.")
    raise ValueError(
        f"column {columns.label!r} says {label[:40]!r}, which is no choice. Write a letter from A to {letters[-1]}, a"
        f" number from 0 to {len(letters) - 1}, or the column's name."
    )
