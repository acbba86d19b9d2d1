"""Token classification: a tag for every word of a sentence (named entities, parts of speech).

The text column holds the words and the label column as many tags: as lists (JSON lines, Parquet), or as text with white
space between them (CSV). A word that a tokenizer cuts into several pieces is asked at its first one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.data import Item, Row, plain_text, text_cell
from peft_core.dataset_records import Cell
from peft_core.errors import InvalidDataset, NotOffered
from peft_core.model_shape import ModelShape
from peft_core.spec import Columns, TaskSpec
from peft_core.task import Batch, Column, Head, Task
from peft_core.tasks._architectures import TOKEN_CLASSIFICATION
from peft_core.tasks._labels import class_labels
from peft_core.tasks._loading import label_names, load_with_head
from peft_core.tasks._sequence import pad

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

NOT_ASKED = -100
"""Label of a position without a question: special tokens, padding, later pieces of a word."""


@dataclass(frozen=True)
class Tagging:
    """The tag of each word, and the position of its first piece; None for a word that did not fit the length."""

    tags: tuple[int, ...]
    positions: tuple[int | None, ...]


class TokenClassification(Task):
    title: ClassVar[str] = "Token classification"
    headline: ClassVar[str] = "word accuracy"
    score_meaning: ClassVar[str] = (
        "Share of a sentence's words whose tag is predicted, averaged over the sentences. A word that the length cuts"
        " off counts as wrong."
    )
    columns: ClassVar[tuple[Column, ...]] = (
        Column(role="text", title="Words", meaning="The words of each sentence: a list, or white space between them."),
        Column(role="label", title="Tags", meaning="One tag for each word, in the same form."),
    )
    head: ClassVar[Head] = "token"

    @classmethod
    def check(cls, shape: ModelShape) -> None:
        if shape.model_type not in TOKEN_CLASSIFICATION:
            raise NotOffered(
                f"Token classification is not offered for {shape.model_type} models: transformers has no such head for"
                " them. Choose another base model, for example a BERT, RoBERTa or ModernBERT."
            )

    @classmethod
    def read_row(cls, index: int, record: Mapping[str, Cell], columns: Columns) -> Row:
        assert columns.label is not None
        words, tags = _listed(record, columns.text), _listed(record, columns.label)
        if len(words) != len(tags):
            raise ValueError(
                f"column {columns.text!r} has {len(words)} words and column {columns.label!r} {len(tags)} tags. Give"
                " each word one tag."
            )
        group = text_cell(record, columns.group) if columns.group else ""
        return Row(index, text="", words=words, tags=tags, group=group)

    @classmethod
    def labels(cls, rows: Sequence[Row], columns: Columns) -> tuple[str, ...]:
        return class_labels((tag for row in rows for tag in row.tags), columns.label)

    @classmethod
    def load_model(cls, spec: TaskSpec, folder: str, **options: Any) -> "nn.Module":
        return load_with_head("AutoModelForTokenClassification", folder, **label_names(spec.labels), **options)

    @classmethod
    def tokenise(
        cls, rows: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> list[Item]:
        """Words are joined by spaces and found again by their place in the text, which works for every tokenizer that
        tells where its pieces stand."""
        if not tokenizer.is_fast:
            raise NotOffered(
                "Token classification needs a tokenizer that tells which letters a token covers, and this base model's"
                " does not. Add its tokenizer.json, or choose another base model."
            )
        numbers = {label: number for number, label in enumerate(spec.labels)}
        texts = [" ".join(row.words) for row in rows]
        encoded = tokenizer(texts, truncation=True, max_length=max_length, return_offsets_mapping=True)
        return [
            Item(row.index, tuple(tokens), Tagging(tuple(numbers[tag] for tag in row.tags), _positions(row, spans)))
            for row, tokens, spans in zip(rows, encoded["input_ids"], encoded["offset_mapping"], strict=True)
        ]

    @classmethod
    def collate(cls, items: Sequence[Item], pad_token_id: int) -> Batch:
        """Labels (items, longest): a word's tag at its first piece, NOT_ASKED elsewhere."""
        import torch

        batch = pad(items, pad_token_id)
        labels = torch.full_like(batch["input_ids"], NOT_ASKED)
        for row, item in enumerate(items):
            for tag, position in zip(item.target.tags, item.target.positions, strict=True):
                if position is not None:
                    labels[row, position] = tag
        return batch | {"labels": labels}

    @classmethod
    def logits(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        """Shape (items, longest, tags)."""
        return super().logits(model, batch)[:, -batch["input_ids"].shape[1] :]

    @classmethod
    def loss(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        """Mean over the words of the batch."""
        import torch

        asked = batch["labels"] != NOT_ASKED
        return torch.nn.functional.cross_entropy(cls.logits(model, batch)[asked], batch["labels"][asked])

    @classmethod
    def loss_weight(cls, batch: Batch) -> float:
        """Words."""
        return float((batch["labels"] != NOT_ASKED).sum())

    @classmethod
    def answers(cls, model: "nn.Module", batch: Batch) -> list[Any]:
        """The number of a tag for each word that was asked."""
        best = cls.logits(model, batch).argmax(dim=-1)
        asked = batch["labels"] != NOT_ASKED
        return [row[wanted].tolist() for row, wanted in zip(best, asked, strict=True)]

    @classmethod
    def read_answers(cls, items: Sequence[Item], answers: Sequence[Any]) -> list[Any]:
        """A tag's number for each word; None for one that was not asked because it did not fit the length."""
        return [_by_word(item.target.positions, found) for item, found in zip(items, answers, strict=True)]

    @classmethod
    def untuned_answers(cls, train: Sequence[Item], items: Sequence[Item]) -> list[Any] | None:
        """The most frequent tag of the training words, for every word; the lowest number wins a tie."""
        counts = Counter(tag for item in train for tag in item.target.tags)
        majority = min(counts, key=lambda tag: (-counts[tag], tag))
        return [[majority] * len(item.target.tags) for item in items]

    @classmethod
    def scores(cls, items: Sequence[Item], answers: Sequence[Any]) -> tuple[float, ...]:
        right = (
            [tag == found for tag, found in zip(item.target.tags, answer, strict=True)]
            for item, answer in zip(items, answers, strict=True)
        )
        return tuple(sum(words) / len(words) for words in right)

    @classmethod
    def decisions(cls, items: Sequence[Item], answers: Sequence[Any]) -> list[tuple[Any, Any]]:
        return [
            decision
            for item, answer in zip(items, answers, strict=True)
            for decision in zip(item.target.tags, answer, strict=True)
        ]

    @classmethod
    def show(cls, answer: Any, spec: TaskSpec) -> str:
        return " ".join("–" if tag is None else spec.labels[tag] for tag in answer)


def _listed(record: Mapping[str, Cell], column: str) -> tuple[str, ...]:
    """The words or tags of a cell, none of them empty."""
    cell = record[column]
    if not isinstance(cell, list):
        return tuple(text_cell(record, column).split())
    found = []
    for place, entry in enumerate(cell, start=1):
        try:
            found.append(plain_text(entry, column))
        except ValueError:
            raise ValueError(f"column {column!r} has nothing at place {place} of its list. Fill it.") from None
    if not found:
        raise ValueError(f"column {column!r} is an empty list. Fill it or remove the line.")
    return tuple(found)


def _positions(row: Row, spans: Sequence[tuple[int, int]]) -> tuple[int | None, ...]:
    """The first token of each word of a sentence whose words are joined by single spaces. `spans` has each token's
    place in the text; special tokens cover nothing. A token that covers two words belongs to the first."""
    positions: list[int | None] = [None] * len(row.words)
    word, start = 0, 0
    for position, (first, last) in enumerate(spans):
        while word < len(row.words) and start + len(row.words[word]) <= first:
            start += len(row.words[word]) + 1
            word += 1
        if word < len(row.words) and first < last and start < last:
            positions[word] = position
            start += len(row.words[word]) + 1
            word += 1
    if all(position is None for position in positions):
        raise InvalidDataset(
            f"No word of the sentence that begins {' '.join(row.words)[:40]!r} can be asked: the tokenizer knows none"
            " of them, or the length ends before the first. Raise max_length or remove the line."
        )
    return tuple(positions)


def _by_word(positions: Sequence[int | None], found: Sequence[int]) -> list[int | None]:
    answers = iter(found)
    return [None if position is None else next(answers) for position in positions]
