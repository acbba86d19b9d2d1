"""The contract of a kind of task: one file in `peft_core/tasks`, found by its file name, which is its key."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from peft_core.catalogue import discover, pick
from peft_core.data import Item, Row
from peft_core.dataset_records import Cell
from peft_core.errors import InvalidDataset, NotOffered
from peft_core.metric import Quantity
from peft_core.model_shape import ModelShape
from peft_core.spec import Columns, Frozen, TaskSpec
from peft_core.splits import SplitRows

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

Batch = dict[str, "Tensor"]
Head = Literal["sequence", "token", "choice", "none"]

MODEL_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What of a batch the model reads; all else is for the task's own loss and answers."""


class Column(Frozen):
    """A column that a kind of task reads, as the form asks for it."""

    role: Literal["text", "label", "pair", "choices", "group"]
    title: str
    meaning: str
    required: bool = True


class Score(Protocol):
    """What a study is judged by: enough to show and compare a headline score, whoever took it. Every kind of task is
    one; so is a `PublishedScore`."""

    @property
    def headline(self) -> str: ...
    @property
    def better(self) -> Literal["higher", "lower"]: ...
    @property
    def quantity(self) -> Quantity: ...
    @property
    def score_meaning(self) -> str: ...
    @property
    def chance_level(self) -> float | None: ...


class PublishedScore(Frozen):
    """The headline score of results that were taken elsewhere, of a task that need not be one that we can train."""

    headline: str
    better: Literal["higher", "lower"]
    quantity: Quantity
    score_meaning: str
    chance_level: float | None = None


class Task:
    """A kind of task: what it reads, which head the base gets, what the loss is, and how an item is scored.

    Every item's score is a number whose mean over the test split is the headline figure, so that two methods can be
    compared item by item.
    """

    title: ClassVar[str]
    headline: ClassVar[str]
    """The headline score, as it heads a column ("accuracy")."""
    better: ClassVar[Literal["higher", "lower"]] = "higher"
    quantity: ClassVar[Quantity] = "fraction"
    score_meaning: ClassVar[str]
    chance_level: ClassVar[float | None] = None
    """What answering without having learned anything scores, the same on every dataset; None: it depends on it."""
    columns: ClassVar[tuple[Column, ...]]
    language_model: ClassVar[bool] = False
    """True: the base model's own output layer answers and there is no task head."""
    head: ClassVar[Head] = "sequence"
    """What transformers puts beside the base: one answer for a text, for each token, or for each choice."""

    # -- before a run: no torch --------------------------------------------------------------------------------------

    @classmethod
    def check(cls, shape: ModelShape) -> None:
        """Raises NotOffered where this base model cannot do this kind of task."""

    @classmethod
    def outputs(cls, labels: int) -> int:
        """How many numbers the task head gives for each answer, of a task with so many classes or choices."""
        return labels

    @classmethod
    def texts(cls, labels: int) -> int:
        """How many texts the model reads for one item, of a task with so many classes or choices."""
        return 1

    @classmethod
    def check_columns(cls, columns: Columns) -> None:
        """Raises InvalidDataset where a column that this kind needs is not named, or one is named for two things."""
        named = columns.model_dump()
        for column in cls.columns:
            if column.required and not named[column.role]:
                raise InvalidDataset(f"{cls.title} needs a {column.role} column: {column.meaning}")
        listed = [columns.text, columns.label, columns.pair, *columns.choices]
        found = [name for name in listed if name is not None]
        twice = next((name for name in found if found.count(name) > 1), None)
        if twice is not None:
            raise InvalidDataset(f"Column {twice[:40]!r} is named for two things. Choose a column of its own for each.")

    @classmethod
    def read_row(cls, index: int, record: Mapping[str, Cell], columns: Columns) -> Row:
        """One record as a row; raises ValueError with what is wrong ("column 'label' is empty")."""
        raise NotImplementedError

    @classmethod
    def labels(cls, rows: Sequence[Row], columns: Columns) -> tuple[str, ...]:
        """The classes of a dataset, sorted; raises InvalidDataset where they make no task of this kind."""
        return ()

    @classmethod
    def stratum(cls, row: Row) -> str:
        """The class of a row, of which every split needs some; one for all where a kind has no classes."""
        return ""

    @classmethod
    def strata(cls, rows: Sequence[Row]) -> list[str]:
        """A name for each row; rows of one name are shared out over the splits in proportion. The classes, if any."""
        return [cls.stratum(row) for row in rows]

    @classmethod
    def check_splits(cls, rows: SplitRows) -> None:
        """Raises InvalidDataset where these splits cannot be learned from or scored (targets that are all the same)."""

    # -- during a run: torch is loaded -------------------------------------------------------------------------------

    @classmethod
    def load_model(cls, spec: TaskSpec, folder: str, **options: Any) -> "nn.Module":
        """The base model with what this task puts on top of it; `options` go to `from_pretrained`."""
        raise NotImplementedError

    @classmethod
    def tokenise(
        cls, rows: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> list[Item]:
        """Each row as an item of at most `max_length` tokens."""
        raise NotImplementedError

    @classmethod
    def ask(
        cls, rows: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> "tuple[type[Task], list[Item]]":
        """What a person asks, whose right answer nobody knows, as items; and the kind of task that answers them: this
        one, unless it only scores texts. Raises NotOffered where the rows lack what this kind reads."""
        # Tokenising asks for labels, which answering does not read.
        label = spec.labels[0] if spec.labels else "0"
        labelled = [replace(row, label=label, tags=(label,) * len(row.words)) for row in rows]
        return cls, cls.tokenise(labelled, spec, tokenizer, max_length)

    @classmethod
    def facts(
        cls, train: Sequence[Row], spec: TaskSpec, tokenizer: "PreTrainedTokenizerBase", max_length: int
    ) -> dict[str, float]:
        """What answering needs to know of the training split: the mean and spread of its targets, the length of its
        responses. A run writes it into its TaskSpec, where `tokenise` finds it, and keeps it with the adapter."""
        return {}

    @classmethod
    def collate(cls, items: Sequence[Item], pad_token_id: int) -> Batch:
        """One padded batch: the model's inputs, and what the loss needs under "labels"."""
        raise NotImplementedError

    @classmethod
    def logits(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        """What the model answers to a batch, in float32: a bf16 softmax loses what the last steps train on.

        Shape (items, classes) or, for kinds that answer token by token, (items, longest, classes): virtual tokens that
        a method puts in front make the model answer at more positions, of which the last `longest` are the batch's.
        """
        answer: Tensor = model(**{name: batch[name] for name in MODEL_INPUTS if name in batch}).logits
        return answer.float()

    @classmethod
    def loss(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        """Mean loss over what a batch asks, items or predicted tokens; pad and virtual tokens never count."""
        raise NotImplementedError

    @classmethod
    def loss_weight(cls, batch: Batch) -> float:
        """Over how many things `loss` took its mean: items, or predicted tokens."""
        return float(len(batch["labels"]))

    @classmethod
    def answers(cls, model: "nn.Module", batch: Batch) -> list[Any]:
        """What the model answers to each item, in the batch's order; JSON-able."""
        raise NotImplementedError

    @classmethod
    def probabilities(cls, model: "nn.Module", batch: Batch) -> list[list[float]] | None:
        """What the model gives to each class or choice, for each item; None for kinds that answer otherwise."""
        return None

    @classmethod
    def options(cls, spec: TaskSpec) -> tuple[str, ...]:
        """What `probabilities` are of, in their order."""
        return spec.labels

    @classmethod
    def read_answers(cls, items: Sequence[Item], answers: Sequence[Any]) -> list[Any]:
        """The model's answers to `items` in the dataset's own terms (tokens as text), as they are scored and shown."""
        return list(answers)

    @classmethod
    def untuned_answers(cls, train: Sequence[Item], items: Sequence[Item]) -> list[Any] | None:
        """What a model that learned nothing answers (the majority class); None: the base model itself is asked."""
        raise NotImplementedError

    @classmethod
    def scores(cls, items: Sequence[Item], answers: Sequence[Any]) -> tuple[float, ...]:
        """Each item's score; their mean is the headline figure."""
        raise NotImplementedError

    @classmethod
    def decisions(cls, items: Sequence[Item], answers: Sequence[Any]) -> list[tuple[Any, Any]]:
        """(target, answer) of every single decision: one for each item, or for each word where words are tagged."""
        return [(item.target, answer) for item, answer in zip(items, answers, strict=True)]

    @classmethod
    def show(cls, answer: Any, spec: TaskSpec) -> str:
        """An answer as a person reads it."""
        return str(answer)


def check_length(shape: ModelShape, max_length: int) -> None:
    """Raises NotOffered where items of `max_length` tokens are longer than what the base model can read."""
    if max_length > shape.max_positions:
        raise NotOffered(
            f"This base model reads {shape.max_positions} tokens at most and items may have {max_length}. Lower"
            " max_length."
        )


def sign(kind: Score) -> float:
    """1 where a higher headline is better, -1 where a lower one is: scores times this are always better when higher."""
    return 1.0 if kind.better == "higher" else -1.0


def tasks() -> dict[str, type[Task]]:
    """Every kind of task by key."""
    import peft_core.tasks

    return discover(peft_core.tasks, Task)


def task_kind(name: str) -> type[Task]:
    """The kind of task called `name`, or UnknownName."""
    return pick(tasks(), name, "kind of task")
