"""Every registered task makes a study; what is not installed says how to fetch it; small splits warn."""

import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from app.errors import Invalid
from app.schemas import MethodEntry, StudyDocument, TaskEntry
from app.services.base_models import find_base_model, list_base_models
from app.services.callers import LOCAL
from app.services.results import study_view
from app.services.studies import create_study
from app.services.tasks import _read_dataset, find_task, list_tasks
from app.settings import Settings
from peft_core import assets
from peft_core.errors import InvalidDataset, MissingAsset
from peft_core.spec import Budget, Splits

NAMES = [task.name for source in assets.sources() for task in source.tasks()]


def document(task: str | TaskEntry, base_model: str = "minilm") -> StudyDocument:
    return StudyDocument(
        name="One of each",
        base_model=base_model,
        task=task,
        budget=Budget(steps=10),
        seeds=[0],
        methods=[MethodEntry(method="lora", learning_rates=[1e-3])],
        references=["untuned"],
    )


def small(task: str, splits: Splits) -> TaskEntry:
    """A registered task's file as a dataset of one's own with other splits."""
    asset = assets.tasks()[task]
    return TaskEntry(
        dataset=str(asset.dataset),
        kind=asset.kind,
        text=asset.columns.text,
        label=asset.columns.label,
        splits=splits,
    )


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return tmp_path / "share" / "peft-atlas"


@pytest.mark.parametrize("name", NAMES)
def test_every_registered_task_makes_a_study(engine: Engine, settings: Settings, name: str) -> None:
    if name not in assets.tasks():
        pytest.skip(f"{name} is not installed: run `make assets NAMES={name}`.")
    asset = assets.tasks()[name]
    base = "smollm2" if asset.kind == "instruction" else "minilm"
    view = study_view(engine, LOCAL, create_study(engine, settings, LOCAL, document(name, base)))
    assert (view.task_kind, view.splits) == (asset.kind, asset.splits)
    assert view.counts.queued == 2 * len(["report", "probe"])


def test_a_task_that_a_base_model_cannot_do_is_refused_with_the_reason(engine: Engine, settings: Settings) -> None:
    with pytest.raises(Invalid, match="needs a decoder") as refused:
        create_study(engine, settings, LOCAL, document("dialogues", "minilm"))
    assert refused.value.field == "base_model"


def test_cards_say_kind_source_licence_and_what_to_cite() -> None:
    cards = {card.name: card for card in list_tasks()}
    assert list(cards) == list(assets.tasks())
    tweets, dialogues = cards["tweets"], cards["dialogues"]
    assert (tweets.kind, tweets.labels, tweets.metric) == ("classification", ["negative", "positive"], "accuracy")
    assert tweets.citation is not None
    assert "ICWSM 2014" in tweets.citation
    assert (dialogues.kind, dialogues.labels, dialogues.metric) == ("instruction", [], "token loss")


def test_base_models_say_what_was_done_to_them(settings: Settings) -> None:
    (card,) = (card for card in list_base_models(settings) if card.name == "smollm2")
    assert "de-quantised from Q4_1" in card.title
    assert card.licence == "Apache-2.0"


def test_datasets_are_read_again_only_when_they_change(settings: Settings, nothing_installed: Path) -> None:
    nothing_installed.mkdir(parents=True)
    dataset = nothing_installed / "tweets.csv"
    lines = "".join(f"{n},text {n},{'positive' if n % 2 else 'negative'}\n" for n in range(1_300))
    dataset.write_text(f"id,text,label\n{lines}", encoding="utf-8")
    first = find_task(settings, "tweets")
    hits = _read_dataset.cache_info().hits
    assert find_task(settings, "tweets") == first
    assert _read_dataset.cache_info().hits == hits + 1
    dataset.write_text(f"id,text,label\n{lines}1300,one more,neutral\n1301,more,neutral\n", encoding="utf-8")
    with pytest.raises(InvalidDataset, match="'neutral' has 2"):
        find_task(settings, "tweets")


@pytest.mark.usefixtures("nothing_installed")
def test_what_is_not_installed_says_how_to_fetch_it(settings: Settings) -> None:
    with pytest.raises(MissingAsset, match="make assets NAMES=movies"):
        find_task(settings, "movies")
    with pytest.raises(MissingAsset, match="make assets NAMES=smollm2"):
        find_base_model(settings, "smollm2")
    with pytest.raises(Invalid, match="no base model 'smollm3'"):
        find_base_model(settings, "smollm3")


@pytest.mark.usefixtures("nothing_installed")
def test_a_folder_of_ones_own_may_have_the_name_of_a_model_that_was_not_fetched(settings: Settings) -> None:
    own = settings.home_folder / "models" / "smollm2"
    own.mkdir(parents=True)
    assert find_base_model(settings, "smollm2").folder == own


@pytest.mark.anyio
async def test_small_splits_warn_in_the_answer_to_the_launch(
    api: httpx.AsyncClient, engine: Engine, settings: Settings
) -> None:
    folder = settings.home_folder / "datasets"
    folder.mkdir(parents=True)
    entry = small("tweets", Splits(train=20, validation=50, test=60))
    (folder / "few.csv").write_bytes(Path(entry.dataset).read_bytes())
    body = document(entry.model_copy(update={"dataset": "few.csv"})).model_dump(mode="json")
    study = (await api.post("/api/v1/studies", json=body)).json()
    # Wilson at one half: 1.96 / (2 sqrt(50 + 1.96^2)) = .1336 and 1.96 / (2 sqrt(60 + 1.96^2)) = .1227.
    assert [warning.split(":")[0] for warning in study["warnings"]] == [
        "The validation split has 50 items",
        "The test split has 60 items",
    ]
    assert "±13.4 points" in study["warnings"][0]
    assert "±12.3 points" in study["warnings"][1]
    enough = (await api.post("/api/v1/studies", json=document("tweets").model_dump(mode="json"))).json()
    assert enough["warnings"] == []
