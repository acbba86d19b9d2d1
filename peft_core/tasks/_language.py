"""What the kinds of task that a language model does with its own output layer share: loading, loss, scoring."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from peft_core.data import Item
from peft_core.errors import InvalidBaseModel, NotOffered
from peft_core.metric import Quantity
from peft_core.model_shape import ModelShape
from peft_core.spec import TaskSpec
from peft_core.task import MODEL_INPUTS, Batch, Head, Task
from peft_core.tasks._loading import load_options
from peft_core.tasks._sequence import pad

if TYPE_CHECKING:
    from torch import Tensor, nn

NOT_PREDICTED = -100
"""Label of a position that is given: prompt and padding."""
MOST_LOGITS = 2**26
"""Of one forward pass that only answers (256 MiB in float32): larger batches are worked off in parts."""


@dataclass(frozen=True)
class Continuation:
    """The tokens from `start` on are predicted, those before it are given."""

    start: int


class LanguageTask(Task):
    """Predicting tokens. An item's score is its share of the split's mean token loss, so that the mean over items is
    all nats over all predicted tokens, whatever the items' lengths."""

    headline: ClassVar[str] = "token loss"
    better: ClassVar[Literal["higher", "lower"]] = "lower"
    quantity: ClassVar[Quantity] = "nats"
    language_model: ClassVar[bool] = True
    head: ClassVar[Head] = "none"

    @classmethod
    def check(cls, shape: ModelShape) -> None:
        if not shape.causal:
            raise NotOffered(
                f"{cls.title} needs a decoder, which predicts each next token, and a {shape.model_type} model is none."
                " Choose a decoder (Llama, Qwen, SmolLM, GPT-2), or another kind of task for this base model."
            )

    @classmethod
    def load_model(cls, spec: TaskSpec, folder: str, **options: Any) -> "nn.Module":
        """The base model with its own output layer. Raises InvalidBaseModel where the folder does not hold one."""
        from transformers import AutoModelForCausalLM, GenerationConfig

        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, output_loading_info=True, trust_remote_code=False, **(load_options() | options)
        )
        model, info = loaded
        if info["missing_keys"]:
            raise InvalidBaseModel(
                f"This base model lacks {min(info['missing_keys'])}, so that it cannot predict tokens. Give the folder"
                " of a whole language model, its output layer included."
            )
        # What the folder's author likes to sample with (temperature, repetition penalty) is no part of a comparison.
        model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
        found: nn.Module = model
        return found

    @classmethod
    def collate(cls, items: Sequence[Item], pad_token_id: int) -> Batch:
        """Labels (items, longest): the tokens themselves where they are predicted, NOT_PREDICTED elsewhere."""
        import torch

        batch = pad(items, pad_token_id)
        labels = torch.full_like(batch["input_ids"], NOT_PREDICTED)
        for row, item in enumerate(items):
            start = item.target.start
            labels[row, start : len(item.tokens)] = torch.tensor(item.tokens[start:])
        return batch | {"labels": labels}

    @classmethod
    def logits(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        """Shape (items, longest, vocabulary)."""
        return super().logits(model, batch)[:, -batch["input_ids"].shape[1] :]

    @classmethod
    def loss(cls, model: "nn.Module", batch: Batch) -> "Tensor":
        """Mean over the predicted tokens of the batch, in nats."""
        return token_losses(model, batch)[0].mean()

    @classmethod
    def loss_weight(cls, batch: Batch) -> float:
        """Predicted tokens."""
        return float((batch["labels"] != NOT_PREDICTED).sum())

    @classmethod
    def answers(cls, model: "nn.Module", batch: Batch) -> list[Any]:
        """The nats of each item: the sum of its token losses."""
        import torch

        items, longest = batch["labels"].shape
        size = max(1, MOST_LOGITS // (longest * _vocabulary(model)))
        nats: list[float] = []
        for start in range(0, items, size):
            part = {name: tensor[start : start + size] for name, tensor in batch.items()}
            losses, rows = token_losses(model, part)
            sums = torch.zeros(len(part["labels"]), dtype=torch.float64, device=losses.device)
            nats += sums.index_add(0, rows, losses.double()).tolist()
        return nats

    @classmethod
    def untuned_answers(cls, train: Sequence[Item], items: Sequence[Item]) -> list[Any] | None:
        """The base model itself is asked: it can predict tokens before it is adapted."""
        return None

    @classmethod
    def scores(cls, items: Sequence[Item], answers: Sequence[Any]) -> tuple[float, ...]:
        """Nats of an item over the mean number of predicted tokens of these items."""
        mean_tokens = sum(predicted_tokens(item) for item in items) / len(items)
        return tuple(nats / mean_tokens for nats in answers)

    @classmethod
    def show(cls, answer: Any, spec: TaskSpec) -> str:
        return f"{answer:.4g} nats"


def predicted_tokens(item: Item) -> int:
    """How many tokens of an item the model has to predict."""
    return len(item.tokens) - int(item.target.start)


def token_losses(model: "nn.Module", batch: Batch) -> "tuple[Tensor, Tensor]":
    """The loss of every predicted token in float32, and the row of the batch that each belongs to.

    The output layer works at the columns where some item has a question, and float32 copies are made of the asked
    positions only: logits are a vocabulary wide. Columns are counted from the end, for virtual tokens stand in front.
    """
    import torch

    labels, longest = batch["labels"], batch["labels"].shape[1]
    columns = (labels[:, 1:] != NOT_PREDICTED).any(dim=0).nonzero().squeeze(1)
    inputs = {name: batch[name] for name in MODEL_INPUTS if name in batch}
    logits = model(**inputs, logits_to_keep=columns - longest).logits
    asked = labels[:, columns + 1]
    places = asked != NOT_PREDICTED
    losses = torch.nn.functional.cross_entropy(logits[places].float(), asked[places], reduction="none")
    return losses, places.nonzero()[:, 0]


def _vocabulary(model: "nn.Module") -> int:
    return int(model.config.vocab_size)  # type: ignore[union-attr,arg-type]
