"""Multitask prompt tuning: a prompt distilled from several source tasks, adapted to a new one by a rank-one factor."""

from typing import ClassVar

from peft_core.errors import NotOffered
from peft_core.method import LearningRate, Paper, hyperparameter
from peft_core.methods._embedding import embedding_width
from peft_core.methods._input_prompt import InputPromptMethod
from peft_core.model_shape import ModelShape


class MultitaskPromptTuning(InputPromptMethod):
    """P = P* o (u v^T): a prompt P* that all tasks share, times a low-rank matrix of the task's own."""

    title: ClassVar[str] = "Multitask Prompt Tuning"
    summary: ClassVar[str] = "A prompt shared by tasks, times a small factor"
    trains: ClassVar[str] = "The prompt that all source tasks share, and two thin factors of the task at hand."
    paper: ClassVar[Paper | None] = Paper(
        title="Multitask Prompt Tuning Enables Parameter-Efficient Transfer Learning",
        authors="Wang et al.",
        year=2023,
        url="https://arxiv.org/abs/2303.02861",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-2, encoder=3e-2, llm=3e-2, source="as prompt tuning's; not measured"
    )
    place: ClassVar[int] = 35

    num_virtual_tokens: int = hyperparameter(
        20,
        title="Prompt length",
        ge=1,
        le=4096,
        recommended=(20, 100),
        effect="Virtual tokens in front of the text. Longer prompts cost time and memory like longer texts.",
    )
    rank: int = hyperparameter(
        1,
        title="Rank",
        ge=1,
        le=64,
        recommended=(1, 4),
        effect="Rank of the task's own factor. One is the paper's.",
    )

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        """Never offered as long as a study has one task."""
        raise NotOffered(
            "Multitask prompt tuning first distils a prompt from at least two source tasks, and a study has one task"
            " and no source tasks. Choose Prompt Tuning, which learns its prompt from this task alone."
        )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """n d of the shared prompt, n r + r d of the task's factors."""
        width = embedding_width(shape)
        return self.num_virtual_tokens * (width + self.rank) + self.rank * width

    def label(self) -> str:
        return f"Multitask prompt {self.num_virtual_tokens}"
