"""Prompt tuning: the embeddings of virtual tokens in front of the text, and nothing else."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from peft_core.errors import InvalidHyperparameter
from peft_core.method import LearningRate, Paper, hyperparameter
from peft_core.methods._input_prompt import InputPromptMethod
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import Tensor

    from peft_core.methods._virtual_tokens import VirtualTokens


class PromptTuning(InputPromptMethod):
    title: ClassVar[str] = "Prompt Tuning"
    summary: ClassVar[str] = "Learnt virtual tokens in front of the text"
    trains: ClassVar[str] = "The embeddings of n virtual tokens, which every text begins with."
    paper: ClassVar[Paper | None] = Paper(
        title="The Power of Scale for Parameter-Efficient Prompt Tuning",
        authors="Lester et al.",
        year=2021,
        url="https://arxiv.org/abs/2104.08691",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=1e-2,
        encoder=3e-2,
        llm=3e-2,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " others: the protocol's starting points"
        ),
    )
    place: ClassVar[int] = 33

    num_virtual_tokens: int = hyperparameter(
        20,
        title="Prompt length",
        ge=1,
        le=4096,
        recommended=(20, 100),
        effect="Virtual tokens in front of the text. Longer prompts cost time and memory like longer texts.",
    )
    init: Literal["vocabulary", "text", "random"] = hyperparameter(
        "vocabulary",
        title="Start",
        effect="Embeddings of tokens drawn from the vocabulary, of the text below, or random ones of the same spread.",
    )
    init_text: str = hyperparameter(
        "",
        title="Text to start from",
        effect="Only read where the prompt starts from a text: what the task is, in words. Repeated or cut to length.",
    )

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
        if self.init == "text" and not self.init_text.strip():
            raise InvalidHyperparameter("init_text", "init_text is empty: write the text that the prompt starts from.")

    def trainable_parameters(self, shape: ModelShape) -> int:
        """n d."""
        return self.stored_parameters(shape)

    def label(self) -> str:
        return f"Prompt {self.num_virtual_tokens}"

    def virtual_tokens(self, model: Any) -> "VirtualTokens":
        from peft_core.methods._virtual_tokens import VirtualTokens

        start = {"vocabulary": self._drawn, "text": self._written, "random": self._random}[self.init]
        return VirtualTokens(start(model))

    def _drawn(self, model: Any) -> "Tensor":
        import torch

        table = model.get_input_embeddings()
        tokens = torch.randint(table.num_embeddings, (self.num_virtual_tokens,), device=table.weight.device)
        return _embedded(table, tokens)

    def _written(self, model: Any) -> "Tensor":
        import torch
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(
            model.config.name_or_path, local_files_only=True, trust_remote_code=False
        )
        tokens = tokenizer(self.init_text, add_special_tokens=False)["input_ids"]
        repeated = [tokens[place % len(tokens)] for place in range(self.num_virtual_tokens)]
        table = model.get_input_embeddings()
        return _embedded(table, torch.tensor(repeated, device=table.weight.device))

    def _random(self, model: Any) -> "Tensor":
        """Normal, with the mean and spread of the base's own embeddings: far outside of them nothing is learned."""
        import torch

        weight: Tensor = model.get_input_embeddings().weight
        drawn = torch.randn(self.num_virtual_tokens, weight.shape[1])
        return drawn * weight.std().item() + weight.mean().item()


def _embedded(table: Any, tokens: "Tensor") -> "Tensor":
    """What the base reads for these tokens, (n, width). Called rather than indexed: some tables scale (Gemma 3)."""
    embedded: Tensor = table(tokens).detach().clone()
    return embedded
