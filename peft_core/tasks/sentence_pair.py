"""Sentence pairs: one label of a fixed set for two texts read together (entailment, paraphrase, relevance)."""

from typing import ClassVar

from peft_core.task import Column
from peft_core.tasks.classification import Classification


class SentencePair(Classification):
    """Two texts, told apart by the tokenizer's separator and, where the base has them, by segments."""

    title: ClassVar[str] = "Sentence pair classification"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(role="text", title="First text", meaning="What the model reads first (a premise, a question)."),
        Column(role="pair", title="Second text", meaning="What it reads beside it (a hypothesis, an answer)."),
        Column(role="label", title="Label", meaning="The class of each pair; two classes or more."),
    )
