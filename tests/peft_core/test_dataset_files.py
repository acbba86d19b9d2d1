"""Datasets of one file or of a folder: saved by the datasets library, or files named after their splits."""

import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from peft_core import dataset_files
from peft_core.dataset_files import content_sha256, read_split_records, split_of
from peft_core.errors import InvalidDataset
from tests.peft_core.datasets import cells, part, save_to_disk


def write(path: Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table({"text": list(texts)}), path)


def found(folder: Path) -> list[tuple[str, str, object]]:
    return [(split, place, cells["text"]) for split, (place, cells) in read_split_records(folder, ["text"])]


def test_parts_of_splits_one_folder_below_are_read_in_order(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train-00001-of-00002.parquet", "two")
    write(tmp_path / "data" / "train-00000-of-00002.parquet", "one")
    write(tmp_path / "data" / "test-00000-of-00001.parquet", "three")
    write(tmp_path / "data" / "unsupervised-00000-of-00001.parquet", "never")
    (tmp_path / "README.md").write_text("A dataset.")
    assert found(tmp_path) == [
        ("train", "data/train-00000-of-00002.parquet, row 1", "one"),
        ("train", "data/train-00001-of-00002.parquet, row 1", "two"),
        ("test", "data/test-00000-of-00001.parquet, row 1", "three"),
    ]


def test_files_at_the_top_come_before_those_below(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", "top")
    write(tmp_path / "data" / "train.parquet", "below")
    assert [text for _, _, text in found(tmp_path)] == ["top"]


def test_of_several_folders_none_is_chosen(tmp_path: Path) -> None:
    for name in ("cola", "sst2"):
        write(tmp_path / name / "train.parquet", name)
    with pytest.raises(InvalidDataset, match="no dataset file in the folder"):
        found(tmp_path)
    assert [text for _, _, text in found(tmp_path / "sst2")] == ["sst2"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.csv", "train"),
        ("train-00000-of-00002.parquet", "train"),
        ("dev.jsonl", "validation"),
        ("test_matched.tsv", "test"),
        ("unsupervised-00000-of-00001.parquet", None),
        ("training_notes.md", None),
        ("trainer.csv", None),
    ],
)
def test_the_split_that_a_file_holds(name: str, split: str | None) -> None:
    assert split_of(name) == split


# -- folders of the datasets library -----------------------------------------------------------------------------------


def test_a_saved_dataset_is_read_in_its_parts_order(tmp_path: Path) -> None:
    folder = save_to_disk(tmp_path / "saved", part("one", "two"), part("three", label=0))
    assert cells(folder) == [
        {"text": "one", "label": "good"},
        {"text": "two", "label": "good"},
        {"text": "three", "label": "bad"},
    ]
    assert found(folder)[2] == ("", "data-00001-of-00002.arrow, row 1", "three")


def test_saved_splits_keep_their_records(tmp_path: Path) -> None:
    root = tmp_path / "saved"
    for name, texts in (("test", ["t"]), ("train", ["a", "b"]), ("dev", ["v"]), ("unsupervised", ["u"])):
        save_to_disk(root / name, part(*texts))
    (root / "dataset_dict.json").write_text(json.dumps({"splits": ["test", "train", "dev", "unsupervised"]}))
    assert [(split, text) for split, _, text in found(root)] == [
        ("train", "a"),
        ("train", "b"),
        ("validation", "v"),
        ("test", "t"),
    ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"notes.txt": ""}, "no dataset file in the folder 'own'"),
        ({"test.csv": "text,label\n"}, "'own' has no train split"),
        ({"dataset_dict.json": "{"}, "dataset_dict.json of 'own' is not a JSON object"),
        ({"dataset_dict.json": '{"splits": ["extra", 3]}'}, r"no split named train.*its splits: 'extra'"),
        ({"dataset_dict.json": '{"splits": 3}'}, r"its splits: none"),
        ({"state.json": "[]"}, "state.json of 'own' is not a JSON object"),
        ({"state.json": '{"_data_files": []}'}, "names no data files"),
        ({"state.json": '{"_data_files": [{"filename": 3}]}'}, "names no data files"),
        ({"state.json": '{"_data_files": [{"filename": "data.arrow"}]}'}, "lacks its data file 'data.arrow'"),
        ({"state.json": '{"_data_files": [{"filename": "../data.arrow"}]}'}, "lacks its data file"),
    ],
)
def test_a_folder_that_is_no_dataset_is_told(tmp_path: Path, files: dict[str, str], said: str) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "data.arrow").write_text("outside")
    for name, content in files.items():
        (tmp_path / "own" / name).write_text(content)
    with pytest.raises(InvalidDataset, match=said):
        cells(tmp_path / "own")


# -- what holds for all ------------------------------------------------------------------------------------------------


def test_files_of_several_forms_make_one_dataset(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "valid.tsv").write_text("text\tlabel\nv\ta\n")
    (tmp_path / "test.csv").write_text("text,label\nt,a\n")
    assert found(tmp_path) == [
        ("train", "train.jsonl, line 1", "a"),
        ("validation", "valid.tsv, line 2", "v"),
        ("test", "test.csv, line 2", "t"),
    ]


def test_a_hash_tells_datasets_apart_and_names_what_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    train = folder / "train.csv"
    train.write_text("text,label\na,x\n")
    first = content_sha256(folder)
    (folder / "README.md").write_text("not read")
    assert content_sha256(folder) == first
    train.write_text("text,label\na,y\n")
    assert content_sha256(folder) != first
    train.write_text("text,label\na,x\n")
    train.rename(folder / "training.csv")
    assert content_sha256(folder) != first
    with pytest.raises(InvalidDataset, match=r"no dataset file 'gone\.csv'"):
        content_sha256(tmp_path / "gone.csv")


def test_what_is_larger_than_the_limits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,label\n" + "abcdefgh,b\n" * 20)
    for limit, said in (("MAX_ROWS", "more than 10 rows"), ("MAX_CHARACTERS", "more than 10 characters")):
        with monkeypatch.context() as patch:
            patch.setattr(dataset_files, limit, 10)
            with pytest.raises(InvalidDataset, match=said):
                cells(path)
    with path.open("r+b") as file:
        file.truncate(dataset_files.MAX_FILE_BYTES + 1)
    with pytest.raises(InvalidDataset, match="larger than 512 MiB"):
        cells(path)


def test_a_path_that_the_system_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match="cannot be read: File name too long"):
        cells(tmp_path / ("x" * 5_000))
