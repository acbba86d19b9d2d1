"""Settings of the cost model for the models that its known values are worked out on."""

from collections.abc import Callable
from typing import Any

import pytest

from peft_core.analysis.cost_model.setting import Setting
from peft_core.method import build_method
from peft_core.model_config import read_config
from peft_core.spec import Budget

MakeSetting = Callable[..., Setting]

MINILM: dict[str, Any] = {
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 30_522,
    "max_position_embeddings": 512,
}


@pytest.fixture
def setting() -> MakeSetting:
    """A training step: batches of 8 texts of 64 tokens on MiniLM's config where nothing else is said."""

    def make(
        method: str = "full",
        config: dict[str, Any] | None = None,
        *,
        hyperparameters: dict[str, Any] | None = None,
        budget: dict[str, Any] | None = None,
        task_kind: str = "classification",
        labels: int = 2,
        **others: Any,
    ) -> Setting:
        base, anatomy = read_config(config or MINILM)
        return Setting(
            base=base,
            anatomy=anatomy,
            method=build_method(method, hyperparameters or {}),
            task_kind=task_kind,
            labels=labels,
            budget=Budget(**({"steps": 10, "batch_size": 8, "max_length": 64} | (budget or {}))),
            **others,
        )

    return make
