"""Regression: a number for each text, or for each pair of texts.

The head has one output. It learns targets that are standardised by the training split's mean and standard deviation,
so that its starting point and learning rate suit any unit; answers are given in the dataset's own units.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.data import Item, Row, plain_row
from peft_core.dataset_records import Cell
from peft_core.errors import InvalidDataset
from peft_core.metric import Quantity
from peft_core.spec import Columns, TaskSpec
from peft_core.splits import SplitRows
from peft_core.task import Batch, Column
from peft_core.tasks._sequence import SequenceTask, load_sequence_model, pad, tokenise_texts

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

LARGEST_TARGET = 1e100
"""Squares of larger numbers run over."""
QUANTILE_BINS = 10
"""Splits are stratified by tenths of the targets."""


@dataclass(frozen=True)
class Target:
    """What is to be predicted, in the dataset's units, and the training split's mean and standard deviation."""

    value: float
    mean: float
    deviation: float

    @property
    def standardised(self) -> float:
        return (self.value - self.mean) / self.deviation


class Regression(SequenceTask):
    title: ClassVar[str] = "Regression"
    headline: ClassVar[str] = "R²"
    quantity: ClassVar[Quantity] = "coefficient"
    score_meaning: ClassVar[str] = (
        "Share of the targets' variance that is explained: an item scores 1 - (error)^2 / (mean squared deviation of"
        " the split's targets from their mean). 1 is perfect, 0 is as good as always answering the mean."
    )
    columns: ClassVar[tuple[Column, ...]] = (
        Column(role="text", title="Text", meaning="What the model reads."),
        Column(role="pair", title="Second text", meaning="Read together with the first one.", required=False),
        Column(role="label", title="Target", meaning="The number to predict, with a point for decimals."),
    )

    @classmethod
    def outputs(cls, labels: int) -> int:
        return 1

    @classmethod
    def read_row(cls, index: int, record: Mapping[str, Cell], columns: Columns) -> Row:
        row = plain_row(index, record, columns)
        _number(row.label, columns.label)
        return row

    @classmethod
    def labels(cls, rows: Sequence[Row], columns: Columns) -> tuple[str, ...]:
        if not _spread([float(row.label) for row in rows])[1]:
            raise InvalidDataset(f"Column {columns.label!r} holds one number only. Two different ones are needed.")
        return ()

    @classmethod
    def strata(cls, rows: Sequence[Row]) -> list[str]:
        """Tenths of the targets; equal targets are in the same tenth."""
        order = sorted(range(len(rows)), key=lambda place: float(rows[place].label))
        tenth = dict.fromkeys(order[:1], 0)
        for rank, (before, place) in enumerate(pairwise(order), start=1):
            same = float(rows[before].label) == float(rows[place].label)
            tenth[place] = tenth[before] if same else rank * QUANTILE_BINS // len(rows)
        return [str(tenth[place]) for place in range(len(rows))]

    @classmethod
    def check_splits(cls, rows: SplitRows) -> None:
        for name, members in (("training", rows.train), ("validation", rows.validation), ("test", rows.test)):
            if not _spread([float(row.label) for row in members])[1]:
                raise InvalidDataset(
                    f"All targets of the {name} split are the same, so that nothing can be explained. Ask for a larger"
                    f" {name} split or another split seed."
                )

    @classmethod
    def load_model(cls, spec: TaskSpec, folder: str, **options: Any) -> "nn.Module":
        return load_sequence_model(folder, num_labels=1, problem_type="regression", **options)

    @classmethod
    def tokenise(
        cls, rows: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> list[Item]:
        """Without the training split's facts targets stay as they are."""
        mean, deviation = spec.facts.get("target_mean", 0.0), spec.facts.get("target_deviation", 1.0)
        return tokenise_texts(rows, lambda row: Target(float(row.label), mean, deviation), tokenizer, max_length)

    @classmethod
    def facts(
        cls, train: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> dict[str, float]:
        mean, variance = _spread([float(row.label) for row in train])
        return {"target_mean": mean, "target_deviation": math.sqrt(variance)}

    @classmethod
    def collate(cls, items: Sequence[Item], pad_token_id: int) -> Batch:
        """Labels (items, 3) in float64: standardised target, mean, standard deviation."""
        import torch

        labels = [[item.target.standardised, item.target.mean, item.target.deviation] for item in items]
        return pad(items, pad_token_id) | {"labels": torch.tensor(labels, dtype=torch.float64)}

    @classmethod
    def loss(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        """Mean squared error of the standardised targets."""
        import torch

        return torch.nn.functional.mse_loss(cls.logits(model, batch).squeeze(-1), batch["labels"][:, 0].float())

    @classmethod
    def answers(cls, model: "nn.Module", batch: Batch) -> list[Any]:
        """In the dataset's units."""
        _, mean, deviation = batch["labels"].unbind(dim=1)
        predicted: list[float] = (cls.logits(model, batch).squeeze(-1) * deviation + mean).tolist()
        return predicted

    @classmethod
    def untuned_answers(cls, train: Sequence[Item], items: Sequence[Item]) -> list[Any] | None:
        """The mean of the training targets."""
        return [_spread([item.target.value for item in train])[0]] * len(items)

    @classmethod
    def scores(cls, items: Sequence[Item], answers: Sequence[Any]) -> tuple[float, ...]:
        _, variance = _spread([item.target.value for item in items])
        return tuple(
            1 - (answer - item.target.value) ** 2 / variance for item, answer in zip(items, answers, strict=True)
        )

    @classmethod
    def decisions(cls, items: Sequence[Item], answers: Sequence[Any]) -> list[tuple[Any, Any]]:
        return [(item.target.value, answer) for item, answer in zip(items, answers, strict=True)]

    @classmethod
    def show(cls, answer: Any, spec: TaskSpec) -> str:
        return f"{answer:.6g}"


def _number(text: str, column: str | None) -> float:
    """The number that a target's text says. Raises ValueError for text that is none."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if "_" in text or not abs(value) <= LARGEST_TARGET:
        raise ValueError(f"column {column!r} holds {text[:40]!r}, which is no number. Write it as 12.5 or -3e4.")
    return value


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and mean squared deviation from it."""
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / len(values)
