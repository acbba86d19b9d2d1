"""What every kind of task keeps, on a real base model: a whole run, and answers that padding does not change."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoTokenizer
from transformers.models.auto import modeling_auto

from peft_core.data import Item, read_splits
from peft_core.deploy import as_row
from peft_core.fit import never
from peft_core.fused.group import Seat, run_together
from peft_core.metric import metrics
from peft_core.model_shape import CAUSAL_TYPES
from peft_core.run import run
from peft_core.side_by_side import BASE_ITSELF, NOTHING_LEARNED, SideBySide
from peft_core.spec import (
    Budget,
    Columns,
    Event,
    Log,
    Measurement,
    Point,
    Predictions,
    RunResult,
    RunSpec,
    Splits,
    TaskSpec,
)
from peft_core.task import Task, task_kind, tasks
from peft_core.tasks._architectures import MULTIPLE_CHOICE, TOKEN_CLASSIFICATION
from tests.peft_core.tasks.conftest import MakeTask

WORDS = ("good", "bad", "fine", "poor", "nice", "awful", "great", "dull")
SPLITS = Splits(train=12, validation=4, test=8)
LENGTH = 32


@dataclass(frozen=True)
class Example:
    """A small dataset of one kind: `record` makes the line of a number."""

    columns: Columns
    language: bool
    record: Any


def sentence(number: int) -> str:
    """Texts of many lengths, all different."""
    return f"the film {number} was " + " and ".join(WORDS[(number + step) % 8] for step in range(1 + number % 4))


EXAMPLES = {
    "classification": Example(
        Columns(text="text", label="label"),
        language=False,
        record=lambda number: {"text": sentence(number), "label": ["no", "yes", "maybe"][number % 3]},
    ),
    "sentence_pair": Example(
        Columns(text="text", pair="other", label="label"),
        language=False,
        record=lambda number: {
            "text": sentence(number),
            "other": WORDS[number % 8],
            "label": ["no", "yes"][number % 2],
        },
    ),
    "regression": Example(
        Columns(text="text", label="stars"),
        language=False,
        record=lambda number: {"text": sentence(number), "stars": 0.5 * number},
    ),
    "token_classification": Example(
        Columns(text="words", label="tags"),
        language=False,
        record=lambda number: {
            "words": sentence(number).split(),
            "tags": ["B" if word in WORDS else "O" for word in sentence(number).split()],
        },
    ),
    "multiple_choice": Example(
        Columns(text="text", choices=("one", "two", "three"), label="right"),
        language=False,
        record=lambda number: {
            "text": sentence(number),
            **{choice: WORDS[(number + place) % 8] for place, choice in enumerate(("one", "two", "three"))},
            "right": "ABC"[number % 3],
        },
    ),
    "causal_lm": Example(
        Columns(text="text"),
        language=True,
        record=lambda number: {"text": sentence(number)},
    ),
    "instruction": Example(
        Columns(text="text", label="answer"),
        language=True,
        record=lambda number: {"text": sentence(number), "answer": WORDS[number % 8]},
    ),
    "generation": Example(
        Columns(text="text", label="answer"),
        language=True,
        record=lambda number: {"text": f"{number} and 1", "answer": str(number + 1)},
    ),
}


@pytest.fixture(params=EXAMPLES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def base(kind: str, minilm: Path, decoder: Path) -> Path:
    return decoder if EXAMPLES[kind].language else minilm


@pytest.fixture
def task(kind: str, make_task: MakeTask) -> TaskSpec:
    example = EXAMPLES[kind]
    lines = "".join(json.dumps(example.record(number)) + "\n" for number in range(24))
    return make_task(kind, lines, example.columns, SPLITS, name="data.jsonl")


def test_a_run_answers_every_test_item(kind: str, base: Path, task: TaskSpec, tmp_path: Path) -> None:
    spec = RunSpec(
        run_id=1,
        purpose="report",
        base_model=base,
        base_model_sha256="",
        task=task,
        method="lora",
        hyperparameters={"rank": 4},
        learning_rate=3e-3,
        seed=0,
        budget=Budget(steps=3, batch_size=4, max_length=LENGTH, accumulation=2, evaluations=1),
        precision="fp32",
        metrics=tuple(key for key, metric in metrics(kind).items() if metric.purposes == {"report"}),
        folder=tmp_path / "run",
    )
    events: list[Event] = []
    result = run(spec, events.append)
    told = next(event for event in events if isinstance(event, Predictions))
    assert list(told.items) == sorted(row.index for row in read_splits(task, task_kind(kind)).test)
    assert len(told.predicted) == SPLITS.test
    assert all(math.isfinite(score) for score in told.scores)
    measured = {event.metric: event.value for event in events if isinstance(event, Measurement)}
    assert set(measured) == set(spec.metrics)
    assert measured["task_performance"] == pytest.approx(sum(told.scores) / SPLITS.test)
    assert result.validation_score is not None
    assert_a_person_is_answered(spec, told)


def test_runs_that_train_together_learn_what_they_learn_alone(base: Path, task: TaskSpec, tmp_path: Path) -> None:
    told: dict[Path, list[Event]] = {}

    def spec(place: int, method: str, seed: int, folder: str) -> RunSpec:
        return RunSpec(
            run_id=place,
            purpose="report",
            base_model=base,
            base_model_sha256="",
            task=task,
            method=method,
            learning_rate=3e-3,
            seed=seed,
            budget=Budget(steps=4, batch_size=5, max_length=LENGTH, evaluations=2),
            precision="fp32",
            metrics=("task_performance",),
            folder=tmp_path / folder / str(place),
        )

    runs = [("lora", 0), ("lora", 1), ("ia3", 0), ("prompt_tuning", 1)]
    together = [spec(place, method, seed, "together") for place, (method, seed) in enumerate(runs)]
    alone = [spec(place, method, seed, "alone") for place, (method, seed) in enumerate(runs)]
    for one in (*together, *alone):
        one.folder.mkdir(parents=True)
        told[one.folder] = []
    ended: list[RunResult | Exception] = []
    run_together([Seat(one, told[one.folder].append, never) for one in together], lambda _, end: ended.append(end))
    assert all(isinstance(end, RunResult) for end in ended), ended
    for one, other in zip(together, alone, strict=True):
        run(other, told[other.folder].append)
        messages = [event.message for event in told[one.folder] if isinstance(event, Log)]
        assert "trains together with 3 more of its study" in messages, messages
        for key in ("train_loss", "gradient_norm", "validation_score"):
            series = [
                [event.value for event in told[folder] if isinstance(event, Point) and event.key == key]
                for folder in (one.folder, other.folder)
            ]
            assert series[0] == pytest.approx(series[1], rel=2e-3), (one.method, key)


def assert_a_person_is_answered(spec: RunSpec, told: Predictions) -> None:
    """The test texts, asked by a person who does not know the right answers, are answered as the run answered them; a
    kind that scores texts goes on with them instead. Beside it the untuned base answers."""
    kind = task_kind(spec.task.kind)
    test = sorted(read_splits(spec.task, kind).test, key=lambda row: row.index)
    rows = [as_row(row.index, row.text or " ".join(row.words), row.pair, row.choices) for row in test]
    both = SideBySide(spec.folder)
    adapted, untuned = both.adapted(rows), both.untuned(rows)
    assert all(answer.seconds is not None and answer.seconds > 0 for answer in adapted)
    if spec.task.kind == "regression":
        assert [float(answer.text) for answer in adapted] == pytest.approx(list(map(float, told.predicted)), rel=1e-4)
    elif kind.quantity != "nats":
        assert [answer.text for answer in adapted] == list(told.predicted)
    if kind.language_model:
        assert both.base_is == BASE_ITSELF
        assert all(answer.seconds is not None for answer in untuned)
        assert not any("nats" in answer.text for answer in adapted)
    else:
        assert both.base_is == NOTHING_LEARNED
        assert {answer.seconds for answer in untuned} == {None}
        assert len({answer.text.split()[0] for answer in untuned}) == 1
    assert len(untuned) == len(rows)


def items_of(task: TaskSpec, base: Path) -> list[Item]:
    kind = task_kind(task.kind)
    rows = read_splits(task, kind).train
    tokenizer = AutoTokenizer.from_pretrained(str(base))
    facts = kind.facts(rows, task, tokenizer, LENGTH)
    return kind.tokenise(rows, task.model_copy(update={"facts": facts}), tokenizer, LENGTH)[:5]


def answered(kind: type[Task], model: nn.Module, items: Sequence[Item]) -> list[Any]:
    batch = kind.collate(items, 0)
    with torch.no_grad():
        return kind.read_answers(items, kind.answers(model, batch))


def test_neither_answers_nor_the_loss_depend_on_the_batch(kind: str, base: Path, task: TaskSpec) -> None:
    torch.manual_seed(0)
    asked, items = task_kind(kind), items_of(task, base)
    assert len({len(item.tokens) for item in items}) > 1, "some item must be padded"
    model = asked.load_model(task, str(base)).eval()
    together = answered(asked, model, items)
    alone = [answered(asked, model, [item])[0] for item in items]
    assert together == (pytest.approx(alone, rel=1e-4) if isinstance(alone[0], float) else alone)

    # A batch worked off in parts counts each part by its weight.
    whole = asked.collate(items, 0)
    parts = [asked.collate(part, 0) for part in (items[:1], items[1:4], items[4:])]
    with torch.no_grad():
        summed = sum(asked.loss(model, part).item() * asked.loss_weight(part) for part in parts)
        assert summed / asked.loss_weight(whole) == pytest.approx(asked.loss(model, whole).item(), rel=1e-4)


def test_an_answer_is_the_option_of_the_largest_probability(kind: str, base: Path, task: TaskSpec) -> None:
    torch.manual_seed(0)
    asked, items = task_kind(kind), items_of(task, base)
    model = asked.load_model(task, str(base)).eval()
    with torch.no_grad():
        found = asked.probabilities(model, asked.collate(items, 0))
    assert (found is not None) == (kind in ("classification", "sentence_pair", "multiple_choice"))
    options = asked.options(task)
    for shares, answer in zip(found or [], answered(asked, model, items), strict=found is not None):
        assert sum(shares) == pytest.approx(1)
        assert len(shares) == len(options)
        assert options[shares.index(max(shares))] == asked.show(answer, task)


@pytest.mark.parametrize("name", tasks())
def test_a_card_says_what_a_person_needs(name: str) -> None:
    card = task_kind(name)
    assert card.title
    assert card.headline
    assert card.score_meaning.endswith(".")
    assert card.columns[0].role == "text"
    assert len({column.role for column in card.columns}) == len(card.columns)
    assert all(column.title and column.meaning.endswith(".") for column in card.columns)


def test_a_head_is_offered_only_where_transformers_has_it() -> None:
    """The web process goes by tables of its own, for it does not load transformers."""
    assert set(modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES) >= TOKEN_CLASSIFICATION
    assert set(modeling_auto.MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES) >= MULTIPLE_CHOICE
    assert set(modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES) >= CAUSAL_TYPES
    assert set(modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) >= CAUSAL_TYPES
