"""Writing small datasets, and reading their cells."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow

from peft_core.dataset_files import read_records

COLUMNS = ("text", "label")
RECORDS = [{"text": "so lucky", "label": "good"}, {"text": "你好，世界", "label": "坏"}]
FEATURES = {
    "text": {"dtype": "string", "_type": "Value"},
    "label": {"names": ["bad", "good"], "_type": "ClassLabel"},
    "tags": {"feature": {"names": ["O", "B"], "_type": "ClassLabel"}, "_type": "List"},
}
"""How the datasets library describes columns of text, of classes and of lists of classes."""


def cells(path: Path, columns: Sequence[str] = COLUMNS) -> list[dict[str, Any]]:
    """The records of a dataset without their places."""
    return [record for _, record in read_records(path, columns)]


def write(path: Path, content: str | bytes) -> Path:
    """A file with this content, its folder made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(records: Sequence[dict[str, Any]]) -> str:
    """Records as JSON lines."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def save_to_disk(folder: Path, *parts: dict[str, list[Any]], features: object = FEATURES) -> Path:
    """A dataset as version 5 of the datasets library saves it: Arrow streams, and state.json that lists them."""
    folder.mkdir(parents=True)
    names = [f"data-{place:05}-of-{len(parts):05}.arrow" for place in range(len(parts))]
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    for name, columns in zip(names, parts, strict=True):
        table = pyarrow.table(columns).replace_schema_metadata(metadata)
        with pyarrow.OSFile(str(folder / name), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "0", "_split": None}
    write(folder / "state.json", json.dumps(state))
    write(folder / "dataset_info.json", "{}")
    return folder


def part(*texts: str, label: int = 1) -> dict[str, list[Any]]:
    """Columns of one part of a saved dataset: every text with this label and the tags O B."""
    return {"text": list(texts), "label": [label] * len(texts), "tags": [[0, 1]] * len(texts)}
