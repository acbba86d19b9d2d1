"""Reading datasets record by record, whatever they are stored as.

One file (CSV, TSV, JSON lines, Parquet) or a folder: what `save_to_disk` of the datasets library writes, or files named
after the splits they hold (`train.parquet`, `data/test-00000-of-00001.parquet`).
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft_core.dataset_records import MAX_CHARACTERS, MAX_ROWS, CellKinds, Record, characters
from peft_core.dataset_tables import parquet_columns, read_arrow, read_parquet
from peft_core.dataset_text import csv_columns, json_columns, read_csv, read_json_lines
from peft_core.errors import InvalidDataset

MAX_FILE_BYTES = 512 * 2**20

OWN_SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
"""How datasets call their own splits, and how we do. A split of any other name is not read."""

SPLIT_FILE = re.compile(rf"({'|'.join(OWN_SPLITS)})([-_.].*)?\.(csv|tsv|tab|jsonl|ndjson|json|parquet|pq)", re.ASCII)


@dataclass(frozen=True)
class _Part:
    """One file of a dataset and the split whose records it holds ("" where the dataset has none of its own)."""

    file: Path
    split: str = ""


def content_sha256(path: Path) -> str:
    """A hash of the dataset's bytes, by which a run knows that it reads what the study was made of.

    Of a folder: of the files that are read, by name and in order. Raises InvalidDataset where it is no longer there.
    """
    with _telling(path):
        if path.is_file():
            return _file_sha256(path)
        digest = hashlib.sha256()
        for part in _parts(path):
            name = part.file.relative_to(path).as_posix()
            digest.update(f"{part.split}\0{name}\0{_file_sha256(part.file)}\n".encode())
        return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_of(path: Path) -> list[Path]:
    """The files that a dataset is read from; raises InvalidDataset where there are none."""
    with _telling(path):
        return [part.file for part in _parts(path)]


def column_names(path: Path) -> list[str]:
    """The columns of a file of one's own: of its header line, its first object, or those of its schema that a task can
    read. Raises InvalidDataset as `read_records` does."""
    with _telling(path):
        form = _form(path)
        if form == "parquet":
            return parquet_columns(path, path.name)
        with path.open("rb") as opened:
            if form == "json":
                return json_columns(opened, path.name)
            return csv_columns(opened, path.name, delimiter=form)


def read_records(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    """The records of a dataset, with the cells of `columns`.

    Raises InvalidDataset naming what is wrong and where: no such file, not UTF-8, not what its name says, a column of
    `columns` that is missing or twice there, a ragged line, a value that is no text, number or list of them.
    """
    return (record for _, record in read_split_records(path, columns))


def read_split_records(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, Record]]:
    """The records with the split each belongs to: "train", "validation" or "test" where the dataset brings its own
    splits, else "". Raises as `read_records` does."""
    with _telling(path):
        yield from _read_parts(path, columns)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """What the system refuses, in a sentence."""
    try:
        yield
    except OSError as error:
        raise InvalidDataset(f"{path.name[:100]!r} cannot be read: {error.strerror}. Check its rights.") from None


def _read_parts(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, Record]]:
    parts = _parts(path)
    if sum(part.file.stat().st_size for part in parts) > MAX_FILE_BYTES:
        raise InvalidDataset(f"{path.name!r} is larger than {MAX_FILE_BYTES // 2**20} MiB. Give a smaller file.")
    rows = text = 0
    for part in parts:
        name = part.file.relative_to(path).as_posix() if path.is_dir() else path.name
        kinds = CellKinds(name)
        for place, cells in _read_file(part.file, name, columns):
            kinds.check(place, cells)
            rows += 1
            text += characters(cells)
            if rows > MAX_ROWS:
                raise InvalidDataset(f"{path.name!r} has more than {MAX_ROWS:,} rows. Give a smaller file.")
            if text > MAX_CHARACTERS:
                raise InvalidDataset(
                    f"{path.name!r} holds more than {MAX_CHARACTERS:,} characters in the columns that are read. Give a"
                    " smaller file."
                )
            yield part.split, (place if part.file == path else f"{name}, {place}", cells)


def _parts(path: Path) -> list[_Part]:
    """The files of a dataset in the order they are read: training, validation, test."""
    if path.is_file():
        return [_Part(path)]
    if not path.is_dir():
        raise InvalidDataset(f"There is no dataset file {path.name!r}. Give a CSV, TSV, JSON lines or Parquet file.")
    if (path / "dataset_dict.json").is_file():
        return _saved_splits(path)
    if (path / "state.json").is_file():
        return [_Part(file) for file in _saved_files(path)]
    parts = _named_parts(path)
    if not parts:
        raise InvalidDataset(
            f"There is no dataset file in the folder {path.name!r}. Give a file, a folder that save_to_disk wrote, or a"
            " folder with files named train, validation and test."
        )
    return _in_order(path, parts)


def split_of(file_name: str) -> str | None:
    """The split that a file holds by its name ("train-00000-of-00002.parquet"), None where it is not read."""
    found = SPLIT_FILE.fullmatch(file_name)
    return OWN_SPLITS[found[1]] if found else None


def _named_parts(folder: Path) -> list[_Part]:
    """The files that are named after their splits: in the folder, or in the one folder inside it that has any."""
    found = [_parts_of_splits(entry) for entry in (folder, *sorted(folder.iterdir())) if entry.is_dir()]
    own, inside = found[0], [parts for parts in found[1:] if parts]
    return own or (inside[0] if len(inside) == 1 else [])


def _parts_of_splits(folder: Path) -> list[_Part]:
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    return [_Part(file, split) for file in files if (split := split_of(file.name)) is not None]


def _saved_splits(folder: Path) -> list[_Part]:
    """What `DatasetDict.save_to_disk` wrote: one folder for each split."""
    written = _json_file(folder / "dataset_dict.json", folder.name).get("splits")
    names = [name for name in written if isinstance(name, str)] if isinstance(written, list) else []
    known = [name for name in names if name in OWN_SPLITS and (folder / name).is_dir()]
    parts = [_Part(file, OWN_SPLITS[name]) for name in known for file in _saved_files(folder / name)]
    if not parts:
        listed = ", ".join(repr(name[:40]) for name in names[:20]) or "none"
        raise InvalidDataset(
            f"{folder.name!r} has no split named train, validation or test (its splits: {listed}). Give the folder of"
            " one split instead."
        )
    return _in_order(folder, parts)


def _in_order(folder: Path, parts: list[_Part]) -> list[_Part]:
    order = ("train", "validation", "test")
    if not any(part.split == "train" for part in parts):
        raise InvalidDataset(f"{folder.name!r} has no train split. Add one, or give the file of one split instead.")
    return sorted(parts, key=lambda part: order.index(part.split))


def _saved_files(folder: Path) -> list[Path]:
    """The data files of one dataset that `save_to_disk` wrote, in order."""
    entries = _json_file(folder / "state.json", folder.name).get("_data_files")
    names = [entry.get("filename") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    if not names or not all(isinstance(name, str) and name.endswith(".arrow") for name in names):
        raise InvalidDataset(f"state.json of {folder.name!r} names no data files. Write the folder with save_to_disk.")
    files = [folder / str(name) for name in names]
    for file in files:
        if file.parent != folder or not file.is_file():
            raise InvalidDataset(
                f"{folder.name!r} lacks its data file {file.name!r}. Write it again with save_to_disk."
            )
    return files


def _json_file(path: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidDataset(f"{path.name} of {name!r} is not a JSON object. Write the folder with save_to_disk.")
    return found


def _read_file(file: Path, name: str, columns: Sequence[str]) -> Iterator[Record]:
    form = _form(file)
    if form == "arrow":
        yield from read_arrow(file, name, columns)
    elif form == "parquet":
        yield from read_parquet(file, name, columns)
    else:
        with file.open("rb") as opened:
            if form == "json":
                yield from read_json_lines(opened, name, columns)
            else:
                yield from read_csv(opened, name, columns, delimiter=form)


def _form(file: Path) -> str:
    """What a file is by its name, else by its first bytes: arrow, parquet, json, or the delimiter of its fields."""
    suffix = file.suffix.lower()
    if suffix in (".csv", ".tsv", ".tab"):
        return "," if suffix == ".csv" else "\t"
    if suffix == ".arrow":
        return "arrow"
    with file.open("rb") as opened:
        start = opened.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    if suffix in (".parquet", ".pq") or start.startswith(b"PAR1"):
        return "parquet"
    return "json" if suffix in (".jsonl", ".ndjson", ".json") or start.startswith(b"{") else ","
