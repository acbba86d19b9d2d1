"""Trainable tokens: the embeddings of a few chosen tokens are trained, all others stay as they are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.errors import InvalidHyperparameter, NotOffered
from peft_core.method import Capabilities, Family, LearningRate, Paper, hyperparameter
from peft_core.methods._embedding import embedding_width
from peft_core.methods._peft import PeftMethod, merge_into_base, without_warning
from peft_core.methods._tensors import WEIGHTS
from peft_core.model_shape import ModelShape
from peft_core.special_tokens import read_special_tokens

if TYPE_CHECKING:
    from torch import nn

SPECIAL = "special"


class TrainableTokens(PeftMethod):
    title: ClassVar[str] = "Trainable tokens"
    family: ClassVar[Family] = "selective"
    summary: ClassVar[str] = "The embeddings of a few tokens only"
    trains: ClassVar[str] = "The rows of the token table that belong to the chosen tokens, in copies beside the table."
    paper: ClassVar[Paper | None] = Paper(
        title="Trainable Tokens, a method of the peft library without a paper",
        authors="Hugging Face",
        year=2025,
        url="https://huggingface.co/docs/peft/package_reference/trainable_tokens",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-2,
        encoder=3e-3,
        llm=3e-3,
        source=("small: MiniLM on tweets, 150 steps, two rates tried on validation; others: not measured"),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 43

    tokens: str = hyperparameter(
        SPECIAL,
        title="Tokens",
        effect='"special" for those that begin, end or separate the base model\'s texts ([CLS] and [SEP]), or token ids'
        ' with commas between them ("101, 102"). Only tokens that occur in the data learn anything.',
    )

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
        if "shared.weight" in shape.tensors:
            raise NotOffered(
                f"{self.title} is not offered for {shape.model_type} models: encoder and decoder read their shared"
                " token table each by itself, past the trained rows. Choose Prompt Tuning."
            )
        highest = max(self._chosen(shape.special_tokens, shape.model_type))
        if highest >= shape.vocabulary_size:
            raise InvalidHyperparameter(
                "tokens", f"tokens names {highest}: the base model's tokens end at {shape.vocabulary_size - 1}."
            )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """k d for k tokens. A row that is shared with the output layer counts once."""
        return len(self._chosen(shape.special_tokens, shape.model_type)) * embedding_width(shape)

    def label(self) -> str:
        return self.title if self.tokens == SPECIAL else f"{self.title} {self.tokens}"

    def _chosen(self, special: tuple[int, ...], model_type: str) -> tuple[int, ...]:
        """The ids, ascending, each once. Raises InvalidHyperparameter for what is no list of ids, NotOffered where the
        base model's files name no special tokens."""
        if self.tokens != SPECIAL:
            return _listed(self.tokens)
        if not special:
            raise NotOffered(
                f"{self.title}: the files of this {model_type} model do not say which its special tokens are. Write the"
                " ids of the tokens to train, with commas between them."
            )
        return special

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        from peft import TrainableTokensConfig

        base: Any = model.config
        special = read_special_tokens(Path(base.name_or_path))
        return TrainableTokensConfig(task_type=task_type, token_indices=list(self._chosen(special, base.model_type)))

    def save(self, model: "nn.Module", folder: Path) -> None:
        """As peft, but rows that the output layer shares once and not under both names."""
        from safetensors.torch import load_file, save_file

        super().save(model, folder)
        tied = [f"{path}." for path, module in model.named_modules() if getattr(module, "tied_adapter", None)]
        tensors = load_file(folder / WEIGHTS)
        kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(tuple(tied))}
        save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        with without_warning("Found missing adapter keys"):
            return super().load(model, folder, task_kind=task_kind)

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        return merge_into_base(model)


def _listed(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise InvalidHyperparameter(
            "tokens", f"tokens is {text[:40]!r}: write {SPECIAL!r}, or token ids with commas between them (101, 102)."
        )
    return tuple(sorted({int(part) for part in parts}))
