"""CPT: which examples its prompt is made of, what of them may move and how far, and what it adds to the loss."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from peft_core.data import Item
from peft_core.method import Method, build_method
from peft_core.task import Task, task_kind
from peft_core.tasks._language import Continuation

EXAMPLES = [
    Item(0, (2, 17, 30, 41, 3), Continuation(start=3)),
    Item(1, (2, 8, 50, 3), Continuation(start=2)),
    Item(2, (2, 60, 61, 62, 63, 64, 65), Continuation(start=5)),
]


def load(folder: Path) -> Any:
    torch.manual_seed(1)
    model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    return model.eval()


@pytest.fixture
def cpt() -> Method:
    return build_method("cpt", {"num_virtual_tokens": 8, "epsilon": 0.5, "decay": 0.5})


@pytest.fixture
def context(cpt: Method, small_decoder: Path) -> Any:
    """Two examples fill eight places: the first has lost its first token."""
    model = cpt.attach(load(small_decoder), task_kind="instruction", total_steps=1)
    cpt.before_training(model, EXAMPLES)
    return model


def test_cpt_begins_as_the_training_examples_themselves(context: Any) -> None:
    table = context.get_input_embeddings().weight
    tokens = context.model.virtual_tokens
    assert torch.equal(tokens.prompt, table[[17, 30, 41, 3, 2, 8, 50, 3]])
    assert tokens.encoder.answers.tolist() == [-100, -100, 41, 3, -100, -100, 50, 3]
    assert tokens.encoder.ages.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def test_cpt_asks_for_the_answers_in_its_context_too(cpt: Method, context: Any, small_decoder: Path) -> None:
    """The mean of four losses, those of the earlier example halved."""
    with torch.no_grad():
        bare = load(small_decoder)
        logits = bare(input_ids=torch.tensor([[17, 30, 41, 3, 2, 8, 50, 3]])).logits[0].log_softmax(dim=-1)
        penalty = cpt.penalty(context)
    asked = [(1, 41, 0.5), (2, 3, 0.5), (5, 50, 1.0), (6, 3, 1.0)]
    assert penalty is not None
    assert penalty.item() == pytest.approx(-sum(w * logits[at, token].item() for at, token, w in asked) / 4, rel=1e-5)


def test_cpt_moves_questions_within_a_radius_and_answers_not_at_all(cpt: Method, context: Any) -> None:
    """Radius 0.5 sqrt(64 / 2048) = 0.0884."""
    task: type[Task] = task_kind("instruction")
    tokens = context.model.virtual_tokens
    optimizer = torch.optim.SGD(cpt.parameter_groups(context, 1e3, 1e3))
    before = tokens.prompt.detach().clone()
    loss = task.loss(context, task.collate(EXAMPLES, 1))
    penalty = cpt.penalty(context)
    assert penalty is not None
    (loss + penalty).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    cpt.after_step(context, 1)
    moved = (tokens.prompt - before).norm(dim=1)
    radius = 0.5 * (64 / 2048) ** 0.5
    assert moved[[2, 3, 6, 7]].tolist() == [0.0] * 4
    assert moved[[0, 1, 4, 5]].tolist() == pytest.approx([radius] * 4, rel=1e-4)


def test_cpt_leaves_a_prompt_that_needs_no_examples(
    cpt: Method, context: Any, small_decoder: Path, tmp_path: Path
) -> None:
    with torch.no_grad():
        context.model.virtual_tokens.rows.normal_(std=0.01)
    cpt.save(context, tmp_path)
    again = cpt.load(load(small_decoder), tmp_path, task_kind="instruction")
    tokens = torch.tensor([[2, 17, 30]])
    assert torch.equal(again(input_ids=tokens).logits, context.eval()(input_ids=tokens).logits)
