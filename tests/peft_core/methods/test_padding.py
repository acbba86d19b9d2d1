"""An item's answer may not depend on its neighbours in the batch, whatever a method puts into attention."""

from pathlib import Path

import pytest
import torch

from peft_core.data import Item
from peft_core.errors import NotOffered
from peft_core.method import build_method, methods
from peft_core.model_shape import read_model_shape
from peft_core.spec import TaskSpec
from peft_core.tasks.classification import Classification

SHORT = Item(0, (101, 2293, 2023, 102), 1)
LONG = Item(1, (101, *range(2000, 2040), 102), 0)


@pytest.mark.parametrize("name", list(methods()))
def test_padding_does_not_change_an_answer(name: str, minilm: Path, tweets: TaskSpec) -> None:
    method = build_method(name, {})
    try:
        method.check(read_model_shape(minilm), task_kind="classification", max_length=64)
    except NotOffered as reason:
        pytest.skip(f"not offered here: {reason}")
    torch.manual_seed(0)
    base = Classification.load_model(tweets, str(minilm))
    model = method.attach(base, task_kind="classification", total_steps=1).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.02 * torch.randn_like(parameter))
        alone, padded = (Classification.collate(items, 0) for items in ([SHORT], [SHORT, LONG]))
        answers = [
            model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[0]
            for batch in (alone, padded)
        ]
    assert torch.allclose(answers[0], answers[1], atol=1e-5)
