"""The contract of a kind of task: one file in `peft_core/tasks`, found by its file name, which is its key."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from peft_core.catalogue import discover, pick
from peft_core.data import Item, Row
from peft_core.dataset_files import Cell
from peft_core.metric import Quantity
from peft_core.model_shape import ModelShape
from peft_core.spec import Columns, Frozen, TaskSpec

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

Batch = dict[str, "Tensor"]


class Column(Frozen):
    """A column that a kind of task reads, as the form asks for it."""

    role: Literal["text", "label", "pair", "choices", "group"]
    title: str
    meaning: str
    required: bool = True


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
    columns: ClassVar[tuple[Column, ...]]
    language_model: ClassVar[bool] = False
    """True: the base model's own output layer answers and there is no task head."""

    # -- before a run: no torch --------------------------------------------------------------------------------------

    @classmethod
    def check(cls, shape: ModelShape) -> None:
        """Raises NotOffered where this base model cannot do this kind of task."""

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
        """Rows of one stratum are shared out over the splits in proportion; one stratum where a kind has no classes."""
        return ""

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
    def collate(cls, items: Sequence[Item], pad_token_id: int) -> Batch:
        """One padded batch: the model's inputs, and what the loss needs under "labels"."""
        raise NotImplementedError

    @classmethod
    def logits(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        """What the model answers to a batch, in float32: a bf16 softmax loses what the last steps train on."""
        answer: Tensor = model(**{name: tensor for name, tensor in batch.items() if name != "labels"}).logits
        return answer.float()

    @classmethod
    def loss(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        """Mean loss over the items of a batch; pad and virtual tokens never count."""
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
    def untuned_answers(cls, train: Sequence[Item], items: Sequence[Item]) -> list[Any] | None:
        """What a model that learned nothing answers (the majority class); None: the base model itself is asked."""
        raise NotImplementedError

    @classmethod
    def scores(cls, items: Sequence[Item], answers: Sequence[Any]) -> tuple[float, ...]:
        """Each item's score; their mean is the headline figure."""
        raise NotImplementedError

    @classmethod
    def show(cls, answer: Any, spec: TaskSpec) -> str:
        """An answer as a person reads it."""
        return str(answer)


def sign(kind: type[Task]) -> float:
    """1 where a higher headline is better, -1 where a lower one is: scores times this are always better when higher."""
    return 1.0 if kind.better == "higher" else -1.0


def tasks() -> dict[str, type[Task]]:
    """Every kind of task by key."""
    import peft_core.tasks

    return discover(peft_core.tasks, Task)


def task_kind(name: str) -> type[Task]:
    """The kind of task called `name`, or UnknownName."""
    return pick(tasks(), name, "kind of task")
