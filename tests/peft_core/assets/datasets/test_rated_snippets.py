"""Ratings become labels or targets; what is neutral, or not the expected download, is left out or refused."""

import csv
from pathlib import Path

import pytest

from peft_core.assets.datasets import rated_snippets
from peft_core.assets.datasets.rated_snippets import RatedSnippets, Snippets
from peft_core.errors import MissingAsset
from tests.peft_core.assets.archives import source_archive, tar_of

RATINGS = (
    "1_1\t2.5\tWell done &amp; more,\twith a tab\r\n"
    "1_2\t-0.6\tOh &amp;amp; no\r\n"
    "2_1\t0.5\tSo so\r\n"
    "2_2\t0.51\tFine\r\n"
)


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source archive whose four files hold four rated texts each, and a version that expects that."""
    files = {}
    for name in ("TWEETS", "MOVIES", "PRODUCTS", "EDITORIALS"):
        published: Snippets = getattr(rated_snippets, name)
        monkeypatch.setattr(rated_snippets, name, Snippets(published.file, 4, 3, published.of_documents))
        files[f"hutto_ICWSM_2014/{published.file}"] = RATINGS.encode()
    return source_archive(tmp_path, {"additional_resources/hutto_ICWSM_2014.tar.gz": tar_of(files)})


def test_ratings_become_labels_and_the_neutral_are_left_out(archive: Path, tmp_path: Path) -> None:
    RatedSnippets.prepare(archive, tmp_path)
    assert rows(tmp_path / "tweets.csv") == [
        ["id", "text", "label"],
        ["1_1", "Well done & more,\twith a tab", "positive"],
        ["1_2", "Oh & no", "negative"],
        ["2_2", "Fine", "positive"],
    ]


def test_sentences_of_one_document_carry_its_number(archive: Path, tmp_path: Path) -> None:
    RatedSnippets.prepare(archive, tmp_path)
    for name in ("amazon", "nyt"):
        assert [row[1] for row in rows(tmp_path / f"{name}.csv")] == ["document", "1", "1", "2"]


def test_ratings_stay_numbers_where_they_are_the_target(archive: Path, tmp_path: Path) -> None:
    RatedSnippets.prepare(archive, tmp_path)
    assert [row[2] for row in rows(tmp_path / "movie_ratings.csv")] == ["rating", "2.5", "-0.6", "0.5", "0.51"]


def test_another_number_of_texts_is_refused(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rated_snippets, "TWEETS", Snippets("tweets_GroundTruth.txt", 4_200, 3_362))
    with pytest.raises(MissingAsset, match=r"holds 4 snippets in tweets_GroundTruth.txt, not 4,200"):
        RatedSnippets.prepare(archive, tmp_path)


def test_another_number_of_clear_ratings_is_refused(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rated_snippets, "TWEETS", Snippets("tweets_GroundTruth.txt", 4, 4))
    with pytest.raises(MissingAsset, match=r"holds 3 clear ratings in tweets_GroundTruth.txt, not 4"):
        RatedSnippets.prepare(archive, tmp_path)
