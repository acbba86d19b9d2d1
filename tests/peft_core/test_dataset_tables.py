"""Datasets in columns: Parquet and saved Arrow files, their class names, and small files that unfold to huge ones."""

import datetime
import json
import os
import tracemalloc
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from peft_core import dataset_tables
from peft_core.dataset_files import read_records
from peft_core.errors import InvalidDataset
from tests.peft_core.datasets import COLUMNS, FEATURES, RECORDS, cells, part, save_to_disk, write


@pytest.mark.parametrize("name", ["data.parquet", "data.pq", "data"])
@pytest.mark.parametrize("compression", ["zstd", "snappy", "none"])
def test_parquet(tmp_path: Path, name: str, compression: str) -> None:
    table = pyarrow.Table.from_pylist([record | {"when": datetime.date(2026, 1, 1)} for record in RECORDS])
    parquet.write_table(table, tmp_path / name, compression=compression)
    assert cells(tmp_path / name) == RECORDS


def test_columns_may_have_names_in_any_script_and_with_dots(tmp_path: Path) -> None:
    records = [{"文本": "一", "标签.1": "甲", "标签": "x"}, {"文本": "二", "标签.1": "乙", "标签": "y"}]
    parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "data.parquet")
    asked = ("文本", "标签.1")
    assert cells(tmp_path / "data.parquet", asked) == [{name: record[name] for name in asked} for record in records]


def test_lists_and_missing_values_stay_what_they_are_and_not_a_number_is_missing(tmp_path: Path) -> None:
    table = pyarrow.table({"text": [["a", "b"], None, []], "label": [1.5, float("nan"), None]})
    parquet.write_table(table, tmp_path / "data.parquet")
    assert cells(tmp_path / "data.parquet") == [
        {"text": ["a", "b"], "label": 1.5},
        {"text": None, "label": None},
        {"text": [], "label": None},
    ]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.text(max_size=20), st.integers(-9, 9)), min_size=1, max_size=20))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, int]]) -> None:
    records = [{"text": text, "label": label} for text, label in pairs]
    path = tmp_path_factory.mktemp("any") / "data.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(records), path)
    assert cells(path) == records


# -- class names -------------------------------------------------------------------------------------------------------


def test_a_class_is_told_by_its_name(tmp_path: Path) -> None:
    saved = save_to_disk(tmp_path / "saved", part("one", "two"))
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    table = pyarrow.table(part("one", "two")).replace_schema_metadata(metadata)
    parquet.write_table(table, tmp_path / "data.parquet")
    for path in (saved, tmp_path / "data.parquet"):
        assert cells(path, ("label", "tags")) == [{"label": "good", "tags": ["O", "B"]}] * 2


@pytest.mark.parametrize("number", [-1, 2])
def test_a_class_without_a_name_is_missing(tmp_path: Path, number: int) -> None:
    assert cells(save_to_disk(tmp_path / "saved", part("one", label=number)))[0]["label"] is None


@pytest.mark.parametrize("features", [None, [], {"label": 3}, {"label": {"names": [1], "_type": "ClassLabel"}}])
def test_metadata_of_another_form_is_left_alone(tmp_path: Path, features: object) -> None:
    assert cells(save_to_disk(tmp_path / "saved", part("one"), features=features)) == [{"text": "one", "label": 1}]


# -- what is refused ---------------------------------------------------------------------------------------------------

BAD_COLUMNS = {
    "struct": (pyarrow.array([{"a": 1}, {"a": 2}]), "holds struct<a: int64>. Give text, numbers, or lists of them"),
    "nested": (pyarrow.array([[["a"]], [["b"]]]), "holds list<element: list<element: string>>"),
    "date": (pyarrow.array([datetime.date(2026, 1, 1)] * 2), "holds date32"),
    "bytes": (pyarrow.array([b"\xff", b"a"]), "holds binary"),
    "map": (pyarrow.array([[("a", 1)], []], pyarrow.map_(pyarrow.string(), pyarrow.int64())), "holds map<"),
    "infinite": (pyarrow.array([1.0, float("inf")]), "row 2: column 'label' holds a number that is infinite"),
}


@pytest.mark.parametrize("kind", BAD_COLUMNS)
def test_a_column_that_no_task_reads_is_refused(tmp_path: Path, kind: str) -> None:
    column, said = BAD_COLUMNS[kind]
    parquet.write_table(pyarrow.table({"text": ["a", "b"], "label": column}), tmp_path / "data.parquet")
    with pytest.raises(InvalidDataset, match=said):
        cells(tmp_path / "data.parquet")
    assert len(cells(tmp_path / "data.parquet", ["text"])) == 2, "columns that are not read may hold anything"


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    arrays = [pyarrow.array(["a"])] * 3
    parquet.write_table(pyarrow.Table.from_arrays(arrays, names=["text", "label", "label"]), tmp_path / "data.parquet")
    with pytest.raises(InvalidDataset, match="has 2 columns named 'label'"):
        cells(tmp_path / "data.parquet")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    table = pyarrow.table({"text": [os.urandom(20).hex() for _ in range(2_000)], "label": ["a", "b"] * 1_000})
    parquet.write_table(table, tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    damaged = [b"", b"PAR1", b"not parquet", whole[:-4], whole[: len(whole) // 2], whole[4:]]
    damaged += [whole[:place] + b"\xff" * 64 + whole[place + 64 :] for place in range(4, len(whole) - 64, 6_000)]
    for content in damaged:
        said, found = refusal_of(write(tmp_path / "data.parquet", content))
        # What is damaged inside a text is no fault of the file.
        assert "'data.parquet'" in said or found == 2_000


def test_a_damaged_arrow_file_is_refused(tmp_path: Path) -> None:
    folder = save_to_disk(tmp_path / "saved", part("one", "two"))
    (file,) = folder.glob("*.arrow")
    whole = file.read_bytes()
    for content in (b"", b"not arrow", whole[:40], whole[: len(whole) // 2]):
        assert "cannot be read as Arrow" in refusal_of(write(file, content).parent)[0]


def refusal_of(path: Path) -> tuple[str, int]:
    """Why a dataset is refused, or how many records it has."""
    try:
        return "", len(cells(path))
    except InvalidDataset as refusal:
        return str(refusal), 0


# -- size --------------------------------------------------------------------------------------------------------------


def test_a_small_file_that_unfolds_to_a_huge_one_is_refused_early(tmp_path: Path) -> None:
    rows = 40_000
    places, texts = pyarrow.array([0] * rows, pyarrow.int32()), pyarrow.array(["x" * 100_000])
    text = pyarrow.DictionaryArray.from_arrays(places, texts)
    path = tmp_path / "data.parquet"
    parquet.write_table(pyarrow.table({"text": text, "label": ["a", "b"] * (rows // 2)}), path)
    assert path.stat().st_size < 10_000
    tracemalloc.start()
    with pytest.raises(InvalidDataset, match="more than 268,435,456 characters"):
        for _ in read_records(path, COLUMNS):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Rows are unfolded 256 at a time.
    assert peak < 60_000_000


def test_a_file_that_declares_too_much_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.parquet"
    parquet.write_table(pyarrow.table({"text": ["x" * 5_000] * 40, "label": [[1] * 900] * 40}), path)
    monkeypatch.setattr(dataset_tables, "MAX_CHUNK_BYTES", 100_000)
    # A list of one number again and again takes nothing in the file and 8 bytes an entry in memory.
    with pytest.raises(InvalidDataset, match="unfolds to more than 0 MiB in one piece"):
        cells(path, ["label"])
    assert len(cells(path, ["text"])) == 40
    monkeypatch.setattr(dataset_tables, "MAX_ROWS", 39)
    with pytest.raises(InvalidDataset, match="more than 39 rows"):
        cells(path, ["text"])


def test_fewer_rows_are_unfolded_together_where_one_may_be_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.parquet"
    parquet.write_table(pyarrow.table({"text": [f"{number} " * 50 for number in range(600)]}), path)
    expected = cells(path, ["text"])
    monkeypatch.setattr(dataset_tables, "MAX_BATCH_BYTES", 1)
    assert cells(path, ["text"]) == expected
