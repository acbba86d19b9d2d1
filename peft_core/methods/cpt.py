"""CPT: the prompt is made of training examples, whose questions are moved a little way from their own embeddings."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.errors import NotOffered
from peft_core.method import LearningRate, Paper, hyperparameter
from peft_core.methods._input_prompt import InputPromptMethod
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import Tensor

    from peft_core.data import Item
    from peft_core.methods._virtual_tokens import VirtualTokens

KINDS_WITH_ANSWERS = ("instruction", "generation")
"""Kinds of task whose training examples, as tokens, hold a question and its answer."""

WIDTH_OF_EPSILON = 2048
"""The paper states its radius for embeddings of this width; it grows with the root of the width, as in peft."""


class CPT(InputPromptMethod):
    """Trained as in the paper: after each step a moved embedding is pulled back to the ball around its own (projected
    gradient descent), answers in the context never move, and predicting them is part of the loss."""

    title: ClassVar[str] = "CPT"
    summary: ClassVar[str] = "Training examples as a prompt, moved a little"
    trains: ClassVar[str] = "How far the embeddings of a prompt made of training examples lie from their own."
    paper: ClassVar[Paper | None] = Paper(
        title="Context-aware Prompt Tuning: Advancing In-Context Learning with Adversarial Methods",
        authors="Blau et al.",
        year=2024,
        url="https://arxiv.org/abs/2410.17222",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-3, encoder=1e-3, llm=1e-3, source="not measured: a starting point below its radius"
    )
    place: ClassVar[int] = 34
    fuses: ClassVar[bool] = False

    num_virtual_tokens: int = hyperparameter(
        64,
        title="Context length",
        ge=8,
        le=4096,
        recommended=(32, 512),
        effect="Tokens of training examples in front of every text. More examples cost time and memory.",
    )
    epsilon: float = hyperparameter(
        0.1,
        title="Radius",
        ge=1e-4,
        le=10.0,
        recommended=(0.01, 1.0),
        effect="How far an embedding may move, for embeddings 2,048 wide; it grows with the root of the width.",
    )
    decay: float = hyperparameter(
        0.95,
        title="Decay",
        ge=0.0,
        le=1.0,
        recommended=(0.9, 1.0),
        effect="What the answer of each earlier example in the context weighs, against that of the one after it.",
    )

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        if task_kind not in KINDS_WITH_ANSWERS:
            raise NotOffered(
                f"CPT puts training examples in front of the text, each a question and its answer written out, and a"
                f" {task_kind} task has none. Choose instruction or generation with a decoder, or Prompt Tuning."
            )
        super().check(shape, task_kind=task_kind, max_length=max_length)

    def trainable_parameters(self, shape: ModelShape) -> int:
        """n d, those of answers included, which get no gradient."""
        return self.stored_parameters(shape)

    def label(self) -> str:
        return f"CPT {self.num_virtual_tokens}"

    def virtual_tokens(self, model: Any) -> "VirtualTokens":
        import torch

        from peft_core.methods._context import Context
        from peft_core.methods._virtual_tokens import VirtualTokens

        width = model.get_input_embeddings().embedding_dim
        moved = torch.zeros(self.num_virtual_tokens, width)
        return VirtualTokens(moved, Context(self.num_virtual_tokens, width))

    def before_training(self, model: Any, items: "Sequence[Item]") -> None:
        model.base_model.virtual_tokens.encoder.fill(items, model.get_input_embeddings())

    def penalty(self, model: Any) -> "Tensor | None":
        """The loss over the context's own answers. What stands after the context does not change them, so the base
        reads it alone, once for the whole batch."""
        tokens = model.base_model.virtual_tokens
        alone = tokens.prompt.to(model.get_input_embeddings().weight.dtype)[None]
        loss: Tensor = tokens.encoder.loss(model(inputs_embeds=alone).logits[0], self.decay)
        return loss

    def after_step(self, model: Any, step: int) -> None:
        import torch

        rows = model.base_model.virtual_tokens.rows
        radius = self.epsilon * math.sqrt(rows.shape[1] / WIDTH_OF_EPSILON)
        with torch.no_grad():
            rows.copy_(torch.renorm(rows, p=2, dim=0, maxnorm=radius))
