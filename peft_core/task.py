"""The contract of a kind of task: one file in `peft_core/tasks`, found by its file name, which is its key."""

from typing import TYPE_CHECKING, ClassVar

from peft_core.catalogue import discover, pick
from peft_core.spec import TaskSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from peft_core.data import Item


class Task:
    """A kind of task: which head the base gets, what the loss is, and how an item is scored."""

    title: ClassVar[str]
    headline: ClassVar[str]
    """The headline score, as it heads a column ("accuracy")."""
    score_meaning: ClassVar[str]

    @staticmethod
    def load_model(spec: TaskSpec, folder: str) -> "nn.Module":
        """The base model with a freshly initialised head for this task."""
        raise NotImplementedError

    @staticmethod
    def collate(items: list["Item"], pad_token_id: int) -> dict[str, "Tensor"]:
        """One padded batch, labels included."""
        raise NotImplementedError

    @staticmethod
    def loss(model: "nn.Module", batch: dict[str, "Tensor"]) -> "Tensor":
        """Mean loss over the items of a batch; pad and virtual tokens never count."""
        raise NotImplementedError

    @staticmethod
    def predict(model: "nn.Module", batch: dict[str, "Tensor"]) -> list[int]:
        """The predicted class of each item."""
        raise NotImplementedError

    @staticmethod
    def untuned_prediction(train: list["Item"]) -> int:
        """What a model that learned nothing answers (the majority class)."""
        raise NotImplementedError


def tasks() -> dict[str, type[Task]]:
    """Every kind of task by key."""
    import peft_core.tasks

    return discover(peft_core.tasks, Task)


def task_kind(name: str) -> type[Task]:
    """The kind of task called `name`, or UnknownName."""
    return pick(tasks(), name, "kind of task")
