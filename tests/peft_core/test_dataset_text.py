"""Datasets in text files: what is read, and what is refused with its place and what to do."""

import csv
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peft_core.data import read_rows
from peft_core.dataset_files import read_records
from peft_core.errors import InvalidDataset
from peft_core.spec import Columns
from peft_core.tasks.classification import Classification
from tests.peft_core.datasets import COLUMNS, RECORDS, cells, lines, write


@pytest.mark.parametrize("name", ["data.csv", "data.CSV", "data.tsv", "data.tab", "data.txt", "data"])
def test_a_table_with_a_header_line(tmp_path: Path, name: str) -> None:
    delimiter = "\t" if name.endswith(("tsv", "tab")) else ","
    path = tmp_path / name
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ["label", "id", "text"], delimiter=delimiter)
        table.writeheader()
        table.writerows(record | {"id": "7"} for record in RECORDS)
    assert cells(path) == RECORDS


@pytest.mark.parametrize("name", ["data.jsonl", "data.ndjson", "data.json", "data"])
def test_objects_one_a_line(tmp_path: Path, name: str) -> None:
    assert cells(write(tmp_path / name, lines([record | {"id": [{}]} for record in RECORDS]))) == RECORDS


def test_a_table_may_have_a_byte_order_mark_quotes_blank_lines_and_spaces_in_its_header(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbftext, label \r\n"so\r\n""lucky""",good\r\n\r\n' + "你好，世界,坏".encode()
    assert cells(write(tmp_path / "data.csv", content)) == [{"text": 'so\r\n"lucky"', "label": "good"}, RECORDS[1]]


def test_columns_have_names_in_any_script(tmp_path: Path) -> None:
    path = write(tmp_path / "data.csv", "文本,标签.1\n一,甲\n")
    assert cells(path, ("文本", "标签.1")) == [{"文本": "一", "标签.1": "甲"}]


def test_lists_and_missing_values_stay_what_they_are(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = [
        {"text": ["a", "b"], "label": [1, 2]},
        {"text": None, "label": None},
        {"text": [], "label": [0.5]},
    ]
    assert cells(write(tmp_path / "data.jsonl", lines(records))) == records


@settings(max_examples=30)
@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=5)), min_size=1, max_size=20))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> None:
    records = [{"text": text, "label": label} for text, label in pairs]
    path = tmp_path_factory.mktemp("any") / "data.jsonl"
    assert cells(write(path, "".join(json.dumps(record) + "\n" for record in records))) == records


BAD = {
    "empty.csv": (b"", "is empty. Give a CSV file with a header line"),
    "blank.csv": (b"\n\n", "is empty"),
    "header.csv": (b"text,label\n", "has no data. Add rows"),
    "one.csv": (b"text,label\na,b\n", "one class, 'b'. Two are needed"),
    "twice.csv": (b"text,text,label\na,b,c\n", "has 2 columns named 'text'"),
    "missing.csv": (b"text;label\na;b\n", "no column 'text'. Its columns are 'text;label'"),
    "short.csv": (b"text,label\na,b\n\nc\n", "line 4: 1 field where the header has 2"),
    "quote.csv": (b'text,label\n"' + b"a" * 200_000, "a field larger than 131072 characters, or a quote that is never"),
    "mac.csv": (b"text,label\ra,b\r", "a line that ends in a bare carriage return"),
    "columns.csv": (",".join(map(str, range(100_000))).encode(), "has 100000 columns; at most 1000 are read"),
    "utf16.csv": ("text,label\na,b\n".encode("utf-16"), r"not UTF-8 text \(line 1, byte 1\). Save it as UTF-8 CSV"),
    "utf16le.csv": ("text,label\na,b\n".encode("utf-16-le"), "its first line holds a NUL"),
    "gbk.csv": ("text,label\n你好,b\n".encode("gbk"), r"not UTF-8 text \(line 2, byte 1\)"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not UTF-8 text"),
    "archive.csv": (b"PK\x03\x04\0\0", "its first line holds a NUL"),
    "nul.csv": (b"text,label\na\0,b\nc,d\n", "line 2: column 'text' holds a NUL"),
    "empty.jsonl": (b"\n", "has no data"),
    "deep.jsonl": (b"[" * 100_000, "line 1: nested too deeply"),
    "deeper.jsonl": (b'{"text": ' + b"[" * 600 + b"]" * 600 + b', "label": 1}', "'text' holds a list of more than"),
    "keys.jsonl": (b'{"text": "a", "text": "b", "label": "c"}', "line 1: the key 'text' is there twice"),
    "columns.jsonl": (json.dumps(dict.fromkeys(map(str, range(2_000)))).encode(), "line 1, has 2000 columns"),
    "missing.jsonl": (b'{"text": "a", "label": "b"}\n{"text": "c"}', "line 2, has no column 'label'"),
    "list.json": (b'[{"text": "a", "label": "b"}]', "line 1: a list where an object is needed. Write one object a"),
    "pretty.json": (b'{\n  "text": "a"\n}\n', "line 1: not JSON"),
    "cut.jsonl": (b'{"text": "a", "label": "b"}\n{"text": "c', "line 2: not JSON"),
    "nan.jsonl": (b'{"text": "a", "label": NaN}', "line 1: NaN is not a number of JSON"),
    "infinite.jsonl": (b'{"text": "a", "label": 1e999}', "'label' holds a number that is infinite or too large"),
    "digits.jsonl": (b'{"text": "a", "label": ' + b"9" * 5_000 + b"}", "a number of 5000 digits is too large"),
    "half.jsonl": (b'{"text": "\\ud800", "label": "b"}', r"'text' holds half a character \(a lone surrogate\)"),
    "halves.jsonl": (b'{"text": ["\\udfff"], "label": "b"}', "half a character"),
    "halfkey.jsonl": (b'{"\\ud800": "a", "label": "b"}', "no column 'text'"),
    "large.jsonl": (json.dumps({"text": "x" * 131_073, "label": "b"}).encode(), "a field larger than 131072"),
    "object.jsonl": (b'{"text": {"a": 1}, "label": "b"}', "'text' holds an object"),
    "mixed.jsonl": (
        b'{"text": "a", "label": 1}\n{"text": "c", "label": "1"}',
        "line 2: column 'label' holds text here and a number in line 1. Write all of them the same way",
    ),
    "truth.jsonl": (b'{"text": "a", "label": 1}\n{"text": "b", "label": true}', "true or false here and a number in"),
    "list.jsonl": (b'{"text": ["a", 1], "label": 1}', "a list of more than plain values of one kind"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    content, said = BAD[name]
    path = write(tmp_path / name, content)
    with pytest.raises(InvalidDataset, match=said) as refusal:
        read_rows(path, kind=Classification, columns=Columns(text="text", label="label"))
    assert name == "one.csv" or name in str(refusal.value)
    assert str(refusal.value).encode(), "a sentence can be sent, whatever the file holds"
    assert len(str(refusal.value)) < 1_000


def test_a_line_without_an_end_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    with path.open("wb") as file:
        file.truncate(70 * 2**20)
    with pytest.raises(InvalidDataset, match="line 1: longer than 24 MiB"):
        cells(path)


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_records_are_streamed(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"data.{form}"
    with path.open("w") as file:
        file.write("text,label\n" if form == "csv" else "")
        for number in range(5_000):
            text = f"{number} " * 200
            file.write(f"{text},a\n" if form == "csv" else json.dumps({"text": text, "label": "a"}) + "\n")
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    assert sum(1 for _ in read_records(path, COLUMNS)) == 5_000
    # The texts are 5 MB together.
    assert tracemalloc.get_traced_memory()[1] - before < 1_000_000
