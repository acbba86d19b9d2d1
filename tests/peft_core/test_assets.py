"""The default base model and task: found offline, fetched once, refused where they are not what they should be."""

import csv
import io
import os
import sys
import tarfile
from pathlib import Path

import pytest

from peft_core import assets
from peft_core.data import read_rows, without_duplicates
from peft_core.errors import MissingAsset
from peft_core.model_shape import read_model_shape
from peft_core.tasks.classification import Classification


@pytest.fixture
def no_tweets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a Python environment into which no dataset was fetched."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return tmp_path


def archive_of(folder: Path, ratings: str) -> Path:
    """A source archive with `ratings` as its tweets, built as the published one is."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        add(archive, f"hutto_ICWSM_2014/{assets.TWEETS_FILE}", ratings.encode())
    path = folder / "source.tar.gz"
    with tarfile.open(path, mode="w:gz") as archive:
        add(archive, f"vaderSentiment-3.3.2/{assets.TWEETS_ARCHIVE}", inner.getvalue())
    return path


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def test_minilm_is_a_base_model() -> None:
    shape = read_model_shape(assets.base_models()["minilm"].folder)
    assert (shape.model_type, shape.layers, shape.hidden_size) == ("bert", 6, 384)
    assert shape.parameters == pytest.approx(22.7e6, rel=0.01)


def test_tweets_are_two_classes_and_enough_for_the_splits() -> None:
    task = assets.tasks()["tweets"]
    rows = read_rows(task.dataset, kind=Classification, columns=task.columns)
    assert len(rows) == assets.TWEETS
    assert {row.label for row in rows} == {"negative", "positive"}
    assert task.splits.train + task.splits.validation + task.splits.test <= len(without_duplicates(rows))


def test_tweets_are_plain_text() -> None:
    task = assets.tasks()["tweets"]
    rows = read_rows(task.dataset, kind=Classification, columns=task.columns)
    assert not [row.text for row in rows if "&amp;" in row.text or "&lt;" in row.text or "\t" in row.text]


@pytest.mark.usefixtures("no_tweets")
def test_what_is_missing_names_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingAsset, match="make setup"):
        assets.base_models()
    with pytest.raises(MissingAsset, match="make setup"):
        assets.tasks()


def test_fetching_again_leaves_everything_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = assets.tasks()["tweets"].dataset
    before = dataset.stat()
    # With no index to ask, anything that were fetched would fail.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assets.fetch()
    assert dataset.stat() == before


def test_a_fetch_that_fails_says_what_to_check(no_tweets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(MissingAsset, match=r"pip could not fetch vaderSentiment==3\.3\.2"):
        assets.fetch()
    assert not (no_tweets / "share").exists()


def test_ratings_become_labels_and_the_neutral_are_left_out(
    no_tweets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = "1\t2.5\tWell done &amp; more,\twith a tab\n2\t-0.6\tOh no\n3\t0.5\tSo so\n4\t0.51\tFine\n"
    monkeypatch.setattr(assets, "TWEETS", 3)
    assets._write_tweets(assets._clear_tweets(assets._read_ratings(archive_of(tmp_path, ratings))))
    with (no_tweets / "share" / "peft-atlas" / "tweets.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["id", "text", "label"],
            ["1", "Well done & more,\twith a tab", "positive"],
            ["2", "Oh no", "negative"],
            ["4", "Fine", "positive"],
        ]


def test_another_number_of_tweets_is_refused_and_nothing_written(no_tweets: Path, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, "1\t2.5\tWell done\n")
    with pytest.raises(MissingAsset, match="holds 1 tweets with a clear rating, not 3362"):
        assets._write_tweets(assets._clear_tweets(assets._read_ratings(archive)))
    assert not (no_tweets / "share").exists()
