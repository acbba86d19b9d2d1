"""New study from an address: what is written is read again, and what does not exist is left out with a note."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.schemas import MethodEntry, RunNext, StudyDocument, TaskEntry
from app.services.base_models import list_base_models
from app.services.catalogue import list_metrics, list_presets
from app.services.tasks import list_kinds, list_tasks
from app.settings import Settings
from app.ui.launch.filling import fill
from app.ui.launch.link import case_address, preset_address, read_methods, study_address
from app.ui.launch.opening import OWN, STARTING_ROWS, Catalogues, Filling, offered_only, with_kept
from peft_core.spec import Budget, Splits

WORDS = some.text(some.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(str.strip).filter(bool)
VALUES = some.one_of(
    some.integers(-(10**9), 10**9), some.floats(allow_nan=False, allow_infinity=False), some.booleans(), WORDS
)
ENTRIES = some.builds(
    MethodEntry,
    method=WORDS,
    hyperparameters=some.dictionaries(WORDS, VALUES, max_size=4),
    learning_rates=some.none() | some.just([0.001, 0.01]),
)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Catalogues:
    """What this installation can choose from."""
    settings = Settings(home=Path(tmp_path_factory.mktemp("home")))
    presets = list_presets(settings, "minilm", "classification", Budget(epochs=3))
    return Catalogues(list_tasks(), list_kinds(), list_base_models(settings), presets, list_metrics())


def query_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))


def filled(there: Catalogues, **query: str) -> Filling:
    return fill(query, there)


# -- there and back ----------------------------------------------------------------------------------------------------


@given(entries=some.lists(ENTRIES, min_size=1, max_size=3))
def test_whatever_methods_are_written_are_read_again(entries: list[MethodEntry]) -> None:
    document = StudyDocument(name="x", methods=entries)
    read = read_methods(query_of(study_address(document))["methods"])
    assert read == [(entry.method, entry.hyperparameters, entry.learning_rates) for entry in entries]


def test_a_study_comes_back_as_it_was(there: Catalogues) -> None:
    document = StudyDocument(
        name="Tweets & more, with reference rows",
        base_model="smollm2",
        task="movies",
        budget=Budget(steps=40, batch_size=16, max_length=32, accumulation=2, gradient_checkpointing=True, patience=2),
        seeds=[3, 5],
        methods=[
            MethodEntry(method="lora", hyperparameters={"rank": 4, "alpha": 8.0}),
            MethodEntry(method="lora", hyperparameters={"rank": 8, "alpha": 16.0}),
            MethodEntry(method="adapter", hyperparameters={"bottleneck_size": 16}, learning_rates=[0.001, 0.003]),
        ],
        references=["untuned", "full"],
        device="cuda",
        priority=2,
        grid_points=3,
        tuning="halving",
        metrics=["task_performance", "peak_memory"],
    )
    form = fill(query_of(study_address(document)), there)
    assert form.notes == []
    assert (form.name, form.base_model, form.task, form.device) == (document.name, "smollm2", "movies", "cuda")
    assert form.budget == document.budget
    assert (form.seeds, form.grid, form.references) == (2, "3", ["untuned", "full"])
    assert [row["fixed"] for row in form.rows] == [{"rank": 4, "alpha": 8.0}, {"rank": 8, "alpha": 16.0}, {}]
    assert [row["label"] for row in form.rows][:2] == ["LoRA r4", "LoRA r8"]
    assert form.values == {"adapter": {"bottleneck_size": 16}}
    assert form.rows[2]["learning_rates"] == [0.001, 0.003]
    sent = with_kept({"seeds": 2, "task": "movies"}, form.kept)
    assert (sent["seeds"], sent["metrics"], sent["priority"]) == ([3, 5], document.metrics, 2)
    assert with_kept({"seeds": 3, "task": "movies"}, form.kept)["seeds"] == 3
    assert with_kept({"seeds": 0, "task": "movies"}, {})["seeds"] == 0


def test_a_dataset_of_ones_own_comes_back(there: Catalogues) -> None:
    task = TaskEntry(
        dataset="my data/mood, 2.csv",
        kind="classification",
        text="tweet (text)",
        label="mood",
        splits=Splits(train=50, validation=20, test=30, seed=4),
    )
    address = study_address(StudyDocument(name="Own", task=task, methods=[MethodEntry(method="lora")]))
    form = fill(query_of(address), there)
    assert (form.task, form.dataset) == (OWN, task.dataset)
    assert form.columns == {"text": "tweet (text)", "label": "mood"}
    assert task.splits is not None
    whole = with_kept({"seeds": 5, "task": {"dataset": task.dataset}}, form.kept)
    assert whole["task"]["splits"] == task.splits.model_dump()
    assert with_kept({"seeds": 5, "task": "tweets"}, form.kept)["task"] == "tweets"


def test_a_looked_up_case_fills_the_form_in(there: Catalogues) -> None:
    wanted = RunNext(
        base_model="minilm",
        task_kind="regression",
        train_items=5_000,
        budget=Budget(epochs=2, max_length=128),
        device="cpu",
        methods=["full", "lora"],
        references=["untuned", "full"],
    )
    form = fill(query_of(case_address(wanted)), there)
    assert (form.task, form.kind, form.device, form.budget) == (OWN, "regression", "cpu", wanted.budget)
    assert [row["method"] for row in form.rows] == ["lora"]
    assert form.told == ["Name your dataset: the case has 5,000 training items."]
    registered = fill(query_of(case_address(wanted, task="movie_ratings")), there)
    assert (registered.task, registered.told) == ("movie_ratings", [])
    unnamed = wanted.model_copy(update={"base_model": None})
    size = {"architecture": "decoder", "parameters": 1_200_000_000}
    assert "decoder, 1.20\u202fB parameters" in fill(query_of(case_address(unnamed, size=size)), there).told[0]


def test_a_preset_fills_its_rows_in(there: Catalogues) -> None:
    form = fill(query_of(preset_address("rank_sweep")), there)
    assert form.preset == "rank_sweep"
    assert {row["method"] for row in form.rows} == {"lora"}
    assert form.notes == []


# -- what is not there -------------------------------------------------------------------------------------------------


def test_no_methods_at_all_leave_the_forms_own(there: Catalogues) -> None:
    form = filled(there, methods="none", references="none")
    assert (form.rows, form.references, form.notes) == (STARTING_ROWS, [], [])


def test_an_address_that_asks_for_nothing_is_the_plain_form(there: Catalogues) -> None:
    form = filled(there)
    assert not form.linked
    assert (form.rows, form.notes, form.told, form.kept) == (STARTING_ROWS, [], [], {})


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"base_model": "nobody"}, "The base model “nobody” is not registered here; minilm is chosen."),
        ({"task": "nothing"}, "The task “nothing” is not registered here."),
        ({"kind": "astrology"}, "The kind of task “astrology” does not exist."),
        ({"preset": "best"}, "The preset “best” does not exist."),
        ({"methods": "nosuch(rank:4)"}, "The method “nosuch” does not exist."),
        ({"methods": "lora(depth:3)"}, "depth of lora “3” is no value for it; the default is."),
        ({"methods": "lora(rank:many)"}, "rank of lora “many” is no value for it; the default is."),
        ({"methods": "lora(rank:-1)"}, "rank of lora “-1” is no value for it; the default is."),
        ({"methods": "lora@40"}, "A learning rate of “LoRA r16” is not above 0 and at most 10."),
        ({"methods": "lora@fast"}, "A learning rate of “LoRA r16” is not above 0 and at most 10."),
        ({"references": "gold"}, "The reference “gold” does not exist."),
        ({"epochs": "0"}, "The budget's epochs “0” cannot be; the default is."),
        ({"steps": "1e3"}, "The budget's steps “1e3” is not a whole number."),
        ({"batch_size": "4", "accumulation": "8"}, "The budget's accumulation “8” cannot be; the default is."),
        ({"patience": "9"}, "The budget's patience “9” cannot be; the default is."),
        ({"seeds": "two"}, "The link's seeds “two” is not a whole number."),
        ({"grid": "4"}, "The grid “4” is not offered."),
        ({"device": "tpu"}, "The device “tpu” is not offered."),
        ({"metrics": "beauty"}, "The metric “beauty” does not exist."),
        (
            {"dataset": "x.csv", "splits": "9"},
            "The splits “9” are not sizes of a training, a validation and a test split.",
        ),
    ],
)
def test_what_does_not_exist_is_left_out_and_said(there: Catalogues, query: dict[str, str], said: str) -> None:
    form = fill(query, there)
    assert said in form.notes
    plain = Filling()
    assert (form.budget.epochs, form.seeds, form.grid, form.device) == (3, plain.seeds, plain.grid, plain.device)


def test_of_a_long_value_only_the_beginning_is_repeated(there: Catalogues) -> None:
    [note] = filled(there, task="x" * 5_000).notes
    assert len(note) < 120


@given(query=some.dictionaries(some.sampled_from(["methods", "seeds", "epochs", "references", "splits"]), some.text()))
def test_no_address_breaks_the_form(there: Catalogues, query: dict[str, Any]) -> None:
    form = fill(query | {"dataset": "x.csv"}, there)
    assert form.rows
    assert form.budget.batch_size == 8


def test_what_the_base_model_cannot_have_is_left_out_with_its_reason(there: Catalogues) -> None:
    form = filled(there, methods="lora,cpt")
    offered_only(form, {"lora": None, "cpt": "CPT needs a decoder."}, {"cpt": "CPT"})
    assert [row["method"] for row in form.rows] == ["lora"]
    assert form.notes == ["CPT is left out: CPT needs a decoder."]
