"""Sequence classification: one label of a fixed set for each text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.data import Item, Row, plain_row
from peft_core.dataset_records import Cell
from peft_core.spec import Columns, TaskSpec
from peft_core.task import Batch, Column
from peft_core.tasks._labels import class_labels
from peft_core.tasks._loading import label_names
from peft_core.tasks._sequence import SequenceTask, load_sequence_model, pad, tokenise_texts

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase


class Classification(SequenceTask):
    title: ClassVar[str] = "Sequence classification"
    headline: ClassVar[str] = "accuracy"
    score_meaning: ClassVar[str] = "Share of test items whose label is predicted."
    columns: ClassVar[tuple[Column, ...]] = (
        Column(role="text", title="Text", meaning="What the model reads."),
        Column(role="label", title="Label", meaning="The class of each text; two classes or more."),
    )

    @classmethod
    def read_row(cls, index: int, record: Mapping[str, Cell], columns: Columns) -> Row:
        return plain_row(index, record, columns)

    @classmethod
    def labels(cls, rows: Sequence[Row], columns: Columns) -> tuple[str, ...]:
        return class_labels((row.label for row in rows), columns.label)

    @classmethod
    def stratum(cls, row: Row) -> str:
        return row.label

    @classmethod
    def load_model(cls, spec: TaskSpec, folder: str, **options: Any) -> "nn.Module":
        return load_sequence_model(folder, **label_names(spec.labels), **options)

    @classmethod
    def tokenise(
        cls, rows: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> list[Item]:
        return tokenise_texts(rows, lambda row: spec.labels.index(row.label), tokenizer, max_length)

    @classmethod
    def collate(cls, items: Sequence[Item], pad_token_id: int) -> Batch:
        import torch

        return pad(items, pad_token_id) | {"labels": torch.tensor([item.target for item in items])}

    @classmethod
    def loss(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        import torch

        return torch.nn.functional.cross_entropy(cls.logits(model, batch), batch["labels"])

    @classmethod
    def answers(cls, model: "nn.Module", batch: Batch) -> list[Any]:
        predicted: list[int] = cls.logits(model, batch).argmax(dim=-1).tolist()
        return predicted

    @classmethod
    def probabilities(cls, model: "nn.Module", batch: Batch) -> list[list[float]] | None:
        shares: list[list[float]] = cls.logits(model, batch).softmax(dim=-1).tolist()
        return shares

    @classmethod
    def untuned_answers(cls, train: Sequence[Item], items: Sequence[Item]) -> list[Any] | None:
        """The majority class of the training items; the lowest index wins a tie."""
        counts = Counter(item.target for item in train)
        majority = min(counts, key=lambda label: (-counts[label], label))
        return [majority] * len(items)

    @classmethod
    def scores(cls, items: Sequence[Item], answers: Sequence[Any]) -> tuple[float, ...]:
        return tuple(float(answer == item.target) for item, answer in zip(items, answers, strict=True))

    @classmethod
    def show(cls, answer: Any, spec: TaskSpec) -> str:
        return spec.labels[int(answer)]
