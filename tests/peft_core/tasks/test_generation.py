"""Generation: greedy answers, when they end, and when two answers are the same."""

from decimal import Decimal
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from peft_core.data import Item, Row
from peft_core.spec import Columns, TaskSpec
from peft_core.tasks.generation import MARGIN_TOKENS, Generation, Reference, answering, comparable
from tests.peft_core.tasks.conftest import MakeTask, text_of

COLUMNS = Columns(text="question", label="answer")
CONTENT = "question,answer\n" + "".join(f"{index} and 1,{index + 1}\n" for index in range(12))
END = 2


@pytest.fixture
def task(make_task: MakeTask) -> TaskSpec:
    return make_task("generation", CONTENT, COLUMNS)


@pytest.fixture
def model(task: TaskSpec, decoder: Path) -> nn.Module:
    return Generation.load_model(task, str(decoder)).eval()


def asked(task: TaskSpec, tokenizer: PreTrainedTokenizerBase, length: int, *rows: tuple[str, str]) -> list[Item]:
    listed = [Row(index, question, answer) for index, (question, answer) in enumerate(rows)]
    return Generation.tokenise(listed, task, tokenizer, length)


def greedy(model: nn.Module, item: Item) -> list[int]:
    """The most probable token again and again, from whole forward passes."""
    tokens = list(item.tokens[: item.target.start])
    answer: list[int] = []
    while len(answer) < item.target.most_tokens:
        with torch.no_grad():
            best = int(model(input_ids=torch.tensor([tokens])).logits[0, -1].argmax())
        if best in item.target.stop:
            break
        answer.append(best)
        tokens.append(best)
    return answer


def test_answers_are_the_most_probable_tokens(
    task: TaskSpec, model: nn.Module, bytewise: PreTrainedTokenizerBase
) -> None:
    items = asked(task, bytewise, 32, ("3 and 1", "4"), ("12 and 1", "13"), ("5 and 1", "6"))
    batch = Generation.collate(items, 0)
    answers = Generation.answers(model, batch)
    assert answers == [greedy(model, item) for item in items]
    assert [Generation.answers(model, Generation.collate([item], 0))[0] for item in items] == answers
    assert Generation.read_answers(items, answers) == [
        text_of(bytewise, found, special=False).strip() for found in answers
    ]


def test_an_answer_ends_at_a_stop_token_or_at_its_length(
    task: TaskSpec, model: nn.Module, bytewise: PreTrainedTokenizerBase
) -> None:
    told = task.model_copy(update={"facts": {"longest_response": 3}})
    (item,) = asked(told, bytewise, 32, ("3 and 1", "4"))
    assert item.target.most_tokens == 3 + MARGIN_TOKENS
    free = Generation.answers(model, Generation.collate([item], 0))[0]
    assert len(free) == 3 + MARGIN_TOKENS
    stopping = Item(0, item.tokens, Reference(item.target.start, stop=(END, free[4]), most_tokens=11))
    assert Generation.answers(model, Generation.collate([stopping], 0))[0] == free[: free.index(free[4])]


def test_an_answer_never_outgrows_the_budget_s_length(task: TaskSpec, bytewise: PreTrainedTokenizerBase) -> None:
    (item,) = asked(task, bytewise, 8, ("a question that is longer", "4"))
    assert (item.target.start, item.target.most_tokens) == (6, 2)


def test_the_longest_training_response_is_a_fact_of_the_task(task: TaskSpec, bytewise: PreTrainedTokenizerBase) -> None:
    rows = [Row(0, "a", "four"), Row(1, "b", "4")]
    assert Generation.facts(rows, task, bytewise, 32) == {"longest_response": 5}


def test_every_layer_s_mode_is_put_back(model: nn.Module) -> None:
    model.train()
    first = next(model.children()).eval()
    with answering(model):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    assert model.training
    assert not first.training


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,000", Decimal(1000)),
        ("1000.00", Decimal(1000)),
        ("+7", Decimal(7)),
        ("-0", Decimal(0)),
        ("1,00", "1,00"),
        ("1e3", "1e3"),
        ("٣", "٣"),
        ("Straße ", "strasse"),
        ("two\n  words", "two words"),
        ("$5", "$5"),
        ("", ""),
    ],
)
def test_what_of_an_answer_is_compared(text: str, value: str | Decimal) -> None:
    assert comparable(text) == value


def test_an_answer_scores_one_where_it_is_the_same(task: TaskSpec) -> None:
    items = [Item(index, (1, 2), Reference(1, text)) for index, text in enumerate(("1,000", "Paris", "你好"))]
    assert Generation.scores(items, ["1000.0", "paris ", "你 好"]) == (1.0, 1.0, 0.0)
    assert Generation.decisions(items, ["1", "2", "3"]) == [("1,000", "1"), ("Paris", "2"), ("你好", "3")]
    assert Generation.untuned_answers(items, items) is None
    assert Generation.show(" 7", task) == " 7"
